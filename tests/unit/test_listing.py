"""Listing devices has a time limit, and a backend that hangs hides no other."""

from __future__ import annotations

import errno
import threading
from collections.abc import Iterator, Sequence

import pytest

import mscli
from mscli.api.listing import Listing
from mscli.sources.base import AUDIO_INPUT, DEVICE_KINDS, VIDEO_INPUT, Abilities, Device
from tests.unit.hanging import Hanging
from tests.unit.stage import TIMEOUT_S, camera, microphone

AT_ONCE_S = 1.5  # enough for an answer on a busy machine
HANGS = (
    "hanging did not list its devices within 1.5 s, because a driver hangs; "
    "unplug the device that you plugged in last, and try again"
)


@pytest.fixture
def hanging() -> Iterator[Hanging]:
    """Create a camera that cannot be listed yet."""
    backend = Hanging(camera(0))
    yield backend
    backend.free.set()


def lists() -> int:
    """Return the running calls."""
    return sum(thread.name == "mscli-list" for thread in threading.enumerate())


def test_a_backend_that_hangs_is_given_up_and_hides_no_other(hanging: Hanging) -> None:
    with mscli.MediaDevices(backends=[hanging, mscli.FakeBackend({"devices": [microphone()]})]) as devices:
        assert [device.device_id for device in devices.list_devices(DEVICE_KINDS, AT_ONCE_S)] == ["m0"]
        assert (devices.problems(), devices.silent(DEVICE_KINDS)) == ([HANGS], True)


def test_one_that_hangs_still_is_not_asked_again_and_then_answers(hanging: Hanging) -> None:
    listing = Listing(hanging)
    assert [listing.list_devices(DEVICE_KINDS, AT_ONCE_S) for _ in range(5)] == [None] * 5
    assert (hanging.asked, lists()) == (1, 1)
    hanging.free.set()
    for thread in threading.enumerate():
        if thread.name == "mscli-list":
            thread.join(TIMEOUT_S)
    found = listing.list_devices()
    assert found is not None
    assert ([device.device_id for device in found], listing.problem, listing.silent) == (["c0"], "", False)


class Failing(mscli.FakeBackend):
    """Devices that are listed once there are no more errors."""

    def __init__(self, *errors: Exception) -> None:
        super().__init__({"devices": [camera(0)]})
        self._errors = list(errors)

    def devices(self, kinds: Sequence[str] = DEVICE_KINDS) -> list[Device]:
        if self._errors:
            raise self._errors.pop(0)
        return super().devices(kinds)


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (PermissionError(errno.EACCES, "Permission denied", "/sys/class"), "Permission denied: /sys/class"),
        (OSError(errno.EMFILE, "Too many open files"), "Too many open files"),
        (OSError("it is broken"), "it is broken"),
    ],
)
def test_a_look_that_the_system_refuses_says_why_and_the_next_one_is_another(error: OSError, sentence: str) -> None:
    listing = Listing(Failing(error))
    assert listing.list_devices() is None
    assert (listing.problem, listing.silent) == (f"fake cannot list its devices: {sentence}", True)
    found = listing.list_devices()
    assert found is not None
    assert ([device.device_id for device in found], listing.problem, listing.silent) == (["c0"], "", False)


def test_one_that_cannot_be_listed_hides_no_other() -> None:
    failing = Failing(OSError(errno.EIO, "Input/output error"))
    with mscli.MediaDevices(backends=[failing, mscli.FakeBackend({"devices": [microphone()]})]) as devices:
        assert [device.device_id for device in devices.enumerate_devices()] == ["m0"]
        assert devices.problems() == ["fake cannot list its devices: Input/output error"]


def test_where_nothing_can_be_listed_that_is_the_reason_and_not_that_there_is_nothing(hanging: Hanging) -> None:
    with mscli.MediaDevices(backends=[hanging]) as devices:
        with pytest.raises(mscli.NotReadableError, match="did not list its devices"):
            devices.get_user_media({"video": True}, timeout_s=(AT_ONCE_S, 1))
        with pytest.raises(mscli.NotReadableError, match="did not list its devices"):
            devices.negotiate({"video": True}, timeout_s=(AT_ONCE_S, 1))
        assert isinstance(devices.missing([VIDEO_INPUT, AUDIO_INPUT]), mscli.NotReadableError)


def test_what_is_not_there_is_named_with_all_kinds() -> None:
    with mscli.MediaDevices(backends=[mscli.FakeBackend({"devices": []})]) as devices:
        error = devices.missing([VIDEO_INPUT, AUDIO_INPUT])
    assert isinstance(error, mscli.NotFoundError)
    assert str(error) == "no camera or microphone found"


# What a device can do


@pytest.fixture
def mute_driver() -> Iterator[Hanging]:
    """Create a camera whose driver does not answer, and another one after it."""
    backend = Hanging(camera(0), hangs_in="abilities")
    yield backend
    backend.free.set()


def test_the_question_what_a_device_can_do_obeys_the_time_out(mute_driver: Hanging) -> None:
    with mscli.MediaDevices(backends=[mute_driver]) as devices:
        for ask in (devices.get_user_media, devices.negotiate):
            with pytest.raises(
                mscli.NotReadableError, match=r"“Camera 0” did not answer within 1\.5 s, because its driver hangs"
            ):
                ask({"video": True}, timeout_s=(AT_ONCE_S, 1))


def test_another_camera_is_used_that_answers(mute_driver: Hanging) -> None:
    other = mscli.FakeBackend({"devices": [camera(1)]})
    with mscli.MediaDevices(backends=[mute_driver, other]) as devices:
        (track,) = devices.get_user_media({"video": True}, timeout_s=(AT_ONCE_S, 1)).get_tracks()
        assert track.label == "Camera 1"
        assert ["did not answer" in str(error) for error in track.passed_over] == [True]


class Counting(mscli.FakeBackend):
    """A backend that counts the queries of abilities."""

    asked = 0

    def abilities(self, device: Device) -> Abilities:
        self.asked += 1
        return super().abilities(device)


@pytest.fixture
def counting() -> Iterator[tuple[Counting, mscli.MediaDevices]]:
    """Create a camera of such a backend."""
    backend = Counting({"devices": [camera()]})
    with mscli.MediaDevices(backends=[backend]) as devices:
        yield backend, devices


def test_capabilities_and_modes_are_asked_for_together(counting: tuple[Counting, mscli.MediaDevices]) -> None:
    backend, devices = counting
    (info,) = devices.enumerate_devices()
    assert isinstance(info, mscli.InputDeviceInfo)
    assert info.get_capabilities()["width"] == {"min": 1, "max": 128}
    assert len(info.get_modes()) == 2
    assert backend.asked == 1


def test_a_device_is_asked_once_for_each_negotiation(counting: tuple[Counting, mscli.MediaDevices]) -> None:
    backend, devices = counting
    devices.negotiate({"video": True})
    devices.get_user_media({"video": True})
    assert backend.asked == 2
