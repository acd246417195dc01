"""Windows are exact to the frame and to the sample; pauses leave no gap."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pytest

from mscli.core.frames import AudioData, Media, VideoFrame
from mscli.core.window import Extent, Pauses, Window

START = 7_000_123
SECOND = 1_000_000


def pictures(rate: float, count: int, start: int = START, jitter: int = 0) -> Iterator[VideoFrame]:
    """Yield video frames at a rate, every second one except the first late by ``jitter`` microseconds."""
    for n in range(count):
        timestamp = start + round(n * SECOND / rate) + (jitter if n and n % 2 == 0 else 0)
        yield VideoFrame("GREY", 1, 1, timestamp, (memoryview(b"\0"),), (1,), round(SECOND / rate))


def blocks(samples: int, count: int, rate: int = 48000, start: int = START) -> Iterator[AudioData]:
    """Yield blocks of mono sound in which each sample is the low byte of its number."""
    for n in range(count):
        data = bytes((n * samples + i) % 256 for i in range(samples))
        yield AudioData("u8", rate, samples, 1, start + n * samples * SECOND // rate, memoryview(data))


def admitted(window: Window, frames: Iterable[Media], track: int = 0) -> list[Media]:
    """Return the parts of a track's frames that a window admits, until it is over."""
    inside = []
    for frame in frames:
        if window.over:
            break
        one = window.admit(track, frame)
        if one is not None:
            inside.append(one)
    return inside


def samples(frames: Iterable[Media]) -> int:
    """Return the number of samples."""
    return sum(frame.number_of_frames for frame in frames if isinstance(frame, AudioData))


@pytest.mark.parametrize(
    ("rate", "seconds", "count"), [(30, 1, 30), (29.97, 2, 60), (25, 0.2, 5), (7.5, 1, 8), (1, 3, 3), (30, 0.01, 1)]
)
def test_a_duration_admits_the_pictures_that_begin_in_it(rate: float, seconds: float, count: int) -> None:
    window = Window(["video"], duration_s=seconds)
    assert len(admitted(window, pictures(rate, 100))) == count
    assert window.over
    assert window.reason == "duration"


@pytest.mark.parametrize("jitter", [-5_000, 5_000])
def test_jitter_does_not_change_the_number_of_pictures(jitter: int) -> None:
    assert len(admitted(Window(["video"], duration_s=1), pictures(30, 100, jitter=jitter))) == 30


@pytest.mark.parametrize("size", [1, 441, 480, 512, 1000, 1024, 4096])
@pytest.mark.parametrize("rate", [44100, 48000])
@pytest.mark.parametrize("seconds", [0.5, 1, 1.0001])
def test_a_duration_admits_sound_to_the_sample(size: int, rate: int, seconds: float) -> None:
    window = Window(["audio"], duration_s=seconds)
    count = 2 * rate // size + 2 if size > 1 else round(seconds * rate) + 10
    inside = admitted(window, blocks(size, count, rate))
    assert samples(inside) == pytest.approx(seconds * rate, abs=1)
    assert all(isinstance(frame, AudioData) and frame.number_of_frames > 0 for frame in inside)


def test_the_last_block_is_cut_and_its_samples_are_the_first_ones() -> None:
    *_, last = admitted(Window(["audio"], duration_s=0.015), blocks(480, 5))
    assert isinstance(last, AudioData)
    assert (last.number_of_frames, last.nbytes, last.timestamp) == (240, 240, START + 10_000)
    assert bytes(last.data) == bytes((480 + i) % 256 for i in range(240))


def test_a_block_with_less_than_half_a_sample_inside_is_dropped() -> None:
    window = Window(["audio"], duration_s=0.010005)
    assert samples(admitted(window, blocks(480, 5))) == 480
    assert window.over


def test_the_duration_counts_from_the_earliest_frame_for_all_tracks() -> None:
    window = Window(["audio", "video"], duration_s=1)
    (first,) = blocks(480, 1)
    assert window.admit(0, first) is first
    assert window.end_us == START + SECOND
    inside = admitted(window, pictures(30, 100, start=START + 500_000), track=1)
    assert len(inside) == 15
    assert not window.over
    rest = admitted(window, blocks(480, 200, start=START + 10_000))
    assert samples(rest) + 480 == 48000
    assert window.over


def test_the_duration_counts_from_a_first_block_that_arrives_after_later_pictures() -> None:
    window = Window(["audio", "video"], duration_s=1)
    early = list(pictures(30, 3, start=START + 100_000))
    assert admitted(window, early, track=1) == early
    (first,) = blocks(480, 1)
    assert window.admit(0, first) is first
    assert window.end_us == START + SECOND
    assert len(admitted(window, pictures(30, 100, start=START + 200_000), track=1)) == 24
    assert samples(admitted(window, blocks(480, 200, start=START + 10_000))) + 480 == 48000


def test_a_window_without_counted_frames_is_complete_where_the_other_one_ends() -> None:
    extent = Extent()
    counting, following = Window(["video"], None, 3, extent), Window(["audio"], None, 3, extent, counts=False)
    assert samples(admitted(following, blocks(480, 9))) == 9 * 480
    assert len(admitted(counting, pictures(30, 5))) == 3  # they last for 100 ms
    before = following.complete
    assert samples(admitted(following, blocks(480, 1, start=START + 90_000))) == 480
    assert (before, following.complete, counting.complete) == (False, True, False)


def test_nothing_of_a_track_that_is_through_is_admitted() -> None:
    window = Window(["video", "video"], duration_s=0.1)
    late, early = list(pictures(30, 10))[5], next(pictures(30, 1))
    assert window.admit(0, early) is early
    assert window.admit(0, late) is None
    assert window.admit(0, early) is None
    assert not window.over
    assert window.admit(1, early) is early


