"""``devices`` and ``capabilities`` on a machine with a driver that hangs: what they tell, and with which code."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence

import pytest

import mscli
from mscli.cli import capabilities, devices
from mscli.cli.main import run
from mscli.sources.base import Device
from tests.unit.hanging import Hanging
from tests.unit.stage import camera, microphone

AT_ONCE_S = 1.5  # enough for what answers, on a machine that is busy
HANGS = "hanging did not list its devices within 1.5 s, because a driver hangs"


class Hurried(mscli.MediaDevices):
    """Waits for nobody."""

    def list_devices(self, kinds: Sequence[str], timeout_s: float = AT_ONCE_S) -> list[Device]:
        return super().list_devices(kinds, timeout_s)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """The machine has a backend that hangs, and another with the devices that are described."""
    hanging = Hanging(camera(0))

    def plug(*described: dict[str, object]) -> None:
        for command in (devices, capabilities):
            backends = [hanging, mscli.FakeBackend({"devices": list(described)})]
            monkeypatch.setattr(command, "open_devices", lambda shared, warn: Hurried(backends=backends))  # noqa: B023

    yield plug
    hanging.free.set()


@pytest.mark.parametrize("more", [(), ("--json",)])
def test_the_others_are_listed_and_that_one_is_missing_is_said(
    machine: Callable[..., None], more: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    machine(microphone())
    assert run(["devices", *more]) == 0
    out, err = capsys.readouterr()
    assert "Microphone 0" in out
    assert err.startswith(f'{{"warning": "{HANGS}' if more else f"mscli: warning: {HANGS}")
    assert not more or [info["deviceId"] for info in json.loads(out)] == ["m0"]


def test_capabilities_are_those_of_a_device_that_answers(
    machine: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    machine(microphone())
    assert run(["capabilities", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["deviceId"] == "m0"


def test_where_there_is_none_the_code_is_that_of_a_driver_that_fails(
    machine: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    machine()
    assert run(["capabilities"]) == 5
    assert capsys.readouterr().err.startswith(f"mscli: error: {HANGS}")
