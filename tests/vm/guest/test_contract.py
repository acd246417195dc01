"""The contract of all backends (tests/backends/test_contract.py), held by the one that needs a camera."""

from __future__ import annotations

import pytest

from mscli.sources.base import VIDEO_INPUT
from tests.backends.conftest import no_descriptor_is_left  # noqa: F401
from tests.backends.test_contract import *  # noqa: F403
from tests.backends.test_contract import Make
from tests.vm.guest.conftest import load_vivid


@pytest.fixture  # type: ignore[no-redef]
def rig() -> tuple[str, str, Make | None]:
    """A camera that gives 60 frames per second."""
    load_vivid("n_devs=1 node_types=0x1 num_inputs=1 input_types=3")
    return "v4l2", VIDEO_INPUT, None