def test_frames_count_pictures_where_there_are_any() -> None:
    window = Window(["audio", "video"], frames=3)
    assert len(admitted(window, blocks(480, 11))) == 11
    assert len(admitted(window, pictures(30, 10), track=1)) == 3
    assert window.over
    assert window.reason == "frames"


def test_sound_beside_counted_pictures_ends_with_the_last_of_them() -> None:
    window = Window(["video", "audio"], frames=3)
    first = admitted(window, blocks(480, 5), track=1)
    assert len(admitted(window, pictures(25, 10))) == 3
    assert not window.over
    assert not window.overdue(START + 120_000 + SECOND)
    rest = admitted(window, blocks(500, 20, start=START + 50_000), track=1)
    assert samples(first + rest) == 0.12 * 48000
    assert (window.over, window.reason) == (True, "frames")


def test_sound_that_stalls_is_waited_for_a_second_beyond_the_last_picture() -> None:
    window = Window(["video", "audio"], frames=3)
    assert len(admitted(window, pictures(25, 28))) == 3
    assert not window.over
    assert window.overdue(START + 120_001 + SECOND) == "frames"
    admitted(window, pictures(25, 2, start=START + 120_000 + SECOND))
    assert (window.over, window.reason) == (True, "frames")


def test_sound_goes_on_where_a_counted_picture_did_not_reach_the_output() -> None:
    window = Window(["video", "audio"], frames=2)
    assert len(admitted(window, pictures(25, 10))) == 2
    assert samples(admitted(window, blocks(480, 20), track=1)) == 0.08 * 48000
    assert (window.over, window.reason) == (True, "frames")
    window.give_back(0, 1)
    assert (window.over, window.reason) == (False, "")
    assert len(admitted(window, pictures(25, 2, start=START + 80_000))) == 1
    assert samples(admitted(window, blocks(480, 20, start=START + 80_000), track=1)) == 0.04 * 48000
    assert window.over


def test_frames_count_the_pictures_of_each_camera() -> None:
    window = Window(["video", "audio", "video"], frames=3)
    assert len(admitted(window, pictures(30, 10), track=0)) == 3
    assert not window.over
    assert len(admitted(window, blocks(480, 10), track=1)) == 10
    assert len(admitted(window, pictures(30, 10), track=2)) == 3
    assert (window.over, window.reason) == (True, "frames")


def test_a_camera_that_has_ended_is_not_waited_for() -> None:
    window = Window(["video", "video", "audio"], frames=3)
    assert len(admitted(window, pictures(30, 10), track=0)) == 3
    assert window.leave(1)
    assert samples(admitted(window, blocks(480, 20), track=2)) == 4800
    assert window.over
    window = Window(["video", "video"], duration_s=0.1)
    assert len(admitted(window, pictures(30, 10), track=0)) == 3
    window.leave(1)
    assert (window.over, window.reason) == (True, "duration")


def test_frames_count_samples_where_there_is_only_sound() -> None:
    window = Window(["audio"], frames=1000)
    inside = admitted(window, blocks(480, 5))
    assert [frame.number_of_frames for frame in inside if isinstance(frame, AudioData)] == [480, 480, 40]
    assert window.over


def test_what_comes_first_ends_it() -> None:
    window = Window(["video"], duration_s=1, frames=10)
    assert len(admitted(window, pictures(30, 100))) == 10
    assert window.reason == "frames"
    window = Window(["video"], duration_s=0.1, frames=10)
    assert len(admitted(window, pictures(30, 100))) == 3
    assert window.reason == "duration"


def test_a_track_is_waited_for_a_second_beyond_the_end() -> None:
    window = Window(["video"], duration_s=0.1)
    assert not window.overdue(10**12)  # it has not begun
    (first,) = admitted(window, pictures(30, 1))
    assert not window.overdue(first.timestamp + 1_100_000)
    assert window.overdue(first.timestamp + 1_100_001) == "ended"
    assert not Window(["video"]).overdue(10**12)


def test_a_picture_that_lasts_until_the_end_is_the_last_one() -> None:
    window = Window(["video"], duration_s=7)
    assert len(admitted(window, pictures(0.2, 2))) == 2
    assert window.overdue(START + 8 * SECOND + 1) == "duration"


def test_no_picture_stands_for_sound_that_stalls() -> None:
    window = Window(["video", "audio"], duration_s=7)
    admitted(window, pictures(0.2, 2))
    admitted(window, blocks(480, 5), track=1)
    assert window.overdue(START + 8 * SECOND + 1) == "ended"


def test_no_frames_are_over_at_once() -> None:
    assert Window(["video"], frames=0).over


def test_without_a_limit_it_is_never_over() -> None:
    window = Window(["video"])
    assert len(admitted(window, pictures(30, 1000))) == 1000
    assert not window.over
    assert window.end_us is None


def test_without_a_pause_frames_stand_where_they_are() -> None:
    assert Pauses().place(123) == 123


def test_frames_inside_a_pause_are_left_out_and_later_ones_close_the_gap() -> None:
    pauses = Pauses()
    pauses.begin(100)
    assert [pauses.place(at) for at in (99, 100, 150)] == [99, None, None]
    pauses.end(200)
    assert [pauses.place(at) for at in (99, 100, 199, 200, 250)] == [99, None, None, 100, 150]
    pauses.begin(300)
    pauses.end(310)
    assert [pauses.place(at) for at in (299, 305, 310)] == [199, None, 200]


def test_an_end_without_a_beginning_is_nothing() -> None:
    pauses = Pauses()
    pauses.end(5)
    assert pauses.place(1) == 1
