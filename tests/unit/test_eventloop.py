"""Queues and the event loop: bounds, order, tasks, and many threads at once."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from functools import partial
from threading import Event as Flag
from threading import Thread

import pytest

from mscli.core import eventloop as module
from mscli.core.eventloop import PACED_FRAMES, EventLoop, FrameQueue
from mscli.core.frames import AudioData, EncodedVideoChunk, Media, VideoFrame
from mscli.core.limits import AUDIO_QUEUE_SECONDS, OVERLOAD_SECONDS, PACED_LEAD_US, VIDEO_QUEUE_SECONDS
from mscli.core.window import Pauses

TIMEOUT_S = 20.0
BRIEFLY_S = 0.1  # the time for a thread to do what it must not


class Watchdog:
    """A manual clock."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watchdog:
    """Install a manual clock for queues, to make frames grow old."""
    watch = Watchdog()
    monkeypatch.setattr(module, "VIDEO_QUEUE_SECONDS", VIDEO_QUEUE_SECONDS)
    monkeypatch.setattr(module, "monotonic", watch)
    return watch


def picture(timestamp: int, size: int = 100) -> VideoFrame:
    """Return a video frame of this many bytes."""
    return VideoFrame("GREY", size, 1, timestamp, (memoryview(bytes(size)),), (size,))


def chunk(timestamp: int, *, key: bool) -> EncodedVideoChunk:
    """Return a chunk of H.264."""
    return EncodedVideoChunk("key" if key else "delta", timestamp, memoryview(bytes(100)), "h264", 64, 48)


def sound(timestamp: int, samples: int = 480, rate: int = 48000) -> AudioData:
    """Return a block of 16-bit stereo."""
    return AudioData("s16", rate, samples, 2, timestamp, memoryview(bytes(samples * 4)))


def take_all(event_loop: EventLoop) -> list[int]:
    """Return the timestamps of all waiting frames."""
    taken = []
    while (one := event_loop.take(0)) is not None:
        taken.append(one.frame.timestamp)
    return taken


def run_all(*tasks: Callable[[], None]) -> list[threading.Thread]:
    """Run each function on a thread."""
    threads = [threading.Thread(target=task) for task in tasks]
    for thread in threads:
        thread.start()
    return threads


def test_the_earliest_frame_of_all_queues_comes_first() -> None:
    event_loop = EventLoop()
    one, other = event_loop.queue(), event_loop.queue()
    for timestamp in (10, 30, 50):
        one.put(picture(timestamp))
    for timestamp in (20, 25, 60):
        other.put(sound(timestamp))
    assert take_all(event_loop) == [10, 20, 25, 30, 50, 60]


def test_a_pause_holds_back_paced_queues_only() -> None:
    pauses = Pauses()
    event_loop = EventLoop(pauses=pauses)
    paced, live = event_loop.queue(paced=True), event_loop.queue()
    for queue, timestamp in ((paced, 1), (live, 2), (paced, 3)):
        queue.put(picture(timestamp))
    paced.close()
    live.close()
    pauses.begin(0)
    assert take_all(event_loop) == [2]
    assert not event_loop.finished
    pauses.end(0)
    assert take_all(event_loop) == [1, 3]


def test_a_paced_queue_does_not_run_ahead_of_a_slower_one() -> None:
    event_loop = EventLoop()
    fast, slow = event_loop.queue(paced=True), event_loop.queue(paced=True)
    for n in range(4):
        fast.put(picture(n * PACED_LEAD_US))
    assert take_all(event_loop) == [0, PACED_LEAD_US]
    slow.put(sound(PACED_LEAD_US + 1))
    assert take_all(event_loop) == [PACED_LEAD_US + 1, 2 * PACED_LEAD_US]
    slow.close()
    assert take_all(event_loop) == [3 * PACED_LEAD_US]


