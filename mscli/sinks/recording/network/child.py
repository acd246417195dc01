"""The process that sends a stream, as the process that makes it sees it: a pipe for packets that never blocks, and its news."""

from __future__ import annotations

import base64
import io
import json
import os
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from fractions import Fraction
from itertools import islice
from typing import Any

import av

from mscli.core.children import start_child
from mscli.encode.chunks import PacketStream
from mscli.sinks.recording.network.publish_child import HEAD, LONGEST_LINE

CHILD = os.path.join(os.path.dirname(__file__), "publish_child.py")
_PIECE = 1 << 16
_AT_ONCE = 64  # parts of a call to the system
_BASE = Fraction(1, 1_000_000)


class PublishChild:
    """A process that sends one stream to one server, once."""

    def __init__(self) -> None:
        """Start it. Raises OSError."""
        self._running = start_child(CHILD)
        assert self._running.stdin
        assert self._running.stdout
        self.orders, self.news = self._running.stdin.fileno(), self._running.stdout.fileno()
        for fd in (self.orders, self.news):
            os.set_blocking(fd, False)
        self._waiting: deque[memoryview] = deque()  # what the pipe has not taken
        self._heard = b""
        self.over = False  # whether it says no more

    @property
    def pid(self) -> int:
        """Return its number."""
        return self._running.pid

    @property
    def blocked(self) -> bool:
        """Return whether the pipe has not taken everything."""
        return bool(self._waiting)

    def order(self, order: Mapping[str, Any]) -> None:
        """Say where to send what."""
        self._waiting.append(memoryview(json.dumps(order).encode() + b"\n"))

    def put(self, stream: int, flags: int, times: tuple[int, int, int], data: memoryview) -> None:
        """Pass a packet on. ``times``: pts, dts and duration, in microseconds."""
        self._waiting.append(memoryview(HEAD.pack(stream, flags, *times, data.nbytes)))
        if data.nbytes:
            self._waiting.append(data)

    def flush(self) -> int:
        """Write what the pipe takes now. Return how many bytes that were. Raises BrokenPipeError if the process is gone."""
        total = 0
        while self._waiting:
            try:
                count = os.writev(self.orders, [*islice(self._waiting, _AT_ONCE)])
            except BlockingIOError:
                break
            total += count
            while count and count >= self._waiting[0].nbytes:
                count -= self._waiting.popleft().nbytes
            if count:
                self._waiting[0] = self._waiting[0][count:]
        return total

    def listen(self) -> Iterator[Mapping[str, Any]]:
        """Yield the news that have come."""
        while not self.over:
            try:
                piece = os.read(self.news, _PIECE)
            except BlockingIOError:
                break
            self.over = not piece or len(self._heard) > LONGEST_LINE
            self._heard += piece
        *lines, self._heard = self._heard.split(b"\n")
        for line in lines:
            with suppress(json.JSONDecodeError):
                told = json.loads(line)
                if isinstance(told, dict):
                    yield told

    def kill(self) -> None:
        """End it at once."""
        self._running.kill()
        self._running.wait()
        for pipe in (self._running.stdin, self._running.stdout):
            assert pipe is not None
            pipe.close()


def heads_of(streams: Sequence[PacketStream]) -> str:
    """Return the description of some streams for the process: the beginning of a file with a byte of each, in Base64.

    FFmpeg makes a stream of another stream only, and another process has none.
    """
    data = io.BytesIO()
    file = av.open(data, "w", format="nut")
    for stream in streams:
        if stream.pattern is None:
            width, height = stream.size
            file.add_mux_stream(stream.codec, width=width, height=height, time_base=_BASE)
        else:
            file.add_stream_from_template(stream.pattern, opaque=True, time_base=_BASE)
    file.start_encoding()
    for place in range(2):
        for one in file.streams:
            packet: Any = av.Packet(b"\0")
            packet.pts = packet.dts = place
            packet.time_base, packet.is_keyframe, packet.stream = _BASE, True, one
            file.mux(packet)
    file.close()
    return base64.b64encode(data.getvalue()).decode()
