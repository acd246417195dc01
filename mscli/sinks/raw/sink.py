"""Raw output: packed planes or interleaved samples one after the other, or YUV4MPEG2, without a container.

Native frames go from the driver's memory to the descriptor with one ``writev`` each (https://man7.org/linux/man-pages/man2/writev.2.html).
YUV4MPEG2 is what mjpegtools and FFmpeg read: https://wiki.multimedia.cx/index.php/YUV4MPEG2.

The output has no timestamps. Silence replaces missing sound, so sound keeps its time. Missing pictures leave no trace.
The output does not describe its pictures, so all have one format: the requested one, or that of the first picture.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from mscli.core.addresses import scheme_of
from mscli.core.codecs import CAMERA_CODECS, VIDEO_CODECS, camera_format, check_whole, joined
from mscli.core.errors import NotSupportedError
from mscli.core.frames import (
    FORMATS,
    LIMITED_RGB,
    SAMPLE_FORMATS,
    AudioData,
    EncodedVideoChunk,
    Media,
    VideoColorSpace,
    VideoFrame,
    VideoMedia,
    is_yuv,
    outline,
    packed_planes,
    pixel_format,
    silence_before,
    without_first,
)
from mscli.core.log import INFO, Burst, Log
from mscli.core.nearest import did_you_mean
from mscli.core.outputformats import (
    CONTAINERS,
    NATIVE,
    NPY_HEAD_BYTES,
    OUTPUT_FORMATS,
    PACKED_BITS,
    RAW,
    STORED_AS,
    Y4M_CHROMA,
    ArrayLayout,
    OutputContents,
    OutputFormat,
)
from mscli.core.selection import picture_in_words, sound_in_words
from mscli.core.window import frame_tolerance_us, is_past
from mscli.encode.options import SinkOptions, TrackFormat
from mscli.media.chunkfilter import NO_FAULTS, Faults
from mscli.sinks.base import TrackFacts
from mscli.sinks.files.output import Output, OutputSink, defer, give_up_reader

if TYPE_CHECKING:
    from mscli.media.timeline import AudioTimeline
    from mscli.sinks import SinkRow, Target
    from mscli.sinks.raw.framelog import FrameLog

Y4M = "y4m"
_MULTIPART = "multipart"
BOUNDARY = "ffmpeg"  # readers of FFmpeg's mpjpeg expect this one
_DECODED = "I420"  # the default format of decoded chunks
_UNKNOWN_RATE = "30:1"

_MOST_LOGGED = 256  # frames that wait for their line in the log: more than a decoder and an encoder hold

Parts = Sequence[bytes | memoryview]
Picture = VideoFrame | EncodedVideoChunk
Written = Sequence[tuple[Picture, Parts]]  # pictures and what is written of each


_log = Log("raw")


class RawSink(OutputSink):
    """A sink for the frames of one track, one after the other.

    ``options.format``: a name in OUTPUT_FORMATS, a pixel or sample format, "native", or "" (raw frames unchanged, chunks
    decoded). ``options.pixel_format``: the pixel format within one of OUTPUT_FORMATS.
    """

    codecs = VIDEO_CODECS
    _parts: Callable[[Any], Parts]  # what is written of a block of sound
    _pictures: Callable[[Any], Written]  # what is written of the pictures that a frame completes
    _converter: Any = None
    _chunk_filter: Any = None  # for chunks that are passed on
    _timeline: AudioTimeline | None = None  # for sound; drift is not corrected, because there is no other track
    _size: tuple[int, int] | None = None  # of all pictures
    _form = ""  # the pixel format or codec of all pictures, once known
    _decodes = False  # whether ``_converter`` is one of pictures
    _encoding = False  # whether the camera's encoded video is passed on
    _torn = 0  # chunks that depend on one that was lost
    _hidden = 0  # skipped pictures with another format between chunks
    _past = 0  # skipped pictures that are shown after the end
    _ahead: Written = ()  # chunks that are shown after the end, unless others before it need them
    _rate = _UNKNOWN_RATE
    _frame_log: FrameLog | None = None
    _encoder: Any = None  # of pictures, if the format is that of a codec
    _header_bytes = b""  # of the output, once known
    _head: Callable[[Any], bytes] | None = None  # returns the header of the output, given the first frame
    _color: VideoColorSpace | None = None  # of all pictures, for a stream that declares it

    def __init__(self, row: SinkRow, target: Target, options: SinkOptions) -> None:
        super().__init__(row, target, options)
        self._row = OUTPUT_FORMATS.get(options.format, RAW)
        given = options.pixel_format if options.format in OUTPUT_FORMATS else options.format
        self._pixels = "" if self._row.name == "npy" and given == NATIVE else given  # the wanted pixel format
        self._samples = STORED_AS.get(options.format, options.format if options.format in SAMPLE_FORMATS else "")
        # for the log: the frames in the decoder and the encoder, by their times, with what is known of the track
        self._waiting: dict[int, tuple[Picture, TrackFacts]] = {}
        if options.frame_log is not None:
            from mscli.sinks.raw.framelog import FrameLog

            self._frame_log = FrameLog(options.frame_log, options)

    def _output_for(self, target: Target) -> Output:
        """Return the output for the target: a socket or a ring for an address, which readers may join."""
        if not (isinstance(target, str) and self.row.writes_to(target)):
            return super()._output_for(target)
        if scheme_of(target) == "shm":
            from mscli.sinks.files.ring import RingOutput

            return RingOutput(target)
        from mscli.sinks.files.sockets import SocketOutput

        return SocketOutput(target)

    @classmethod
    def check(cls, row: SinkRow, options: SinkOptions, kinds: Sequence[str]) -> None:  # noqa: ARG003
        """Check that there is one track and that the format suits its kind."""
        alike = next((kind for kind in kinds if kinds.count(kind) > 1), "")
        if alike:
            raise NotSupportedError(f"raw output holds one track, not {kinds.count(alike)} {alike} tracks")
        if len(kinds) != 1:
            hints = ["choose one with --no-video or --no-audio", f"for both, use a container: --format {joined(CONTAINERS)}"]
            raise NotSupportedError("raw output holds one track, either video or audio", hints=hints)
        form = OUTPUT_FORMATS.get(options.format)
        if form is not None:
            _check_row(form, options, kinds[0])
            return
        if kinds[0] == "video" and options.format not in ("", NATIVE):
            _check_pixels(options.format)
        if kinds[0] == "audio" and options.format not in ("", NATIVE, *SAMPLE_FORMATS):
            hints = [f"sample formats: {', '.join(SAMPLE_FORMATS)}"]
            raise NotSupportedError(
                f"unknown sample format “{options.format}”{did_you_mean(options.format, SAMPLE_FORMATS)}", hints=hints
            )

    @classmethod
    def describe(cls, row: SinkRow, options: SinkOptions, tracks: Sequence[TrackFormat]) -> str:  # noqa: ARG003
        """Return the format, and the size and rate of pictures, or the rate and channels of sound."""
        track, stream = tracks[0], raw_stream(options, tracks[0])
        known = options.format in OUTPUT_FORMATS
        if track.kind == "audio":
            named = (
                stream.form.title if known else options.format if options.format in SAMPLE_FORMATS else "samples as captured"
            )
            return f"{named}, {sound_in_words(track.settings)}"
        named = stream.form.title if known else stream.pixel_format
        if known and stream.form.pixels is not None and stream.form.name != Y4M:
            named += f", {stream.pixel_format}"
        return f"{named} {picture_in_words(track.settings)}"

    def open(self, tracks: list[TrackFormat]) -> None:
        """Check the track and open the output, which gets its name with the first frame."""
        self.check(self.row, self.options, [track.kind for track in tracks])
        self._set_up(tracks[0])
        self._hiding = Burst(_log, f"“{self.name}”: %d frame(s) left out that are not %s as the first ones")
        if _log.hears(INFO):
            _log.info("“%s”: raw: %s", self.name, self.describe(self.row, self.options, tracks))
        self.output.durable = True
        self.output.open()
        if self._frame_log is not None:
            self._frame_log.open()

    def write(self, track: int, frame: Media) -> None:  # noqa: ARG002
        """Write the frame. Write nothing if it cannot be decoded."""
        if isinstance(frame, AudioData):
            self._write_sound(frame)
            return
        assert isinstance(frame, VideoMedia), "no sink takes encoded sound"
        if self._frame_log is not None:
            self._waiting[frame.timestamp] = outline(frame), self._facts
            if len(self._waiting) > _MOST_LOGGED:  # of a damaged one
                del self._waiting[next(iter(self._waiting))]
        if self._encoder is not None:
            self._encode(frame)
        else:
            self._write_pictures(self._pictures(frame))

    @property
    def _facts(self) -> TrackFacts:
        """Return the facts about the track, for the log."""
        return TrackFacts({}) if self.facts is None or self._frame_log is None else self.facts(0)

    def _write_pictures(self, pictures: Written) -> None:
        for picture, parts in pictures:
            self._write_picture(picture, parts, key=not isinstance(picture, EncodedVideoChunk) or picture.key)

    def _write_picture(self, picture: Picture, parts: Parts, *, key: bool = True) -> None:
        head = self._header(picture)
        size = self._size or (picture.display_width, picture.display_height)
        if self._frame_log is not None:
            frame, facts = self._waiting.pop(picture.timestamp, (picture, TrackFacts({})))
            nbytes = sum(memoryview(part).nbytes for part in parts) + (0 if self.output.size else len(head))
            self._frame_log.write(frame, nbytes, size, 1, facts)
        self.output.announce(picture.timestamp + self.paused_us, picture.sequence, size, self._written_form)
        self._write_parts(parts, head, key=key)

    @property
    def _written_form(self) -> str:
        """Return the pixel format or the codec of what is written."""
        if self._row.codec or self._pixels in ("", NATIVE):
            return self._row.codec or self._form
        return pixel_format(self._pixels).name

    def _header(self, first: Any) -> bytes:
        """Return the header of the output, or of what another reader gets of it."""
        if self._head is not None and not self._header_bytes:
            self._header_bytes = self._head(first)
        return self._header_bytes

    def _encode(self, frame: Any) -> None:
        """Write the encoded picture, or those that the encoder has completed now."""
        codec = self._row.codec
        if isinstance(frame, EncodedVideoChunk) and frame.codec == codec and frame.whole and not self._encoder.waiting:
            data = self._passed_on(frame)
            if data is not None:
                self._write_pictures(self._before_end(frame, self._codec_parts(data)))
            return
        self._encoder.end_us = self.end_us
        self._write_chunks(self._encoder.encode(frame))

    def _before_end(self, chunk: EncodedVideoChunk, parts: Parts) -> Written:
        """Return what to write of a chunk. One that is shown after the end is only written if others before it need it."""
        if is_past(chunk, self.end_us) and self.output.size:
            self._ahead = (*self._ahead, (outline(chunk), [bytes(part) for part in parts]))
            return ()
        needed, self._ahead = self._ahead, ()
        return (*needed, (chunk, parts))

    def _shown_before_end(self, pictures: Sequence[VideoFrame]) -> Sequence[VideoFrame]:
        """Return the decoded pictures that are shown before the end."""
        end_us = self.end_us
        if end_us is None or not self.output.size:
            return pictures
        shown = [picture for picture in pictures if picture.timestamp + frame_tolerance_us(picture) < end_us]
        self._past += len(pictures) - len(shown)
        return shown

    def _write_chunks(self, chunks: Iterable[EncodedVideoChunk]) -> None:
        for chunk in chunks:
            sets = chunk.description if chunk.key and chunk.description else b""
            self._size = chunk.coded_width, chunk.coded_height
            self._write_picture(chunk, (*((sets,) if sets else ()), *self._codec_parts(chunk.data)), key=chunk.key)

    def _codec_parts(self, data: memoryview) -> Parts:
        image = VIDEO_CODECS[self._row.codec].image
        parts = (data,) if image is None else image.parts(data)
        if self._row.name != _MULTIPART:
            return parts
        size = sum(memoryview(part).nbytes for part in parts)
        return (f"--{BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {size}\r\n\r\n".encode(), *parts, b"\r\n")

    def _write_sound(self, block: AudioData) -> None:
        """Write silence for the gap before the block, and the block without duplicate samples."""
        from mscli.media.timeline import AudioTimeline, silent_pieces  # imported late: pictures need none

        if self._timeline is None:
            self._timeline = AudioTimeline(block.sample_rate, block.timestamp)
        silence, skip, _ = self._timeline.place(block.timestamp, block.number_of_frames, block.sequence)
        samples = silence + block.number_of_frames - skip
        if not samples:
            return
        head = self._header(block)
        if self._frame_log is not None:
            nbytes = (0 if self.output.size else len(head)) + samples * self._sample_bytes(block)
            self._frame_log.write(block, nbytes, None, samples, self._facts)
        for piece in silent_pieces(silence, block.sample_rate):
            self._write_parts(self._parts(silence_before(block, piece)), head)
        if skip < block.number_of_frames:
            self._write_parts(self._parts(without_first(block, skip)), head)

    def _write_parts(self, parts: Parts, head: bytes = b"", *, key: bool = True) -> None:
        self.output.write_unit(parts, head, key=key)
        self.output.mark()
        if self._frame_log is not None:
            self._frame_log.mark()

    def _sample_bytes(self, block: AudioData) -> int:
        """Return the size of a sample of all channels in the output."""
        bits = PACKED_BITS.get(self.options.format) or SAMPLE_FORMATS[self._samples or block.format].bits
        return block.number_of_channels * bits // 8

    def close(self) -> None:
        """Finish the output and its log."""
        try:
            self._past += len(self._ahead)
            if self._encoder is not None:
                self._encoder.end_us = self.end_us
                self._write_chunks(self._encoder.finish() if self._encoder.first_us is not None else [])
            elif self._decodes:
                self._write_pictures(self._packed(self._shown_before_end(self._converter.rest())))
            self._close_encoder()
            super().close()
        except BaseException:
            self._abort_log()
            raise
        if self._frame_log is not None:
            self._frame_log.close()

    def abort(self) -> None:
        """Give up."""
        try:
            self._close_encoder()
            super().abort()
        finally:
            self._abort_log()

    def _close_encoder(self) -> None:
        if self._encoder is not None:
            self._encoder.close()

    def _abort_log(self) -> None:
        if self._frame_log is not None:
            self._frame_log.abort()

    def _outputs(self) -> list[Output]:
        return [self.output] if self._frame_log is None else [self.output, self._frame_log.output]

    def abandon_reader(self) -> bool:
        """Give up the stalled readers of the output and of the log."""
        waiting = [output.abandon_reader() for output in self._outputs()]
        return any(waiting)

    def give_up_readers(self, may_wait: Callable[[float], bool]) -> None:
        """Call ``may_wait`` while a reader is stalled."""
        for output in self._outputs():
            give_up_reader(output, may_wait)

    def defer(self) -> None:
        """Let the first write wait for the readers."""
        for output in self._outputs():
            defer(output)

    def faults(self, track: int) -> Faults:  # noqa: ARG002
        """Return the faults of frames that could not be decoded or passed on."""
        if self._encoder is None and self._chunk_filter is not None:
            seen: Faults = self._chunk_filter.faults
            return seen._replace(torn=self._torn)
        return getattr(self._encoder or self._converter, "faults", NO_FAULTS)  # a sound converter has none

    def corrections(self, track: int) -> Mapping[str, int]:
        """Return the counts of skipped pictures, and of samples filled in and skipped."""
        past = self._past + (0 if self._encoder is None else self._encoder.past)
        done = {**self.faults(track).corrections, "hidden": self._hidden, "past": past}
        if self._timeline is not None:
            done |= {"silence": self._timeline.silence, "skipped": self._timeline.skipped}
        return {name: count for name, count in done.items() if count}

    def _set_up(self, track: TrackFormat) -> None:
        if track.kind == "audio":
            self._head = {"wav": self._wav_head, "npy": self._npy_sound_head}.get(self._row.name)
            self._parts = _samples if not self._samples else self._converted_samples
            return
        if self._row.codec:
            from mscli.encode.video import VideoEncoder

            self._encoder = VideoEncoder(VIDEO_CODECS[self._row.codec], track, self.options)
        if self._row.name == Y4M:
            self._rate = y4m_rate(track.settings.get("frameRate"))
            self._pictures = self._y4m
            return
        if self._row.name == "npy":
            self._head = self._npy_head
        self.copies = self._encoding = self._pixels == NATIVE and track.pixel_format in CAMERA_CODECS
        self._pictures = self._as_it_comes if self._pixels in ("", NATIVE) else self._converted

    def _npy_head(self, frame: VideoMedia) -> bytes:
        """Return the header of an array of pictures, which is kept correct in a file."""
        assert self._size is not None, "a picture has come"
        form = self._form or pixel_format(self._pixels).name
        return self._array_head(ArrayLayout.of_pictures(form, *self._size), frame.count)

    def _npy_sound_head(self, block: AudioData) -> bytes:
        layout = ArrayLayout.of_sound(self._samples or block.format, block.number_of_channels)
        return self._array_head(layout, block.number_of_frames)

    def _array_head(self, layout: ArrayLayout, least: int) -> bytes:
        if self.output.seekable():
            self.output.on_mark = partial(_count_in_header, layout)
            return layout.header(0)
        return layout.header(self.options.frames or least)

    def _wav_head(self, block: AudioData) -> bytes:
        from mscli.encode.headers import WavHeader, wav_header

        if self.output.seekable():
            self.output.on_mark = WavHeader().update
        row = SAMPLE_FORMATS[block.format]
        return wav_header(block.sample_rate, block.number_of_channels, row.bits, is_float=row.name == "f32")

    def _as_it_comes(self, frame: VideoFrame | EncodedVideoChunk) -> Written:
        self._form = self._form or self._form_of(frame)
        if self._form in FORMATS:
            self.copies = False
            return self._in_format(frame, self._form)
        if not isinstance(frame, EncodedVideoChunk) or frame.codec != self._form:  # a muted track's black, or another camera's
            self._hidden += 1
            self._hiding.note(1, self._form)
            return ()
        self._hiding.end()
        check_whole(frame)
        data = self._passed_on(frame)
        return () if data is None else self._before_end(frame, (data,))

    def _passed_on(self, chunk: EncodedVideoChunk) -> Any:
        """Return a chunk's data, or None if it cannot be used."""
        if self._chunk_filter is None:
            from mscli.media.chunkfilter import ChunkFilter

            self._chunk_filter = ChunkFilter(whole=True)
        data = self._chunk_filter.pass_on(chunk)
        self._torn += self._chunk_filter.broken
        return data

    def _form_of(self, first: VideoFrame | EncodedVideoChunk) -> str:
        """Return the format of all pictures, given the first one, or "" if that one does not reveal the camera's format."""
        if isinstance(first, VideoFrame):
            return "" if first.blank and self._encoding else first.format
        return first.codec if self._pixels == NATIVE and first.whole else _DECODED

    def _converted(self, frame: VideoFrame | EncodedVideoChunk) -> Written:
        return self._in_format(frame, pixel_format(self._pixels).name)

    def _in_format(self, frame: VideoFrame | EncodedVideoChunk, name: str, color: VideoColorSpace | None = None) -> Written:
        if self._size is None:
            self._size = (frame.display_width, frame.display_height)
        frame = replace(frame, display_size=self._size)  # a stream without headers has a single size
        limited = frame.color_space == LIMITED_RGB and (self._row.name == Y4M or self._pixels not in ("", NATIVE))
        fits = not limited and color in (None, frame.color_space)
        if isinstance(frame, VideoFrame) and frame.format == name and frame.whole and fits:
            return self._packed([frame])
        if self._converter is None:
            from mscli.media.pictures import Converter

            self._converter, self._decodes = Converter(name, color), True
        pictures = self._converter.read(frame)
        return self._packed(pictures if isinstance(frame, VideoFrame) else self._shown_before_end(pictures))

    def _packed(self, pictures: Sequence[VideoFrame]) -> Written:
        before = (b"FRAME\n",) if self._row.name == Y4M else ()
        return [(picture, (*before, *packed_planes(picture))) for picture in pictures]

    def _y4m(self, frame: VideoFrame | EncodedVideoChunk) -> Written:
        if self._color is None:  # the header has one range for all pictures, and readers assume BT.601
            raw_yuv = isinstance(frame, VideoFrame) and is_yuv(frame.format)
            self._color = VideoColorSpace(full_range=raw_yuv and frame.color_space.full_range)
        pictures = self._in_format(frame, self._y4m_pixels, self._color)
        if pictures and not self._header_bytes:
            self._header_bytes = self._y4m_header(frame.first_field if isinstance(frame, VideoFrame) and frame.whole else "")
        return pictures

    @property
    def _y4m_pixels(self) -> str:
        return pixel_format(self._pixels).name if self._pixels else _DECODED

    def _y4m_header(self, first_field: str) -> bytes:
        assert self._size is not None, "a picture has come"
        assert self._color is not None, "with its colour"
        (width, height), color_range = self._size, "FULL" if self._color.full_range else "LIMITED"
        shape = f"W{width} H{height} F{self._rate} I{first_field[:1] or 'p'} A1:1"
        chroma = Y4M_CHROMA[self._y4m_pixels]
        return f"YUV4MPEG2 {shape} C{chroma} XYSCSS={chroma.upper()} XCOLORRANGE={color_range}\n".encode()

    def _converted_samples(self, block: AudioData) -> Parts:
        if block.format != self._samples:
            if self._converter is None:
                from mscli.media.sound import SampleConverter

                self._converter = SampleConverter(self._samples)
            block = self._converter.convert(block)
        return (_packed_24(block.data),) if self.options.format in PACKED_BITS else _samples(block)


