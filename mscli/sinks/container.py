"""Recordings: MP4, WebM, Matroska, WAV, FLAC and Ogg, with pictures at the times of their capture, never re-timed.

Whatever happens, the file can be read up to its last fragment, a quarter of a second behind what the encoder has given out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from mscli.core.errors import InvalidStateError, NotSupportedError, OperationError
from mscli.core.frames import Frame
from mscli.sinks.base import SinkOptions, TrackFormat
from mscli.sinks.codecs import CONTAINERS, audio_codec, video_codec
from mscli.sinks.files import OutputSink
from mscli.sinks.space import expected_bits_per_second
from mscli.sinks.wav import WavHeader

if TYPE_CHECKING:
    from mscli.sinks import SinkRow
    from mscli.sinks.audioencoder import AudioEncoder
    from mscli.sinks.muxer import Muxer
    from mscli.sinks.videoencoder import VideoEncoder

    Encoder = VideoEncoder | AudioEncoder

PATIENCE_US = 1_000_000  # how long one track waits for the first frame of another, and how far sound may fall behind

_CODECS: Mapping[str, Any] = {"video": video_codec, "audio": audio_codec}


class ContainerSink(OutputSink):
    """A recording of one or several tracks."""

    _muxer: Muxer | None = None
    _encoders: Sequence[Encoder] = ()
    _closed = False
    _expected_bits = 0.0

    @classmethod
    def check(cls, row: SinkRow, options: SinkOptions, kinds: Sequence[str]) -> None:
        """What the container holds, and the codecs asked for."""
        container = CONTAINERS[row.suffix]
        if not kinds:
            raise NotSupportedError("there is no track to record")
        for kind in kinds:
            _CODECS[kind](container, options)
        if len(kinds) > 1 and not container.video:
            raise NotSupportedError(f"a .{row.suffix} file holds one track", hints=["record into .mkv or .mp4"])
        bits = (options.video_bits_per_second, options.audio_bits_per_second)
        if any(rate is not None and rate <= 0 for rate in bits):
            raise NotSupportedError("a bit rate has to be above zero")

    def open(self, tracks: list[TrackFormat]) -> None:
        """Check, and have encoders ready to be opened by their first frames."""
        self.check(self.row, self.options, [track.kind for track in tracks])
        self.output.open()
        from mscli.sinks.audioencoder import AudioEncoder
        from mscli.sinks.muxer import Muxer
        from mscli.sinks.videoencoder import VideoEncoder

        container = CONTAINERS[self.row.suffix]
        self.output.durable = True
        if container.suffix == "wav":
            self.output.on_mark = WavHeader().update
        self._expected_bits = expected_bits_per_second(container, tracks, self.options)
        classes: Mapping[str, Any] = {"video": VideoEncoder, "audio": AudioEncoder}
        self._muxer = muxer = Muxer(container, self.output)
        made = {}
        for index, track in sorted(enumerate(tracks), key=lambda entry: entry[1].kind != "video"):  # the picture comes first
            codec = _CODECS[track.kind](container, self.options)
            made[index] = classes[track.kind](muxer, codec, track, self.options)
        self._encoders = [made[index] for index in range(len(tracks))]

    def write(self, track: int, frame: Frame) -> None:
        """Record the frame. Raises OperationError, BrokenPipeError, and NotSupportedError if an encoder refuses its shape."""
        if self._closed or self._muxer is None:
            raise InvalidStateError("the recording is not open")
        with self._muxer.border():
            self._write(self._muxer, self._encoders[track], frame)

    def close(self) -> None:
        """Finish the file; without a frame there is none."""
        if self._muxer is None or self._closed:
            return
        self._closed = True
        try:
            with self._muxer.border():
                self._finish(self._muxer)
        except BaseException:
            self._muxer.salvage()
            raise

    def abort(self) -> None:
        """Finish what can be read already; nothing is left of what cannot."""
        if self.output.readable:
            with suppress(OperationError, BrokenPipeError):
                self.close()
        elif self._muxer is not None and not self._closed:
            self._closed = True
            self._muxer.salvage()

    @property
    def expected_bits_per_second(self) -> float:
        """What was asked for, or what the tracks suggest."""
        return self._expected_bits

    def track_bytes(self, track: int) -> int:
        """Bytes of the track's encoded packets."""
        return self._muxer.bytes[self._encoders[track].stream_index] if self._muxer is not None else 0

    def corrections(self, track: int) -> Mapping[str, int]:
        """Pictures left out and repeated, samples filled in and left out."""
        done = self._encoders[track].corrections() if self._encoders else {}
        return {name: count for name, count in done.items() if count}

    def _write(self, muxer: Muxer, encoder: Any, frame: Frame) -> None:
        if muxer.started:
            muxer.mux(encoder.encode(frame))
            self._keep_up(muxer, frame.timestamp)
            return
        encoder.hold(frame)
        begun = self._begun()
        if len(begun) == len(self._encoders) or (begun and frame.timestamp - min(begun) > PATIENCE_US):
            self._start(muxer, min(begun))

    def _begun(self) -> list[int]:
        return [encoder.first_us for encoder in self._encoders if encoder.first_us is not None]

    def _start(self, muxer: Muxer, origin_us: int) -> None:
        for encoder in self._encoders:
            encoder.start(origin_us)
        muxer.start()
        for encoder in self._encoders:
            muxer.mux(encoder.held())

    def _keep_up(self, muxer: Muxer, now_us: int) -> None:
        """Fill tracks that have fallen far behind, or the muxer would hold everything else back until their frames come."""
        for encoder in self._encoders:
            muxer.mux(encoder.keep_up(now_us - PATIENCE_US))

    def _finish(self, muxer: Muxer) -> None:
        begun = self._begun()
        if self.output.failed or not (muxer.started or begun):
            muxer.salvage()
            return
        if not muxer.started:
            self._start(muxer, min(begun))
        for encoder in self._encoders:
            muxer.mux(encoder.finish())
        muxer.close()
