"""Streams that FFmpeg reads in a process of its own, from real servers of RTSP, RTMP and HLS on loopback."""

from __future__ import annotations

import os
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mscli.core.errors import DOMException, NotAllowedError, NotFoundError, NotReadableError, NotSupportedError
from mscli.core.frames import AudioData, EncodedVideoChunk, VideoFrame
from mscli.core.location import locate
from mscli.sources.base import AUDIO_INPUT, VIDEO_INPUT, InputOptions
from mscli.sources.network.backend import NetworkBackend
from mscli.sources.network.links import LinkReader
from mscli.sources.network.relay import CHILD, Relayed
from mscli.sources.network.relay_child import FAILURE, HEAD
from tests.backends.servers import LOGIN, PASSWORD, USER, Tcp, Web, free_port, nginx, rtsp, sending, whole
from tests.backends.test_network import HURRIED, PATIENT, failure, started
from tests.cli.program import eventually
from tests.media_files import PICTURE, SECONDS, SIZE, SOUND, make

pytestmark = pytest.mark.usefixtures("no_descriptor_is_left")

GONE = b'{"failure": "OSError", "reason": "Gone", "text": "rtsp://u:p@h/ is gone"}\n'
PICTURES, TONE = (source.partition(":duration")[0] for source in (PICTURE[3], SOUND[3]))
FOR_EVER = ("-re", "-f", "lavfi", "-i", PICTURES, "-f", "lavfi", "-i", TONE)
LIKE_A_CAMERA = ("-c:v", "libx264", "-preset", "ultrafast", "-g", "25", "-pix_fmt", "yuv420p", "-c:a", "aac", "-f", "flv")


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """Return the port of a server of RTSP."""
    with rtsp() as (_, port):
        yield port


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, int]]:
    """Return the ports of RTMP and HTTP of a server that gets a stream."""
    folder = tmp_path_factory.mktemp("nginx")
    with nginx(folder) as ports:
        assert eventually(lambda: (folder / "pid").exists())
        with sending(*FOR_EVER, *LIKE_A_CAMERA, f"rtmp://127.0.0.1:{ports[0]}/live/key"):
            assert eventually(lambda: (folder / "hls/key.m3u8").exists())
            yield ports


@contextmanager
def tracks(address: str, *, codec: bool) -> Iterator[tuple[list[object], list[object]]]:
    """Open an address, and return some pictures and blocks of sound of it."""
    backend = NetworkBackend(address, PATIENT)
    pictures, seen = started(backend, VIDEO_INPUT, codec=codec)
    sound, heard = started(backend, AUDIO_INPUT)
    seen.wait_for(frames=10)
    heard.wait_for(frames=5)
    yield seen.frames, heard.frames
    pictures.stop()
    sound.stop()
    backend.close()
    assert seen.ends == heard.ends == []


@pytest.mark.parametrize("codec", [False, True], ids=["decoded", "copied"])
@pytest.mark.parametrize("kind", ["rtsp", "rtmp", "hls"])
def test_a_stream_becomes_two_tracks(kind: str, codec: bool, port: int, web: tuple[int, int]) -> None:
    addresses = {
        "rtsp": f"rtsp://127.0.0.1:{port}/live",
        "rtmp": f"rtmp://127.0.0.1:{web[0]}/live/key",
        "hls": f"http://127.0.0.1:{web[1]}/key.m3u8",
    }
    with tracks(addresses[kind], codec=codec) as (seen, heard):
        for one in seen:
            assert isinstance(one, EncodedVideoChunk if codec else VideoFrame)
            assert (one.coded_width, one.coded_height) == SIZE
        assert all(isinstance(one, AudioData) for one in heard)
        first = seen[0]
        assert not isinstance(first, EncodedVideoChunk) or (first.key and bytes(first.data[:3]) in (b"\0\0\1", b"\0\0\0"))
        for got in (seen, heard):
            times = [one.order_us for one in got if isinstance(one, EncodedVideoChunk | VideoFrame | AudioData)]
            assert times == sorted(set(times))


# What is left behind, and who can read it


def children() -> dict[int, str]:
    """Return the arguments of the processes that read streams for this one, by their ids."""
    found = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            parent = path.joinpath("stat").read_text().rpartition(")")[2].split()[1]
            arguments = path.joinpath("cmdline").read_bytes().decode()
        except OSError:
            continue
        if int(parent) == os.getpid() and CHILD in arguments:
            found[int(path.name)] = arguments
    return found


