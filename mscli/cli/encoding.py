"""The encoding options of a recording, collected into a ``SinkOptions``."""

from __future__ import annotations

import functools
from collections.abc import Collection
from typing import Any

import click

from mscli.cli.completion import complete_codec
from mscli.cli.helppages import ENCODING, option
from mscli.cli.options import NOUNS, refuse_again
from mscli.cli.paramtypes import BitRateType, FractionType, ParsedType
from mscli.cli.shared import CommandFunction, Decorator, decorated_with
from mscli.cli.surface.common import deinterlace_option
from mscli.core.properties import AUDIO, VIDEO
from mscli.encode.options import PRESETS, TAGS, SinkOptions


class TagType(ParsedType):
    """A line that a file says about itself: ``title=Interview 3``."""

    name = "tag"

    def read(self, text: str) -> tuple[str, str]:
        key, equals, value = text.partition("=")
        if key not in TAGS:
            raise ValueError(f"“{key}” is not one of {', '.join(TAGS)}")
        if not equals or not value.strip():
            raise ValueError(f"“{text}” has no value: {key}=…")
        return key, value


def _tag(_ctx: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    if value is not None and not value.strip():
        raise click.BadParameter("the text is empty", param=parameter)
    return value


_ENCODING: list[Decorator] = [
    option(
        "--video-codec",
        group=ENCODING,
        metavar="CODEC",
        shell_complete=complete_codec(VIDEO),
        usual="the first that FILE holds, such as h264 in MP4",
        help="Video codec: h264, hevc, av1, vp9, vp8, mjpeg, ffv1; “:hw” behind one encodes in hardware; or copy.",
    ),
    option(
        "--audio-codec",
        group=ENCODING,
        metavar="CODEC",
        shell_complete=complete_codec(AUDIO),
        usual="the first that FILE holds, such as aac in MP4",
        help="Audio codec: opus, aac, mp3, flac, pcm.",
    ),
    option(
        "--video-bitrate",
        "video_bits_per_second",
        group=ENCODING,
        type=BitRateType(),
        help="Bits per second of video, such as 2M or 800k.",
    ),
    option(
        "--audio-bitrate",
        "audio_bits_per_second",
        group=ENCODING,
        type=BitRateType(),
        usual="64k per channel",
        help="Bits per second of sound, such as 128k.",
    ),
    option(
        "--quality",
        group=ENCODING,
        common=True,
        type=FractionType(),
        usual="0.5 for h264, hevc and av1",
        help="Video quality, from 0 to 1 (best).",
    ),
    option(
        "--preset",
        group=ENCODING,
        type=click.Choice(PRESETS),
        metavar="PRESET",
        usual="fast enough to work live, such as veryfast for h264",
        help=f"Encoding speed; slower means smaller files: {', '.join(PRESETS)}.",
    ),
    option(
        "--no-metadata",
        "metadata",
        group=ENCODING,
        flag_value=False,
        default=None,
        help="Do not store the time and the device names in the file.",
    ),
    option("--title", group=ENCODING, metavar="TITLE", callback=_tag, help="Title in the file: --metadata title=TITLE."),
    option("--artist", group=ENCODING, metavar="NAME", callback=_tag, help="Artist in the file: --metadata artist=NAME."),
    option(
        "--metadata",
        "tags",
        group=ENCODING,
        type=TagType(),
        multiple=True,
        metavar="KEY=VALUE",
        help=f"Store more in the file: {', '.join(TAGS)}. Repeatable.",
    ),
    option(
        "--faststart",
        group=ENCODING,
        is_flag=True,
        default=None,
        help="Move the index of MP4, MOV and M4A files to the front at the end.",
    ),
    deinterlace_option,
]
_FIELDS = (
    "video_codec", "audio_codec", "video_bits_per_second", "audio_bits_per_second", "quality", "preset", "metadata", "tags",
    "faststart", "deinterlace",
)  # fmt: skip


_FOR = {  # kind of track → the options that only its encoder follows
    VIDEO: {
        "video_codec": "--video-codec",
        "video_bits_per_second": "--video-bitrate",
        "quality": "--quality",
        "preset": "--preset",
    },
    AUDIO: {"audio_codec": "--audio-codec", "audio_bits_per_second": "--audio-bitrate"},
}


def refuse_unused_encoding(options: SinkOptions, kinds: Collection[str]) -> None:
    """Raise UsageError if an option is only for a kind of track that is not recorded."""
    for kind, flags in _FOR.items():
        given = [flag for name, flag in flags.items() if getattr(options, name) not in (None, "")]
        if given and kind not in kinds:
            raise click.UsageError(f"{given[0]} has no effect without {NOUNS[kind]}")


def encoding_options(function: CommandFunction) -> CommandFunction:
    """Add the encoding options to a command. It gets them as ``encoding``, a ``SinkOptions``."""

    @functools.wraps(function)
    def wrapper(**given: Any) -> Any:
        asked = {name: value for name in _FIELDS if (value := given.pop(name)) is not None}
        named = {name: given.pop(name) for name in ("title", "artist")}
        refuse_again("--metadata", [name for name, _ in asked.get("tags", ())])
        tags = dict(asked.get("tags", ()))
        for name, text in named.items():
            if text is not None and name in tags:
                raise click.UsageError(f"--{name} and --metadata {name}=… cannot be combined")
        asked["tags"] = tags | {name: text for name, text in named.items() if text is not None}
        if "quality" in asked and "video_bits_per_second" in asked:
            raise click.UsageError("--quality and --video-bitrate cannot be combined")
        return function(encoding=SinkOptions(**asked), **given)

    return decorated_with(_ENCODING, wrapper)
