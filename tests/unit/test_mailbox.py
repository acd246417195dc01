"""Lanes and the mailbox: bounds, order, tasks, and many threads at once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial

import pytest

from mscli.core import mailbox as module
from mscli.core.frames import AudioData, Frame, VideoFrame
from mscli.core.mailbox import AUDIO_LANE_SECONDS, OVERLOAD_SECONDS, VIDEO_LANE_SECONDS, Lane, Mailbox

PATIENCE_S = 20.0


class Watch:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    """The clock that lanes look at, so that pictures grow old by it."""
    watch = Watch()
    monkeypatch.setattr(module, "VIDEO_LANE_SECONDS", VIDEO_LANE_SECONDS)
    monkeypatch.setattr(module, "monotonic", watch)
    return watch


def picture(timestamp: int, size: int = 100) -> VideoFrame:
    """A picture of so many bytes."""
    return VideoFrame("GREY", size, 1, timestamp, (memoryview(bytes(size)),), (size,))


def chunk(timestamp: int, *, key: bool) -> VideoFrame:
    """A picture of a camera's H.264 stream."""
    return VideoFrame("H264", 64, 48, timestamp, (memoryview(bytes(100)),), (0,), key=key)


def sound(timestamp: int, samples: int = 480, rate: int = 48000) -> AudioData:
    """A block of 16-bit stereo."""
    return AudioData("s16", rate, samples, 2, timestamp, memoryview(bytes(samples * 4)))


def take_all(mailbox: Mailbox) -> list[int]:
    """The timestamps of all that waits."""
    taken = []
    while (one := mailbox.take(0)) is not None:
        taken.append(one.frame.timestamp)
    return taken


def run_all(*tasks: Callable[[], None]) -> list[threading.Thread]:
    """Start a thread for each."""
    threads = [threading.Thread(target=task) for task in tasks]
    for thread in threads:
        thread.start()
    return threads


def test_the_earliest_frame_of_all_lanes_comes_first() -> None:
    mailbox = Mailbox()
    one, other = mailbox.lane(), mailbox.lane()
    for timestamp in (10, 30, 50):
        one.put(picture(timestamp))
    for timestamp in (20, 25, 60):
        other.put(sound(timestamp))
    assert take_all(mailbox) == [10, 20, 25, 30, 50, 60]


def test_a_frame_comes_with_its_lane() -> None:
    mailbox = Mailbox()
    mailbox.lane()
    lane = mailbox.lane()
    lane.put(picture(1))
    taken = mailbox.take(0)
    assert taken is not None
    assert taken.lane is lane


def test_a_full_lane_drops_its_oldest_pictures_and_counts_them() -> None:
    mailbox = Mailbox()
    lane = mailbox.lane(limit_bytes=250)
    for timestamp in range(5):
        lane.put(picture(timestamp))
    assert lane.dropped == 3
    assert take_all(mailbox) == [3, 4]


def test_one_picture_is_kept_whatever_its_size() -> None:
    mailbox = Mailbox()
    lane = mailbox.lane(limit_bytes=10)
    lane.put(picture(1))
    lane.put(picture(2))
    assert lane.dropped == 1
    assert take_all(mailbox) == [2]


def test_pictures_that_have_waited_too_long_are_dropped_but_for_the_last(watch: Watch) -> None:
    mailbox = Mailbox()
    lane = mailbox.lane()
    for timestamp in range(4):
        lane.put(picture(timestamp))
        watch.seconds += VIDEO_LANE_SECONDS / 2
    assert take_all(mailbox) == [2, 3]
    lane.put(picture(4))
    lane.put(picture(5))
    watch.seconds += 2 * VIDEO_LANE_SECONDS
    assert take_all(mailbox) == [5]
    assert lane.dropped == 3


def test_the_time_of_pictures_runs_on_when_their_lane_is_closed(watch: Watch) -> None:
    mailbox = Mailbox()
    lane = mailbox.lane()
    for timestamp in range(3):
        lane.put(picture(timestamp))
    lane.close()
    watch.seconds += VIDEO_LANE_SECONDS + 1
    assert take_all(mailbox) == [2]
    assert (lane.dropped, mailbox.finished) == (2, True)


FRAME_S = 0.04


def overload(mailbox: Mailbox, lane: Lane, watch: Watch, frames: int) -> list[float]:
    """Give a lane's consumer twice the pictures that it can take; how many seconds old each was that it took."""
    ages = []
    for index in range(frames):
        lane.put(picture(index))
        if index % 2 and (taken := mailbox.take(0)):
            ages.append((index - taken.frame.timestamp) * FRAME_S)
        watch.seconds += FRAME_S
    return ages


def test_an_overloaded_consumer_gets_new_pictures_and_as_many_as_it_can_take(watch: Watch) -> None:
    mailbox = Mailbox()
    ages = overload(mailbox, mailbox.lane(), watch, 500)
    assert len(ages) == 250
    assert max(ages) == pytest.approx(VIDEO_LANE_SECONDS, abs=FRAME_S), "before the first drop"
    assert max(ages[125:]) <= OVERLOAD_SECONDS + FRAME_S


