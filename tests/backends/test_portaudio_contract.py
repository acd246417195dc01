"""The contract of all backends (test_contract.py), held by the one that needs a sound server."""

from __future__ import annotations

import pytest

from mscli.sources.base import AUDIO_INPUT
from tests.backends.pulse_rig import PrivatePulse
from tests.backends.test_contract import *  # noqa: F403
from tests.backends.test_contract import Make
from tests.backends.test_portaudio import pulse  # noqa: F401


@pytest.fixture  # type: ignore[no-redef]
def rig(pulse: PrivatePulse) -> tuple[str, str, Make | None]:  # noqa: F811
    """A microphone of a private PulseAudio."""
    return "portaudio", AUDIO_INPUT, None
