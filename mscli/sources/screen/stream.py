"""Pass on the pictures of a display as they change.

A picture is taken at most ``frameRate`` times a second, and only if something was drawn or the pointer has moved. Otherwise the
last picture is passed on again a few times a second, so that a new reader need not wait for a change. A window that is
minimised has no picture: its track is muted until it is shown again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from math import ceil
from threading import Lock
from typing import Any

from mscli.core.boxes import Scalar
from mscli.core.clock import MICROSECONDS, now_us
from mscli.core.errors import NotReadableError
from mscli.core.frames import Media, VideoFrame
from mscli.core.limits import USUAL_TIMEOUTS
from mscli.core.log import Log
from mscli.sources.base import NO_SIGNAL, WINDOW, Receiver, Surface, ThreadedSource
from mscli.sources.screen.pixels import SegmentPool
from mscli.sources.screen.pointer import PointerShape, draw_pointer
from mscli.sources.screen.xserver import Change, Drawn, NoPictureError, ServerPicture, XServer

PIXEL_FORMAT = "BGRX"
_PIXEL_BYTES = 4
STILL_US = 500_000  # how often the picture of a still screen is passed on
POINTER_SHOWN_US = 1_000_000  # how long a pointer that has stopped is shown with cursor: motion
NEVER, ALWAYS, MOTION = "never", "always", "motion"

_log = Log("screen")


class ScreenSource(ThreadedSource):
    """An open display. It owns the connection. ``region``: whether the surface is a part of all monitors, not one of them."""

    irregular = True

    def __init__(
        self, server: XServer, surface: Surface, settings: Mapping[str, Scalar], pixel_ratio: float, *, region: bool
    ) -> None:
        self._server, self._surface, self._region = server, surface, region
        self._given = {**settings, "screenPixelRatio": pixel_ratio}
        self._cursor = str(settings.get("cursor", ALWAYS))
        self._period_us = MICROSECONDS / float(settings["frameRate"])
        self._pictures = _Grabber(server, round(self._period_us))
        self._pointer = _Pointer(server)
        self._muted = False
        self._due_us = 0.0  # when the next picture is due
        self._closing = Lock()  # of the connection
        self._closed = False
        self._sequence = 0
        self._refusal = ""  # why the server gives no picture of what is shown

    @property
    def settings(self) -> Mapping[str, Scalar]:
        """Return the settings with which it was opened, and when the pointer is shown."""
        return {**self._given, "cursor": self._cursor}

    def set(self, controls: Mapping[str, Scalar]) -> Mapping[str, Scalar]:
        """Show the pointer always, never, or while it moves."""
        self._cursor = str(controls.get("cursor", self._cursor))
        return {"cursor": self._cursor}

    def start(self, receiver: Receiver) -> None:
        """Start passing on pictures."""
        self._receiver = receiver
        self._server.on_silence = self._note_silence
        super().start(receiver)

    def stop(self) -> None:
        """Stop, and close the connection."""
        if self._thread is not None:
            self.stopping.set()
            self._server.interrupt()  # whatever the thread waits for
        super().stop()
        with self._closing:
            if not self._closed:
                self._closed = True
                self._pictures.close()
                self._server.close()

    def frames(self) -> Iterator[Media]:
        """Yield pictures as they change. Raises NotReadableError when the window is closed or the server is gone."""
        try:
            yield from self._pictures_as_they_change()
        except NotReadableError:
            if not self.stopping.is_set():  # which closes the connection
                raise

    def _pictures_as_they_change(self) -> Iterator[Media]:
        drawn, began_us = self._server.follow(self._surface), now_us()
        change, last = Change(drawn=True, shape=True), None
        self._pointer.update(drawn.window, self._cursor)
        while True:
            if change.closed:
                raise NotReadableError(f"the window “{self._surface.name}” was closed")
            if change.drawn:
                self._server.await_drawing(drawn)
            if change.shape:
                self._pictures.aim(self._picture_in(drawn.window))
            if change.pointer:
                self._pointer.reshape()
            is_new = change.any or self._pointer.differs or last is None
            taken = self._take() if is_new else last
            if taken is None or last is None:  # none was due while there were no pictures
                self._due_us = float(now_us())
            last = taken or last
            self._mute(taken is None)
            if last is not None:
                yield replace(last, timestamp=now_us(), sequence=self._sequence)
                self._sequence += 1
            elif self._refusal and now_us() - began_us >= USUAL_TIMEOUTS.first_s * MICROSECONDS:
                sentence = f"the X server at {self._server.name} gives no picture of “{self._surface.name}”: {self._refusal}"
                raise NotReadableError(sentence)
            self._plan_next()
            change = self._wait(drawn, shown=taken is not None)
            if taken is None:  # look for a picture again, also if nothing says that there is one
                change = change._replace(shape=True)

    def _take(self) -> VideoFrame | None:
        """Return a picture, or None if there is none now."""
        try:
            return self._pictures.take(self._pointer)
        except NoPictureError as refusal:
            self._refusal = str(refusal)
            return None

    def _picture_in(self, window: Any) -> ServerPicture | None:
        """Return what there is a picture of now, or None."""
        server, surface = self._server, self._surface
        self._refusal = ""
        try:
            if surface.kind == WINDOW:
                return server.picture_of(window)
            among = [surface] if self._region else server.monitors()
            there = next((one for one in among if one.name == surface.name), None)
            whole = server.whole()
        except NoPictureError as refusal:
            self._refusal = str(refusal)
            return None
        if there is None or there.x + there.width > whole.width or there.y + there.height > whole.height:
            return None
        return ServerPicture(window, there.x, there.y, there.width, there.height)

    def _wait(self, drawn: Drawn, *, shown: bool) -> Change:
        """Return what has changed once the next picture is due, or nothing if the last one is to be passed on again.

        Also look where the pointer is. ``shown``: whether there is a picture to draw it into.
        """
        change, still_us = Change(), now_us() + STILL_US
        while True:
            change = change.merged(self._server.changes(drawn))
            at_us = now_us()
            if change.closed:
                return change
            if at_us >= self._due_us:
                self._pointer.update(drawn.window, self._cursor)
                if change.any or (shown and self._pointer.differs) or at_us >= still_us:
                    return change
                self._due_us += self._period_us * ceil((at_us - self._due_us) / self._period_us)
            is_awaited = change.any or (shown and self._cursor != NEVER)  # so look at the pointer, or take the picture
            self._server.wait(max(0.0, ((self._due_us if is_awaited else still_us) - now_us()) / MICROSECONDS))
            if not is_awaited:  # no picture was due meanwhile
                self._due_us = max(self._due_us, float(now_us()))

    def _plan_next(self) -> None:
        """Plan the next picture. Report those for which there was no time."""
        self._due_us += self._period_us
        missed = int(max(0.0, now_us() - self._due_us) / self._period_us)
        if missed:
            self._due_us += missed * self._period_us
            self._sequence += missed
            self._receiver.on_lost(missed)

    def _mute(self, muted: bool) -> None:
        if muted is not self._muted:
            self._muted = muted
            self._receiver.on_muted(muted, NO_SIGNAL)

    def _note_silence(self, silent_s: float) -> None:
        """Mute the track while the server does not answer. Raises NotReadableError if that takes too long."""
        if silent_s >= USUAL_TIMEOUTS.first_s:
            raise NotReadableError(f"the X server at {self._server.name} does not answer")
        self._mute(True)


class _Grabber:
    """A taker of pictures of a place, in shared memory if the server can write into it."""

    def __init__(self, server: XServer, duration_us: int) -> None:
        self._server, self._duration_us = server, duration_us
        self._picture: ServerPicture | None = None
        self._pool: SegmentPool | None = None
        self._shares = server.shares_memory

    def aim(self, picture: ServerPicture | None) -> None:
        """Take pictures of this place from now on, or none."""
        before, self._picture = self._picture, picture
        if before is not None and before.kept:
            self._server.release(before)
        size = 0 if picture is None else picture.width * picture.height * _PIXEL_BYTES
        if self._pool is not None and self._pool.size != size:
            self._pool.close()
            self._pool = None
        if self._pool is None and size and self._shares:
            self._pool = SegmentPool(size, self._server.attach, self._server.detach)

    def take(self, pointer: _Pointer) -> VideoFrame | None:
        """Return a picture with the pointer, or None if there is nothing to take one of. Raises NoPictureError."""
        picture = self._picture
        if picture is None:
            return None
        pixels = self._pixels(picture)
        width, height = picture.width, picture.height
        stride = width * _PIXEL_BYTES
        pointer.draw(pixels, stride, (width, height), (0, 0) if picture.kept else (picture.x, picture.y))
        return VideoFrame(PIXEL_FORMAT, width, height, 0, (pixels.toreadonly(),), (stride,), self._duration_us)

    def _pixels(self, picture: ServerPicture) -> memoryview:
        if self._pool is not None:
            try:
                return self._pool.take(lambda name: self._server.write_picture(picture, name))
            except OSError as error:  # the server is on another machine, or has no room
                _log.info("without shared memory: %s", error)
                self._pool.close()
                self._shares, self._pool = False, None
        return self._server.read_picture(picture)

    def close(self) -> None:
        """Give the memory back. The server is not told, because the connection ends too."""
        if self._pool is not None:
            self._pool.close(connected=False)


class _Pointer:
    """The place of the pointer, and whether it is shown."""

    def __init__(self, server: XServer) -> None:
        self._server = server
        self._shape: PointerShape | None = None
        self._known = False  # whether the server was asked for the shape
        self._at: tuple[int, int] | None = None
        self._moved_us: int | None = None
        self._shown: tuple[int, int] | None = None  # where it is to be drawn
        self._drawn: tuple[int, int] | None = None  # where it is in the last picture

    def reshape(self) -> None:
        """Ask again what it looks like."""
        self._known = False

    @property
    def differs(self) -> bool:
        """Return whether it is not to be drawn where it is in the last picture."""
        return self._shown != self._drawn

    def update(self, window: Any, cursor: str) -> None:
        """Look where it is, and decide whether it is shown."""
        if cursor == NEVER:
            self._shown = None
            return
        try:
            at, at_us = self._server.pointer_at(window), now_us()
        except NoPictureError:  # the window was just closed
            return
        if self._at not in (None, at):
            self._moved_us = at_us
        self._at = at
        rests = self._moved_us is None or at_us - self._moved_us > POINTER_SHOWN_US
        self._shown = None if cursor == MOTION and rests else at

    def draw(self, pixels: memoryview, stride: int, size: tuple[int, int], corner: tuple[int, int]) -> None:
        """Draw it if it is shown. ``corner``: where the picture begins in the window."""
        self._drawn = self._shown
        if self._shown is None:
            return
        if not self._known:
            self._shape, self._known = self._server.pointer_shape(), True
        if self._shape is not None:
            draw_pointer(pixels, stride, size, self._shape, self._shown[0] - corner[0], self._shown[1] - corner[1])
