"""The constrainable properties, one row each. Everything in which they differ is in the row.

https://www.w3.org/TR/mediacapture-streams/#constrainable-properties and, for camera controls,
https://www.w3.org/TR/image-capture/#constrainable-properties, and for displays
https://www.w3.org/TR/screen-capture/#extensions-to-mediatracksupportedconstraints
"""

from __future__ import annotations

from collections.abc import Sequence

from mscli.core.tuples import NamedTuple

VIDEO = "video"
AUDIO = "audio"
POINTS = "sequence<Point2D>"
KINDS = {VIDEO: "videoinput", AUDIO: "audioinput"}  # track kind → device kind
TRACK_KINDS = {device_kind: kind for kind, device_kind in KINDS.items()}


class Property(NamedTuple):
    """A constrainable property. ``idl``: the WebIDL type of its constraint's values."""

    name: str
    kinds: tuple[str, ...]
    idl: str  # "unsigned long" | "double" | "boolean" | "DOMString" | "boolean or DOMString" | "boolean or double"
    unit: str
    help: str
    flag: str = ""  # the command-line option without dashes; if empty, only -c NAME=VALUE sets it
    decimals: int | None = None  # values are rounded to this many decimals before comparison
    selects: bool = True  # whether it is an allowed required constraint for device selection
    control: bool = False  # whether it can be set while the camera runs, without interruption
    # the mode on which it depends, and the values of that mode in which it can be set
    only_while: tuple[str, tuple[str, ...]] | None = None
    values: tuple[str, ...] = ()  # all values that the standard defines, if they are words

    @property
    def numeric(self) -> bool:
        """Return whether its constraints are ranges."""
        return self.idl in ("unsigned long", "double", "boolean or double")


def _control(
    name: str,
    idl: str,
    unit: str,
    text: str,
    only_while: tuple[str, tuple[str, ...]] | None = None,
    values: tuple[str, ...] = (),
) -> Property:
    """Return the row of a camera control. Its flag is its name in kebab-case."""
    flag = "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in name)
    return Property(name, _V, idl, unit, text, flag, selects=False, control=True, only_while=only_while, values=values)


MANUAL, CONTINUOUS = "manual", "continuous"  # https://www.w3.org/TR/image-capture/#meteringmode-section
_AUTOMATIC = (CONTINUOUS, "single-shot")
_MODES = ("none", MANUAL, "single-shot", CONTINUOUS)
_FACING = ("user", "environment", "left", "right")  # https://www.w3.org/TR/mediacapture-streams/#dom-videofacingmodeenum

_SURFACES = ("monitor", "window", "browser")  # https://www.w3.org/TR/screen-capture/#dom-displaycapturesurfacetype
_CURSORS = ("never", "always", "motion")  # https://www.w3.org/TR/screen-capture/#dom-cursorcaptureconstraint
DISPLAY_SURFACE = "displaySurface"  # what only displays have

_BOTH = (VIDEO, AUDIO)
_V = (VIDEO,)
_A = (AUDIO,)

NATIVE = "v4l2:"  # the prefix of a driver's own controls, by the names that v4l2-ctl gives them

# what holds for single photos only: https://www.w3.org/TR/image-capture/#photosettings-section
RED_EYE, FILL_LIGHT = "photo:redEyeReduction", "photo:fillLightMode"
_OF_PHOTOS = {
    RED_EYE: Property(RED_EYE, _V, "boolean", "", "avoid red eyes", selects=False, control=True),
    FILL_LIGHT: Property(
        FILL_LIGHT, _V, "DOMString", "", "when to flash", selects=False, control=True, values=("auto", "off", "flash")
    ),
}


class Properties(dict[str, Property]):
    """The properties by IDL name. Not listed: a driver's own controls, because nobody knows them all, and those of photos."""

    def __contains__(self, name: object) -> bool:
        is_native = isinstance(name, str) and name.startswith(NATIVE) and name != NATIVE
        return super().__contains__(name) or name in _OF_PHOTOS or is_native

    def __missing__(self, name: str) -> Property:
        if name not in self:
            raise KeyError(name)
        native = Property(name, _V, "double", "", "a control of the driver", selects=False, control=True)
        return _OF_PHOTOS.get(name, native)

    @property
    def of_photos(self) -> Sequence[str]:
        """Return the names of what holds for single photos only."""
        return tuple(_OF_PHOTOS)


