"""A preview window: a process of its own, fed through shared memory. OpenCV and PyAV clash on X11 when one process has both."""

from __future__ import annotations

import os
import select
import subprocess
import sys
from mmap import mmap
from tempfile import TemporaryFile

from mscli.core.errors import NotSupportedError

WINDOW = os.path.join(os.path.dirname(__file__), "preview_window.py")
START_S = 20.0  # to load OpenCV and open the window, on a slow machine
END_S = 1.0  # to close it


class Preview:
    """A window that shows the newest picture it has time for. Keys q and Esc close it, and so does the window manager.

    Bound: one picture, in shared memory; while the window is busy with it, newer ones are dropped. Made when the window is
    there, which takes a moment. Raises NotSupportedError where none can be opened.
    """

    def __init__(self, title: str) -> None:
        _need_display()
        self._closed = self._ready = False
        self._memory = _anonymous_file()
        self._picture: mmap | None = None
        self._window = subprocess.Popen(
            [sys.executable, "-P", WINDOW, title, str(self._memory)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0, pass_fds=[self._memory],
        )  # fmt: skip
        assert self._window.stdin
        assert self._window.stdout
        self._orders, self._answers = self._window.stdin, self._window.stdout
        self._await_window()

    @property
    def closed(self) -> bool:
        """Whether the window is gone: the user closed it, or ``close`` was called."""
        self._hear(0)
        return self._closed

    @property
    def ready(self) -> bool:
        """Whether a picture would be shown now; while not, converting one is a waste."""
        self._hear(0)
        return self._ready and not self._closed

    def show(self, width: int, height: int, bgr: memoryview) -> None:
        """Show a packed BGR24 picture of that size (pixels), unless the window is busy or gone. Never waits."""
        if not self.ready:
            return
        self._share(bgr)
        self._ready = False
        try:
            os.write(self._orders.fileno(), f"{width} {height}\n".encode())
        except BrokenPipeError:
            self._closed = True

    def close(self) -> None:
        """Close the window and end its process. Safe to call twice."""
        if self._orders.closed:
            return
        self._closed = True
        self._orders.close()
        try:
            self._window.wait(END_S)
        except subprocess.TimeoutExpired:
            self._window.kill()
            self._window.wait()
        self._answers.close()
        if self._picture:
            self._picture.close()
        os.close(self._memory)

    def _await_window(self) -> None:
        said = self._hear(START_S)
        if self._ready:
            return
        self.close()
        if said:
            hints = ["on Debian and Ubuntu: apt install libgl1 libglib2.0-0", "elsewhere: pip install opencv-python"]
            raise NotSupportedError(f"a preview needs OpenCV, which cannot be loaded: {said[1:]}", hints=hints)
        hints = ["check that other programs can open a window there (DISPLAY, xhost, ssh -X)"]
        raise NotSupportedError("the display does not let the preview open its window", hints=hints)

    def _hear(self, timeout_s: float) -> str:
        """What the window answers within that time; empty if nothing, or if it ends."""
        if self._closed or not select.select([self._answers], [], [], timeout_s)[0]:
            return ""
        said = os.read(self._answers.fileno(), 4096).decode(errors="replace")
        self._closed, self._ready = not said, said == "."
        return said

    def _share(self, bgr: memoryview) -> None:
        if self._picture is None or len(self._picture) < bgr.nbytes:
            if self._picture:
                self._picture.close()
            os.ftruncate(self._memory, bgr.nbytes)
            self._picture = mmap(self._memory, bgr.nbytes)
        self._picture[: bgr.nbytes] = bgr.cast("B")


def _need_display() -> None:
    if sys.platform in ("darwin", "win32") or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        return
    hints = ["run it in a graphical session, or over ssh -X"]
    raise NotSupportedError("a preview needs a display, and neither DISPLAY nor WAYLAND_DISPLAY is set", hints=hints)


def _anonymous_file() -> int:
    """The descriptor of a file without a name: in memory where the system can, else in the folder for temporary files."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("mscli-preview")
    with TemporaryFile() as file:
        return os.dup(file.fileno())
