"""Parse and check the JSON description of fake devices into devices with abilities and faults.

A mistake raises a ``TypeError`` that names its path. Unknown members are ignored, and listed.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, NoReturn, TypeVar

from mscli.core.boxes import Mode, Scalar, Span, Values
from mscli.core.codecs import camera_format
from mscli.core.controls import NO_POINTS, Control, is_control
from mscli.core.errors import ArgumentError, NotSupportedError
from mscli.core.frames import PIXEL_FORMATS
from mscli.core.properties import DISPLAY_SURFACE, FILL_LIGHT, POINTS, PROPERTIES, RED_EYE, Property
from mscli.core.tuples import NamedTuple
from mscli.sources.base import (
    AUDIO_INPUT,
    AUDIO_OUTPUT,
    DEVICE_KINDS,
    DISPLAY,
    MONITOR,
    VIDEO_INPUT,
    WINDOW,
    Abilities,
    Surface,
)

_RED_EYE: dict[str, Values] = {"never": (), "always": (True,), "controllable": (False, True)}
MAX_DRIFT_PPM = 10_000  # of a sound clock; real ones stay below 200


class Bounds(NamedTuple):
    """The allowed numbers of a member. No device exceeds them, and larger numbers would overflow in calculations."""

    low: float
    high: float


SIDES = Bounds(1, 16_384)  # pixels
RATES = Bounds(0.001, 1000)  # frames per second
SAMPLE_RATES = Bounds(1, 1_000_000)
CHANNELS = Bounds(1, 64)
SAMPLE_BITS = Bounds(1, 64)
SECONDS = Bounds(0, 1e9)  # the longest duration
FRAMES = Bounds(0, 1e12)
JITTERS_MS = Bounds(0, 10_000)
SETTINGS = Bounds(-1e12, 1e12)  # of a control
STEPS = Bounds(0, 1e12)
LEAST_STEP = 1e-6  # the smallest step except 0

_CAMERA = {
    "kind": VIDEO_INPUT,
    "deviceId": "fake-camera",
    "groupId": "fake-webcam",
    "label": "Fake camera",
    "facingMode": "user",
    "controls": {  # those of a webcam with a motor
        "brightness": {"min": -64, "max": 64},
        "contrast": {"min": 0, "max": 64, "default": 32},
        "saturation": {"min": 0, "max": 128, "default": 64},
        "exposureMode": ["continuous", "manual"],
        "exposureTime": {"min": 1, "max": 2500, "default": 250},
        "exposureCompensation": {"min": -3, "max": 3, "step": 0.5},
        "whiteBalanceMode": ["continuous", "manual"],
        "colorTemperature": {"min": 2800, "max": 6500, "step": 10, "default": 4600},
        "focusMode": ["continuous", "manual"],
        "focusDistance": {"min": 0, "max": 250, "step": 5},
        "pan": {"min": -36000, "max": 36000, "step": 3600},
        "tilt": {"min": -36000, "max": 36000, "step": 3600},
        "zoom": {"min": 100, "max": 400},
        "torch": [False, True],
    },
}
_MICROPHONE = {
    "kind": AUDIO_INPUT,
    "deviceId": "default",
    "groupId": "fake-headset",
    "label": "Fake microphone",
    "resample": True,
}
_SPEAKER = {"kind": AUDIO_OUTPUT, "deviceId": "fake-speaker", "groupId": "fake-headset", "label": "Fake speaker"}
DEFAULT_RATE: float | Span = 30
STEP: float = 1  # of a control that does not specify one
_MONITOR = {"kind": DISPLAY, "deviceId": "fake-monitor", "label": "Fake monitor"}
_WINDOW = {
    "kind": DISPLAY,
    "deviceId": "fake-window",
    "label": "Fake window",
    "displaySurface": WINDOW,
    "modes": [{"width": 800, "height": 600, "frameRate": {"min": 1, "max": 60}}],
}
DEFAULT_DEVICES = (_CAMERA, _MICROPHONE, _SPEAKER, _MONITOR, _WINDOW)
DEFAULT_DISPLAY = (Mode("I420", 1920, 1080, Span(1, 60)),)
DEFAULT_MODES = tuple(
    Mode("I420", width, height, rate)
    for width, height, rate in (
        (640, 480, 30), (640, 480, 60), (320, 240, 30), (1280, 720, 30), (1280, 720, 60), (1920, 1080, 30),
    )
)  # fmt: skip


class EncoderRow(NamedTuple):
    """An encoder of a fake camera, with FFmpeg options for one chunk per frame without delay, as in real cameras."""

    options: dict[str, str]
    pix_fmt: str = "yuv420p"


_VPX = {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0", "crf": "10", "b": "2M"}

ENCODERS = {  # a codec's name in modes → encoder
    "MJPEG": EncoderRow({"flags": "+qscale", "global_quality": "354"}, "yuvj420p"),  # 3 in units of 1/118
    "H264": EncoderRow({"preset": "ultrafast", "tune": "zerolatency", "crf": "20"}),
    "HEVC": EncoderRow({"preset": "ultrafast", "tune": "zerolatency", "crf": "20", "x265-params": "log-level=error"}),
    "VP8": EncoderRow(_VPX),
    "VP9": EncoderRow(_VPX),
}


class FakeFaults(NamedTuple):
    """The faults of a device: see ``mscli.sources.fake.backend``. A microphone's frames are blocks of 10 ms."""

    busy: bool = False
    denied: bool = False
    error_on_start: bool = False
    vanish_after_frames: int = -1  # -1: never
    stall_after_frames: int = -1
    stall_seconds: float = math.inf
    drop_every: int = 0
    jitter_ms: float = 0
    appear_after_seconds: float = 0
    return_after_seconds: float = math.inf
    change_after_frames: int = -1
    settle_frames: int = 0
    black_frames: int = 0
    frozen_frames: int = 0
    torn_frames: int = 0
    hang_on_open: bool = False
    hang_after_frames: int = -1


