"""What every sink keeps, whatever it writes: a whole file or none, nothing of others' spoilt, and a sentence when it fails."""

from __future__ import annotations

import contextlib
import errno
import importlib
import io
import os
import stat
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from mscli.core.errors import NotSupportedError, OperationError
from mscli.core.frames import Media
from mscli.encode.options import SinkOptions, TrackFormat
from mscli.sinks import DEVICES, SinkRow, check_tracks, load_sink
from tests.disks import size_limit, tiny_disk
from tests.sinks.outputs import OutputDriver
from tests.sinks.synth import ROWS, T0, check_readable, feed, feed_and_close, frames_for, kinds_of, opened, picture

every_row = pytest.mark.parametrize("row", ROWS, ids=[row.suffix for row in ROWS])
every_moving_row = pytest.mark.parametrize(
    "row", [row for row in ROWS if not row.still], ids=[row.suffix for row in ROWS if not row.still]
)


def target(folder: Path, row: SinkRow) -> Path:
    return folder / f"out.{row.suffix}"


@every_row
def test_a_file_is_whole_when_it_is_closed_and_nothing_else_is_left(row: SinkRow, tmp_path: Path) -> None:
    path = target(tmp_path, row)
    sink = opened(row, str(path))
    assert list(tmp_path.iterdir()) == []
    feed_and_close(sink, frames_for(row, 10))
    assert list(tmp_path.iterdir()) == [path]
    assert sink.bytes_written == path.stat().st_size > 0
    check_readable(path, row)
    sink.abort()
    sink.close()
    assert sink.bytes_written == path.stat().st_size


@every_row
def test_without_a_frame_there_is_no_file(row: SinkRow, tmp_path: Path) -> None:
    sink = opened(row, str(target(tmp_path, row)))
    sink.close()
    assert list(tmp_path.iterdir()) == []
    assert sink.bytes_written == 0


@every_row
def test_an_aborted_sink_leaves_an_existing_file_as_it_was(row: SinkRow, tmp_path: Path) -> None:
    path = target(tmp_path, row)
    path.write_bytes(b"mine")
    sink = opened(row, str(path))
    sink.abort()
    assert [*tmp_path.iterdir()] == [path]
    assert path.read_bytes() == b"mine"


@every_moving_row
def test_an_aborted_recording_can_be_read_as_far_as_it_came(row: SinkRow, tmp_path: Path) -> None:
    path = target(tmp_path, row)
    sink = opened(row, str(path))
    feed(sink, frames_for(row, 60))
    assert path.exists()
    sink.abort()
    assert list(tmp_path.iterdir()) == [path]
    check_readable(path, row)


@every_row
def test_an_existing_file_is_kept_where_it_may_not_be_replaced(row: SinkRow, tmp_path: Path) -> None:
    path = target(tmp_path, row)
    path.write_bytes(b"mine")
    with pytest.raises(OperationError, match="already exists; use --force to overwrite it"):
        load_sink(row, str(path), SinkOptions(overwrite=False))
    assert path.read_bytes() == b"mine"


@every_row
def test_a_file_that_comes_up_meanwhile_is_kept_too(row: SinkRow, tmp_path: Path) -> None:
    path = target(tmp_path, row)
    sink = opened(row, str(path), overwrite=False)
    path.write_bytes(b"mine")
    with pytest.raises(OperationError, match="already exists; use --force to overwrite it"):
        feed_and_close(sink, frames_for(row, 60))
    sink.abort()
    assert [*tmp_path.iterdir()] == [path]
    assert path.read_bytes() == b"mine"


@every_row
def test_an_existing_file_is_replaced_by_a_whole_one(row: SinkRow, tmp_path: Path) -> None:
    path = target(tmp_path, row)
    path.write_bytes(b"old")
    sink = opened(row, str(path))
    feed_and_close(sink, frames_for(row, 1))
    check_readable(path, row)


