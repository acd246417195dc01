"""Take pictures: one, or a series by the clock, by triggers, in bursts, with different exposures."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain, islice
from math import inf, log2
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeGuard

from mscli.api.mediastream import MediaStream
from mscli.api.mediastreamtrack import MediaStreamTrack
from mscli.api.recording import HINTS, SHARE, Delivery, UsableTimeout, damage_text
from mscli.api.wanted import Wanted
from mscli.cli.commands import SessionRun, obey_signals, obey_trigger, press
from mscli.cli.exitcodes import ExitCode
from mscli.cli.forgiving import STDERR, STDOUT
from mscli.cli.keys import Keys
from mscli.cli.report import Report, Triggers, duration_text, finish
from mscli.cli.session import Session
from mscli.cli.trigger import Trigger
from mscli.core.addresses import masked
from mscli.core.clock import MICROSECONDS, now_us
from mscli.core.codecs import VIDEO_CODECS
from mscli.core.controls import MODES
from mscli.core.errors import DOMException, NotReadableError, NotSupportedError, OperationError
from mscli.core.eventloop import FrameQueue, Taken
from mscli.core.frames import Counts, EncodedVideoChunk, VideoFrame
from mscli.core.limits import DECODED_S, SETTLE_S
from mscli.core.properties import DISPLAY_SURFACE, MANUAL, VIDEO
from mscli.core.ticks import Ticks
from mscli.core.tuples import NamedTuple
from mscli.core.window import Window
from mscli.encode.options import Series, SinkOptions, TrackFormat
from mscli.media import load_mean, load_sharpest, load_shot_decoder, load_warmup
from mscli.media.chunkfilter import NO_FAULTS
from mscli.sinks import SinkRow, load_album, next_mark_us
from mscli.sinks.base import Sink

if TYPE_CHECKING:
    from mscli.cli.hooks import Hooks
    from mscli.cli.preview import CommandPreview

Picture = VideoFrame | EncodedVideoChunk

if TYPE_CHECKING:
    from mscli.api.dictionaries import MediaTrackConstraints

CLOSE_ABOVE_S = 60.0  # with a longer interval the camera is closed between pictures
_EXPOSED_FRAMES = 4  # frames that a camera may take to follow a new exposure
_EXPOSED_EV = 1 / 6  # by which an exposure may differ from the wish: cameras set it in steps
_SHORTEST = 1e-3  # exposure time, in units of 100 µs
BURST_BYTES = 1 << 30  # of frames that wait in memory until all of a burst, or of a mean, have come
_WAIT_S = 0.5
_GATHER_S = 0.2


class ShootingPlan(NamedTuple):
    """A plan of pictures. At each tick of the series, ``burst`` pictures are taken with each exposure of ``bracket``."""

    number: int | None = None  # of ticks; None: one, or without end if something repeats them
    interval_s: float | None = None
    clock_s: int | None = None  # a tick at every multiple of this in the local day
    trigger: str = ""
    burst: int = 1
    bracket: Sequence[float] = ()  # exposure compensations, in EV
    best_of: int = 1  # frames of which the sharpest is the picture
    average: int = 1  # frames whose mean is the picture
    delay_s: float = 0.0
    settle_s: float = SETTLE_S  # how long to wait for a settled picture; 0: not at all
    settle_frames: int | None = None  # skip this number of frames, and any without a picture, instead
    keep: Mapping[str, int] = MappingProxyType({})
    latest: str | None = None  # a symbolic link to the newest picture
    command: Sequence[str] = ()  # run for each picture
    close_between: bool | None = None
    show: bool = False  # draw each picture in the terminal
    keep_going: bool = False  # after a picture that cannot be written

    @property
    def repeats(self) -> bool:
        """Return whether there is more than one tick."""
        return bool(self.interval_s or self.clock_s or self.trigger) or (self.number or 1) > 1

    @property
    def is_series(self) -> bool:
        """Return whether there is more than one picture."""
        return self.repeats or self.burst > 1 or len(self.bracket) > 1

    @property
    def ticks(self) -> int | None:
        """Return the number of ticks, or None for a series without end."""
        return self.number or (None if self.repeats else 1)

    @property
    def gather_s(self) -> float:
        """Return how long the frames of a long series may wait for each other, so that they wake the program less often."""
        if self.trigger or not self.repeats:
            return 0.0
        every_s = self.interval_s or self.clock_s
        return _GATHER_S if every_s is None else min(_GATHER_S, every_s / 10)

    @property
    def closes(self) -> bool:
        """Return whether the camera is closed between ticks."""
        every_s = self.interval_s or self.clock_s or 0.0
        return self.repeats and (every_s > CLOSE_ABOVE_S if self.close_between is None else self.close_between)


class ShootingRun(SessionRun):
    """A series of pictures, as the target of commands."""

    def __init__(self, session: Session) -> None:
        super().__init__(())
        self.session = session
        self.counted = 0  # triggers
        self.waiting = 0  # those of them without a picture

    def trigger(self, times: int = 1) -> None:
        """Take one picture more for each."""
        self.counted += times
        self.waiting += times


class Shooting:
    """The run of a command that takes pictures."""

    def __init__(
        self,
        session: Session,
        wanted: Sequence[Wanted],
        row: SinkRow,
        file: str,
        options: SinkOptions,
        plan: ShootingPlan,
        shown: CommandPreview,
    ) -> None:
        self._session = session
        self._plan = plan
        self._shown = shown
        self._pictures = TakenPictures(session, row, file, options, plan)
        begin, idle = self._pictures.begin, self._pictures.sync
        self._camera = Camera(session, wanted, plan, begin, idle, shown, decodes=not options.deinterlace)
        self._trigger = Trigger(plan.trigger, session.wake, session.stopper.count)
        self._keys = Keys(wanted=shown.in_terminal and not self._trigger.reads)
        self._run = ShootingRun(session)
        self._ticks = 0  # of the series, so far
        self._times: Ticks | None = None  # of the next pictures, after the first one

    def run(self) -> int:
        """Take the pictures and return the exit code."""
        self._pictures.check()  # report an impossible output before the camera's light goes on
        try:
            with self._trigger, self._keys:
                if not self._plan.closes:
                    self._session.event_loop.gather(self._plan.gather_s)
                    self._camera.open()
                    self._trigger.watch(self._camera.tracks, self._session.report_motion)
                reason = self._take_all()
        except DOMException:
            if self._pictures.taken:
                self._end()
                self._report("error")
            raise
        finally:
            self._end()
        return self._report(reason)

    def _end(self) -> None:
        self._trigger.unwatch()
        self._camera.close()
        self._pictures.finish()

    def _take_all(self) -> str:
        """Take the pictures of every tick. Return why the series ended."""
        for done, since_us in enumerate(self._moments(), 1):
            self._ticks = done
            self._camera.open()
            is_last = done == self._plan.ticks
            if not self._take(since_us, is_last=is_last):
                break
            self._count_on(since_us)
            if is_last:
                return "frames"
            if self._plan.closes:
                self._camera.close()
        if self._session.stopper.requested:
            return "signal"
        if not self._camera.is_gone:
            return "frames"
        if not self._pictures.taken and (self._ticks or not self._plan.trigger):
            self._session.check_source(0)
            raise NotReadableError(f"{self._camera.track.source_name} ended before the first picture")
        return "ended"

    def _moments(self) -> Iterator[int]:
        """Yield, at each tick, the time from which frames are used."""
        plan = self._plan
        begin_us = self._pass_until(self._camera.now_us + round(plan.delay_s * MICROSECONDS), "first picture")
        at_us = begin_us if plan.delay_s else 0
        while not self._is_over():
            if plan.trigger:
                if not self._triggered():
                    return
                at_us = now_us()
            elif plan.clock_s:
                at_us = self._pass_until(next_mark_us(plan.clock_s), "next")
            elif self._times is not None:
                at_us = self._pass_until(self._times.next_us(self._camera.now_us), "next")
            if self._is_over():
                return
            self._camera.shown_us = None
            yield at_us

    def _count_on(self, due_us: int) -> None:
        """Count the intervals from the first picture on. A later one that was long awaited stands for all that were due."""
        shown_us = self._camera.shown_us
        if self._plan.interval_s is None or shown_us is None:
            return
        frame_us = self._camera.frame_us
        interval_us = round(self._plan.interval_s * MICROSECONDS)
        if self._times is None:
            self._times = Ticks(interval_us, shown_us + interval_us - frame_us // 2)
        elif shown_us - due_us > 2 * frame_us:
            self._times.pass_until(shown_us)

    def _is_over(self) -> bool:
        obey_signals(self._run)
        press(self._shown.press(self._keys.pressed()), self._run)
        self._shown.end_if_closed()
        return self._run.stopping or self._camera.is_gone

    def _pass_until(self, due_us: int, what: str) -> int:
        """Let frames pass until a time, and return it. ``what``: what comes then, for the status line.

        A file that is read as it is needed does not wait: its time is that of its frames.
        """
        while not (self._camera.is_paced or self._is_over()) and (left_s := (due_us - now_us()) / MICROSECONDS) > 0:
            self._pictures.wait(what, left_s)
            self._camera.let_pass(self._session.event_loop.take(min(left_s, _WAIT_S)), left_s)
        return due_us

    def _triggered(self) -> bool:
        """Let frames pass until a trigger. Return False if none can come any more."""
        while not self._is_over():
            over = self._trigger.over  # checked before the last triggers are counted
            obey_trigger(self._trigger, self._run)
            if self._run.waiting:
                self._run.waiting -= 1
                return True
            if over:
                return False
            self._pictures.wait("trigger", None)
            self._camera.let_pass(self._session.event_loop.take(_WAIT_S))
        return False

    def _take(self, since_us: int, *, is_last: bool) -> bool:
        """Take the pictures of one tick. Return False if the camera has ended or the command was interrupted before."""
        if not self._plan.bracket:
            return self._take_burst(since_us, is_last=is_last)
        with self._camera.kept_exposure():
            return all(self._take_burst(self._camera.expose(one)) for one in self._plan.bracket)

    def _take_burst(self, since_us: int, *, is_last: bool = False) -> bool:
        frames, burst = self._frames(since_us), self._plan.burst
        ends = (self._camera.close if is_last and number == burst else None for number in range(1, burst + 1))
        return all(self._save(frames, close) for close in ends)

    def _save(self, frames: Iterator[Picture], close: Callable[[], object] | None) -> bool:
        is_saved = self._pictures.save(self._camera.track, frames, close)
        self._camera.pictures += is_saved
        return is_saved

    def _frames(self, since_us: int) -> Iterator[Picture]:
        """Yield the pictures from a time on: the camera's frames, or what is made of several of them."""
        plan, frames = self._plan, self._camera.frames(since_us)
        if plan.burst > 1:
            frames = _gathered(frames, plan.burst, self._camera.held)
        make = load_sharpest() if plan.best_of > 1 else load_mean() if plan.average > 1 else None
        if make is None:
            return frames
        several = max(plan.best_of, plan.average)
        return (make(_gathered(chain([first], islice(frames, several - 1)), several, deque())) for first in frames)

    def _report(self, reason: str) -> int:
        session, pictures = self._session, self._pictures
        if not pictures.taken and session.stopper.requested and not self._plan.trigger:
            return ExitCode.ABANDONED
        warnings = [*self._camera.warnings(), *pictures.warnings]
        if self._camera.skipped:
            text = ", ".join(f"{count} {why}" for why, count in self._camera.skipped.items())
            session.voice.detail(f"skipped before the picture: {text}")
        missed = 0 if self._times is None or self._camera.is_paced else self._times.missed
        if missed:
            noun = "picture was" if missed == 1 else "pictures were"
            why = "the camera was away, or it or the disk took longer than --interval"
            warnings.append(f"{missed} {noun} missed, because {why}")
        report = pictures.report(reason, self._camera, warnings)
        triggers = Triggers(self._run.counted, self._run.waiting) if self._plan.trigger else None
        report = report._replace(skipped=self._camera.skipped, limited=self._plan.ticks is not None, triggers=triggers)
        options = session.options
        code = finish([report], session.voice, as_json=options.json, strict=options.strict, to_stderr=pictures.to_stdout)
        if code == ExitCode.DONE and (pictures.failed or pictures.unwritten):
            return ExitCode.OUTPUT_FAILED
        return code


