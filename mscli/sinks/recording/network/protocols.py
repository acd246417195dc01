"""The table of protocols: what each can carry, FFmpeg's muxer, and how the connection is made. A row is a protocol.

A row of ``SINKS`` or ``SERVERS`` in ``mscli.sinks`` with the same scheme and suffix makes it an output.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from mscli.core.tuples import NamedTuple
from mscli.encode.codecs import CONTAINERS, FRAGMENTS_ALONE, Container

_NONE: Mapping[str, str] = MappingProxyType({})


class Protocol(NamedTuple):
    """A protocol. ``scheme``: its addresses begin with it, or with the next one if the connection is secure.

    ``container``: the codecs that it carries, the default one first. ``way``: how ``publish_child`` opens it: one of FFmpeg's
    protocols ("protocol"), a muxer that connects by itself ("muxer"), a PUT request without an end ("put"), a PUT request for
    each file ("files"), or an ffmpeg on the PATH ("program"). A "folder" needs none: see ``mscli.sinks.recording.playlist``.
    ``suffix``: of the addresses, if the protocol has several rows.
    """

    scheme: str
    container: Container
    way: str
    suffix: str = ""
    options: Mapping[str, str] = _NONE
    type: str = ""  # the MIME type, if the server wants to know it
    port: int = 0  # the usual one, if FFmpeg does not know it
    query: str = ""  # what the address is completed with
    keyed: bool = False  # whether the last part of the path is a secret, which MSCLI_TOKEN can complete


def _carries(name: str, muxer: str, video: tuple[str, ...], audio: tuple[str, ...]) -> Container:
    camera = tuple(codec.upper() for codec in video if codec in ("h264", "hevc", "vp8", "vp9"))
    return Container(name, (), muxer, video, audio, copied=camera, noun=f"a stream to {name}:")


_TS = ("h264", "hevc"), ("aac", "mp3", "opus")
_HLS = _carries("m3u8", "hls", ("h264", "hevc"), ("aac",))
_HLS_FILES = _HLS._replace(muxer="mp4", streaming=FRAGMENTS_ALONE, tags=CONTAINERS["mp4"].tags)
# A segment is at least two seconds long, and begins with a key frame. Numbers rise over interruptions, as the clock does.
_SEGMENTS = {
    "hls_time": "2", "hls_list_size": "6", "hls_segment_type": "fmp4", "hls_start_number_source": "epoch",
    "hls_flags": "delete_segments+independent_segments+program_date_time",
}  # fmt: skip

PROTOCOLS: dict[tuple[str, str], Protocol] = {
    (row.scheme, row.suffix): row
    for row in (
        Protocol("rtmp", _carries("rtmp", "flv", ("h264", "hevc", "av1"), ("aac", "mp3", "opus")), "protocol",
                 options={"flvflags": "no_duration_filesize"}, keyed=True),
        Protocol("rtsp", _carries("rtsp", "rtsp", ("h264", "hevc", "vp8"), ("aac", "opus", "mp3")), "muxer",
                 options={"rtsp_transport": "tcp"}),
        Protocol("udp", _carries("udp", "mpegts", *_TS), "muxer", query="pkt_size=1316"),
        Protocol("icecast", _carries("icecast", "mp3", (), ("mp3",)), "put", "mp3", type="audio/mpeg", port=8000),
        Protocol("icecast", _carries("icecast", "ogg", (), ("opus",)), "put", "ogg", {"page_duration": "100000"},
                 type="application/ogg", port=8000),
        Protocol("icecast", _carries("icecast", "adts", (), ("aac",)), "put", "aac", type="audio/aac", port=8000),
        Protocol("icecast", _carries("icecast", "webm", ("vp8", "vp9"), ("opus",)), "put", "webm",
                 {"cluster_time_limit": "250", "live": "1"}, type="video/webm", port=8000),
        Protocol("", _HLS_FILES, "folder", "m3u8"),
        Protocol("http", _HLS, "files", "m3u8", {**_SEGMENTS, "method": "PUT"}),
        Protocol("srt", _carries("srt", "mpegts", *_TS), "program"),
    )
}  # fmt: skip
