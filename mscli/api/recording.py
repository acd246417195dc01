"""One run of a recorder: write frames from its tracks into its outputs, on separate threads.

A ``Delivery`` writes frames into a sink and judges the tracks by what the sink can use. A ``Group`` is a sink with its own
thread and queues, so that a slow one harms no other. Outputs that share an encoding are one group. A ``Recording`` is all
groups of a run.

A track has failed if none of its frames could be used, whatever else was written. It fails during the run if no frame can be
used for a long time. If more than ``SHARE`` of its frames are damaged, there is a warning.
"""

from __future__ import annotations

import signal
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import copy
from functools import cached_property, partial
from itertools import repeat
from math import inf
from threading import Event, Lock, current_thread
from time import monotonic
from typing import Any

from mscli.api.listening import Listener, Listening
from mscli.api.mediastreamtrack import MediaStreamTrack
from mscli.core.addresses import masked
from mscli.core.clock import now_us
from mscli.core.codecs import VIDEO_CODECS
from mscli.core.errors import DOMException, InvalidStateError, NotReadableError, OperationError, SourceFailedError
from mscli.core.eventloop import USUAL_LIMITS, EventLoop, FrameQueue, QueueLimits
from mscli.core.frames import AudioData, Counts, EncodedVideoChunk, Media, VideoFrame, VideoMedia, span_s
from mscli.core.level import SILENT_DB, Levels, ratio
from mscli.core.limits import ABANDON_S, CHANGE_S, FINISH_S, LOOKED_S
from mscli.core.locks import shared_lock
from mscli.core.log import Burst, Log
from mscli.core.orientation import PictureFilters
from mscli.core.threads import Thread
from mscli.core.timelapse import Picture, TimeLapse
from mscli.core.tuples import NamedTuple
from mscli.core.window import Extent, PausedTrack, Pauses, Window, frame_tolerance_us, is_past
from mscli.media import load_converter, load_deinterlacer, load_filter, load_level_meter
from mscli.media.chunkfilter import NO_FAULTS, Faults
from mscli.sinks import are_one
from mscli.sinks.base import Sink, TrackFacts

SHARE = 0.05  # the share of damaged frames above which there is a warning
FEW = 5  # the number of damaged frames before a running capture warns
IN_A_ROW = 30  # the least number of consecutive unusable frames before a track can fail
TIMEOUTS_TO_WAIT = 2  # a track without a usable frame for this many first-frame timeouts has failed
MOST_TRIGGERS = 64  # calls of ``trigger`` that wait for the recorder's thread: one more is missed, and counted
LEAST_S = 10  # a recording does not start without room for this many seconds
THROUGHPUT_S = 5.0  # a recording that drops more frames of a camera than it writes, for this long, warns once
_NO_TIME = "was lost, or dropped because it builds on one that was"
_LOOK_S = 0.2  # how often a recording without frames looks at the clock

HINTS = ("check the cable and the USB port", "try another mode; “mscli capabilities” lists them")

_log = Log("record")


# The disk space for a recording.


def check_room(sink: Sink) -> None:
    """Raise OperationError if there is too little disk space to start."""
    free, need = sink.free_bytes, sink.expected_bits_per_second / 8 * LEAST_S
    if free is not None and free < need:
        raise OperationError(
            f"not enough disk space: {_amount(free)} left, but {LEAST_S} s of recording take about {_amount(need)}",
            hints=["free some space, choose a folder on another disk, or record less with --size or --frame-rate"],
        )


def seconds_left(sink: Sink, recorded_s: float) -> float | None:
    """Return how many seconds still fit on the disk, or None if unknown.

    The estimate uses the rate so far, and the expected rate at the beginning.
    """
    written = sink.bytes_written
    rate = written / recorded_s if written and recorded_s >= LEAST_S else sink.expected_bits_per_second / 8
    free = sink.free_bytes
    return None if free is None or not rate else free / rate


def _frames(count: int) -> str:
    return f"{count} frame{'s' if count != 1 else ''}"


def _amount(count: float) -> str:
    return f"{count / 1e9:.3g} GB" if count >= 1e8 else f"{count / 1e6:.2g} MB"


# The output of a recorder without a file.


class Slice(NamedTuple):
    """A slice of a recording and its start, in milliseconds from the first frame."""

    data: bytes
    timecode: float


class Slices:
    """A writable file in memory. Bound: one timeslice and the slices that nobody has taken, or the whole recording.

    The recorder's thread writes. Any thread cuts. The thread that runs events takes the slices, in the order of the cuts.
    ``whole``: probably nobody cuts, so that the container can complete its header at the end. If somebody has cut before, what
    is written back is dropped: the container then ends like one in a pipe.
    """

    def __init__(self, *, whole: bool = False) -> None:
        self.whole = whole
        self.size = 0  # of the recording so far, in bytes
        self._data = bytearray()  # of the current slice
        self._at = 0  # the position in the recording, in bytes
        self._handed_out = 0  # bytes in slices that are cut
        self._rest_at = inf  # where the rest begins that completes the recording, in bytes
        self._unindexed: Callable[[bytes], bytes] = bytes
        self._cut: deque[Slice] = deque()
        self._lock = shared_lock()
        self._origin_us: int | None = None  # the time of the first frame
        self._frame_us = 0  # the time of the frame that is being written
        self._held_us = 0  # the time of the first frame that the container still holds
        self._start_us = 0  # the time of the first frame in the current slice

    def begin_frame(self, at_us: int) -> None:
        """Announce that a frame with this time is written next."""
        self._frame_us = max(self._frame_us, at_us)  # another track's frame may be slightly earlier
        if self._origin_us is None:
            self._origin_us = self._held_us = at_us

    def seek(self, at: int) -> None:
        """Go on writing at a position in the recording, in bytes."""
        self._at = at

    @property
    def empty(self) -> bool:
        """Return whether nothing was written since the last cut."""
        return not self._data

    def finishing(self, unindexed: Callable[[bytes], bytes]) -> None:
        """Hand out no more slices before the recording is complete."""
        with self._lock:
            self._rest_at, self._unindexed = self.size, unindexed

    def cut(self, *, last: bool = False) -> None:
        """End the current slice. The ``last`` one has the end of the recording."""
        with self._lock:
            data = bytes(self._data)
            if self._rest_at < inf and not last:
                data = b""
            elif self._handed_out and self._rest_at < inf:
                rest = int(self._rest_at) - self._handed_out
                data = data[:rest] + self._unindexed(data[rest:])
            start_us = self._start_us if data else self._held_us
            self._cut.append(Slice(data, (start_us - (self._origin_us or 0)) / 1000))
            if data:
                self._handed_out += len(self._data)
                self._data.clear()

    def take(self) -> Slice:
        """Return the oldest slice that has not been taken."""
        return self._cut.popleft()

    def write(self, data: bytes | memoryview) -> int:
        """Take bytes. A container writes the frames that it holds when a frame arrives that does not belong to them."""
        with self._lock:
            place = self._at - self._handed_out
            if self._at == self.size:
                if not self._data:
                    self._start_us = self._held_us
                self._held_us = self._frame_us
                self._data += data
            elif place >= 0:
                self._data[place : place + len(data)] = data
            self._at += len(data)
            self.size = max(self.size, self._at)
        return len(data)


# Frames from tracks into a sink.