def test_a_track_that_has_ended_before_another_of_its_input_holds_back_no_other_input() -> None:
    event_loop, film = EventLoop(), object()
    pictures, film_sound = (event_loop.queue(paced=True, together=film) for _ in range(2))
    other = event_loop.queue(paced=True)
    film_sound.put(sound(0))
    for n in range(4):
        pictures.put(picture(n * PACED_LEAD_US))
        other.put(sound(n * PACED_LEAD_US))
    assert take_all(event_loop) == [0, 0, 0, *sorted([PACED_LEAD_US, 2 * PACED_LEAD_US, 3 * PACED_LEAD_US] * 2)]
    other.put(sound(4 * PACED_LEAD_US))
    other.put(sound(4 * PACED_LEAD_US + 1))
    assert take_all(event_loop) == [4 * PACED_LEAD_US]  # the film is slower


def test_a_frame_comes_with_its_queue() -> None:
    event_loop = EventLoop()
    event_loop.queue()
    queue = event_loop.queue()
    queue.put(picture(1))
    taken = event_loop.take(0)
    assert taken is not None
    assert taken.queue is queue


def test_a_full_queue_drops_its_oldest_pictures_and_counts_them() -> None:
    event_loop = EventLoop()
    queue = event_loop.queue(limit_bytes=250)
    for timestamp in range(5):
        queue.put(picture(timestamp))
    assert queue.dropped == 3
    assert take_all(event_loop) == [3, 4]


def test_what_waits_in_a_queue_can_be_given_up_and_is_counted() -> None:
    event_loop = EventLoop()
    queue = event_loop.queue()
    for n in range(3):
        queue.put(picture(n))
    queue.close()
    queue.clear()
    assert (queue.dropped, queue.finished, event_loop.take(0)) == (3, True, None)


def test_one_picture_is_kept_whatever_its_size() -> None:
    event_loop = EventLoop()
    queue = event_loop.queue(limit_bytes=10)
    queue.put(picture(1))
    queue.put(picture(2))
    assert queue.dropped == 1
    assert take_all(event_loop) == [2]


def test_pictures_that_have_waited_too_long_are_dropped_but_for_the_last(watch: Watchdog) -> None:
    event_loop = EventLoop()
    queue = event_loop.queue()
    for timestamp in range(4):
        queue.put(picture(timestamp))
        watch.seconds += VIDEO_QUEUE_SECONDS / 2
    assert take_all(event_loop) == [2, 3]
    queue.put(picture(4))
    queue.put(picture(5))
    watch.seconds += 2 * VIDEO_QUEUE_SECONDS
    assert take_all(event_loop) == [5]
    assert queue.dropped == 3


def test_the_time_of_pictures_runs_on_when_their_queue_is_closed(watch: Watchdog) -> None:
    event_loop = EventLoop()
    queue = event_loop.queue()
    for timestamp in range(3):
        queue.put(picture(timestamp))
    queue.close()
    watch.seconds += VIDEO_QUEUE_SECONDS + 1
    assert take_all(event_loop) == [2]
    assert (queue.dropped, event_loop.finished) == (2, True)


FRAME_S = 0.04


def overload(event_loop: EventLoop, queue: FrameQueue, watch: Watchdog, frames: int) -> list[float]:
    """Give a consumer twice the frames that it can take. Return the age in seconds of each frame taken."""
    ages = []
    for index in range(frames):
        queue.put(picture(index))
        if index % 2 and (taken := event_loop.take(0)):
            ages.append((index - taken.frame.timestamp) * FRAME_S)
        watch.seconds += FRAME_S
    return ages


def test_an_overloaded_consumer_gets_new_pictures_and_as_many_as_it_can_take(watch: Watchdog) -> None:
    event_loop = EventLoop()
    ages = overload(event_loop, event_loop.queue(), watch, 500)
    assert len(ages) == 250
    assert max(ages) == pytest.approx(VIDEO_QUEUE_SECONDS, abs=FRAME_S), "before the first drop"
    assert max(ages[125:]) <= OVERLOAD_SECONDS + FRAME_S


def test_an_overload_of_bytes_is_one_too(watch: Watchdog) -> None:
    event_loop = EventLoop()
    ages = overload(event_loop, event_loop.queue(limit_bytes=3000), watch, 200)
    assert max(ages) == pytest.approx(30 * FRAME_S, abs=2 * FRAME_S)
    assert ages[-1] <= OVERLOAD_SECONDS + FRAME_S


