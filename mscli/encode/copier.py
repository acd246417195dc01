"""Copy a camera's chunks into files without decoding them. Each chunk keeps its capture time."""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import cast

import av

from mscli.core.clock import MICROSECONDS
from mscli.core.codecs import VIDEO_CODECS, ImageFile, VideoCodec, check_whole
from mscli.core.errors import NotReadableError
from mscli.core.frames import DELTA, KEY, EncodedVideoChunk, VideoFrame, outline
from mscli.core.log import Burst, Log
from mscli.core.window import PAST_US, is_past
from mscli.encode.chunks import PacketStream
from mscli.encode.codecs import check_copied
from mscli.encode.options import TrackFormat
from mscli.encode.video import DEFAULT_RATE, PicturesToChunks
from mscli.media.chunkfilter import ChunkFilter, Faults

_log = Log("encode")


class VideoCopier(PicturesToChunks):
    """A copier of the chunks of a video track. ``formats``: the camera formats that the container accepts."""

    forces_keys = False
    first_wait_us = 10 * MICROSECONDS  # a camera may start slowly, and a file needs its first picture

    def __init__(self, formats: Sequence[str], track: TrackFormat) -> None:
        super().__init__()
        self._formats = formats
        self._expected = track.pixel_format  # the format of the camera's mode, if known
        self._duration_us = round(MICROSECONDS / float(track.settings.get("frameRate") or DEFAULT_RATE))
        self._first: EncodedVideoChunk | None = None  # without its data, which belongs to the driver
        self.restrict(formats)
        self._pattern: av.VideoStream | None = None  # of a key chunk with the latest parameter sets, if it has any
        self._sets = b""  # these sets
        self._chunk_filter = ChunkFilter(whole=True)
        self._hiding = Burst(_log, "%d black frame(s) left out: copied video has none")
        self._beheaded = Burst(_log, "%d key frame(s) left out: a file's header cannot be made of them")
        self._taken = 0  # frames
        self._headless = 0  # chunks that FFmpeg cannot make a file header from
        self._torn = 0  # chunks that depend on one that was lost
        self._hidden = 0  # black frames of the muted track
        self._key: EncodedVideoChunk | None = None  # the last chunk at which decoding can start
        self._repeated = 0
        self._copied_us = 0  # the capture time of the last picture
        self._ahead: list[EncodedVideoChunk] = []  # chunks that are shown after the end, unless others before it need them

    def restrict(self, formats: Sequence[str]) -> None:
        """Copy only these formats, for one more container. Raises NotSupportedError if the camera's is none of them."""
        self._formats = [one for one in self._formats if one in formats]
        camera = self._expected if self._first is None else VIDEO_CODECS[self._first.codec].camera
        if camera:
            check_copied(camera, self._formats)

    @property
    def waiting(self) -> int:
        """Return 0, because no picture is held back."""
        return 0

    def start(self, origin_us: int, now_us: int) -> None:
        """Begin the recording. Raises NotReadableError if no chunk has come that a file can begin with."""
        if self._first is None:
            waited_s = (now_us - origin_us) / MICROSECONDS
            faults = self.faults
            why = f"; the last of {self._taken} frames {faults.why}" if faults.why else ""
            raise NotReadableError(f"no key frame from the camera within {waited_s:.3g} s{why}")

    def shows(self, frame: VideoFrame | EncodedVideoChunk) -> bool:
        """Return whether the frame is a chunk, not a black frame of a muted track."""
        return isinstance(frame, EncodedVideoChunk)

    def encode(self, frame: VideoFrame | EncodedVideoChunk) -> list[EncodedVideoChunk]:
        """Return the chunk. Raises NotSupportedError if it cannot be copied."""
        if not isinstance(frame, EncodedVideoChunk):
            self._check_hidden(frame)
            return []
        check_copied(VIDEO_CODECS[frame.codec].camera, self._formats)
        check_whole(frame)
        self._taken += 1
        data = self._chunk_filter.pass_on(frame)
        if data is not None and (image := VIDEO_CODECS[frame.codec].image) is not None:
            data = _as_file(data, image)
        if data is None or (self._first is None and not self._can_begin(frame, data)):
            return []
        bridge = self._bridge(self._copied_us, frame.timestamp)
        if bridge and not frame.key:  # it depends on the pictures before the repeated one
            self._chunk_filter.begin_again()
            data = self._chunk_filter.pass_on(frame)
        if data is None:
            return bridge
        self._follow_sets(frame, data)
        self._torn += self._chunk_filter.broken
        begun = self._first is not None
        chunk = self._chunk(frame, data)
        if begun and is_past(chunk, self.end_us):
            self._ahead.append(replace(chunk, duration=PAST_US))
            return bridge
        needed, self._ahead = self._ahead, []
        return [*bridge, *needed, chunk]

    def keep_up(self, until_us: int) -> list[EncodedVideoChunk]:  # noqa: ARG002
        """Return no chunk, because the last picture stays visible."""
        return []

    def repeat(self, at_us: int, after_us: int = 0) -> list[EncodedVideoChunk]:  # noqa: ARG002
        """Repeat the last key chunk at ``at_us``, to begin a file. The file continues with the next key chunk."""
        if self._key is None:
            return []
        self._repeated += 1
        self._copied_us = at_us
        return [replace(self._key, timestamp=at_us)]

    def finish(self) -> list[EncodedVideoChunk]:
        """Return no chunk. No other needs those that are held back."""
        self.past += len(self._ahead)
        self._ahead = []
        self._hiding.end()
        self._beheaded.end()
        return []

    def close(self) -> None:
        """Free the chunk to repeat and the header's pattern."""
        self._key = self._pattern = None

    def stream(self) -> PacketStream:
        """Return the description of the track for a file's header. A first chunk must have come."""
        assert self._first is not None, "started"
        size, carries_sets = (
            (self._first.coded_width, self._first.coded_height),
            VIDEO_CODECS[self._first.codec].units is not None,
        )
        return PacketStream(self._first.codec, self._pattern, size, carries_sets=carries_sets)

    def corrections(self) -> Mapping[str, int]:
        """Return the corrections for the report."""
        return {**self.faults.corrections, "hidden": self._hidden, "duplicated": self._repeated, "past": self.past}

    @property
    def faults(self) -> Faults:
        """Return the faults of the frames that could not be used."""
        seen = self._chunk_filter.faults
        return seen._replace(damaged=seen.damaged + self._headless, torn=self._torn)

    def _check_hidden(self, frame: VideoFrame) -> None:
        """Drop and count a black frame of a muted track. Raises NotSupportedError if the camera delivers raw pictures."""
        if self._first is None and not frame.blank:
            check_copied(frame.format, self._formats)
        self._hidden += 1
        self._hiding.note(1)

    def _can_begin(self, frame: EncodedVideoChunk, data: memoryview) -> bool:
        codec = VIDEO_CODECS[frame.codec]
        if codec.image is not None:
            return True
        self._pattern, self._sets = _read_head(data, codec), self._chunk_filter.sets
        if self._pattern is None:
            self._headless += 1
            self._beheaded.note(1)
            self._chunk_filter.begin_again(passed=False)
        return self._pattern is not None

    def _follow_sets(self, frame: EncodedVideoChunk, data: memoryview) -> None:
        """Take the pattern for later files from a key chunk with other parameter sets than those before."""
        codec, sets = VIDEO_CODECS[frame.codec], self._chunk_filter.sets
        if sets != self._sets and (frame.key or codec.starts(data)):
            self._sets = sets
            self._pattern = _read_head(memoryview(sets + bytes(data)), codec) or self._pattern

    def _chunk(self, frame: EncodedVideoChunk, data: memoryview) -> EncodedVideoChunk:
        if self._first is None:
            self._first, self.first_us = outline(frame), frame.timestamp
        self._copied_us = frame.timestamp
        key = frame.key or VIDEO_CODECS[frame.codec].starts(data)
        copy = memoryview(av.Packet(cast(bytes, data))).toreadonly()  # frees the driver's memory; all files share the packet
        chunk = EncodedVideoChunk(
            KEY if key else DELTA, frame.timestamp, copy, frame.codec, frame.coded_width, frame.coded_height,
            frame.duration or self._duration_us, frame.sequence, frame.color_space, frame.description,
            reorder_us=frame.reorder_us,
        )  # fmt: skip
        self._key = chunk if key else self._key
        return chunk


def _as_file(data: memoryview, image: ImageFile) -> memoryview:
    """Return the image with what files need and many cameras omit: a JPEG's Huffman tables."""
    parts = image.parts(data)
    return data if len(parts) == 1 else memoryview(b"".join(parts))


def _read_head(data: memoryview, codec: VideoCodec) -> av.VideoStream | None:
    """Return the stream of a key chunk with what a file's header says of it, or None if the chunk is damaged."""
    file, kind = (_in_ivf(data, codec), "ivf") if codec.units is None else (data, codec.decoder)
    try:
        return av.open(io.BytesIO(file), format=kind).streams.video[0]
    except (av.FFmpegError, IndexError):
        return None


def _in_ivf(data: memoryview, codec: VideoCodec) -> bytes:
    """Return a chunk without start codes in the simplest container: https://wiki.multimedia.cx/index.php/Duck_IVF."""
    fourcc = codec.camera.encode().ljust(4, b"0")  # VP80, VP90
    head = struct.pack("<4sHH4sHHIII4x", b"DKIF", 0, 32, fourcc, 0, 0, 1, 1, 1)
    return head + struct.pack("<IQ", data.nbytes, 0) + bytes(data)
