"""A file and its name: who may write it, what becomes of it, what it takes over, and how it gets to the disk."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import wave
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import Any, ClassVar

import pytest

from mscli.core.errors import DisplacedError, OperationError
from mscli.encode.headers import WavHeader
from mscli.encode.options import SinkOptions
from mscli.sinks import SINKS
from mscli.sinks.files import output as files
from mscli.sinks.files.output import GATHER_BYTES, NamedFile, Special, output_for
from tests.cli.program import eventually
from tests.conftest import require, require_root
from tests.disks import ext4_image, mounted
from tests.sinks.synth import opened, probe, tone
from tests.unit.test_folders import OTHER, acting_as, sticky

__all__ = ["sticky"]  # a fixture


def begun(path: Path, data: bytes = b"data", notes: list[str] | None = None, *, overwrite: bool = True) -> NamedFile:
    """Return a file that has its name, and those bytes."""
    file = NamedFile(str(path), overwrite, on_note=(notes if notes is not None else []).append)
    file.open()
    file.write(data)
    file.mark()
    return file


# Who has the name


def replace(path: Path) -> None:
    path.with_name("other").write_bytes(b"theirs")
    path.with_name("other").rename(path)


def replace_one_of_two(path: Path) -> None:
    os.link(path, path.with_name("kept"))
    replace(path)


LOST = "was replaced while it was written; its 4 bytes are lost"


@pytest.mark.parametrize(
    ("do", "told"),
    [
        (replace, LOST),
        (Path.unlink, "was moved or removed while it was written; its 4 bytes are lost"),
        (lambda path: path.rename(path.with_name("moved")), "the recording is now {parent}/folder/moved"),
        (lambda path: path.parent.rename(path.parent.with_name("new")), "the recording is now {parent}/new/x"),
        (lambda path: os.truncate(path, 0), "was changed by another program"),
        (lambda path: path.write_bytes(b"more data"), "was changed by another program"),
        (replace_one_of_two, "the recording has another name now"),
    ],
)
def test_a_file_that_is_another_at_the_end_is_no_success(do: Callable[[Path], Any], told: str, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    file = begun(folder / "x")
    do(folder / "x")
    with pytest.raises(DisplacedError) as caught:
        file.commit()
    assert told.format(parent=tmp_path) in str(caught.value)
    assert caught.value.name == "OperationError"


def test_a_file_that_is_cut_and_grows_again_is_no_success(tmp_path: Path) -> None:
    file = begun(tmp_path / "x")
    os.truncate(tmp_path / "x", 0)
    file.write(b"more")
    with pytest.raises(DisplacedError, match="was changed"):
        file.commit()


def test_whoever_wants_to_know_of_a_loss_is_told_and_nothing_is_raised(tmp_path: Path) -> None:
    told: list[DisplacedError] = []
    file = output_for(str(tmp_path / "x"), SinkOptions(), on_loss=told.append)
    file.open()
    file.write(b"data")
    file.mark()
    replace(tmp_path / "x")
    file.commit()
    assert [str(one) for one in told] == [f"{tmp_path}/x {LOST}"]


def test_a_file_that_is_reached_by_a_link_keeps_its_name(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("x")
    begun(tmp_path / "link").commit()
    assert ((tmp_path / "x").read_bytes(), (tmp_path / "link").is_symlink()) == (b"data", True)


# Two of one name


BUSY = "another program is writing it"


@pytest.mark.parametrize("marked", [False, True])
def test_a_second_writer_of_a_name_is_refused(marked: bool, tmp_path: Path) -> None:
    first = NamedFile(str(tmp_path / "x"), True)
    second = NamedFile(str(tmp_path / "x"), True)
    for file in (first, second):
        file.open()
    first.write(b"first")
    if marked:
        first.mark()
    with pytest.raises(OperationError, match=BUSY):
        second.write(b"second")
    with pytest.raises(OperationError, match=BUSY):
        output_for(str(tmp_path / "x"))
    second.commit()
    first.commit()
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("x", b"first")]
    begun(tmp_path / "x", b"second").commit()
    assert (tmp_path / "x").read_bytes() == b"second"


def test_what_a_killed_run_has_left_is_told_kept_and_in_nobodys_way(tmp_path: Path) -> None:
    (tmp_path / ".x.part").write_bytes(b"left")
    notes: list[str] = []
    file = NamedFile(str(tmp_path / "x"), True, on_note=notes.append)
    file.write(b"data")
    assert [note.partition(" by a run")[0] for note in notes] == [f"found {tmp_path}/.x.part, left behind"]
    with pytest.raises(OperationError, match=BUSY):
        NamedFile(str(tmp_path / "x"), True).write(b"second")
    file.commit()
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {".x.part": b"left", "x": b"data"}


def test_long_names_that_begin_alike_are_two(tmp_path: Path) -> None:
    names = ["a" * 254 + last for last in "12"]
    opened = [begun(tmp_path / name) for name in names]
    for file in opened:
        file.commit()
    assert sorted(path.name for path in tmp_path.iterdir()) == names


# What others have put into the way


def test_a_link_that_is_planted_before_the_first_byte_leads_nowhere(sticky: Path, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"untouched")
    file = NamedFile(str(sticky / "x"), True)
    file.open()
    (sticky / "x").symlink_to(victim)
    os.lchown(sticky / "x", OTHER, OTHER)
    with pytest.raises(OperationError, match="a link of another user has this name"):
        file.write(b"data")
    assert victim.read_bytes() == b"untouched"


def test_a_link_that_is_planted_after_it_is_replaced(sticky: Path, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"untouched")
    file = NamedFile(str(sticky / "x"), True)
    file.write(b"data")
    (sticky / "x").symlink_to(victim)
    file.commit()
    assert (victim.read_bytes(), (sticky / "x").is_symlink()) == (b"untouched", False)


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: os.mknod(path, 0o644 | 0o020000, os.makedev(1, 3))])
def test_a_pipe_or_a_device_of_another_user_is_not_written(make: Callable[[Path], None], sticky: Path) -> None:
    make(sticky / "x")
    assert isinstance(output_for(str(sticky / "x")), Special)
    os.chown(sticky / "x", OTHER, OTHER)
    with pytest.raises(OperationError, match="a pipe or device of another user has this name"):
        output_for(str(sticky / "x"))


def test_a_pipe_that_is_planted_meanwhile_is_not_written(sticky: Path) -> None:
    os.mkfifo(sticky / "x")
    output = output_for(str(sticky / "x"))
    (sticky / "x").unlink()
    os.mkfifo(sticky / "x")
    os.chown(sticky / "x", OTHER, OTHER)
    with pytest.raises(OperationError, match="of another user has this name"):
        output.open()


def test_a_block_device_is_written_over_only_if_that_is_asked_for(tmp_path: Path) -> None:
    require_root("only root makes devices")
    os.mknod(tmp_path / "disk", 0o644 | 0o060000, os.makedev(7, 250))
    with pytest.raises(OperationError, match="it is a block device") as caught:
        output_for(str(tmp_path / "disk"))
    assert caught.value.hints == ("use --force to overwrite it",)
    assert isinstance(output_for(str(tmp_path / "disk"), SinkOptions(over_device=True)), Special)


def test_a_socket_is_refused_at_once_also_if_it_is_planted_meanwhile(tmp_path: Path) -> None:
    path = str(tmp_path / "x")

    def plant() -> None:
        with socket.socket(socket.AF_UNIX) as planted:
            planted.bind(path)

    plant()
    with pytest.raises(OperationError, match="x: it is a socket") as caught:
        output_for(path)
    assert caught.value.hints == ("choose a file or a named pipe (mkfifo)",)
    os.unlink(path)
    os.mkfifo(path)
    pipe = output_for(path)
    assert isinstance(pipe, Special)
    pipe.may_wait = lambda _: True
    os.unlink(path)
    plant()
    with pytest.raises(OperationError, match="x: it is a socket"):
        pipe.open()


def test_a_pipe_that_nobody_reads_is_called_that(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x")
    pipe = output_for(str(tmp_path / "x"))
    assert isinstance(pipe, Special)
    pipe.may_wait = lambda _: False
    with pytest.raises(OperationError, match="x: nobody has opened the pipe for reading"):
        pipe.open()


# Mode and owner


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o444, 0o664])
def test_a_file_that_replaces_another_has_its_mode_and_owner(mode: int, tmp_path: Path) -> None:
    require_root("only root gives files away")
    path = tmp_path / "x"
    path.write_bytes(b"old")
    os.chown(path, OTHER, 1)
    path.chmod(mode)
    begun(path).commit()
    found = path.stat()
    assert (found.st_mode & 0o7777, found.st_uid, found.st_gid, path.read_bytes()) == (mode, OTHER, 1, b"data")


def test_a_group_that_cannot_be_kept_gets_no_more_than_everybody(sticky: Path) -> None:
    folder = sticky.parent / "open"
    folder.mkdir()
    folder.chmod(0o777)
    path = folder / "x"
    path.write_bytes(b"old")
    path.chmod(0o664)
    with acting_as(OTHER):
        begun(path).commit()
    found = path.stat()
    assert (found.st_mode & 0o7777, found.st_uid, found.st_gid) == (0o644, OTHER, OTHER)


def test_a_file_that_another_user_has_planted_gives_nothing_away(sticky: Path) -> None:
    (sticky / "x").write_bytes(b"theirs")
    (sticky / "x").chmod(0o666)
    os.chown(sticky / "x", OTHER, OTHER)
    begun(sticky / "x").commit()
    found = (sticky / "x").stat()
    assert (found.st_uid, found.st_mode & 0o022) == (0, 0)


# Folders in which nothing can be removed


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_folder_in_which_names_can_only_be_made_is_enough(overwrite: bool, tmp_path: Path) -> None:
    require("mkfs.ext4")
    with mounted(tmp_path / "disk", "-o", "loop", ext4_image(tmp_path / "image", 2)):
        folder = tmp_path / "disk" / "folder"
        folder.mkdir()
        subprocess.run(["chattr", "+a", str(folder)], check=True)
        try:
            notes: list[str] = []
            begun(folder / "x", b"first", notes, overwrite=overwrite).commit()
            assert [note.partition(", a second name")[0] for note in notes] == [f"cannot remove {folder}/.x.part"]
            assert {path.name: path.read_bytes() for path in folder.iterdir()} == {"x": b"first", ".x.part": b"first"}
            with pytest.raises(OperationError):
                begun(folder / "x", overwrite=overwrite)
            assert (folder / "x").read_bytes() == b"first"
        finally:
            subprocess.run(["chattr", "-a", str(folder)], check=True)


# How it gets to the disk


def test_a_place_that_cannot_be_gone_to_is_an_error_of_the_file(tmp_path: Path) -> None:
    file = begun(tmp_path / "x")
    with pytest.raises(OperationError, match=r"cannot write .*x: Invalid argument"):
        file.seek(-1)
    file.commit()
    assert (tmp_path / "x").read_bytes() == b"data"


def test_small_pieces_are_written_together_and_none_of_them_late(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at_s, writes = 0.0, 0

    def counted(fd: int, parts: list[memoryview]) -> None:
        nonlocal writes
        writes += 1
        os.writev(fd, parts)

    monkeypatch.setattr(files, "monotonic", lambda: at_s)
    monkeypatch.setattr(files, "write_fully", counted)
    monkeypatch.setattr(files, "FLUSH_S", 3600)
    file = begun(tmp_path / "x", b"0" * 960)
    for number in range(1, 1001):  # ten seconds of a WAV
        at_s = number / 100
        file.write(b"0" * 960)
        file.mark()
        assert file.size - (tmp_path / "x").stat().st_size <= 960 * 50
    assert writes <= 5 * 10
    file.commit()
    assert (tmp_path / "x").stat().st_size == 1001 * 960


BLOCK_S = 1 / 128  # of sound, which is exact in binary


class SteppedSyncer:
    """A flushing thread that runs when the test says so."""

    made: ClassVar[list[SteppedSyncer]] = []
    error = None

    def __init__(self, sync: Callable[[], float]) -> None:
        self.sync, self.due_s = sync, 0.0
        self.made.append(self)

    @property
    def file(self) -> NamedFile:
        """The file that it flushes."""
        file: NamedFile = self.sync.__self__  # type: ignore[attr-defined]
        return file

    def step(self, at_s: float) -> None:
        self.due_s = at_s + self.sync()

    def stop(self) -> None: ...


@pytest.mark.parametrize("late_s", [0.0, 0.013, 0.2, 3600])
@pytest.mark.parametrize("suffix", ["wav", "flac", "mp3", "ogg", "m4a", "mkv"])
def test_a_recording_of_sound_makes_five_writes_in_any_second_at_most(
    suffix: str, late_s: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_s, written_s, pwrite = 0.0, list[float](), os.pwrite

    def write(fd: int, parts: list[memoryview]) -> None:
        written_s.append(at_s)
        os.writev(fd, parts)

    def write_head(fd: int, data: bytes, at: int) -> int:
        written_s.append(at_s)
        return pwrite(fd, data, at)

    monkeypatch.setattr(files, "monotonic", lambda: at_s)
    monkeypatch.setattr(files, "write_fully", write)
    monkeypatch.setattr(files, "Syncer", SteppedSyncer)
    monkeypatch.setattr(os, "pwrite", write_head)
    sink = opened(SINKS[suffix], str(tmp_path / f"a.{suffix}"), ["audio"])
    SteppedSyncer.made.clear()
    since_s = 0.0
    for number in range(512):
        at_s = number * BLOCK_S
        sink.write(0, tone(number * 375, 375))
        for syncer in SteppedSyncer.made:
            if at_s >= syncer.due_s + late_s:  # on a slow machine it comes later
                syncer.step(at_s)
            since_s = since_s if syncer.file._gathered and written_s[-1] < at_s else at_s
            assert at_s - since_s <= 0.5 or late_s  # then a write has to come that brings it along
    assert max(sum(begin <= one < begin + 1 for one in written_s) for begin in written_s) <= 5
    sink.close()
    told = probe(tmp_path / f"a.{suffix}", "-show_format")["format"]
    assert float(told["duration"]) == pytest.approx(4.0, abs=0.1)


def test_the_head_of_a_wav_is_kept_true_with_one_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writes: list[int] = []
    write = os.pwrite

    def counted(fd: int, data: bytes, at: int) -> int:
        writes.append(at)
        return write(fd, data, at)

    path = tmp_path / "a.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 48_000, 0, "NONE", ""))
    monkeypatch.setattr(os, "pwrite", counted)
    header = WavHeader()
    with path.open("r+b") as growing:
        for samples in (100, 200):
            os.truncate(path, 44 + 2 * samples)
            header.update(growing.fileno(), 44 + 2 * samples)
            with wave.open(str(path)) as read:
                assert read.getnframes() == samples
    assert len(writes) == 2


def test_what_is_in_memory_is_written_though_nothing_more_comes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "FLUSH_S", 0.001)
    monkeypatch.setattr(files, "FILE_GATHER_S", 3600)
    file = begun(tmp_path / "x")
    file.write(b" and more")
    assert eventually(lambda: (tmp_path / "x").read_bytes() == b"data and more")
    file.commit()


def test_large_pieces_are_written_at_once_and_in_order(tmp_path: Path) -> None:
    file = begun(tmp_path / "x", b"small")
    file.write(bytes(GATHER_BYTES))
    assert (tmp_path / "x").stat().st_size == 5 + GATHER_BYTES
    file.write(b"end")
    assert file.seek(1) == 1
    file.write(b"M")
    assert file.tell() == 2
    file.commit()
    assert (tmp_path / "x").read_bytes() == b"sMall" + bytes(GATHER_BYTES) + b"end"


def test_of_what_a_disk_did_not_take_all_is_kept_that_can_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def torn(fd: int, parts: list[memoryview]) -> None:
        os.writev(fd, [parts[0][:25]])
        raise OSError(errno.EIO, "")

    monkeypatch.setattr(files, "FILE_GATHER_S", 3600)
    monkeypatch.setattr(files, "FLUSH_S", 3600)
    file = begun(tmp_path / "x", b"0123456789")
    for _ in range(5):
        file.write(b"0123456789")
        file.mark()
    monkeypatch.setattr(files, "write_fully", torn)
    with pytest.raises(OperationError, match="hardware error"):
        file.commit()
    assert (tmp_path / "x").read_bytes() == b"0123456789" * 3


def test_what_the_thread_could_not_write_is_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def torn(fd: int, parts: list[memoryview]) -> None:
        os.writev(fd, [parts[0][:5]])
        raise OSError(errno.EIO, "")

    monkeypatch.setattr(files, "FLUSH_S", 0.001)
    file = begun(tmp_path / "x")
    monkeypatch.setattr(files, "write_fully", torn)
    file.write(b"0123456789")
    file.mark()
    assert file._syncer is not None
    file._syncer._thread.join()
    with pytest.raises(OperationError, match="hardware error"):
        file.commit()
    assert (tmp_path / "x").read_bytes() == b"data"


def test_what_was_marked_stays_also_if_the_rest_is_given_up(tmp_path: Path) -> None:
    file = begun(tmp_path / "x")
    file.write(b" marked")
    file.mark()
    file.write(b" not")
    file.discard()
    assert (tmp_path / "x").read_bytes() == b"data marked"


def test_without_a_thread_that_syncs_all_is_written_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(Thread, "start", fail)
    notes: list[str] = []
    file = begun(tmp_path / "x", notes=notes)
    file.write(b" and more")
    file.mark()
    file.commit()
    assert (tmp_path / "x").read_bytes() == b"data and more"
    assert len(notes) == 1
    assert "out of threads" in notes[0]
