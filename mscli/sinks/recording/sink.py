"""The sink of recordings: it encodes frames and writes the packets into video and audio files.

Frames keep their capture times. Whatever happens, a file can be read up to its last fragment, a quarter of a second
behind the encoder's output. Several outputs share one encoding, and each is then written on its own thread.
"""

from __future__ import annotations

import errno
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from math import inf
from typing import TYPE_CHECKING, Any

from mscli.core.boxes import Scalar
from mscli.core.codecs import AUDIO_BITS_PER_CHANNEL, CAMERA_CODECS, VIDEO_CODECS, VideoCodec
from mscli.core.errors import DOMException, InvalidStateError, NotSupportedError
from mscli.core.frames import Media
from mscli.core.limits import GATHER_S
from mscli.core.timelapse import PLAYED_RATE
from mscli.encode.codecs import CONTAINERS, Container, audio_codec, codec_for, copied_formats, describe_encoding, video_codec
from mscli.encode.options import COPY, SinkOptions, TrackFormat
from mscli.encode.tuning import COPIER, ENCODERS
from mscli.media.chunkfilter import NO_FAULTS, Faults
from mscli.sinks.base import Sink
from mscli.sinks.files.output import Descriptor, Output, output_for
from mscli.sinks.recording.queued import Queued

if TYPE_CHECKING:
    from mscli.encode.encoding import Encoding, Outlet, PacketSink
    from mscli.encode.shared import SharedMedia
    from mscli.sinks import SinkRow, Target
    from mscli.sinks.files.series import FileSeries
    from mscli.sinks.recording.network.publisher import Published, Publisher
    from mscli.sinks.recording.packets import HostedPackets

    Asked = tuple[SinkRow, Target, SinkOptions]


