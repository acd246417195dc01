"""Outputs that are given up, and disks that fail late: what was readable stays, and the right error is told."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from mscli.core.errors import OperationError
from mscli.encode.codecs import CONTAINERS
from mscli.encode.encoding import Encoding, Outlet
from mscli.encode.options import SinkOptions, TrackFormat
from mscli.sinks import SINKS
from mscli.sinks.files import output as syncing
from mscli.sinks.files.output import NamedFile, free_bytes
from mscli.sinks.recording.onefile import OneFile
from tests.sinks.synth import frame_times, frames_for


def begun(path: Path, count: int = 25) -> OneFile:
    """Return a file with so many pictures, 25 a second, and as much sound."""
    options, tracks = SinkOptions(), [TrackFormat("video", {"frameRate": 25.0}), TrackFormat("audio")]
    encoding = Encoding(tracks, CONTAINERS["mkv"], options)
    file = OneFile(CONTAINERS["mkv"], NamedFile(str(path), overwrite=True))
    encoding.add(Outlet("a.mkv", file, options))
    for track, frame in frames_for(SINKS["mkv"], count):
        encoding.write(track, frame)
    return file


def test_a_file_whose_encoder_fails_when_it_is_given_up_stays_readable(tmp_path: Path) -> None:
    file = begun(tmp_path / "a.mkv")
    assert file.output.readable
    file.tracks[1].finish()  # FFmpeg refuses to be asked twice
    file.abort()
    assert len(frame_times(tmp_path / "a.mkv")) > 15


def test_giving_up_a_file_that_cannot_be_removed_tells_nothing_more(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    file = begun(folder / "a.mkv", 4)
    assert not file.output.readable
    folder.rename(tmp_path / "moved")
    folder.touch()
    file.abort()
    assert folder.is_file()


def test_what_the_disk_says_after_the_last_byte_was_written_is_told_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(fd: int) -> None:
        raise OSError(errno.EIO, "")

    monkeypatch.setattr(syncing, "FLUSH_S", 0.001)
    monkeypatch.setattr(syncing, "sync_data", fail)
    file = NamedFile(str(tmp_path / "a"), overwrite=True)
    file.durable = True
    file.open()
    file.write(b"data")
    file.mark()
    assert file._syncer is not None
    file._syncer._thread.join()
    with pytest.raises(OperationError, match=r"cannot write .*a: the disk reports a hardware error"):
        file.commit()
    assert (tmp_path / "a").read_bytes() == b"data"


def test_room_that_cannot_be_read_is_not_known(tmp_path: Path) -> None:
    assert free_bytes(str(tmp_path / "no")) is None