class UsableTimeout:
    """The timeout of a track none of whose frames can be used. A time in which the program stood still hardly counts.

    ``limit_s``: for how many seconds that is tolerated, if at least IN_A_ROW frames came.
    """

    def __init__(self, limit_s: float) -> None:
        self.unused = 0  # consecutive frames that could not be used, or were lost or dropped meanwhile
        self._limit_s = limit_s
        self._spent_s = 0.0  # since the last usable frame, or since the wait for the first began
        self._at_s = monotonic()

    @classmethod
    def of(cls, track: MediaStreamTrack) -> UsableTimeout:
        """Return the timeout of a track."""
        return cls(TIMEOUTS_TO_WAIT * track.timeouts.first_s)

    def begin(self) -> None:
        """Begin anew, because a frame could be used."""
        self.unused, self._spent_s, self._at_s = 0, 0.0, monotonic()

    def has_expired(self, unused: int) -> bool:
        """Count frames that could not be used. Return whether the track has to be given up."""
        last_s, self._at_s = self._at_s, monotonic()
        self._spent_s += min(self._at_s - last_s, LOOKED_S)
        self.unused += unused
        return self.unused >= IN_A_ROW and self._spent_s > self._limit_s

    def sentence(self, name: str, why: str) -> str:
        """Return why the track was given up. ``why``: what is known of the latest of its frames."""
        return f"none of the last {self.unused} frames from {name} could be used; the last one {why or _NO_TIME}"


def damage_text(name: str, damaged: int, received: int, why: str) -> str:
    """Return the sentence about damaged frames among those that came from a source."""
    return f"{damaged} of {_frames(received)} from {name} are damaged" + (f"; the last one {why}" if why else "")


def facts_of(track: MediaStreamTrack, queue: FrameQueue, paused_us: int) -> TrackFacts:
    """Return the facts about a track, as of the frame that was taken from its queue. ``paused_us``: the pauses before it."""
    first = queue.first_sequence or 0
    return TrackFacts(track.current_settings, first, queue.lost, queue.omitted, paused_us, track.paced)


class Lack(NamedTuple):
    """The reason why a track is missing in the output, and what people can do."""

    why: str
    hints: Sequence[str] = HINTS


