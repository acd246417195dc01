"""Frames that are told a visible part and a size: every sink shows that and nothing else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mscli.core.frames import Rect
from mscli.sinks import SINKS, SinkRow
from tests.sinks.synth import BLUE, GREEN, RED, ROWS, close_to, feed_and_close, halves, jpeg, opened, probe, run

VIDEO_ROWS = [row for row in ROWS if (row.still or row.video) and row.suffix != "pgm"]  # which has no colours to compare
every_row = pytest.mark.parametrize("row", VIDEO_ROWS, ids=[row.suffix for row in VIDEO_ROWS])


def colors(path: Path, width: int, height: int) -> list[tuple[int, ...]]:
    """The pixels of a file's first picture, raw RGB or another."""
    form = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}"] if path.suffix == ".raw" else []
    data = run("ffmpeg", "-v", "error", *form, "-i", path, "-frames:v", "1", "-pix_fmt", "rgb24", "-f", "rawvideo", "-")
    return [tuple(data[at : at + 3]) for at in range(0, len(data), 3)]


def written(row: SinkRow, path: Path, frame: Any) -> Path:
    sink = opened(row, str(path), ["video"], format="RGB24")
    feed_and_close(sink, [(0, replace(frame, timestamp=frame.timestamp + at)) for at in ([0] if row.still else [0, 40_000])])
    return path


@every_row
@pytest.mark.parametrize(("name", "padding"), [("I420", 0), ("NV12", 12), ("YUYV", 12), ("RGB24", 0), ("GREY", 5)])
def test_the_visible_part_is_shown_in_its_display_size(row: SinkRow, name: str, padding: int, tmp_path: Path) -> None:
    frame = halves(name, RED, BLUE, padding=padding)
    path = written(row, tmp_path / f"a.{row.suffix}", replace(frame, visible_rect=Rect(32, 8, 32, 40), display_size=(16, 20)))
    found = colors(path, 16, 20)
    assert len(found) == 16 * 20
    grey = round(0.299 * BLUE[0] + 0.587 * BLUE[1] + 0.114 * BLUE[2])
    assert all(close_to(color, (grey,) * 3 if name == "GREY" else BLUE, 10) for color in found)


@every_row
@pytest.mark.parametrize("pixels", ["yuvj420p", "yuvj422p", "yuvj444p"])
def test_a_cameras_jpeg_is_cropped_and_scaled_too(row: SinkRow, pixels: str, tmp_path: Path) -> None:
    frame = replace(jpeg(rgb=GREEN, pixels=pixels), visible_rect=Rect(8, 0, 48, 48), display_size=(24, 24))
    path = written(row, tmp_path / f"a.{row.suffix}", frame)
    found = colors(path, 24, 24)
    assert len(found) == 24 * 24
    assert all(close_to(color, GREEN, 8) for color in found)


def test_a_picture_that_is_only_scaled_keeps_all_of_it(tmp_path: Path) -> None:
    path = written(SINKS["png"], tmp_path / "a.png", replace(halves("I420", RED, BLUE), display_size=(32, 24)))
    found = colors(path, 32, 24)
    assert close_to(found[0], RED, 5)
    assert close_to(found[-1], BLUE, 5)


def test_a_recording_keeps_the_shape_it_began_with(tmp_path: Path) -> None:
    path, frame = tmp_path / "a.mkv", halves("I420", GREEN, GREEN)
    smaller = replace(frame, visible_rect=Rect(8, 0, 48, 48), display_size=(24, 24), timestamp=frame.timestamp + 40_000)
    feed_and_close(opened(SINKS["mkv"], str(path), ["video"]), [(0, frame), (0, smaller)])
    (stream,) = probe(path, "-count_frames", "-show_streams")["streams"]
    assert (stream["width"], stream["height"], stream["nb_read_frames"]) == (64, 48, "2")