class RecordingOutput:
    """One output of a recording: a file, a series of files, or a packet sink of another package.

    ``queued``: it is written on its own thread, as a pipe always is, because its reader may sleep. ``on_file`` is called with
    the name of each finished file of a series.
    """

    def __init__(
        self, row: SinkRow, target: Target, options: SinkOptions, on_file: Callable[[str], None], *, queued: bool
    ) -> None:
        """Remember the target. Raises OperationError if writing is certain to fail."""
        self.row = row
        self.options = options
        self.container = container_of(row)
        self.outlet: Outlet | None = None
        self.expected_bits_per_second = 0.0
        self._encoding: Encoding | None = None
        self._abandoned = False
        if options.faststart and self.container.index_first is None and options.on_note is not None:
            options.on_note(f"--faststart has no effect on .{row.suffix} files")
        again = options.faststart and options.series is not None  # a file is written again beside the next one
        self._queued = queued or again or row.publishes  # the files of a playlist are flushed to the disk one by one
        self._waits = False  # whether the recording waits for a slow output
        self._output: Output | None = None
        self._series: FileSeries | None = None
        self._hosted: HostedPackets | Publisher | None = None  # what takes packets itself
        self.on_link: Callable[[str, Mapping[str, Any]], object] | None = None  # called with an event of a server
        self._publisher: Publisher | None = None
        self._is_address = isinstance(target, str) and row.writes_to(target)
        if options.series is not None:
            from mscli.sinks.files.series import FileSeries

            self._series = FileSeries(target, options, options.series, on_file)
            self.name = str(target)
        elif row.takes is not None:
            from mscli.sinks.recording.packets import HostedPackets

            self._hosted = hosted = HostedPackets(row, target, options)
            hosted.prepare()
            self.name = hosted.name
        elif row.publishes and row.schemes:
            from mscli.sinks.recording.network.publisher import Publisher

            self._hosted = self._publisher = Publisher(row, target, options, self._note_link)
            self.name = self._publisher.name
        elif row.publishes:
            from mscli.sinks.recording.playlist import Playlist

            self._output = self._wrap(Playlist(str(target), options))
            self.name = self._output.name
        else:
            self._output = self._wrap(output_for(target, options))
            self.name = self._output.name

    def open(self, encoding: Encoding, tracks: Sequence[TrackFormat]) -> None:
        """Open the output and add it to the encoding. Raises OperationError, NotSupportedError."""
        from mscli.encode.encoding import Outlet

        self._encoding = encoding
        self._waits = any(track.paced for track in tracks)
        self.expected_bits_per_second = expected_bits_per_second(self.container, tracks, self.options)
        if self._output is not None:
            self._let_wait(self._output)
            self._output.open()
        if self._hosted is not None:
            self._hosted.waits = self._waits
        if self._publisher is not None:
            self._publisher.prepare()
        self.outlet = Outlet(self.name, self._packet_sink(), self.options)
        encoding.add(self.outlet)

    def _note_link(self, event: str, detail: Mapping[str, Any]) -> None:
        if self.on_link is not None:
            self.on_link(event, {"file": self.name, **detail})

    @property
    def published(self) -> Published | None:
        """Return what has become of a stream to a server, or None for a file."""
        return self._publisher.published if self._publisher is not None and self._is_address else None

    def _wrap(self, output: Output) -> Output:
        """Return the output with a thread of its own, if it needs one."""
        wrapped = Queued(output) if self._queued else _queued_if_it_may_sleep(output)
        self._let_wait(wrapped)
        return wrapped

    def _let_wait(self, output: Output) -> None:
        if isinstance(output, Queued):
            output.waits = self._waits

    def expect_others(self) -> None:
        """Hold up no other output from now on. Safe from any thread."""
        if isinstance(self._output, Queued):
            self._output.expect_others()

    def defer(self) -> None:
        """Let the thread that writes wait for a reader."""
        if isinstance(self._output, Queued):
            self._output.defer()

    def wait(self, timeout_s: float) -> None:
        """Wait until the file is finished after its end."""
        if isinstance(self._output, Queued):
            self._output.wait(timeout_s)

    def discard(self) -> None:
        """Give up the output before it has begun."""
        if self._output is not None:
            self._output.discard()
        if self._publisher is not None:
            self._publisher.abort()

    def abandon_reader(self) -> bool:
        """Give up a stalled reader."""
        if self.outlet is not None:
            self.outlet.sink.abandon_reader()
        return self._output is not None and self._output.abandon_reader()

    def abandon(self) -> None:
        """Leave a finished file as it is, without its index in front."""
        self._abandoned = True

    def _check_wanted(self) -> None:
        if self._abandoned:
            raise OSError(errno.ECANCELED, "the recording was abandoned")

    @property
    def error(self) -> Exception | None:
        """Return why the output has failed, if it has."""
        return self.outlet.error if self.outlet is not None else None

    @property
    def over(self) -> bool:
        """Return whether it has ended, failed or was removed."""
        return self.outlet is not None and self.outlet.over

    @property
    def span_us(self) -> tuple[int | None, int | None] | None:
        """Return when it began, and when it ended, if others continued. Return None if it never began."""
        if self.outlet is None or not self.outlet.begun or self._unread:
            return None
        ends = [end_us for end_us in (self.outlet.ended_us, self.sink.kept_until_us) if end_us is not None]
        origin_us = self._encoding.origin_us if self._encoding is not None else None
        return origin_us if self.outlet.begun_us is None else self.outlet.begun_us, min(ends, default=None)

    @property
    def is_file(self) -> bool:
        """Return whether the output is a regular file or a series of files."""
        if self.row.publishes:
            return not self._is_address
        return self._output.seekable() if self._output is not None else self._hosted is None

    @property
    def gather_s(self) -> float:
        """Return how long audio and video may wait for each other. In a pipe they do not, because its reader waits too."""
        return GATHER_S if self.is_file and self._publisher is None else 0.0

    @property
    def free_bytes(self) -> int | None:
        """Return the free space in bytes, or None if unknown."""
        return self._series.free_bytes if self._series is not None else self._output.free_bytes if self._output else None

    @property
    def files(self) -> list[str]:
        """Return the files, including unfinished ones."""
        return self._series.files if self._series is not None else [] if self._is_address else [self.name]

    @property
    def finished(self) -> Sequence[str]:
        """Return the finished files of a series."""
        return self._series.finished if self._series is not None else ()

    @property
    def begun(self) -> int:
        """Return how many files of a series have begun."""
        return self._series.begun if self._series is not None else 0

    @property
    def armed(self) -> bool:
        """Return whether a series waits for a trigger."""
        return self._series is not None and self._series.armed

    @property
    def bytes_written(self) -> int:
        """Return the bytes that all files have taken so far."""
        kept = self._output.kept_bytes if self._output is not None else None
        return kept if kept is not None else 0 if self._unread else self.sink.bytes_written

    @property
    def _unread(self) -> bool:
        """Return whether it is a pipe that has failed before anybody read it."""
        return self.error is not None and isinstance(self._output, Queued) and not self._output.taken

    @property
    def readable(self) -> bool:
        """Return whether an unfinished file can be read."""
        return self.sink.readable

    @property
    def missed(self) -> int:
        """Return the number of triggers without a file."""
        return self.sink.missed

    def track_bytes(self, track: int) -> int:
        """Return the bytes of the track's packets."""
        return self.sink.track_bytes(track)

    def corrections(self, track: int) -> Mapping[str, int]:
        """Return the corrections of the track's frames in this output, without those that did not happen."""
        assert self._encoding is not None, "open"
        assert self.outlet is not None, "open"
        done = Counter(self._encoding.encoders[track].corrections())
        done.update(self.sink.left_out(track))
        done.update(unwritten=self._encoding.absent(self.outlet, track))
        found = {name: count for name, count in done.items() if count}
        kept = self.sink.kept(track)
        return found if kept is None else {**found, "kept": kept}

    @property
    def sink(self) -> PacketSink:
        """Return the sink of the packets. The output must be open."""
        assert self.outlet is not None, "open"
        return self.outlet.sink

    def _packet_sink(self) -> PacketSink:
        """Compose the sink of the packets: a file, or a package's sink. It may have a size limit, and be in a series."""
        from mscli.sinks.recording.onefile import FULL, Bounded, Budget

        def on_full() -> None:
            self.sink.ended = FULL

        most = self.options.max_bytes
        budget = None if most is None else Budget(most, on_full)

        def limited(sink: PacketSink) -> PacketSink:
            return sink if budget is None else Bounded(sink, budget)

        if self._hosted is not None:
            return limited(self._hosted)
        if self._output is not None:
            return limited(self._file(self._output))
        from mscli.sinks.recording.segments import Segments
        from mscli.sinks.recording.triggered import Triggered

        assert self._series is not None, "one of them"
        cls = Triggered if self._series.plan.triggered else Segments
        return cls(self._series, self.container, lambda name: limited(self._segment(name)))

    def _segment(self, name: str) -> PacketSink:
        """Return the sink of a file of the series."""
        if self.row.takes is not None:
            from mscli.sinks.recording.packets import HostedPackets

            hosted = HostedPackets(self.row, name, self.options)
            hosted.waits = self._waits
            return hosted
        assert self._series is not None, "its file"
        output = self._wrap(output_for(name, self.options, on_loss=self._series.report_loss))
        output.open()
        return self._file(output)

    def _file(self, output: Output) -> PacketSink:
        from mscli.sinks.recording.onefile import OneFile

        if self.options.faststart and self.container.index_first is not None:
            output.rearrange = partial(self.container.index_first, self._check_wanted)
        return OneFile(self.container, output, self.options)


