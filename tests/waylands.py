"""A Wayland desktop without a compositor: a session bus, PipeWire, a portal that tests answer for, and nodes that they draw."""

from __future__ import annotations

import asyncio
import ctypes
import os
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from ctypes import POINTER, c_uint32, c_void_p
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Condition, Thread
from typing import Any

from mscli.sources.screen import pipewire, pods
from mscli.sources.screen.pipewire import PIXEL_BYTES, Loop, StreamBuffer, libpipewire, pod_array
from tests.conftest import require

SIZE = 64, 48
BGRX, RGBX, BGRA, RGBA = 8, 7, 12, 11  # spa_video_format
HIDDEN, EMBEDDED, METADATA = 1, 2, 4
WAIT_S = 20.0  # after which a test that waits has failed
CHOSEN, CANCELLED, FAILED, SILENT = 0, 1, 2, -1  # how the user answers

_PORTAL, _PATH = "org.freedesktop.portal.Desktop", "/org/freedesktop/portal/desktop"
_OUTPUT, _DRIVER, _MAP_BUFFERS = 1, 1 << 3, 1 << 2
_HEADER, _CROP, _CURSOR = 1, 2, 5
_POINTER_SIDE = 4
_BEAT_S = 0.005  # how often a node passes on what it has drawn, as a compositor does at the rate of its monitor
_MODIFIER, _MANDATORY = 0x20002, 1 << 3


_CONFIGURATION = """
context.properties = { core.daemon = true, core.name = pipewire-0 }
context.spa-libs = { support.* = support/libspa-support }
context.modules = [
    { name = libpipewire-module-protocol-native }
    { name = libpipewire-module-metadata }
    { name = libpipewire-module-spa-node-factory }
    { name = libpipewire-module-client-node }
    { name = libpipewire-module-access }
    { name = libpipewire-module-link-factory }
    { name = libpipewire-module-session-manager }
]
"""  # without what follows the real portal