def test_an_overload_of_bytes_is_one_too(watch: Watch) -> None:
    mailbox = Mailbox()
    ages = overload(mailbox, mailbox.lane(limit_bytes=3000), watch, 200)
    assert max(ages) == pytest.approx(30 * FRAME_S, abs=2 * FRAME_S)
    assert ages[-1] <= OVERLOAD_SECONDS + FRAME_S


def test_an_overload_of_h264_costs_no_picture_more_than_must_go(watch: Watch) -> None:
    mailbox = Mailbox()
    lane = mailbox.lane()
    late = round(VIDEO_LANE_SECONDS / FRAME_S)
    for index in range(late + 5):
        lane.put(chunk(index, key=index in (0, 10)))
        watch.seconds += FRAME_S
    assert take_all(mailbox) == list(range(10, late + 5))


def test_a_consumer_that_was_overloaded_and_has_caught_up_may_be_late_again(watch: Watch) -> None:
    mailbox = Mailbox()
    lane = mailbox.lane()
    overload(mailbox, lane, watch, 200)
    take_all(mailbox)
    late = round(VIDEO_LANE_SECONDS / FRAME_S)
    for index in range(late):
        lane.put(picture(index))
        watch.seconds += FRAME_S
    assert len(take_all(mailbox)) == late


def test_sound_is_kept_while_pictures_wait_and_one_of_them_takes_long(watch: Watch) -> None:
    mailbox = Mailbox()
    pictures, blocks = mailbox.lane(), mailbox.lane()
    for block in range(10 * 100):  # of 10 ms; nothing is taken in all that time
        blocks.put(sound(block * 10_000))
        if block % 4 == 0:
            pictures.put(picture(block * 10_000))
        watch.seconds += 0.01
    taken = take_all(mailbox)
    assert blocks.dropped == 0
    assert pictures.dropped == pytest.approx(8 * 25, abs=1)
    assert len(taken) == 1000 + 250 - pictures.dropped
    assert taken == sorted(taken)


def test_what_cannot_be_decoded_without_a_dropped_picture_goes_with_it() -> None:
    mailbox = Mailbox()
    lane = mailbox.lane(limit_bytes=450)
    for timestamp in range(12):
        lane.put(chunk(timestamp, key=timestamp in (0, 3, 9)))
    assert take_all(mailbox) == [9, 10, 11]
    assert lane.dropped == 9


def test_a_lane_of_sound_is_bounded_in_seconds_and_counts_samples() -> None:
    mailbox = Mailbox()
    lane = mailbox.lane(limit_bytes=1)
    blocks = AUDIO_LANE_SECONDS * 100 + 7
    for block in range(blocks):
        lane.put(sound(block * 10_000))
    assert lane.dropped == 7 * 480
    assert len(take_all(mailbox)) == AUDIO_LANE_SECONDS * 100


def test_what_was_taken_makes_room() -> None:
    mailbox = Mailbox()
    lane = mailbox.lane(limit_bytes=200)
    for timestamp in range(10):
        lane.put(picture(timestamp))
        assert take_all(mailbox) == [timestamp]
    assert lane.dropped == 0


def test_a_closed_lane_gives_what_waits_and_takes_nothing_more() -> None:
    mailbox = Mailbox()
    lane = mailbox.lane()
    lane.put(picture(1))
    lane.close()
    lane.put(picture(2))
    assert (lane.finished, mailbox.finished) == (False, False)
    assert take_all(mailbox) == [1]
    assert (lane.finished, mailbox.finished) == (True, True)


def test_a_removed_lane_gives_nothing() -> None:
    mailbox = Mailbox()
    lane = mailbox.lane()
    lane.put(picture(1))
    mailbox.remove(lane)
    mailbox.remove(lane)
    lane.put(picture(2))
    assert take_all(mailbox) == []
    assert mailbox.finished


def test_taking_from_finished_lanes_does_not_wait() -> None:
    mailbox = Mailbox()
    mailbox.lane().close()
    assert mailbox.take(PATIENCE_S) is None


def test_tasks_run_in_order_on_the_taking_thread_before_the_next_frame() -> None:
    mailbox = Mailbox()
    lane, ran = mailbox.lane(), []
    lane.put(picture(1))
    mailbox.post(lambda: ran.append(("a", threading.current_thread())))
    mailbox.post(lambda: ran.append(("b", threading.current_thread())))
    taken = mailbox.take(0)
    assert taken is not None
    assert ran == [("a", threading.current_thread()), ("b", threading.current_thread())]


def test_a_task_may_post_another() -> None:
    mailbox, ran = Mailbox(), []

    def first() -> None:
        ran.append("first")
        mailbox.post(lambda: ran.append("second"))

    mailbox.post(first)
    mailbox.run_tasks()
    mailbox.run_tasks()
    assert ran == ["first", "second"]


