"""What goes wrong with cameras, made to go wrong by the kernel's own test driver."""

from __future__ import annotations

import os
import threading
import time

import pytest

from mscli.core.errors import NotReadableError
from mscli.sources.base import Device
from mscli.sources.v4l2.stream import V4L2Source
from mscli.v4l2.buffers import BUFFERS
from tests.vm.guest.conftest import (
    PATIENCE_SECONDS,
    Receiver,
    control,
    open_camera,
    run,
    streaming,
    used_by_another,
    wait_until,
)


def fault(device: Device, **controls: int) -> None:
    control(str(device.path), **controls)


def test_a_busy_camera_is_reported_with_the_process_that_holds_it(webcam: Device) -> None:
    with used_by_another(str(webcam.path)) as pid, pytest.raises(NotReadableError) as caught:
        open_camera(webcam)
    assert caught.value.message == f"camera “vivid” (/dev/video0) is in use by v4l2-ctl (pid {pid})"


def test_a_camera_is_taken_from_open_on(webcam: Device) -> None:
    source = open_camera(webcam)
    with pytest.raises(NotReadableError, match="is in use by"):
        open_camera(webcam)
    source.stop()
    open_camera(webcam).stop()


def test_a_camera_is_free_after_stop_though_frames_are_kept(webcam: Device) -> None:
    with streaming(open_camera(webcam), Receiver()) as receiver:
        receiver.wait(1)
    assert receiver.frames
    run("v4l2-ctl", "-d", str(webcam.path), "--stream-mmap", "--stream-count=1")


def test_a_camera_that_refuses_to_start_is_reported_and_given_back(webcam: Device) -> None:
    source = open_camera(webcam)
    fault(webcam, inject_vidioc_streamon_error=1)
    with pytest.raises(NotReadableError, match="camera “vivid” \\(/dev/video0\\) cannot start"):
        source.start(Receiver())
    source.stop()
    with streaming(open_camera(webcam), Receiver()) as receiver:
        receiver.wait(1)


def test_a_camera_that_is_unplugged_ends_its_stream(webcam: Device) -> None:
    with streaming(open_camera(webcam), Receiver()) as receiver:
        receiver.wait(2)
        fault(webcam, disconnect=1)
        error = receiver.wait_for_end()
    assert isinstance(error, NotReadableError)
    assert "camera “vivid” (/dev/video0) was unplugged" in error.message
    assert len(receiver.ended) == 1


def test_a_driver_that_is_removed_ends_its_streams(webcam: Device) -> None:
    with streaming(open_camera(webcam), Receiver()) as receiver:
        receiver.wait(2)
        run("sh", "-c", "cd /sys/bus/platform/drivers/vivid && echo vivid.0 > unbind")
        error = receiver.wait_for_end()
    assert "was unplugged" in error.message
    with pytest.raises(NotReadableError, match="was unplugged"):
        open_camera(webcam)


def test_a_driver_that_fails_ends_its_stream(webcam: Device) -> None:
    with streaming(open_camera(webcam), Receiver()) as receiver:
        receiver.wait(2)
        fault(webcam, inject_fatal_streaming_error=1)
        error = receiver.wait_for_end()
    assert isinstance(error, NotReadableError)
    assert error.message == "camera “vivid” (/dev/video0) cannot deliver frames: Input/output error"


def test_a_camera_that_is_stopped_while_it_is_started_is_given_back(webcam: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    source, receiver = open_camera(webcam), Receiver()
    assert isinstance(source, V4L2Source)
    begun, stopped, begin = threading.Event(), threading.Event(), source._begin

    def begin_slowly() -> None:
        begin()
        begun.set()
        assert stopped.wait(PATIENCE_SECONDS)

    monkeypatch.setattr(source, "_begin", begin_slowly)
    thread = threading.Thread(target=source.start, args=(receiver,))
    thread.start()
    assert begun.wait(PATIENCE_SECONDS)
    source.stop()
    stopped.set()
    thread.join()
    assert (source._node.fd, receiver.ended) == (-1, [])
    with streaming(open_camera(webcam), Receiver()) as other:
        other.wait(2)


def test_a_damaged_frame_is_counted_as_lost_and_not_delivered(webcam: Device) -> None:
    with streaming(open_camera(webcam), Receiver()) as receiver:
        receiver.wait(2)
        fault(webcam, inject_v4l2_buf_flag_error=1)
        wait_until(lambda: receiver.lost, "the damaged frame")
        receiver.wait(2 * BUFFERS)
    assert receiver.tells_every_loss


def test_a_buffer_that_the_driver_refuses_is_offered_again(webcam: Device) -> None:
    with streaming(open_camera(webcam), Receiver()) as receiver:
        for _ in range(2 * BUFFERS):
            fault(webcam, inject_vidioc_qbuf_error=1)
            receiver.wait(1)
        receiver.wait(2 * BUFFERS)
    assert receiver.tells_every_loss


def test_frames_that_the_driver_drops_are_counted_by_their_numbers(webcam: Device) -> None:
    fault(webcam, percentage_of_dropped_buffers=50)
    with streaming(open_camera(webcam), Receiver()) as receiver:
        receiver.wait(20)
    assert receiver.lost > 0
    assert receiver.tells_every_loss


def test_sequence_numbers_may_wrap(webcam: Device) -> None:
    fault(webcam, wrap_sequence_number=1)
    with streaming(open_camera(webcam, rate=60), Receiver()) as receiver:
        wait_until(lambda: receiver.sequences and receiver.sequences[-1] < receiver.sequences[0], "the wrap")
    assert receiver.lost < 1000
    assert receiver.tells_every_loss


def test_a_camera_that_stalls_is_stopped_at_once(webcam: Device) -> None:
    fault(webcam, percentage_of_dropped_buffers=100)
    source, receiver = open_camera(webcam), Receiver()
    source.start(receiver)
    before = time.monotonic()
    source.stop()
    assert time.monotonic() - before < 1  # the driver's own stop takes two frames
    assert (receiver.sequences, receiver.lost, receiver.ended) == ([], 0, [])


def test_a_camera_goes_on_after_a_stall(webcam: Device) -> None:
    with streaming(open_camera(webcam), Receiver()) as receiver:
        receiver.wait(2)
        fault(webcam, percentage_of_dropped_buffers=100)
        fault(webcam, percentage_of_dropped_buffers=0)
        receiver.wait(2)
    assert receiver.tells_every_loss


def test_a_source_may_be_stopped_before_it_has_started(webcam: Device) -> None:
    before = len(os.listdir("/proc/self/fd"))
    source = open_camera(webcam)
    source.stop()
    source.stop()
    assert len(os.listdir("/proc/self/fd")) == before