class Node:
    """A node of PipeWire: what a compositor draws. It sends a picture when a test draws one.

    ``formats``: the pixel formats that it offers. ``modifier``: whether it only has pictures in the memory of a graphics card.
    ``first``: the colour of a picture that each new reader gets, or None.
    """

    def __init__(
        self,
        remote: int,
        size: tuple[int, int] = SIZE,
        formats: tuple[int, ...] = (BGRX,),
        *,
        modifier: bool = False,
        first: int | None = None,
    ) -> None:
        self.number = 0
        self.states: list[int] = []
        self.format = (0, 0, 0)
        self._size, self._formats, self._modifier, self._first = size, formats, modifier, first
        self._tasks: SimpleQueue[Callable[[], object]] = SimpleQueue()
        self._changed = Condition()
        self._sequence = 0
        self._closed = self._has_buffers = False
        self._loop = Loop()
        self._thread = Thread(target=self._run, args=(remote,), name="node", daemon=True)
        self._thread.start()
        self.wait_until(lambda: self.number > 0, "a number for the node")

    def wait_until(self, is_so: Callable[[], bool], what: str) -> None:
        """Wait until something is so. It fails if it never is."""
        with self._changed:
            assert self._changed.wait_for(is_so, WAIT_S), f"never: {what}"

    def wait_for_reader(self) -> None:
        """Wait until somebody takes the pictures."""
        self.wait_until(lambda: self.states[-1:] == [pipewire.STREAMING], "a reader")

    def draw(
        self, pixel: int, *, late_us: int = 0, lost: int = 0, pointer: Any = None, crop: Any = None, empty: bool = False
    ) -> int:
        """Send a picture of one colour (0xRRGGBB). Return its time in microseconds.

        ``late_us``: how old it is. ``lost``: pictures that were not sent before it. ``pointer``: its place, or that and its
        colour. ``crop``: the part of it that counts. ``empty``: whether only the pointer is sent.
        """
        self.wait_for_reader()
        at_ns = time.monotonic_ns() - late_us * 1000
        self._sequence += 1 + lost
        sent = SimpleQueue[BaseException | None]()
        number = self._sequence

        def send() -> None:
            try:
                self._send(pixel, at_ns, number, pointer, crop, empty)
            except BaseException as failure:
                sent.put(failure)
            else:
                sent.put(None)

        self._do(send)
        failure = sent.get(timeout=WAIT_S)
        if failure is not None:
            raise failure
        return at_ns // 1000

    def redraw(self, pixel: int, is_so: Callable[[], bool], what: str) -> None:
        """Draw again and again until something is so. PipeWire may drop a picture after a change of size."""

        def drawn() -> bool:
            self.draw(pixel)
            return is_so()

        wait_for(drawn, what)

    def resize(self, width: int, height: int) -> None:
        """Change the size of the pictures."""
        self._do(lambda: self._offer((width, height)))
        self.wait_until(lambda: self.format[1:] == (width, height), "the new size")

    def pause(self) -> None:
        """Stop sending, as a compositor does with a window that is not shown."""
        self._do(lambda: libpipewire().pw_stream_set_active(self._stream, False))
        self.wait_until(lambda: self.states[-1] == pipewire.PAUSED, "a pause")

    def resume(self) -> None:
        """Send again."""
        self._do(lambda: libpipewire().pw_stream_set_active(self._stream, True))
        self.wait_for_reader()

    def close(self) -> None:
        """Remove the node."""
        if not self._closed:
            self._do(lambda: setattr(self, "_closed", True))
            self._thread.join()
            self._loop.close()

    def _do(self, task: Callable[[], object]) -> None:
        self._tasks.put(task)
        os.eventfd_write(self._loop._woken, 1)

    # On its own thread

    def _run(self, remote: int) -> None:
        pw = libpipewire()
        pw.pw_stream_get_node_id.restype = c_uint32
        pw.pw_stream_get_node_id.argtypes = (c_void_p,)
        pw.pw_stream_set_active.argtypes = (c_void_p, ctypes.c_bool)
        context = pw.pw_context_new(self._loop.pointer, None, 0)
        core = pw.pw_context_connect_fd(context, remote, None, 0)
        properties = pw.pw_properties_new_string(b"media.class=Video/Source node.name=screen")
        self._stream = pw.pw_stream_new(core, b"screen", properties)
        hook = ctypes.create_string_buffer(64)
        events = pipewire._Events(
            version=2,
            state_changed=pipewire._ON_STATE(self._on_state),
            param_changed=pipewire._ON_PARAM(self._on_param),
            add_buffer=pipewire._ON_BUFFER(self._on_buffer),
        )
        pw.pw_stream_add_listener(self._stream, hook, ctypes.byref(events), None)
        pw.pw_stream_connect(self._stream, _OUTPUT, 0xFFFFFFFF, _DRIVER | _MAP_BUFFERS, *pod_array(*self._offered(self._size)))
        with self._loop.entered():
            while not self._closed:
                is_read = self.states[-1:] == [pipewire.STREAMING]
                if is_read:
                    pw.pw_stream_trigger_process(self._stream)  # again: the reader may not have been ready for the last picture
                self._loop.run(_BEAT_S if is_read else None)
                with suppress(BlockingIOError):
                    os.eventfd_read(self._loop._woken)
                with suppress(Empty):
                    while True:
                        self._tasks.get_nowait()()
        pw.pw_stream_disconnect(self._stream)
        pw.pw_stream_destroy(self._stream)
        pw.pw_core_disconnect(core)
        pw.pw_context_destroy(context)

    def _offered(self, size: tuple[int, int]) -> list[bytes]:
        modifier = {_MODIFIER: pods._pod(5, bytes(8))} if self._modifier else {}
        offered = [
            pods.an_object(
                pods.FORMAT,
                3,
                {
                    1: pods.identifier(2),
                    2: pods.identifier(1),
                    0x20001: pods.identifier(one),
                    **modifier,
                    0x20003: pods.rectangle(*size),
                    0x20004: pods.fraction(0),
                    0x20005: pods.a_range(pods.fraction(60), pods.fraction(1), pods.fraction(120)),
                },
            )
            for one in self._formats
        ]
        return [one.replace(struct.pack("<II", _MODIFIER, 0), struct.pack("<II", _MODIFIER, _MANDATORY)) for one in offered]

    def _offer(self, size: tuple[int, int]) -> None:
        libpipewire().pw_stream_update_params(self._stream, *pod_array(*self._offered(size)))

    def _on_state(self, _data: int, _old: int, state: int, _error: bytes | None) -> None:
        with self._changed:
            self.states.append(state)
            number = libpipewire().pw_stream_get_node_id(self._stream)
            if state >= pipewire.PAUSED and number != 0xFFFFFFFF:
                self.number = number
            self._changed.notify_all()
        if state == pipewire.STREAMING and self._first is not None:
            self._tasks.put(lambda: self._send(self._first or 0, time.monotonic_ns(), 1, None, None, False))

    def _on_param(self, _data: int, name: int, pod: int | None) -> None:
        if name != 4 or not pod:
            return
        found = pods.read_object(ctypes.string_at(pod, 8 + c_uint32.from_address(pod).value))
        (pixels,), (width, height) = found[0x20001], found[0x20003]
        stride = width * PIXEL_BYTES
        buffers = {
            1: pods.a_range(pods.integer(4), pods.integer(2), pods.integer(8)),
            2: pods.integer(1),
            3: pods.integer(stride * height),
            4: pods.integer(stride),
            6: pods.some_of(1 << 2),
        }
        metas = [(_HEADER, 32), (_CROP, 16), (_CURSOR, 28 + 20 + _POINTER_SIDE**2 * PIXEL_BYTES)]
        params = [pods.an_object(pods.META, 6, {1: pods.identifier(kind), 2: pods.integer(size)}) for kind, size in metas]
        libpipewire().pw_stream_update_params(self._stream, *pod_array(pods.an_object(pods.BUFFERS, 5, buffers), *params))
        with self._changed:
            self.format, self._has_buffers = (pixels, width, height), False
            self._changed.notify_all()

    def _on_buffer(self, _data: int, _buffer: int) -> None:
        self._has_buffers = True

    def _send(self, pixel: int, at_ns: int, number: int, pointer: Any, crop: Any, empty: bool) -> None:
        pw = libpipewire()
        until_s = time.monotonic() + WAIT_S
        while not self._has_buffers or not (taken := pw.pw_stream_dequeue_buffer(self._stream)):
            assert time.monotonic() < until_s, "the reader gives no buffer back"
            pw.pw_stream_trigger_process(self._stream)
            self._loop.run(_BEAT_S)
        buffer = ctypes.cast(taken, POINTER(StreamBuffer)).contents.buffer.contents
        data, (pixels, width, height) = buffer.datas[0], self.format
        chunk = data.chunk.contents
        chunk.offset, chunk.stride, chunk.size, chunk.flags = (
            0,
            width * PIXEL_BYTES,
            0 if empty else width * height * PIXEL_BYTES,
            0,
        )
        if not empty:
            order = "big" if pixels in (RGBX, RGBA) else "little"
            one = pixel.to_bytes(3, order) + b"\x7f"  # type: ignore[arg-type]
            ctypes.memmove(data.data, one * (width * height), chunk.size)
            if crop:
                x, y, across, down = crop
                for row in range(y, y + down):
                    start = data.data + row * chunk.stride + x * PIXEL_BYTES
                    ctypes.memmove(start, (0xFFFFFF).to_bytes(4, "little") * across, across * PIXEL_BYTES)
        header = pipewire._meta_of(buffer, _HEADER, pipewire._Header)
        if header is not None:
            header.pts, header.seq, header.flags = at_ns, number, 0
        region = pipewire._meta_of(buffer, _CROP, pipewire._CropRegion)
        if region is not None:
            region.x, region.y, region.width, region.height = crop or (0, 0, 0, 0)
        self._point(buffer, pointer)
        pw.pw_stream_queue_buffer(self._stream, taken)

    def _point(self, buffer: Any, pointer: Any) -> None:
        cursor = pipewire._meta_of(buffer, _CURSOR, pipewire._Cursor)
        if cursor is None:
            return
        cursor.id = 1 if pointer else 0
        if not pointer:
            return
        cursor.x, cursor.y, cursor.hot_x, cursor.hot_y = pointer[0], pointer[1], 1, 1
        cursor.bitmap_offset = 28 if len(pointer) > 2 else 0
        if len(pointer) > 2:
            start = ctypes.addressof(cursor)
            bitmap = pipewire._Bitmap.from_address(start + 28)
            bitmap.format, bitmap.width, bitmap.height = BGRA, _POINTER_SIDE, _POINTER_SIDE
            bitmap.stride, bitmap.offset = _POINTER_SIDE * PIXEL_BYTES, 20
            one = pointer[2].to_bytes(3, "little") + b"\xff"
            ctypes.memmove(start + 48, one * _POINTER_SIDE**2, PIXEL_BYTES * _POINTER_SIDE**2)