def test_a_login_is_not_among_the_arguments_of_the_process() -> None:
    with rtsp(USER, PASSWORD) as (_, port):
        backend = NetworkBackend(f"rtsp://{LOGIN}@127.0.0.1:{port}/live", PATIENT)
        source, got = started(backend, VIDEO_INPUT)
        got.wait_for(frames=1)
        (arguments,) = children().values()
        source.stop()
        backend.close()
        refused = [failure(f"rtsp://{login}127.0.0.1:{port}/live") for login in ("", f"{USER}:wrong@")]
    assert PASSWORD not in arguments
    assert LOGIN not in arguments
    assert children() == {}
    assert all(isinstance(error, NotAllowedError) for error in refused)
    assert "wrong" not in str(refused)


def test_a_server_that_hangs_can_be_left_at_once() -> None:
    with rtsp() as (server, port):
        backend = NetworkBackend(f"rtsp://127.0.0.1:{port}/live", PATIENT)
        source, got = started(backend, VIDEO_INPUT)
        got.wait_for(frames=1)
        server.send_signal(signal.SIGSTOP)
        source.stop()
        backend.close()
        assert got.ends == []
        assert children() == {}


def test_a_server_that_dies_ends_the_stream_with_an_error() -> None:
    with rtsp() as (server, port):
        address = f"rtsp://127.0.0.1:{port}/live"
        backend = NetworkBackend(address, PATIENT)
        source, got = started(backend, VIDEO_INPUT)
        got.wait_for(frames=1)
        server.kill()
        got.wait_for(ends=1)
        (error,) = got.ends
        assert isinstance(error, NotReadableError)
        assert address in error.message
        assert error.hints
        source.stop()
        backend.close()


def test_a_process_that_dies_is_an_error_and_no_end(port: int) -> None:
    address = f"rtsp://127.0.0.1:{port}/live"
    backend = NetworkBackend(address, PATIENT)
    source, got = started(backend, VIDEO_INPUT)
    got.wait_for(frames=1)
    (pid,) = children()
    os.kill(pid, signal.SIGKILL)
    got.wait_for(ends=1)
    (error,) = got.ends
    assert isinstance(error, NotReadableError)
    assert error.message == f"{address} has ended the stream"
    source.stop()
    backend.close()


def test_a_list_of_segments_that_is_complete_ends_as_a_file_does(tmp_path: Path) -> None:
    with Web() as server:
        backend = NetworkBackend(finite(server, tmp_path), PATIENT)
        source, got = started(backend, VIDEO_INPUT)
        got.wait_for(ends=1)
        assert got.ends == [None]
        source.stop()
        backend.close()


def finite(server: Web, folder: Path) -> str:
    """Return the address of a film as segments, which has an end."""
    made = make(folder / "film.ts").read_bytes()
    server.page("/film.ts", whole(made, "video/mp2t"))
    listed = f"#EXTM3U\n#EXT-X-TARGETDURATION:{SECONDS + 1}\n#EXTINF:{SECONDS},\nfilm.ts\n#EXT-X-ENDLIST\n"
    return server.page("/film.m3u8", whole(listed.encode(), "application/vnd.apple.mpegurl"))


@pytest.mark.parametrize(
    "told",
    [
        b"",
        HEAD.pack(0, 0, 0, 0, 0, 9),
        HEAD.pack(0, 0, 0, 0, 0, 9) + b"half",
        HEAD.pack(FAILURE, 0, 0, 0, 0, len(GONE)) + GONE,
    ],
)
def test_an_end_that_is_not_told_is_an_error(told: bytes) -> None:
    where = locate("rtsp://host/live")
    stream = {"index": 0, "kind": "video", "base": [1, 90000], "codec": "h264", "extradata": ""}
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(told)
        theirs.close()
        reader = LinkReader(where, Pair(ours), 1.0)
        relayed = Relayed(reader, {"start": 0, "streams": [stream]})
        with pytest.raises(NotReadableError) as found:
            list(relayed.demux([]))
    assert found.value.message in ("rtsp://host/live has ended the stream", "cannot read rtsp://host/live: gone")


DROPPED = """
import sys, av
from mscli.sources.network.relay import Relayed
from mscli.sources.network.relay_child import HEAD, SHOWN

class Reader:
    def __init__(self, messages):
        self.left = b"".join(messages)

    def fill(self, into):
        into[:], self.left = self.left[: len(into)], self.left[len(into) :]
        return True

with av.open(sys.argv[1]) as film:
    packets = [bytes(packet) for packet in film.demux(video=0) if packet.size]
messages = [HEAD.pack(0, SHOWN, at, 0, 1, len(packet)) + packet for at, packet in enumerate(packets)]
stream = {"index": 0, "kind": "video", "base": [1, 25], "codec": "h264", "extradata": ""}
for _ in range(100):
    relayed = Relayed(Reader(messages), {"start": 0, "streams": [stream]})
    decoder = relayed.best("video").codec_context
    decoder.thread_type, decoder.thread_count = "FRAME", 4
    for packet, _ in zip(relayed.demux([]), packets[:-1]):
        decoder.decode(packet)
    del relayed, decoder, packet
print("done")
"""