def _gathered(frames: Iterator[Picture], count: int, held: deque[Picture]) -> Iterator[Picture]:
    """Yield frames after ``count`` have come, because using one may take longer than the next one takes to come.

    Memory for them is bounded: from ``BURST_BYTES`` on, the camera's queue has to hold, or to drop, what comes meanwhile.
    """
    nbytes = 0
    for frame in islice(frames, count):
        held.append(frame)
        nbytes += frame.nbytes
        if nbytes > BURST_BYTES:
            break
    while held:
        yield held.popleft()
    yield from frames


class Camera:
    """The camera of a series: opened and closed as needed, and its frames that are worth keeping."""

    def __init__(
        self,
        session: Session,
        wanted: Sequence[Wanted],
        plan: ShootingPlan,
        begin: Callable[[MediaStreamTrack], object],
        idle: Callable[[], object],
        shown: CommandPreview,
        *,
        decodes: bool,
    ) -> None:
        """Open nothing yet. ``begin``: called with the track when it is opened. ``idle``: called again and again meanwhile.

        ``decodes``: whether chunks that depend on each other are decoded here, once for each shot.
        """
        self._session, self._wanted, self._plan, self._begin, self._idle = session, wanted, plan, begin, idle
        self._shown, self._decodes = shown, decodes
        self._decoder: Any = None  # of a shot, once there is such a chunk
        self.faults = NO_FAULTS  # of chunks that were decoded here, in all shots
        self.looked_at = 0  # frames that came and were looked at
        self.tracks: list[MediaStreamTrack] = []  # all that were opened
        self.pictures = 0  # that were taken of it
        self.held: deque[Picture] = deque()  # frames of a burst that wait to be written, and are so after a signal, too
        self.skipped: dict[str, int] = {}  # frames while the camera settled, by reason
        self.shown_us: int | None = None  # when the first frame of this tick was captured
        self._latest_us = 0  # when the latest frame was captured that was used
        self._queue: FrameQueue | None = None
        self._dropped = 0  # by queues that are closed
        self._warmup: Any = None  # while the camera settles
        self._unsettled = 0  # how often the time to settle was too short
        self._told: set[float] = set()  # compensations that the camera did not set as wished
        self._exposed = 0.0  # the exposure time to which compensations refer, in units of 100 µs

    @property
    def track(self) -> MediaStreamTrack:
        """Return the open track."""
        return self.tracks[-1]

    @property
    def is_paced(self) -> bool:
        """Return whether it is a file, say, that waits until a frame is needed."""
        return bool(self.tracks) and self.track.paced

    @property
    def now_us(self) -> int:
        """Return the time of its frames now."""
        return self._latest_us if self.is_paced else now_us()

    @property
    def frame_us(self) -> int:
        """Return the time between its frames."""
        return round(MICROSECONDS / float(self.track.get_settings().get("frameRate") or 30))

    @property
    def is_gone(self) -> bool:
        """Return whether the open camera has ended by itself."""
        return self._queue is not None and self._queue.finished

    @property
    def losses(self) -> tuple[int, int]:
        """Return how many frames were dropped by us, and lost before or found damaged."""
        lost = sum(track.lost for track in self.tracks) + self.faults.damaged
        return self._dropped + (self._queue.dropped if self._queue else 0), lost

    def open(self) -> None:
        """Open the camera, unless it is open."""
        if self._queue is not None:
            return

        def prepare(stream: MediaStream) -> None:
            (track,) = stream.get_tracks()
            self._begin(track)
            self._queue = track.open_queue(self._session.event_loop)

        is_first = not self.tracks
        self._session.open(self._wanted, prepare=prepare)
        self.tracks += self._session.tracks
        if is_first:
            self._session.show_tracks(self._session.options.json)
        self._shown.show(self.tracks[-1:])
        self._warm_up()

    def close(self) -> None:
        """Close the camera, if it is open: its light goes off."""
        queue, self._queue = self._queue, None
        if queue is not None:
            self._shown.leave()
            self._session.release_cameras()
            for track in self.tracks[-1:]:  # none if the camera did not start
                track.stop()
            self._session.event_loop.remove(queue)
            self._dropped += queue.dropped
            self._decoder = None

    def frames(self, since_us: int) -> Iterator[Picture]:
        """Yield the frames captured from a time on, once the camera has settled. Raises the error that prevents any.

        Raises OverconstrainedError if the camera has changed so that the constraints do not hold: all frames are black then.
        """
        for frame in self._decoded():
            if frame.timestamp < since_us:
                continue
            if self._warmup is not None:
                if self._warmup.is_good(frame):
                    self._end_warmup()
                elif not self._warmup.is_damaged:  # damaged ones are judged, and counted, by who writes them
                    self._check_hope()
                    continue
            self._latest_us = frame.timestamp
            self.shown_us = frame.timestamp if self.shown_us is None else self.shown_us
            yield frame

    def let_pass(self, taken: Taken | None, left_s: float = inf) -> None:
        """Use no frame of those that come between two shots, for some seconds more.

        If that is a short time, the next shot need not wait for a key frame.
        """
        if taken is None or self._decoder is None:
            return
        if left_s <= DECODED_S and isinstance(taken.frame, EncodedVideoChunk):
            self._decode(self._decoder, taken.frame)
        else:
            self._decoder = None

    def _decoded(self) -> Iterator[Picture]:
        """Yield the frames that come, of those that depend on each other the decoded ones.

        Raises NotReadableError if none of these can be decoded.
        """
        timeout, given = UsableTimeout.of(self.track), False
        while (frame := self._next(timeout)) is not None:
            broken = self.track.overconstrained
            if frame.blank and broken is not None:
                raise broken
            if frame.blank:
                continue
            if not self._depends(frame):
                self.looked_at += 1
                timeout.begin()
                yield frame
                continue
            self._decoder = self._decoder or load_shot_decoder()
            unused = self.faults.left_out
            whole = self._decode(self._decoder, frame)
            if whole:
                given = True
                timeout.begin()
            elif timeout.has_expired(self.faults.left_out - unused):
                raise NotReadableError(timeout.sentence(self.track.source_name, self.faults.why), hints=HINTS)
            yield from whole
        if self._decoder is None or not self.is_gone:
            return
        whole = self._decoder.rest()
        yield from whole
        if self.faults.left_out and not (given or whole or self.pictures):
            came = f"none of the {self.looked_at} frames from {self.track.source_name} could be used"
            raise NotReadableError(f"{came}; the last one {self.faults.why}", hints=HINTS)

    def _depends(self, frame: Picture) -> TypeGuard[EncodedVideoChunk]:
        """Return whether the frame may only be decodable together with those before it."""
        return self._decodes and isinstance(frame, EncodedVideoChunk) and not VIDEO_CODECS[frame.codec].intra

    def _decode(self, decoder: Any, chunk: EncodedVideoChunk) -> list[VideoFrame]:
        """Decode a chunk, and count it."""
        before = decoder.faults
        frames: list[VideoFrame] = decoder.decode(chunk)
        self.faults = self.faults.with_new(before, decoder.faults)
        self.looked_at += 1
        return frames

    @contextmanager
    def kept_exposure(self) -> Iterator[None]:
        """Return the camera's exposure to what it is now, afterwards."""
        with self.track.kept_as_it_is():
            yield
        self._exposed = 0.0

    def expose(self, compensation: float) -> int:
        """Set the exposure compensation (EV), and return the time from which on frames show it.

        If the exposure is manual, or the camera lacks this control, its exposure time is multiplied. Raises NotSupportedError
        if it has neither.
        """
        track, able = self.track, self.track.get_capabilities()
        settings = track.get_settings()
        if "exposureCompensation" in able and settings.get("exposureMode") != MANUAL:
            change: MediaTrackConstraints = {"exposureCompensation": compensation}
        elif "exposureTime" in able and MANUAL in able.get("exposureMode", [MANUAL]):
            self._exposed = self._exposed or float(settings["exposureTime"]) or 1.0
            change = {"exposureTime": self._exposed * 2**compensation}
            if "exposureMode" in able:
                change["exposureMode"] = MANUAL
        else:
            raise NotSupportedError(f"{track.source_name} has no exposure that can be set", hints=["leave --bracket out"])
        track.apply_constraints({**track.get_constraints(), **change})
        self._tell_exposure(compensation)
        self._warm_up()
        return now_us() + _EXPOSED_FRAMES * self.frame_us

    def _tell_exposure(self, compensation: float) -> None:
        """Warn, once, if the exposure is not what was set."""
        now = self.track.get_settings()
        if self._exposed:
            set_to = log2(max(float(now["exposureTime"]), _SHORTEST) / self._exposed)
        else:
            set_to = float(now["exposureCompensation"])
        if abs(set_to - compensation) <= _EXPOSED_EV or compensation in self._told:
            return
        self._told.add(compensation)
        name = "exposureTime" if self._exposed else "exposureCompensation"
        for clause in self.track.unmet_wishes:
            if name in clause:
                self._session.voice.warn(f"{self.track.source_name} {clause}")

    def warnings(self) -> list[str]:
        """Return sentences about pictures that may not be what people wanted."""
        if not self._unsettled:
            return []
        return [f"exposure or white balance had not settled after {self._plan.settle_s:g} s; --settle sets a longer time"]

    def _warm_up(self) -> None:
        plan = self._plan
        if plan.settle_frames is None and not plan.settle_s:
            return
        if DISPLAY_SURFACE in self.track.get_settings():  # a screen may well be black
            return
        settles = plan.settle_frames is None and self.track.settles and not _is_manual(self.track.get_settings())
        self._warmup = load_warmup(plan.settle_s, plan.settle_frames or 0, judged=settles)

    def _end_warmup(self) -> None:
        self._unsettled += self._warmup.is_capped
        self._note_skipped()
        self._warmup = None

    def _note_skipped(self) -> None:
        for why, count in self._warmup.skipped.items():
            self.skipped[why] = self.skipped.get(why, 0) + count

    def _check_hope(self) -> None:
        """Raise NotReadableError if the camera has shown nothing for as long as it may take to settle."""
        if self._warmup.is_hopeless:
            self._note_skipped()
            seen = {why: count for why, count in self._warmup.skipped.items() if why != "asked"}
            (why, count) = max(seen.items(), key=lambda item: item[1])
            raise NotReadableError(
                f"{self.track.source_name} sent only {why} frames: {count} within {self._plan.settle_s:g} s",
                hints=["remove the lens cap, check the privacy switch, or use --settle off to take the picture anyway"],
            )

    def _next(self, timeout: UsableTimeout) -> Picture | None:
        """Return the next frame, or None after a signal or the camera's end. Before the first picture these are errors."""
        session, missing = self._session, sum(self.losses)
        while self._queue is not None and not self._queue.finished:
            if not (self.pictures or self.held):
                session.stopper.interrupt_if_requested()
            if session.stopper.requested:
                return None
            taken = session.event_loop.take(_WAIT_S)
            self._idle()
            if taken is not None and isinstance(taken.frame, VideoFrame | EncodedVideoChunk):
                return taken.frame
            session.check_source(self.pictures)
            before, missing = missing, sum(self.losses)
            if not self.is_paced and timeout.has_expired(missing - before):
                raise NotReadableError(timeout.sentence(self.track.source_name, self.faults.why), hints=HINTS)
        return None