class Delivery:
    """A writer of tracks' frames into a sink, within a window. All calls come from one thread.

    ``warn`` is called once per track if too many frames are damaged. ``deinterlace``: whether interlaced pictures are made
    whole. ``filters``: what else is done to pictures. ``lapse_us``: write one frame of each camera in each interval of this
    length (microseconds), as a time-lapse. ``levels``: measure the levels of sound. ``listener`` hears it before it is written.
    ``finish`` must be called before the sink is closed.
    """

    def __init__(
        self,
        sink: Sink,
        tracks: Sequence[MediaStreamTrack],
        window: Window,
        warn: Callable[[str], object] | None = None,
        *,
        deinterlace: bool = False,
        filters: PictureFilters | None = None,
        lapse_us: int | None = None,
        levels: bool = False,
        listener: Listener | None = None,
    ) -> None:
        self.counts = [Counts() for _ in tracks]
        self.dropped = [0] * len(tracks)  # frames inside the window that were not written
        self.gave_up = ""  # a sentence about why no more frames are taken
        self._sink = sink
        self._tracks = tracks
        self._window = window
        self._warn = warn
        self._listener = listener
        self._flows = [_Flow(counts, UsableTimeout.of(track)) for counts, track in zip(self.counts, tracks, strict=True)]
        # cameras of which no frame could be used yet: see ``note_missing``
        self.awaited = {index for index, track in enumerate(tracks) if track.kind == "video" and not track.paced}
        self._decoders: dict[int, Any] = {}  # of tracks whose chunks the sink does not take
        self._deinterlacers = {
            index: load_deinterlacer() for index, track in enumerate(tracks) if deinterlace and track.kind == "video"
        }
        self._meters = {index: load_level_meter() for index, track in enumerate(tracks) if levels and track.kind == "audio"}
        self._filters = {
            index: load_filter(filters, track.label)
            for index, track in enumerate(tracks)
            if filters is not None and track.kind == "video"
        }
        self._lapses = {
            index: TimeLapse(lapse_us) for index, track in enumerate(tracks) if lapse_us is not None and track.kind == "video"
        }
        self._end_us: int | None = None  # the end that the sink knows
        self._past = [0] * len(tracks)  # decoded pictures that are shown after it
        self._received = self.counts  # once settled: the counts before corrections

    @property
    def over(self) -> bool:
        """Return whether no more frames are taken."""
        return self._window.over or bool(self.gave_up)

    @property
    def damaged(self) -> int:
        """Return the number of damaged frames so far."""
        return sum(flow.damaged for flow in self._flows)

    def take(self, track: int, frame: Media) -> Media | None:
        """Write the part of the frame inside the window, and return it. Raises the sink's errors."""
        admitted = self.admit(track, frame)
        if admitted is not None:
            self.put(track, admitted)
        return admitted

    def admit(self, track: int, frame: Media) -> Media | None:
        """Return the part of the frame inside the window, or None.

        A picture that would have to be enlarged came before its track adapted to the camera, and is dropped.
        """
        if isinstance(frame, VideoMedia) and frame.enlarged:
            self.dropped[track] += self._window.encloses(track, frame)
            return None
        if track in self._lapses and isinstance(frame, VideoFrame | EncodedVideoChunk):
            return self._chosen(track, frame, self._lapses[track])
        copies = self._sink.copies
        hidden = copies and frame.blank and isinstance(frame, VideoFrame)
        return self._window.admit(track, frame, counted=not hidden, decoded=not (copies or self._sink.single))

    def _chosen(self, track: int, frame: Picture, lapse: TimeLapse) -> Picture | None:
        """Return the frame as a time-lapse plays it, or None if it is outside the window or not the first of its tick."""
        if isinstance(frame, EncodedVideoChunk) and not VIDEO_CODECS[frame.codec].intra:  # it depends on frames before it
            for picture in self._decoder(track).read(frame):
                if (chosen := self._chosen_picture(track, picture, lapse)) is not None:
                    return chosen
            return None
        return self._chosen_picture(track, frame, lapse)

    def _chosen_picture(self, track: int, picture: Picture, lapse: TimeLapse) -> Picture | None:
        origin_us = picture.timestamp if self._window.start_us is None else self._window.start_us
        if not lapse.is_due(picture, origin_us) and self._window.encloses(track, picture):
            return None
        if self._window.admit(track, picture) is None:
            return None
        filtered = next(iter(self._filtered(track, picture)), None)  # before its time is changed, which may be in it
        return None if filtered is None else lapse.place(filtered, origin_us)

    def put(self, track: int, frame: Media) -> None:
        """Write an admitted frame, decoded if the sink does not take its codec. Raises the sink's errors.

        Raises OverconstrainedError if the track has been black from its first frame on, because its constraints do not hold.
        """
        flow, broken = self._flows[track], self._tracks[track].overconstrained
        if broken is not None and flow.counts.frames == flow.counts.blank:
            raise broken
        if self._listener is not None and isinstance(frame, AudioData):
            self._listener.hear(track, frame)
        if self._window.last_us != self._end_us:
            self._note_end()
        for one in self._as_taken(track, frame):
            if one is frame:
                self._sink.write(track, one)
            else:
                self._write(track, one)
        if self._end_us is not None and is_past(frame, self._end_us):
            flow.note_past(frame)
        else:
            flow.counts.note(frame)
        if track in self._meters and isinstance(frame, AudioData):
            flow.counts.levels = self._meters[track](frame)
        faults = self._faults(track)
        if faults == flow.faults:
            if (flow.timeout.unused or track in self.awaited) and not frame.blank:
                flow.use()
                self.awaited.discard(track)
        else:
            unused = flow.note(faults)
            if faults.left_out >= flow.counts.received:  # the output begins with the first that can be used
                flow.counts.first_us = flow.counts.last_us = None
            self._window.give_back(track, unused)
            if unused and track in self._lapses:
                self._lapses[track].retry()
            self._judge(track, flow)

    def note_missing(self, missing: Sequence[int]) -> None:
        """Give up a camera whose frames all get lost, from the first on. Call this repeatedly while cameras are ``awaited``.

        ``missing``: how many frames of each track were lost or dropped so far. If frames build on each other, one that is
        missing can cost all those that follow.
        """
        for track in self.awaited:
            flow = self._flows[track]
            new, flow.missing = missing[track] - flow.missing, missing[track]
            if flow.timeout.has_expired(new):
                self.gave_up = flow.timeout.sentence(self._name(track), flow.faults.why)

    def finish(self) -> None:
        """Write the pictures that are still held back. Raises the sink's errors."""
        if self._window.last_us != self._end_us:
            self._note_end()
        for track, decoder in self._decoders.items():
            for frame in decoder.rest():
                if track not in self._lapses:
                    self._write(track, frame)
                elif (chosen := self._chosen_picture(track, frame, self._lapses[track])) is not None:
                    self.put(track, chosen)
        for track, deinterlacer in self._deinterlacers.items():
            for frame in deinterlacer.rest():
                for one in self._filtered(track, frame):
                    self._write(track, one)

    def write_all(self, frames: Iterable[Media]) -> None:
        """Write frames of the only track until no more are taken, and close the sink. Raises the error of a failure.

        After an error, the sink is given up.
        """
        try:
            for frame in frames:
                self.take(0, frame)
                if self.over:
                    break
            self.finish()
            failure = self.complete_counts(complete=True)
            if failure is not None:
                raise failure
            self._sink.close()
        except BaseException:
            self._sink.abort()
            raise

    def _note_end(self) -> None:
        """Tell the sink the end, as it is known now."""
        self._end_us = self._sink.end_us = self._window.last_us

    def _write(self, track: int, one: Media) -> None:
        """Write a picture that was decoded for the sink, or count it if it is shown after the end."""
        end_us = None if track in self._lapses else self._end_us
        late = end_us is not None and one.timestamp + frame_tolerance_us(one) >= end_us
        if late and one.timestamp != self._window.start_us:
            self._past[track] += 1
        else:
            self._sink.write(track, one)

    def _as_taken(self, track: int, frame: Media) -> Iterable[Media]:
        """Return what the sink gets of a frame: the frame, the pictures that it completes, or nothing yet."""
        if track in self._deinterlacers and isinstance(frame, VideoFrame | EncodedVideoChunk):
            return (one for whole in self._deinterlacers[track].read(frame) for one in self._filtered(track, whole))
        if track in self._filters and track not in self._lapses and isinstance(frame, VideoFrame | EncodedVideoChunk):
            return self._filtered(track, frame)
        if not isinstance(frame, EncodedVideoChunk) or frame.codec in self._sink.codecs:
            return (frame,)
        frames: Sequence[VideoFrame] = self._decoder(track).read(frame)
        return frames

    def _filtered(self, track: int, picture: Picture) -> Sequence[Picture]:
        """Return the picture as it is wanted, or nothing if it is damaged or its decoder needs more."""
        if track not in self._filters:
            return (picture,)
        at_us = now_us() if self._tracks[track].paced else picture.timestamp + self._sink.paused_us
        return self._filters[track].read(picture, at_us)

    def _decoder(self, track: int) -> Any:
        if track not in self._decoders:
            self._decoders[track] = load_converter()
        return self._decoders[track]

    def _faults(self, track: int) -> Faults:
        """Return the faults of the track's frames, both here and in the sink."""
        faults, own = self._sink.faults(track), self._own_faults(track)
        return faults if own is NO_FAULTS else faults.with_those(own)

    def _own_faults(self, track: int) -> Faults:
        reader = self._deinterlacers.get(track) or self._filters.get(track) or self._decoders.get(track)
        return NO_FAULTS if reader is None else reader.faults

    def _corrections(self, track: int, output: Any) -> dict[str, int]:
        """Return the corrections of the track's frames, both here and in an output."""
        own, done = self._own_faults(track), output.corrections(track)
        if own is not NO_FAULTS:
            done = Counter(done)
            done.update(own.corrections, past=self._past[track])
        return dict(done)

    def complete_counts(self, *, complete: bool) -> DOMException | None:
        """Complete the counts after the sink was closed. Return the error of a failed track, or None.

        ``complete``: whether nobody ended the run, so that every track should have delivered something.
        """
        corrections = [self._corrections(track, self._sink) for track in range(len(self.counts))]
        for track, counts in enumerate(self.counts):
            counts.end_us = None if track in self._lapses else self._window.last_us
            self._flows[track].complete(corrections[track].get("past", 0), self._window.counted_until(track))
        self._received = [copy(counts) for counts in self.counts]
        for track, counts in enumerate(self.counts):
            counts.correct(corrections[track])
            counts.bytes = self._sink.track_bytes(track)
            self._flows[track].faults = self._faults(track)
        lacks = map(self._lack, range(len(self.counts)), corrections, repeat(complete))
        lack = Lack(self.gave_up) if self.gave_up else next(filter(None, lacks), None)
        if lack is None:
            return None
        kind = SourceFailedError if any(counts.frames for counts in self.counts) else NotReadableError
        return kind(lack.why, hints=lack.hints)

    def counts_of(self, output: Any) -> list[Counts]:
        """Return the final counts of one output of the sink. Call ``settle`` first."""
        if output.span_us is None:
            return [Counts() for _ in self.counts]
        if output is self._sink.outputs[0]:
            found = [copy(counts) for counts in self.counts]
        else:
            found = [copy(counts) for counts in self._received]
            for track, counts in enumerate(found):
                counts.correct(self._corrections(track, output))
                counts.bytes = output.track_bytes(track)
        for counts in found:
            counts.limit_to(*output.span_us)
        return found

    def damage(self) -> list[str]:
        """Return a sentence for each track with more than ``SHARE`` damaged frames, and for each time-lapse with gaps.

        Call ``settle`` first.
        """
        damaged = [track for track, counts in enumerate(self.counts) if counts.damaged > SHARE * counts.received]
        gaps = [
            f"the time-lapse of {self._name(track)} lacks {_frames(lapse.missed)}, because the camera sent none in time"
            for track, lapse in self._lapses.items()
            if lapse.missed
        ]
        return [*map(self._damage_text, damaged), *gaps, *filter(None, map(self._level_text, range(len(self.counts))))]

    def _level_text(self, track: int) -> str:
        """Return a sentence about a microphone that was silent or clipped, or ""."""
        levels: Levels | None = self.counts[track].levels
        if levels is None or self._tracks[track].paced:
            return ""
        if levels.peak < ratio(SILENT_DB):
            why = "check that it is the right one and not muted"
            return f"{self._name(track)} was silent: nothing above {SILENT_DB:g} dBFS; {why}"
        many = "a sample" if levels.clipped == 1 else f"{levels.clipped} samples"
        return f"{self._name(track)} was clipped: {many} at full scale; turn its gain down" if levels.clipped else ""

    def why(self, track: int) -> str:
        """Return what was found of the latest damaged frame of a track, as the end of a sentence, or ""."""
        return self._flows[track].faults.why

    def _lack(self, track: int, corrections: Mapping[str, int], complete: bool) -> Lack | None:
        """Return why a track is missing in the output, or None if it is not or need not be there."""
        counts = self.counts[track]
        if not counts.received:
            return self._silence(track) if complete else None
        if counts.frames or "kept" in corrections or corrections.get("unwritten") or corrections.get("behind"):
            return None
        why = self._flows[track].faults.why or "is black, which the output cannot hold"
        unused = f"none of the {_frames(counts.received)} from {self._name(track)} could be used"
        return Lack(f"{unused}; the last one {why}")

    def _silence(self, track: int) -> Lack | None:
        """Return why a track delivered nothing, or None if it was stopped or did not have to yet."""
        error = self._tracks[track].ended_error
        if error is not None:
            return Lack(str(error), error.hints)
        if self._tracks[track].ready_state == "ended" or self._window.reason == "frames":
            return None  # the other track's frames came before this one ran into its device's timeout
        within = " within the duration" if self._window.reason == "duration" else ""
        return Lack(f"no {self._noun(track)} from {self._name(track)}{within}")

    def _judge(self, track: int, flow: _Flow) -> None:
        """Give up the track if none of its frames could be used for a long time. Warn if many of them are damaged."""
        if flow.timed_out:
            self.gave_up = flow.timeout.sentence(self._name(track), flow.faults.why)
        if self._warn is not None and not flow.warned and flow.damaged >= FEW and flow.damaged > SHARE * flow.counts.received:
            flow.warned = True
            self._warn(self._damage_text(track))

    def _damage_text(self, track: int) -> str:
        flow, counts = self._flows[track], self.counts[track]
        return damage_text(self._name(track), flow.damaged, counts.received, flow.faults.why)

    def _name(self, track: int) -> str:
        return self._tracks[track].source_name

    def _noun(self, track: int) -> str:
        return "frames" if self._tracks[track].kind == "video" else "sound"