def _queued_if_it_may_sleep(output: Output) -> Output:
    """Return the only output of a recording, with a thread if it is a pipe or a device, so that others can join it later."""
    return Queued(output, alone=True) if isinstance(output, Descriptor) and not output.seekable() else output


class RecordingSink(Sink):
    """A sink that encodes all tracks once, for one output or several."""

    encodes = True
    codecs = VIDEO_CODECS

    def __init__(self, row: SinkRow, target: Target, options: SinkOptions, *more: Asked) -> None:
        """Remember the targets. ``more``: further ones with the same encoding of pictures. Raises as ``RecordingOutput``."""
        self.copies = options.video_codec == COPY
        asked = [(row, target, options), *more]
        self._outputs = [RecordingOutput(*one, self._on_file, queued=len(asked) > 1) for one in asked]
        self.name = self._outputs[0].name
        for output in self._outputs:
            output.on_link = self._note_link
        self.gather_s = min(output.gather_s for output in self._outputs)
        self._encoding: Encoding | None = None
        self._shared: SharedMedia | None = None  # by the encodings of the recording
        self._places: Sequence[int] | None = None  # of the tracks in the recording
        self._tracks: list[TrackFormat] = []
        self._closed = False
        self._paused_us = 0
        self._end_by_s = inf

    @classmethod
    def check(cls, row: SinkRow, options: SinkOptions, kinds: Sequence[str]) -> None:
        """Check that the container can hold the tracks in the requested codecs. Raises NotSupportedError."""
        container = container_of(row)
        if not kinds:
            raise NotSupportedError("no track to record")
        asked = {"video": options.video_codec, "audio": options.audio_codec}
        for kind in dict.fromkeys([*kinds, *(kind for kind, codec in asked.items() if codec)]):
            if kind == "video" and options.video_codec == COPY:
                copied_formats(container)
                if options.deinterlace:
                    raise NotSupportedError("cannot deinterlace video that is copied", hints=["choose a video codec"])
                if options.filters is not None:
                    filters = "--crop, --flip, --rotate and --timestamp"
                    raise NotSupportedError(f"{filters} cannot change video that is copied", hints=["choose a video codec"])
            else:
                codec_for(kind, container, options)
        if len(kinds) > 1 and not container.video:
            instead = "use .mkv or .mp4, or --mix" if set(kinds) == {"audio"} else "use .mkv or .mp4"
            raise NotSupportedError(f"{container.name} holds only one track", hints=[instead])
        bits = (options.video_bits_per_second, options.audio_bits_per_second)
        if any(rate is not None and rate <= 0 for rate in bits):
            raise NotSupportedError("a bit rate must be above 0")

    @classmethod
    def describe(cls, row: SinkRow, options: SinkOptions, tracks: Sequence[TrackFormat]) -> str:
        """Return the codec of each track, with the size and rate of pictures, or the rate and channels of sound."""
        return "; ".join(describe_encoding(container_of(row), options, _played(track, options)) for track in tracks)

    def share(self, shared: SharedMedia, places: Sequence[int]) -> None:
        """Share sound with other sinks of the recording. ``places``: of the tracks in it. Call it before ``open``."""
        self._shared, self._places = shared, places

    def open(self, tracks: list[TrackFormat]) -> None:
        """Check the tracks and open the outputs. The first frames open the encoders."""
        from mscli.encode.encoding import Encoding

        kinds = [track.kind for track in tracks]
        for output in self._outputs:
            self.check(output.row, output.options, kinds)
        first = self._outputs[0]
        self._report_ignored(kinds, first.options)
        self._tracks = tracks = [_played(track, first.options) for track in tracks]
        options = first.options._replace(adapts=self.adapts)
        encoding = Encoding(tracks, first.container, options, self._shared, self._places)
        encoding.on_failure = self._on_failure
        try:
            for output in self._outputs:
                output.open(encoding, tracks)
        except BaseException:
            encoding.abort()
            raise
        self._encoding = encoding

    @property
    def adapts(self) -> bool:
        """Return whether the bit rate may change, because no file has the encoding."""
        return all(output.row.publishes and output.row.schemes for output in self._outputs)

    def write(self, track: int, frame: Media) -> None:
        """Record the frame. Raises OperationError, BrokenPipeError, and NotSupportedError if an encoder rejects its shape."""
        if self._closed or self._encoding is None:
            raise InvalidStateError("the recording is not open")
        try:
            self._encoding.write(track, frame)
        except Exception as error:
            self._raise(error)
        self.ended = self._encoding.ended

    def close(self) -> None:
        """Finish all outputs. Without any frame, no file is created."""
        if self._encoding is None or self._closed:
            return
        self._closed = True
        try:
            self._encoding.end()
        except Exception as error:
            self._raise(error)
        finally:
            self._encoding.abort()

    def abort(self) -> None:
        """Give up. Finish files that can be read, and remove the others."""
        if self._encoding is not None and any(output.readable for output in self._outputs):
            with suppress(DOMException, BrokenPipeError):
                self.close()
        self._closed = True
        if self._encoding is not None:
            self._encoding.abort()
        for output in self._outputs:
            output.discard()

    def abandon(self) -> None:
        """Leave finished files as they are, without their index in front."""
        for output in self._outputs:
            output.abandon()

    def abandon_reader(self) -> bool:
        """Give up stalled readers."""
        waits = [output.abandon_reader() for output in self._outputs]  # call it for each, without short-circuit
        return any(waits)

    def defer(self) -> None:
        """Let the threads that write wait for readers."""
        for output in self._outputs:
            output.defer()

    def expect_others(self) -> None:
        """Let no output hold up another one that is about to be added. Safe from any thread."""
        for output in self._outputs:
            output.expect_others()

    def add(self, row: SinkRow, target: Target, options: SinkOptions) -> RecordingOutput:
        """Add an output, which begins with the next key frame. Raises OperationError, NotSupportedError."""
        if self._encoding is None or self._closed:
            raise InvalidStateError("the recording is not open")
        self.check(row, options, [track.kind for track in self._tracks])
        output = RecordingOutput(row, target, options, self._on_file, queued=True)
        output.on_link = self._note_link
        output.open(self._encoding, self._tracks)
        output.sink.paused_us, output.sink.end_by_s = self._paused_us, self._end_by_s
        self._outputs.append(output)
        return output

    def remove(self, output: RecordingOutput) -> None:
        """Finish one output and continue with the others."""
        assert self._encoding is not None, "open"
        assert output.outlet is not None, "open"
        self._encoding.remove(output.outlet)
        self.ended = self._encoding.ended

    def idle_at(self, at_us: int) -> bool:
        """Return whether every series waits for a trigger at this time."""
        return self._encoding is not None and all(sink.idle_at(at_us) for sink in self._sinks)

    @property
    def outputs(self) -> Sequence[RecordingOutput]:
        """Return all outputs, including those that have failed or were removed."""
        return self._outputs

    @property
    def bytes_written(self) -> int:
        """Return the bytes that all outputs have taken so far."""
        return sum(output.bytes_written for output in self._outputs) if self._encoding is not None else 0

    @property
    def free_bytes(self) -> int | None:
        """Return the free space in bytes, or None if unknown."""
        return self._outputs[0].free_bytes

    @property
    def expected_bits_per_second(self) -> float:
        """Return the requested bit rate, or the rate that the tracks suggest."""
        return self._outputs[0].expected_bits_per_second

    @property
    def files(self) -> list[str]:
        """Return the files, including unfinished ones."""
        return [name for output in self._outputs for name in output.files]

    @property
    def finished(self) -> Sequence[str]:
        """Return the finished files of all series."""
        return [name for output in self._outputs for name in output.finished]

    @property
    def missed(self) -> int:  # type: ignore[override]
        """Return the number of triggers without a file."""
        return max(output.missed for output in self._outputs) if self._encoding is not None else 0

    @property
    def finish_s(self) -> float:  # type: ignore[override]
        """Return how long it may take at the end to write waiting packets."""
        return min((sink.finish_s for sink in self._sinks), default=inf)

    @property
    def end_us(self) -> int | None:
        """Return the recording's end in the frames' time, once known. No sample is placed after it."""
        return self._encoding.end_us if self._encoding is not None else None

    @end_us.setter
    def end_us(self, end_us: int | None) -> None:
        assert self._encoding is not None, "open"
        self._encoding.end_us = end_us

    @property
    def end_by_s(self) -> float:
        """Return the end of that time on the monotonic clock, once known."""
        return self._end_by_s

    @end_by_s.setter
    def end_by_s(self, until_s: float) -> None:
        self._end_by_s = until_s
        for sink in self._sinks:
            sink.end_by_s = until_s

    @property
    def paused_us(self) -> int:
        """Return the total length of the pauses so far. Timestamps exclude pauses."""
        return self._paused_us

    @paused_us.setter
    def paused_us(self, paused_us: int) -> None:
        self._paused_us = paused_us
        for sink in self._sinks:
            sink.paused_us = paused_us

    def trigger(self, at_us: int, times: int = 1) -> None:
        """Begin files of each triggered series at ``at_us``. Raises InvalidStateError if there is no such series."""
        triggered = [sink for sink in self._sinks if sink.triggered]
        if not triggered:
            super().trigger(at_us, times)
        for sink in triggered:
            sink.trigger(at_us, times)

    def end_triggers(self) -> None:
        """Expect no more triggers."""
        for sink in self._sinks:
            sink.end_triggers()
        if self._encoding is not None:
            self._encoding.note_ended()
            self.ended = self._encoding.ended

    def track_bytes(self, track: int) -> int:
        """Return the bytes of the track's packets in the first output."""
        return self._outputs[0].track_bytes(track) if self._encoding is not None else 0

    def faults(self, track: int) -> Faults:
        """Return the faults of the frames that the encoder could not use."""
        found: Faults = self._encoding.encoders[track].faults if self._encoding is not None else NO_FAULTS
        return found

    def corrections(self, track: int) -> Mapping[str, int]:
        """Return the corrections of the track's frames in the first output."""
        return self._outputs[0].corrections(track) if self._encoding is not None else {}

    @property
    def _sinks(self) -> list[PacketSink]:
        return [output.sink for output in self._outputs if output.outlet is not None]

    def _on_file(self, name: str) -> None:
        if self.on_file is not None:
            self.on_file(name)

    def _note_link(self, event: str, detail: Mapping[str, Any]) -> None:
        if self.on_link is not None:
            self.on_link(event, detail)

    def _on_failure(self, outlet: Outlet) -> None:
        if self.on_failure is not None and len(self._outputs) > 1:
            self.on_failure(next(output for output in self._outputs if output.outlet is outlet))

    def _raise(self, error: Exception) -> None:
        """Raise the error, translated. An error that does not belong to one output is attributed to all of them."""
        from mscli.encode.encoding import as_output_error

        failure = as_output_error(self.name, error)
        for output in self._outputs:
            if output.outlet is not None and not output.outlet.over:
                output.outlet.error = output.outlet.error or failure
        raise failure

    @staticmethod
    def _report_ignored(kinds: Sequence[str], options: SinkOptions) -> None:
        """Report the options that have no meaning for copied video."""
        if "video" not in kinds or options.video_codec != COPY or options.on_note is None:
            return
        for what in COPIER.ignored(options):
            options.on_note(f"ignoring the {what}: the camera's video is copied, not encoded")