def _samples(block: AudioData) -> Parts:
    return (block.data,)


def _packed_24(data: memoryview) -> memoryview:
    """Return samples of 32 bits without their lowest 8, little-endian."""
    packed = bytearray(data.nbytes // 4 * 3)
    for place in range(3):
        packed[place::3] = bytes(data)[place + 1 :: 4]
    return memoryview(packed)


def _check_row(form: OutputFormat, options: SinkOptions, kind: str) -> None:
    """Raise NotSupportedError if a format does not hold this kind of track, or not this pixel format."""
    if kind not in form.kinds:
        other = "--audio --no-video" if kind == "video" else "--no-audio"
        raise NotSupportedError(f"{form.name} holds no {kind}", hints=[f"use {other}, or another --format"])
    wanted = options.pixel_format
    if kind == "audio" or not wanted:
        return
    if form.pixels is None:
        raise NotSupportedError(f"{form.name} has no pixel format to choose", hints=["leave --pixel-format out"])
    if wanted == NATIVE and not form.pixels:
        return
    _check_pixels(wanted)
    name = pixel_format(wanted).name
    if form.pixels and name not in form.pixels:
        hints = [f"{form.name} carries {joined(form.pixels)}", "rawvideo carries every format"]
        raise NotSupportedError(f"{form.name} cannot carry {name}", hints=hints)


def raw_stream(options: SinkOptions, track: TrackFormat) -> OutputContents:
    """Return what an output of a track holds, as far as is known before its first frame."""
    form, settings = OUTPUT_FORMATS.get(options.format, RAW), track.settings
    if track.kind == "audio":
        bits = int(settings.get("sampleSize") or 16)
        captured = track.pixel_format or next((name for name, row in SAMPLE_FORMATS.items() if row.bits >= bits), "s32")
        named = options.format if options.format in SAMPLE_FORMATS else form.samples
        hertz, channels = (int(settings.get(name) or usual) for name, usual in (("sampleRate", 48000), ("channelCount", 1)))
        return OutputContents(form, samples=named or captured, hertz=hertz, channels=channels)
    wanted = options.pixel_format if options.format in OUTPUT_FORMATS else options.format
    plain = track.pixel_format if track.pixel_format not in CAMERA_CODECS else _DECODED
    pixels = {"": _DECODED if form.name == Y4M else plain, NATIVE: track.pixel_format}.get(wanted) or camera_format(wanted)
    width, height = (int(settings.get(name) or 0) for name in ("width", "height"))
    rate = y4m_rate(settings.get("frameRate")).replace(":", "/")
    return OutputContents(form, pixels, width, height, rate)


def _check_pixels(name: str) -> None:
    """Raise NotSupportedError unless ``name`` is a pixel format. A codec is rejected, because nothing is encoded here."""
    form = camera_format(name)
    if form in CAMERA_CODECS:
        hints = [f"--format {NATIVE} passes on what the camera encodes", "to encode, use “mscli record FILE.mkv”"]
        raise NotSupportedError(f"cannot encode raw output as {form}", hints=hints)


def y4m_rate(frame_rate: object) -> str:
    """Format a rate for YUV4MPEG2: 30:1, 30000:1001 for 29.97, 1:3 for a third."""
    if not isinstance(frame_rate, int | float) or frame_rate <= 0:
        return _UNKNOWN_RATE
    if abs(frame_rate - round(frame_rate)) < 1e-3 and frame_rate >= 1:
        return f"{round(frame_rate)}:1"
    whole = round(frame_rate * 1.001)
    if whole and abs(frame_rate - whole / 1.001) < 5e-3:
        return f"{whole * 1000}:1001"
    if frame_rate >= 1 and frame_rate * 1000 == round(frame_rate * 1000):
        return f"{round(frame_rate * 1000)}:1000"
    from fractions import Fraction  # imported late: rarely needed

    interval = (1 / Fraction(frame_rate)).limit_denominator(1001)
    return f"{interval.denominator}:{interval.numerator}"


def _count_in_header(layout: ArrayLayout, fd: int, size: int) -> None:
    """Write the number of complete frames into the header of NumPy's file, which has ``size`` bytes."""
    os.pwrite(fd, layout.header(max(0, size - NPY_HEAD_BYTES) // layout.nbytes), 0)
