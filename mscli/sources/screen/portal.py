"""Ask the desktop for the picture of a screen: its portal for screen casts, by dbus-fast. Errors are translated here.

https://flatpak.github.io/xdg-desktop-portal/docs/doc-org.freedesktop.portal.ScreenCast.html. The desktop shows a dialogue, in
which the user chooses. With the token of an earlier choice it shows none.
"""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import Callable, Coroutine, Iterator, Mapping
from concurrent.futures import TimeoutError as NoAnswerError
from contextlib import contextmanager, suppress
from threading import Event, current_thread
from typing import TYPE_CHECKING, Any, TypeVar

from mscli.core.errors import DOMException, NotAllowedError, NotFoundError, NotReadableError, NotSupportedError
from mscli.core.limits import DIALOGUE_S, PORTAL_S, SESSION_KEPT_S
from mscli.core.log import Log
from mscli.core.threads import Thread
from mscli.core.tuples import NamedTuple
from mscli.sources.base import MONITOR, WINDOW

if TYPE_CHECKING:
    from asyncio import Future, TimerHandle

    from dbus_fast import Message
    from dbus_fast.aio import MessageBus

HIDDEN, EMBEDDED, METADATA = 1, 2, 4  # the ways of showing the pointer
_KINDS = {MONITOR: 1, WINDOW: 2}  # kind of surface → SourceType
_NAME, _PATH, _ROOT = "org.freedesktop.portal.Desktop", "/org/freedesktop/portal/desktop", "org.freedesktop.portal"
_BUS_NAME, _BUS_PATH = "org.freedesktop.DBus", "/org/freedesktop/DBus"
_TOKENS_SINCE = 4  # the version of the interface
_WITHIN_SESSION, _FOR_EVER = 1, 2  # how long a token holds
_CANCELLED = 1  # the answer of a user who closes the dialogue
_MATCHES = (
    f"type='signal',sender='{_NAME}'",
    f"type='signal',sender='{_BUS_NAME}',member='NameOwnerChanged',arg0='{_NAME}'",
)
_ABSENT = ("ServiceUnknown", "NameHasNoOwner", "Spawn")
_WITHOUT_CASTS = ("UnknownInterface", "UnknownMethod", "UnknownProperty", "InvalidArgs", "UnknownObject")
_DENIED = ("AccessDenied", "NotAllowed", "AuthFailed")
_INSTALL = "install xdg-desktop-portal and the part of it for your desktop, such as xdg-desktop-portal-gnome, -kde or -wlr"
_SESSION = "start mscli within the session of the desktop, or set DBUS_SESSION_BUS_ADDRESS"
_ON_X11 = "unset WAYLAND_DISPLAY to capture from the X server that DISPLAY names"

T = TypeVar("T")
_log = Log("screen")


class Grant(NamedTuple):
    """A choice of the user: a node of PipeWire, its kind of surface, its size on the desktop or (0, 0), and a token."""

    node: int
    kind: str
    size: tuple[int, int]
    token: str


