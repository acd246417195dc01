"""What a track has delivered, and how many frames wait in a processor."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import mscli
from mscli.core.clock import now_us
from mscli.core.eventloop import VIDEO_QUEUE_BYTES, EventLoop
from tests.unit.stage import Stage, camera, microphone, picture, push, reader, silent, waiting

Setting = Callable[..., Stage]


def counts(track: mscli.MediaStreamTrack) -> tuple[int, int, int]:
    """Return the delivered, discarded and total frames."""
    stats = track.stats
    assert isinstance(stats, mscli.MediaStreamTrackVideoStats)
    assert stats.to_json() == {
        "deliveredFrames": stats.delivered_frames,
        "discardedFrames": stats.discarded_frames,
        "totalFrames": stats.total_frames,
    }
    return stats.delivered_frames, stats.discarded_frames, stats.total_frames


def test_frames_count_also_if_nobody_reads_them(stage: Setting) -> None:
    track = stage(silent(camera())).track(width=64)
    assert counts(track) == (0, 0, 0)
    push(track, picture(), picture())
    assert counts(track) == (2, 0, 2)
    with reader(track):
        push(track, picture())
    assert counts(track) == (3, 0, 3)
    assert track.stats is track.stats


def test_frames_that_are_left_out_for_the_rate_are_discarded(stage: Setting) -> None:
    track = stage(silent(camera())).track(width=64, frameRate={"exact": 10})
    start_us = now_us()
    push(track, *(picture(start_us + number * 33_333) for number in range(30)))
    delivered, discarded, total = counts(track)
    assert (delivered, discarded, total) == (10, 20, 30)


def test_counts_stand_still_while_the_track_is_disabled(stage: Setting) -> None:
    track = stage(silent(camera())).track(width=64)
    push(track, picture())
    track.enabled = False
    push(track, picture())
    assert counts(track) == (1, 0, 1)
    track.enabled = True
    push(track, picture())
    assert counts(track) == (2, 0, 2)


def test_a_clone_counts_from_zero(stage: Setting) -> None:
    track = stage(silent(camera())).track(width=64)
    push(track, picture())
    twin = track.clone()
    slow = twin.clone()
    slow.apply_constraints({"frameRate": {"exact": 10}})
    start_us = now_us()
    push(track, *(picture(start_us + number * 33_333) for number in range(3)))
    assert (counts(track), counts(twin), counts(slow)) == ((4, 0, 4), (3, 0, 3), (1, 2, 3))


def test_sound_has_latencies(stage: Setting) -> None:
    track = stage(silent(microphone())).track("audio")
    stats = track.stats
    assert isinstance(stats, mscli.MediaStreamTrackAudioStats)
    assert stats.latency == stats.average_latency == 0

    def block(late_us: int) -> mscli.AudioData:
        return mscli.AudioData("s16", 48_000, 480, 1, now_us() - 10_000 - late_us, memoryview(bytes(960)))

    for late_us in (5_000, 20_000, 10_000):
        stats.note(block(late_us))
    assert 5 <= stats.minimum_latency <= stats.average_latency <= stats.maximum_latency
    assert stats.maximum_latency >= 20
    assert stats.latency >= 10
    latest = stats.latency
    stats.reset_latency()
    assert (stats.minimum_latency, stats.maximum_latency, stats.average_latency) == (latest, latest, latest)
    assert stats.to_json().keys() == {"latency", "averageLatency", "minimumLatency", "maximumLatency"}


def test_sound_of_a_paced_source_has_no_latency() -> None:
    track = mscli.track_from([mscli.AudioData("s16", 48_000, 480, 1, at_us, memoryview(bytes(960))) for at_us in (0, 10_000)])
    assert len(list(reader(track))) == 2
    stats = track.stats
    assert isinstance(stats, mscli.MediaStreamTrackAudioStats)
    assert set(stats.to_json().values()) == {0}
    track.stop()


@pytest.mark.parametrize("step", range(12))
def test_the_average_latency_can_be_read_while_another_thread_resets_it(step: int) -> None:
    stats = mscli.MediaStreamTrackAudioStats()
    stats.note(mscli.AudioData("s16", 48_000, 480, 1, 0, memoryview(bytes(960))))
    left = iter(range(step, -1, -1))

    def reset_at_step(frame: FrameType, event: str, _: object) -> Any:
        frame.f_trace_opcodes = True
        if event == "opcode" and next(left, None) == 0:
            stats.reset_latency()
        return reset_at_step

    before = sys.gettrace()
    sys.settrace(lambda frame, event, _: reset_at_step if frame.f_code.co_name == "average_latency" else None)
    try:
        average = stats.average_latency
    finally:
        sys.settrace(before)
    assert average == stats.latency


# Processors


def test_the_newest_frame_waits_by_default(stage: Setting) -> None:
    track = stage(silent(camera())).track(width=64)
    processor = mscli.MediaStreamTrackProcessor({"track": track})
    start_us = now_us()
    push(track, *(picture(start_us + number) for number in range(5)))
    assert (processor.total_frames, processor.discarded_frames) == (5, 4)
    assert [frame.timestamp - start_us for frame in waiting(processor.readable)] == [4]


@pytest.mark.parametrize("size", [-1, 65_536, float("nan"), "x", {}])
def test_a_wrong_buffer_size_is_a_type_error(stage: Setting, size: Any) -> None:
    track = stage(silent(camera())).track(width=64)
    with pytest.raises(TypeError, match="maxBufferSize"):
        mscli.MediaStreamTrackProcessor({"track": track, "maxBufferSize": size})


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(size=st.integers(1, 6), turns=st.lists(st.booleans(), max_size=60))
def test_the_newest_frames_wait_in_order_up_to_the_size(size: int, turns: list[bool]) -> None:
    """True: a frame comes. False: one is read."""
    loop = EventLoop()
    queue = loop.queue(VIDEO_QUEUE_BYTES, size)
    expected: list[int] = []
    for number, comes in enumerate(turns):
        if comes:
            queue.put(picture(number))
            expected = [*expected, number][-size:]
        else:
            taken = loop.take(0)
            assert (taken and taken.frame.timestamp) == (expected.pop(0) if expected else None)
        assert queue.received == sum(turns[: number + 1])
    assert [waits.frame.timestamp for waits in queue.waiting] == expected
    taken_count = queue.received - queue.dropped - len(expected)
    assert 0 <= taken_count <= turns.count(False)


def test_a_paced_track_loses_nothing_whatever_the_size() -> None:
    frames = [picture(number) for number in range(40)]
    track = mscli.track_from(frames)
    processor = mscli.MediaStreamTrackProcessor({"track": track, "maxBufferSize": 2})
    assert [frame.timestamp for frame in processor.readable] == list(range(40))
    assert processor.discarded_frames == 0
    track.stop()
