"""A connection to an X server by python-xlib: monitors, windows, pictures, the pointer. Its errors are translated here.

https://www.x.org/releases/current/doc/xproto/x11protocol.html, and the extensions MIT-SHM (pictures in shared memory), RandR
(monitors), Composite (windows that are covered), DAMAGE (what has changed) and XFixes (the pointer).
"""

from __future__ import annotations

import os
import select
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache, partial
from time import monotonic, sleep
from typing import Any, TypeVar

from mscli.core.calls import Partner
from mscli.core.errors import DOMException, NotAllowedError, NotFoundError, NotReadableError, NotSupportedError
from mscli.core.limits import MUTE_S, X_SERVER_S
from mscli.core.tuples import NamedTuple
from mscli.sources.base import MONITOR, WINDOW, Surface
from mscli.sources.screen.pixels import SharedMemory
from mscli.sources.screen.pointer import PointerShape

_SHM = "MIT-SHM"
_ALL_PLANES = 0xFFFFFFFF
_ATTACH, _DETACH, _GET_IMAGE = 1, 2, 4  # https://gitlab.freedesktop.org/xorg/proto/xorgproto/-/blob/master/shmproto.txt
_NEEDED_BITS = 32  # of a pixel in memory
_RED = 0xFF0000
_HINTS = ("set DISPLAY to the display, such as :0", "start mscli within the session of the screen")
_TRIES, _TRY_AGAIN_S = 10, 0.05  # to connect
_FULL = "Maximum number of clients"  # the server's words

T = TypeVar("T")

_HANGING: dict[str, Partner] = {}  # display → an attempt to connect that ran out of time: while it hangs, there is no other


class Change(NamedTuple):
    """The changes since the last look: something was ``drawn``, the display has another ``shape``, it was ``closed``."""

    drawn: bool = False
    shape: bool = False
    pointer: bool = False
    closed: bool = False

    @property
    def any(self) -> bool:
        """Return whether anything has happened."""
        return True in self

    def merged(self, other: Change) -> Change:
        """Return what has happened by either."""
        return Change(*(one or another for one, another in zip(self, other, strict=True)))


class NoPictureError(Exception):
    """The server has no picture of that just now: a window was minimised, or a place is no longer on the screen.

    Its text is the name of the server's error, or "" if there was none.
    """


def _with_retries(connect: Callable[[], T], closed: type[Exception]) -> T:
    """Connect. Try again for a moment if the server closes the connection: it starts anew when its last program has left."""
    for left in reversed(range(_TRIES)):
        try:
            return connect()
        except Exception as failure:
            _close_sockets(failure)
            if not left or not isinstance(failure, closed | ConnectionResetError):
                raise
        sleep(_TRY_AGAIN_S)
    raise AssertionError("the last try returns or raises")


def _close_sockets(failure: BaseException) -> None:
    """Close the sockets of a connection that python-xlib could not make, and left open."""
    trace = failure.__traceback__
    while trace is not None:
        names = trace.tb_frame.f_locals
        for one in (*names.values(), *getattr(names.get("self"), "__dict__", {}).values()):
            if isinstance(one, socket.socket):
                one.close()
        trace = trace.tb_next
    if failure.__context__ is not None:
        _close_sockets(failure.__context__)


def missing_library() -> NotSupportedError:
    """Return the error if python-xlib is not installed."""
    return NotSupportedError("capturing the screen needs python-xlib", hints=["install it: pip install 'mscli[screen]'"])


