"""A ring of frames in shared memory: written by the sink, read by ``mscli.open_ring``, by hand, and by another process."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mscli
from mscli.api.ring import RingReader
from mscli.cli.manual import MANUALS
from mscli.core.errors import InvalidStateError, NotFoundError, NotSupportedError, OperationError
from mscli.core.frames import EncodedVideoChunk, VideoFrame, packed_planes
from mscli.core.ring import (
    COUNT_WORD,
    HEADER_BYTES,
    LEAST_SLOTS,
    MOST_SLOTS,
    RING_BYTES,
    RUNNING,
    RingHeader,
    SlotHeader,
    slots_for,
)
from mscli.encode.options import SinkOptions, TrackFormat
from mscli.sinks import SINKS, load_sink
from mscli.sinks.base import Sink
from mscli.sinks.files.ring import RingOutput
from tests.cli.program import FakeMachine, error_line, eventually
from tests.conftest import ROOT, clean_environment, require_root
from tests.sinks.synth import BLUE, RED, T0, jpeg, picture

FOLDER = Path("/dev/shm")


@pytest.fixture
def name() -> Iterator[str]:
    """The name of a ring that no other test has."""
    name = f"test-{os.getpid()}-{threading.get_ident() % 10_000}"
    yield name
    (FOLDER / f"mscli-{name}").unlink(missing_ok=True)


def writing(name: str, form: str = "", pixels: str = "") -> Sink:
    """A sink that writes into a ring."""
    options = SinkOptions(format=form, pixel_format=pixels)
    sink = load_sink(SINKS["raw"], f"shm:{name}", options)
    sink.open([TrackFormat("video", {"width": 64, "height": 48, "frameRate": 30})])
    return sink


def numbered(number: int, form: str = "I420") -> VideoFrame:
    """A frame with a colour and a time of its own."""
    return picture(form, 64, 48, ((number * 7) % 256, 100, 50), at_us=T0 + number * 1000, sequence=100 + number)


def is_torn(frame: mscli.RingFrame) -> bool:
    """Whether it is torn by now, which type checkers take for settled."""
    return frame.torn


def has_ended(ring: mscli.RingReader) -> bool:
    """Whether it has ended by now."""
    return ring.ended


def video(media: VideoFrame | EncodedVideoChunk) -> VideoFrame:
    """The raw frame."""
    assert isinstance(media, VideoFrame)
    return media


@pytest.mark.parametrize("form", ["I420", "YUYV", "RGB24", "NV12", "GREY"])
def test_frames_are_read_as_they_were_written(name: str, form: str) -> None:
    sink = writing(name)
    with mscli.open_ring(name) as ring:
        for number in range(3):
            sink.write(0, numbered(number, form))
            frame = ring.read(0)
            assert frame is not None
            media = video(frame.media)
            assert bytes(frame.data) == b"".join(packed_planes(numbered(number, form)))
            assert (media.format, media.coded_width, media.coded_height) == (form, 64, 48)
            assert (frame.index, media.timestamp, media.sequence) == (number, T0 + number * 1000, 100 + number)
            assert not frame.torn
        assert ring.read(0) is None
    sink.close()


def test_odd_sizes_and_conversions_are_packed(name: str) -> None:
    sink = writing(name, "RGB24")
    with mscli.open_ring(f"shm:{name}") as ring:
        sink.write(0, picture("I420", 63, 47, RED))
        frame = ring.read(0)
        assert frame is not None
        pixels = video(frame.media).to_ndarray("rgb24")
        assert pixels.shape == (47, 63, 3)
        assert np.abs(pixels.astype(int) - RED).max() < 8
    sink.close()


def test_a_reader_can_come_before_the_first_frame_and_waits_for_it(name: str) -> None:
    sink = writing(name)
    with mscli.open_ring(name) as ring:
        found = list[int]()

        def has(count: int) -> bool:
            return len(found) == count

        thread = threading.Thread(target=lambda: found.extend(frame.index for frame in ring))
        thread.start()
        for number in range(5):
            sink.write(0, numbered(number))
            assert eventually(partial(has, number + 1))
        sink.close()
        thread.join()
    assert found == [0, 1, 2, 3, 4]


def test_a_slow_reader_misses_frames_and_knows_how_many(name: str) -> None:
    sink = writing(name)
    sink.write(0, numbered(0))
    with mscli.open_ring(name) as ring:
        for number in range(1, 201):
            sink.write(0, numbered(number))
        frame = ring.read(0)
        assert frame is not None
        assert frame.index == 201 - MOST_SLOTS + 1
        assert ring.missed == frame.index - 1
        newest = ring.read(0, newest=True)
        assert newest is not None
        assert newest.index == 200
        assert ring.missed == 199 - 1
    sink.close()


def test_a_torn_frame_is_noticed(name: str) -> None:
    sink = writing(name)
    with mscli.open_ring(name) as ring:
        sink.write(0, numbered(0))
        frame = ring.read(0)
        assert frame is not None
        before = bytes(frame.data)
        for number in range(1, MOST_SLOTS):
            sink.write(0, numbered(number))
        assert not frame.torn
        sink.write(0, numbered(MOST_SLOTS))
        assert is_torn(frame)
        assert bytes(frame.data) != before, "the data is not a copy"
    sink.close()


def test_frames_that_a_writer_has_in_hand_are_not_given(name: str) -> None:
    sink = writing(name)
    with mscli.open_ring(name) as ring:
        sink.write(0, numbered(0))
        output = sink.output  # type: ignore[attr-defined]
        output._words[4096 // 8] -= 1
        assert ring.read(0) is None
    sink.close()


def test_encoded_frames_keep_their_size(name: str) -> None:
    sink = writing(name, "mjpeg")
    chunk = jpeg()
    with mscli.open_ring(name) as ring:
        sink.write(0, chunk)
        frame = ring.read(0)
        assert frame is not None
        assert isinstance(frame.media, EncodedVideoChunk)
        assert (frame.media.codec, frame.media.key, bytes(frame.data)) == ("mjpeg", True, bytes(chunk.data))
        large = replace(chunk, data=memoryview(bytes(chunk.data) + bytes(100_000)), timestamp=chunk.timestamp + 1)
        output = sink.output  # type: ignore[attr-defined]
        output.write_unit([large.data])
        assert ring.read(0) is None, "it does not fit into a slot"
    sink.close()


def test_readers_see_the_end(name: str) -> None:
    sink = writing(name)
    with mscli.open_ring(name) as ring:
        sink.write(0, numbered(0))
        sink.close()
        assert [frame.index for frame in ring] == [0]
        assert ring.ended
    assert not (FOLDER / f"mscli-{name}").exists()
    with pytest.raises(NotFoundError, match="there is no ring"):
        mscli.open_ring(name)


def test_a_closed_reader_reads_nothing_and_its_frames_stay(name: str) -> None:
    sink = writing(name)
    ring = mscli.open_ring(name)
    sink.write(0, numbered(0))
    frame = ring.read(0)
    ring.close()
    ring.close()
    assert frame is not None
    assert len(bytes(frame.data)) == 64 * 48 * 3 // 2
    assert not frame.torn
    with pytest.raises(InvalidStateError):
        ring.read(0)
    sink.close()


def test_two_readers_get_the_same(name: str) -> None:
    sink = writing(name)
    with mscli.open_ring(name) as one, mscli.open_ring(name) as other:
        sink.write(0, numbered(0))
        frames = [ring.read(0) for ring in (one, other)]
        assert all(frame is not None and frame.index == 0 for frame in frames)
    sink.close()


WRITER = """
import sys, time
from tests.cli.test_ring import numbered, writing
sink = writing(sys.argv[1])
sink.write(0, numbered(0))
print("there", flush=True)
time.sleep(60)
"""


@pytest.fixture
def writer(name: str) -> Iterator[subprocess.Popen[bytes]]:
    """Another process that writes a frame into the ring and goes on living."""
    environment = clean_environment() | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen([sys.executable, "-c", WRITER, name], env=environment, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"there\n"
        yield process
        process.kill()


def test_a_second_writer_is_refused_and_a_dead_ones_ring_is_replaced(name: str, writer: subprocess.Popen[bytes]) -> None:
    with pytest.raises(OperationError, match=f"cannot write to shm:{name}: another program writes to it"):
        writing(name)
    with mscli.open_ring(name) as ring:
        assert not has_ended(ring)
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        assert has_ended(ring)
        assert ring.read() is None, "a reader does not wait for the dead"
        sink = writing(name)
        sink.write(0, numbered(5))
        assert ring.read(0) is None, "it still has the old ring"
        with mscli.open_ring(name) as new:
            sink.write(0, numbered(6))
            frame = new.read(0)
            assert frame is not None
            assert frame.media.timestamp == T0 + 6000
        sink.close()


@pytest.mark.parametrize("content", [b"something else", bytes(5000)])
def test_what_is_no_ring_is_neither_read_nor_replaced(name: str, content: bytes) -> None:
    path = FOLDER / f"mscli-{name}"
    path.write_bytes(content)
    with pytest.raises(OperationError, match="the name belongs to something that is not a ring"):
        writing(name)
    with pytest.raises(OperationError, match="is not a ring of frames of this version"):
        RingReader(name)
    assert path.read_bytes() == content


def test_a_pipe_is_no_ring(name: str) -> None:
    os.mkfifo(FOLDER / f"mscli-{name}")
    with pytest.raises(OperationError, match="is not a ring of frames"):
        RingReader(name)
    with pytest.raises(OperationError, match="the name belongs to something that is not a ring"):
        writing(name)


def test_the_ring_of_another_user_is_not_read_because_its_owner_could_truncate_it(name: str) -> None:
    require_root("only root makes files of other users")
    path = FOLDER / f"mscli-{name}"
    path.write_bytes(RingHeader(0, 0, 1, RUNNING).packed().ljust(HEADER_BYTES, b"\0"))
    os.chown(path, 65534, 65534)
    with pytest.raises(OperationError, match="it belongs to another user"):
        RingReader(name)


@pytest.mark.parametrize("slot_bytes", [0, 128, 4097])
def test_a_header_that_cannot_be_is_none(name: str, slot_bytes: int) -> None:
    path = FOLDER / f"mscli-{name}"
    path.write_bytes(RingHeader(4, slot_bytes, 1, RUNNING).packed().ljust(1 << 16, b"\0"))
    with pytest.raises(OperationError, match="is not a ring of frames of this version"):
        RingReader(name)


@pytest.mark.parametrize(
    "wrong",
    [
        {"form": b"\xff\xfe"},
        {"width": 0, "height": 0},
        {"width": 100_000, "height": 100_000},
        {"nbytes": 1 << 40},
        {"nbytes": 100},
    ],
    ids=str,
)
def test_a_frame_that_cannot_be_is_an_error(name: str, wrong: dict[str, Any]) -> None:
    path = FOLDER / f"mscli-{name}"
    form = {"number": 0, "timestamp": 0, "sequence": 0, "nbytes": 64 * 48, "width": 64, "height": 48, "key": 1, "reserved": 0}
    head = RingHeader(4, 8192, 1 << 31, RUNNING).packed().ljust(HEADER_BYTES, b"\0")
    slot = bytes(8) + SlotHeader(**{"form": b"GREY", **form, **wrong}).packed()
    path.write_bytes((head + slot).ljust(HEADER_BYTES + 4 * 8192 + 4, b"\0"))
    with RingReader(name) as ring, path.open("r+b") as file:
        assert ring.ended, "no process has this number"
        for at, word in ((HEADER_BYTES, 2), (8 * COUNT_WORD, 1)):
            file.seek(at)
            file.write(word.to_bytes(8, "little"))
            file.flush()
        with pytest.raises(OperationError, match=r"damaged|unknown format"):
            ring.read(0)


def test_a_ring_that_is_replaced_is_an_error_and_the_other_file_stays(fake: FakeMachine, name: str) -> None:
    path = FOLDER / f"mscli-{name}"
    with fake.running("capture", "--quiet", "-o", f"shm:{name}") as running:
        assert eventually(lambda: path.exists() and path.stat().st_size > HEADER_BYTES)
        path.unlink()
        path.write_text("mine")
        running.send(signal.SIGTERM)
        done = running.end()
    assert (done.returncode, path.read_text()) == (9, "mine")
    assert error_line(done).endswith(f"shm:{name} was removed or replaced by another program")


def test_a_ring_that_is_truncated_ends_its_output_alone(fake: FakeMachine, name: str) -> None:
    path = FOLDER / f"mscli-{name}"
    with fake.running("capture", "--quiet", "-o", f"shm:{name}", "-o", "x.raw", "--frames", "60") as running:
        assert eventually(lambda: path.exists() and path.stat().st_size > HEADER_BYTES)
        os.truncate(path, 0)
        done = running.end()
    assert done.returncode == 9
    assert b"another program has truncated it" in done.stderr
    assert (fake.folder / "x.raw").stat().st_size == 60 * 640 * 480 * 3 // 2


@pytest.mark.parametrize("bad", ["", "a/b", "../x", "-x", "x" * 200, "ä"])
def test_names_are_checked(bad: str) -> None:
    with pytest.raises(OperationError, match="cannot be the name of a ring"):
        RingOutput(f"shm:{bad}")
    with pytest.raises(OperationError, match="cannot be the name of a ring"):
        mscli.open_ring(bad)


@pytest.mark.parametrize("nbytes", [1, 460_800, 3_110_400, 1 << 26])
def test_the_memory_is_bounded(nbytes: int) -> None:
    slots, slot_bytes = slots_for(nbytes)
    assert LEAST_SLOTS <= slots <= MOST_SLOTS
    assert slot_bytes >= nbytes + 128
    assert slots == LEAST_SLOTS or slots * slot_bytes <= RING_BYTES


def test_the_manuals_description_is_enough_to_read_it(name: str) -> None:
    """The program of the manual uses nothing of mscli."""
    text = MANUALS["capture"].partition("# RING OF FRAMES")[2]
    found = re.search(r"(?m)^    import mmap.*(?:\n    .*)+", text)
    assert found is not None
    program = textwrap.dedent(found[0])
    sink = writing(name)
    sink.write(0, picture("GREY", 64, 48, BLUE))
    told = subprocess.run([sys.executable, "-I", "-c", program.replace("mscli-camera", f"mscli-{name}")],
                          check=True, capture_output=True, timeout=20).stdout.decode()  # fmt: skip
    sink.close()
    assert told.split() == ["0", str(T0), "64", "48", "GREY", str(64 * 48), "whole"]


def test_a_command_writes_a_ring(fake: FakeMachine, name: str) -> None:
    with fake.running("capture", "-o", f"shm:{name}", "-o", "x.i420", "--frames", "40", "--pixel-format", "I420") as running:
        assert eventually(lambda: (FOLDER / f"mscli-{name}").exists())
        with mscli.open_ring(name) as ring:
            frames = [(frame.index, bytes(frame.data)) for frame in ring if not frame.torn]
        assert running.end().returncode == 0
    written = (fake.folder / "x.i420").read_bytes()
    size = 640 * 480 * 3 // 2
    assert frames[-1][0] == 39
    assert all(data == written[index * size : (index + 1) * size] for index, data in frames)


@pytest.mark.parametrize(
    ("flags", "said", "code"),
    [
        (("--format", "y4m"), "a ring in shared memory holds frames, not y4m", 7),
        (("--format", "matroska"), "matroska", 7),
        (("--no-video", "--audio"), "holds no audio", 7),
    ],
)
def test_what_a_ring_cannot_hold_is_refused(fake: FakeMachine, name: str, flags: tuple[str, ...], said: str, code: int) -> None:
    assert said in error_line(fake("capture", *flags, "-o", f"shm:{name}", code=code))


def test_a_ring_in_use_ends_a_command_with_an_error(fake: FakeMachine, name: str) -> None:
    sink = writing(name)
    done = fake("capture", "-o", f"shm:{name}", "--frames", "3", code=9)
    assert f"cannot write to shm:{name}: another program writes to it" in error_line(done)
    sink.close()


def test_a_system_without_shared_memory_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mscli.core.ring._FOLDER", "")
    monkeypatch.setitem(sys.modules, "_posixshmem", None)
    with pytest.raises(NotSupportedError, match="this system has no shared memory"):
        mscli.open_ring("camera")
