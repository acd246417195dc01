"""The flags that say how a recording is encoded, and what they make: the options of a sink."""

from __future__ import annotations

import functools
import re
from typing import Any

import click

from mscli.cli.completion import complete_codec
from mscli.cli.paramtypes import Fraction, Text
from mscli.cli.shared import Command, Decorator, decorated_with
from mscli.core.properties import AUDIO, VIDEO
from mscli.sinks.base import PRESETS, SinkOptions

_BIT_RATE = re.compile(r"(\d+(?:\.\d+)?)([kM]?)", re.IGNORECASE)
_FACTORS = {"": 1, "k": 1_000, "m": 1_000_000}


class BitRate(Text):
    """Bits per second: ``2M``, ``800k``, ``2.5M``, ``640000``."""

    name = "bits"

    def read(self, text: str) -> int:
        found = _BIT_RATE.fullmatch(text)
        if found is None:
            raise ValueError(f"“{text}” is not a bit rate such as 2M, 800k or 640000")
        bits = round(float(found[1]) * _FACTORS[found[2].lower()])
        if bits < 1:
            raise ValueError("a bit rate has to be above zero")
        return bits


_SPEEDS = f"Speed of the encoder: {PRESETS[0]} to {PRESETS[-1]}."
_ENCODING: list[Decorator] = [
    click.option(
        "--video-codec", metavar="CODEC", shell_complete=complete_codec(VIDEO), help="h264, vp9 …; h264:hw by hardware."
    ),
    click.option("--audio-codec", metavar="CODEC", shell_complete=complete_codec(AUDIO), help="opus, aac, flac …"),
    click.option("--video-bitrate", "video_bits_per_second", type=BitRate(), help="Of the picture, a second: 2M, 800k."),
    click.option("--audio-bitrate", "audio_bits_per_second", type=BitRate(), help="Of the sound, a second: 128k."),
    click.option("--quality", type=Fraction(), help="Of the picture, whatever its bit rate: 1 is the best."),
    click.option("--preset", type=click.Choice(PRESETS), metavar="NAME", help=_SPEEDS),
]
_FIELDS = ("video_codec", "audio_codec", "video_bits_per_second", "audio_bits_per_second", "quality", "preset")


def encoding_options(function: Command) -> Command:
    """Give a command the flags of encoding, as ``encoding``, a ``SinkOptions``."""

    @functools.wraps(function)
    def wrapper(**given: Any) -> Any:
        asked = {name: value for name in _FIELDS if (value := given.pop(name)) is not None}
        if "quality" in asked and "video_bits_per_second" in asked:
            raise click.UsageError("--quality and --video-bitrate exclude each other")
        return function(encoding=SinkOptions(**asked), **given)

    return decorated_with(_ENCODING, wrapper)