class XServer:
    """A connection. Only one thread uses it at a time, but ``interrupt`` may come from any.

    ``name``: the display, by default that of the environment. Raises NotFoundError if there is none, NotAllowedError if it
    refuses us, NotSupportedError without python-xlib.
    """

    def __init__(self, name: str = "") -> None:
        self.name = name or os.environ.get("DISPLAY", "")
        self._display = self._connected()
        self.on_silence: Callable[[float], object] = self._limit_silence
        self._display.set_error_handler(lambda *_: None)  # errors of requests without a reply: a window that is just gone
        self._note_silence()
        self._root = self._display.screen().root
        try:
            self._has = {name: self._agree_on(name) for name in (_SHM, "RANDR", "Composite", "DAMAGE", "XFIXES")}
        except BaseException:
            self.close()
            raise

    def _connected(self) -> Any:
        if not self.name:
            raise NotFoundError("there is no X display: DISPLAY is not set", hints=_HINTS)
        if self.name in _HANGING and _HANGING[self.name].owes:
            raise self._unanswered()
        try:
            from Xlib import display, error
        except ImportError as failure:
            raise missing_library() from failure
        partner = Partner()
        try:
            connect = partial(_with_retries, partial(display.Display, self.name), error.ConnectionClosedError)
            return partner.ask(connect, X_SERVER_S, "mscli-xserver", lambda late: late.display.socket.close())
        except TimeoutError:
            _HANGING[self.name] = partner
            raise self._unanswered() from None
        except error.DisplayNameError:
            raise NotFoundError(f"“{self.name}” is not the name of an X display", hints=_HINTS) from None
        except error.DisplayConnectionError as failure:
            raise self._refused(failure.msg) from None
        except (OSError, error.ConnectionClosedError) as failure:
            raise NotFoundError(f"there is no X server at {self.name}: {failure}", hints=_HINTS) from None

    def _refused(self, reason: bytes | str) -> DOMException:
        """Return the error for a connection that was not made. ``reason``: the server's (bytes), or the system's (text)."""
        if isinstance(reason, str):
            return NotFoundError(f"there is no X server at {self.name}", hints=_HINTS)
        text = reason.decode(errors="replace").strip()
        if _FULL in text:
            return NotReadableError(f"the X server at {self.name} is full: {text}", hints=["close a program that it shows"])
        remedies = ["set XAUTHORITY to the file with the display's cookie", "or let this user in: xhost +si:localuser:USER"]
        return NotAllowedError(f"the X server at {self.name} refuses this user: {text}", hints=remedies)

    def _unanswered(self) -> NotReadableError:
        hints = ["look whether it stands still, or name another display with DISPLAY"]
        return NotReadableError(f"the X server at {self.name} does not answer within {X_SERVER_S:g} s", hints=hints)

    def _limit_silence(self, silent_s: float) -> None:
        if silent_s >= X_SERVER_S:
            raise self._unanswered()

    def _agree_on(self, extension: str) -> bool:
        """Return whether the server has an extension. Most want to know first which version we speak."""
        with self._told():
            if not self._display.has_extension(extension):  # also what python-xlib itself does not know
                return self._display.query_extension(extension) is not None
            if extension in _VERSIONS:
                getattr(self._display, _VERSIONS[extension])()
        return True

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Translate the errors of python-xlib."""
        from Xlib import error

        try:
            yield
        except (error.ConnectionClosedError, OSError) as failure:
            raise NotReadableError(f"the X server at {self.name} is gone") from failure
        except error.BadAccess as failure:
            hints = ["connect with a trusted cookie; ssh needs -Y, not -X"]
            raise NotAllowedError(f"the X server at {self.name} does not let this program see that", hints=hints) from failure
        except error.XError as failure:
            raise NoPictureError(type(failure).__name__) from failure

    # The connection

    def interrupt(self) -> None:
        """End whatever the connection waits for, for good."""
        with suppress(OSError):
            self._display.display.socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the connection."""
        from Xlib import error

        self.interrupt()
        base = self._display.display
        base.socket.close()
        base.socket_error = error.ConnectionClosedError("mscli")  # not that which occurred: it holds the pictures of its frames

    def wait(self, timeout_s: float) -> None:
        """Wait until the server says something. Raises NotReadableError if the server is gone."""
        with self._told():
            self._display.flush()
            if not self._display.pending_events():
                select.select([self._display.display.socket], [], [], timeout_s)
                self._display.pending_events()

    def _note_silence(self) -> None:
        """Let python-xlib call ``on_silence`` while it waits for a reply, with the seconds for which it has waited."""
        base = self._display.display
        send_and_receive = base.send_and_recv

        def wait_for(request: int) -> None:
            asked_s = monotonic()
            send_and_receive(flush=True)
            while any(one._serial == request for one in base.sent_requests):
                if select.select([base.socket], [], [], MUTE_S)[0]:
                    base.send_recv_lock.acquire()  # which it releases
                    send_and_receive(recv=True)
                else:
                    self.on_silence(monotonic() - asked_s)

        def send_and_recv(request: int | None = None, **how: Any) -> None:
            if request is None:
                send_and_receive(**how)
            else:
                wait_for(request)

        base.send_and_recv = send_and_recv

    # Displays

    def monitors(self) -> list[Surface]:
        """Return the monitors, the main one first."""
        with self._told():
            has_monitors = hasattr(self._root, "xrandr_get_monitors")  # from RandR 1.5 on
            listed = self._root.xrandr_get_monitors(True).monitors if has_monitors else []
            named = sorted(listed, key=lambda one: not one.primary)
            found = [
                Surface(MONITOR, self._display.get_atom_name(one.name), one.x, one.y, one.width_in_pixels, one.height_in_pixels)
                for one in named
            ]
        return found or [self.whole()]

    def whole(self) -> Surface:
        """Return all monitors together."""
        with self._told():
            size = self._root.get_geometry()
        return Surface(MONITOR, "screen", 0, 0, size.width, size.height)

    def windows(self) -> list[Surface]:
        """Return the windows of applications, as their manager lists them, or else all that are visible, the topmost first."""
        with self._told():
            managed = self._property(self._root, "_NET_CLIENT_LIST_STACKING") or self._property(self._root, "_NET_CLIENT_LIST")
            idents = list(managed) if managed is not None else [one.id for one in self._root.query_tree().children]
        found = (self.window(ident, managed=managed is not None) for ident in reversed(idents))
        return [surface for surface in found if surface is not None]

    def window_object(self, ident: int) -> Any:
        """Return the window with a number as python-xlib has it."""
        return self._display.create_resource_object("window", ident)

    def window(self, ident: int, *, managed: bool = True) -> Surface | None:
        """Return the window with a number, or None if there is none to capture. ``managed``: whether a manager lists it."""
        from Xlib import X

        window = self.window_object(ident)
        try:
            with self._told():
                attributes, size = window.get_attributes(), window.get_geometry()
                place = window.translate_coords(self._root, 0, 0)
                title = self._title(window)
        except NoPictureError:  # it is just gone
            return None
        visible = attributes.map_state == X.IsViewable and not attributes.override_redirect
        if attributes.win_class != X.InputOutput or not (managed or (visible and title)):
            return None
        return Surface(WINDOW, title or f"0x{ident:x}", -place.x, -place.y, size.width, size.height, ident)

    def _title(self, window: Any) -> str:
        named = self._property(window, "_NET_WM_NAME")
        if named:
            return bytes(named).decode(errors="replace")
        plain = window.get_wm_name() or " ".join((window.get_wm_class() or ())[1:])
        return plain.decode("latin-1") if isinstance(plain, bytes) else str(plain)

    def _property(self, window: Any, name: str) -> Any:
        from Xlib import X

        found = window.get_full_property(self._display.intern_atom(name), X.AnyPropertyType)
        return None if found is None else found.value

    @property
    def pixel_ratio(self) -> float:
        """Return how many pixels of the screen make one of a page, by the resolution that the desktop sets (Xft.dpi)."""
        with self._told():
            given = self._property(self._root, "RESOURCE_MANAGER")
        text = given.decode("latin-1") if isinstance(given, bytes) else str(given or "")
        pairs = (line.partition(":") for line in text.splitlines())
        dpi = next((value.strip() for name, _, value in pairs if name.strip() == "Xft.dpi"), "")
        return int(dpi) / _USUAL_DPI if dpi.isdecimal() and int(dpi) else 1.0

    # Following a display

    def follow(self, surface: Surface) -> Drawn:
        """Return what pictures of a display are taken from, and follow its changes from now on."""
        from Xlib import X

        window = self._window_of(surface)
        with self._told():
            window.change_attributes(event_mask=X.StructureNotifyMask)
            if surface.ident:
                window.composite_redirect_window(_AUTOMATIC)
            elif self._has["RANDR"]:
                self._root.xrandr_select_input(_MONITORS_CHANGE)
            if self._has["XFIXES"]:
                self._display.xfixes_select_cursor_input(self._root, 1)
            damage = window.damage_create(_ONCE) if self._has["DAMAGE"] else None
        return Drawn(window, damage)

    def _window_of(self, surface: Surface) -> Any:
        return self.window_object(surface.ident) if surface.ident else self._root

    def check(self, surface: Surface) -> None:
        """Raise NotSupportedError for a screen or window whose pixels we do not read, NotReadableError if it is just gone."""
        if surface.ident and not self._has["Composite"]:
            raise NotSupportedError(
                "this X server has no Composite extension, so it has no pictures of windows",
                hints=["capture the screen or a region"],
            )
        try:
            with self._told():
                depth = self._window_of(surface).get_geometry().depth
        except NoPictureError:
            raise NotReadableError(f"the window “{surface.name}” was closed") from None
        info, allowed = self._display.display.info, self._display.screen().allowed_depths
        bits = next((one.bits_per_pixel for one in info.pixmap_formats if one.depth == depth), 0)
        reds = {visual.red_mask for one in allowed for visual in one.visuals if one.depth == depth}
        if depth not in (24, 32) or bits != _NEEDED_BITS or info.image_byte_order or _RED not in reds:
            what = f"the window “{surface.name}”" if surface.ident else "the screen"
            raise NotSupportedError(
                f"{what} has pixels of {depth} bits, which cannot be captured", hints=["set the screen to 24 bits a pixel"]
            )

    def changes(self, drawn: Drawn) -> Change:
        """Return what has happened since the last call, without waiting."""
        from Xlib import X

        change = Change(drawn=drawn.damage is None)
        with self._told():
            while self._display.pending_events():
                event = self._display.next_event()
                name = type(event).__name__
                if name == "DamageNotify":
                    change = change._replace(drawn=True)
                elif name == "DisplayCursorNotify":
                    change = change._replace(pointer=True)
                elif event.type == X.DestroyNotify:
                    change = change._replace(closed=True)
                else:  # its size, its place, whether it is shown; the monitors
                    change = change._replace(shape=True)
        return change

    def await_drawing(self, drawn: Drawn) -> None:
        """Let the server tell when something is drawn from now on. It tells once."""
        if drawn.damage is not None:
            with self._told():
                self._display.damage_subtract(drawn.damage)

    def shows(self, ident: int) -> bool:
        """Return whether a window is shown, not minimised."""
        from Xlib import X

        try:
            with self._told():
                return bool(self.window_object(ident).get_attributes().map_state == X.IsViewable)
        except NoPictureError:
            return False

    def picture_of(self, window: Any) -> ServerPicture:
        """Return the picture of a window that the server keeps, also where it is covered. It is that of its size now.

        Raises NoPictureError if the window is minimised or gone.
        """
        if not self.shows(window.id):
            raise NoPictureError
        with self._told():
            border = window.get_geometry().border_width
            pixmap = window.composite_name_window_pixmap()
            size = pixmap.get_geometry()
        return ServerPicture(pixmap, border, border, size.width - 2 * border, size.height - 2 * border, kept=True)

    def release(self, picture: ServerPicture) -> None:
        """Let the server forget a picture that it keeps."""
        with self._told():
            picture.drawable.free()

    # Pictures

    @property
    def shares_memory(self) -> bool:
        """Return whether the server may be on this machine and write into our memory."""
        return self._has[_SHM]

    def attach(self, segment: SharedMemory) -> int:
        """Let the server attach shared memory. Return its name. Raises OSError if the server cannot."""
        from Xlib import error

        refused = error.CatchError()
        with self._told():
            name: int = self._display.display.allocate_resource_id()
            self._shm_opcode = self._display.query_extension(_SHM).major_opcode
            values = {"opcode": self._shm_opcode, "name": name, "segment": segment.id, "read_only": 0}
            _requests().attach(display=self._display.display, onerror=refused, **values)
            self._display.sync()
        if refused.get_error():
            self._display.display.free_resource_id(name)
            raise OSError("the server cannot attach the memory")
        return name

    def detach(self, name: int) -> None:
        """Let the server detach shared memory."""
        with self._told():
            _requests().detach(display=self._display.display, opcode=self._shm_opcode, name=name)
            self._display.display.free_resource_id(name)

    def write_picture(self, picture: ServerPicture, name: int) -> None:
        """Let the server write a picture into shared memory. Raises NoPictureError, NotReadableError."""
        values = {"opcode": self._shm_opcode, "format": _Z_PIXMAP, "name": name, "offset": 0, **_place_of(picture)}
        with self._told():
            _requests().get_image(display=self._display.display, **values)

    def read_picture(self, picture: ServerPicture) -> memoryview:
        """Return a picture through the connection, for servers elsewhere. Raises the same errors."""
        with self._told():
            image = picture.drawable.get_image(*picture[1:5], _Z_PIXMAP, _ALL_PLANES)
        return memoryview(bytearray(image.data))

    # The pointer

    def pointer_at(self, window: Any) -> tuple[int, int]:
        """Return where the pointer is, from the corner of a window."""
        with self._told():
            found = window.query_pointer()
        return found.win_x, found.win_y

    def pointer_shape(self) -> PointerShape | None:
        """Return what the pointer looks like, or None if the server does not say."""
        if not self._has["XFIXES"]:
            return None
        try:
            with self._told():
                image = self._display.xfixes_get_cursor_image(self._root)
        except (NoPictureError, NotAllowedError):
            return None
        return PointerShape(image.width, image.height, image.xhot, image.yhot, list(image.cursor_image))