@dataclass(frozen=True, slots=True, eq=False)
class FakeDevice:
    """One device of the description."""

    kind: str
    device_id: str
    group_id: str
    label: str
    abilities: Abilities
    faults: FakeFaults
    clock_drift_ppm: float  # how much too fast the microphone's clock is, in millionths
    surface: Surface | None = None  # of a display


class JsonNode:
    """A value in the description, with its path for errors."""

    def __init__(self, value: Any, place: str, nodes: list[JsonNode]) -> None:
        """Begin at a node. ``nodes``: collects all nodes of the description that are looked at."""
        self.value = value
        self._place = place
        self._known: set[str] = set()  # the members that were looked for
        self._nodes = nodes
        self._nodes.append(self)

    @property
    def unknown(self) -> list[str]:
        """Return the paths of the members of this value that nobody looked for."""
        members = self.value if isinstance(self.value, Mapping) else ()
        return [self._path(name) for name in members if name not in self._known]

    def _path(self, name: str) -> str:
        return f"{self._place}.{name}".lstrip(".")

    def fail(self, what: str) -> NoReturn:
        """Raise the TypeError about this value."""
        raise ArgumentError(f"{self._place or 'the description of fake devices'} {what}")

    def items(self) -> Iterator[JsonNode]:
        """Return the items of a value that must be a non-empty list."""
        if not isinstance(self.value, list | tuple) or not self.value:
            self.fail("must be a list with at least one item")
        return (JsonNode(item, f"{self._place}[{i}]", self._nodes) for i, item in enumerate(self.value))

    def member(self, name: str) -> JsonNode | None:
        """Return a member of a value that must be an object, or None if it is absent."""
        if not isinstance(self.value, Mapping):
            self.fail("must be an object")
        self._known.add(name)
        return JsonNode(self.value[name], self._path(name), self._nodes) if name in self.value else None

    def read(self, name: str, check: Check[T], default: T) -> T:
        """Return a member converted by ``check``, or the default."""
        member = self.member(name)
        return default if member is None else check(member)

    def need(self, name: str, check: Check[T]) -> T:
        """Return a required member converted by ``check``."""
        return check(self.member(name) or self.fail(f"needs the member “{name}”"))


T = TypeVar("T")
N = TypeVar("N", int, float)
Check = Callable[[JsonNode], T]


def _text(node: JsonNode) -> str:
    return node.value if isinstance(node.value, str) else node.fail("must be a string")


def _name(node: JsonNode) -> str:
    return _text(node) or node.fail("must not be empty")


