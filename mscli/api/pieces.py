"""What a recorder writes where there is no file: bytes in memory, handed out as the pieces that it is asked for."""

from __future__ import annotations

from collections import deque
from threading import Lock
from typing import NamedTuple


class Piece(NamedTuple):
    """Bytes of a recording, and where they begin in it (milliseconds from its first frame)."""

    data: bytes
    timecode: float


class Pieces:
    """A writable file in memory. Bound: what one timeslice writes and the pieces nobody has taken, or the whole recording.

    The recorder's thread writes. Any thread cuts, and the thread that runs events takes what was cut, in that order.
    """

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._cut: deque[Piece] = deque()
        self._lock = Lock()
        self._origin_us: int | None = None  # the first frame's time
        self._frame_us = 0  # of the frame that is written now
        self._held_us = 0  # of the first frame that the container has not put out yet
        self._start_us = 0  # of the first frame in the parts

    def begin_frame(self, at_us: int) -> None:
        """Say that a frame of that time is written next."""
        self._frame_us = at_us
        if self._origin_us is None:
            self._origin_us = self._held_us = at_us

    def write(self, data: bytes) -> int:
        """Take bytes. A container puts out what it holds when a frame comes that does not belong to it."""
        with self._lock:
            if not self._parts:
                self._start_us = self._held_us
            self._held_us = self._frame_us
            self._parts.append(bytes(data))
        return len(data)

    @property
    def empty(self) -> bool:
        """Whether nothing was written since the last cut."""
        return not self._parts

    def cut(self) -> None:
        """End a piece here."""
        with self._lock:
            start_us = self._start_us if self._parts else self._held_us
            self._cut.append(Piece(b"".join(self._parts), (start_us - (self._origin_us or 0)) / 1000))
            self._parts = []

    def take(self) -> Piece:
        """The oldest piece that was cut and not taken."""
        return self._cut.popleft()
