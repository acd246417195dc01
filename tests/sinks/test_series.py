"""The files of a series beside those of others: only what the recording itself has published is counted, kept and removed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from mscli.core.errors import OperationError
from mscli.core.frames import Media
from mscli.encode.options import Series, SinkOptions
from mscli.sinks import next_name
from mscli.sinks.base import Sink
from mscli.sinks.files.series import FileSeries
from tests.disks import size_limit
from tests.sinks.serial import RATE, in_time, numbered, samples, series, sound
from tests.sinks.synth import feed, feed_and_close


def begun(sink: Sink, frames: Iterator[tuple[int, Media]], count: int) -> None:
    """Write until so many files have begun."""
    while len(sink.files) < count:
        sink.write(*next(frames))


def test_a_file_that_somebody_has_put_under_the_name_of_one_that_begins_is_not_ours(tmp_path: Path) -> None:
    sink = series(tmp_path / "a.mkv", duration_s=1, keep_files=1)
    frames = iter(in_time(numbered(75), sound(2.5)))
    begun(sink, frames, 2)
    (tmp_path / "a-002.mkv").write_bytes(b"theirs")
    with pytest.raises(OperationError, match=r"a-002\.mkv already exists"):
        feed(sink, list(frames))
    sink.abort()
    assert (tmp_path / "a-002.mkv").read_bytes() == b"theirs"
    assert sink.files == list(sink.finished) == [str(tmp_path / "a-001.mkv")]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a-001.mkv", "a-002.mkv"]


def test_a_file_that_takes_the_place_of_one_that_is_being_written_stays(tmp_path: Path) -> None:
    sink = series(tmp_path / "a.wav", ["audio"], duration_s=0.5, keep_files=1)
    frames = in_time(audio=sound(2))
    feed(sink, frames[:25])
    (tmp_path / "theirs").write_bytes(b"theirs")
    (tmp_path / "theirs").rename(tmp_path / "a-001.wav")
    feed_and_close(sink, frames[25:])
    assert (tmp_path / "a-001.wav").read_bytes() == b"theirs"
    assert [os.path.basename(name) for name in sink.finished] == ["a-002.wav", "a-003.wav", "a-004.wav"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a-001.wav", "a-004.wav"]


def gone_folder(folder: Path) -> Sink:
    """A series in a folder in whose place there is a file now."""
    folder.mkdir()
    sink = series(folder / "a.wav", ["audio"], duration_s=5)
    feed(sink, in_time(audio=sound(1)))
    folder.rename(folder.with_name("moved"))
    folder.write_bytes(b"theirs")
    return sink


def test_a_finished_file_that_cannot_be_looked_at_is_told(tmp_path: Path) -> None:
    sink = gone_folder(tmp_path / "a")
    with pytest.raises(OperationError, match=r"cannot check .*a-001\.wav: part of its path is not a folder"):
        sink.close()
    assert len(samples(tmp_path / "moved" / "a-001.wav")) == RATE


def test_who_gives_up_hears_of_no_other_error(tmp_path: Path) -> None:
    gone_folder(tmp_path / "a").abort()
    assert len(samples(tmp_path / "moved" / "a-001.wav")) == RATE


def test_of_a_file_that_cannot_begin_nothing_is_left(tmp_path: Path) -> None:
    sink = series(tmp_path / "a.mkv", duration_s=1)
    with size_limit(10), pytest.raises(OperationError, match="the file is as large as its file system or limit allows"):
        feed(sink, in_time(numbered(30), sound(1)))
    sink.abort()
    assert (sink.files, list(tmp_path.iterdir())) == ([], [])


class Passing(list[str]):
    """Names that are gone once it was asked whether there are any, as if another thread had taken them."""

    def __len__(self) -> int:
        count = super().__len__()
        self.clear()
        return count


def test_the_room_can_be_asked_for_while_a_file_ends(tmp_path: Path) -> None:
    files = FileSeries(str(tmp_path / "a.mkv"), SinkOptions(), Series(duration_s=1))
    files._began = Passing([str(tmp_path / "a-001.mkv")])
    assert files.free_bytes


def test_the_folder_of_one_recording_is_made_if_its_name_has_a_directive(tmp_path: Path) -> None:
    assert Path(next_name(f"{tmp_path}/%Y/%m/q-%H.wav", overwrite=False)).parent.is_dir()
    next_name(f"{tmp_path}/mistyped/q-%H.wav", overwrite=False)
    assert not (tmp_path / "mistyped").exists()