def _flag(node: JsonNode) -> bool:
    return node.value if isinstance(node.value, bool) else node.fail("must be true or false")


def _echo(node: JsonNode) -> Any:
    """Return a value of echoCancellation: a boolean or a word."""
    value: Any = node.value
    known = isinstance(value, bool) or value in ("all", "remote-only")
    return value if known else node.fail("must be true, false, “all” or “remote-only”")


def _object(node: JsonNode) -> Mapping[str, Any]:
    return node.value if isinstance(node.value, Mapping) else node.fail("must be an object")


def _number(node: JsonNode, what: str, low: float = -math.inf, whole: bool = False) -> Any:
    """Return a finite JSON number of at least ``low``, as an int if it is whole."""
    value = node.value
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value < math.inf:
        node.fail(f"must be {what}")
    if value != int(value):
        return node.fail(f"must be {what}") if whole else value
    return int(value)


def _positive(node: JsonNode) -> float:
    number: float = _number(node, "a positive number", low=0)
    return number or node.fail("must be a positive number")


def _positive_integer(node: JsonNode) -> int:
    number: int = _number(node, "a positive integer", low=1, whole=True)
    return number


def _within(limits: Bounds, check: Check[N]) -> Check[N]:
    """Return a check for a number that must also be within limits."""

    def within(node: JsonNode) -> N:
        number = check(node)
        if not limits.low <= number <= limits.high:
            node.fail(f"must be from {limits.low:.10g} to {limits.high:.10g}")
        return number

    return within


def _count(node: JsonNode) -> int:
    number: int = _number(node, "an integer, 0 or more", low=0, whole=True)
    return number


def _not_negative(node: JsonNode) -> float:
    number: float = _number(node, "a number, 0 or more", low=0)
    return number


def _signed(node: JsonNode) -> float:
    number: float = _number(node, "a number", low=-sys.float_info.max)
    return number


_pixels = _within(SIDES, _positive_integer)
_rate = _within(RATES, _positive)
_seconds = _within(SECONDS, _not_negative)
_frames = _within(FRAMES, _count)
_setting = _within(SETTINGS, _signed)


def _step(node: JsonNode) -> float:
    number = _within(STEPS, _not_negative)(node)
    return number if number == 0 or number >= LEAST_STEP else node.fail(f"must be 0, or at least {LEAST_STEP:g}")


def _ppm(node: JsonNode) -> float:
    number = _signed(node)
    return number if abs(number) <= MAX_DRIFT_PPM else node.fail(f"must be within ±{MAX_DRIFT_PPM}")


def _or_span(check: Check[float], step: float) -> Check[float | Span]:
    """Return a check for a number, or for an object with min, max and optionally step."""

    def span(node: JsonNode) -> float | Span:
        if not isinstance(node.value, Mapping):
            return check(node)
        low, high = node.need("min", check), node.need("max", check)
        return Span(low, high, node.read("step", _step, step)) if low <= high else node.fail("has a min above its max")

    return span


def _list_of(check: Check[T]) -> Check[tuple[T, ...]]:
    return lambda node: tuple(check(item) for item in node.items())


def _latency(node: JsonNode) -> Values:
    """Return seconds: [x], [min, max], or a longer list."""
    values = _list_of(_seconds)(node)
    return Span(*sorted(values)) if len(values) == 2 else values


def _pixel_format(node: JsonNode) -> str:
    try:
        name = camera_format(_name(node))
    except NotSupportedError as error:
        node.fail(f"is wrong: {error.message}")
    if name not in PIXEL_FORMATS and name not in ENCODERS:
        node.fail(f"is {name}, which the fake camera cannot encode; use {', '.join(ENCODERS)}")
    return name


def _mode(node: JsonNode) -> Mode:
    return Mode(
        node.read("pixelFormat", _pixel_format, "I420"),
        node.need("width", _or_span(_pixels, 1)),
        node.need("height", _or_span(_pixels, 1)),
        node.read("frameRate", _or_span(_rate, 0), DEFAULT_RATE),
    )


def _range(node: JsonNode) -> Span:
    low, high = node.need("min", _setting), node.need("max", _setting)
    return Span(low, high, node.read("step", _step, STEP)) if low <= high else node.fail("has a min above its max")


