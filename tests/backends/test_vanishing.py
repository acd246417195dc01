"""Devices that change while they are listed, in the test's own trees: a half-present device is not listed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from queue import Queue
from typing import Any, ClassVar
from unittest.mock import MagicMock

import pytest

from mscli.core.errors import DOMException
from mscli.sources import identity
from mscli.sources.base import AUDIO_INPUT
from mscli.sources.sound import alsa, portaudio, portaudio_stream
from mscli.sources.v4l2 import backend as v4l2
from mscli.v4l2 import abi as v4l2_abi
from mscli.v4l2.node import Node
from tests.backends.test_alsa import CARDS, PCMS


def unplug_when_read(link: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove a link between the two reads that following it takes."""
    read: Callable[[Any], str] = os.readlink

    def read_late(path: Any) -> str:
        if path == str(link):
            link.unlink(missing_ok=True)
        return read(path)

    monkeypatch.setattr(os, "readlink", read_late)


def test_a_link_that_goes_while_it_is_followed_is_taken_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    link = tmp_path / "video0"
    link.symlink_to(tmp_path / "elsewhere")
    assert identity.real_path(str(link)) == str(tmp_path / "elsewhere")
    unplug_when_read(link, monkeypatch)
    assert identity.real_path(str(link)) == str(link)


# Cameras


class Camera(Node):
    """A node that claims to be a camera. The action in ``happens`` for a path runs while that path is opened."""

    happens: ClassVar[dict[str, Callable[[], object]]] = {}

    def __init__(self, path: str, label: str = "") -> None:
        self.path, self.label, self.fd = path, label, -1
        self.happens.get(path, lambda: None)()

    def capability(self) -> tuple[str, int]:
        return "", v4l2_abi.CAP_CAPTURE

    def in_use(self, buffer_type: int) -> DOMException | None:
        return None


class Machine:
    """The video nodes of a machine, as in sysfs: links to the folders of their devices."""

    def __init__(self, folder: Path, *names: str) -> None:
        self.backend = v4l2.V4L2Backend()
        self.links = [folder / "class" / f"video{number}" for number in range(len(names))]
        for link, name in zip(self.links, names, strict=True):
            own = folder / "devices" / link.name
            own.mkdir(parents=True)
            link.parent.mkdir(exist_ok=True)
            link.symlink_to(own)
            (own / "name").write_text(name)
            (own / "index").write_text("0")

    def labels(self) -> list[str]:
        """Return the labels of the listed devices."""
        return [device.label for device in self.backend.devices()]


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Create a machine with two cameras."""
    monkeypatch.setattr(v4l2, "SYSFS", str(tmp_path / "class"))
    monkeypatch.setattr(v4l2, "Node", Camera)
    monkeypatch.setattr(Camera, "happens", {})
    return Machine(tmp_path, "One", "Two")


def test_a_camera_that_is_unplugged_while_its_place_is_looked_up_is_left_out(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    unplug_when_read(machine.links[0], monkeypatch)
    assert machine.labels() == ["Two"]


def test_a_camera_that_is_unplugged_while_its_driver_is_asked_is_left_out(machine: Machine) -> None:
    Camera.happens["/dev/video1"] = machine.links[1].unlink
    (one,) = machine.backend.devices()
    assert (one.label, one.default) == ("One", True)


def test_a_camera_that_the_kernel_is_still_making_is_left_out(machine: Machine) -> None:
    name = machine.links[0] / "name"
    name.unlink()
    Camera.happens["/dev/video1"] = lambda: name.write_text("One")  # it would have an id without its name
    assert machine.labels() == ["Two"]
    assert machine.labels() == ["One", "Two"]


def test_a_camera_that_is_another_one_by_now_is_left_out(machine: Machine, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other/name").write_text("Three")

    def replug() -> None:
        machine.links[0].unlink()
        machine.links[0].symlink_to(tmp_path / "other")

    Camera.happens["/dev/video0"] = replug
    assert machine.labels() == ["Two"]


def test_of_cameras_that_all_went_meanwhile_nothing_is_said_but_that_there_is_none(machine: Machine) -> None:
    for link in machine.links:
        Camera.happens[f"/dev/{link.name}"] = link.unlink
    assert machine.backend.devices() == []
    assert "metadata" not in machine.backend.problem


# Sound cards


@pytest.fixture
def proc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Create the kernel's lists for two cards that record."""
    monkeypatch.setattr(alsa, "ROOT", str(tmp_path))
    (tmp_path / "cards").write_text(CARDS)
    (tmp_path / "pcm").write_text(PCMS)
    for device in ("card0/pcm0c", "card1/pcm0c"):
        (tmp_path / device).mkdir(parents=True)
    return tmp_path


def addresses() -> list[str | None]:
    return [device.path for device in portaudio._cards(AUDIO_INPUT)]


def test_a_sound_card_that_is_unplugged_while_it_is_looked_at_is_left_out(proc: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trouble = alsa.Pcm.trouble
    assert addresses() == ["hw:0,0", "hw:1,0"]

    def unplugged(pcm: alsa.Pcm) -> DOMException | None:
        if pcm.card == 1:
            (proc / "pcm").write_text(PCMS.splitlines(keepends=True)[0])
            shutil.rmtree(proc / "card1")
        return trouble(pcm)

    monkeypatch.setattr(alsa.Pcm, "trouble", unplugged)
    assert addresses() == ["hw:0,0"]


def test_a_sound_card_that_has_no_name_yet_is_left_out(proc: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, trouble = "".join(CARDS.splitlines(keepends=True)[:2]), alsa.Pcm.trouble
    (proc / "cards").write_text(first)

    def named(pcm: alsa.Pcm) -> DOMException | None:
        (proc / "cards").write_text(CARDS)
        return trouble(pcm)

    monkeypatch.setattr(alsa.Pcm, "trouble", named)
    assert addresses() == ["hw:0,0"]
    assert addresses() == ["hw:0,0", "hw:1,0"]


# A microphone that goes while it streams


class Library:
    """Stands in for PortAudio, whose calls return at once."""

    def bounded(self, call: Callable[[], object], timeout_s: float, label: str) -> object:
        return call()

    def translated(self, label: str) -> AbstractContextManager[None]:
        return nullcontext()

    def close(self, stream: object) -> None:
        """Close nothing."""


@pytest.mark.parametrize(
    ("looks", "reason"),
    [
        ([True], "was unplugged or removed"),
        ([False, False, True], "was unplugged or removed"),  # the kernel shows it a little later than PortAudio
        ([False], "stopped: its driver or the sound server failed"),
    ],
)
def test_the_reason_is_what_became_of_the_device_not_who_noticed_first(
    looks: list[bool], reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(portaudio_stream, "LIBRARY", Library())
    stream, answers, ended = MagicMock(latency=0.01), iter(looks), Queue[DOMException]()
    opened = MagicMock(return_value=stream)
    wanted = {"sampleRate": 48_000, "channelCount": 1, "sampleSize": 16, "latency": 0.01}
    source = portaudio_stream.PortAudioSource("Mic", wanted, opened, lambda: next(answers, looks[-1]))
    source.start(MagicMock(on_ended=ended.put))
    opened.call_args.kwargs["finished_callback"]()
    assert str(ended.get(timeout=10)) == f"“Mic” {reason}"
    source.stop()
