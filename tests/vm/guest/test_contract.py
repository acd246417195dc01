"""The contract of all backends (tests/backends/test_contract.py), held by the one that needs a camera."""

from __future__ import annotations

import pytest

from mscli.sources.base import VIDEO_INPUT
from tests.backends.conftest import no_descriptor_is_left  # noqa: F401
from tests.backends.test_contract import *  # noqa: F403
from tests.backends.test_contract import Make
from tests.vm.guest.conftest import ONE_MONITOR, load_vivid, run


@pytest.fixture(scope="module")
def camera() -> None:
    """Load a camera of 60 frames a second, and let it stream once.

    The emulated kernel translates the driver's code during the first stream. v4l2-ctl, too, then gets one number twice.
    """
    load_vivid(ONE_MONITOR)
    run("v4l2-ctl", "-d", "/dev/video0", "--set-fmt-video=width=16,height=16,pixelformat=YUYV")
    run("v4l2-ctl", "-d", "/dev/video0", "--stream-mmap", "--stream-count=5")


@pytest.fixture  # type: ignore[no-redef]
def rig(camera: None) -> tuple[str, str, Make | None]:
    return "v4l2", VIDEO_INPUT, None
