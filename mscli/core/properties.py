"""The constrainable properties: one row for each, and everything that differs between them stands in its row.

https://www.w3.org/TR/mediacapture-streams/#constrainable-properties
"""

from __future__ import annotations

from typing import NamedTuple

VIDEO = "video"
AUDIO = "audio"
KINDS = {VIDEO: "videoinput", AUDIO: "audioinput"}  # track kind → device kind


class Property(NamedTuple):
    """A constrainable property. ``idl``: the WebIDL type of its constraint's values."""

    name: str
    kinds: tuple[str, ...]
    idl: str  # "unsigned long" | "double" | "boolean" | "DOMString" | "boolean or DOMString"
    unit: str
    help: str
    flag: str = ""  # the command-line option, without dashes; none: only -c NAME=VALUE
    decimals: int | None = None  # to which values are rounded when they are compared
    selects: bool = True  # whether it is in the list of allowed required constraints for device selection

    @property
    def numeric(self) -> bool:
        """Whether its constraints are ranges."""
        return self.idl in ("unsigned long", "double")


_BOTH = (VIDEO, AUDIO)
_V = (VIDEO,)
_A = (AUDIO,)

PROPERTIES: dict[str, Property] = {
    row.name: row
    for row in (
        Property("deviceId", _BOTH, "DOMString", "", "the device, by its id"),
        Property("groupId", _BOTH, "DOMString", "", "the physical device it is part of", "group-id"),
        Property("width", _V, "unsigned long", "px", "width of the picture", "width"),
        Property("height", _V, "unsigned long", "px", "height of the picture", "height"),
        Property("aspectRatio", _V, "double", "", "width divided by height; also 16:9", "aspect-ratio", 10),
        Property("frameRate", _V, "double", "/s", "frames per second", "frame-rate"),
        Property("facingMode", _V, "DOMString", "", "user, environment, left or right", "facing-mode"),
        Property("resizeMode", _V, "DOMString", "", "none, or crop-and-scale", "resize-mode"),
        Property("backgroundBlur", _V, "boolean", "", "whether the background is blurred", selects=False),
        Property("sampleRate", _A, "unsigned long", "Hz", "samples per second", "sample-rate"),
        Property("sampleSize", _A, "unsigned long", "bit", "bits per sample", "sample-size"),
        Property("channelCount", _A, "unsigned long", "", "number of channels", "channel-count"),
        Property("latency", _A, "double", "s", "seconds from sound to data", "latency"),
        Property("echoCancellation", _A, "boolean or DOMString", "", "take the speakers' sound out", "echo-cancellation"),
        Property("autoGainControl", _A, "boolean", "", "keep the level even", "auto-gain-control"),
        Property("noiseSuppression", _A, "boolean", "", "take background noise out", "noise-suppression"),
    )
}
