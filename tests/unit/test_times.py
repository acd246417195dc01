"""Impossible times and numbers come no further than the device's port."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import pytest

from mscli.cli.report import Report
from mscli.core.clock import time_text
from mscli.core.frames import AudioData, Counts, Media
from mscli.core.window import Window
from mscli.sources.base import Receiver
from mscli.sources.fake.backend import FakeSource
from tests.unit.stage import Heard, Stage, camera, microphone, picture, reader, waiting

STEP_S = 1 / 30
YEARS_US = 1_764_000_000_000_000


def block(at_us: int) -> AudioData:
    """Return a thirtieth of a second of silence."""
    return AudioData("s16", 48_000, 1600, 1, at_us, memoryview(bytes(3200)))


class Played:
    """A device whose timestamps the test chooses, on the stage's clock."""

    def __init__(self, here: Stage, monkeypatch: pytest.MonkeyPatch, kind: str = "video") -> None:
        receivers: list[Receiver] = []
        monkeypatch.setattr(FakeSource, "start", lambda _, receiver: receivers.append(receiver))
        self.here, self.kind = here, kind
        self.track = here.track(kind)
        self.heard = Heard(self.track, "warning")
        (self.port,) = receivers

    def play(self, *stamps: int | None) -> list[Media]:
        """Deliver frames evenly with these offsets from the true time; None means 0. Return what a reader of the track gets."""
        with reader(self.track, maxBufferSize=1000) as frames:
            for stamp in stamps:
                self.here.clock.jump(STEP_S)
                at_us = self.here.clock.now_us()
                self.port.on_frame(self._frame(0 if stamp is None else at_us + stamp))
            self.here.tasks.run_tasks()
            return waiting(frames)

    def _frame(self, at_us: int) -> Media:
        return picture(at_us) if self.kind == "video" else block(at_us - round(STEP_S * 1e6))

    @property
    def reasons(self) -> list[str]:
        """Return the reasons of the warnings."""
        return [event.detail["reason"] for event in self.heard.events]


Play = Callable[..., Played]


@pytest.fixture
def play(stage: Callable[..., Stage], monkeypatch: pytest.MonkeyPatch) -> Play:
    """Create a device whose frames the test delivers."""
    return lambda kind="video": Played(stage(camera(), microphone()), monkeypatch, kind)


@pytest.mark.parametrize("kind", ["video", "audio"])
def test_true_times_are_handed_on_as_they_are(play: Play, kind: str) -> None:
    one = play(kind)
    got = one.play(0, -9000, 0, -5000)
    assert [(b.timestamp - a.timestamp) // 1000 for a, b in pairwise(got)] == [24, 42, 28]
    assert (one.track.retimed, one.reasons) == (0, [])


@pytest.mark.parametrize("kind", ["video", "audio"])
@pytest.mark.parametrize("stamps", [[YEARS_US] * 9, [None] * 9, [0, 0, None, 0, 0], [0, 190_000_000, -9_000_000, 0, YEARS_US]])
def test_times_that_cannot_be_true_are_replaced_counted_and_said_once(play: Play, kind: str, stamps: list[int | None]) -> None:
    one = play(kind)
    begin_us = one.here.clock.now_us()
    got = one.play(*stamps)
    late = 0 if kind == "video" else 1
    expected = [begin_us + round((index + 1 - late) * STEP_S * 1e6) for index in range(len(stamps))]
    assert [frame.timestamp for frame in got] == pytest.approx(expected, abs=1000)
    size = 1 if kind == "video" else 1600
    assert one.track.retimed == size * sum(stamp != 0 for stamp in stamps)
    assert len(one.reasons) == 1


def test_the_warning_names_the_device_and_what_is_wrong(play: Play) -> None:
    one = play()
    one.play(0, 190_000_000)
    assert one.reasons == [
        "camera “Camera 0” sends impossible timestamps, the first 3.17 minutes ahead; using arrival times instead"
    ]


@pytest.mark.parametrize("kind", ["video", "audio"])
def test_a_clock_of_another_rate_is_corrected_counted_and_named(play: Play, kind: str) -> None:
    one = play(kind)
    slow_us = [-round(0.02 * STEP_S * 1e6 * number) for number in range(900)]
    for at in range(0, len(slow_us), 100):
        last = one.play(*slow_us[at : at + 100])[-1]
    lasts_us = 0 if kind == "video" else round(STEP_S * 1e6)
    assert abs(last.timestamp + lasts_us - one.here.clock.now_us()) < 5_000, "0.6 s by its own clock"
    (reason,) = one.reasons
    device = "camera “Camera 0”" if kind == "video" else "microphone “Microphone 0”"
    assert reason == f"{device} has a clock that is 2.00% slow; correcting its timestamps"
    assert 0 < one.track.retimed < len(slow_us) * (1 if kind == "video" else 1600)


def test_a_track_counts_from_when_it_began(play: Play) -> None:
    one = play()
    one.play(None, None)
    twin = one.track.clone()
    one.play(None)
    assert (one.track.retimed, twin.retimed) == (3, 1)


def test_the_report_counts_them(play: Play) -> None:
    one = play()
    one.play(None, 0, None)
    report = Report([], "frames", [one.track], [Counts()])
    assert json.loads(json.dumps(report.to_json()))["tracks"][0]["retimed"] == 2


@pytest.mark.parametrize(("lost", "counted"), [([1], 1), ([4, 4], 8), ([200_000], 0), ([3, (1 << 31) - 1, 2], 5)])
def test_more_than_time_allows_is_not_lost(play: Play, lost: list[int], counted: int) -> None:
    one = play()
    one.play(0, 0)
    for count in lost:
        one.port.on_lost(count)
    one.here.clock.jump(0.1)
    one.play(0)
    assert one.track.lost == counted


def test_what_a_long_stall_lost_is_counted(play: Play) -> None:
    one = play()
    one.play(0)
    one.here.clock.jump(100)
    one.port.on_lost(3000)
    assert one.track.lost == 3000


def test_a_rate_that_changes_changes_what_can_be_lost(play: Play) -> None:
    one = play()
    one.play(0)
    one.port.on_lost(100)
    one.port.on_changed({"frameRate": 1000.0})
    one.port.on_lost(101)
    assert one.track.lost == 101


def test_how_long_a_picture_says_it_lasts_ends_no_recording() -> None:
    window = Window(["video"], 10)
    pictures = (replace(picture(at_us), duration=3_600_000_000) for at_us in range(0, 9_700_000, 100_000))
    assert all(window.admit(0, one) for one in pictures)


def test_how_long_a_picture_says_it_lasts_is_bounded_by_what_came_before(play: Play) -> None:
    one = play()
    with reader(one.track) as frames:
        for after_s in (STEP_S, STEP_S, 10, 10):
            one.here.clock.jump(after_s)
            one.port.on_frame(replace(picture(one.here.clock.now_us()), duration=3_600_000_000))
        assert [frame.duration // 10_000 for frame in waiting(frames)] == [90, 81, 1000, 1000]


@pytest.mark.parametrize(
    ("us", "text"),
    [
        (0, "0 ms"), (1500, "1.5 ms"), (1_500_000, "1.5 s"), (190_000_000, "3.17 minutes"), (7_200_000_000, "2 hours"),
        (YEARS_US, "55.9 years"), (1 << 63, "2.92e+05 years"),
    ],
)  # fmt: skip
def test_a_duration_is_shown_in_a_suitable_unit(us: int, text: str) -> None:
    assert time_text(us) == text