class _Flow:
    """The state of one track's frames so far. ``counts``: the counts of written frames."""

    def __init__(self, counts: Counts, timeout: UsableTimeout) -> None:
        self.counts = counts
        self.timeout = timeout
        self.faults = NO_FAULTS
        self.timed_out = False  # whether no frame could be used for too long
        self.missing = 0  # frames that were lost or dropped
        self.warned = False
        self.past_us: list[int] = []  # the ends of pictures that are shown after the end

    def note_past(self, frame: Media) -> None:
        """Count a picture that is shown after the end, and is only in the output if others before the end need it."""
        last_us = self.counts.last_us
        self.counts.note(frame)
        self.past_us.append(self.counts.last_us or 0)
        self.counts.last_us = last_us

    def complete(self, past: int, until_us: int | None) -> None:
        """Complete the time of the last picture. ``past``: how many are left out. ``until_us``: the end of those counted."""
        kept_us = self.past_us[: max(0, len(self.past_us) - past)]
        if self.counts.last_us is not None:
            last_us = max([self.counts.last_us, *kept_us])
            self.counts.last_us = last_us if until_us is None else min(last_us, until_us)

    @property
    def damaged(self) -> int:
        """Return the number of damaged frames."""
        return self.faults.damaged + self.faults.torn

    def note(self, faults: Faults) -> int:
        """Record the sink's current faults. Return how many more frames it could not use."""
        unused = faults.left_out - self.faults.left_out
        self.faults = faults
        if unused > 0:
            self.timed_out = self.timeout.has_expired(unused)
        else:
            self.use()
        return unused

    def use(self) -> None:
        """Note that a frame could be used."""
        self.timed_out = False
        self.timeout.begin()


class Overload(NamedTuple):
    """A camera more of whose frames were dropped than written, and the track that takes most of the recorder's time.

    ``share``, ``whole_share``: of the time that the recorder spent on that track, and on all of them, from 0 to 1.
    ``lasted_s``: how long the interval was.
    """

    camera: int
    written: int
    dropped: int
    busiest: int
    share: float
    whole_share: float
    lasted_s: float


class Throughput:
    """A judge of how a recorder keeps up with its tracks, over intervals of ``THROUGHPUT_S``; all times are in seconds."""

    def __init__(self, tracks: int, at_s: float) -> None:
        self._begin_s = at_s
        self._busy_s = [0.0] * tracks
        self._before = [(0, 0)] * tracks  # the counts at the beginning of the interval

    def note(self, track: int, busy_s: float, at_s: float) -> bool:
        """Add the time that a frame took. Return whether the interval is over."""
        self._busy_s[track] += busy_s
        return at_s - self._begin_s >= THROUGHPUT_S

    def judge(self, counts: Sequence[tuple[int, int]], at_s: float) -> Overload | None:
        """Begin the next interval. Return the overload in the last one, if any. ``counts``: frames written and dropped."""
        took_s, busy_s, before = at_s - self._begin_s, self._busy_s, self._before
        self._begin_s, self._busy_s, self._before = at_s, [0.0] * len(counts), list(counts)
        busiest = busy_s.index(max(busy_s))
        for track, (now, then) in enumerate(zip(counts, before, strict=True)):
            written, dropped = now[0] - then[0], now[1] - then[1]
            if dropped > written:
                share, whole = (one_s / took_s if took_s else 0.0 for one_s in (busy_s[busiest], sum(busy_s)))
                return Overload(track, written, dropped, busiest, share, whole, took_s)
        return None


# what makes a track take less of the recorder's time
_FASTER = {
    "video": "a smaller --size, a lower --frame-rate or a faster --preset needs less",
    "audio": "another --audio-codec needs less",
}


# A run: groups of outputs, each on its own thread.


class Plan(NamedTuple):
    """The limits of a recording: its length in seconds or frames, the length of a slice, whether pictures are made whole, what
    else is done to them, the interval of a time-lapse, whether the frames are counted in this group, how much waits for a slow
    output, and whether the levels of sound are measured, and what is noticed in it."""

    duration_s: float | None = None
    frames: int | None = None
    slice_us: int | None = None
    deinterlace: bool = False
    filters: PictureFilters | None = None
    lapse_us: int | None = None
    counts: bool = True
    limits: QueueLimits = USUAL_LIMITS
    levels: bool = False
    listening: Listening | None = None


def _ignore(*_: object) -> None:
    """Call nobody."""


class Callbacks(NamedTuple):
    """The callbacks of a recording. They run on the thread of the group concerned."""

    on_slice: Callable[..., object]
    on_file: Callable[..., object]  # called with the name of a finished file of a series
    on_failure: Callable[..., object]  # called with an output that failed while others continue, and its error
    on_end: Callable[..., object]  # called when all sinks are closed and everything is counted
    warn: Callable[[str], object] | None = None
    on_link: Callable[..., object] = _ignore  # called with an event of a server, and its details, on any thread
    on_sound: Callable[[int], object] = _ignore  # called with the time of sound that begins a file


# once it has ended: so that it and the recorder are freed at once
_NO_CALLBACKS = Callbacks(_ignore, _ignore, _ignore, _ignore)


