"""A process of its own that reads a stream with FFmpeg and hands on its packets. Run by ``mscli.sources.network.relay``.

FFmpeg's connections cannot be ended from another thread, but a process can. The order comes through stdin, because everybody
may read the arguments of a process. The process ends when stdin does.

What goes to stdout: a line of JSON that describes the streams, then for each packet a ``HEAD`` and its bytes, and a ``HEAD``
with the stream ``END`` at the end. A failure is a line of JSON too, after a ``HEAD`` with the stream ``FAILURE`` if the
description came before it.
"""

from __future__ import annotations

import json
import os
import socket
import struct
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from threading import Thread
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

HEAD = struct.Struct("<BBqqqI")  # stream, flags, pts, dts, duration, size
KEY, SHOWN, DECODED = 1, 2, 4  # flags: it is a key frame, it has a pts, it has a dts
FAILURE, END = 255, 254
MOST_BYTES = 1 << 30  # of memory; a 4K stream takes a tenth of it
LONGEST_LINE = 1 << 20
_FASTEST = 1000  # frames per second; a rate above is none


def main() -> None:
    """Read the order and hand on what comes, until it ends or nobody wants it any more."""
    order = json.loads(sys.stdin.readline(LONGEST_LINE))
    _limit_memory()
    Thread(target=_leave_with_parent, name="mscli-relay-parent", daemon=True).start()
    begun, began_s = False, monotonic()
    try:
        with os.fdopen(1, "wb") as output:
            try:
                for part in _relayed(order):
                    output.write(part)
                    output.flush()
                    begun = True
            except BrokenPipeError:
                raise
            except Exception as error:  # the parent tells it
                late = not begun and monotonic() - began_s >= order["timeout_s"]  # not all of FFmpeg says so
                told = json.dumps(_told(TimeoutError() if late else error)).encode() + b"\n"
                output.write((HEAD.pack(FAILURE, 0, 0, 0, 0, len(told)) if begun else b"") + told)
                output.flush()
    except BrokenPipeError:
        pass
    os._exit(0)  # at once: closing a connection may hang


def _limit_memory() -> None:
    """Limit the memory of this process, if the system can: FFmpeg takes as much as a server's answer says that it is long."""
    with suppress(ImportError, OSError, ValueError):
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
        most = MOST_BYTES if soft == resource.RLIM_INFINITY else min(soft, MOST_BYTES)
        resource.setrlimit(resource.RLIMIT_DATA, (most, hard))


def _leave_with_parent() -> None:
    sys.stdin.read()
    os._exit(0)


def _told(error: Exception) -> dict[str, Any]:
    return {"failure": type(error).__name__, "reason": getattr(error, "strerror", None) or str(error), "text": str(error)}


def _relayed(order: dict[str, Any]) -> Iterator[bytes]:
    """Yield the description, the packets and the end."""
    parts = urlsplit(order["url"])
    socket.getaddrinfo(parts.hostname, parts.port)  # FFmpeg does not say that a host is unknown
    import av

    av.logging.set_level(av.logging.ERROR)
    opened = av.open(order["url"], "r", format=order["format"], options=order["options"], timeout=(order["timeout_s"], None))
    found = [opened.streams.best(kind) for kind in ("video", "audio")]
    chosen: dict[int, Any] = {stream.index: stream for stream in found if stream is not None}
    for stream in opened.streams:
        if stream.index not in chosen:
            stream.discard = av.stream.Discard.all
    filters = {index: _filter(stream, order["filters"]) for index, stream in chosen.items()}
    described = [_described(stream, filters[index] is not None) for index, stream in chosen.items()]
    known = {"streams": described, "start": opened.start_time, "duration": opened.duration}
    yield json.dumps(known).encode() + b"\n"
    for packet in opened.demux(*chosen.values()):
        index = packet.stream_index  # a filter empties the packet
        one = filters[index]
        for part in (one.filter(packet) if one is not None else [packet]) if packet.size else ():
            flags = KEY * part.is_keyframe | SHOWN * (part.pts is not None) | DECODED * (part.dts is not None)
            yield HEAD.pack(index, flags, part.pts or 0, part.dts or 0, part.duration or 0, part.size) + bytes(part)
    yield HEAD.pack(END, 0, 0, 0, 0, 0)


def _filter(stream: Any, filters: Mapping[str, str]) -> Any:
    """Return the filter that gives units of H.264 and HEVC their start codes, if they have none. ``filters``: by codec."""
    from av.bitstream import BitStreamFilterContext

    context = stream.codec_context
    name = filters.get(context.codec.canonical_name, "") if context is not None else ""
    return BitStreamFilterContext(name, stream) if name and (context.extradata or b"")[:1] == b"\x01" else None


def _described(stream: Any, filtered: bool) -> dict[str, Any]:
    context = stream.codec_context
    told = {"index": stream.index, "kind": stream.type, "base": [stream.time_base.numerator, stream.time_base.denominator]}
    if context is None:
        return told
    told |= {"codec": context.name, "extradata": "" if filtered else (context.extradata or b"").hex()}
    if stream.type == "audio":
        form = context.format.name if context.format is not None else None
        return told | {"sample_rate": context.sample_rate, "layout": context.layout.name, "format": form}
    rates = (stream.average_rate, stream.guessed_rate)
    rate = next((float(one) for one in rates if one and one < _FASTEST), None)
    return told | {"width": context.width, "height": context.height, "pix_fmt": context.pix_fmt, "rate": rate}


if __name__ == "__main__":
    main()
