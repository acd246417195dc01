"""What a queue does if its reader is slower than its source: the policies of ``--when-full`` and the bounds of ``--buffer``."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from mscli.core.eventloop import BLOCK, DROP_NEWEST, DROP_OLDEST, EventLoop, FrameQueue, QueueLimits
from mscli.core.frames import Media
from tests.sinks.synth import T0, h264, picture, tone

SIZE = picture().nbytes
STEP_US = 40_000


def frames(*numbers: int) -> list[Media]:
    return [replace(picture(at_us=T0 + number * STEP_US, sequence=number), duration=STEP_US) for number in numbers]


def taken(event_loop: EventLoop) -> list[int]:
    """The numbers of the frames that a reader finds."""
    found = []
    while (one := event_loop.take(0)) is not None:
        found.append(one.frame.sequence)
    return found


def filled(limits: QueueLimits, media: list[Media]) -> tuple[EventLoop, FrameQueue]:
    event_loop = EventLoop()
    queue = event_loop.queue(limits=limits)
    for frame in media:
        queue.put(frame)
    return event_loop, queue


@pytest.mark.parametrize("bound", [QueueLimits(nbytes=3 * SIZE), QueueLimits(lasts_us=3 * STEP_US)], ids=["bytes", "time"])
@pytest.mark.parametrize(
    ("policy", "left"),
    [("", [7, 8, 9]), (DROP_OLDEST, [7, 8, 9]), (DROP_NEWEST, [0, 1, 2]), (BLOCK, [0, 1, 2])],
)
def test_a_full_queue_drops_as_it_is_told(policy: str, left: list[int], bound: QueueLimits) -> None:
    event_loop, queue = filled(bound._replace(when_full=policy), frames(*range(10)))
    assert taken(event_loop) == left
    assert queue.dropped == 7


def test_a_queue_takes_frames_again_once_there_is_room() -> None:
    event_loop, queue = filled(QueueLimits(DROP_NEWEST, 2 * SIZE), frames(0, 1, 2, 3))
    assert event_loop.take(0) is not None
    for frame in frames(4, 5):
        queue.put(frame)
    assert (taken(event_loop), queue.dropped) == ([1, 4], 3)


def test_what_a_large_buffer_holds_is_not_dropped_for_its_age() -> None:
    event_loop, queue = filled(QueueLimits(nbytes=1 << 30), frames(*range(0, 3000, 100)))
    assert (len(taken(event_loop)), queue.dropped) == (30, 0)


def test_a_single_frame_always_fits() -> None:
    event_loop, _ = filled(QueueLimits(DROP_NEWEST, 1), frames(0))
    assert taken(event_loop) == [0]


@pytest.mark.parametrize(("policy", "kept"), [(DROP_NEWEST, [0, 1, 6, 7]), (DROP_OLDEST, [6, 7])])
def test_frames_that_depend_on_a_dropped_one_are_dropped(policy: str, kept: list[int]) -> None:
    chunks = [replace(one, sequence=index, type="key" if index in (0, 6) else "delta") for index, one in enumerate(h264(8))]
    bound = sum(chunk.nbytes for chunk in (chunks[:2] if policy == DROP_NEWEST else chunks[6:]))
    event_loop = EventLoop()
    queue = event_loop.queue(limits=QueueLimits(policy, bound))
    for chunk in chunks[:6]:
        queue.put(chunk)
    found = taken(event_loop) if policy == DROP_NEWEST else []
    for chunk in chunks[6:]:
        queue.put(chunk)
    assert found + taken(event_loop) == kept


@pytest.mark.parametrize("policy", [DROP_OLDEST, DROP_NEWEST])
def test_sound_is_dropped_by_the_same_rules(policy: str) -> None:
    blocks: list[Media] = [tone(480 * number, 480, sequence=480 * number) for number in range(5)]
    event_loop, queue = filled(QueueLimits(policy, lasts_us=20_000), blocks)
    assert taken(event_loop) == ([1440, 1920] if policy == DROP_OLDEST else [0, 480])
    assert queue.dropped == 3 * 480


@pytest.mark.parametrize("policy", ["", BLOCK])
def test_a_source_that_can_wait_waits(policy: str) -> None:
    event_loop = EventLoop()
    queue = event_loop.queue(paced=True, limits=QueueLimits(policy, 2 * SIZE))

    def put() -> None:
        for frame in frames(*range(10)):
            queue.put(frame)
        queue.close()

    source = threading.Thread(target=put)
    source.start()
    found = []
    while not event_loop.finished:
        one = event_loop.take(5)
        if one is not None:
            assert len(queue.waiting) <= 2
            found.append(one.frame.sequence)
    source.join()
    assert (found, queue.dropped) == (list(range(10)), 0)


@pytest.mark.parametrize(("policy", "left"), [(DROP_OLDEST, [8, 9]), (DROP_NEWEST, [0, 1])])
def test_a_source_that_could_wait_need_not(policy: str, left: list[int]) -> None:
    event_loop = EventLoop()
    queue = event_loop.queue(paced=True, limits=QueueLimits(policy, 2 * SIZE))
    for frame in frames(*range(10)):
        queue.put(frame)
    assert (taken(event_loop), queue.dropped) == (left, 8)


@pytest.mark.parametrize("policy", [DROP_OLDEST, DROP_NEWEST])
def test_what_is_lost_before_dropped_frames_is_known_at_the_next_one(policy: str) -> None:
    event_loop, queue = filled(QueueLimits(policy, SIZE), frames(0, 2))
    while event_loop.take(0) is not None:
        pass
    queue.put(frames(5)[0])
    assert event_loop.take(0) is not None
    assert (queue.lost, queue.dropped) == (3, 1)  # 1, 3 and 4 never came
