"""A recording cut into files that each can be played by themselves: no picture and no sample is lost or doubled between them.

Pictures are cut where decoding can start, at a key frame that the encoder is told to make, sound at the very sample of that
instant: it waits for the pictures of its time where a cut may come. The encoder of the pictures runs on; each file has an
encoder of its own for sound.

A camera that falls silent holds up nothing for longer than LEAD_US: then another one says where to cut, or the sound, and
what its encoder still holds is pushed out by its last picture, which begins its part of the later files; one that is copied
begins them with its last key frame.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING

from mscli.core.frames import Frame, VideoFrame
from mscli.core.window import frame_tolerance_us
from mscli.sinks.base import PATIENCE_US, SinkOptions
from mscli.sinks.cuts import Schedule
from mscli.sinks.series import SeriesSink

if TYPE_CHECKING:
    from mscli.sinks import SinkRow, Target
    from mscli.sinks.encoders import Encoders, Pieces
    from mscli.sinks.filetracks import Chunk, Piece, Sound
    from mscli.sinks.recordingfile import RecordingFile

LEAD_US = PATIENCE_US + 250_000  # how long a camera's next picture decides on a cut: black ones begin a second after its last
_PUSH_US = 100_000  # between two pictures that push others out of an encoder
_BLOCKS_BEHIND = 4  # blocks of sound that may still come for a file after its last picture


class SegmentSink(SeriesSink):
    """A recording in files that follow each other. Two are open while what belongs into the older one still comes."""

    def __init__(self, row: SinkRow, target: Target, options: SinkOptions) -> None:
        super().__init__(row, target, options)
        self._most_bytes = self.plan.size_bytes  # of a file
        self._schedule = Schedule(self.plan, self._wall)
        self._paused_us = 0  # of the pauses, what the schedule knows of
        self._due_us: int | None = None  # when the newest file is due to end
        self._pictures: list[int] = []  # the tracks of pictures
        self._seen_us: dict[int, int] = {}  # of these: when the latest frame was captured
        self._now_us = 0  # the same of all tracks
        self._early_us = 0  # by which a picture may come before a file is due to end, and end it
        self._keyed: dict[int, RecordingFile] = {}  # by track: the file that begins with the latest key frame asked for
        self._pictured: dict[int, RecordingFile] = {}  # by track: the file that its latest picture went to
        self._apart: set[int] = set()  # tracks that only a key frame goes on with: what others need is not in their file
        self._severed: Counter[int] = Counter()  # by track: pictures left out for want of that
        self._held: list[tuple[int, Sound]] = []  # with their tracks: waits for pictures, for LEAD_US at most
        self._ending = False  # whether no further cut comes
        self._heard: dict[int, int] = {}  # by track: samples placed
        self._largest: dict[int, int] = {}  # by track: what its largest piece has cost

    def corrections(self, track: int) -> Mapping[str, int]:
        """What the others tell, and pictures that could not be gone on with."""
        severed = self._severed[track]
        return {**super().corrections(track), **({"severed": severed} if severed else {})}

    def _begin(self, encoders: Encoders, origin_us: int) -> None:
        self._pictures = [index for index, track in enumerate(encoders.tracks) if track.kind == "video"]
        self._seen_us = dict.fromkeys(self._pictures, origin_us)
        self._next_file(encoders, origin_us, origin_us)
        self._keyed = dict.fromkeys(self._pictures, self._open[0])

    def _take(self, encoders: Encoders, track: int, frame: Frame) -> None:
        self._now_us = max(self._now_us, frame.timestamp)
        if self._open and self.paused_us != self._paused_us:  # the clock went on meanwhile
            self._paused_us, self._due_us = self.paused_us, self._schedule.due_us(frame.timestamp)
        if self._open and isinstance(frame, VideoFrame) and encoders[track].shows(frame):
            self._go_on(encoders, track, frame)
        self._push_silent(encoders)
        super()._take(encoders, track, frame)
        self._finish_passed(encoders)

    def _go_on(self, encoders: Encoders, track: int, frame: VideoFrame) -> None:
        """See where a picture that comes belongs, and that its track has begun in every file up to there."""
        before_us, self._seen_us[track] = self._seen_us[track], frame.timestamp
        self._early_us = max(self._early_us, frame_tolerance_us(frame))
        if not (encoders[track].forces_keys or frame.key):
            return
        self._cut_before(encoders, track, frame)
        file = self._file_at(frame.timestamp)
        self._push_passed_over(encoders, track, frame.timestamp if frame.timestamp - before_us > PATIENCE_US else file.begin_us)
        self._force_key(encoders, track, file)

    def _finish(self, encoders: Encoders) -> None:
        self._ending = True
        for file in self._open[1:]:
            for track in self._pictures:
                if self._seen_us[track] < file.begin_us or track in self._apart:
                    self._push(encoders, track, file, file.begin_us)
        super()._finish(encoders)

    def _next_file(self, encoders: Encoders, begin_us: int, after_us: int) -> None:
        """Begin a file. ``after_us``: its end is due later than that."""
        self._begin_file(encoders, begin_us, self._schedule.named_us(after_us))
        self._due_us = self._schedule.due_us(after_us)

    def _force_key(self, encoders: Encoders, track: int, file: RecordingFile) -> None:
        """Have the track's next picture begin its part of the file, if none does yet."""
        if self._keyed[track] is not file:
            if encoders[track].forces_keys:
                encoders[track].force_key()
            self._keyed[track] = file

    # Where to cut

    @property
    def _lead(self) -> int | None:
        """The track whose pictures decide where the cuts are: the first that has not fallen silent, if there is one."""
        return next((track for track in self._pictures if self._now_us - self._seen_us[track] <= LEAD_US), None)

    def _cut_before(self, encoders: Encoders, track: int, frame: VideoFrame) -> None:
        """Begin the next file with this picture, if it is time."""
        if track != self._lead or frame.timestamp <= self._open[-1].begin_us:
            return
        if self._due_us is not None and frame.timestamp + frame_tolerance_us(frame) >= self._due_us:
            self._next_file(encoders, frame.timestamp, max(frame.timestamp, self._due_us))
        elif self._is_full(encoders):
            self._next_file(encoders, frame.timestamp, frame.timestamp)

    def _is_full(self, encoders: Encoders) -> bool:
        """Whether the newest file may become too large with what is on its way to it and one picture more."""
        if self._most_bytes is None:
            return False
        waiting = {track: encoders[track].waiting for track in self._pictures}
        coming = sum(cost * (waiting.get(index, _BLOCKS_BEHIND - 1) + 1) for index, cost in self._largest.items())
        coming += sum(self._open[-1].cost(track, sound) for track, sound in self._held)
        return bool(self._open[-1].most_bytes + coming > self._most_bytes)

    def _cut_in_sound(self, encoders: Encoders, track: int, sound: Sound) -> None:
        """Where no pictures come: begin the next file before these samples for their size, or where it is due in them."""
        encoder, start, newest = encoders[track], sound.pts or 0, self._open[-1]
        start_us = encoder.instant_us(start)
        full = self._most_bytes is not None and newest.most_bytes + newest.cost(track, sound) > self._most_bytes
        if full and start > encoder.position(newest.begin_us):
            self._next_file(encoders, start_us, start_us)
        while self._due_us is not None and encoder.position(self._due_us) < start + sound.samples:
            begin_us = max(self._due_us, start_us)  # it may have been due while a camera was waited for
            self._next_file(encoders, begin_us, begin_us)

    # Where pieces go

    def _place_all(self, encoders: Encoders, pieces: Pieces, *, begins: bool) -> None:
        super()._place_all(encoders, pieces, begins=begins)
        held, self._held = self._held, []
        for track, sound in held:
            if self._has_to_wait(encoders, track, sound):
                self._held.append((track, sound))
            else:
                self._place_sound(encoders, track, sound)

    def _place(self, encoders: Encoders, track: int, piece: Piece) -> None:  # noqa: ARG002
        if isinstance(piece, tuple):
            self._place_picture(track, piece)
        else:
            self._held.append((track, piece))

    def _has_to_wait(self, encoders: Encoders, track: int, sound: Sound) -> bool:
        """Whether a picture that is still to come may begin a file in these samples."""
        lead = self._lead
        if self._ending or lead is None:
            return False
        end_us = encoders[track].instant_us((sound.pts or 0) + sound.samples)
        due = self._due_us is not None and end_us > self._due_us - self._early_us
        return end_us > self._seen_us[lead] and (due or self._most_bytes is not None)

    def _place_picture(self, track: int, chunk: Chunk) -> None:
        before = self._pictured.get(track, self._open[0])
        file = self._file_at(chunk.at_us) if chunk.key or track not in self._pictured else before
        if chunk.key:
            self._apart.discard(track)
        if file not in self._open or track in self._apart:  # the camera was silent until the file of these was finished
            self._apart.add(track)
            self._severed[track] += 1
            return
        self._pictured[track] = file
        self._put_counted(file, track, chunk)

    def _file_at(self, at_us: int) -> RecordingFile:
        """The open file to which that instant belongs."""
        return next((file for file in reversed(self._open) if file.begin_us <= at_us), self._open[0])

    def _place_sound(self, encoders: Encoders, track: int, sound: Sound) -> None:
        from mscli.sinks.convert import clip_sound

        if self._lead is None:
            self._cut_in_sound(encoders, track, sound)
        begins = [encoders[track].position(file.begin_us) for file in self._open]
        last = (sound.pts or 0) + sound.samples
        for file, first, end in zip(self._open, begins, [*begins[1:], last], strict=True):
            part = clip_sound(sound, first, end)
            if part.samples:
                self._put_counted(file, track, part)
        self._heard[track] = last

    def _put_counted(self, file: RecordingFile, track: int, piece: Piece) -> None:
        if self._most_bytes is not None:
            self._largest[track] = max(self._largest.get(track, 0), file.cost(track, piece))
        self._put(file, track, piece)

    # Where nothing more comes

    def _push_silent(self, encoders: Encoders) -> None:
        """Have cameras that have fallen silent begin their part of the files that others are in already."""
        until_us = self._now_us - PATIENCE_US
        file = self._file_at(until_us) if len(self._open) > 1 else None
        if file is None or file.begin_us > until_us:
            return
        for track in self._pictures:
            if self._seen_us[track] < until_us or track in self._apart:
                self._push(encoders, track, file, until_us, _PUSH_US)

    def _push_passed_over(self, encoders: Encoders, track: int, until_us: int) -> None:
        """Have a camera that goes on at that instant begin its part of the files that began in the meantime."""
        for file in self._open:
            if self._keyed[track].begin_us < file.begin_us < until_us:
                self._push(encoders, track, file, file.begin_us)

    def _push(self, encoders: Encoders, track: int, file: RecordingFile, at_us: int, after_us: int = 0) -> None:
        """Have a camera begin its part of a file with its picture before, at that instant, if that is so much later."""
        latest = self._pictured.get(track)
        if latest is not None and latest.begin_us >= file.begin_us:
            return
        self._force_key(encoders, track, file)
        again = encoders[track].repeat(at_us, after_us)
        self._place_all(encoders, [(track, chunk) for chunk in again], begins=False)
        if again and not encoders[track].forces_keys:
            self._apart.add(track)

    def _finish_passed(self, encoders: Encoders) -> None:
        """Finish files for which nothing more can come."""
        while len(self._open) > 1 and all(self._passed(encoders, track) for track in self._open[0].tracks):
            self._finish_oldest()

    def _passed(self, encoders: Encoders, track: int) -> bool:
        """Whether the track has gone on to a later file than the oldest, or has nothing for this one any more."""
        oldest, second = self._open[:2]
        if track in self._pictures:
            silent = self._now_us - PATIENCE_US > second.begin_us and not encoders[track].waiting
            latest = self._pictured.get(track, oldest)
            return silent or latest.begin_us > oldest.begin_us
        return self._heard.get(track, 0) >= int(encoders[track].position(second.begin_us))
