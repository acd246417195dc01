"""Write a recording into a series of files that can be played separately. No frame or sample is lost or repeated.

At a cut, the encoder makes a key frame. Audio is cut at the sample of the same time, so it waits for the video of its time if a
cut may come. The video encoder keeps running.

Each file has its own audio encoder, even if other outputs share packets of the same codec, because few files can begin within
a packet. MP4 and QuickTime can, by their edit list. Matroska, WebM, Ogg and MP3, as FFmpeg writes them, leave out the same
number of samples in every file. A file cut within a packet would begin up to 24 ms early, with the whole packet, and 80 ms
earlier with the packets that a decoder of Opus needs to settle. A second encoder costs 0.7 % (Opus) to 1.6 % (AAC, MP3) of a
core.

A camera that delivers nothing delays the other tracks by LEAD_US at most. Then another camera determines the cuts, or else the
audio. The camera's last frame is encoded again, to flush its encoder and to begin its part of later files. If its video is
copied, its last key frame begins them.
"""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from math import inf
from typing import TYPE_CHECKING

from mscli.core.clock import MICROSECONDS, wall_clock
from mscli.core.errors import OperationError
from mscli.core.frames import AudioData, EncodedVideoChunk, Media, VideoFrame, between
from mscli.core.level import Silence
from mscli.core.limits import LEAD_US, MAX_LAG_US
from mscli.core.log import Burst, Log
from mscli.core.ticks import next_boundary
from mscli.core.tuples import NamedTuple
from mscli.core.window import PAST_US, frame_tolerance_us
from mscli.encode.encoding import EncodedTrack, PacketSink
from mscli.encode.options import Series
from mscli.sinks.files.series import FileSeries

if TYPE_CHECKING:
    from mscli.encode.chunks import Piece
    from mscli.encode.codecs import Container

_log = Log("sinks")

_PUSH_US = 100_000  # between two pictures that push others out of an encoder
_BLOCKS_BEHIND = 4  # blocks of sound that may still come for a file after its last picture
_STEP = timedelta(seconds=1)  # a larger change of the local time means that somebody has set the clock
_SAME_MARK_US = 100_000  # a file that begins this shortly before a mark is named after the mark


