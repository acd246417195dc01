"""The preview window, opened for real on a virtual X display and looked at from outside."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

import mscli
from mscli.core.errors import NotSupportedError
from mscli.sinks.preview import Preview, Previewer
from tests.cli.program import eventually
from tests.conftest import require
from tests.sinks.synth import picture

ORANGE = (255, 128, 0)
TEAL = (0, 128, 128)
TIMEOUT_S = 20.0


@pytest.fixture(scope="module")
def screen() -> Iterator[str]:
    """The name of an X display of 800 × 600 pixels."""
    require("Xvfb", "convert", "xdotool")
    read, write = os.pipe()
    command = ["Xvfb", "-displayfd", str(write), "-screen", "0", "800x600x24", "-nolisten", "tcp"]
    server = subprocess.Popen(command, pass_fds=[write], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    os.close(write)
    with os.fdopen(read) as number:
        yield f":{number.readline().strip()}"
    server.terminate()
    server.wait()


@pytest.fixture
def display(screen: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The display, in the environment."""
    monkeypatch.setenv("DISPLAY", screen)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    return screen


@pytest.fixture
def preview(display: str) -> Iterator[Preview]:
    """A window on the display."""
    preview = Preview("mscli test")
    yield preview
    preview.close()


def plain(width: int, height: int, rgb: tuple[int, int, int]) -> tuple[int, int, memoryview]:
    """A picture of one colour, as ``show`` takes it."""
    return width, height, memoryview(bytes(reversed(rgb)) * (width * height))


def pixels_of(rgb: tuple[int, int, int]) -> int:
    """How many pixels of that colour are on the screen."""
    shot = subprocess.run(["import", "-window", "root", "-depth", "8", "rgb:-"], check=True, capture_output=True).stdout
    pixels = memoryview(shot)
    return sum(bytes(pixels[i : i + 3]) == bytes(rgb) for i in range(0, len(shot), 3))


def window_id() -> int:
    """The X window."""
    found = subprocess.run(["xdotool", "search", "--name", "mscli test"], check=True, capture_output=True).stdout
    return int(found.split()[0])


def press(key: str) -> None:
    """Press a key in the window."""
    subprocess.run(["xdotool", "windowfocus", "--sync", str(window_id()), "key", key], check=True)


class ClientMessage(ctypes.Structure):
    """XClientMessageEvent, as large as an XEvent: https://tronche.com/gui/x/xlib/events/client-communication/client-message.html."""

    _fields_: ClassVar = [
        ("type", ctypes.c_int),
        ("serial", ctypes.c_ulong),
        ("send_event", ctypes.c_int),
        ("display", ctypes.c_void_p),
        ("window", ctypes.c_ulong),
        ("message_type", ctypes.c_ulong),
        ("format", ctypes.c_int),
        ("data", ctypes.c_long * 5),
        ("padding", ctypes.c_long * 12),
    ]


def close_as_a_window_manager_does(screen: str) -> None:
    """Send the window WM_DELETE_WINDOW."""
    x11 = ctypes.CDLL("libX11.so.6")
    x11.XOpenDisplay.restype, x11.XInternAtom.restype = ctypes.c_void_p, ctypes.c_ulong
    display = ctypes.c_void_p(x11.XOpenDisplay(screen.encode()))
    protocols, delete = (x11.XInternAtom(display, name, False) for name in (b"WM_PROTOCOLS", b"WM_DELETE_WINDOW"))
    event = ClientMessage(33, window=window_id(), message_type=protocols, format=32)
    event.data[0] = delete
    x11.XSendEvent(display, ctypes.c_ulong(event.window), False, 0, ctypes.byref(event))
    x11.XCloseDisplay(display)


def children() -> list[int]:
    """The processes that this one has started and that have not been waited for."""
    return [int(pid) for pid in Path("/proc/thread-self/children").read_text().split()]


def is_seen(preview: Preview, width: int, height: int, rgb: tuple[int, int, int]) -> bool:
    """Show a picture again, as a live one is, and look whether the screen has all of it."""
    preview.show(*plain(width, height, rgb))
    return pixels_of(rgb) >= width * height


def test_a_picture_is_on_the_screen_in_its_colours(preview: Preview) -> None:
    assert eventually(lambda: is_seen(preview, 320, 240, ORANGE))


