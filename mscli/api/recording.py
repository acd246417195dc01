"""One run of a recorder: the way of the frames from its tracks into a sink, on a thread of its own."""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import replace
from threading import Lock, Thread, current_thread
from typing import NamedTuple

from mscli.api.diskspace import seconds_left
from mscli.api.mediastreamtrack import MediaStreamTrack
from mscli.api.pieces import Pieces
from mscli.core.clock import now_us
from mscli.core.frames import Counts, Frame, VideoFrame, span_s
from mscli.core.mailbox import Mailbox
from mscli.core.window import Pauses, Window
from mscli.sinks.base import Sink

FINISH_S = 30.0  # how long an encoder may take to write what was captured before it is given up
ABANDON_S = 2.0  # and if what was captured is given up, too

_LOOK_S = 0.2  # how often a recording without frames looks at the clock


class Plan(NamedTuple):
    """How a recording goes: it ends after ``duration_s`` seconds or ``frames``, and a piece is due every ``slice_us``."""

    duration_s: float | None = None
    frames: int | None = None
    slice_us: int | None = None


class Recording:
    """Takes what its tracks give from when it is made, writes it from ``start`` on, and ends by itself or with ``finish``.

    ``on_piece``, ``on_file`` and ``on_end`` are called on its own thread: the second with the name of each file of a series
    that is finished, the last when the sink is closed and all has been counted.
    """

    def __init__(
        self,
        tracks: list[MediaStreamTrack],
        sink: Sink,
        pieces: Pieces,
        mime_type: str,
        plan: Plan,
        on_piece: Callable[[Recording], object],
        on_file: Callable[[Recording, str], object],
        on_end: Callable[[Recording], object],
    ) -> None:
        self.tracks = tracks
        self.counts = [Counts() for _ in tracks]  # of what was written
        self.pieces = pieces
        self.mime_type = mime_type
        self.pauses = Pauses()
        self.asked_reason = ""  # why whoever ended it did; written by that thread only
        self._reached = ""  # what it came to by itself; written by its own thread only
        self.error: Exception | None = None  # that, if it was not as asked
        self._sink = sink
        self._window = Window([track.kind for track in tracks], plan.duration_s, plan.frames)
        self._slice_us = plan.slice_us
        self._slice_begin_us: int | None = None
        self._on_piece = on_piece
        self._on_file = on_file
        self._on_end = on_end
        self._told_files = 0  # of those that the sink has finished
        self._patience_s = FINISH_S
        self._mailbox = Mailbox(sink.gather_s)
        self._lanes = [track.open_lane(self._mailbox) for track in tracks]
        self._broken: set[int] = set()  # tracks whose pictures cannot be decoded: some before them fell into a pause
        self._undecodable = [0] * len(tracks)  # pictures dropped for that
        self._written = False
        self._waking = Lock()  # held while the thread is sent a signal: it cannot end meanwhile
        self._thread = Thread(target=self._run, name="mscli-recorder", daemon=True)

    @property
    def reason(self) -> str:
        """Why it has ended. If it came to no end and nobody asked for one, its tracks have ended."""
        return self._reached or self.asked_reason or "ended"

    @property
    def bytes_written(self) -> int:
        """Bytes of the output so far."""
        return self._sink.bytes_written

    @property
    def dropped(self) -> list[int]:
        """Per track, frames (samples per channel) dropped: for a slow encoder, or of no use after a pause."""
        return [lane.dropped + undecodable for lane, undecodable in zip(self._lanes, self._undecodable, strict=True)]

    @property
    def recorded_s(self) -> float:
        """Seconds from the first frame to the last."""
        return span_s(self.counts)

    @property
    def seconds_left(self) -> float | None:
        """For how long the disk has room at the rate so far; None where nobody knows."""
        return seconds_left(self._sink, self.recorded_s)

    def start(self) -> None:
        """Begin to write. Whoever closes the devices waits for the end."""
        self._thread.start()
        self.tracks[0].live.keep(self)  # which may be waited for from here on

    @property
    def files(self) -> list[str]:
        """The files that stand, or will."""
        return self._sink.files

    def trigger(self) -> None:
        """Have a triggered series begin a file, with what was captured before this instant. Nothing while it is paused."""
        at_us = self.pauses.place(now_us())
        if at_us is not None:
            self._mailbox.post(lambda: self._sink.trigger(at_us))

    def end_triggers(self) -> None:
        """Have a triggered series end with its last file: no trigger can come any more."""
        self._mailbox.post(self._sink.end_triggers)

    def finish(self, error: Exception | None = None) -> None:
        """Take no more frames; what has come is written. ``error``: why, if that was not asked for."""
        self.error = self.error or error
        for track, lane in zip(self.tracks, self._lanes, strict=True):
            track.close_lane(lane)

    def abandon(self) -> None:
        """Take no more frames, and give up what has come but is not written yet. The output is finished all the same."""
        self._patience_s = ABANDON_S
        for lane in self._lanes:
            self._mailbox.remove(lane)
        self.finish()

    def forsake(self) -> None:
        """Asked again and again: give up a reader that sleeps, and the rest of the recording. A file is never given up.

        A write that waits is woken by SIGALRM: whoever calls this has to have a handler for that.
        """
        if self._sink.forsake():
            with self._waking:
                if self._thread.ident is not None and not self._written:
                    signal.pthread_kill(self._thread.ident, signal.SIGALRM)

    def join(self, timeout_s: float | None = None) -> bool:
        """Wait until it is written; False if it is not in time, without a time after FINISH_S."""
        if self._thread is not current_thread():
            self._thread.join(self._patience_s if timeout_s is None else timeout_s)
        return not self._thread.is_alive()

    # On its own thread

    def _run(self) -> None:
        try:
            for step in (self._write_to_end, self._tell_files, self._count):
                self._attempt(step)
        finally:
            self._on_end(self)

    def _attempt(self, step: Callable[[], None]) -> None:
        try:
            step()
        except Exception as error:  # whatever it is, whoever waits learns that it is over; what came first is why
            self.error = self.error or error

    def _write_to_end(self) -> None:
        try:
            self._write_all()
            self.finish()
            self._sink.close()
        except Exception as error:
            self.finish(error)
            self._sink.abort()
        finally:
            with self._waking:
                self._written = True

    def _count(self) -> None:
        for track, counts in enumerate(self.counts):
            counts.correct(self._sink.corrections(track))
            counts.bytes = self._sink.track_bytes(track)

    def _write_all(self) -> None:
        while not (self._window.over or self._sink.ended):
            taken = self._mailbox.take(_LOOK_S)
            if taken is not None:
                self._write(self._lanes.index(taken.lane), taken.frame)
            elif self._mailbox.finished:
                return
            elif self._overdue():
                self._reached = "ended"
                return
        self._reached = self._sink.ended or self._window.reason or "duration"

    def _overdue(self) -> bool:
        """Whether a recording that no frame comes for is past its end: a track stalls."""
        placed_us = self.pauses.place(now_us())
        return placed_us is not None and self._window.overdue(placed_us)

    def _write(self, track: int, frame: Frame) -> None:
        placed_us = self.pauses.place(frame.timestamp)
        if placed_us is None:
            self._broken.add(track)
            return
        shown = frame if placed_us == frame.timestamp else replace(frame, timestamp=placed_us)
        if self._is_decodable(track, shown):
            self._write_placed(track, shown, frame.timestamp - placed_us)
        elif self._window.encloses(track, shown):
            self._undecodable[track] += 1

    def _is_decodable(self, track: int, frame: Frame) -> bool:
        """Whether nothing that it needs fell into a pause. A black one needs nothing, and what follows cannot do with it."""
        if not isinstance(frame, VideoFrame) or frame.blank:
            return True
        if frame.key:
            self._broken.discard(track)
        return track not in self._broken

    def _write_placed(self, track: int, shown: Frame, paused_us: int) -> None:
        admitted = self._window.admit(track, shown)
        if admitted is not None:
            self._sink.paused_us = paused_us
            self.pieces.begin_frame(admitted.timestamp)
            self._sink.write(track, admitted)
            self.counts[track].note(admitted)
            self._cut_slice(admitted.timestamp)
            self._end_lanes()
            self._tell_files()

    def _tell_files(self) -> None:
        finished = self._sink.finished
        for name in finished[self._told_files :]:
            self._on_file(self, name)
        self._told_files = len(finished)

    def _end_lanes(self) -> None:
        """Let nothing wait that comes after the end: it would push out what comes before."""
        end_us, paused_us = self._window.end_us, self.pauses.passed_us
        if end_us is not None:
            for lane in self._lanes:
                lane.end_at(None if paused_us is None else end_us + paused_us)

    def _cut_slice(self, at_us: int) -> None:
        """Hand out a piece once there is one of so many seconds; a container may hold its bytes back for longer."""
        if self._slice_us is None:
            return
        if self._slice_begin_us is None:
            self._slice_begin_us = at_us
        if at_us - self._slice_begin_us >= self._slice_us and not self.pieces.empty:
            self._slice_begin_us = at_us
            self._on_piece(self)