def test_an_exception_in_a_task_reaches_the_consumer_and_loses_no_other_task() -> None:
    mailbox, ran = Mailbox(), []
    mailbox.post(lambda: ran.append(1 // 0))
    mailbox.post(lambda: ran.append(2))
    with pytest.raises(ZeroDivisionError):
        mailbox.run_tasks()
    mailbox.run_tasks()
    assert ran == [2]


def test_a_waiting_consumer_is_woken_by_a_frame() -> None:
    mailbox = Mailbox()
    lane = mailbox.lane()
    (thread,) = run_all(lambda: lane.put(picture(5)))
    taken = mailbox.take(PATIENCE_S)
    thread.join()
    assert taken is not None
    assert taken.frame.timestamp == 5


@pytest.fixture
def woken(monkeypatch: pytest.MonkeyPatch) -> Callable[[Mailbox, Callable[[], None]], bool]:
    """Whether something wakes the consumer of a mailbox."""

    def is_woken(mailbox: Mailbox, something: Callable[[], None]) -> bool:
        calls: list[bool] = []
        monkeypatch.setattr(mailbox.changed, "notify_all", lambda: calls.append(True))
        something()
        return bool(calls)

    return is_woken


@pytest.mark.parametrize("frame", [sound(1), chunk(1, key=True)], ids=["sound", "encoded picture"])
def test_light_frames_wake_nobody_where_they_may_wait_for_one_another(
    woken: Callable[[Mailbox, Callable[[], None]], bool], frame: Frame
) -> None:
    for mailbox in (Mailbox(), Mailbox(gather_s=5)):
        assert woken(mailbox, partial(mailbox.lane().put, frame)) is not mailbox.gathers
        assert take_all(mailbox) == [1]


def test_all_else_wakes_a_consumer_for_whom_light_frames_wait(woken: Callable[[Mailbox, Callable[[], None]], bool]) -> None:
    mailbox = Mailbox(gather_s=5)
    lane = mailbox.lane()
    lane.end_at(5)
    assert woken(mailbox, partial(lane.put, picture(1)))
    assert woken(mailbox, partial(mailbox.post, Lane(mailbox).close))
    assert woken(mailbox, partial(lane.put, sound(6))), "which is past the end"
    assert woken(mailbox, lane.close)


def test_a_waiting_consumer_finds_light_frames_that_wake_nobody() -> None:
    mailbox = Mailbox(gather_s=0.001)
    lane = mailbox.lane()
    taken: list[int] = []
    (thread,) = run_all(lambda: taken.extend(one.frame.timestamp for one in [mailbox.take(PATIENCE_S)] if one))
    lane.put(sound(3))
    thread.join(PATIENCE_S / 2)
    assert taken == [3]


def test_a_waiting_consumer_is_woken_by_the_end_of_its_lanes() -> None:
    mailbox = Mailbox()
    (thread,) = run_all(mailbox.lane().close)
    assert mailbox.take(PATIENCE_S) is None
    thread.join()
    assert mailbox.finished


def test_a_waiting_consumer_is_woken_by_a_task() -> None:
    mailbox, ran = Mailbox(), threading.Event()
    (thread,) = run_all(lambda: mailbox.post(ran.set))
    while not ran.is_set():
        mailbox.wait(PATIENCE_S)
    thread.join()


def test_wait_returns_when_its_time_is_over() -> None:
    mailbox = Mailbox()
    mailbox.lane()
    mailbox.wait(0.001)
    assert mailbox.take(0.001) is None


def test_many_threads_lose_nothing_and_keep_their_order() -> None:
    mailbox, ran = Mailbox(), []
    lanes = [mailbox.lane() for _ in range(4)]

    def produce(number: int) -> None:
        for timestamp in range(300):
            lanes[number].put(picture(timestamp, size=4))
            if timestamp % 10 == 0:
                mailbox.post(lambda: ran.append(number))
        lanes[number].close()

    threads = run_all(*(partial(produce, number) for number in range(4)))
    taken: dict[int, list[int]] = {number: [] for number in range(4)}
    while not mailbox.finished:
        one = mailbox.take(PATIENCE_S)
        if one is not None:
            taken[lanes.index(one.lane)].append(one.frame.timestamp)
    for thread in threads:
        thread.join()
    mailbox.run_tasks()
    assert all(timestamps == list(range(300)) for timestamps in taken.values())
    assert sorted(ran) == [number for number in range(4) for _ in range(30)]


def test_what_comes_after_the_end_pushes_nothing_out() -> None:
    mailbox = Mailbox()
    lane = mailbox.lane(limit_bytes=2 * picture(0).nbytes)
    lane.end_at(50)
    for at_us in (0, 40, 50, 60, 70, 80):
        lane.put(picture(at_us))
    taken = [one.frame.timestamp for one in iter(lambda: mailbox.take(0), None)]
    assert (taken[-1], max(taken), lane.dropped) == (50, 50, 1)