def test_a_larger_picture_makes_the_window_larger(preview: Preview) -> None:
    assert eventually(lambda: is_seen(preview, 320, 240, ORANGE))
    assert eventually(lambda: is_seen(preview, 640, 360, TEAL))


def test_pictures_are_dropped_while_the_window_is_busy(preview: Preview) -> None:
    window = children()[-1]
    os.kill(window, signal.SIGSTOP)
    for _ in range(100):
        preview.show(*plain(320, 240, ORANGE))
    assert not preview.ready
    os.kill(window, signal.SIGCONT)
    assert eventually(lambda: preview.ready)


def test_pictures_that_the_window_has_no_time_for_are_not_converted(display: str) -> None:
    previewer = Previewer("mscli test")
    window = children()[-1]
    os.kill(window, signal.SIGSTOP)
    good = picture("I420", 320, 240)
    bad = replace(good, format="none")
    previewer.show(good)
    previewer.show(bad)
    os.kill(window, signal.SIGCONT)
    with pytest.raises(KeyError):
        eventually(lambda: previewer.show(bad))
    previewer.close()


@pytest.mark.parametrize("key", ["q", "Escape"])
def test_a_key_closes_the_window(preview: Preview, key: str) -> None:
    preview.show(*plain(320, 240, ORANGE))
    assert not preview.closed
    press(key)
    assert eventually(lambda: preview.closed)


def test_the_window_manager_can_close_the_window(preview: Preview, display: str) -> None:
    preview.show(*plain(320, 240, ORANGE))
    assert eventually(lambda: preview.ready)
    close_as_a_window_manager_does(display)
    assert eventually(lambda: preview.closed)


def test_showing_in_a_closed_window_does_nothing(preview: Preview) -> None:
    preview.close()
    preview.show(*plain(320, 240, ORANGE))
    assert preview.closed


def test_closing_ends_the_process_and_leaves_no_descriptor(display: str) -> None:
    before = (children(), os.listdir("/proc/self/fd"))
    preview = Preview("mscli test")
    preview.show(*plain(320, 240, ORANGE))
    preview.close()
    preview.close()
    assert (children(), os.listdir("/proc/self/fd")) == before


def test_a_window_that_hangs_is_ended_all_the_same(preview: Preview) -> None:
    window = children()[-1]
    os.kill(window, signal.SIGSTOP)
    preview.close()
    assert window not in children()


def test_an_interrupt_from_the_terminal_is_left_to_the_program(preview: Preview) -> None:
    os.kill(children()[-1], signal.SIGINT)
    preview.show(*plain(320, 240, ORANGE))
    assert eventually(lambda: preview.ready)


def test_without_a_display_it_is_not_supported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    with pytest.raises(NotSupportedError, match="neither DISPLAY nor WAYLAND_DISPLAY is set"):
        Preview("mscli test")


def test_a_display_that_does_not_answer_is_not_supported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPLAY", ":4711")
    with pytest.raises(NotSupportedError, match="cannot open the preview window on this display"):
        Preview("mscli test")


def test_without_libgl_the_package_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "cv2.py").write_text("raise ImportError('libGL.so.1: cannot open shared object file')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("DISPLAY", ":4711")
    with pytest.raises(NotSupportedError, match=r"cannot be loaded: libGL\.so\.1") as raised:
        Preview("mscli test")
    assert "libgl1" in raised.value.hints[0]


def test_a_media_element_shows_its_pictures_in_a_window(display: str) -> None:
    canvas, before = mscli.Canvas(320, 240), children()
    with canvas.capture_stream() as stream, mscli.MediaElement(stream, window=True) as element:
        element.muted = True
        element.play()

        def is_shown() -> bool:
            canvas.draw(np.full((240, 320, 3), ORANGE, np.uint8))
            return pixels_of(ORANGE) > 0

        assert eventually(is_shown)
        element.pause()
        element.play()  # in the same window
        assert len(children()) == len(before) + 1
    assert children() == before


def test_without_a_display_a_media_element_has_no_window(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    with (
        mscli.Canvas(320, 240).capture_stream() as stream,
        mscli.MediaElement(stream, window=True) as element,
        pytest.raises(mscli.NotSupportedError, match="a preview window needs a display"),
    ):
        element.play()