class Portal:
    """A connection to the portal, on a thread of its own, and at most one session of it. Any thread may call it.

    ``on_end`` is called on that thread when the session has ended. ``bus``: the address of the session bus, by default that of
    the environment. Raises NotFoundError without a portal, NotSupportedError
    without dbus-fast, NotReadableError, NotAllowedError.
    """

    def __init__(self, on_end: Callable[[], object], bus: str = "") -> None:
        _check_library()
        self.stopped_by_user = False  # or by the desktop: a window was closed
        self.lost = ""  # why the session is gone, if nobody has ended it
        self._on_end, self._ended = on_end, Event()
        self._bus: MessageBus | None = None
        self._session = ""
        self._requests: dict[str, Future[tuple[int, Mapping[str, Any]]]] = {}  # by path
        self._leaving: TimerHandle | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._run, name="mscli-portal", daemon=True)
        try:
            self._thread.start()
        except BaseException:
            self._loop.close()
            raise
        try:
            facts = self._ask(self._connect(bus), PORTAL_S)
        except BaseException:
            self.close()
            raise
        self.version, self.cursors = int(facts.get("version", 1)), int(facts.get("AvailableCursorModes", HIDDEN))
        self._kinds = int(facts.get("AvailableSourceTypes", 0))

    @property
    def alive(self) -> bool:
        """Return whether the session goes on."""
        return bool(self._session) and not self.stopped_by_user and not self.lost and self._thread.is_alive()

    @property
    def gives_tokens(self) -> bool:
        """Return whether a choice can be restored without a dialogue."""
        return self.version >= _TOKENS_SINCE

    def grant(self, kinds: tuple[str, ...], cursor: int, token: str, *, kept: bool, within_s: float = DIALOGUE_S) -> Grant:
        """Ask the user for a surface of one of these kinds, or restore the choice of a token. Wait for the answer.

        ``kept``: whether the token is to hold for ever. Raises NotAllowedError if the user refuses or does not answer within
        ``within_s`` seconds, NotFoundError if the desktop offers no such surface, NotReadableError.
        """
        offered = sum(_KINDS[kind] for kind in kinds) & self._kinds
        if not offered:
            nouns = " or ".join(f"{kind}s" for kind in kinds)
            raise NotFoundError(f"the portal of this desktop offers no {nouns}", hints=[_INSTALL])
        wanted: dict[str, tuple[str, object]] = {"types": ("u", offered), "cursor_mode": ("u", cursor)}
        if self.gives_tokens:
            wanted["persist_mode"] = ("u", _FOR_EVER if kept else _WITHIN_SESSION)
            if token:
                wanted["restore_token"] = ("s", token)
        self._ask(self._begin(wanted), PORTAL_S)
        found = self._ask(self._start(within_s), within_s + PORTAL_S)
        return self._granted(found, kinds)

    def _granted(self, found: Mapping[str, Any], kinds: tuple[str, ...]) -> Grant:
        streams = found.get("streams") or ()
        if not streams:
            raise NotReadableError("the portal says that the screen may be captured, but not where it is")
        node, facts = streams[0][0], _plain(streams[0][1])
        said = next((kind for kind, number in _KINDS.items() if facts.get("source_type") == number), MONITOR)
        width, height = facts.get("size", (0, 0))
        return Grant(node, kinds[0] if len(kinds) == 1 else said, (width, height), str(found.get("restore_token", "")))

    def remote(self) -> int:
        """Return a new connection to PipeWire that sees the session's stream. The caller closes it."""
        return self._ask(self._open_remote(), PORTAL_S)

    def leave(self) -> None:
        """End the session soon, unless somebody stays: a source that is opened again keeps it."""
        self._soon(self._plan_end)

    def stay(self) -> bool:
        """Keep the session. Return whether there still is one."""
        if not self.alive:
            return False
        try:
            self._ask(self._keep(), PORTAL_S)
        except NotReadableError:
            return False
        return self.alive

    def wait_for_end(self, timeout_s: float) -> bool:
        """Wait until the portal says that the session has ended. Return whether it has."""
        return self._ended.wait(timeout_s)

    def close(self) -> None:
        """End the session and the connection, and join the thread."""
        self._soon(self._loop.stop)
        if self._thread is not current_thread():
            self._thread.join_or_abandon(PORTAL_S)

    def _soon(self, call: Callable[[], object]) -> None:
        with suppress(RuntimeError):  # it has ended
            self._loop.call_soon_threadsafe(call)

    def _ask(self, question: Coroutine[Any, Any, T], within_s: float) -> T:
        """Return an answer that comes on the portal's thread. Raises NotReadableError if there is none in time."""
        try:
            asked = asyncio.run_coroutine_threadsafe(question, self._loop)
        except RuntimeError:
            question.close()
            raise NotReadableError("the connection to the portal has ended") from None
        try:
            return asked.result(within_s)
        except NoAnswerError:
            raise NotReadableError(
                f"the portal of the desktop does not answer within {within_s:g} s", hints=[_INSTALL]
            ) from None
        finally:
            asked.cancel()

    # On the portal's thread

    def _run(self) -> None:
        try:
            self._loop.run_forever()
            self._loop.run_until_complete(self._disconnect())
        finally:
            self._loop.close()

    def _plan_end(self) -> None:
        if self._leaving is None:
            self._leaving = self._loop.call_later(SESSION_KEPT_S, self._loop.stop)

    async def _keep(self) -> None:
        if self._leaving is not None:
            self._leaving.cancel()
            self._leaving = None

    async def _connect(self, address: str) -> dict[str, Any]:
        """Return what the portal says of itself."""
        from dbus_fast.aio import MessageBus
        from dbus_fast.errors import AuthError, InvalidAddressError

        try:
            bus = MessageBus(bus_address=address or _bus_address(), negotiate_unix_fd=True)
            await bus.connect()
        except (OSError, EOFError, InvalidAddressError) as error:
            raise NotFoundError(f"there is no session bus to ask for the screen: {error}", hints=[_SESSION]) from None
        except AuthError as error:
            raise NotAllowedError(f"the session bus refuses this user: {error}", hints=[_SESSION]) from None
        self._bus = bus
        bus.add_message_handler(self._on_message)
        self._lifeline = asyncio.ensure_future(self._await_end(bus))
        for rule in _MATCHES:
            await self._call("AddMatch", "s", [rule], at=_BUS_PATH, interface=_BUS_NAME, to=_BUS_NAME)
        (facts,) = (await self._call("GetAll", "s", [f"{_ROOT}.ScreenCast"], interface="org.freedesktop.DBus.Properties")).body
        return _plain(facts)

    async def _await_end(self, bus: MessageBus) -> None:
        with suppress(Exception):  # whatever ended it
            await bus.wait_for_disconnect()  # type: ignore[no-untyped-call]
        self._lose("the session bus is gone")

    def _lose(self, why: str) -> None:
        self.lost = self.lost or why
        for request in self._requests.values():
            if not request.done():
                request.set_exception(NotReadableError(why))
        self._end()

    def _end(self) -> None:
        self._ended.set()
        self._on_end()

    async def _call(
        self,
        member: str,
        signature: str,
        body: list[Any],
        *,
        at: str = _PATH,
        interface: str = f"{_ROOT}.ScreenCast",
        to: str = _NAME,
    ) -> Message:
        from dbus_fast import Message, MessageType

        assert self._bus is not None
        message = Message(destination=to, path=at, interface=interface, member=member, signature=signature, body=body)
        reply = await self._bus.call(message)
        if reply is None:
            raise NotReadableError("the session bus is gone")
        if reply.message_type is MessageType.ERROR:
            raise _translated(reply.error_name or "", " ".join(map(str, reply.body)))
        return reply

    @contextmanager
    def _request(self) -> Iterator[tuple[str, Future[tuple[int, Mapping[str, Any]]]]]:
        """Yield the token of a new request, and what will be its answer. One that gets none is closed."""
        assert self._bus is not None
        token = f"mscli{secrets.token_hex(8)}"
        path = f"{_PATH}/request/{(self._bus.unique_name or '')[1:].replace('.', '_')}/{token}"
        answer = self._requests[path] = self._loop.create_future()
        try:
            yield token, answer
        finally:
            del self._requests[path]
            if not answer.done() or answer.cancelled():
                self._send("Close", path, f"{_ROOT}.Request")

    async def _requested(self, member: str, signature: str, before: list[Any], options: Mapping[str, Any]) -> Mapping[str, Any]:
        """Make a request, and return what the portal answers. Raises NotAllowedError, NotReadableError."""
        with self._request() as (token, answer):
            await self._call(member, signature, [*before, _variants({**options, "handle_token": ("s", token)})])
            code, found = await answer
        if code == _CANCELLED:
            raise NotAllowedError("capturing the screen was refused in the dialogue of the desktop")
        if code:
            hints = ["“journalctl --user -u xdg-desktop-portal” may say why"]
            raise NotReadableError(f"the desktop cannot let the screen be captured ({member}: {code})", hints=hints)
        return found

    async def _begin(self, wanted: Mapping[str, tuple[str, object]]) -> None:
        """Create a session, and say which surfaces may be chosen."""
        token = f"mscli{secrets.token_hex(8)}"
        made = await self._requested("CreateSession", "a{sv}", [], {"session_handle_token": ("s", token)})
        self._session = str(made["session_handle"])
        await self._requested("SelectSources", "oa{sv}", [self._session], wanted)

    async def _start(self, within_s: float) -> Mapping[str, Any]:
        """Let the user choose."""
        _log.info("the desktop asks what may be captured")
        try:
            async with asyncio.timeout(within_s):
                return await self._requested("Start", "osa{sv}", [self._session, ""], {})
        except TimeoutError:
            sentence = f"nobody has answered the dialogue of the desktop within {within_s:g} s"
            raise NotAllowedError(sentence, hints=["choose what may be captured in the dialogue"]) from None

    async def _open_remote(self) -> int:
        reply = await self._call("OpenPipeWireRemote", "oa{sv}", [self._session, {}])
        return int(reply.unix_fds[reply.body[0]])

    def _on_message(self, message: Message) -> None:
        what = message.interface, message.member
        if what == (f"{_ROOT}.Request", "Response"):
            answer = self._requests.get(message.path or "")
            if answer is not None and not answer.done():
                code, found = message.body
                answer.set_result((code, _plain(found)))
        elif what == (f"{_ROOT}.Session", "Closed") and message.path == self._session:
            self.stopped_by_user = True
            self._end()
        elif what == (_BUS_NAME, "NameOwnerChanged") and message.body[0] == _NAME and message.body[1] and not message.body[2]:
            self._lose("the portal of the desktop is gone")

    def _send(self, member: str, path: str, interface: str) -> None:
        """Send what needs no answer."""
        from dbus_fast import Message, MessageFlag

        if self._bus is not None and self._bus.connected:
            flags = MessageFlag.NO_REPLY_EXPECTED
            self._bus.send(Message(destination=_NAME, path=path, interface=interface, member=member, flags=flags))

    async def _disconnect(self) -> None:
        if self._bus is None:
            return
        if self._session and not self.stopped_by_user:
            self._send("Close", self._session, f"{_ROOT}.Session")
        others = asyncio.all_tasks() - {asyncio.current_task(), self._lifeline}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        self._bus.disconnect()
        with suppress(TimeoutError):
            async with asyncio.timeout(PORTAL_S):
                await self._lifeline


