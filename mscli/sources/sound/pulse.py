"""The sources and sinks of a sound server (PulseAudio, or PipeWire in its place), queried through libpulse.

https://www.freedesktop.org/software/pulseaudio/doxygen/introspect.html. PortAudio only sees the server as one device,
``pulse``; this module finds its parts and their names. A query takes a few milliseconds, starts no server and has a time limit.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from ctypes import POINTER, c_char_p, c_int, c_size_t, c_uint8, c_uint32, c_uint64, c_void_p
from functools import cache
from typing import Any

from mscli.core.clock import MICROSECONDS
from mscli.core.limits import SERVER_S
from mscli.core.log import Log
from mscli.core.tuples import NamedTuple

LIBRARY = "libpulse.so.0"

# pa_channel_position_t in FFmpeg's order → FFmpeg's layout. Side positions count as rear positions.
_FL, _FR, _FC, _RC, _RL, _RR, _LFE, _FLC, _FRC, _SL, _SR = 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
_LAYOUTS = {
    (_FL, _FR): "",
    (_FL, _FR, _LFE): "2.1",
    (_FL, _FR, _FC): "3.0",
    (_FL, _FR, _RC): "3.0(back)",
    (_FL, _FR, _FC, _LFE): "3.1",
    (_FL, _FR, _FC, _RC): "4.0",
    (_FL, _FR, _RL, _RR): "quad",
    (_FL, _FR, _SL, _SR): "quad",
    (_FL, _FR, _FC, _LFE, _RC): "4.1",
    (_FL, _FR, _FC, _RL, _RR): "5.0",
    (_FL, _FR, _FC, _SL, _SR): "5.0",
    (_FL, _FR, _FC, _LFE, _RL, _RR): "5.1",
    (_FL, _FR, _FC, _LFE, _SL, _SR): "5.1",
    (_FL, _FR, _FC, _RC, _SL, _SR): "6.0",
    (_FL, _FR, _FC, _RL, _RR, _RC): "hexagonal",
    (_FL, _FR, _FC, _RL, _RR, _SL, _SR): "7.0",
    (_FL, _FR, _FC, _LFE, _RC, _SL, _SR): "6.1",
    (_FL, _FR, _FC, _LFE, _RL, _RR, _SL, _SR): "7.1",
    (_FL, _FR, _FC, _LFE, _RL, _RR, _FLC, _FRC): "7.1(wide)",
    (_FL, _FR, _FC, _RL, _RR, _RC, _SL, _SR): "octagonal",
}
# All that FFmpeg has, in its order, which is that of the bits in the mask of a WAV file
_ORDER = (_FL, _FR, _FC, _LFE, _RL, _RR, _FLC, _FRC, _RC, _SL, _SR, 44, 45, 47, 46, 48, 50, 49)
# FFmpeg's names of pa_channel_position_t; the rest are AUX0, AUX1, ...
_NAMES = {
    0: "FC", _FL: "FL", _FR: "FR", _FC: "FC", _RC: "BC", _RL: "BL", _RR: "BR", _LFE: "LFE", _FLC: "FLC", _FRC: "FRC",
    _SL: "SL", _SR: "SR",
    44: "TC", 45: "TFL", 46: "TFR", 47: "TFC", 48: "TBL", 49: "TBR", 50: "TBC",
}  # fmt: skip
_AUX0 = 12
_BY_POSITIONS = {tuple(sorted(row)): (row, name) for row, name in _LAYOUTS.items()}

_NO_AUTOSPAWN = 1  # pa_context_flags
READY, _FAILED, _TERMINATED = 4, 5, 6  # pa_context_state
_RUNNING = 0  # pa_operation_state
# pa_sample_format with more than 16 bits, little and big endian
_FLOATS, _BITS_24 = (5, 6), (9, 10, 11, 12)
_FIRST_WIDE_FORMAT = 5

_log = Log("sound")


class NoServer(Exception):
    """An error: no sound server runs, or libpulse is missing."""


class SilentServer(Exception):
    """A sound server runs but does not answer in time."""


class ServerNode(NamedTuple):
    """A source (records) or a sink (plays) of the server. ``name`` is its address and survives a reboot."""

    name: str
    description: str
    sink: str  # the sink that it is or whose sound it records; empty for a microphone
    rate: int  # Hz
    channels: int
    sizes: tuple[int, ...]  # the bits of its samples, and fewer
    floating: bool  # whether its samples are floating-point numbers
    default: bool
    card: str  # the number of its ALSA card, if it has one
    place: str  # on that card: the device's number and the active profile
    positions: tuple[int, ...]  # pa_channel_position_t of the channels, in the usual order if they have one
    layout: str  # FFmpeg's name of the loudspeaker layout, or "" if the channels have no loudspeakers

    @property
    def channel_names(self) -> tuple[str, ...]:
        """Return the names of the channels, in the order of ``positions``."""
        return tuple(_NAMES.get(position, f"AUX{position - _AUX0}") for position in self.positions)


class Server(NamedTuple):
    """The sources and sinks of the server, in its own order."""

    sources: tuple[ServerNode, ...]
    sinks: tuple[ServerNode, ...]


class SampleSpec(ctypes.Structure):
    """struct pa_sample_spec."""

    _fields_ = (("format", c_int), ("rate", c_uint32), ("channels", c_uint8))


class ChannelMap(ctypes.Structure):
    """struct pa_channel_map."""

    _fields_ = (("channels", c_uint8), ("map", c_int * 32))


class _Volume(ctypes.Structure):
    _fields_ = (("channels", c_uint8), ("values", c_uint32 * 32))


class _NodeInfo(ctypes.Structure):
    """The beginning of pa_source_info, and of pa_sink_info, in which only ``other`` has another meaning."""

    _fields_ = (
        ("name", c_char_p),
        ("index", c_uint32),
        ("description", c_char_p),
        ("sample_spec", SampleSpec),
        ("channel_map", ChannelMap),
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
    """The beginning of pa_server_info."""

    _fields_ = (
        ("user_name", c_char_p),
        ("host_name", c_char_p),
        ("server_version", c_char_p),
        ("server_name", c_char_p),
        ("sample_spec", SampleSpec),
        ("default_sink_name", c_char_p),
        ("default_source_name", c_char_p),
    )


NODE_CALLBACK = ctypes.CFUNCTYPE(None, c_void_p, POINTER(_NodeInfo), c_int, c_void_p)
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
    "pa_context_get_source_info_list": (c_void_p, (c_void_p, NODE_CALLBACK, c_void_p)),
    "pa_context_get_sink_info_list": (c_void_p, (c_void_p, NODE_CALLBACK, c_void_p)),
    "pa_context_set_subscribe_callback": (None, (c_void_p, EVENT_CALLBACK, c_void_p)),
    "pa_context_subscribe": (c_void_p, (c_void_p, c_int, c_void_p, c_void_p)),
    "pa_context_get_source_info_by_name": (c_void_p, (c_void_p, c_char_p, NODE_CALLBACK, c_void_p)),
    "pa_stream_new": (c_void_p, (c_void_p, c_char_p, c_void_p, c_void_p)),
    "pa_stream_unref": (None, (c_void_p,)),
    "pa_stream_connect_record": (c_int, (c_void_p, c_char_p, c_void_p, c_int)),
    "pa_stream_disconnect": (c_int, (c_void_p,)),
    "pa_stream_get_state": (c_int, (c_void_p,)),
    "pa_stream_cork": (c_void_p, (c_void_p, c_int, c_void_p, c_void_p)),
    "pa_stream_readable_size": (c_size_t, (c_void_p,)),
    "pa_stream_peek": (c_int, (c_void_p, c_void_p, c_void_p)),
    "pa_stream_drop": (c_int, (c_void_p,)),
    "pa_stream_get_latency": (c_int, (c_void_p, c_void_p, c_void_p)),
    "pa_operation_get_state": (c_int, (c_void_p,)),
    "pa_operation_unref": (None, (c_void_p,)),
    "pa_proplist_gets": (c_char_p, (c_void_p, c_char_p)),
}


def ask_server(timeout_s: float = SERVER_S) -> Server:
    """Return what the server has now. Raises NoServer, or SilentServer if it does not answer within ``timeout_s`` seconds."""
    try:
        pulse = library()
        with connected(pulse, time.monotonic() + timeout_s) as connection:
            server = _ask(pulse, connection)
    except (NoServer, SilentServer) as error:
        _log.debug("sound server: %s", error)
        raise
    _log.debug("sound server: %d source(s), %d sink(s)", len(server.sources), len(server.sinks))
    return server


@cache
def library() -> Any:
    """Load libpulse and declare its functions. Raises NoServer if it is missing."""
    try:
        loaded = ctypes.CDLL(LIBRARY)
    except OSError as error:
        raise NoServer(str(error)) from error
    for name, (result, arguments) in _FUNCTIONS.items():
        function = getattr(loaded, name)
        function.restype, function.argtypes = result, arguments
    return loaded


class Connection(NamedTuple):
    """A connection and its main loop, for one thread. ``wait_until`` runs the loop and raises NoServer, SilentServer."""

    loop: int
    context: int
    wait_until: Callable[[Callable[[], bool]], None]


@contextmanager
def connected(pulse: Any, deadline: float) -> Iterator[Connection]:
    """Connect to the server before ``deadline`` (``time.monotonic``). Raises NoServer, SilentServer."""
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
    """Return the pointer. Raises NoServer if it is null, because libpulse aborts the process if it gets a null pointer."""
    if pointer is None:
        raise NoServer("cannot use libpulse: out of file descriptors, or the process was forked")
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
    sources: list[ServerNode] = []
    sinks: list[ServerNode] = []
    context = connection.context
    asked = (
        # answered first, because it is requested first
        (pulse.pa_context_get_server_info, _SERVER_CALLBACK(_read_defaults(defaults))),
        (pulse.pa_context_get_source_info_list, NODE_CALLBACK(_read_nodes(pulse, sources, defaults, is_sink=False))),
        (pulse.pa_context_get_sink_info_list, NODE_CALLBACK(_read_nodes(pulse, sinks, defaults, is_sink=True))),
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


def _read_nodes(pulse: Any, into: list[ServerNode], defaults: list[str], *, is_sink: bool) -> Callable[..., None]:
    def on_node(_context: int, info: Any, end: int, _data: int) -> None:
        if info and not end:
            into.append(_node(pulse, info[0], defaults, is_sink=is_sink))

    return on_node


def _node(pulse: Any, info: Any, defaults: list[str], *, is_sink: bool) -> ServerNode:
    name, spec = _text(info.name), info.sample_spec
    given = tuple(info.channel_map.map[: spec.channels])
    positions, layout = _loudspeakers(given)
    return ServerNode(
        name=name,
        description=_text(info.description) or name,
        sink=name if is_sink else _text(info.other_name),
        rate=spec.rate,
        channels=spec.channels,
        sizes=(16,) if spec.format < _FIRST_WIDE_FORMAT else (16, 24) if spec.format in _BITS_24 else (16, 24, 32),
        floating=spec.format in _FLOATS,
        default=name in defaults[is_sink:][:1],
        card=_text(pulse.pa_proplist_gets(info.proplist, b"alsa.card")),
        place=" ".join(_text(pulse.pa_proplist_gets(info.proplist, key)) for key in (b"alsa.device", b"device.profile.name")),
        positions=positions,
        layout=layout,
    )


def _loudspeakers(given: tuple[int, ...]) -> tuple[tuple[int, ...], str]:
    """Return channel positions in FFmpeg's order, and its layout; or as they are, and "" if some have no loudspeaker."""
    known = _BY_POSITIONS.get(tuple(sorted(given)))
    if known is not None:
        return known
    if len(given) < 3 or len(set(given)) < len(given) or not set(given) <= set(_ORDER):
        return given, ""
    positions = tuple(sorted(given, key=_ORDER.index))
    return positions, "+".join(_NAMES[position] for position in positions)


def _text(value: bytes | None) -> str:
    return (value or b"").decode(errors="replace")
