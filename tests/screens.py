"""X servers without a screen (Xvfb), with windows that tests make, move, cover and close."""

from __future__ import annotations

import atexit
import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from tests.conftest import require

SIZE = 320, 240
GROUND, RED, GREEN = 0x204060, 0xC02010, 0x10A030  # colours: of the screen and of windows

Colour = tuple[int, int, int]


def colour(pixel: int) -> Colour:
    """Return red, green and blue."""
    return pixel >> 16, pixel >> 8 & 255, pixel & 255


class Screen:
    """An X server with one monitor, whose ground has a colour.

    ``authority``: the file that programs need to connect. ``more``: further arguments of the server.
    """

    def __init__(
        self, size: tuple[int, int] = SIZE, authority: Path | None = None, depth: int = 24, more: Sequence[str] = ()
    ) -> None:
        require("Xvfb")
        read, write = os.pipe()
        allowed = ["-auth", str(authority)] if authority else ["-ac"]
        screen = f"{size[0]}x{size[1]}x{depth}"
        command = ["Xvfb", "-displayfd", str(write), "-screen", "0", screen, "-nolisten", "tcp", "-noreset", *allowed, *more]
        try:
            self.process = subprocess.Popen(command, pass_fds=[write], stderr=subprocess.DEVNULL)
        finally:
            os.close(write)
        with open(read) as told:
            self.name = f":{told.readline().strip()}"
        self._display: Any = None if authority else self._connected()

    def _connected(self) -> Any:
        from Xlib.display import Display

        display = Display(self.name)
        root = display.screen().root
        root.change_attributes(background_pixel=GROUND)
        root.clear_area()
        root.warp_pointer(*(side - 1 for side in SIZE))
        display.sync()
        return display

    @property
    def root(self) -> int:
        """Return the number of the root window."""
        return int(self._display.screen().root.id)

    def window(self, title: str, pixel: int, place: tuple[int, int, int, int], *, border: int = 0) -> Window:
        """Return a window of one colour that is shown. ``place``: x, y, width and height."""
        return Window(self._display, title, pixel, place, border)

    def point(self, x: int, y: int) -> None:
        """Move the pointer."""
        self._display.screen().root.warp_pointer(x, y)
        self._display.sync()

    def set_resource(self, text: str) -> None:
        """Set the resources of the desktop."""
        display = self._display
        string = display.intern_atom("STRING")
        display.screen().root.change_property(display.intern_atom("RESOURCE_MANAGER"), string, 8, text.encode())
        display.sync()

    def resize(self, width: int, height: int) -> None:
        """Change the size of the screen."""
        require("xrandr")
        name, times = f"{width}x{height}", [str(side) for length in (width, height) for side in [length] * 4]
        self._configure("--newmode", name, "25", *times)
        self._configure("--addmode", "screen", name)
        self._configure("--output", "screen", "--mode", name)

    def _configure(self, *how: str) -> None:
        environment = {**os.environ, "DISPLAY": self.name}
        subprocess.run(["xrandr", *how], env=environment, check=True, capture_output=True)

    def stop(self) -> None:
        """Let the server stand still."""
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let the server run again."""
        self.process.send_signal(signal.SIGCONT)

    def leave(self) -> None:
        """Close the connection by which tests draw. What they have drawn is gone."""
        if self._display is not None:
            self._display.display.socket.close()
            self._display = None

    def kill(self) -> None:
        """End the server at once."""
        self.leave()
        self.process.kill()
        self.process.wait()


class Window:
    """A window. Every call returns when the server has done it."""

    def __init__(self, display: Any, title: str, pixel: int, place: tuple[int, int, int, int], border: int) -> None:
        self._display = display
        root, depth = display.screen().root, display.screen().root_depth
        self._window = root.create_window(*place, border, depth, background_pixel=pixel, border_pixel=0xFFFFFF)
        self.name(title)
        self.show()

    @property
    def number(self) -> int:
        """Return the server's number for it."""
        return int(self._window.id)

    def name(self, title: str) -> None:
        """Give it a title."""
        text, atom = title.encode(), self._display.intern_atom
        self._window.change_property(atom("_NET_WM_NAME"), atom("UTF8_STRING"), 8, text)
        self._display.sync()

    def show(self) -> None:
        """Show it above all others."""
        self._window.map()
        self.change(stack_mode=0)

    def hide(self) -> None:
        """Minimise it, as a manager does."""
        self._window.unmap()
        self._display.sync()

    def change(self, **values: int) -> None:
        """Change its place or its size."""
        self._window.configure(**values)
        self._display.sync()

    def paint(self, pixel: int) -> None:
        """Fill it with another colour."""
        self._window.change_attributes(background_pixel=pixel)
        self._window.clear_area()
        self._display.sync()

    def close(self) -> None:
        """Close it."""
        self._window.destroy()
        self._display.sync()


@contextmanager
def screen(
    size: tuple[int, int] = SIZE, authority: Path | None = None, depth: int = 24, more: Sequence[str] = ()
) -> Iterator[Screen]:
    """Start an X server, and end it afterwards."""
    started = Screen(size, authority, depth, more)
    try:
        yield started
    finally:
        started.resume()
        started.kill()


@cache
def shared_screen() -> Screen:
    """Return a server that all tests of this process share. Nothing is drawn on it."""
    shared = Screen()
    shared.leave()
    atexit.register(shared.kill)
    return shared
