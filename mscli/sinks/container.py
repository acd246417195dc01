"""Recordings: MP4, WebM, Matroska, WAV, FLAC and Ogg, with pictures at the times of their capture, never re-timed.

Whatever happens, the file can be read up to its last fragment, a quarter of a second behind what the encoder has given out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from mscli.core.errors import InvalidStateError, NotSupportedError, OperationError
from mscli.core.frames import Frame
from mscli.sinks.base import SinkOptions, TrackFormat
from mscli.sinks.codecs import CONTAINERS, codec_for
from mscli.sinks.copying import COPY, copied_formats
from mscli.sinks.files import OutputSink
from mscli.sinks.space import expected_bits_per_second
from mscli.sinks.wav import WavHeader

if TYPE_CHECKING:
    from mscli.sinks import SinkRow
    from mscli.sinks.encoders import Encoders, Pieces
    from mscli.sinks.recordingfile import RecordingFile


class ContainerSink(OutputSink):
    """A recording of one or several tracks."""

    _encoders: Encoders | None = None
    _file: RecordingFile | None = None
    _closed = False
    _expected_bits = 0.0

    @classmethod
    def check(cls, row: SinkRow, options: SinkOptions, kinds: Sequence[str]) -> None:
        """What the container holds, and the codecs asked for."""
        container = CONTAINERS[row.suffix]
        if not kinds:
            raise NotSupportedError("there is no track to record")
        for kind in kinds:
            copied_formats(row.suffix) if kind == "video" and options.video_codec == COPY else codec_for(
                kind, container, options
            )
        if len(kinds) > 1 and not container.video:
            raise NotSupportedError(f"a .{row.suffix} file holds one track", hints=["record into .mkv or .mp4"])
        bits = (options.video_bits_per_second, options.audio_bits_per_second)
        if any(rate is not None and rate <= 0 for rate in bits):
            raise NotSupportedError("a bit rate has to be above zero")

    def open(self, tracks: list[TrackFormat]) -> None:
        """Check, and have encoders ready to be opened by their first frames."""
        self.check(self.row, self.options, [track.kind for track in tracks])
        self.output.open()
        from mscli.sinks.encoders import Encoders

        container = CONTAINERS[self.row.suffix]
        self.output.durable = True
        if container.suffix == "wav":
            self.output.on_mark = WavHeader().update
        self._expected_bits = expected_bits_per_second(container, tracks, self.options)
        self._encoders = Encoders(container, tracks, self.options)

    def write(self, track: int, frame: Frame) -> None:
        """Record the frame. Raises OperationError, BrokenPipeError, and NotSupportedError if an encoder refuses its shape."""
        if self._closed or self._encoders is None:
            raise InvalidStateError("the recording is not open")
        from mscli.sinks.muxer import border

        with border(self.output.name):
            self._put(self._encoders, self._encoders.write(track, frame))

    def close(self) -> None:
        """Finish the file; without a frame there is none."""
        if self._encoders is None or self._closed:
            return
        self._closed = True
        from mscli.sinks.muxer import border

        try:
            with border(self.output.name):
                self._finish(self._encoders)
        except BaseException:
            self._salvage()
            raise

    def abort(self) -> None:
        """Finish what can be read already; nothing is left of what cannot."""
        if self.output.readable:
            with suppress(OperationError, BrokenPipeError):
                self.close()
        elif not self._closed:
            self._closed = True
            self._salvage()

    @property
    def expected_bits_per_second(self) -> float:
        """What was asked for, or what the tracks suggest."""
        return self._expected_bits

    def track_bytes(self, track: int) -> int:
        """Bytes of the track's encoded packets."""
        return self._file.track_bytes(track) if self._file is not None else 0

    def corrections(self, track: int) -> Mapping[str, int]:
        """Pictures left out and repeated, samples filled in and left out."""
        done = self._encoders[track].corrections() if self._encoders is not None else {}
        return {name: count for name, count in done.items() if count}

    def _put(self, encoders: Encoders, pieces: Pieces) -> None:
        if self._file is None and encoders.origin_us is not None:
            from mscli.sinks.recordingfile import RecordingFile

            self._file = RecordingFile(CONTAINERS[self.row.suffix], self.output, encoders, encoders.origin_us)
        for track, piece in pieces:
            assert self._file is not None, "there is no piece before the recording begins"
            self._file.write(track, piece)

    def _finish(self, encoders: Encoders) -> None:
        if not self.output.failed:
            self._put(encoders, encoders.finish())
        if self.output.failed or self._file is None:
            self._salvage()
        else:
            self._file.close()

    def _salvage(self) -> None:
        self._file.salvage() if self._file is not None else self.output.discard()