def test_an_overload_of_h264_costs_no_picture_more_than_must_go(watch: Watchdog) -> None:
    event_loop = EventLoop()
    queue = event_loop.queue()
    late = round(VIDEO_QUEUE_SECONDS / FRAME_S)
    for index in range(late + 5):
        queue.put(chunk(index, key=index in (0, 10)))
        watch.seconds += FRAME_S
    assert take_all(event_loop) == list(range(10, late + 5))


def test_a_consumer_that_was_overloaded_and_has_caught_up_may_be_late_again(watch: Watchdog) -> None:
    event_loop = EventLoop()
    queue = event_loop.queue()
    overload(event_loop, queue, watch, 200)
    take_all(event_loop)
    late = round(VIDEO_QUEUE_SECONDS / FRAME_S)
    for index in range(late):
        queue.put(picture(index))
        watch.seconds += FRAME_S
    assert len(take_all(event_loop)) == late


def test_sound_is_kept_while_pictures_wait_and_one_of_them_takes_long(watch: Watchdog) -> None:
    event_loop = EventLoop()
    pictures, blocks = event_loop.queue(), event_loop.queue()
    for block in range(10 * 100):  # of 10 ms; nothing is taken in the meantime
        blocks.put(sound(block * 10_000))
        if block % 4 == 0:
            pictures.put(picture(block * 10_000))
        watch.seconds += 0.01
    taken = take_all(event_loop)
    assert blocks.dropped == 0
    assert pictures.dropped == pytest.approx(8 * 25, abs=1)
    assert len(taken) == 1000 + 250 - pictures.dropped
    assert taken == sorted(taken)


def test_frames_that_depend_on_a_dropped_one_are_dropped() -> None:
    event_loop = EventLoop()
    queue = event_loop.queue(limit_bytes=450)
    for timestamp in range(12):
        queue.put(chunk(timestamp, key=timestamp in (0, 3, 9)))
    assert take_all(event_loop) == [9, 10, 11]
    assert queue.dropped == 9


def test_a_queue_of_sound_is_bounded_in_seconds_and_counts_samples() -> None:
    event_loop = EventLoop()
    queue = event_loop.queue(limit_bytes=1)
    blocks = AUDIO_QUEUE_SECONDS * 100 + 7
    for block in range(blocks):
        queue.put(sound(block * 10_000))
    assert queue.dropped == 7 * 480
    assert len(take_all(event_loop)) == AUDIO_QUEUE_SECONDS * 100


def test_what_was_taken_makes_room() -> None:
    event_loop = EventLoop()
    queue = event_loop.queue(limit_bytes=200)
    for timestamp in range(10):
        queue.put(picture(timestamp))
        assert take_all(event_loop) == [timestamp]
    assert queue.dropped == 0


def test_a_closed_queue_returns_what_waits_and_accepts_nothing_more() -> None:
    event_loop = EventLoop()
    queue = event_loop.queue()
    queue.put(picture(1))
    queue.close()
    queue.put(picture(2))
    assert (queue.finished, event_loop.finished) == (False, False)
    assert take_all(event_loop) == [1]
    assert (queue.finished, event_loop.finished) == (True, True)


def test_a_removed_queue_returns_nothing() -> None:
    event_loop = EventLoop()
    queue = event_loop.queue()
    queue.put(picture(1))
    event_loop.remove(queue)
    event_loop.remove(queue)
    queue.put(picture(2))
    assert take_all(event_loop) == []
    assert event_loop.finished


def test_taking_from_finished_queues_does_not_wait() -> None:
    event_loop = EventLoop()
    event_loop.queue().close()
    assert event_loop.take(TIMEOUT_S) is None


def test_tasks_run_in_order_on_the_taking_thread_before_the_next_frame() -> None:
    event_loop = EventLoop()
    queue, ran = event_loop.queue(), []
    queue.put(picture(1))
    event_loop.post(lambda: ran.append(("a", threading.current_thread())))
    event_loop.post(lambda: ran.append(("b", threading.current_thread())))
    taken = event_loop.take(0)
    assert taken is not None
    assert ran == [("a", threading.current_thread()), ("b", threading.current_thread())]