PROPERTIES = Properties(
    (row.name, row)
    for row in (
        Property("deviceId", _BOTH, "DOMString", "", "device, by its id"),
        Property("groupId", _BOTH, "DOMString", "", "physical device, by its group id", "group-id"),
        Property("width", _V, "unsigned long", "px", "width in pixels", "width"),
        Property("height", _V, "unsigned long", "px", "height in pixels", "height"),
        Property("aspectRatio", _V, "double", "", "width divided by height, such as 16:9", "aspect-ratio", 10),
        Property("frameRate", _V, "double", "/s", "frames per second, such as 30 or 30000/1001", "frame-rate"),
        Property("facingMode", _V, "DOMString", "", "direction that the camera faces", "facing-mode", values=_FACING),
        Property("resizeMode", _V, "DOMString", "", "whether pictures may be cropped and scaled", "resize-mode",
                 values=("none", "crop-and-scale")),
        _control("backgroundBlur", "boolean", "", "blur the background"),
        Property("sampleRate", _A, "unsigned long", "Hz", "samples per second", "sample-rate"),
        Property("sampleSize", _A, "unsigned long", "bit", "bits per sample", "sample-size"),
        Property("channelCount", _A, "unsigned long", "", "number of channels", "channel-count"),
        Property("latency", _A, "double", "s", "capture latency in seconds", "latency"),
        Property("echoCancellation", _A, "boolean or DOMString", "", "cancel echo", "echo-cancellation"),
        Property("autoGainControl", _A, "boolean", "", "keep the volume even", "auto-gain-control"),
        Property("noiseSuppression", _A, "boolean", "", "suppress noise", "noise-suppression"),
        _control("exposureMode", "DOMString", "", "how the exposure is set", values=_MODES),
        _control("exposureTime", "double", "× 100 µs", "exposure time in units of 100 µs", ("exposureMode", (MANUAL,))),
        _control("exposureCompensation", "double", "EV", "exposure compensation in EV", ("exposureMode", _AUTOMATIC)),
        _control("whiteBalanceMode", "DOMString", "", "how the white balance is set", values=_MODES),
        _control("colorTemperature", "double", "K", "color temperature in kelvins", ("whiteBalanceMode", (MANUAL,))),
        _control("pointsOfInterest", POINTS, "", "points to meter and focus on, from 0 to 1"),
        _control("focusMode", "DOMString", "", "how the focus is set", values=_MODES),
        _control("focusDistance", "double", "", "focus distance, in the camera's unit", ("focusMode", (MANUAL,))),
        _control("iso", "double", "", "sensitivity to light"),
        _control("brightness", "double", "", "brightness, in the camera's unit"),
        _control("contrast", "double", "", "contrast, in the camera's unit"),
        _control("saturation", "double", "", "saturation, in the camera's unit"),
        _control("sharpness", "double", "", "sharpness, in the camera's unit"),
        _control("pan", "boolean or double", "arcsec", "pan to the right, in 1/3600 degree"),
        _control("tilt", "boolean or double", "arcsec", "tilt upwards, in 1/3600 degree"),
        _control("zoom", "boolean or double", "", "zoom, in the camera's unit"),
        _control("torch", "boolean", "", "turn on the camera's light"),
        Property(DISPLAY_SURFACE, _V, "DOMString", "", "kind of display", selects=False, values=_SURFACES),
        Property("logicalSurface", _V, "boolean", "", "whether all of the display is captured, also what is covered",
                 selects=False),
        _control("cursor", "DOMString", "", "when the pointer is shown on the picture of a display", values=_CURSORS),
        Property("restrictOwnAudio", _A, "boolean", "", "leave out this program's own sound", selects=False),
        Property("suppressLocalAudioPlayback", _A, "boolean", "", "silence the speakers meanwhile", selects=False),
    )
)  # fmt: skip