def container_of(row: SinkRow) -> Container:
    """Return the container of a row that encodes."""
    if row.publishes:
        from mscli.sinks.recording.network.destination import protocol_of

        return protocol_of(row).container
    return row.takes or CONTAINERS[row.suffix]


def encoding_key(row: SinkRow, options: SinkOptions, kinds: Sequence[str]) -> object:
    """Return a key that is equal for outputs that can share an encoding: all options of the video encoder."""
    container = container_of(row)
    if "video" not in kinds:
        return ()
    if options.video_codec == COPY:
        return COPY
    codec = options.video_codec or video_codec(container, options).name
    bits, keys = options.video_bits_per_second, (options.key_frame_s, options.key_frame_count)
    return codec, bits, options.quality, options.preset, keys, options.size


def _played(track: TrackFormat, options: SinkOptions) -> TrackFormat:
    """Return a track as it is played: a time-lapse has a rate of its own."""
    if options.time_lapse_s is None or track.kind != "video":
        return track
    return track._replace(settings={**track.settings, "frameRate": PLAYED_RATE})


_LEAST_PICTURE = {"width": 640, "height": 480, "frameRate": 30}  # if the settings have none
_LEAST_SOUND = {"sampleRate": 48_000, "channelCount": 1, "sampleSize": 16}


