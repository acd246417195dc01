"""Recordings: MP4, WebM, Matroska, QuickTime and files of sound, with pictures at the times of their capture, never re-timed.

Whatever happens, a file can be read up to its last fragment, a quarter of a second behind what the encoder has given out.
"""

from __future__ import annotations

import os
from abc import abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from mscli.core.errors import DOMException, InvalidStateError, NotSupportedError, OperationError
from mscli.core.frames import Frame
from mscli.sinks.base import COPY, GATHER_S, Sink, SinkOptions, TrackFormat
from mscli.sinks.codecs import CONTAINERS, codec_for
from mscli.sinks.copying import copied_formats
from mscli.sinks.files import output_for
from mscli.sinks.space import expected_bits_per_second
from mscli.sinks.tuning import COPIER

if TYPE_CHECKING:
    from mscli.sinks import SinkRow, Target
    from mscli.sinks.encoders import Encoders, Pieces
    from mscli.sinks.filetracks import Piece
    from mscli.sinks.outputs import Output
    from mscli.sinks.recordingfile import RecordingFile


_FULL = "size"  # the reason for which a recording ends that may not become larger


class RecordingSink(Sink):
    """Tracks that are encoded into one file or several: what the sinks of recordings have in common."""

    def __init__(self, row: SinkRow, target: Target, options: SinkOptions) -> None:
        self.row = row
        self.options = options
        self.name = target if isinstance(target, str) else "the recording"
        self._encoders: Encoders | None = None
        self._open: list[RecordingFile] = []  # the oldest first
        self._begun = False
        self._closed = False
        self._closed_bytes = 0  # of files that are finished
        self._track_bytes: Counter[int] = Counter()  # the same for each track
        self._unwritten: Counter[int] = Counter()  # pictures and samples of each track that are in no file
        self._expected_bits = 0.0

    @classmethod
    def check(cls, row: SinkRow, options: SinkOptions, kinds: Sequence[str]) -> None:
        """What the container holds, and the codecs asked for."""
        container = CONTAINERS[row.suffix]
        if not kinds:
            raise NotSupportedError("there is no track to record")
        asked = {"video": options.video_codec, "audio": options.audio_codec}
        for kind in dict.fromkeys([*kinds, *(kind for kind, codec in asked.items() if codec)]):
            if kind == "video" and options.video_codec == COPY:
                copied_formats(row.suffix)
            else:
                codec_for(kind, container, options)
        if len(kinds) > 1 and not container.video:
            raise NotSupportedError(f"a .{row.suffix} file holds one track", hints=["record into .mkv or .mp4"])
        bits = (options.video_bits_per_second, options.audio_bits_per_second)
        if any(rate is not None and rate <= 0 for rate in bits):
            raise NotSupportedError("a bit rate has to be above zero")

    def open(self, tracks: list[TrackFormat]) -> None:
        """Check, and have encoders ready to be opened by their first frames."""
        self.check(self.row, self.options, [track.kind for track in tracks])
        self._prepare()
        self._tell_ignored([track.kind for track in tracks])
        from mscli.sinks.encoders import Encoders

        container = CONTAINERS[self.row.suffix]
        self._encoders = Encoders(container, tracks, self.options)
        self._expected_bits = expected_bits_per_second(container, tracks, self.options)

    def write(self, track: int, frame: Frame) -> None:
        """Record the frame. Raises OperationError, BrokenPipeError, and NotSupportedError if an encoder refuses its shape."""
        if self._closed or self._encoders is None:
            raise InvalidStateError("the recording is not open")
        from mscli.sinks.muxer import border

        with border(self.name):
            self._take(self._encoders, track, frame)

    def close(self) -> None:
        """Finish what is open; without a frame there is no file."""
        if self._encoders is None or self._closed:
            return
        self._closed = True
        from mscli.sinks.muxer import border

        try:
            with border(self.name):
                self._finish(self._encoders)
        finally:
            self._give_up()

    def abort(self) -> None:
        """Finish what can be read already; nothing is left of what cannot."""
        if any(file.output.readable for file in self._open):
            with suppress(DOMException, BrokenPipeError):
                self.close()
        self._closed = True
        self._give_up()

    @property
    def bytes_written(self) -> int:
        """Bytes that all files have taken so far."""
        return self._closed_bytes + sum(file.output.size for file in self._open)

    @property
    def expected_bits_per_second(self) -> float:
        """What was asked for, or what the tracks suggest."""
        return self._expected_bits

    def track_bytes(self, track: int) -> int:
        """Bytes of the track's encoded packets, in all files."""
        return self._track_bytes[track] + sum(file.track_bytes(track) for file in self._open)

    def corrections(self, track: int) -> Mapping[str, int]:
        """Pictures left out and repeated, samples filled in and left out, and what is in no file."""
        done = dict(self._encoders[track].corrections()) if self._encoders is not None else {}
        return {name: count for name, count in (done | {"unwritten": self._unwritten[track]}).items() if count}

    def _tell_ignored(self, kinds: Sequence[str]) -> None:
        """Say what is asked for and means nothing to pictures that are copied."""
        if "video" not in kinds or self.options.video_codec != COPY or self.options.on_note is None:
            return
        for what in COPIER.ignored(self.options):
            self.options.on_note(f"the camera's pictures are copied, for which a {what} means nothing; it is ignored")

    @abstractmethod
    def _prepare(self) -> None:
        """See that files can be made."""

    @abstractmethod
    def _begin(self, encoders: Encoders, origin_us: int) -> None:
        """The recording begins at that instant."""

    @abstractmethod
    def _place(self, encoders: Encoders, track: int, piece: Piece) -> None:
        """Put the piece where it belongs."""

    def _take(self, encoders: Encoders, track: int, frame: Frame) -> None:
        waited = encoders.origin_us is None
        self._place_all(encoders, encoders.write(track, frame), begins=waited)

    def _place_all(self, encoders: Encoders, pieces: Pieces, *, begins: bool) -> None:
        if begins and encoders.origin_us is not None:
            self._begin(encoders, encoders.origin_us)
            self._begun = True
        for track, piece in pieces:
            self._place(encoders, track, piece)

    def _finish(self, encoders: Encoders) -> None:
        waited = encoders.origin_us is None
        if (waited or self._begun) and not any(file.output.failed for file in self._open):
            self._place_all(encoders, encoders.finish(), begins=waited)
        while self._open:
            self._finish_oldest()

    def _make_file(self, encoders: Encoders, output: Output, begin_us: int) -> RecordingFile:
        from mscli.sinks.recordingfile import RecordingFile

        container = CONTAINERS[self.row.suffix]
        output.durable = True
        if container.head is not None and hasattr(os, "pwrite"):
            output.on_mark = container.head().update
        file = RecordingFile(container, output, encoders, begin_us)
        self._open.append(file)
        return file

    def _finish_oldest(self) -> RecordingFile:
        """Finish it, or leave it to be given up. Raises OperationError, BrokenPipeError."""
        file = self._open[0]
        file.close()
        self._account(self._open.pop(0))
        return file

    def _give_up(self) -> None:
        """Nothing is raised here: why they are given up is on its way."""
        while self._open:
            file = self._open.pop(0)
            try:
                file.abort()
            finally:
                with suppress(OperationError):
                    self._account(file)

    def _account(self, file: RecordingFile) -> None:
        """Count what is closed. Raises OperationError."""
        self._closed_bytes += file.output.size
        for track in file.tracks:
            self._track_bytes[track] += file.track_bytes(track)

    def _put(self, file: RecordingFile, track: int, piece: Piece) -> None:
        """Write the piece, if the recording may become so large."""
        if self.ended == _FULL or not self._fits(file, track, piece):
            self._unwritten[track] += amount(piece)
        else:
            file.write(track, piece)

    def _fits(self, file: RecordingFile, track: int, piece: Piece) -> bool:
        most = self.options.max_bytes
        if most is None:
            return True
        if self._closed_bytes + sum(one.most_bytes for one in self._open) + file.cost(track, piece) <= most:
            return True
        if not self._closed_bytes and not any(one.begun for one in self._open):
            raise NotSupportedError(f"{most} bytes are too little for a recording", hints=["give it more"])
        self.ended = _FULL
        return False


