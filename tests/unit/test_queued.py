"""An output on a thread of its own: its bound and policy, a reader that sleeps, a disk that fails, an end while much waits."""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

import pytest

from mscli.core.errors import OperationError
from mscli.sinks.files.output import Descriptor, FileObject, Output
from mscli.sinks.recording import queued
from mscli.sinks.recording.queued import Queued

TIMEOUT_S = 20.0


class Disk(Output):
    """An output that notes what it is told, writes only while it is ``awake``, and fails after ``most`` bytes."""

    name = "disk"

    def __init__(self, most: int = 1 << 40) -> None:
        self.told: list[object] = []
        self.awake = Event()
        self.writing = Event()  # set once a write has begun
        self.marked = Event()  # set once all before a mark is written
        self._most = most

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int) -> None:
        self.told.append(("seek", offset))

    def mark(self) -> None:
        self.told.append("mark")
        self.marked.set()

    def commit(self) -> None:
        self.told.append("commit")

    def discard(self) -> None:
        self.told.append("discard")

    def _put(self, parts: list[memoryview]) -> int:
        self.writing.set()
        assert self.awake.wait(TIMEOUT_S)
        if self.size + len(parts[0]) > self._most:
            raise OSError(28, "No space left on device")
        self.told.append(bytes(parts[0]))
        return len(parts[0])


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    yield
    assert [thread for thread in threading.enumerate() if thread.name == "mscli-output"] == []


def join(output: Queued) -> None:
    """Wait until the output's thread has ended."""
    assert output._thread is not None
    output._thread.join(TIMEOUT_S)
    assert output.done


def test_everything_is_done_in_order_and_nothing_is_awaited() -> None:
    disk = Disk()
    output = Queued(disk)
    output.open()
    output.write_all([b"ab", b"cd"])
    output.mark()
    assert output.seek(1) == output.tell() == 1
    output.write(b"x")
    output.commit()
    assert not output.done
    disk.awake.set()
    output.drain()
    assert disk.told == [b"abcd", "mark", ("seek", 1), b"x", "commit"]
    assert (output.size, output.tell(), output.done) == (4, 2, True)


def test_without_a_byte_there_is_no_thread() -> None:
    output = Queued(Disk())
    output.open()
    assert output.done
    assert not output.behind


def test_it_is_behind_above_its_bound_and_no_longer_once_that_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queued, "QUEUE_BYTES", 100)
    disk = Disk()
    output = Queued(disk)
    output.write(bytes(100))
    before = output.behind
    output.write(b"x")
    assert (before, output.behind) == (False, True)
    output.write(b"y")  # whoever goes on to write loses nothing
    output.mark()
    disk.awake.set()
    assert disk.marked.wait(TIMEOUT_S)
    assert not output.behind
    output.commit()
    output.drain()
    assert disk.told == [bytes(100), b"x", b"y", "mark", "commit"]


def test_an_output_that_fails_says_so_once_and_is_given_up() -> None:
    disk = Disk(most=3)
    disk.awake.set()
    output = Queued(disk)
    output.write(b"abc")
    output.write(b"d")
    join(output)
    with pytest.raises(OperationError, match="cannot write disk: the disk is full"):
        output.write(b"e")
    output.write(b"f")
    output.commit()
    output.drain()
    assert output.failed
    assert disk.told == [b"abc", "discard"]


def test_what_fails_after_the_end_is_said_by_whoever_waits_for_it() -> None:
    disk = Disk(most=0)
    output = Queued(disk)
    output.write(b"abc")
    output.commit()
    disk.awake.set()
    with pytest.raises(OperationError, match="the disk is full"):
        output.drain()
    assert disk.told == ["discard"]


def test_its_end_comes_after_all_that_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queued, "QUEUE_BYTES", 10)
    disk = Disk()
    output = Queued(disk)
    for number in range(100):
        output.write(bytes([number]))
    assert output.behind
    output.commit()
    output.write(b"too late")
    disk.awake.set()
    output.drain()
    assert disk.told == [*(bytes([number]) for number in range(100)), "commit"]


def test_the_only_output_holds_up_its_writer_until_there_are_others() -> None:
    disk = Disk()
    output = Queued(disk, alone=True)
    writing = Thread(target=output.write, args=(b"first",), name="writing")
    writing.start()
    assert disk.writing.wait(TIMEOUT_S)
    assert writing.is_alive()
    output.expect_others()
    writing.join(TIMEOUT_S)
    assert not writing.is_alive()
    output.write(b"second")  # waits for nobody
    output.commit()
    disk.awake.set()
    output.drain()
    assert disk.told == [b"first", b"second", "commit"]


def test_the_writer_of_a_paced_source_waits_for_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queued, "QUEUE_BYTES", 3)
    disk = Disk()
    output = Queued(disk)
    output.waits = True
    output.write(b"abc")  # there is room
    writing = Thread(target=output.write, args=(b"d",), name="writing")
    writing.start()
    assert disk.writing.wait(TIMEOUT_S)
    with output._changed:
        assert output._changed.wait_for(lambda: output._waiting == 4, TIMEOUT_S)
    assert writing.is_alive()
    disk.awake.set()
    writing.join(TIMEOUT_S)
    assert not writing.is_alive()
    assert not output.behind
    output.commit()
    output.drain()
    assert disk.told == [b"abc", b"d", "commit"]


def test_the_only_output_fails_in_the_call_that_fails() -> None:
    disk = Disk(most=3)
    disk.awake.set()
    output = Queued(disk, alone=True)
    output.write(b"abc")
    with pytest.raises(OperationError, match="the disk is full"):
        output.write(b"d")
    output.discard()


def test_what_waits_is_dropped_if_it_is_given_up() -> None:
    disk = Disk()
    output = Queued(disk)
    output.write(b"begun")
    assert disk.writing.wait(TIMEOUT_S)
    output.write(b"waits")
    giving_up = Thread(target=output.discard, name="giving up")
    giving_up.start()
    with output._changed:
        assert output._changed.wait_for(lambda: output._ending, TIMEOUT_S)
    disk.awake.set()
    giving_up.join(TIMEOUT_S)
    assert disk.told == [b"begun", "discard"]


@contextmanager
def sleeping_reader() -> Iterator[Queued]:
    """A pipe that nobody reads, with more waiting for it than it takes."""
    reading, writing = os.pipe()
    output = Queued(Descriptor(writing))
    try:
        output.open()
        output.write(bytes(2 << 20))
        yield output
    finally:
        os.close(writing)
        os.close(reading)


def test_a_reader_that_sleeps_is_waited_for_until_it_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queued, "SLEEPS_S", 0.0)
    with sleeping_reader() as output:
        assert not output.done
        assert not output.abandon_reader()
        join(output)
        with pytest.raises(OperationError, match="its reader has stopped reading"):
            output.write(b"")


def test_a_reader_that_sleeps_at_the_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queued, "ASLEEP_S", 0.0)
    with sleeping_reader() as output:
        output.commit()
        with pytest.raises(OperationError, match="its reader has stopped reading"):
            output.drain()


def test_a_file_object_gets_what_a_descriptor_would() -> None:
    file = io.BytesIO()
    output = Queued(FileObject(file))
    output.write_all([memoryview(b"ab"), b"cd"])
    output.commit()
    output.drain()
    assert file.getvalue() == b"abcd"
    assert (output.readable, output.seekable(), output.free_bytes, output.identity) == (True, False, None, None)
