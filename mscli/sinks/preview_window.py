"""The window process of ``mscli.sinks.preview``. Imports nothing of mscli. Arguments: title, shared memory's descriptor.

stdin delivers a line “WIDTH HEIGHT TITLE” when the memory holds a BGR24 frame of this size (pixels). stdout answers “.” when
the window is ready for the next frame, or “!” and a reason if there is no window. The process ends when stdin does.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import select
import signal
import sys
from contextlib import suppress
from typing import Any

CLOSING_KEYS = (ord("q"), ord("Q"), 27)  # 27 is Esc
TICK_MS = 10  # how often to look for frames, and to handle keys and window events in between
LARGEST = (1280, 720)  # the largest initial size of the window, in pixels


def main(title: str, memory: int) -> None:
    """Show frames until the user closes the window or stdin ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the program, which then closes this process
    prefer_system_x11()
    try:
        import cv2
    except ImportError as error:
        send_to_program(f"!{error}")
        return
    window = PreviewWindow(cv2, title, memory)
    send_to_program(".")
    while window.open() and window.take_order():
        pass


def prefer_system_x11() -> None:
    """Make Qt use the system's libX11-xcb if there is one.

    OpenCV's wheel brings an old copy, which sets a flag at the wrong offset of a newer libX11's structures. Occasionally, Qt
    then does not notice that its window is visible, and never paints it.
    """
    with suppress(OSError):
        ctypes.CDLL("libX11-xcb.so.1", mode=ctypes.RTLD_GLOBAL)


def send_to_program(text: str) -> None:
    """Send an answer to the program."""
    os.write(sys.stdout.fileno(), text.encode())


class PreviewWindow:
    """The window, and the shared memory of its frames."""

    def __init__(self, cv2: Any, title: str, memory: int) -> None:
        self._cv2, self._name, self._memory = cv2, title, memory
        self._size = (0, 0)
        self._shown_title = title
        cv2.namedWindow(title, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO | cv2.WINDOW_GUI_NORMAL)

    def open(self) -> bool:
        """Process the window's events for a moment. Return whether the window stays open."""
        if self._cv2.waitKey(TICK_MS) & 0xFF in CLOSING_KEYS:
            return False
        return bool(self._cv2.getWindowProperty(self._name, self._cv2.WND_PROP_VISIBLE) >= 1)

    def take_order(self) -> bool:
        """Show a frame if one has been announced. Return False at the end of stdin."""
        if not select.select([sys.stdin], [], [], 0)[0]:
            return True
        order = os.read(sys.stdin.fileno(), 4096)
        if order:
            width, height, title = order.decode(errors="replace").rstrip("\n").split(" ", 2)
            self._show(int(width), int(height))
            self._retitle(title)
            send_to_program(".")
        return bool(order)

    def _retitle(self, title: str) -> None:
        if title != self._shown_title:
            self._shown_title = title
            self._cv2.setWindowTitle(self._name, title)

    def _show(self, width: int, height: int) -> None:
        import numpy as np

        with mmap.mmap(self._memory, 3 * width * height, access=mmap.ACCESS_READ) as picture:
            self._cv2.imshow(self._name, np.frombuffer(picture, np.uint8).reshape(height, width, 3))
        if (width, height) != self._size:
            self._size = (width, height)
            scale = min(1, LARGEST[0] / width, LARGEST[1] / height)
            self._cv2.resizeWindow(self._name, round(width * scale), round(height * scale))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