class ContainerSink(RecordingSink):
    """A recording in one file."""

    def __init__(self, row: SinkRow, target: Target, options: SinkOptions) -> None:
        super().__init__(row, target, options)
        self.output = output_for(target, overwrite=options.overwrite)
        self.name = self.output.name
        self.gather_s = GATHER_S if self.output.seekable() else 0.0  # whoever reads a pipe waits

    def forsake(self) -> bool:
        """Give up a reader that sleeps."""
        return self.output.forsake()

    @property
    def free_bytes(self) -> int | None:
        """Bytes that there is room for; None where that is not known."""
        return self.output.free_bytes

    @property
    def files(self) -> list[str]:
        """Its name."""
        return [self.name]

    def close(self) -> None:
        """Finish the file; without a frame there is none."""
        try:
            super().close()
        finally:
            self.output.discard()  # what never began

    def abort(self) -> None:
        """Finish what can be read already; nothing is left of what cannot."""
        super().abort()
        self.output.discard()

    def _prepare(self) -> None:
        self.output.open()

    def _begin(self, encoders: Encoders, origin_us: int) -> None:
        self._make_file(encoders, self.output, origin_us)

    def _place(self, encoders: Encoders, track: int, piece: Piece) -> None:  # noqa: ARG002
        self._put(self._open[0], track, piece)


def amount(piece: Piece) -> int:
    """How much a piece counts for: a picture, or its samples."""
    return 1 if isinstance(piece, tuple) else piece.samples
