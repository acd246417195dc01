"""The kernel's events: how they are parsed, and that they come."""

from __future__ import annotations

import struct
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from mscli.sources.uevents import UeventWatch, parse
from tests.backends.rig import TIMEOUT_S
from tests.conftest import ROOT, require_root

pytestmark = pytest.mark.usefixtures("no_descriptor_is_left")

LOOPBACK = Path("/sys/devices/virtual/net/lo/uevent")  # writing to it creates an event
KERNEL = b"add@/devices/platform/vivid.0/video4linux/video0\0ACTION=add\0DEVNAME=video0\0SUBSYSTEM=video4linux\0SEQNUM=815\0"


def udev(properties: bytes) -> bytes:
    """Return a message as udev sends it to its group: a header of 40 bytes, then the properties."""
    head = struct.pack("@8sIIII", b"libudev\0", 0xFEEDCAFE, 40, 40, len(properties))
    return head.ljust(40, b"\0") + properties + b"\0padding=1\0"


def test_the_kernels_message_is_its_properties() -> None:
    assert parse(KERNEL) == {"ACTION": "add", "DEVNAME": "video0", "SUBSYSTEM": "video4linux", "SEQNUM": "815"}


def test_udevs_message_is_the_properties_that_its_header_points_to() -> None:
    assert parse(udev(b"ACTION=add\0SUBSYSTEM=sound\0")) == {"ACTION": "add", "SUBSYSTEM": "sound"}


@pytest.mark.parametrize("message", [b"", b"\0\0", b"\xff\xfe=\0", b"libudev\0", b"libudev\0" + bytes(12), udev(b"")[:39]])
def test_a_message_that_is_none_has_no_subsystem(message: bytes) -> None:
    assert "SUBSYSTEM" not in parse(message)


def test_a_value_may_contain_an_equals_sign() -> None:
    assert parse(b"add@/x\0ID_PATH=a=b\0") == {"ID_PATH": "a=b"}


@pytest.fixture
def loopback() -> Path:
    require_root("only root may have the kernel send an event")
    return LOOPBACK


def test_an_event_of_the_subsystem_is_noticed(loopback: Path) -> None:
    came = threading.Event()
    watch = UeventWatch(["net"], came.set)
    loopback.write_text("change")
    assert came.wait(TIMEOUT_S)
    watch.close()


def test_events_of_other_subsystems_are_not(loopback: Path) -> None:
    came, other = threading.Event(), threading.Event()
    watches = UeventWatch(["sound"], other.set), UeventWatch(["net"], came.set)
    loopback.write_text("change")
    assert came.wait(TIMEOUT_S)
    for watch in watches:
        watch.close()
    assert not other.is_set()


def test_the_thread_has_a_name_and_ends_with_the_watch() -> None:
    watch = UeventWatch(["net"], lambda: None)
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("mscli-")] == ["mscli-uevents"]
    watch.close()
    watch.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("mscli-")]


NO_SOCKET = """if True:
    import os, resource, sys
    from mscli.sources.sound import watch as sound_watch
    from mscli.sources import load_backend, uevents
    backends = [load_backend(name) for name in ("v4l2", "portaudio")]
    most = max(map(int, os.listdir("/proc/self/fd")))
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    print([backend.watch(print) for backend in backends])"""


def test_a_system_that_lets_nobody_listen_has_no_watch_and_is_polled() -> None:
    """A missing descriptor stands for any reason why a socket cannot be created."""
    done = subprocess.run([sys.executable, "-c", NO_SOCKET], cwd=ROOT, capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout == "[None, None]\n", done.stderr
