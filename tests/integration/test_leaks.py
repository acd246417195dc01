"""What is opened and closed many times leaves nothing behind."""

from __future__ import annotations

import gc
import logging
import os
import threading
from typing import Any, NamedTuple

import pytest

import mscli
from tests.heap import heap_bytes
from tests.untyped import untyped

pytestmark = pytest.mark.timeout(900)  # of real work: a busy machine takes minutes

CYCLES = 500
TIMEOUT_S = 20.0
CAMERA = {"kind": "videoinput", "modes": [{"width": 64, "height": 48, "frameRate": 500}]}
MICROPHONE = {"kind": "audioinput"}
KINDS = {"video": True, "audio": True}


class Held(NamedTuple):
    """What this process holds."""

    descriptors: int
    threads: int
    objects: int
    memory: int  # bytes in use; what the allocator keeps besides depends on the threads of the moment

    @classmethod
    def now(cls) -> Held:
        gc.collect()
        return cls(
            len(os.listdir("/proc/self/fd")),
            threading.active_count(),
            len(gc.get_objects()),
            heap_bytes(),
        )


def use(devices: mscli.MediaDevices) -> None:
    """Open camera and microphone, take a picture, clone, close."""
    stream = devices.get_user_media(untyped(KINDS))
    (track,) = stream.get_video_tracks()
    with mscli.MediaStreamTrackProcessor({"track": track}).readable as frames:
        assert frames.read(TIMEOUT_S)
    for each in (*stream.get_tracks(), *stream.clone().get_tracks()):
        each.stop()


def fail(devices: mscli.MediaDevices) -> None:
    """Open what does not start."""
    with pytest.raises(mscli.NotReadableError):
        devices.get_user_media(untyped(KINDS))


def use_all(devices: mscli.MediaDevices) -> None:
    """The same with MediaDevices of its own."""
    del devices
    with described(CAMERA, MICROPHONE) as own:
        use(own)


def lose(devices: mscli.MediaDevices) -> None:
    """Stop a camera that was lost and returned, and one that is waited for, with MediaDevices of their own."""
    del devices
    gone = CAMERA | {"deviceId": "gone", "faults": {"vanishAfterFrames": 10}}
    back = CAMERA | {"deviceId": "back", "faults": {"vanishAfterFrames": 10, "returnAfterSeconds": 0}}
    with described(gone, back) as own:
        wait_for(own, "back", "unmute").stop()
        wait_for(own, "gone", "mute").stop()


def wait_for(devices: mscli.MediaDevices, device_id: str, event: str) -> mscli.MediaStreamTrack:
    """The track of that camera, which is waited for when it is lost, after that event."""
    happened = threading.Event()

    def listen(stream: mscli.MediaStream) -> None:
        for track in stream.get_tracks():
            track.add_event_listener(event, lambda _: happened.set())

    asked = {"video": {"deviceId": {"exact": device_id}}}
    (track,) = devices.get_user_media(untyped(asked), prepare=listen, reconnect_s=3600).get_tracks()
    assert happened.wait(TIMEOUT_S)
    return track


def described(*devices: dict[str, Any]) -> mscli.MediaDevices:
    return mscli.MediaDevices(backends=[mscli.FakeBackend({"devices": devices})])


@pytest.mark.parametrize("what", [use, fail, use_all])
def test_five_hundred_cycles_leave_no_descriptor_no_thread_and_no_memory(what: Any, caplog: pytest.LogCaptureFixture) -> None:
    check_cycles(what, CYCLES, caplog)


def test_a_hundred_cycles_of_lost_cameras_leave_nothing_either(caplog: pytest.LogCaptureFixture) -> None:
    check_cycles(lose, CYCLES // 5, caplog)


def check_cycles(what: Any, cycles: int, caplog: pytest.LogCaptureFixture) -> None:
    """Compare what is held before and after. ``caplog`` would hold a record of each frame that a busy machine loses."""
    caplog.set_level(logging.CRITICAL, "mscli")
    faults = {"faults": {"errorOnStart": True}} if what is fail else {}
    with described(CAMERA | faults, MICROPHONE) as devices:
        for _ in range(cycles // 5):
            what(devices)
        before = Held.now()
        for _ in range(cycles):
            what(devices)
        after = Held.now()
    assert (after.descriptors, after.threads) == (before.descriptors, before.threads)
    assert after.objects - before.objects < cycles // 5
    assert after.memory - before.memory < 5_000_000
