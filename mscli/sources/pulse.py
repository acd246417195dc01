"""The sources and sinks of a sound server, PulseAudio or PipeWire in its place, asked for through libpulse.

https://www.freedesktop.org/software/pulseaudio/doxygen/introspect.html. PortAudio sees the server as the one device ``pulse``;
this is how its parts get their own names. A look takes a few milliseconds, starts no server and is bounded in time.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from ctypes import POINTER, c_char_p, c_int, c_uint8, c_uint32, c_uint64, c_void_p
from functools import cache
from typing import Any, NamedTuple

from mscli.core.clock import MICROSECONDS

TIMEOUT_S = 1.0
LIBRARY = "libpulse.so.0"

_NO_AUTOSPAWN = 1  # pa_context_flags
READY, _FAILED, _TERMINATED = 4, 5, 6  # pa_context_state
_RUNNING = 0  # pa_operation_state
_FIRST_WIDE_FORMAT = 5  # pa_sample_format: from PA_SAMPLE_FLOAT32LE on, all have more than 16 bits


class NoServer(Exception):
    """There is no sound server, or no libpulse to reach it with."""


class SilentServer(Exception):
    """There is a sound server, but it does not answer in time."""


class Node(NamedTuple):
    """A source (records) or a sink (plays) of the server. ``name`` is what it is addressed by and survives a reboot."""

    name: str
    description: str
    sink: str  # the sink that it is or whose sound it records; empty for a microphone
    rate: int  # Hz
    channels: int
    wide: bool  # whether a sample has more than 16 bits
    default: bool
    card: str  # the number of the ALSA card behind it, if it is one
    place: str  # on that card: its device's number and the profile in effect


class Server(NamedTuple):
    """What the server has, in its own order."""

    sources: tuple[Node, ...]
    sinks: tuple[Node, ...]


class _SampleSpec(ctypes.Structure):
    _fields_ = (("format", c_int), ("rate", c_uint32), ("channels", c_uint8))


class _ChannelMap(ctypes.Structure):
    _fields_ = (("channels", c_uint8), ("map", c_int * 32))


class _Volume(ctypes.Structure):
    _fields_ = (("channels", c_uint8), ("values", c_uint32 * 32))


class _NodeInfo(ctypes.Structure):
    """The head of pa_source_info, which is that of pa_sink_info too but for the meaning of ``other``."""

    _fields_ = (
        ("name", c_char_p),
        ("index", c_uint32),
        ("description", c_char_p),
        ("sample_spec", _SampleSpec),
        ("channel_map", _ChannelMap),
        ("owner_module", c_uint32),
        ("volume", _Volume),
        ("mute", c_int),
        ("other", c_uint32),
        ("other_name", c_char_p),  # a source: the sink whose monitor it is, or NULL; a sink: its monitor
        ("latency", c_uint64),
        ("driver", c_char_p),
        ("flags", c_int),
        ("proplist", c_void_p),
    )


class _ServerInfo(ctypes.Structure):
    """The head of pa_server_info."""

    _fields_ = (
        ("user_name", c_char_p),
        ("host_name", c_char_p),
        ("server_version", c_char_p),
        ("server_name", c_char_p),
        ("sample_spec", _SampleSpec),
        ("default_sink_name", c_char_p),
        ("default_source_name", c_char_p),
    )


_NODE_CALLBACK = ctypes.CFUNCTYPE(None, c_void_p, POINTER(_NodeInfo), c_int, c_void_p)
_SERVER_CALLBACK = ctypes.CFUNCTYPE(None, c_void_p, POINTER(_ServerInfo), c_void_p)
EVENT_CALLBACK = ctypes.CFUNCTYPE(None, c_void_p, c_int, c_uint32, c_void_p)

_FUNCTIONS: Mapping[str, tuple[Any, tuple[Any, ...]]] = {
    "pa_mainloop_new": (c_void_p, ()),
    "pa_mainloop_free": (None, (c_void_p,)),
    "pa_mainloop_get_api": (c_void_p, (c_void_p,)),
    "pa_mainloop_prepare": (c_int, (c_void_p, c_int)),
    "pa_mainloop_poll": (c_int, (c_void_p,)),
    "pa_mainloop_dispatch": (c_int, (c_void_p,)),
    "pa_mainloop_wakeup": (None, (c_void_p,)),
    "pa_context_new": (c_void_p, (c_void_p, c_char_p)),
    "pa_context_connect": (c_int, (c_void_p, c_char_p, c_int, c_void_p)),
    "pa_context_get_state": (c_int, (c_void_p,)),
    "pa_context_disconnect": (None, (c_void_p,)),
    "pa_context_unref": (None, (c_void_p,)),
    "pa_context_get_server_info": (c_void_p, (c_void_p, _SERVER_CALLBACK, c_void_p)),
    "pa_context_get_source_info_list": (c_void_p, (c_void_p, _NODE_CALLBACK, c_void_p)),
    "pa_context_get_sink_info_list": (c_void_p, (c_void_p, _NODE_CALLBACK, c_void_p)),
    "pa_context_set_subscribe_callback": (None, (c_void_p, EVENT_CALLBACK, c_void_p)),
    "pa_context_subscribe": (c_void_p, (c_void_p, c_int, c_void_p, c_void_p)),
    "pa_operation_get_state": (c_int, (c_void_p,)),
    "pa_operation_unref": (None, (c_void_p,)),
    "pa_proplist_gets": (c_char_p, (c_void_p, c_char_p)),
}


def look(timeout_s: float = TIMEOUT_S) -> Server:
    """What the server has now. Raises NoServer, or SilentServer when it did not answer within ``timeout_s`` seconds."""
    pulse = library()
    with connected(pulse, time.monotonic() + timeout_s) as connection:
        return _ask(pulse, connection)


@cache
def library() -> Any:
    """libpulse, its functions described. Raises NoServer where there is none."""
    try:
        loaded = ctypes.CDLL(LIBRARY)
    except OSError as error:
        raise NoServer(str(error)) from error
    for name, (result, arguments) in _FUNCTIONS.items():
        function = getattr(loaded, name)
        function.restype, function.argtypes = result, arguments
    return loaded


class Connection(NamedTuple):
    """A loop and a connection in it, of one thread. ``wait_until`` runs the loop; raises NoServer, SilentServer."""

    loop: int
    context: int
    wait_until: Callable[[Callable[[], bool]], None]


@contextmanager
def connected(pulse: Any, deadline: float) -> Iterator[Connection]:
    """A connection to the server, if it answers until then (``time.monotonic``). Raises NoServer, SilentServer."""
    loop = not_null(pulse.pa_mainloop_new())
    try:
        context = not_null(pulse.pa_context_new(pulse.pa_mainloop_get_api(loop), b"mscli"))
        try:
            wait_until = _waiter(pulse, loop, context, deadline)
            pulse.pa_context_connect(context, None, _NO_AUTOSPAWN, None)
            wait_until(lambda: pulse.pa_context_get_state(context) == READY)
            yield Connection(loop, context, wait_until)
        finally:
            pulse.pa_context_disconnect(context)
            pulse.pa_context_unref(context)
    finally:
        pulse.pa_mainloop_free(loop)


def not_null(pointer: int | None) -> int:
    """libpulse aborts the process when it is handed a null pointer that it returned itself."""
    if pointer is None:
        raise NoServer("libpulse cannot be used here: no descriptor is left, or the process was forked")
    return pointer


def _waiter(pulse: Any, loop: int, context: int, deadline: float) -> Callable[[Callable[[], bool]], None]:
    def wait_until(done: Callable[[], bool]) -> None:
        while not done():
            if pulse.pa_context_get_state(context) in (_FAILED, _TERMINATED):
                raise NoServer("the connection to the sound server was refused or lost")
            left_us = int((deadline - time.monotonic()) * MICROSECONDS)
            if left_us <= 0:
                raise SilentServer("the sound server does not answer")
            pulse.pa_mainloop_prepare(loop, left_us)
            pulse.pa_mainloop_poll(loop)
            pulse.pa_mainloop_dispatch(loop)

    return wait_until


def _ask(pulse: Any, connection: Connection) -> Server:
    defaults: list[str] = []
    sources: list[Node] = []
    sinks: list[Node] = []
    context = connection.context
    asked = (
        (pulse.pa_context_get_server_info, _SERVER_CALLBACK(_read_defaults(defaults))),  # answered first: asked first
        (pulse.pa_context_get_source_info_list, _NODE_CALLBACK(_read_nodes(pulse, sources, defaults, is_sink=False))),
        (pulse.pa_context_get_sink_info_list, _NODE_CALLBACK(_read_nodes(pulse, sinks, defaults, is_sink=True))),
    )
    operations = [not_null(function(context, callback, None)) for function, callback in asked]
    try:
        connection.wait_until(lambda: all(pulse.pa_operation_get_state(each) != _RUNNING for each in operations))
    finally:
        for operation in operations:
            pulse.pa_operation_unref(operation)
    return Server(tuple(sources), tuple(sinks))


def _read_defaults(into: list[str]) -> Callable[..., None]:
    def on_server(_context: int, info: Any, _data: int) -> None:
        if info:
            into.extend((_text(info[0].default_source_name), _text(info[0].default_sink_name)))

    return on_server


def _read_nodes(pulse: Any, into: list[Node], defaults: list[str], *, is_sink: bool) -> Callable[..., None]:
    def on_node(_context: int, info: Any, end: int, _data: int) -> None:
        if info and not end:
            into.append(_node(pulse, info[0], defaults, is_sink=is_sink))

    return on_node


def _node(pulse: Any, info: Any, defaults: list[str], *, is_sink: bool) -> Node:
    name, spec = _text(info.name), info.sample_spec
    return Node(
        name=name,
        description=_text(info.description) or name,
        sink=name if is_sink else _text(info.other_name),
        rate=spec.rate,
        channels=spec.channels,
        wide=spec.format >= _FIRST_WIDE_FORMAT,
        default=name in defaults[is_sink:][:1],
        card=_text(pulse.pa_proplist_gets(info.proplist, b"alsa.card")),
        place=" ".join(_text(pulse.pa_proplist_gets(info.proplist, key)) for key in (b"alsa.device", b"device.profile.name")),
    )


def _text(value: bytes | None) -> str:
    return (value or b"").decode(errors="replace")