def _check_library() -> None:
    try:
        import dbus_fast  # noqa: F401
    except ImportError as failure:
        hints = ["install it: pip install 'mscli[screen]'", _ON_X11]
        raise NotSupportedError("capturing the screen on Wayland needs dbus-fast", hints=hints) from failure


def _bus_address() -> str:
    """Return the address of the session bus. Raises NotFoundError."""
    given, folder = os.environ.get("DBUS_SESSION_BUS_ADDRESS", ""), os.environ.get("XDG_RUNTIME_DIR", "")
    usual = os.path.join(folder, "bus")
    if not given and not (folder and os.path.exists(usual)):
        raise NotFoundError("there is no session bus to ask for the screen", hints=[_SESSION])
    return given or f"unix:path={usual}"


def _translated(name: str, text: str) -> DOMException:
    """Return the error for one of D-Bus."""
    if any(word in name for word in _ABSENT):
        return NotFoundError(f"this desktop has no portal to capture the screen: {text}", hints=[_INSTALL, _ON_X11])
    if any(name.endswith(word) for word in _WITHOUT_CASTS):
        return NotFoundError(f"the portal of this desktop does not capture the screen: {text}", hints=[_INSTALL, _ON_X11])
    if any(name.endswith(word) for word in _DENIED):
        return NotAllowedError(f"the desktop does not let this program capture the screen: {text}")
    return NotReadableError(f"the portal of the desktop has failed: {text or name}")


def _plain(found: Mapping[str, Any]) -> dict[str, Any]:
    return {name: variant.value for name, variant in found.items()}


def _variants(options: Mapping[str, tuple[str, object]]) -> dict[str, Any]:
    from dbus_fast import Variant

    return {name: Variant(*given) for name, given in options.items()}
