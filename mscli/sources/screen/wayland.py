"""The screen on Wayland: what its user chooses in the dialogue of the desktop, as PipeWire delivers it.

A program on Wayland does not see the windows of others. It asks the desktop for a monitor or a window (``portal``), and gets a
stream of PipeWire (``pipewire``). The user says which one. With the token of that choice (``tokens``) nobody is asked again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from threading import Lock

from mscli.core.addresses import scheme_of
from mscli.core.boxes import Mode, Scalar, Span
from mscli.core.clock import MICROSECONDS, now_us
from mscli.core.controls import Control
from mscli.core.errors import NotAllowedError, NotReadableError, NotSupportedError
from mscli.core.frames import Media, VideoFrame
from mscli.core.limits import DIALOGUE_S, PORTAL_TELLS_S, RESTORED_S, USUAL_TIMEOUTS
from mscli.sources.base import (
    DEVICE_KINDS,
    MONITOR,
    NO_SIGNAL,
    USUAL_INPUT,
    VIDEO_INPUT,
    WINDOW,
    Abilities,
    Backend,
    Device,
    InputOptions,
    Receiver,
    Request,
    Source,
    Surface,
    ThreadedSource,
)
from mscli.sources.displays import REGION, WINDOWS
from mscli.sources.screen.pipewire import PIXEL_BYTES, PointerPlace, StreamPicture, VideoStream, libpipewire
from mscli.sources.screen.pointer import PointerShape, draw_pointer
from mscli.sources.screen.portal import EMBEDDED, HIDDEN, METADATA, Grant, Portal
from mscli.sources.screen.stream import ALWAYS, MOTION, NEVER, POINTER_SHOWN_US, STILL_US
from mscli.sources.screen.tokens import keep_token, kept_token

RATES = Span(1, 120)  # frames per second; slower tracks leave pictures out
_EARLY = 0.25  # of the time between two pictures: how much earlier than due one may come
_LATE_US = MICROSECONDS  # a picture that claims to be older has a wrong time
_CURSORS = {  # the pointer as the desktop shows it → the values of ``cursor`` that it makes possible
    METADATA: (ALWAYS, MOTION, NEVER),
    EMBEDDED: (ALWAYS,),
    HIDDEN: (NEVER,),
}


class WaylandBackend(Backend):
    """A display that the user of a Wayland desktop chooses: a monitor for ``screen:``, a window for ``window:``.

    What follows is a name for the choice: ``screen:left`` and ``screen:right`` are asked for, and kept, one by one. The
    dialogue is shown when the backend is created. ``options``: whether an earlier choice may be restored, and what is offered.
    ``bus``: the address of the session bus, by default that of the environment.

    Raises NotFoundError without a portal, NotAllowedError if the user refuses, NotSupportedError, NotReadableError.
    """

    name = "wayland"

    def __init__(self, address: str = "", options: InputOptions = USUAL_INPUT, *, bus: str = "") -> None:
        self._address, self._options, self._bus = address, options, bus
        self._portal: Portal | None = None
        self._stream: VideoStream | None = None  # of the session, until a source takes it
        self._source: WaylandSource | None = None
        self._token = ""  # for the next session
        self._broken = False
        self._closing = Lock()  # of what is held here
        if address:
            self._find()

    def devices(self, kinds: Sequence[str] = DEVICE_KINDS) -> list[Device]:
        """Return what was chosen for the address. Without an address there is nothing: a program sees no displays."""
        if not self._address:
            self.problem = "on Wayland only the user sees the displays; --screen asks which one to capture"
            return []
        surface = self._surface
        found = Device(self._address, VIDEO_INPUT, surface.name, self._address, self.name, handle=surface, surface=surface)
        return [found] if VIDEO_INPUT in kinds else []

    def abilities(self, device: Device) -> Abilities:
        """Return what a track of the display can be set to."""
        surface: Surface = device.handle
        values: dict[str, tuple[Scalar, ...]] = {"displaySurface": (surface.kind,), "logicalSurface": (True,)}
        cursors = self._cursors()
        control = Control(cursors, cursors[0], cursors[0])
        return Abilities([Mode(self._format, surface.width, surface.height, RATES)], values, {"cursor": control})

    def _cursors(self) -> tuple[str, ...]:
        """Return when the pointer can be shown. A choice that can be restored can be restored without it, too."""
        both = self.portal.cursors & HIDDEN and self.portal.cursors & EMBEDDED and self._token
        return (ALWAYS, NEVER) if self._mode == EMBEDDED and both else _CURSORS[self._mode]

    def open(self, device: Device, request: Request) -> Source:  # noqa: ARG002 (there is only one)
        """Open the stream. If its session is gone, restore it, without asking the user.

        Raises NotReadableError, NotAllowedError if it cannot be restored, NotSupportedError.
        """
        cursor = str(request.settings.get("cursor", self._cursors()[0]))
        with self._closing:
            if self._source is not None and not self._source.closed:
                raise NotReadableError(f"{self._address} is captured already")
            stream = self._ready(cursor)
            given = {**request.settings, "cursor": cursor, "screenPixelRatio": self._pixel_ratio}
            self._source = WaylandSource(self, stream, given, live_cursors=_CURSORS[self._mode])
        return self._source

    def _ready(self, cursor: str) -> VideoStream:
        """Return a stream with the pointer as it is asked for."""
        mode = self._mode if cursor in _CURSORS[self._mode] else HIDDEN if cursor == NEVER else EMBEDDED
        stream, self._stream = self._stream, None
        if mode == self._mode and not self._broken and self.portal.stay():
            self._broken = True  # unless it connects
            stream = stream or self._connect()
            self._broken = False
            return stream
        if stream is not None:
            stream.close()
        self.portal.close()
        if self.portal.stopped_by_user or not self._token:
            sentence = f"the desktop no longer lets {self._address} be captured, and would have to ask again"
            raise NotAllowedError(sentence, hints=["start the capture again"])
        return self._begin(mode, self._token, RESTORED_S)

    @property
    def portal(self) -> Portal:
        """Return the connection to the portal."""
        assert self._portal is not None
        return self._portal

    def note_broken(self) -> None:
        """Note that the session's stream has failed, so that only another session can go on."""
        self._broken = True

    def _find(self) -> None:
        """Let the user choose, or restore what was chosen before."""
        if scheme_of(self._address) == REGION:
            hints = ["capture a monitor with --screen", "unset WAYLAND_DISPLAY to capture from the X server that DISPLAY names"]
            raise NotSupportedError("regions of the screen cannot be captured on Wayland", hints=hints)
        libpipewire()  # before anybody is asked
        restored = self._options.restored
        self._stream = self._begin(None, kept_token(self._address) if restored else "", DIALOGUE_S)

    def _begin(self, mode: int | None, token: str, within_s: float) -> VideoStream:
        """Begin a session, and return its stream. A token is used once, whatever comes of it."""
        portal = self._portal = Portal(self._note_end, self._bus)
        self._token = ""
        try:
            possible = [one for one in _CURSORS if portal.cursors & one] or [HIDDEN]
            self._mode = possible[0] if mode is None else mode
            kept = self._options.restored
            granted = portal.grant(self._kinds(), self._mode, token, kept=kept, within_s=within_s)
            self._token, self._broken = granted.token, False
            if kept:
                keep_token(self._address, granted.token)
            self._node = granted.node
            stream = self._connect()
        except BaseException:
            portal.close()
            raise
        self._note_surface(granted, stream)
        return stream

    def _kinds(self) -> tuple[str, ...]:
        return self._options.offered or ((WINDOW,) if scheme_of(self._address) == WINDOWS else (MONITOR,))

    def _connect(self) -> VideoStream:
        stream = VideoStream(self.portal.remote(), self._node, float(RATES.max), self._address)
        try:
            stream.wait_for_format(USUAL_TIMEOUTS.first_s)
        except BaseException:
            stream.close()
            raise
        return stream

    def _note_surface(self, granted: Grant, stream: VideoStream) -> None:
        width, height = stream.size
        name = self._address.partition(":")[2] or ("window" if granted.kind == WINDOW else "screen")
        self._surface = Surface(granted.kind, name, 0, 0, width, height)
        self._format = stream.format
        self._pixel_ratio = width / granted.size[0] if granted.size[0] else 1.0

    def _note_end(self) -> None:
        source = self._source
        if source is not None:
            source.wake()

    def close(self) -> None:
        """End the session, and the stream that nobody has taken."""
        with self._closing:
            stream, self._stream = self._stream, None
            if stream is not None:
                stream.close()
            if self._portal is not None:
                self._portal.close()