def expected_bits_per_second(container: Container, tracks: Sequence[TrackFormat], options: SinkOptions) -> float:
    """Estimate the bits per second, rather too many: the requested rate, or else what the codec and the size suggest."""
    return sum(_OF_KIND[track.kind](container, track, options) for track in tracks)


def _picture(container: Container, track: TrackFormat, options: SinkOptions) -> float:
    width, height, rate = _numbers(track.settings, _LEAST_PICTURE)
    copied = options.video_codec == COPY
    codec = _copied(container, track) if copied else video_codec(container, options)
    asked = options.video_bits_per_second if ENCODERS[codec.encoder].bit_rate and not copied else None
    return asked or width * height * rate * codec.bits_per_pixel


def _copied(container: Container, track: TrackFormat) -> VideoCodec:
    """Return the codec of the camera's pictures, or the codec that needs the least space if it is not known yet."""
    return CAMERA_CODECS[track.pixel_format or copied_formats(container)[0]]


def _sound(container: Container, track: TrackFormat, options: SinkOptions) -> float:
    rate, channels, bits = _numbers(track.settings, _LEAST_SOUND)
    if audio_codec(container, options).lossy:
        return options.audio_bits_per_second or AUDIO_BITS_PER_CHANNEL * channels
    return rate * channels * bits


def _numbers(settings: Mapping[str, Scalar], usual: Mapping[str, int]) -> list[float]:
    return [float(settings.get(name) or value) for name, value in usual.items()]


_OF_KIND = {"video": _picture, "audio": _sound}
