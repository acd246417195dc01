"""A preview window: a separate process, fed through shared memory. OpenCV and PyAV in one process clash on X11."""

from __future__ import annotations

import os
import select
import subprocess
import sys
from mmap import mmap
from tempfile import TemporaryFile

from mscli.core.codecs import VIDEO_CODECS
from mscli.core.errors import NotSupportedError
from mscli.core.frames import EncodedVideoChunk, Media, VideoFrame, packed_planes
from mscli.core.limits import WINDOW_CLOSED_S, WINDOW_OPENED_S
from mscli.core.screens import PreviewFacts, Screen
from mscli.media import load_converter

WINDOW = os.path.join(os.path.dirname(__file__), "preview_window.py")


class Preview:
    """A window that shows the newest frame it has time for. q, Esc and the window manager close it.

    Bound: one frame, in shared memory. While the window is busy, newer frames are dropped. Creating it waits until the window
    is open. Raises NotSupportedError if that is impossible.
    """

    def __init__(self, title: str) -> None:
        _need_display()
        self._closed = self._ready = False
        self.title = title  # shown with the next frame
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
        """Return whether the window is gone: the user or ``close`` closed it."""
        self._read_answer(0)
        return self._closed

    @property
    def ready(self) -> bool:
        """Return whether a frame would be shown now. If not, do not bother to convert one."""
        self._read_answer(0)
        return self._ready and not self._closed

    def show(self, width: int, height: int, bgr: memoryview) -> None:
        """Show the title, and a packed BGR24 frame of this size (pixels), unless the window is busy or gone. Never waits."""
        if not self.ready:
            return
        self._share(bgr)
        self._ready = False
        try:
            os.write(self._orders.fileno(), f"{width} {height} {' '.join(self.title.split())}\n".encode())
        except BrokenPipeError:
            self._closed = True

    def close(self) -> None:
        """Close the window and end its process. Safe to call twice."""
        if self._orders.closed:
            return
        self._closed = True
        self._orders.close()
        try:
            self._window.wait(WINDOW_CLOSED_S)
        except subprocess.TimeoutExpired:
            self._window.kill()
            self._window.wait()
        self._answers.close()
        if self._picture:
            self._picture.close()
        os.close(self._memory)

    def _await_window(self) -> None:
        said = self._read_answer(WINDOW_OPENED_S)
        if self._ready:
            return
        self.close()
        if said:
            hints = ["on Debian and Ubuntu: apt install libgl1 libglib2.0-0", "elsewhere: pip install opencv-python"]
            raise NotSupportedError(f"a preview window needs OpenCV, which cannot be loaded: {said[1:]}", hints=hints)
        hints = ["check that other programs can open a window on this display (DISPLAY, xhost, ssh -X)"]
        raise NotSupportedError("cannot open the preview window on this display", hints=hints)

    def _read_answer(self, timeout_s: float) -> str:
        """Return the window's answer, or "" if none comes in time or the window is gone."""
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


class Previewer(Screen):
    """A preview window for the frames of a track. Those that arrive while the window is busy are not shown.

    Creating it waits until the window is open. Raises NotSupportedError if that is impossible.
    """

    def __init__(self, title: str) -> None:
        self._window = Preview(title)
        self._converter = load_converter("BGR24")

    @property
    def closed(self) -> bool:
        """Return whether the user closed the window."""
        return bool(self._window.closed)

    @property
    def ready(self) -> bool:
        """Return whether the window has time for a picture."""
        return bool(self._window.ready)

    def tell(self, facts: PreviewFacts) -> None:
        """Show the facts in the title, with the next picture."""
        self._window.title = str(facts)

    def show(self, frame: Media) -> None:
        """Show a picture, unless the window is still busy with another."""
        if not isinstance(frame, VideoFrame | EncodedVideoChunk) or not self._is_needed(frame):
            return
        picture = self._converter.convert(frame)
        if picture is not None and self._window.ready:
            self._window.show(picture.coded_width, picture.coded_height, packed_planes(picture)[0])

    def _is_needed(self, frame: VideoFrame | EncodedVideoChunk) -> bool:
        """Return whether the picture is shown, or decoded for later ones that depend on it."""
        needed = isinstance(frame, EncodedVideoChunk) and not VIDEO_CODECS[frame.codec].intra
        return needed or bool(self._window.ready)

    def close(self) -> None:
        """Close the window."""
        self._window.close()


def _need_display() -> None:
    if sys.platform in ("darwin", "win32") or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        return
    hints = ["run mscli in a graphical session, or over ssh -X"]
    raise NotSupportedError("a preview window needs a display, but neither DISPLAY nor WAYLAND_DISPLAY is set", hints=hints)


def _anonymous_file() -> int:
    """Return the descriptor of an unnamed file: in memory if possible, or else in the temporary folder."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("mscli-preview")
    with TemporaryFile() as file:
        return os.dup(file.fileno())
