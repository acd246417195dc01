"""Choose channels of a device by number or name, put them in order, and mix them down.

The standard only counts channels (``channelCount``), so all of this goes beyond it. Numbers begin at 1, in the order of a
recording of all channels. Names are those of FFmpeg's layouts (https://ffmpeg.org/ffmpeg-utils.html#Channel-Layout), and AUX0,
AUX1, ... for the channels of a sound server that have no loudspeaker.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mscli.core.errors import ArgumentError, OverconstrainedError
from mscli.core.nearest import did_you_mean
from mscli.core.tuples import NamedTuple

MIXES: Mapping[str, int] = {"mono": 1, "stereo": 2}  # the number of channels after a mix
MOST_GAIN_DB = 60.0
MOST_PICKED = 64  # channels, as many as PCM holds
_MOST_NAMED = 8  # in a message
_DIGITS = 9  # the most of a number
_SIDES = ("FL", "FR")
_USUAL: Mapping[int, tuple[str, ...]] = {1: ("FC",), 2: _SIDES}  # the names if nothing else is known
_ALIASES = {"MONO": "FC", "L": "FL", "R": "FR", "C": "FC", "RL": "BL", "RR": "BR", "RC": "BC"}


class ChannelPlan(NamedTuple):
    """The channels that a track has of its device: ``picked`` ones by number, or all of them, mixed to ``mixed`` if not 0.

    ``gain``: the factor by which they are amplified.
    """

    picked: tuple[int, ...] = ()
    mixed: int = 0
    gain: float = 1.0

    @property
    def channels(self) -> int:
        """Return the number of channels of the track, or 0 for as many as the device has."""
        return self.mixed or len(self.picked)


def parse_channels(text: str) -> tuple[int | str, ...]:
    """Return the numbers and names in ``3,4`` or ``FL,FR``. Raises ValueError."""
    parts = [part.strip() for part in text.split(",")]
    if len(parts) > MOST_PICKED:
        raise ValueError(f"{len(parts)} channels are more than the {MOST_PICKED} that a file can hold")
    return tuple(map(_channel, parts))


def _channel(part: str) -> int | str:
    if part.isascii() and part.isdecimal():
        if not int(part):
            raise ValueError("there is no channel 0: channels are numbered from 1")
        if len(part) <= _DIGITS:
            return int(part)
    elif part.isascii() and part.isalnum():
        return part.upper()
    raise ValueError(f"“{part}” is neither the number of a channel nor a name such as FL")


def plan_channels(
    label: str, available: int, names: Sequence[str], channels: Sequence[int | str], mix_down: str, gain_db: float = 0.0
) -> ChannelPlan | None:
    """Return the plan for a device with this many channels, or None if it changes nothing.

    ``names``: those of its channels, if known. Raises TypeError for what is no channel, and OverconstrainedError if the device
    does not have one of them.
    """
    if mix_down and mix_down not in MIXES:
        raise ArgumentError(f"“{mix_down}” is not one of {', '.join(MIXES)}")
    if len(channels) > MOST_PICKED:
        raise ArgumentError(f"{len(channels)} channels are more than the {MOST_PICKED} that a file can hold")
    known = tuple(names) or _USUAL.get(available, ())
    picked = tuple(_numbered(label, available, known, channel) for channel in channels)
    if not -MOST_GAIN_DB <= gain_db <= MOST_GAIN_DB:
        raise ArgumentError(f"{gain_db!r} is not a gain from {-MOST_GAIN_DB:g} to {MOST_GAIN_DB:g} dB")
    plan = ChannelPlan(picked, MIXES.get(mix_down, 0), float(10 ** (gain_db / 20)))
    return None if plan == ChannelPlan() else plan


def _numbered(label: str, available: int, names: Sequence[str], channel: int | str) -> int:
    if isinstance(channel, str):
        wanted = channel.upper()
        for name in (wanted, _ALIASES.get(wanted, "")):
            if name in names:
                return names.index(name) + 1
        shown = f"{names[0]} to {names[-1]}" if len(names) > _MOST_NAMED else ", ".join(names)
        has = f"; its channels are {shown}" if names else "; its channels have numbers only"
        raise _missing(f"“{label}” has no channel “{channel}”{did_you_mean(wanted, names)}{has}")
    if isinstance(channel, bool) or not isinstance(channel, int) or channel < 1:
        raise ArgumentError(f"{channel!r} is not a channel: channels are numbered from 1")
    if channel > available:
        has = "1 channel" if available == 1 else f"{available} channels"
        raise _missing(f"“{label}” has no channel {channel}, only {has}")
    return channel


def _missing(message: str) -> OverconstrainedError:
    return OverconstrainedError("channelCount", message)