class _Requests(NamedTuple):
    """The requests of MIT-SHM, which python-xlib does not have."""

    attach: Callable[..., Any]
    detach: Callable[..., Any]
    get_image: Callable[..., Any]


@cache
def _requests() -> _Requests:
    from Xlib.protocol import rq

    class Attach(rq.Request):  # type: ignore[misc]
        _request = rq.Struct(
            rq.Card8("opcode"), rq.Opcode(_ATTACH), rq.RequestLength(), rq.Card32("name"), rq.Card32("segment"),
            rq.Card8("read_only"), rq.Pad(3),
        )  # fmt: skip

    class Detach(rq.Request):  # type: ignore[misc]
        _request = rq.Struct(rq.Card8("opcode"), rq.Opcode(_DETACH), rq.RequestLength(), rq.Card32("name"))

    class GetImage(rq.ReplyRequest):  # type: ignore[misc]
        _request = rq.Struct(
            rq.Card8("opcode"), rq.Opcode(_GET_IMAGE), rq.RequestLength(), rq.Card32("drawable"), rq.Int16("x"), rq.Int16("y"),
            rq.Card16("width"), rq.Card16("height"), rq.Card32("plane_mask"), rq.Card8("format"), rq.Pad(3),
            rq.Card32("name"), rq.Card32("offset"),
        )  # fmt: skip
        _reply = rq.Struct(
            rq.ReplyCode(), rq.Card8("depth"), rq.Card16("sequence_number"), rq.ReplyLength(), rq.Card32("visual"),
            rq.Card32("size"), rq.Pad(16),
        )  # fmt: skip

    return _Requests(Attach, Detach, GetImage)


class ServerPicture(NamedTuple):
    """A drawable of which the server has a picture, and the place in it."""

    drawable: Any
    x: int
    y: int
    width: int
    height: int
    kept: bool = False  # whether the server keeps it until it is released


def _place_of(picture: ServerPicture) -> dict[str, Any]:
    """Return the members of a request for a picture."""
    place = {"x": picture.x, "y": picture.y, "width": picture.width, "height": picture.height}
    return {"drawable": picture.drawable.id, "plane_mask": _ALL_PLANES, **place}


class Drawn(NamedTuple):
    """The origin of a display's pictures: a window or the root window, and the server's name for its changes, if any."""

    window: Any
    damage: Any


_VERSIONS = {  # extension → the method that agrees on a version
    "Composite": "composite_query_version",
    "DAMAGE": "damage_query_version",
    "XFIXES": "xfixes_query_version",
}
_Z_PIXMAP = 2  # pixel by pixel
_AUTOMATIC = 0  # a window's picture is kept, and shown as before
_ONCE = 3  # DamageReportNonEmpty: one event until we ask again
_MONITORS_CHANGE = 0b111  # screen, CRTC and output
_USUAL_DPI = 96