def _one_of(values: Values) -> Check[Scalar]:
    """Return a check for a value that a control with these values can have."""

    def check(node: JsonNode) -> Scalar:
        if isinstance(values, Span):
            number = _setting(node)
            return number if values.cut(number, number) else node.fail(f"must be from {values.min} to {values.max}, in steps")
        found = [value for value in values if value == node.value]
        return found[0] if found else node.fail(f"must be one of {', '.join(map(str, values))}")

    return check


def _points(node: JsonNode) -> Control:
    """Return a control that takes any points, if there is one."""
    return Control((NO_POINTS,), NO_POINTS, NO_POINTS) if _flag(node) else node.fail("must be true or absent")


def _control(row: Property) -> Check[Control]:
    """Return a check for a control: a range, or a list of values; optionally with its ``value`` and its ``default``."""
    if row.idl == POINTS:
        return _points
    listed: Check[Values] = _list_of(_flag if row.idl == "boolean" else _name)

    def control(node: JsonNode) -> Control:
        if isinstance(node.value, list | tuple) and not row.numeric:
            values = listed(node)
            return Control(values, values[0], values[0])
        values = _range(node) if row.numeric else node.need("values", listed)
        one = _one_of(values)
        default = node.read("default", one, values.nearest(0) if isinstance(values, Span) else values[0])
        return Control(values, node.read("value", one, default), default)

    return control


def _controls(node: JsonNode) -> dict[str, Control]:
    """Return controls by IDL name. Other names are unknown members."""
    return {name: node.need(name, _control(PROPERTIES[name])) for name in _object(node) if is_control(name)}


def _photo(node: JsonNode) -> dict[str, Control]:
    """Return what can be set for single photos. Unknown words fail."""
    red_eye = node.read("redEyeReduction", _one_of(tuple(_RED_EYE)), None)
    no_lights: tuple[Scalar, ...] = ()
    lights = node.read("fillLightMode", _list_of(_one_of(PROPERTIES[FILL_LIGHT].values)), no_lights)
    values: dict[str, Values] = {RED_EYE: _RED_EYE[str(red_eye)] if red_eye else (), FILL_LIGHT: lights}
    return {name: Control(one, one[0], one[0]) for name, one in values.items() if one}


_AUDIO: dict[str, tuple[str, Check[Values], Values]] = {  # IDL name → member of the description, check, default
    "sampleRate": ("sampleRates", _list_of(_within(SAMPLE_RATES, _positive_integer)), (44100, 48000)),
    "channelCount": ("channelCounts", _list_of(_within(CHANNELS, _positive_integer)), (1, 2)),
    "sampleSize": ("sampleSizes", _list_of(_within(SAMPLE_BITS, _positive_integer)), (16,)),
    "latency": ("latency", _latency, (0.01,)),
    "echoCancellation": ("echoCancellation", _list_of(_echo), (False,)),
    "autoGainControl": ("autoGainControl", _list_of(_flag), (False,)),
    "noiseSuppression": ("noiseSuppression", _list_of(_flag), (False,)),
}

_FAULTS: dict[str, tuple[str, Check[Any]]] = {  # member of the description → field of Faults, check
    "busy": ("busy", _flag),
    "denied": ("denied", _flag),
    "errorOnStart": ("error_on_start", _flag),
    "vanishAfterFrames": ("vanish_after_frames", _frames),
    "stallAfterFrames": ("stall_after_frames", _frames),
    "stallSeconds": ("stall_seconds", _seconds),
    "dropEvery": ("drop_every", _frames),
    "jitterMs": ("jitter_ms", _within(JITTERS_MS, _not_negative)),
    "appearAfterSeconds": ("appear_after_seconds", _seconds),
    "returnAfterSeconds": ("return_after_seconds", _seconds),
    "changeAfterFrames": ("change_after_frames", _frames),
    "settleFrames": ("settle_frames", _frames),
    "blackFrames": ("black_frames", _frames),
    "frozenFrames": ("frozen_frames", _frames),
    "tornFrames": ("torn_frames", _frames),
    "hangOnOpen": ("hang_on_open", _flag),
    "hangAfterFrames": ("hang_after_frames", _frames),
}


def _faults(node: JsonNode) -> FakeFaults:
    given = {field: node.read(name, check, None) for name, (field, check) in _FAULTS.items()}
    return FakeFaults(**{field: value for field, value in given.items() if value is not None})