def test_a_decoder_whose_threads_still_work_can_be_dropped(tmp_path: Path) -> None:
    film = make(tmp_path / "film.ts")
    run = subprocess.run([sys.executable, "-c", DROPPED, film], capture_output=True, text=True, timeout=60)
    assert (run.stdout, run.stderr) == ("done\n", "")


class Pair:
    """A connection for ``LinkReader``."""

    def __init__(self, one: socket.socket) -> None:
        self._one = one

    def receive(self, timeout_s: float | None) -> bytes:
        return self._one.recv(1 << 16)

    def waiting(self) -> int:
        return 0

    def shut(self) -> None: ...

    def close(self) -> None: ...


# What fails


def test_a_path_that_is_not_there_is_not_found(port: int) -> None:
    found = failure(f"rtsp://127.0.0.1:{port}/nothing")
    assert isinstance(found, NotFoundError)
    assert found.message == f"rtsp://127.0.0.1:{port}/nothing does not exist on the server (404)"


@pytest.mark.parametrize("scheme", ["rtsp", "rtmp"])
def test_a_server_that_is_silent_is_an_error_in_time(scheme: str) -> None:
    with Tcp() as server:
        found = failure(f"{scheme}://127.0.0.1:{server.port}/live", HURRIED)
    assert isinstance(found, NotReadableError)
    assert found.message.endswith("does not answer within 0.3 s")


@pytest.mark.parametrize("scheme", ["rtsp", "rtsps", "rtmp", "rtmps"])
def test_garbage_and_a_closed_port_are_errors(scheme: str) -> None:
    with Tcp(b"garbage\r\n" * 9999, over=True) as server:
        found = failure(f"{scheme}://127.0.0.1:{server.port}/live/key")
    nobody = failure(f"{scheme}://127.0.0.1:{free_port()}/live/key")
    assert all(isinstance(error, NotReadableError) and error.hints for error in (found, nobody))
    assert "key" not in str((found, nobody)) or scheme.startswith("rtsp")


def test_a_film_that_would_fill_the_memory_is_an_error() -> None:
    box = struct.pack(">I4sII", 16, b"stss", 0, 300_000_000)  # a table of 1.2 GB
    for name in (b"stbl", b"minf", b"mdia", b"trak", b"moov"):
        box = struct.pack(">I", len(box) + 8) + name + box
    with Web() as server:
        server.page("/film.mp4", whole(struct.pack(">I", 16) + b"ftypisom\0\0\0\0" + box, "video/mp4"))
        listed = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:1,\nfilm.mp4\n#EXT-X-ENDLIST\n"
        address = server.page("/film.m3u8", whole(listed.encode(), "application/vnd.apple.mpegurl"))
        found = failure(address)
    assert isinstance(found, NotReadableError)
    assert found.message == f"{address} needs more memory than the process that reads it may take"
    assert "1 GiB" in found.hints[0]


def test_an_answer_that_would_fill_the_memory_is_an_error() -> None:
    answers = b"RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\nRTSP/1.0 200 OK\r\nCSeq: 2\r\nContent-Length: 99999999999\r\n\r\n"
    with Tcp(answers) as server:
        address = f"rtsp://127.0.0.1:{server.port}/live"
        found = failure(address)
    assert isinstance(found, NotReadableError)
    assert (
        found.message == f"{address} is damaged, or holds no media that mscli can read"
    )  # without it, FFmpeg waits for the rest


def test_an_application_that_is_not_there_is_an_error(web: tuple[int, int]) -> None:
    assert failure(f"rtmp://127.0.0.1:{web[0]}/nothing/key").message.startswith(
        f"cannot read rtmp://127.0.0.1:{web[0]}/nothing/***"
    )


def test_a_host_that_is_unknown_is_not_found() -> None:
    assert failure("rtsp://no-such-host.invalid/").message == "no host is called no-such-host.invalid"


def test_what_ffmpeg_lacks_is_said() -> None:
    found: DOMException = failure("srt://127.0.0.1:9000", InputOptions())
    assert isinstance(found, NotSupportedError)
    assert found.message == "the FFmpeg in PyAV cannot read srt: addresses"
    assert found.hints