@every_row
def test_a_link_stays_a_link_to_the_new_file(row: SinkRow, tmp_path: Path) -> None:
    real, link = tmp_path / "real", target(tmp_path, row)
    link.symlink_to(real)
    sink = opened(row, str(link))
    feed_and_close(sink, frames_for(row, 1))
    assert link.is_symlink()
    assert real.stat().st_size > 0


@every_row
def test_a_missing_folder_is_named_before_anything_is_opened(row: SinkRow, tmp_path: Path) -> None:
    with pytest.raises(OperationError, match="folder does not exist") as caught:
        load_sink(row, str(tmp_path / "no" / "out"), SinkOptions())
    assert caught.value.hints == (f"create the folder first: mkdir -p {tmp_path / 'no'}",)


@every_row
def test_a_folder_is_no_output(row: SinkRow, tmp_path: Path) -> None:
    with pytest.raises(OperationError, match="it is a folder"):
        load_sink(row, str(tmp_path), SinkOptions())


@every_row
def test_a_folder_of_others_is_refused(row: SinkRow, tmp_path: Path) -> None:
    with as_nobody(tmp_path), pytest.raises(OperationError, match="permission denied"):
        load_sink(row, str(target(tmp_path, row)), SinkOptions())


@every_row
def test_a_full_disk_is_said_in_a_sentence(row: SinkRow) -> None:
    sink = opened(row, "/dev/full")
    with pytest.raises(OperationError, match="cannot write /dev/full: the disk is full"):
        feed_and_close(sink, frames_for(row, 60))
    sink.abort()


@every_moving_row
def test_what_was_written_before_the_disk_was_full_can_be_read(row: SinkRow, tmp_path: Path) -> None:
    path = target(tmp_path, row)
    size = 256 << 10 if row.video else 64 << 10
    with tiny_disk(tmp_path, size):
        sink = opened(row, str(path), video_bits_per_second=4_000_000)
        with pytest.raises(OperationError, match="the disk is full"):
            feed(sink, frames_for(row, 400, noisy=True))
        sink.abort()
        assert list(tmp_path.iterdir()) == [path]
        assert path.stat().st_size > size // 4
        check_readable(path, row)


@every_row
def test_no_picture_is_left_if_the_disk_is_full(row: SinkRow, tmp_path: Path) -> None:
    with size_limit(64 if row.still else 1):
        sink = opened(row, str(target(tmp_path, row)))
        with pytest.raises(OperationError, match="the file is as large as its file system or limit allows"):
            feed_and_close(sink, frames_for(row, 60))
        sink.close()
    assert list(tmp_path.iterdir()) == []


@every_row
def test_a_reader_that_leaves_is_a_broken_pipe(row: SinkRow) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    sink = opened(row, writing)
    with pytest.raises(BrokenPipeError):
        feed_and_close(sink, frames_for(row, 60))
    sink.abort()
    os.close(writing)  # it is still open


@every_row
def test_a_pipe_gets_the_same_that_a_file_object_gets(row: SinkRow, tmp_path: Path) -> None:
    file = io.BytesIO()
    sink = opened(row, file)
    feed_and_close(sink, frames_for(row, 30))
    assert not file.closed
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with subprocess.Popen(["cat", fifo], stdout=subprocess.PIPE) as reader:
        sink = opened(row, str(fifo))
        taken: list[bytes] = []
        drain = threading.Thread(target=lambda: taken.append(reader.stdout.read() if reader.stdout else b""))
        drain.start()
        feed_and_close(sink, frames_for(row, 30))
        drain.join()
    assert len(taken[0]) == len(file.getvalue()) == sink.bytes_written
    path = target(tmp_path, row)
    path.write_bytes(taken[0])
    check_readable(path, row)


@every_row
def test_an_unusable_descriptor_is_said(row: SinkRow) -> None:
    with pytest.raises(OperationError, match="not open for writing"):
        opened(row, "/dev/fd/987")


@every_row
def test_odd_sizes_are_written(row: SinkRow, tmp_path: Path) -> None:
    sink = opened(row, str(target(tmp_path, row)))
    feed_and_close(sink, frames_for(row, 5, size=(63, 47)))
    if row.suffix != "raw":
        check_readable(target(tmp_path, row), row)


