"""A log of the frames of an output: one JSON object per line, for programs that need to know when each frame was captured.

A line is written before its frame, and never for a frame that is not written. It is marked as readable once its frame is. So a
reader who has a frame also has its line, and the lines in a file agree with the frames in a file, even after an error.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mscli.core.clock import wall_time
from mscli.core.errors import OperationError
from mscli.core.frames import EncodedVideoChunk
from mscli.sinks.files.output import output_for

if TYPE_CHECKING:
    from mscli.core.frames import Media
    from mscli.encode.options import SinkOptions
    from mscli.sinks import Target
    from mscli.sinks.base import TrackFacts

_MOST_HELD = 16  # pictures that a decoder can hold


class FrameLog:
    """A writer of one line per written frame. Frames are counted; sound is counted in samples per channel.

    The gap in the source's numbering before a frame is what is lost and dropped, without what was never asked for.
    """

    def __init__(self, target: Target, options: SinkOptions) -> None:
        """Remember the target. Raises OperationError if writing is certain to fail."""
        self.output = output_for(target, options)
        self.output.durable = self.output.at_once = True
        self._index = 0
        self._next_sequence: int | None = None
        self._lost = self._omitted = 0  # before the previous frame, in total
        self._gaps: deque[int] = deque(maxlen=_MOST_HELD)  # the numbers left out before the latest lines
        self._dropped = 0  # how many of these the lines have told
        self._settings: Mapping[str, Any] | None = None

    def open(self) -> None:
        """Open the file, or wait for the reader of a named pipe. Raises OperationError."""
        self.output.open()

    def write(self, frame: Media, nbytes: int, size: tuple[int, int] | None, count: int, facts: TrackFacts) -> None:
        """Write the line of a frame that comes next. Raises OperationError.

        ``nbytes``: what the frame adds to the output. ``size``: of the written picture, None for sound. ``count``: how many
        frames or samples are written.
        """
        width, height = size or (None, None)
        at_us = frame.timestamp + facts.paused_us
        line = {
            "index": self._index,
            "sequence": frame.sequence,
            "timestamp": at_us,
            "wallTime": wall_time(None if facts.paced else at_us),
            "width": width,
            "height": height,
            "bytes": nbytes,
            **self._missing(frame, facts),
            **self._changed(facts.settings),
        }
        self._index += count
        try:
            self.output.write(json.dumps(line).encode() + b"\n")
        except BrokenPipeError as error:
            hints = ["keep its reader running, or write the log into a file"]
            raise OperationError(f"cannot write the frame log {self.output.name}: its reader has left", hints=hints) from error

    def mark(self) -> None:
        """Note that the frame of the latest line is written."""
        self.output.mark()

    def close(self) -> None:
        """Finish the log. Raises OperationError."""
        self.output.commit() if self.output.size else self.output.discard()

    def abort(self) -> None:
        """Finish the log after an error. A file keeps the lines of the frames that are written."""
        self.output.discard()

    def _missing(self, frame: Media, facts: TrackFacts) -> dict[str, int]:
        """Return what is missing before a frame: lost before it reached us, and dropped by us or as damaged.

        If pictures are shown in another order than they come, a missing number may still follow. It counts as dropped once it
        is more lines late than a decoder can hold pictures.
        """
        begin = facts.first_sequence if self._next_sequence is None else self._next_sequence
        lost, omitted = facts.lost - self._lost, facts.omitted - self._omitted
        self._lost, self._omitted, self._next_sequence = facts.lost, facts.omitted, frame.sequence + frame.count
        if not self._gaps and not (isinstance(frame, EncodedVideoChunk) and frame.reorder_us):
            return {"lost": lost, "dropped": max(0, frame.sequence - begin - lost - omitted)}
        is_late = begin - _MOST_HELD <= frame.sequence < begin
        if is_late:
            self._next_sequence = begin
        gap = -1 if is_late else max(0, frame.sequence - begin)
        self._gaps.append(gap - lost - omitted + (self._gaps[-1] if self._gaps else 0))
        dropped = max(0, min(self._gaps) - self._dropped)
        self._dropped += dropped
        return {"lost": lost, "dropped": dropped}

    def _changed(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Return the settings that have changed since the frame before."""
        before, self._settings = self._settings, settings
        if before is None or before == settings:
            return {}
        return {"settings": {name: value for name, value in settings.items() if before.get(name) != value}}
