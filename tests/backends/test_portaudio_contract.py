"""The contract of all backends (test_contract.py), held by those that need a sound server."""

from __future__ import annotations

import pytest

from mscli.sources.base import AUDIO_INPUT
from mscli.sources.sound.portaudio import MonitorBackend
from tests.backends.pulse_rig import PrivatePulse
from tests.backends.test_contract import *  # noqa: F403
from tests.backends.test_contract import Make
from tests.backends.test_portaudio import pulse  # noqa: F401

SOUND: dict[str, Make | None] = {"portaudio": None, "monitor": lambda _: MonitorBackend("monitor:")}


@pytest.fixture(params=SOUND)  # type: ignore[no-redef]
def rig(pulse: PrivatePulse, request: pytest.FixtureRequest) -> tuple[str, str, Make | None]:  # noqa: F811
    """A microphone of a private PulseAudio, and what its speaker plays."""
    return request.param, AUDIO_INPUT, SOUND[request.param]