@every_row
def test_a_new_file_has_the_permissions_that_the_umask_leaves(row: SinkRow, tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        sink = opened(row, str(target(tmp_path, row)))
        feed_and_close(sink, frames_for(row, 1))
    finally:
        os.umask(before)
    assert stat.S_IMODE(target(tmp_path, row).stat().st_mode) == 0o640


@every_row
def test_the_longest_name_that_a_file_may_have_is_written(row: SinkRow, tmp_path: Path) -> None:
    path = tmp_path / (("ü" * 120) + f".{row.suffix}")
    sink = opened(row, str(path))
    feed_and_close(sink, frames_for(row, 1))
    assert list(tmp_path.iterdir()) == [path]


@every_row
def test_tracks_can_be_checked_before_anything_is_opened(row: SinkRow) -> None:
    check_tracks(row, SinkOptions(), kinds_of(row))
    with pytest.raises(NotSupportedError) as caught:
        check_tracks(row, SinkOptions(), [])
    assert caught.value.message


# Devices, which have no file: the same contract with a driver in this process


every_device = pytest.mark.parametrize("row", DEVICES, ids=[row.schemes[0] for row in DEVICES])


@pytest.fixture
def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> OutputDriver:
    return OutputDriver(tmp_path / "device", monkeypatch)


@every_device
def test_a_device_is_used_between_open_and_close_and_no_file_is_left(row: SinkRow, driver: OutputDriver) -> None:
    sink = load_sink(row, f"{row.schemes[0]}:{driver.path}", SinkOptions())
    assert not driver.asked
    sink.open([video_format()])
    feed_and_close(sink, pictures(3))
    assert len(driver.shown) >= 3
    assert not driver.streams
    assert (sink.is_file, sink.files, sink.free_bytes) == (False, [], None)
    assert sink.bytes_written == 3 * len(driver.shown[0])
    assert os.listdir(driver.path.parent) == [driver.path.name]
    sink.abort()
    sink.close()
    assert sink.bytes_written == 3 * len(driver.shown[0])


@every_device
def test_a_device_of_others_is_refused(row: SinkRow, driver: OutputDriver) -> None:
    sink = load_sink(row, f"{row.schemes[0]}:{driver.path}", SinkOptions())
    driver.path.chmod(0)
    importlib.import_module("grp")  # nobody may be unable to read Python's own library
    with as_nobody(driver.path.parent), pytest.raises(OperationError, match=r"no permission to write to .*/device"):
        sink.open([video_format()])


@every_device
def test_a_device_that_fails_is_said_in_a_sentence(row: SinkRow, driver: OutputDriver) -> None:
    sink = load_sink(row, f"{row.schemes[0]}:{driver.path}", SinkOptions())
    sink.open([video_format()])
    feed(sink, pictures(1))
    driver.fail(errno.EIO)
    with pytest.raises(OperationError, match="Input/output error"):
        feed(sink, pictures(5))
    sink.abort()


@every_device
def test_the_tracks_of_a_device_can_be_checked_before_it_is_opened(row: SinkRow) -> None:
    check_tracks(row, SinkOptions(), ["video"])
    for kinds in ([], ["audio"], ["video", "video"]):
        with pytest.raises(NotSupportedError) as caught:
            check_tracks(row, SinkOptions(), kinds)
        assert caught.value.message


def pictures(count: int) -> list[tuple[int, Media]]:
    return [(0, picture("I420", at_us=T0 + index * 40_000, sequence=index)) for index in range(count)]


def video_format() -> TrackFormat:
    return TrackFormat("video", {"width": 64, "height": 48, "frameRate": 0.1}, "I420")


@contextlib.contextmanager
def as_nobody(folder: Path) -> Iterator[None]:
    """Without the right to write into the folder, whoever runs the tests."""
    folder.chmod(0o555)
    if os.geteuid() == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        if os.getuid() == 0:
            os.seteuid(0)
        folder.chmod(0o755)
