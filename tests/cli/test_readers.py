"""Several readers of one output: sockets that they join and leave, and named pipes that wait for the next one."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from tests.cli.program import FakeMachine, Running, camera, error_line, eventually
from tests.conftest import require, require_root
from tests.pattern import read_code

WIDTH, HEIGHT = 322, 242
FRAME = WIDTH * HEIGHT * 3 // 2


@pytest.fixture
def small(fake: FakeMachine) -> FakeMachine:
    fake.plug(camera(modes=[{"width": WIDTH, "height": HEIGHT, "frameRate": 30, "pixelFormat": "I420"}]))
    return fake


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


@contextmanager
def joined(path: Path) -> Iterator[socket.socket]:
    """A reader of a Unix socket, once it is there."""
    assert eventually(path.exists)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as reader:
        reader.settimeout(30)
        assert eventually(lambda: reader.connect_ex(str(path)) == 0)
        yield reader


def received(reader: socket.socket, count: int) -> bytes:
    """The next bytes. Fewer if the writer ends."""
    data = b""
    while len(data) < count and (more := reader.recv(count - len(data))):
        data += more
    return data


def number(frame: bytes) -> int:
    """The number in the luma of a picture, which is whole."""
    assert len(frame) >= WIDTH * HEIGHT
    code = read_code(np.frombuffer(frame[: WIDTH * HEIGHT], np.uint8).reshape(HEIGHT, WIDTH))
    assert code is not None
    return code.number


def head_of(reader: socket.socket) -> bytes:
    """The line at the beginning of a YUV4MPEG2 stream."""
    line = b""
    while not line.endswith(b"\n"):
        line += received(reader, 1)
    return line


def test_each_reader_of_a_socket_begins_with_the_header_and_a_whole_frame(small: FakeMachine) -> None:
    path = small.folder / "cam.sock"
    with small.running("capture", "--format", "y4m", "-o", f"unix:{path}") as running:
        last = -1
        with joined(path) as first:
            for _ in range(3):
                with joined(path) as later:
                    assert head_of(later).startswith(f"YUV4MPEG2 W{WIDTH} H{HEIGHT} ".encode())
                    for _ in range(2):
                        assert received(later, 6) == b"FRAME\n"
                        found = number(received(later, FRAME))
                        assert found > last
                        last = found
            assert head_of(first).startswith(b"YUV4MPEG2")
            assert received(first, 6) == b"FRAME\n"
            assert number(received(first, FRAME)) < last
        running.process.terminate()
        done = running.end()
    assert (done.returncode, path.exists()) == (0, False)


def test_a_reader_that_stops_harms_nobody(small: FakeMachine) -> None:
    path = small.folder / "cam.sock"
    with small.running("capture", "-o", f"unix:{path}") as running, joined(path) as stopped, joined(path) as going:
        first = number(received(going, FRAME))
        for _ in range(40):  # more than a socket holds
            latest = number(received(going, FRAME))
        assert latest >= first + 40
        assert number(received(stopped, FRAME)) <= latest  # what waited for it is whole, and in order
        running.process.terminate()
        assert running.process.wait(30) == 0


def test_readers_join_h264_at_a_key_frame(small: FakeMachine) -> None:
    path = small.folder / "cam.sock"
    with small.running("capture", "--format", "h264", "-o", f"unix:{path}") as running:
        for _ in range(2):
            with joined(path) as reader:
                assert received(reader, 5) == b"\0\0\0\1\x67"
        running.process.terminate()
        assert running.process.wait(30) == 0


def test_ffmpeg_reads_from_a_port(small: FakeMachine) -> None:
    require("ffmpeg")
    address = f"tcp://127.0.0.1:{free_port()}"
    with small.running("capture", "--format", "y4m", "-o", address) as running:
        command = ["ffmpeg", "-v", "error", "-f", "yuv4mpegpipe", "-i", address, "-frames:v", "3", "-f", "framecrc", "-"]
        for _ in range(2):
            found: list[bytes] = []

            def read(found: list[bytes] = found) -> bool:
                done = subprocess.run(command, capture_output=True, check=False)
                found[:] = [done.stdout]
                return done.returncode == 0

            assert eventually(read)
            assert found[0].count(b"\n0,") == 3
        running.process.terminate()
        assert running.process.wait(30) == 0


def test_a_run_ends_without_a_reader(small: FakeMachine) -> None:
    report = small.json("capture", "--json", "--frames", "5", "-o", f"unix:{small.folder}/cam.sock", "-o", "x.raw")
    assert [one["tracks"][0]["frames"] for one in report["outputs"]] == [5, 5]
    assert small.files == ["x.raw"]


def test_a_path_is_taken_over_from_a_program_that_died(small: FakeMachine) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(small.folder / "cam.sock"))
    small("capture", "--quiet", "--frames", "2", "-o", "UNIX:cam.sock", code=0)
    assert small.files == []


TAKEN = {
    "file": "the name belongs to something that is not a socket",
    "socket": "another program listens on it",
    "port": "it is in use",
}


def test_what_has_taken_the_path_meanwhile_stays(small: FakeMachine) -> None:
    path = small.folder / "cam.sock"
    with small.running("capture", "--quiet", "-o", f"unix:{path}") as running:
        assert eventually(path.is_socket)
        path.unlink()
        path.write_text("mine")
        running.process.terminate()
        assert running.process.wait(30) in (0, 130)  # the first frame may not have come yet
    assert path.read_text() == "mine"


@pytest.mark.parametrize("what", ["link", "socket"])
def test_in_a_folder_for_everyone_nothing_of_another_user_is_trusted(what: str, small: FakeMachine) -> None:
    require_root("only root makes files of other users")
    sticky, other = small.folder / "sticky", small.folder / "other"
    sticky.mkdir()
    sticky.chmod(0o1777)
    other.mkdir()
    with socket.socket(socket.AF_UNIX) as dead:
        if what == "link":
            (sticky / "link").symlink_to(other)
        else:
            dead.bind(str(sticky / "link"))
    os.chown(sticky / "link", 65534, 65534, follow_symlinks=False)
    path = "sticky/link/cam.sock" if what == "link" else "sticky/link"
    assert f"a {what} of another user has this name" in error_line(small("capture", "-o", f"unix:{path}", code=9))
    assert (list(other.iterdir()), (sticky / "link").lstat().st_uid) == ([], 65534)


@pytest.mark.parametrize("taken", TAKEN)
def test_an_address_that_is_taken_is_an_error(taken: str, small: FakeMachine) -> None:
    path = small.folder / "cam.sock"
    with socket.socket() as port, socket.socket(socket.AF_UNIX) as there:
        address = f"unix:{path}"
        if taken == "file":
            path.write_text("kept")
        elif taken == "socket":
            there.bind(str(path))
            there.listen()
        else:
            port.bind(("127.0.0.1", 0))
            port.listen()
            address = f"tcp://127.0.0.1:{port.getsockname()[1]}"
        line = error_line(small("capture", "--frames", "2", "-o", address, code=9))
        assert line.endswith(f"cannot write to {address}: {TAKEN[taken]}")
        assert path.exists() == (taken != "port")


@pytest.mark.parametrize(
    ("arguments", "said", "code"),
    [
        ("-o tcp://127.0.0.1", "it is not tcp://ADDRESS:PORT", 9),
        ("-o tcp://127.0.0.1:99999", "it is not tcp://ADDRESS:PORT", 9),
        ("-o unix:nowhere/cam.sock", "its folder does not exist", 9),
        ("-o tcp://a..b:1", "no machine can have the name a..b", 9),
        ("--preview web --listen a..b:1 -o x.raw", "no machine can have the name a..b", 9),
        ("--format matroska -o unix:cam.sock", "readers cannot join matroska on a socket", 7),
        ("--reopen -o x.raw", "--reopen has no effect", 2),
    ],
)
def test_what_no_reader_could_join_is_refused(arguments: str, said: str, code: int, small: FakeMachine) -> None:
    assert said in error_line(small("capture", "--frames", "1", *arguments.split(), code=code))
    assert small.files == []


@pytest.mark.parametrize(
    "arguments", ["record unix:cam.sock", "record TCP://127.0.0.1:9", "snapshot SHM:cam", "snapshot unix:x.png"]
)
def test_an_address_of_capture_is_refused_with_its_name(arguments: str, small: FakeMachine) -> None:
    command, address = arguments.split()
    done = small(command, address, code=7)
    what = "pictures" if command == "snapshot" else "recordings"
    assert error_line(done).endswith(f"cannot write {what} to {address.partition(':')[0].lower()}: addresses")
    assert f"“mscli capture -o {address}” writes raw data there" in done.stderr.decode()
    assert small.files == []


def test_an_unknown_scheme_is_refused_with_the_known_ones(small: FakeMachine) -> None:
    said = small("record", "gopher://h/x.mkv", code=7).stderr.decode()
    assert said.startswith("mscli: error: cannot write to gopher: addresses\n  mscli writes to files and pipes, and to rtmp:, ")
    assert "unix:, tcp:" in said


def read_frames(path: Path, count: int) -> bytes:
    """Open a named pipe, read a header and frames, and leave."""
    with path.open("rb") as pipe:
        return pipe.readline() + pipe.read(count * (6 + FRAME))


def test_a_named_pipe_waits_for_the_next_reader(small: FakeMachine) -> None:
    path = small.folder / "cam.fifo"
    os.mkfifo(path)
    with small.running("capture", "--debug", "--reopen", "--format", "y4m", "-o", str(path), "-o", "x.y4m") as running:
        assert running.process.stderr is not None
        last = -1
        for _ in range(3):
            data = read_frames(path, 2)
            head, *frames = data.split(b"FRAME\n")
            assert head.startswith(f"YUV4MPEG2 W{WIDTH} H{HEIGHT} ".encode())
            found = [number(frame) for frame in frames]
            assert last < found[0] < found[1]
            last = found[1]
            assert any(b"its reader has left" in line for line in iter(running.process.stderr.readline, b""))
        running.process.terminate()
        assert running.end().returncode == 0
    assert (small.folder / "x.y4m").stat().st_size > 2 * FRAME


def test_without_reopen_a_reader_that_leaves_ends_its_output(small: FakeMachine) -> None:
    path = small.folder / "cam.fifo"
    os.mkfifo(path)
    with small.running("capture", "--format", "y4m", "-o", str(path)) as running:
        read_frames(path, 1)
        assert running.process.wait(30) == 0


def test_a_named_pipe_without_a_reader_holds_up_no_other_output(small: FakeMachine) -> None:
    os.mkfifo(small.folder / "cam.fifo")
    with small.running("capture", "--frames", "5", "-o", "cam.fifo", "-o", "x.raw") as running:
        file = small.folder / "x.raw"
        assert eventually(lambda: file.exists() and file.stat().st_size == 5 * FRAME)
        got: list[bytes] = []
        reader = threading.Thread(target=lambda: got.append((small.folder / "cam.fifo").read_bytes()))
        reader.start()
        ended(running)
        reader.join()


def ended(running: Running) -> None:
    """Wait for the end of a run, whatever its exit code."""
    running.process.communicate(timeout=30)