class GroupPlan(NamedTuple):
    """The sink of a group and the positions of its tracks. ``slices``: the sink's target if it is not a file."""

    sink: Sink
    tracks: Sequence[int]
    slices: Slices | None = None


class OutputReport(NamedTuple):
    """The result of one output: its tracks and their counts."""

    name: str
    files: list[str]
    bytes: int
    error: Exception | None
    tracks: list[MediaStreamTrack]
    counts: list[Counts]
    is_file: bool
    behind: int  # frames and samples that were skipped because the output was slow
    removed: int = 0  # how many finished files of a series were removed again
    published: Any | None = (
        None  # what has become of a stream to a server: ``mscli.sinks.recording.network.publisher.Published``
    )


class Group:
    """A sink with its own thread, which writes some tracks from ``start`` on. It ends by itself or with ``finish``.

    It queues frames from its creation on.
    """

    def __init__(
        self,
        tracks: Sequence[MediaStreamTrack],
        sink: Sink,
        plan: Plan,
        pauses: Pauses,
        extent: Extent,
        slices: Slices | None,
        calls: Callbacks,
    ) -> None:
        self.tracks = list(tracks)
        self.sink = sink
        self.error: Exception | None = None  # why it ended, if it failed
        self._reached = ""  # the reason if it ended by itself; written by its own thread only
        self._pauses = pauses
        self._slices = slices
        self._callbacks = calls
        self._window = Window([track.kind for track in tracks], plan.duration_s, plan.frames, extent, counts=plan.counts)
        self.delivery = Delivery(
            sink,
            tracks,
            self._window,
            calls.warn,
            deinterlace=plan.deinterlace,
            filters=plan.filters,
            lapse_us=plan.lapse_us,
            levels=plan.levels,
            listener=None if plan.listening is None else Listener(plan.listening, self.tracks, self._on_sound),
        )
        self.counts = self.delivery.counts  # of written frames
        self._stopped = False  # whether somebody has ended it
        self._slice_us = plan.slice_us
        self._slice_begin_us: int | None = None
        self._counts = plan.counts
        self._missed = 0  # triggers during a pause, or while too many were waiting
        self._counted = False  # whether the final counts are known
        self._pulled: deque[tuple[int, int]] = deque()  # times and numbers of triggers that wait for the thread
        self._end_by_s = inf  # the deadline for writing waiting packets at the end, on the monotonic clock
        self._paused_us = 0  # the total length of the pauses before the latest frame
        self._queues_end: tuple[int | None, int | None] = (None, None)  # the end and the pauses that the queues know
        self._finish_timeout_s = FINISH_S
        self._event_loop = EventLoop(sink.gather_s, pauses)
        self._queues = [track.open_queue(self._event_loop, limits=plan.limits) for track in tracks]
        self._going = set(range(len(tracks)))  # tracks that have not ended
        self._throughput: Throughput | None = None  # from ``start`` until it has warned
        self.cut_short = False  # whether a track ended early by itself while others continued
        self._paused = [PausedTrack(pauses, paced=track.paced) for track in tracks]
        self._dropping = [Burst(_log, "%d frame(s) dropped: they build on frames that fell into a pause") for _ in tracks]
        self._missing = Burst(_log, "%d trigger(s) missed: the recording is paused, or behind")
        self._dropped_before = [0] * len(tracks)  # frames that the queues had dropped before the latest frame was written
        self._past_end = [0] * len(tracks)  # dropped frames that came after the end
        self._written = False
        self._waking = shared_lock()  # held while the thread is sent a signal, so that it does not end meanwhile
        self._thread = Thread(target=self._run, name="mscli-recorder", daemon=True)
        self._joined = [(0, 0) for _ in tracks]  # what was missing when it joined a running recording
        self._before: dict[Any, list[tuple[int, int]]] = {}  # added output → the same when it was added
        self._until: dict[Any, list[tuple[int, int]]] = {}  # output → the same when it ended while others continued
        sink.on_failure, sink.on_file, sink.facts = self._on_failure, calls.on_file, self._facts
        sink.on_link = calls.on_link

    @property
    def reached(self) -> str:
        """Return the reason if it ended by itself, else ""."""
        return self._reached

    @property
    def stopped(self) -> bool:
        """Return whether somebody has ended it."""
        return self._stopped

    @property
    def stopped_by(self) -> str:
        """Return who ended it if it did not end by itself, for the log."""
        return "stopped" if self._stopped else "its tracks ended"

    @property
    def counting(self) -> bool:
        """Return whether it counts frames, and has not ended."""
        return self._counts and not self._counted

    @property
    def over(self) -> bool:
        """Return whether everything is written and counted."""
        return self._counted

    @property
    def alive(self) -> bool:
        """Return whether it still takes or writes frames."""
        return self._thread.is_alive()

    @property
    def dropped(self) -> list[int]:
        """Return the dropped frames (samples per channel) of each track."""
        counts = zip(self._queues, self.delivery.dropped, self._past_end, strict=True)
        return [queue.dropped + dropped - late for queue, dropped, late in counts]

    def note_joined(self, output: Any) -> None:
        """Count what an added output misses from now on."""
        self._before[output] = self._missing_frames()

    def note_left(self, output: Any) -> None:
        """Count no further what an output misses, because it has ended while others continue."""
        self._until.setdefault(output, self._missing_frames())

    def missed_by(self, output: Any) -> list[tuple[int, int]]:
        """Return for each track how many frames were dropped, and lost before they reached us, while it was an output."""
        if output.span_us is None:
            return [(0, 0) for _ in self.tracks]
        until = self._until.get(output) or self._missing_frames()
        before = self._before.get(output, self._joined)
        return [(now[0] - then[0], now[1] - then[1]) for now, then in zip(until, before, strict=True)]

    def _missing_frames(self) -> list[tuple[int, int]]:
        return [(dropped, track.lost) for dropped, track in zip(self.dropped, self.tracks, strict=True)]

    def join_in(self) -> None:
        """Count what is missing from now on."""
        self._joined = self._missing_frames()

    def discard(self) -> None:
        """Give up before ``start``."""
        for track, queue in zip(self.tracks, self._queues, strict=True):
            track.close_queue(queue)
        self.sink.abort()

    def start(self) -> None:
        """Start writing."""
        self._throughput = Throughput(len(self.tracks), monotonic())
        self._thread.start()

    def trigger(self, at_us: int | None, times: int) -> None:
        """Begin ``times`` files of a triggered series at ``at_us``. None: the trigger came during a pause and is missed."""
        if at_us is None or self._counted or len(self._pulled) >= MOST_TRIGGERS:
            self._missed += times
            self._missing.note(times)
            return
        self._pulled.append((at_us, times))
        self._event_loop.post(self._hand_trigger_on)

    @property
    def missed_triggers(self) -> int:
        """Return the number of triggers without a file."""
        return self._missed + self.sink.missed

    def end_triggers(self) -> None:
        """Expect no more triggers, so that a triggered series ends with its last file."""
        self._event_loop.post(self.sink.end_triggers)

    def finish(self, error: Exception | None = None) -> None:
        """Take no more frames, and write those that have come. ``error``: the reason, if it is a failure."""
        self._stopped = True
        self._end(error)

    def _end(self, error: Exception | None = None) -> None:
        self.error = self.error or error
        self._end_by_s = self.sink.end_by_s = min(self._end_by_s, monotonic() + self.sink.finish_s)
        for track, queue in zip(self.tracks, self._queues, strict=True):
            track.close_queue(queue)

    def abandon(self) -> None:
        """Take no more frames, drop those that are not written yet, and finish the output."""
        self._finish_timeout_s = ABANDON_S
        self._stopped = True
        for queue in self._queues:
            self._event_loop.remove(queue)
        self.sink.abandon()
        self.finish()

    def abandon_reader(self) -> None:
        """Give up a stalled reader. Call this repeatedly. A file is never given up.

        SIGALRM wakes a waiting write, so the caller must have installed a handler for it.
        """
        if self.sink.abandon_reader():
            with self._waking:
                if self._thread.ident is not None and not self._written:
                    signal.pthread_kill(self._thread.ident, signal.SIGALRM)

    def call(self, task: Callable[[], object]) -> None:
        """Run a task on the group's thread, between two frames, and wait. Raises the task's error, and InvalidStateError.

        A task that is refused, because its turn has not come in time, never runs. One that has begun is waited for.
        """
        errors: list[Exception] = []
        over, taken = Event(), Lock()  # whoever gets the lock decides: the thread runs the task, or nobody does

        def run() -> None:
            if not taken.acquire(blocking=False):
                return
            try:
                task()
            except Exception as error:  # raised by ``call``
                errors.append(error)
            over.set()

        self._event_loop.post(run)
        deadline = monotonic() + CHANGE_S
        while not over.wait(_LOOK_S / 4):
            if (not self.alive or monotonic() > deadline) and taken.acquire(blocking=False):
                raise InvalidStateError("the recording has ended or does not answer")
        if errors:
            raise errors[0]

    def join(self, timeout_s: float | None = None) -> bool:
        """Wait until everything is written, by default for FINISH_S. Return whether it is."""
        if self._thread is not current_thread():
            self._thread.join(self._finish_timeout_s if timeout_s is None else timeout_s)
        return not self._thread.is_alive()

    # On its own thread

    def _run(self) -> None:
        _log.info("begins: %s", ", ".join(f"{track.kind} “{track.label}”" for track in self.tracks))
        try:
            for step in (self._write_to_end, self._count):
                self._attempt(step)
        finally:
            calls, self._callbacks = self._callbacks, _NO_CALLBACKS
            self.sink.on_failure = self.sink.on_file = self.sink.facts = self.sink.on_link = None
            calls.on_end(self)

    def _attempt(self, step: Callable[[], None]) -> None:
        try:
            step()
        except Exception as error:  # the first error is the reason of the end
            self.error = self.error or error

    def _write_to_end(self) -> None:
        try:
            self._write_all()
            self._end()
            self.delivery.finish()
            self.sink.close()
        except Exception as error:
            self._end(error)
            self._leave_out_late_drops()
            self.sink.abort()
        finally:
            with self._waking:
                self._written = True

    def _leave_out_late_drops(self) -> None:
        """Count no more frames as dropped, in the time of a call that has failed, than were still to come."""
        for track, queue in enumerate(self._queues):
            left = self._window.left(track)
            if left is not None:
                self._past_end[track] = max(0, queue.dropped - self._dropped_before[track] - left)

    def _count(self) -> None:
        self._counted = True
        for burst in (*self._dropping, self._missing):
            burst.end()
        self._missed += sum(times for _, times in self._pulled)
        asked = self._stopped or self.sink.ended == "pipe"  # or no more triggers can come
        failure = self.delivery.complete_counts(complete=not asked)
        self.error = self.error or failure

    def _on_failure(self, output: Any) -> None:
        self.note_left(output)
        self._callbacks.on_failure(output)

    def _on_sound(self, at_us: int) -> None:
        if not self._pulled and self.sink.idle_at(at_us):
            self._callbacks.on_sound(at_us)

    def _hand_trigger_on(self) -> None:
        at_us, times = self._pulled.popleft()
        self.sink.trigger(at_us, times)

    def _write_all(self) -> None:
        while not (self._window.over or self.delivery.gave_up or self.sink.ended):
            if monotonic() > self._end_by_s:
                for queue in self._queues:
                    queue.clear()
            taken = self._event_loop.take(_LOOK_S)
            if self.delivery.awaited and not self._pauses.lasting:
                self.delivery.note_missing([sum(missing) for missing in self._missing_frames()])
            if taken is not None:
                self._write(self._queues.index(taken.queue), taken.frame)
                if len(self._going) > 1 and not self._stopped:
                    self._leave_ended()
            elif self._event_loop.finished or (self._stopped and self._pauses.lasting):
                return  # what paced sources hold back during a pause is not part of the recording
            elif reason := self._overdue():
                self._reached = reason
                return
        self._reached = self.sink.ended or self._window.reason

    def _leave_ended(self) -> None:
        """Expect no more frames of tracks that have ended by themselves."""
        for track in list(self._going):
            if self._queues[track].finished and len(self._going) > 1:
                self._going.remove(track)
                early = self._window.leave(track) and not self.tracks[track].at_its_end
                self.cut_short = early or self.cut_short

    def _overdue(self) -> str:
        """Return why a recording without frames is over, because its end has passed, or ""."""
        if self._window.complete:
            return "frames"
        placed_us = self._pauses.place(now_us())
        paced = any(track.paced for track in self.tracks)  # their times are not those of the clock
        return "" if paced or placed_us is None else self._window.overdue(placed_us)

    def _write(self, track: int, frame: Media) -> None:
        """Write the part of the frame inside the window. Subtract the pauses before it."""
        paused = self._paused[track]
        shown = paused.place(frame)
        if shown is None:
            self._queues[track].omitted += frame.count
            return
        if paused.broken:
            if not paused.decodes(shown):
                if self._window.encloses(track, shown):
                    self.delivery.dropped[track] += 1
                    self._dropping[track].note(1)
                return
            self._dropping[track].end()
        admitted = self.delivery.admit(track, shown)
        if admitted is None:
            return
        paused_us = frame.timestamp - shown.timestamp
        if paused_us != self._paused_us:
            self._paused_us = self.sink.paused_us = paused_us
        if self._slices is not None:
            self._slices.begin_frame(admitted.timestamp)
        if self._queues_end != (self._window.end_us, self._pauses.passed_us):
            self._end_queues()  # before the sink gets the frame, as it may not come back
        for place, queue in enumerate(self._queues):
            self._dropped_before[place] = queue.dropped
        began_s = monotonic()
        self.delivery.put(track, admitted)
        ended_s = monotonic()
        if self._throughput is not None and self._throughput.note(track, ended_s - began_s, ended_s):
            self._judge_throughput(self._throughput, ended_s)
        if self._slice_us is not None and self._slices is not None:
            self._cut_slice(admitted.timestamp, self._slice_us, self._slices)

    def _facts(self, track: int) -> TrackFacts:
        """Return the facts about a track, as of the frame that is being written."""
        return facts_of(self.tracks[track], self._queues[track], self._paused_us)

    def _judge_throughput(self, throughput: Throughput, at_s: float) -> None:
        """Warn once if most frames of a camera are dropped, and say what takes the time."""
        cameras = [track.kind == "video" for track in self.tracks]
        counts = [
            (counts.received, dropped) if camera else (0, 0)
            for camera, counts, dropped in zip(cameras, self.counts, self.dropped, strict=True)
        ]
        found = throughput.judge(counts, at_s)
        if found is None or self._callbacks.warn is None:
            return
        self._throughput = None
        camera, busiest = self.tracks[found.camera], self.tracks[found.busiest]
        all_frames, what = found.dropped + found.written, "pictures" if busiest.kind == "video" else "sound"
        lost = f"{found.dropped} of {all_frames} frames of {camera.source_name} were dropped in the last {found.lasted_s:.0f} s"
        if self.sink.encodes:
            self._callbacks.warn(
                f"the recording cannot keep up: {lost}. Encoding and writing the {what} of {busiest.source_name} took "
                f"{found.share:.0%} of the time: {_FASTER[busiest.kind]}"
            )
        else:
            self._callbacks.warn(
                f"“{masked(self.sink.name)}” cannot keep up: {lost}. Writing to it took {found.whole_share:.0%} of the time"
            )

    def _end_queues(self) -> None:
        """Tell the queues to ignore frames after the end, which would displace earlier ones."""
        self._queues_end = end_us, paused_us = self._window.end_us, self._pauses.passed_us
        if end_us is not None:
            for queue in self._queues:
                shift_us = 0 if queue.paced else paused_us
                queue.end_at(None if shift_us is None else end_us + shift_us)

    def _cut_slice(self, at_us: int, slice_us: int, slices: Slices) -> None:
        """Hand out a slice when it is due and has bytes. A container may hold bytes back for longer."""
        if self._slice_begin_us is None:
            self._slice_begin_us = at_us
        if at_us - self._slice_begin_us >= slice_us and not slices.empty:
            self._slice_begin_us = at_us
            self._callbacks.on_slice()