class WaylandSource(ThreadedSource):
    """An open stream of the desktop. It owns the stream, and lets the session go when it stops.

    ``live_cursors``: when the pointer can be shown without another session.
    """

    irregular = True

    def __init__(
        self, backend: WaylandBackend, stream: VideoStream, settings: Mapping[str, Scalar], *, live_cursors: Sequence[str]
    ) -> None:
        self._backend, self._portal, self._stream = backend, backend.portal, stream
        self._given, self._live_cursors = settings, live_cursors
        self._period_us = round(MICROSECONDS / float(settings["frameRate"]))
        self._early_us = round(_EARLY * self._period_us)
        self._pointer = _DrawnPointer(str(settings["cursor"]), ours=len(live_cursors) > 1)
        self._muted = False
        self._picture: StreamPicture | None = None  # the last one, without our pointer
        self._last: VideoFrame | None = None  # the same with it
        self._began_us = self._due_us = self._still_us = 0  # when the next new picture is due, and the last one again
        self._newest_us, self._sequence = 0, -1
        self._closing = Lock()  # of the stream
        self.closed = False

    @property
    def settings(self) -> Mapping[str, Scalar]:
        """Return the settings with which it was opened, and when the pointer is shown."""
        return {**self._given, "cursor": self._pointer.cursor}

    def set(self, controls: Mapping[str, Scalar]) -> Mapping[str, Scalar]:
        """Show the pointer always, never, or while it moves, if the desktop sends it apart from the picture."""
        cursor = str(controls.get("cursor", self._pointer.cursor))
        if cursor in self._live_cursors:
            self._pointer.cursor = cursor
        return {"cursor": self._pointer.cursor}

    def start(self, receiver: Receiver) -> None:
        """Start passing on pictures."""
        self._receiver = receiver
        super().start(receiver)

    def wake(self) -> None:
        """Let the thread look why: the session has ended, or the source is to stop."""
        with self._closing:
            if not self.closed:
                self._stream.interrupt()

    def stop(self) -> None:
        """Stop, close the stream, and let the session end unless the display is opened again."""
        if self._thread is not None:
            self.stopping.set()
            self.wake()
        super().stop()
        with self._closing:
            if not self.closed:
                self.closed = True
                self._stream.close()
                self._portal.leave()

    def frames(self) -> Iterator[Media]:
        """Yield pictures as they change, until the user stops it. Raises NotReadableError if the stream breaks off."""
        try:
            with self._stream.entered():
                yield from self._pictures()
        except NotReadableError:
            if not self._portal.wait_for_end(PORTAL_TELLS_S):
                self._backend.note_broken()
            if not self._portal.stopped_by_user:
                raise

    def _pictures(self) -> Iterator[Media]:
        self._began_us = now_us()
        while not self._is_over():
            at_us = now_us()
            self._mute(self._stream.paused)
            self._pointer.update(self._stream, at_us)
            frame = self._due(at_us)
            if frame is None:
                self._stream.wait((self._until_us(at_us) - at_us) / MICROSECONDS)
            else:
                self._newest_us, self._sequence = max(frame.timestamp, self._newest_us + 1), self._sequence + 1
                yield replace(frame, timestamp=self._newest_us, sequence=self._sequence)

    def _is_over(self) -> bool:
        """Return whether somebody wants no more. Raises NotReadableError if the portal is gone."""
        if self._portal.lost:
            raise NotReadableError(self._portal.lost)
        return self.stopping.is_set() or self._portal.stopped_by_user

    @property
    def _is_new(self) -> bool:
        """Return whether there is something that was not shown yet."""
        return self._stream.has_picture or (self._picture is not None and self._pointer.differs)

    def _due(self, at_us: int) -> VideoFrame | None:
        """Return the frame that is to be passed on now, or None."""
        if not self._is_new:
            is_due = self._last is not None and not self._muted and at_us >= self._still_us
            frame = replace(self._last, timestamp=at_us) if self._last is not None and is_due else None
        else:
            frame = self._taken(at_us) if at_us >= self._due_us - self._early_us else None
        if frame is not None:
            self._still_us = at_us + STILL_US
        return frame

    def _taken(self, at_us: int) -> VideoFrame | None:
        """Return the newest picture with the pointer, or None if it is damaged and the first."""
        fresh = self._stream.take()
        if self._stream.lost:
            self._receiver.on_lost(self._stream.lost)
            self._sequence += self._stream.lost
            self._stream.lost = 0
        picture = self._picture = fresh or self._picture
        is_regular = at_us < self._due_us + self._period_us
        self._due_us = (self._due_us if is_regular else at_us) + self._period_us
        if picture is None:
            return None
        told_us = 0 if fresh is None else fresh.time_us
        time_us = told_us if at_us - _LATE_US < told_us <= at_us else at_us
        pixels = self._pointer.drawn_into(picture)
        size = picture.width, picture.height
        self._last = VideoFrame(picture.format, *size, time_us, (pixels,), (picture.stride,), self._period_us)
        return self._last

    def _until_us(self, at_us: int) -> int:
        """Return until when there is nothing to do unless something comes. Raises NotReadableError if nothing has ever come."""
        if self._is_new:
            return self._due_us - self._early_us
        if self._last is not None and not self._muted:
            return min(self._still_us, self._pointer.rests_us or self._still_us)
        limit_us = self._began_us + round(USUAL_TIMEOUTS.first_s * MICROSECONDS)
        if self._last is None and at_us >= limit_us and not self._muted:
            raise NotReadableError(f"the desktop sends no picture within {USUAL_TIMEOUTS.first_s:g} s")
        return max(at_us, limit_us) if self._last is None else at_us + STILL_US

    def _mute(self, muted: bool) -> None:
        if muted is not self._muted:
            self._muted = muted
            self._receiver.on_muted(muted, NO_SIGNAL)