def test_a_task_may_post_another() -> None:
    event_loop, ran = EventLoop(), []

    def first() -> None:
        ran.append("first")
        event_loop.post(lambda: ran.append("second"))

    event_loop.post(first)
    event_loop.run_tasks()
    event_loop.run_tasks()
    assert ran == ["first", "second"]


def test_an_exception_in_a_task_reaches_the_consumer_and_loses_no_other_task() -> None:
    event_loop, ran = EventLoop(), []
    event_loop.post(lambda: ran.append(1 // 0))
    event_loop.post(lambda: ran.append(2))
    with pytest.raises(ZeroDivisionError):
        event_loop.run_tasks()
    event_loop.run_tasks()
    assert ran == [2]


def test_a_waiting_consumer_is_woken_by_a_frame() -> None:
    event_loop = EventLoop()
    queue = event_loop.queue()
    (thread,) = run_all(lambda: queue.put(picture(5)))
    taken = event_loop.take(TIMEOUT_S)
    thread.join()
    assert taken is not None
    assert taken.frame.timestamp == 5


@pytest.fixture
def woken(monkeypatch: pytest.MonkeyPatch) -> Callable[[EventLoop, Callable[[], None]], bool]:
    """Return whether a frame wakes the consumer of an event loop."""

    def is_woken(event_loop: EventLoop, something: Callable[[], None]) -> bool:
        calls: list[bool] = []
        monkeypatch.setattr(event_loop.changed, "notify_all", lambda: calls.append(True))
        something()
        return bool(calls)

    return is_woken


@pytest.mark.parametrize("frame", [sound(1), chunk(1, key=True)], ids=["sound", "encoded picture"])
def test_light_frames_do_not_wake_a_gathering_consumer(
    woken: Callable[[EventLoop, Callable[[], None]], bool], frame: Media
) -> None:
    later = EventLoop()
    later.gather(5)
    for event_loop in (EventLoop(), EventLoop(gather_s=5), later):
        assert woken(event_loop, partial(event_loop.queue().put, frame)) is not event_loop.gathers
        assert take_all(event_loop) == [1]


def test_everything_else_wakes_a_gathering_consumer(woken: Callable[[EventLoop, Callable[[], None]], bool]) -> None:
    event_loop = EventLoop(gather_s=5)
    queue = event_loop.queue()
    queue.end_at(5)
    assert woken(event_loop, partial(queue.put, picture(1)))
    assert woken(event_loop, partial(event_loop.post, FrameQueue(event_loop).close))
    assert woken(event_loop, partial(queue.put, sound(6))), "which is past the end"
    assert woken(event_loop, queue.close)


def test_a_gathering_consumer_finds_light_frames() -> None:
    event_loop = EventLoop(gather_s=0.001)
    queue = event_loop.queue()
    taken: list[int] = []
    (thread,) = run_all(lambda: taken.extend(one.frame.timestamp for one in [event_loop.take(TIMEOUT_S)] if one))
    queue.put(sound(3))
    thread.join(TIMEOUT_S / 2)
    assert taken == [3]


def test_a_waiting_consumer_is_woken_by_the_end_of_its_queues() -> None:
    event_loop = EventLoop()
    (thread,) = run_all(event_loop.queue().close)
    assert event_loop.take(TIMEOUT_S) is None
    thread.join()
    assert event_loop.finished


def test_a_waiting_consumer_is_woken_by_a_task() -> None:
    event_loop, ran = EventLoop(), threading.Event()
    (thread,) = run_all(lambda: event_loop.post(ran.set))
    while not ran.is_set():
        event_loop.wait(TIMEOUT_S)
    thread.join()


def test_wait_returns_when_its_time_is_over() -> None:
    event_loop = EventLoop()
    event_loop.queue()
    event_loop.wait(0.001)
    assert event_loop.take(0.001) is None


def test_many_threads_lose_nothing_and_keep_their_order() -> None:
    event_loop, ran = EventLoop(), []
    queues = [event_loop.queue() for _ in range(4)]

    def produce(number: int) -> None:
        for timestamp in range(300):
            queues[number].put(picture(timestamp, size=4))
            if timestamp % 10 == 0:
                event_loop.post(lambda: ran.append(number))
        queues[number].close()

    threads = run_all(*(partial(produce, number) for number in range(4)))
    taken: dict[int, list[int]] = {number: [] for number in range(4)}
    while not event_loop.finished:
        one = event_loop.take(TIMEOUT_S)
        if one is not None:
            taken[queues.index(one.queue)].append(one.frame.timestamp)
    for thread in threads:
        thread.join()
    event_loop.run_tasks()
    assert all(timestamps == list(range(300)) for timestamps in taken.values())
    assert sorted(ran) == [number for number in range(4) for _ in range(30)]


def test_what_comes_after_the_end_pushes_nothing_out() -> None:
    event_loop = EventLoop()
    queue = event_loop.queue(limit_bytes=2 * picture(0).nbytes)
    queue.end_at(50)
    for at_us in (0, 40, 50, 60, 70, 80):
        queue.put(picture(at_us))
    taken = [one.frame.timestamp for one in iter(lambda: event_loop.take(0), None)]
    assert (taken[-1], max(taken), queue.dropped) == (50, 50, 1)


# Paced: the source waits


def test_a_paced_queue_that_is_full_makes_its_source_wait_until_a_frame_is_taken() -> None:
    event_loop = EventLoop()
    queue = event_loop.queue(paced=True)
    for number in range(PACED_FRAMES):
        queue.put(picture(number))
    put = Flag()

    def put_one() -> None:
        queue.put(picture(PACED_FRAMES))
        put.set()

    thread = Thread(target=put_one)
    thread.start()
    assert not put.wait(BRIEFLY_S)
    taken = event_loop.take(0)
    assert taken is not None
    assert put.wait(TIMEOUT_S)
    thread.join()
    assert [taken.frame.timestamp, *take_all(event_loop)] == list(range(PACED_FRAMES + 1))
    assert queue.dropped == 0


def test_a_paced_queue_drops_nothing_for_its_age(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "VIDEO_QUEUE_SECONDS", 0.0)
    event_loop = EventLoop()
    queue = event_loop.queue(paced=True)
    for number in range(3):
        queue.put(picture(number))
    assert (take_all(event_loop), queue.dropped) == ([0, 1, 2], 0)


def test_one_frame_fits_into_a_paced_queue_whatever_its_size() -> None:
    event_loop = EventLoop()
    queue = event_loop.queue(1, paced=True)
    queue.put(picture(0))
    assert event_loop.take(0) is not None


@pytest.mark.parametrize("end", ["close", "remove"])
def test_a_wait_for_room_ends_when_the_queue_is_closed(end: str) -> None:
    event_loop = EventLoop()
    queue = event_loop.queue(1, paced=True)
    queue.put(picture(0))
    waiting = Thread(target=queue.put, args=(picture(1),))
    waiting.start()
    waiting.join(BRIEFLY_S)
    assert waiting.is_alive()
    queue.close() if end == "close" else event_loop.remove(queue)
    waiting.join(TIMEOUT_S)
    assert not waiting.is_alive()
    assert take_all(event_loop) == ([0] if end == "close" else [])


def test_a_consumer_that_gathers_is_woken_by_a_paced_queue_that_is_full() -> None:
    event_loop = EventLoop(gather_s=TIMEOUT_S)
    queue = event_loop.queue(paced=True)
    blocks = [sound(10_000 * number) for number in range(3 * PACED_FRAMES)]
    source = Thread(target=lambda: deque(map(queue.put, blocks), 0))
    source.start()
    got = [event_loop.take(TIMEOUT_S) for _ in range(2 * PACED_FRAMES)]
    queue.close()
    source.join()
    assert [one.frame.timestamp for one in got if one] == [block.timestamp for block in blocks[: 2 * PACED_FRAMES]]
