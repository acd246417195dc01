"""The log of frames: a line for each written frame, before it, that agrees with the bytes of the output."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mscli.core.errors import OperationError
from mscli.core.eventloop import EventLoop
from mscli.core.frames import Media
from mscli.encode.options import SinkOptions, TrackFormat
from mscli.sinks import SINKS, load_sink
from mscli.sinks.base import Sink, TrackFacts
from tests.sinks.synth import T0, jpeg, picture, tone
from tests.unit.test_encoded_sources import reordered


def lines(path: Path) -> list[dict[str, Any]]:
    """The lines of a log."""
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.jsonl"


def logged(path: Path, file: Any, kind: str = "video", form: str = "") -> Sink:
    """A raw sink with a log."""
    sink = load_sink(SINKS["raw"], file, SinkOptions(format=form, frame_log=str(path)))
    sink.open([TrackFormat(kind)])
    return sink


def numbered(*numbers: int) -> list[Media]:
    return [picture(at_us=T0 + number * 40_000, sequence=number) for number in numbers]


class Watching(io.BytesIO):
    """An output that notes how many lines its log has when bytes come."""

    def __init__(self, log: Path) -> None:
        super().__init__()
        self.log = log
        self.seen: list[int] = []

    def write(self, data: Any, /) -> int:
        self.seen.append(len(lines(self.log)) if self.log.exists() else len(self._hidden()))
        return super().write(data)

    def _hidden(self) -> list[str]:
        """The lines of a log that has no name yet."""
        (file,) = (one for one in self.log.parent.iterdir() if one.name.startswith("."))
        return file.read_text().splitlines()


def test_a_line_is_there_before_its_frame(path: Path) -> None:
    file = Watching(path)
    sink = logged(path, file, form="I420")
    for frame in numbered(0, 1, 2):
        sink.write(0, frame)
    sink.close()
    assert file.seen == [1, 1, 1, 2, 2, 2, 3, 3, 3]  # of three planes each


@pytest.mark.parametrize("form", ["", "RGB24", "y4m", "YUYV"])
@pytest.mark.parametrize("size", [(322, 242), (321, 241)])
def test_the_lines_agree_with_the_bytes(size: tuple[int, int], form: str, path: Path) -> None:
    sink = logged(path, file := io.BytesIO(), form=form)
    ends = []
    for index in range(4):
        sink.write(0, picture("I420", *size, at_us=T0 + index, sequence=7 + index))
        ends.append(len(file.getvalue()))
    sink.close()
    found = lines(path)
    assert [sum(line["bytes"] for line in found[: index + 1]) for index in range(4)] == ends
    assert [(line["index"], line["sequence"], line["timestamp"]) for line in found] == [(n, 7 + n, T0 + n) for n in range(4)]
    assert {(line["width"], line["height"]) for line in found} == {size}


def through_a_queue(sink: Sink, frames: list[Media], *, limit: int, omitted: Mapping[int, int] = {}) -> None:
    """Write what is left of frames that came while nobody took any. ``omitted``: sequence → frames left out before it."""
    event_loop = EventLoop()
    queue = event_loop.queue(limit_frames=limit)
    sink.facts = lambda _: TrackFacts({}, queue.first_sequence or 0, queue.lost, queue.omitted)
    for frame in frames:
        queue.omit(omitted.get(frame.sequence, 0))
        queue.put(frame)
    queue.close()
    for taken in iter(lambda: event_loop.take(0), None):
        assert taken is not None
        sink.write(0, taken.frame)
    sink.close()


def test_frames_lost_and_dropped_are_the_gap_in_the_numbers(path: Path) -> None:
    frames = numbered(3, 4, 6, 7, 10, 11)  # 5, 8 and 9 never came
    through_a_queue(logged(path, io.BytesIO()), frames, limit=2)
    assert [(line["sequence"], line["lost"], line["dropped"]) for line in lines(path)] == [(10, 3, 4), (11, 0, 0)]


def test_frames_that_nobody_asked_for_are_neither_lost_nor_dropped(path: Path) -> None:
    frames = numbered(0, 3, 6, 10)
    through_a_queue(logged(path, io.BytesIO()), frames, limit=3, omitted={3: 2, 6: 2, 10: 2})
    found = [(line["sequence"], line["lost"], line["dropped"]) for line in lines(path)]
    assert found == [(3, 0, 1), (6, 0, 0), (10, 1, 0)]


def test_a_frame_dropped_while_another_is_written_counts_for_the_next_one(path: Path) -> None:
    event_loop, sink = EventLoop(), logged(path, io.BytesIO())
    queue = event_loop.queue(limit_frames=1)
    sink.facts = lambda _: TrackFacts({}, queue.first_sequence or 0, queue.lost, queue.omitted)
    frames = iter(numbered(0, 2, 4))
    queue.put(next(frames))
    taken = event_loop.take(0)
    assert taken is not None
    for frame in frames:  # number 2 is dropped for number 4
        queue.put(frame)
    sink.write(0, taken.frame)
    taken = event_loop.take(0)
    assert taken is not None
    sink.write(0, taken.frame)
    assert [(line["lost"], line["dropped"]) for line in lines(path)] == [(0, 0), (2, 1)]
    sink.close()


@pytest.mark.parametrize("missing", [(), (3,)])
def test_a_line_is_that_of_its_picture_where_they_are_shown_in_another_order(missing: tuple[int, ...], path: Path) -> None:
    chunks = [chunk for chunk in reordered("h264", 24) if chunk.sequence not in missing]
    sink = logged(path, io.BytesIO())
    for chunk in chunks:
        sink.write(0, chunk)
    sink.close()
    told = sorted((chunk.timestamp, chunk.sequence) for chunk in chunks)
    assert [(line["timestamp"], line["sequence"]) for line in lines(path)] == told
    assert sum(line["dropped"] for line in lines(path)) == len(missing)


def test_a_damaged_frame_has_no_line_and_counts_as_dropped(path: Path) -> None:
    damaged = replace(jpeg(), data=jpeg().data[:300])
    frames = [replace(one, sequence=index) for index, one in enumerate((jpeg(), damaged, jpeg()))]
    through_a_queue(logged(path, io.BytesIO()), list(frames), limit=5)
    assert [(line["index"], line["sequence"], line["dropped"]) for line in lines(path)] == [(0, 0, 0), (1, 2, 1)]


def test_settings_are_told_once_they_change(path: Path) -> None:
    told: Iterator[dict[str, Any]] = iter([{"zoom": 1, "width": 64}, {"zoom": 2, "width": 64}, {"zoom": 2, "width": 64}])
    sink = logged(path, io.BytesIO())
    sink.facts = lambda _: TrackFacts(next(told))
    for frame in numbered(0, 1, 2):
        sink.write(0, frame)
    sink.close()
    assert [line.get("settings") for line in lines(path)] == [None, {"zoom": 2}, None]


def test_times_are_those_of_the_capture_whatever_pauses_were_before(path: Path) -> None:
    sink = logged(path, io.BytesIO())
    sink.facts = lambda _: TrackFacts({}, paused_us=1000)
    sink.write(0, picture(at_us=T0))
    sink.close()
    assert lines(path)[0]["timestamp"] == T0 + 1000


@pytest.mark.parametrize(("form", "width"), [("", 2), ("s32", 4), ("u8", 1)])
def test_sound_is_counted_in_samples_with_the_silence_before_it(form: str, width: int, path: Path) -> None:
    sink = logged(path, file := io.BytesIO(), "audio", form)
    blocks = [tone(0, 480, channels=2), tone(960, 480, channels=2), tone(1440, 100, channels=2)]
    through_a_queue(sink, list(blocks), limit=5)
    found = lines(path)
    assert [line["index"] for line in found] == [0, 480, 1440]
    assert [line["bytes"] for line in found] == [480 * 2 * width, 960 * 2 * width, 100 * 2 * width]
    assert [(line["sequence"], line["lost"], line["dropped"]) for line in found] == [(0, 0, 0), (960, 480, 0), (1440, 0, 0)]
    assert sum(line["bytes"] for line in found) == len(file.getvalue())
    assert (found[0]["width"], found[0]["height"]) == (None, None)


class Failing(io.BytesIO):
    """An output that takes two frames and no more."""

    left = 6

    def write(self, data: Any, /) -> int:
        if not self.left:
            raise OSError(28, "full")
        self.left -= 1
        return super().write(data)


def test_a_frame_that_fails_leaves_no_line_in_a_file(path: Path) -> None:
    sink = logged(path, Failing())
    first, second, third = numbered(0, 1, 2)
    sink.write(0, first)
    sink.write(0, second)
    with pytest.raises(OperationError):
        sink.write(0, third)
    sink.abort()
    assert [line["index"] for line in lines(path)] == [0, 1]


def test_without_a_frame_there_is_no_log(path: Path) -> None:
    logged(path, io.BytesIO()).close()
    assert not path.exists()