class FakePortal:
    """A portal for screen casts. Tests say how the user answers, and see what was asked.

    ``answer``: CHOSEN, CANCELLED, FAILED or SILENT. ``node``: what is chosen. ``tokens``: those that restore a choice.
    """

    def __init__(self, address: str, runtime: Path) -> None:
        self.answer, self.node, self.kind, self.size = CHOSEN, 0, 1, SIZE
        self.facts = {"version": 5, "AvailableSourceTypes": 3, "AvailableCursorModes": HIDDEN | EMBEDDED | METADATA}
        self.error = ""  # the name of an error of D-Bus, instead of a session
        self.asked: list[dict[str, Any]] = []  # what SelectSources was called with
        self.dialogues = 0  # shown: no token was given, or one that no longer holds
        self.open_dialogues = 0
        self.sessions: set[str] = set()
        self.tokens: set[str] = set()
        self._address, self._runtime = address, runtime
        self._changed = Condition()
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, name="portal", daemon=True)
        self._thread.start()
        self._do(self._connect())

    def wait_until(self, is_so: Callable[[], bool], what: str) -> None:
        """Wait until something is so. It fails if it never is."""
        with self._changed:
            assert self._changed.wait_for(is_so, WAIT_S), f"never: {what}"

    def stop_sharing(self) -> None:
        """End all sessions, as the user of a desktop does."""
        self._do(self._end_sessions())

    def close(self) -> None:
        """Leave the bus. Safe to call twice."""
        if self._thread.is_alive():
            self._do(self._leave())
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    def _do(self, what: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(what, self._loop).result(WAIT_S)

    async def _connect(self) -> None:
        from dbus_fast.aio import MessageBus

        self._bus = MessageBus(bus_address=self._address, negotiate_unix_fd=True)
        await self._bus.connect()
        self._bus.add_message_handler(self._on_message)
        await self._bus.request_name(_PORTAL)

    async def _leave(self) -> None:
        self._bus.disconnect()
        with suppress(Exception):
            await self._bus.wait_for_disconnect()  # type: ignore[no-untyped-call]

    async def _end_sessions(self) -> None:
        for path in tuple(self.sessions):
            self._signal(path, "org.freedesktop.portal.Session", "Closed", "", [])
        self._note(self.sessions.clear)

    def _note(self, change: Callable[[], object]) -> None:
        with self._changed:
            change()
            self._changed.notify_all()

    def _signal(self, path: str, interface: str, member: str, signature: str, body: list[Any]) -> None:
        from dbus_fast import Message

        self._bus.send(Message.new_signal(path, interface, member, signature, body))

    def _on_message(self, message: Any) -> Any:
        from dbus_fast import Message, MessageType

        if message.message_type is not MessageType.METHOD_CALL or message.sender is None:
            return None
        answers = {
            "GetAll": self._get_all, "CreateSession": self._create, "SelectSources": self._select, "Start": self._start,
            "OpenPipeWireRemote": self._open_remote, "Close": self._close,
        }  # fmt: skip
        answer = answers.get(message.member)
        if answer is None:
            return None
        if self.error:
            return Message.new_error(message, self.error, "the test says so")
        return answer(message)

    def _get_all(self, message: Any) -> Any:
        from dbus_fast import Message, Variant

        return Message.new_method_return(message, "a{sv}", [{name: Variant("u", value) for name, value in self.facts.items()}])

    def _request(self, message: Any, code: int, results: dict[str, Any]) -> Any:
        """Return the path of a request, and answer it after that, unless nobody does."""
        from dbus_fast import Message

        token = message.body[-1]["handle_token"].value
        path = f"{_PATH}/request/{message.sender[1:].replace('.', '_')}/{token}"
        if code != SILENT:
            body = [code, results]
            self._loop.call_soon(self._signal, path, "org.freedesktop.portal.Request", "Response", "ua{sv}", body)
        return Message.new_method_return(message, "o", [path])

    def _create(self, message: Any) -> Any:
        from dbus_fast import Variant

        token = message.body[0]["session_handle_token"].value
        path = f"{_PATH}/session/{message.sender[1:].replace('.', '_')}/{token}"
        self._note(lambda: self.sessions.add(path))
        return self._request(message, CHOSEN, {"session_handle": Variant("s", path)})

    def _select(self, message: Any) -> Any:
        options = {name: variant.value for name, variant in message.body[1].items() if name != "handle_token"}
        self._note(lambda: self.asked.append(options))
        return self._request(message, CHOSEN, {})

    def _start(self, message: Any) -> Any:
        from dbus_fast import Variant

        token = self.asked[-1].get("restore_token")
        restored = token in self.tokens
        code = CHOSEN if restored else self.answer
        if not restored:
            self._note(self._show_dialogue)
        results: dict[str, Any] = {}
        if code == CHOSEN:
            facts = {"source_type": Variant("u", self.kind), "size": Variant("(ii)", list(self.size))}
            results["streams"] = Variant("a(ua{sv})", [[self.node, facts]])
            self.tokens.discard(token)
            if self.asked[-1].get("persist_mode"):
                fresh = f"token{len(self.asked)}"
                self.tokens.add(fresh)
                results["restore_token"] = Variant("s", fresh)
        return self._request(message, code, results)

    def _show_dialogue(self) -> None:
        self.dialogues += 1
        self.open_dialogues += self.answer == SILENT

    def _open_remote(self, message: Any) -> Any:
        from dbus_fast import Message

        remote = connected(self._runtime)
        sent = self._bus.send(Message.new_method_return(message, "h", [0], unix_fds=[remote]))
        sent.add_done_callback(lambda _: os.close(remote))
        return True

    def _close(self, message: Any) -> Any:
        from dbus_fast import Message

        if message.interface.endswith("Request"):
            self._note(lambda: setattr(self, "open_dialogues", self.open_dialogues - 1))
        else:
            self._note(lambda: self.sessions.discard(message.path))
        return Message.new_method_return(message)


def connected(runtime: Path) -> int:
    """Return a socket that is connected to PipeWire."""
    with socket.socket(socket.AF_UNIX) as end:
        end.connect(str(runtime / "pipewire-0"))
        return end.detach()


class Desktop:
    """A session bus, PipeWire with its session manager, and a portal. ``environment``: for programs in the session."""

    def __init__(self, folder: Path) -> None:
        require("dbus-daemon", "pipewire", "wireplumber")
        self.folder = folder
        self._ending = ExitStack()
        self.environment = {
            "XDG_RUNTIME_DIR": str(folder), "XDG_STATE_HOME": str(folder / "state"), "HOME": str(folder),
            "WAYLAND_DISPLAY": "wayland-9", "DISPLAY": "",
        }  # fmt: skip
        try:
            self._begin()
        except BaseException:
            self.close()
            raise

    def _begin(self) -> None:
        bus = subprocess.Popen(["dbus-daemon", "--session", "--nofork", "--print-address"], **_ASIDE, text=True)
        self._ending.callback(_end, bus)
        assert bus.stdout is not None
        self.environment["DBUS_SESSION_BUS_ADDRESS"] = bus.stdout.readline().strip()
        (self.folder / "pipewire.conf").write_text(_CONFIGURATION)
        self.pipewire = self._started("pipewire", "-c", str(self.folder / "pipewire.conf"))
        wait_for((self.folder / "pipewire-0").is_socket, "PipeWire")
        self._started("wireplumber", "-c", "policy.conf")
        self.portal = self.new_portal()
        self._ending.callback(lambda: self.portal.close())

    @property
    def bus(self) -> str:
        """Return the address of the session bus."""
        return self.environment["DBUS_SESSION_BUS_ADDRESS"]

    def new_portal(self) -> FakePortal:
        """Return a portal that has just been started."""
        return FakePortal(self.bus, self.folder)

    def _started(self, *command: str) -> subprocess.Popen[bytes]:
        environment = {**os.environ, **self.environment}
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._ending.callback(_end, process)
        return process

    @contextmanager
    def node(self, size: tuple[int, int] = SIZE, formats: tuple[int, ...] = (BGRX,), **more: Any) -> Iterator[Node]:
        """Yield a node, which the user of the portal chooses from now on. ``more``: as of ``Node``."""
        node = Node(connected(self.folder), size, formats, **more)
        self.portal.node, self.portal.size = node.number, size
        try:
            yield node
        finally:
            node.close()

    def close(self) -> None:
        """End everything."""
        self._ending.close()


_ASIDE: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}


def _end(process: subprocess.Popen[Any]) -> None:
    process.send_signal(signal.SIGKILL)
    process.wait()
    if process.stdout is not None:
        process.stdout.close()


def wait_for(is_so: Callable[[], bool], what: str) -> None:
    """Wait until something is so that nobody reports. It fails if it never is."""
    until_s = time.monotonic() + WAIT_S
    while not is_so():
        assert time.monotonic() < until_s, f"never: {what}"
        time.sleep(0.01)


@contextmanager
def desktop() -> Iterator[Desktop]:
    """Start a desktop, and end it afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="mscli-"))
    try:
        started = Desktop(folder)
        try:
            yield started
        finally:
            started.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
