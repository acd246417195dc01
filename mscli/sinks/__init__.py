"""Files out. The registry of sinks: what a suffix or a MIME type means, and which module writes it, imported when used."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any, BinaryIO, NamedTuple

from mscli.core.errors import NotSupportedError
from mscli.core.frames import AudioData, VideoFrame
from mscli.sinks.base import Sink, SinkOptions

Target = str | int | BinaryIO  # a path, a file descriptor (not closed by the sink), or a writable binary file


class SinkRow(NamedTuple):
    """A kind of output: how it is named, where its writer is, and what it can hold."""

    suffix: str
    mime_type: str
    module: str
    cls: str
    video: bool = False
    audio: bool = False
    still: bool = False


_IMAGE = ("mscli.sinks.image", "ImageSink")
_CONTAINER = ("mscli.sinks.container", "ContainerSink")

SINKS: dict[str, SinkRow] = {
    row.suffix: row
    for row in (
        SinkRow("png", "image/png", *_IMAGE, still=True),
        SinkRow("jpg", "image/jpeg", *_IMAGE, still=True),
        SinkRow("jpeg", "image/jpeg", *_IMAGE, still=True),
        SinkRow("webp", "image/webp", *_IMAGE, still=True),
        SinkRow("mp4", "video/mp4", *_CONTAINER, video=True, audio=True),
        SinkRow("webm", "video/webm", *_CONTAINER, video=True, audio=True),
        SinkRow("mkv", "video/x-matroska", *_CONTAINER, video=True, audio=True),
        SinkRow("mov", "video/quicktime", *_CONTAINER, video=True, audio=True),
        SinkRow("wav", "audio/wav", *_CONTAINER, audio=True),
        SinkRow("flac", "audio/flac", *_CONTAINER, audio=True),
        SinkRow("ogg", "audio/ogg", *_CONTAINER, audio=True),
        SinkRow("mp3", "audio/mpeg", *_CONTAINER, audio=True),
        SinkRow("m4a", "audio/x-m4a", *_CONTAINER, audio=True),
        SinkRow("raw", "application/octet-stream", "mscli.sinks.raw", "RawSink", video=True, audio=True),
    )
}


def sink_row(name: str, wanted: str) -> SinkRow:
    """The row for a file's name by its suffix. ``wanted``: "still", "video" or "audio"; an error lists what there is of it."""
    suffix = os.path.splitext(name)[1].lstrip(".").lower()
    row = SINKS.get(suffix)
    if row is not None and getattr(row, wanted):
        return row
    return _unknown(f"“{name}” ends in “.{suffix}”" if suffix else f"“{name}” has no suffix", wanted)


def _unknown(what: str, wanted: str) -> SinkRow:
    fits = ", ".join("." + row.suffix for row in SINKS.values() if getattr(row, wanted) and row.suffix != "raw")
    noun = "picture" if wanted == "still" else "recording"
    raise NotSupportedError(f"{what}, which says no kind of {noun} that can be written", hints=[f"use one of: {fits}"])


def next_name(pattern: str, *, overwrite: bool) -> str:
    """The name for one recording now: ``pattern`` with its time (strftime) and its number (``%03d``), the next that is free."""
    if "%" not in pattern:
        return pattern
    from mscli.sinks.names import single

    return single(pattern, overwrite=overwrite)


def load_sink(row: SinkRow, target: Target, options: SinkOptions) -> Sink:
    """The sink of that row for that target, its module imported now; nothing is opened or made yet.

    Raises OperationError where it is clear already that the target cannot be written.
    """
    kind = _class(row)
    if options.series is not None or options.max_bytes is not None:
        kind = _recording_class(row, options)
    sink: Sink = kind(row, target, options)
    return sink


def check_tracks(row: SinkRow, options: SinkOptions, kinds: Sequence[str]) -> None:
    """Whether an output of that row takes tracks of these kinds ("video", "audio") written in this way; nothing is opened.

    Raises NotSupportedError with what would fit.
    """
    _class(row).check(row, options, kinds)


def copied_formats(row: SinkRow) -> tuple[str, ...]:
    """The pixel formats that an output of that row takes as a camera encodes them. Raises NotSupportedError if none."""
    from mscli.sinks.copying import copied_formats

    return copied_formats(row.suffix)


def codec_names(kind: str) -> list[str]:
    """What can be asked for as the codec of a kind of track ("video", "audio")."""
    from mscli.sinks.codecs import AUDIO_CODECS, BY_HARDWARE, VIDEO_CODECS

    return [*VIDEO_CODECS, *BY_HARDWARE] if kind == "video" else [*AUDIO_CODECS]


def row_for_mime(mime_type: str) -> tuple[SinkRow, str, str]:
    """The row, video codec and audio codec of a recording's MIME type ("" where it names none). Raises NotSupportedError."""
    from mscli.sinks.codecs import parse_mime

    wanted = parse_mime(mime_type)
    return SINKS[wanted.container.suffix], wanted.video_codec, wanted.audio_codec


def spell_mime(row: SinkRow, mime_type: str, options: SinkOptions, kinds: Sequence[str]) -> str:
    """The MIME type, with its ``codecs``, of tracks of these kinds recorded into that row. ``mime_type``: what was asked."""
    from mscli.sinks.mime import spell

    return spell(row.suffix, row.mime_type, mime_type, options, kinds)


def mime_supported(mime_type: str) -> bool:
    """Whether recordings of that MIME type can be made: https://www.w3.org/TR/mediastream-recording/#dom-mediarecorder-istypesupported."""
    try:
        row_for_mime(mime_type)
    except NotSupportedError:
        return False
    return True


def show(frame: VideoFrame) -> VideoFrame:
    """The frame cropped and scaled as it is to be shown, in its own format (I420 if it is encoded); itself if nothing is to do.

    Raises NotReadableError when it holds no whole picture.
    """
    if frame.whole:
        return frame
    from mscli.sinks.convert import shown

    return shown(frame)


def load_converter(pixel_format: str) -> Callable[[VideoFrame], VideoFrame | None]:
    """A function that brings frames of any kind to a raw format, cropped and scaled; None for a damaged one."""
    from mscli.sinks.convert import Converter

    return Converter(pixel_format).convert


def load_sound_converter(sample_rate: int, channels: int, bits: int | None = None) -> Callable[[AudioData], AudioData | None]:
    """A function that brings blocks of sound to a sample rate (Hz), a number of channels and, if given, of bits of a sample.

    It returns None while it has too little.
    """
    from mscli.sinks.resample import SoundConverter

    return SoundConverter(sample_rate, channels, bits).convert


def _recording_class(row: SinkRow, options: SinkOptions) -> Any:
    """What writes a recording that is limited, or goes into several files. Raises NotSupportedError for other outputs."""
    if (row.module, row.cls) != _CONTAINER:
        raise NotSupportedError(
            f"only recordings can be cut and limited in size, not .{row.suffix}", hints=["use .mkv or .mp4"]
        )
    if options.series is None:
        return _class(row)
    if options.series.triggered:
        return import_module("mscli.sinks.preroll").TriggerSink
    return import_module("mscli.sinks.segments").SegmentSink


def _class(row: SinkRow) -> Any:
    return getattr(import_module(row.module), row.cls)