class _DrawnPointer:
    """When the pointer is shown, and where it is in the last picture. ``ours``: whether we draw it, not the desktop."""

    def __init__(self, cursor: str, *, ours: bool) -> None:
        self.cursor, self._ours = cursor, ours
        self.rests_us = 0  # when a pointer that is shown in motion vanishes, or 0
        self._at: PointerPlace | None = None
        self._moved_us = 0
        self._shown: tuple[PointerPlace, PointerShape] | None = None  # what is to be drawn
        self._drawn: tuple[PointerPlace, PointerShape] | None = None  # what is in the last picture

    @property
    def differs(self) -> bool:
        """Return whether it is not to be drawn as it is in the last picture."""
        return self._shown != self._drawn

    def update(self, stream: VideoStream, at_us: int) -> None:
        """Look where it is, and decide whether it is shown."""
        if not self._ours:
            return
        if stream.pointer != self._at:
            self._moved_us = at_us if self._at is not None else 0
            self._at = stream.pointer
        rests_us = self._moved_us + POINTER_SHOWN_US
        is_shown = self.cursor == ALWAYS or (self.cursor == MOTION and self._moved_us and at_us < rests_us)
        self._shown = (self._at, stream.shape) if is_shown and self._at is not None and stream.shape is not None else None
        self.rests_us = rests_us if self.cursor == MOTION and self._shown else 0

    def drawn_into(self, picture: StreamPicture) -> memoryview:
        """Return the pixels of a picture with the pointer, which are copied if there is any."""
        self._drawn = self._shown
        pixels = memoryview(picture.pixels)[picture.offset :]
        if self._shown is None:
            return pixels
        at, shape = self._shown
        copied = memoryview(bytearray(pixels))
        top, left = divmod(picture.offset, picture.stride)
        colours = shape if picture.format == "BGRX" else shape.swapped()
        draw_pointer(copied, picture.stride, (picture.width, picture.height), colours, at.x - left // PIXEL_BYTES, at.y - top)
        return copied.toreadonly()
