"""The screen on macOS and Windows: what FFmpeg is asked to open, and what becomes of its answers. No such system is needed.

Pictures come from FFmpeg's own test source instead. That avfoundation and gdigrab obey is not tested.
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from mscli.core.errors import (
    ArgumentError,
    DOMException,
    NotAllowedError,
    NotFoundError,
    NotReadableError,
    NotSupportedError,
)
from mscli.sources.base import DISPLAY, Backend, Request
from mscli.sources.screen.desktops import Grab, GrabBackend, GrabError, MacBackend, WindowsBackend, open_grab
from tests.backends.rig import Collector

pytestmark = pytest.mark.usefixtures("no_descriptor_is_left")

INPUTS = [("0", "FaceTime HD Camera"), ("1", "Capture screen 0"), ("2", "Capture screen 1"), ("0", "Built-in Microphone")]


def listed(_format: str) -> list[Any]:
    """Return what FFmpeg lists on a Mac with two monitors."""
    return [SimpleNamespace(name=name, description=description) for name, description in INPUTS]


def own_source(grab: Grab) -> Any:
    """Open FFmpeg's test source instead of what is asked for."""
    size = grab.options.get("video_size", "64x48")
    return open_grab(Grab("lavfi", f"testsrc2=size={size}:rate=100,format=bgr0,realtime", {}))


def on_mac(address: str = "", opened: Callable[[Grab], Any] = own_source) -> MacBackend:
    """Return the backend of a Mac."""
    return MacBackend(address, opened=opened, listed=listed)


def on_windows(address: str = "", opened: Callable[[Grab], Any] = own_source) -> WindowsBackend:
    """Return the backend of Windows."""
    return WindowsBackend(address, opened=opened)


@pytest.mark.parametrize(
    ("make", "address", "settings", "grab"),
    [
        (
            on_mac, "screen:", {"frameRate": 30},
            Grab("avfoundation", "1:none", {"framerate": "30", "capture_cursor": "1", "pixel_format": "bgr0"}),
        ),
        (
            on_mac, "screen:Capture screen 1", {"frameRate": 29.97, "cursor": "never"},
            Grab("avfoundation", "2:none", {"framerate": "29.97", "capture_cursor": "0", "pixel_format": "bgr0"}),
        ),
        (on_windows, "screen:", {"frameRate": 60}, Grab("gdigrab", "desktop", {"framerate": "60", "draw_mouse": "1"})),
        (
            on_windows, "window:Letter: draft", {"frameRate": 5, "cursor": "never"},
            Grab("gdigrab", "title=Letter: draft", {"framerate": "5", "draw_mouse": "0"}),
        ),
        (on_windows, "window:0x1A2B", {"frameRate": 5}, Grab("gdigrab", "hwnd=0x1a2b", {"framerate": "5", "draw_mouse": "1"})),
        (
            on_windows, "region:640x480+100+50", {"frameRate": 30},
            Grab("gdigrab", "desktop", {
                "framerate": "30", "draw_mouse": "1", "offset_x": "100", "offset_y": "50", "video_size": "640x480",
            }),
        ),
    ],
)  # fmt: skip
def test_an_address_and_settings_become_options_of_ffmpeg(make: Any, address: str, settings: Any, grab: Grab) -> None:
    grabs: list[Grab] = []

    def opened(one: Grab) -> Any:
        grabs.append(one)
        return own_source(one)

    backend = make(address, opened)
    (device,) = backend.devices()
    backend.open(device, Request(settings)).stop()
    assert grabs[-1] == grab


@pytest.mark.parametrize("make", [on_mac, on_windows])
def test_pictures_come_in_the_size_that_ffmpeg_says(make: Callable[..., GrabBackend]) -> None:
    backend = make("screen:")
    (device,) = backend.devices()
    assert backend.abilities(device).modes[0][:3] == ("BGRX", 64, 48)
    source, got = backend.open(device, Request({"width": 64, "height": 48, "frameRate": 100})), Collector()
    source.start(got)
    got.wait_for(frames=3)
    source.stop()
    assert [frame.sequence for frame in got.frames[:3]] == [0, 1, 2]
    assert {(frame.format, frame.coded_width, frame.coded_height) for frame in got.frames} == {("BGRX", 64, 48)}
    assert source.set({"cursor": "never"}) == {"cursor": "always"}


def test_displays_are_listed_as_ffmpeg_has_them() -> None:
    assert [(one.label, one.path, one.default) for one in on_mac().devices([DISPLAY])] == [
        ("Capture screen 0", "screen:Capture screen 0", True), ("Capture screen 1", "screen:Capture screen 1", False),
    ]  # fmt: skip
    assert [one.path for one in on_windows().devices([DISPLAY])] == ["screen:desktop"]
    backends: list[Backend] = [on_mac(), on_windows()]
    assert [backend.devices() for backend in backends] == [[], []]


@pytest.mark.parametrize(
    ("make", "address", "failure", "error", "remedy"),
    [
        (on_mac, "screen:", PermissionError("no"), NotAllowedError, "Screen Recording"),
        (on_mac, "screen:", GrabError("Input/output error"), NotReadableError, ""),
        (on_windows, "screen:", GrabError("Input/output error"), NotReadableError, ""),
        (on_windows, "window:Letter", GrabError("Input/output error"), NotFoundError, "whole title"),
    ],
)
def test_what_ffmpeg_cannot_open_is_an_error_with_its_remedy(
    make: Any, address: str, failure: Exception, error: type[DOMException], remedy: str
) -> None:
    def opened(_: Grab) -> Any:
        raise failure

    with pytest.raises(error) as refused:
        make(address, opened)
    assert remedy in " ".join(refused.value.hints)


@pytest.mark.parametrize(
    ("make", "address", "error"),
    [
        (on_mac, "window:x", NotSupportedError),
        (on_mac, "region:10x10+0+0", NotSupportedError),
        (on_mac, "screen:HDMI", NotFoundError),
        (on_windows, "screen:HDMI", NotFoundError),
        (on_windows, "region:1x", ArgumentError),
        (on_windows, "window:", ArgumentError),
    ],
)
def test_an_address_that_cannot_be_captured_is_an_error(make: Any, address: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        make(address)


def test_a_system_without_that_device_of_ffmpeg_is_an_error() -> None:
    with pytest.raises(NotReadableError, match="cannot capture “desktop”"):
        WindowsBackend("screen:")


def test_a_display_that_ends_is_an_error() -> None:
    def brief(_: Grab) -> Any:
        return open_grab(Grab("lavfi", "testsrc2=size=64x48:rate=100:duration=0.05,format=bgr0", {}))

    backend, got = on_windows("screen:", brief), Collector()
    (device,) = backend.devices()
    source = backend.open(device, Request({"frameRate": 100}))
    source.start(got)
    got.wait_for(ends=1)
    source.stop()
    assert "“desktop” can no longer be captured" in str(got.ends[0])