def _camera(node: JsonNode) -> Abilities:
    facing = node.read("facingMode", _name, "")
    values: dict[str, Values] = {"facingMode": (facing,)} if facing else {}
    none: dict[str, Control] = {}
    controls = {**node.read("controls", _controls, none), **node.read("photo", _photo, none)}
    maker = node.read("maker", _text, "")
    return Abilities(node.read("modes", _list_of(_mode), DEFAULT_MODES), values, controls, maker=maker)


def _display(node: JsonNode) -> Abilities:
    monitor: Scalar = MONITOR
    surface = node.read("displaySurface", _one_of(PROPERTIES[DISPLAY_SURFACE].values), monitor)
    cursor = Control(("always", "motion", "never"), "always", "always")
    values: dict[str, Values] = {DISPLAY_SURFACE: (surface,), "logicalSurface": (True,)}
    return Abilities(node.read("modes", _list_of(_mode), DEFAULT_DISPLAY), values, {"cursor": cursor})


def _surface(label: str, abilities: Abilities) -> Surface:
    """Return a display's surface, which has the size of its first mode."""
    sides = (side.max if isinstance(side, Span) else side for side in abilities.modes[0][1:3])
    width, height = map(int, sides)
    return Surface(str(next(iter(abilities.values[DISPLAY_SURFACE]))), label, 0, 0, width, height)


def monitor_of(speaker: FakeDevice) -> FakeDevice:
    """Return what records what a speaker plays."""
    values = {name: default for name, (_, _, default) in _AUDIO.items()}
    values |= {"restrictOwnAudio": (False, True), "suppressLocalAudioPlayback": (False, True)}
    label = f"Monitor of {speaker.label}"
    return replace(speaker, kind=AUDIO_INPUT, label=label, abilities=Abilities(values=values, resampled=True))


def _microphone(node: JsonNode) -> Abilities:
    values = {name: node.read(member, check, default) for name, (member, check, default) in _AUDIO.items()}
    return Abilities(values=values, resampled=node.read("resample", _flag, False))


_KINDS: dict[str, tuple[str, Check[Abilities]]] = {  # kind → default label, abilities
    VIDEO_INPUT: ("Fake camera", _camera),
    AUDIO_INPUT: ("Fake microphone", _microphone),
    AUDIO_OUTPUT: ("Fake speaker", lambda _: Abilities()),
    DISPLAY: ("Fake monitor", _display),
}


def _kind(node: JsonNode) -> str:
    kind: str = node.value
    return kind if kind in _KINDS else node.fail("must be one of " + ", ".join((*DEVICE_KINDS, DISPLAY)))


def _device(node: JsonNode, index: int) -> FakeDevice:
    kind = node.need("kind", _kind)
    default_label, read_abilities = _KINDS[kind]
    faults = node.read("faults", _faults, FakeFaults())
    label, abilities = node.read("label", _text, default_label), read_abilities(node)
    return FakeDevice(
        kind,
        node.read("deviceId", _name, f"fake-{kind}-{index}"),
        node.read("groupId", _text, ""),
        label,
        abilities._replace(settles=faults.settle_frames > 0 or faults.frozen_frames > 0),
        faults,
        node.read("clockDriftPpm", _ppm, 0.0),
        _surface(label, abilities) if kind == DISPLAY else None,
    )


class Description(NamedTuple):
    """A parsed description: its devices in order, and the paths of its unknown members."""

    devices: list[FakeDevice]
    unknown: list[str]


def parse_description(desc: object) -> Description:
    """Parse a description. {} yields the default devices; an empty list, no devices. Raises TypeError."""
    nodes: list[JsonNode] = []
    listed = JsonNode(desc, "", nodes).member("devices") or JsonNode(DEFAULT_DEVICES, "devices", [])
    found: dict[tuple[str, str], FakeDevice] = {}
    for index, item in enumerate(listed.items() if listed.value != [] else ()):
        device = _device(item, index)
        if found.setdefault((device.kind, device.device_id), device) is not device:
            item.fail(f"has the same deviceId, “{device.device_id}”, as another {device.kind}")
    return Description(list(found.values()), [path for node in nodes for path in node.unknown])