def _is_manual(settings: Mapping[str, Any]) -> bool:
    """Return whether exposure and white balance are known to stay as they are."""
    modes = [settings[name] for name in ("exposureMode", "whiteBalanceMode") if name in MODES and name in settings]
    return bool(modes) and all(mode == MANUAL for mode in modes)


class TakenPictures:
    """The pictures that were taken, and what is done with each."""

    def __init__(self, session: Session, row: SinkRow, file: str, options: SinkOptions, plan: ShootingPlan) -> None:
        self.warnings: list[str] = []
        self.taken = 0
        self.unwritten = 0  # pictures that could not be written
        self._session, self._plan, self._unnamed = session, plan, masked(file)
        series = Series(keep_files=plan.keep.get("keep_files"), keep_bytes=plan.keep.get("keep_bytes"))
        self._album = load_album(row, file, options, series if plan.is_series else None, plan.latest or "")
        self.to_stdout = self._album.to_stdout
        self._deinterlace = options.deinterlace
        self._sink: Sink | None = None  # of the next picture, opened with the camera
        self._unlinked = False  # whether the link to the newest picture could not be made
        self._reported: set[str] = set()  # kinds of errors of the output
        self._counts = Counts()
        self._why = ""  # what was found of the latest damaged frame
        self._bytes = 0
        self._hooks = _load_hooks(plan.command, session) if plan.command else None

    @property
    def failed(self) -> bool:
        """Return whether something that was asked for beside the pictures has failed: a command, a link."""
        return self._unlinked or (self._hooks is not None and self._hooks.failed > 0)

    def check(self) -> None:
        """Raise the error that the first picture is certain to raise."""
        self._sink = self._album.next_sink()
        self._session.write_to(self._abandon_reader, to_stdout=self.to_stdout)

    def begin(self, track: MediaStreamTrack) -> None:
        """Open the output of the next picture, while the camera is being opened."""
        try:
            self._open(track)
        except OperationError as error:
            self._go_on_after(error)

    def save(self, track: MediaStreamTrack, frames: Iterator[Picture], close: Callable[[], object] | None) -> bool:
        """Write the first whole one of the frames. Return False if there is none, after a signal or the camera's end.

        ``close``: called when nothing more is needed from the camera.
        """
        first = next(frames, None)
        if first is None:
            return False
        try:
            return self._write(first, track, frames, close)
        except OperationError as error:
            self._go_on_after(error)
        self.unwritten += 1
        return True

    def _go_on_after(self, error: OperationError) -> None:
        """Report an error of the output once, and give the output up. Raise the error unless the series is to go on."""
        if not self._plan.keep_going:
            raise error
        self._sink = None
        self._report_error(error)

    def _report_error(self, error: OperationError) -> None:
        """Report an error after which the series goes on. On the terminal, report each kind once."""
        self._session.events.emit("error", error=error.to_json())
        kind = str(error).rpartition(":")[2]  # what failed, without the name of the file
        if kind not in self._reported:
            self._reported.add(kind)
            self._session.voice.warn(f"{error}; the series goes on")

    def _open(self, track: MediaStreamTrack, taken_us: int | None = None) -> Sink:
        """Return the open output of the next picture, which knows how the camera is set now."""
        sink = self._album.next_sink(taken_us) if self._sink is None else self._sink
        self._album.open(sink, _format(track))
        self._sink = sink
        return sink

    def _write(
        self, first: Picture, track: MediaStreamTrack, frames: Iterator[Picture], close: Callable[[], object] | None
    ) -> bool:
        taken_us = None if track.paced else first.timestamp
        is_named = self._sink is not None  # before it was taken
        sink = self._open(track, taken_us)
        if is_named:
            self._album.rename(sink, taken_us)
        delivery = Delivery(sink, [track], Window([VIDEO], frames=1), deinterlace=self._deinterlace)
        delivery.write_all(_closing(chain([first], frames), close))
        self._sink = None
        (counts,) = delivery.counts
        self._counts.add(counts)
        self._why = delivery.why(0) or self._why
        if counts.frames:
            self.taken += 1
            self._bytes += sink.bytes_written
            width, height = (int(track.settings[name]) for name in ("width", "height"))
            self._note(self._album.add(sink, (width, height)))
        return counts.frames > 0

    def _note(self, name: str) -> None:
        """Tell of a picture that was saved."""
        if not name:
            return
        self._link(name)
        self._session.events.emit("dataavailable", None, file=name)
        if self._plan.is_series:
            self._session.voice.detail(f"Saved {name}")
        if self._hooks is not None:
            self._hooks.start(name)
        if self._plan.show:
            self._show(name)

    def _link(self, name: str) -> None:
        """Let the link to the newest picture point to this one. Raises OperationError unless the series is to go on."""
        try:
            self._album.link(name)
        except OperationError as error:
            if not self._plan.keep_going:
                raise
            self._report_error(error)
            self._unlinked = True

    def _show(self, name: str) -> None:
        """Draw a picture in the terminal, if there is one."""
        terminal = next((fd for fd in (STDERR, STDOUT) if os.isatty(fd)), None)
        if terminal is None or os.environ.get("TERM") == "dumb":
            what = "a terminal" if terminal is None else "a terminal that is not dumb, as TERM says"
            self.warnings += [f"--show needs {what}"] * (self.taken == 1)
            return
        import av

        from mscli.cli.draw import show

        try:
            with av.open(name, "r") as file:
                picture = next(file.decode(video=0))
        except (av.error.FFmpegError, StopIteration):  # a format of another package
            self.warnings += [f"--show cannot read {name}"] * (self.taken == 1)
            return
        self.hide()
        show(picture, terminal)

    def finish(self) -> None:
        """Wait for the commands that still run, and forget the output of a picture that was not taken."""
        self.sync(at_once=True)
        if self._session.voice.live:
            self.hide()
        if self._sink is not None:
            self._sink.abort()
        if self._hooks is not None:
            self._hooks.finish(lambda: self._session.stopper.abandoned)

    def wait(self, what: str, left_s: float | None) -> None:
        """Show on a terminal how many pictures there are, and what comes next, perhaps in some seconds."""
        self.sync()
        voice = self._session.voice
        if not voice.live:
            return
        from mscli.cli.status import Item, fitting, line_of

        when = "" if left_s is None else f" in {duration_text(left_s + 0.999)}"
        count = Item(f"{self.taken} picture{'s' if self.taken != 1 else ''}", 2)
        items = fitting([Item("Ctrl-C stop", 3, "dim"), count, Item(f"{what}{when}", 1)], voice.columns - 1)
        voice.show_status(*line_of(items))

    def sync(self, *, at_once: bool = False) -> None:
        """Flush the names of the pictures to the disk, if that is due."""
        self._album.sync(at_once=at_once)

    def hide(self) -> None:
        """Remove the line from the terminal."""
        self._session.voice.show_status("", 0)

    def report(self, reason: str, camera: Camera, warnings: list[str]) -> Report:
        """Return the report of all pictures."""
        counts, (dropped, lost) = self._counts, camera.losses
        counts.dropped, counts.lost = dropped, counts.lost + lost
        counts.damaged += camera.faults.damaged
        if counts.damaged > SHARE * camera.looked_at:
            why = camera.faults.why or self._why
            warnings = [*warnings, damage_text(camera.track.source_name, counts.damaged, camera.looked_at, why)]
        unnamed = "" if not self.taken else "stdout" if self.to_stdout else self._unnamed
        pictures = f"{self.unwritten} picture{'s' if self.unwritten != 1 else ''}"
        lacking = [f"{pictures} could not be written"] if self.unwritten else []
        report = Report(self._album.files, reason, [camera.track], [counts], self._bytes, unnamed=unnamed)
        return report._replace(warnings=[*warnings, *lacking], still=self._album.size)

    def _abandon_reader(self) -> None:
        if self._sink is not None:
            self._sink.abandon_reader()


def _format(track: MediaStreamTrack) -> TrackFormat:
    return TrackFormat(VIDEO, track.current_settings, track.pixel_format, track.label, track.maker, track.paced)


def _load_hooks(command: Sequence[str], session: Session) -> Hooks:
    from mscli.cli.hooks import Hooks

    return Hooks(command, session.voice.warn, silent=session.options.json)  # every line of stderr is JSON then


def _closing(frames: Iterator[Picture], close: Callable[[], object] | None) -> Iterator[Picture]:
    """Yield frames. Close the camera as soon as one is complete, before it is written."""
    for frame in frames:
        if close is not None and isinstance(frame, VideoFrame):
            close()
        yield frame