class Recording:
    """The groups of a run. It queues frames of its tracks immediately, and writes them from ``start`` on.

    ``places``: the group and the position in the group's sink of each output, in the requested order.
    """

    def __init__(
        self,
        tracks: list[MediaStreamTrack],
        groups: Sequence[GroupPlan],
        places: Sequence[tuple[int, int]],
        mime_type: Callable[[], str],
        plan: Plan,
        calls: Callbacks,
    ) -> None:
        """Create the groups without starting them. ``mime_type`` returns the type of the recording."""
        self.tracks = tracks
        self.slices = next((group.slices for group in groups if group.slices is not None), None) or Slices()
        self._mime_type = mime_type
        self.pauses = Pauses()
        self._extent = Extent()  # of all outputs, so that they end together
        self.asked_reason = ""  # the reason of whoever ended it; written by that thread only
        self.triggers = 0  # the number of triggers
        self._places = list(places)
        self._callbacks = calls
        self._failure: Exception | None = None  # the reason of whoever ended it, if that is a failure
        self._reported: list[Any] = []  # outputs whose failure was reported
        self._removed: set[int] = set()  # the positions of outputs that were removed
        self._left = len(groups)  # the number of groups that have not ended
        self._finished = False  # whether somebody has ended it
        self._leaving = shared_lock()
        self._plan = plan
        self._heard: set[int] = set()  # microphones that a group listens to
        self._each = Callbacks(
            partial(calls.on_slice, self),
            partial(calls.on_file, self),
            self._on_failure,
            self._on_group_end,
            calls.warn,
            partial(calls.on_link, self),
            self.trigger_at,
        )
        self.groups = [
            Group(
                [tracks[index] for index in group.tracks],
                group.sink,
                self._plan_for(group.tracks),
                self.pauses,
                self._extent,
                group.slices,
                self._each,
            )
            for group in groups
        ]
        self._homes = [
            next((number, list(group.tracks).index(place)) for number, group in enumerate(groups) if place in group.tracks)
            for place in range(len(tracks))
        ]  # for each track: the first group that has it, and its position there

    def _plan_for(self, tracks: Sequence[int]) -> Plan:
        """Return the plan of a group with these tracks. Frames are those of cameras, if there are any.

        A microphone is listened to in its first group only.
        """
        cameras = {place for place, track in enumerate(self.tracks) if track.kind == "video"}
        unheard = {place for place in tracks if self.tracks[place].kind == "audio"} - self._heard
        self._heard |= unheard
        listening = self._plan.listening if unheard else None
        return self._plan._replace(counts=not cameras or not cameras.isdisjoint(tracks), listening=listening)

    @cached_property
    def mime_type(self) -> str:
        """Return the first output's container and codecs. Computed on first use, because this opens an encoder."""
        return self._mime_type()

    @property
    def reason(self) -> str:
        """Return why it ended. If no group ended by itself and nobody ended it, its tracks ended."""
        return next((group.reached for group in self.groups if group.reached), self.asked_reason) or "ended"

    @property
    def error(self) -> Exception | None:
        """Return the error of the first file that failed, or else of the first other output that failed."""
        if len(self._places) == 1 or self._failure is not None:
            return self._failure or self.groups[0].error
        failed = [one for one in self.outputs if one.error is not None]
        serious = [one for one in failed if not isinstance(one.error, BrokenPipeError)]
        if serious:
            return next((one for one in serious if one.is_file), serious[0]).error
        return failed[0].error if len(failed) == len(self._places) else None

    @property
    def outputs(self) -> list[OutputReport]:
        """Return the result of each output."""
        return [self._output(*place) for place in self._places]

    def _output(self, number: int, place: int) -> OutputReport:
        group = self.groups[number]
        output = group.sink.outputs[place]
        counts = group.delivery.counts_of(output)
        for own, (dropped, lost) in zip(counts, group.missed_by(output), strict=True):
            own.dropped, own.lost = own.dropped + dropped, own.lost + lost
        error = output.error or group.error
        behind = sum(output.corrections(track).get("behind", 0) for track in range(len(group.tracks)))
        files, removed = list(output.files), len(set(output.finished).difference(output.files))
        return OutputReport(
            output.name, files, output.bytes_written, error, group.tracks, counts, output.is_file, behind, removed,
            output.published,
        )  # fmt: skip

    @property
    def published(self) -> list[tuple[str, Any]]:
        """Return the name and the progress of each stream to a server."""
        outputs = [self.groups[number].sink.outputs[place] for number, place in self._places]
        return [(one.name, found) for one in outputs if (found := one.published) is not None and not one.over]

    @property
    def cut_short(self) -> bool:
        """Return whether a track ended early while others continued."""
        return any(group.cut_short for group in self.groups)

    @property
    def any_complete(self) -> bool:
        """Return whether a group has ended without an error."""
        return any(group.error is None and group.over for group in self.groups)

    @property
    def bytes_written(self) -> int:
        """Return the bytes of all outputs so far."""
        return sum(group.sink.bytes_written for group in self.groups)

    @property
    def counts(self) -> list[Counts]:
        """Return the counts of each track in its first group."""
        return [self.groups[number].counts[place] for number, place in self._homes]

    @property
    def dropped(self) -> list[int]:
        """Return the dropped frames of each track in its first group."""
        return [self.groups[number].dropped[place] for number, place in self._homes]

    @property
    def damaged(self) -> int:
        """Return the number of damaged frames so far."""
        return max(group.delivery.damaged for group in self.groups)

    def damage(self) -> list[str]:
        """Return a sentence for each track with too many damaged frames. Call it after the end."""
        return list(dict.fromkeys(sentence for group in self.groups for sentence in group.delivery.damage()))

    @property
    def recorded_s(self) -> float:
        """Return the seconds from the first frame to the last."""
        return span_s(self.counts)

    @property
    def seconds_left(self) -> float | None:
        """Return how many seconds still fit on the disks, or None if unknown."""
        outputs = [output for group in self.groups for output in group.sink.outputs if output.error is None]
        known = [left for output in outputs if (left := seconds_left(output, self.recorded_s)) is not None]
        return min(known, default=None)

    @property
    def files(self) -> list[str]:
        """Return the files, including unfinished ones."""
        return [name for number, place in self._places for name in self.groups[number].sink.outputs[place].files]

    @property
    def begun_files(self) -> int:
        """Return how many files of a series have begun. Each output has as many."""
        begun: list[int] = [output.begun for group in self.groups for output in group.sink.outputs]
        return max(begun)

    @property
    def armed(self) -> bool:
        """Return whether it waits for a trigger."""
        return any(output.armed for group in self.groups for output in group.sink.outputs)

    @property
    def missed_triggers(self) -> int:
        """Return the number of triggers without a file."""
        return max(group.missed_triggers for group in self.groups)

    def start(self) -> None:
        """Start writing. Closing the devices waits for the end of the recording."""
        for group in self.groups:
            group.start()
        self.tracks[0].keep(self)  # from now on, closing the devices waits for it

    def trigger(self, times: int = 1) -> None:
        """Begin ``times`` files of each triggered series now. During a pause the trigger is missed."""
        at_us = self.pauses.place(now_us())
        self.triggers += times
        for group in self.groups:
            group.trigger(at_us, times)

    def trigger_at(self, at_us: int) -> None:
        """Begin a file of each triggered series at this time of the recording, which excludes pauses."""
        self.triggers += 1
        for group in self.groups:
            group.trigger(at_us, 1)

    def end_triggers(self) -> None:
        """Expect no more triggers, so that triggered series end with their last file."""
        for group in self.groups:
            group.end_triggers()

    def finish(self, error: Exception | None = None) -> None:
        """Take no more frames, and write those that have come. ``error``: the reason, if it is a failure."""
        self._failure = self._failure or error
        for group in self._last_groups():
            group.finish(error)

    def abandon(self) -> None:
        """Take no more frames, drop those that are not written yet, and finish the outputs."""
        for group in self._last_groups():
            group.abandon()

    def _last_groups(self) -> list[Group]:
        """Return all groups. None is added any more."""
        with self._leaving:
            self._finished = True
            return list(self.groups)

    def abandon_reader(self) -> None:
        """Give up stalled readers. Call this repeatedly. A file is never given up."""
        for group in self.groups:
            group.abandon_reader()

    @property
    def alive(self) -> bool:
        """Return whether it still takes or writes frames."""
        return any(group.alive for group in self.groups)

    def join(self, timeout_s: float | None = None) -> bool:
        """Wait until everything is written, by default for FINISH_S. Return whether it is."""
        joined = [group.join(timeout_s) for group in self.groups]  # each is waited for
        return all(joined)

    def add_output(
        self,
        tracks: Sequence[int],
        load: Callable[[], Sink],
        shares: Callable[[Sink], bool] = lambda _: False,
        add: Callable[[Sink], object] = _ignore,
    ) -> None:
        """Add an output from now on. Raises the errors of ``load`` and ``add``, and InvalidStateError.

        ``add``: adds it to a sink that ``shares`` its encoding; called on the sink's thread. ``load``: returns a new open sink
        for the tracks with these places.
        """
        if not self._left:
            raise InvalidStateError("the recording has ended")
        wanted = [self.tracks[index] for index in tracks]
        for group in self.groups:
            group.sink.expect_others()
        for number, group in enumerate(self.groups):
            if group.alive and not group.stopped and group.tracks == wanted and shares(group.sink):
                group.call(partial(add, group.sink))
                group.note_joined(group.sink.outputs[-1])
                self._places.append((number, len(group.sink.outputs) - 1))
                return
        plan = self._plan_for(tracks)
        if plan.frames is not None:
            plan = plan._replace(frames=max(1, plan.frames - min(counts.frames for counts in self.groups[0].counts)))
        group = Group(wanted, load(), plan, self.pauses, self._extent, None, self._each)
        group.join_in()
        with self._leaving:
            late = self._finished or not self._left  # it was ended meanwhile
            if not late:
                self._left += 1
                self.groups.append(group)
                self._places.append((len(self.groups) - 1, 0))
                group.start()
        if late:
            group.discard()
            raise InvalidStateError("the recording has ended")

    def is_ending(self, sink: Sink) -> bool:
        """Return whether somebody has ended or removed the outputs of a sink."""
        return any(group.sink is sink and group.stopped for group in self.groups)

    @property
    def going(self) -> list[int]:
        """Return the outputs that are written to: their positions among all that were requested or added."""
        return [
            position
            for position, (number, place) in enumerate(self._places)
            if (output := self.groups[number].sink.outputs[place]).error is None
            and not output.over
            and self.groups[number].alive
            and position not in self._removed
        ]

    @property
    def removed(self) -> list[int]:
        """Return the positions of the outputs that were removed and have not failed."""
        places = self._places
        return [one for one in self._removed if self.groups[places[one][0]].sink.outputs[places[one][1]].error is None]

    def remove_output(self, name: str, names: Sequence[object]) -> int:
        """Finish one output while others continue, and return its position among all that were requested or added.

        Raises InvalidStateError if it does not exist or is the only one.

        ``names``: what the caller calls the outputs, in the order in which they were requested or added.
        """
        going = self.going
        named = (position for position in going if name in self._names(position, names))
        same = (position for position in going if any(are_one(name, other) for other in self._names(position, names)))
        position = next(named, None)
        position = next(same, None) if position is None else position
        if position is None:
            known = ", ".join(f"“{masked(self._names(position, names)[0])}”" for position in going)
            raise InvalidStateError(f"no output is called {masked(name)}; outputs: {known}")
        if len(going) == 1:
            raise InvalidStateError(f"{masked(name)} is the only output left", hints=["stop the recording instead"])
        number, place = self._places[position]
        group = self.groups[number]
        output = group.sink.outputs[place]
        if sum(1 for other in going if self._places[other][0] == number) == 1:
            self._removed.add(position)
            group.finish()
            group.join(CHANGE_S)
        else:
            group.call(lambda: group.sink.remove(output))  # type: ignore[attr-defined]  # it has several outputs
            self._removed.add(position)
            group.note_left(output)
            output.wait(CHANGE_S)
        return position

    def _names(self, position: int, names: Sequence[object]) -> list[str]:
        """Return what an output is called, by whoever asked for it and by itself."""
        number, place = self._places[position]
        given = [name for name in names[position : position + 1] if isinstance(name, str)]
        return [*given, self.groups[number].sink.outputs[place].name]

    def _on_failure(self, output: Any) -> None:
        self._reported.append(output)
        self._callbacks.on_failure(self, output, output.error)

    def _on_group_end(self, group: Group) -> None:
        reason = group.reached or self.asked_reason or group.stopped_by
        _log.info("ended: %s%s", reason, f": {group.error!r}" if group.error is not None else "")
        with self._leaving:
            self._left -= 1
            over = not self._left
        if not any(one.counting for one in self.groups if one is not group):
            self._extent.end(0)  # nobody counts frames any more
        if over:
            calls, self._callbacks, self._each = self._callbacks, _NO_CALLBACKS, _NO_CALLBACKS
            calls.on_end(self)
            return
        for output in group.sink.outputs if group.error is not None else ():
            if output not in self._reported:
                self._callbacks.on_failure(self, output, output.error or group.error)