class Schedule:
    """The times at which files are due to end. ``wall`` converts a timestamp (microseconds) to local time."""

    def __init__(self, series: Series, wall: Callable[[int], datetime]) -> None:
        self._duration_us = None if series.duration_s is None else max(1, round(series.duration_s * MICROSECONDS))
        self._clock_s = series.clock_s
        self._wall = wall
        self._origin_us: int | None = None
        self._seen: tuple[int, datetime] | None = None  # the timestamp and local time from which the latest end was computed

    def due_us(self, after_us: int) -> int | None:
        """Return the first end after a time, or None if files do not end by time. The first call sets the series' beginning.

        Durations count from there, so that they do not drift.
        """
        first = self._origin_us is None
        if self._origin_us is None:
            self._origin_us = after_us
        ends = []
        if self._duration_us is not None:
            ends.append(after_us + self._duration_us - (after_us - self._origin_us) % self._duration_us)
        if self._clock_s is not None:
            later_us = after_us + (0 if first else _SAME_MARK_US)
            wall = self._wall(later_us)
            self._seen = later_us, wall
            ends.append(later_us + (next_boundary(wall, self._clock_s) - wall) // timedelta(microseconds=1))
        return min(ends, default=None)

    def due_after_step_us(self, at_us: int) -> int | None:
        """Return the new end if the clock was set since the last end was computed, or else None.

        If the clock was set ahead past a mark, or by a whole file, the end is now, so that the next file has the right name.
        """
        if self._clock_s is None or self._seen is None:
            return None
        seen_us, seen = self._seen
        wall, expected = self._wall(at_us), seen + timedelta(microseconds=at_us - seen_us)
        step = wall - expected
        if abs(step) < _STEP:
            return None
        passed = expected < next_boundary(expected, self._clock_s) <= wall or abs(step) >= timedelta(seconds=self._clock_s)
        due_us = self.due_us(at_us)
        return at_us if passed else due_us

    def named_us(self, at_us: int) -> int:
        """Return the time in the name of a file that begins at ``at_us``: a mark of the clock, if one is close."""
        return at_us if self._clock_s is None else at_us + _SAME_MARK_US


class SeriesSink(PacketSink):
    """A sink of several files: the common base of ``Segments`` and ``Triggered``.

    ``container``: the files' container. ``make`` returns the packet sink of the file with a name.
    """

    watches = True

    def __init__(self, files: FileSeries, container: Container, make: Callable[[str], PacketSink]) -> None:
        self.takes = container
        self.series = files
        self.plan = files.plan
        self._make = make
        self._tracks: Sequence[EncodedTrack] = ()
        self._open: list[PacketSink] = []  # the oldest first
        self._closing: list[PacketSink] = []  # finished, but not yet completely written by slow outputs
        self._closed_bytes = 0  # the size of finished files
        self._track_bytes: Counter[int] = Counter()  # the same for each track
        self._put: dict[PacketSink, Counter[int]] = defaultdict(Counter)  # open file → track → pictures or samples given to it
        self._in_files: Counter[int] = Counter()  # track → pictures or samples of finished files
        self._was_cut = False  # whether one of them was cut after an error
        self._silences: dict[int, Silence] = {}  # of the tracks of sound, if silence ends files
        self._left_out: dict[int, Counter[str]] = defaultdict(Counter)  # track → reason → what they left out
        self._orphaned = Burst(_log, "%d frame(s) left out: they build on frames of a file that is finished")

    def _listen(self, track: int, frame: Media) -> tuple[int, bool]:
        """Take sound. Return for how long all tracks have been silent up to it, in microseconds, and whether it sounds."""
        if self.plan.silence is None or not isinstance(frame, AudioData):
            return 0, False
        silence = self._silences.setdefault(track, Silence(self.plan.silence.db))
        silence.note(frame)
        return min(one.lasted_us for one in self._silences.values()), silence.sounds

    def begin(self, tracks: Sequence[EncodedTrack], origin_us: int) -> None:
        """Begin the series at ``origin_us``."""
        self._tracks = tracks
        self._begin(origin_us)

    def passed(self, at_us: int) -> None:
        """Count the files that slow outputs have finished in the meantime, in their order."""
        del at_us
        while self._closing and self._closing[0].done:
            self._settle(self._closing.pop(0))

    def end(self) -> None:
        """Finish all files."""
        while self._open:
            self._finish_oldest()

    def abandon_reader(self) -> None:
        """Give up the stalled readers of the files."""
        for file in self._writing:
            file.abandon_reader()

    def drain(self) -> None:
        """Wait for slow outputs."""
        while self._closing:
            self._settle(self._closing.pop(0))

    def abort(self) -> None:
        """Give up all files. Raise nothing, because the reason is already being raised."""
        for file in [*self._closing, *self._open]:
            try:
                file.abort()
            finally:
                with suppress(OperationError, BrokenPipeError):
                    self._settle(file)
        self._closing, self._open = [], []

    @property
    def bytes_written(self) -> int:
        """Return the total size of the files so far, in bytes."""
        return self._closed_bytes + sum(file.bytes_written for file in self._writing)

    @property
    def readable(self) -> bool:
        """Return whether an open file can be read."""
        return any(file.readable for file in self._open)

    def track_bytes(self, track: int) -> int:
        """Return the total size of the track's packets in all files, in bytes."""
        return self._track_bytes[track] + sum(file.track_bytes(track) for file in self._writing)

    def kept(self, track: int) -> int | None:
        """Return how many pictures or samples the files have, if one was cut after an error, or else None."""
        return self._in_files[track] if self._was_cut else None

    def left_out(self, track: int) -> Mapping[str, int]:
        """Return how many of the track's frames or samples are in no file, by reason."""
        found = Counter(self._left_out[track])
        for file in self._writing:
            found.update(file.left_out(track))
        return found

    @abstractmethod
    def _begin(self, origin_us: int) -> None:
        """Begin at ``origin_us``. The tracks are known now."""

    @property
    def _writing(self) -> list[PacketSink]:
        return [*self._closing, *self._open]

    def _wall(self, at_us: int) -> datetime:
        """Return the local time of a timestamp, adding the pauses that it excludes."""
        return wall_clock(at_us + self.paused_us)

    def _part_of(self, sound: AudioData, track: int, begin_us: int, end_us: int | None) -> AudioData | None:
        """Return the samples between two times, or None if there are none. Without an end, return all that follow."""
        position, last = self._tracks[track].position, sound.sequence + sound.count
        part = between(sound, position(begin_us), last if end_us is None else position(end_us))
        return part if part.count else None

    def _begin_file(self, begin_us: int, named_us: int) -> PacketSink:
        """Begin the next file at ``begin_us``. ``named_us`` is the time in its name."""
        name, file = self.series.begin(self._wall(named_us)), None
        try:
            file = self._make(name)
            file.name, file.begin_us, file.paused_us = name, begin_us, self.paused_us
            file.begin(self._tracks, begin_us)
        except BaseException:
            self.series.drop(name)
            if file is not None:
                file.abort()
            raise
        self._open.append(file)
        return file

    def _write(self, file: PacketSink, track: int, piece: Piece) -> None:
        """Give a piece to a file."""
        self._put[file][track] += piece.count
        file.put(track, piece)
        self.ended = self.ended or file.ended

    def _finish_oldest(self) -> PacketSink:
        """Finish the oldest file. After an error it is still open. Raises OperationError, BrokenPipeError."""
        file = self._open[0]
        file.end_by_s = self.end_by_s
        file.end()
        self._closing.append(self._open.pop(0))
        while self._closing and self._closing[0].done:
            self._settle(self._closing.pop(0))
        return file

    def _settle(self, file: PacketSink) -> None:
        """Count a finished file. Raises OperationError, BrokenPipeError."""
        try:
            file.drain()
        finally:
            self._closed_bytes += file.bytes_written
            self.kept_until_us = file.kept_until_us or self.kept_until_us
            put = self._put.pop(file, Counter())
            for track in (one.index for one in self._tracks):
                self._track_bytes[track] += file.track_bytes(track)
                kept, left_out = file.kept(track), file.left_out(track)
                self._was_cut = self._was_cut or kept is not None
                self._in_files[track] += put[track] - sum(left_out.values()) if kept is None else kept
                self._left_out[track].update(left_out)
            self.series.end(file.name, file.identity)


class _Led(NamedTuple):
    """A key frame that has begun a file. Pictures that are shown before it may follow: they go into the ``file`` before.

    None: that lacks the pictures on which they depend. ``repeated``: whether it has the key frame, too.
    """

    key: EncodedVideoChunk
    file: PacketSink | None
    repeated: bool = False


class Segments(SeriesSink):
    """A sink of consecutive files. Two are open while the older one still gets packets."""

    def __init__(self, files: FileSeries, container: Container, make: Callable[[str], PacketSink]) -> None:
        super().__init__(files, container, make)
        self._most_bytes = self.plan.size_bytes  # of a file
        self._gap_us = inf if self.plan.silence is None else self.plan.silence.seconds * MICROSECONDS
        self._schedule = Schedule(self.plan, self._wall)
        self._paused_us = 0  # the total length of the pauses that the schedule knows
        self._due_us: int | None = None  # when the newest file is due to end
        self._pictures: list[int] = []  # the video tracks
        self._seen_us: dict[int, int] = {}  # video track → capture time of its latest frame
        self._now_us = 0  # the capture time of the latest frame of any track
        self._early_us = 0  # how long before the due end of a file a picture may end it
        self._keyed: dict[int, PacketSink] = {}  # track → the file that begins with the latest requested key frame
        self._pictured: dict[int, PacketSink] = {}  # track → the file with its latest picture
        self._apart: set[int] = set()  # tracks that can only continue with a key frame
        self._led: dict[int, _Led] = {}  # track → the key frame that has begun its part of the newest file, and what follows it
        self._held: list[tuple[int, AudioData]] = []  # tracks and samples that wait for pictures, for LEAD_US at most
        self._ending = False  # whether no more cuts follow
        self._heard: dict[int, int] = {}  # track → number of placed samples
        self._largest: dict[int, int] = {}  # track → size of its largest piece

    def coming(self, track: int, frame: Media) -> None:
        """Cut before the frame if a cut is due, and begin its track in every file up to there."""
        self._now_us = max(self._now_us, frame.timestamp)
        if not self._open:
            return
        if self.paused_us != self._paused_us:  # the clock continued meanwhile
            self._paused_us, self._due_us = self.paused_us, self._schedule.due_us(frame.timestamp)
        elif (due_us := self._schedule.due_after_step_us(frame.timestamp)) is not None:
            self._due_us = due_us
        silent_us, sounds = self._listen(track, frame)
        if sounds and silent_us >= self._gap_us and frame.timestamp > self._open[-1].begin_us:
            self._due_us = frame.timestamp
        if isinstance(frame, VideoFrame | EncodedVideoChunk) and self._tracks[track].shows(frame):
            self._go_on(track, frame)
        self._push_silent()

    def put(self, track: int, piece: Piece) -> None:
        """Place a video packet, or hold audio until it is known whether a frame cuts within it."""
        if isinstance(piece, EncodedVideoChunk):
            self._place_picture(track, piece)
        elif isinstance(piece, AudioData):
            self._held.append((track, piece))

    def passed(self, at_us: int) -> None:
        """Place the audio that need not wait any longer, and finish the files that can get nothing more."""
        super().passed(at_us)
        self._place_held()
        self._finish_passed()

    def ending(self) -> None:
        """Stop cutting, and begin the part of every camera in the open files."""
        self._ending = True
        for file in self._open[1:]:
            for track in self._pictures:
                if self._seen_us[track] < file.begin_us or track in self._apart:
                    self._push(track, file, file.begin_us)

    def end(self) -> None:
        """Place the waiting audio, and finish all files."""
        self._place_held()
        super().end()

    def _begin(self, origin_us: int) -> None:
        self._pictures = [track.index for track in self._tracks if track.kind == "video"]
        self._seen_us = dict.fromkeys(self._pictures, origin_us)
        self._next_file(origin_us, origin_us)
        self._keyed = dict.fromkeys(self._pictures, self._open[0])

    def _go_on(self, track: int, frame: VideoFrame | EncodedVideoChunk) -> None:
        """Find the file of a frame, and begin its track in every file up to there."""
        before_us, self._seen_us[track] = self._seen_us[track], frame.timestamp
        self._early_us = max(self._early_us, frame_tolerance_us(frame))
        if not (self._tracks[track].forces_keys or (isinstance(frame, EncodedVideoChunk) and frame.key)):
            return
        self._cut_before(track, frame)
        file = self._file_at(frame.timestamp)
        self._push_passed_over(track, frame.timestamp if frame.timestamp - before_us > MAX_LAG_US else file.begin_us)
        self._force_key(track, file)

    def _next_file(self, begin_us: int, after_us: int) -> None:
        """Begin a file. Its end is due later than ``after_us``."""
        self._begin_file(begin_us, self._schedule.named_us(after_us))
        self._due_us = self._schedule.due_us(after_us)

    def _force_key(self, track: int, file: PacketSink) -> None:
        """Request a key frame to begin the track's part of the file, unless that has been done."""
        if self._keyed[track] is not file:
            self._tracks[track].force_key()
            self._keyed[track] = file

    # Where to cut

    @property
    def _lead(self) -> int | None:
        """Return the track that determines the cuts: the first camera that still delivers, or None."""
        return next((track for track in self._pictures if self._now_us - self._seen_us[track] <= LEAD_US), None)

    def _cut_before(self, track: int, frame: VideoFrame | EncodedVideoChunk) -> None:
        """Begin the next file with this frame, if a cut is due."""
        if track != self._lead or frame.timestamp <= self._open[-1].begin_us:
            return
        if self._due_us is not None and frame.timestamp + frame_tolerance_us(frame) >= self._due_us:
            self._next_file(frame.timestamp, max(frame.timestamp, self._due_us))
        elif self._is_full():
            self._next_file(frame.timestamp, frame.timestamp)

    def _is_full(self) -> bool:
        """Return whether the newest file may become too large with the pending packets and one more frame."""
        if self._most_bytes is None:
            return False
        waiting = {track: self._tracks[track].waiting for track in self._pictures}
        coming = sum(cost * (waiting.get(index, _BLOCKS_BEHIND - 1) + 1) for index, cost in self._largest.items())
        coming += sum(self._open[-1].cost(track, sound) for track, sound in self._held)
        return bool(self._open[-1].most_bytes + coming > self._most_bytes)

    def _cut_in_sound(self, track: int, sound: AudioData) -> None:
        """Cut by audio, because no camera delivers: before these samples for the size, or within them for the time."""
        encoder, start, newest = self._tracks[track], sound.sequence, self._open[-1]
        start_us = encoder.instant_us(start)
        full = self._most_bytes is not None and newest.most_bytes + newest.cost(track, sound) > self._most_bytes
        if full and start > encoder.position(newest.begin_us):
            self._next_file(start_us, start_us)
        while self._due_us is not None and encoder.position(self._due_us) < start + sound.number_of_frames:
            begin_us = max(self._due_us, start_us)  # it may have been due while a camera was waited for
            self._next_file(begin_us, begin_us)

    # Where pieces go

    def _place_held(self) -> None:
        held, self._held = self._held, []
        for track, sound in held:
            if self._has_to_wait(track, sound):
                self._held.append((track, sound))
            else:
                self._place_sound(track, sound)

    def _has_to_wait(self, track: int, sound: AudioData) -> bool:
        """Return whether a later frame may begin a file within these samples."""
        lead = self._lead
        if self._ending or lead is None:
            return False
        end_us = self._tracks[track].instant_us(sound.sequence + sound.number_of_frames)
        due = self._due_us is not None and end_us > self._due_us - self._early_us
        return end_us > self._seen_us[lead] and (due or self._most_bytes is not None)

    def _place_picture(self, track: int, chunk: EncodedVideoChunk) -> None:
        before = self._pictured.get(track, self._open[0])
        file = self._file_at(chunk.timestamp) if chunk.key or track not in self._pictured else before
        led = self._led.get(track)
        if led is not None and not chunk.key and chunk.timestamp < led.key.timestamp:
            self._place_led(track, chunk, led)
            return
        if led is not None:
            del self._led[track]
        if chunk.key:
            if chunk.reorder_us and (file is not before or track in self._apart):
                self._led[track] = _Led(chunk, None if track in self._apart else before)
            self._apart.discard(track)
            self._orphaned.end()
        if file not in self._open or track in self._apart:  # the camera was silent until the file of these was finished
            self._apart.add(track)
            self._leave_out(track)
            return
        self._pictured[track] = file
        self._put_counted(file, track, chunk)

    def _place_led(self, track: int, chunk: EncodedVideoChunk, led: _Led) -> None:
        """Place a picture that is shown before the key frame and decoded after it, as the last ones of an open group are.

        It depends on pictures of the file before, and on the key frame, which is then in both files.
        """
        if led.file not in self._open:
            self._leave_out(track)
            return
        assert led.file is not None, "it is open"
        if not led.repeated:
            self._led[track] = led._replace(repeated=True)
            self._left_out[track]["duplicated"] += 1
            self._put_counted(led.file, track, replace(led.key, duration=PAST_US))
        self._put_counted(led.file, track, chunk)

    def _leave_out(self, track: int) -> None:
        """Count a picture that could be decoded in no open file."""
        self._left_out[track]["orphaned"] += 1
        self._orphaned.note(1)

    def _file_at(self, at_us: int) -> PacketSink:
        """Return the open file to which a time belongs."""
        return next((file for file in reversed(self._open) if file.begin_us <= at_us), self._open[0])

    def _place_sound(self, track: int, sound: AudioData) -> None:
        if self._lead is None:
            self._cut_in_sound(track, sound)
        ends_us = [*(file.begin_us for file in self._open[1:]), None]
        for file, end_us in zip(tuple(self._open), ends_us, strict=True):
            part = self._part_of(sound, track, file.begin_us, end_us)
            if part is not None:
                self._put_counted(file, track, part)
        self._heard[track] = sound.sequence + sound.count

    def _put_counted(self, file: PacketSink, track: int, piece: Piece) -> None:
        if self._most_bytes is not None:
            self._largest[track] = max(self._largest.get(track, 0), file.cost(track, piece))
        self._write(file, track, piece)

    # Cameras that fall silent

    def _push_silent(self) -> None:
        """Begin the part of silent cameras in the files that other tracks have reached."""
        until_us = self._now_us - MAX_LAG_US
        file = self._file_at(until_us) if len(self._open) > 1 else None
        if file is None or file.begin_us > until_us:
            return
        for track in self._pictures:
            if self._seen_us[track] < until_us or track in self._apart:
                self._push(track, file, until_us, _PUSH_US)

    def _push_passed_over(self, track: int, until_us: int) -> None:
        """Begin the part of a camera that continues at ``until_us`` in the files that began in the meantime."""
        for file in self._open:
            if self._keyed[track].begin_us < file.begin_us < until_us:
                self._push(track, file, file.begin_us)

    def _push(self, track: int, file: PacketSink, at_us: int, after_us: int = 0) -> None:
        """Repeat a camera's last frame at ``at_us`` to begin its part of a file, if that is at least ``after_us`` later."""
        latest = self._pictured.get(track)
        if latest is not None and latest.begin_us >= file.begin_us:
            return
        self._force_key(track, file)
        again = self._tracks[track].repeat(at_us, after_us)
        if again and not self._tracks[track].forces_keys:
            self._apart.add(track)

    def _finish_passed(self) -> None:
        """Finish files for which nothing more can come."""
        while len(self._open) > 1 and all(self._is_past(track) for track in range(len(self._tracks))):
            self._finish_oldest()

    def _is_past(self, track: int) -> bool:
        """Return whether the oldest file can get nothing more from the track."""
        oldest, second = self._open[:2]
        if track in self._pictures:
            silent = self._now_us - MAX_LAG_US > second.begin_us and not self._tracks[track].waiting
            latest = self._pictured.get(track, oldest)
            led = self._led.get(track)
            return silent or (latest.begin_us > oldest.begin_us and (led is None or led.file is not oldest))
        return self._heard.get(track, 0) >= int(self._tracks[track].position(second.begin_us))
