"""The description of fake devices: the JSON of the contract, checked, as devices with abilities and faults.

A description that does not hold is a ``TypeError`` whose sentence names the place. Members that are not known are ignored.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, NoReturn, TypeVar

from mscli.core.boxes import Mode, Span, Values
from mscli.core.errors import ArgumentError, NotSupportedError
from mscli.core.frames import pixel_format
from mscli.sources.base import AUDIO_INPUT, AUDIO_OUTPUT, DEVICE_KINDS, VIDEO_INPUT, Abilities

MAX_PIXELS = 16384  # a side of a picture
MAX_DRIFT_PPM = 10_000  # of a sound clock; real ones stay below 200

_CAMERA = {
    "kind": VIDEO_INPUT,
    "deviceId": "fake-camera",
    "groupId": "fake-webcam",
    "label": "Fake camera",
    "facingMode": "user",
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
DEFAULT_DEVICES = (_CAMERA, _MICROPHONE, _SPEAKER)
DEFAULT_MODES = tuple(
    Mode("I420", width, height, rate)
    for width, height, rate in (
        (640, 480, 30), (640, 480, 60), (320, 240, 30), (1280, 720, 30), (1280, 720, 60), (1920, 1080, 30),
    )
)  # fmt: skip


class Faults(NamedTuple):
    """What goes wrong with a device; ``mscli.sources.fake`` says how. A microphone's frames are blocks of 10 ms."""

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
    faults: Faults
    clock_drift_ppm: float  # how much faster than it should a microphone's clock runs, in millionths


class Node:
    """A value in the description and its place there, which errors name."""

    def __init__(self, value: Any, place: str) -> None:
        self.value = value
        self._place = place

    def fail(self, what: str) -> NoReturn:
        """Raise the TypeError that says what is wrong here."""
        raise ArgumentError(f"{self._place or 'the description of fake devices'} {what}")

    def items(self) -> Iterator[Node]:
        """The items of what must be a list with at least one."""
        if not isinstance(self.value, list | tuple) or not self.value:
            self.fail("must be a list with at least one item")
        return (Node(item, f"{self._place}[{i}]") for i, item in enumerate(self.value))

    def member(self, name: str) -> Node | None:
        """The member of that name of what must be an object; None where it is absent."""
        if not isinstance(self.value, Mapping):
            self.fail("must be an object")
        return Node(self.value[name], f"{self._place}.{name}".lstrip(".")) if name in self.value else None

    def read(self, name: str, check: Check[T], default: T) -> T:
        """What ``check`` makes of a member, or the default."""
        member = self.member(name)
        return default if member is None else check(member)

    def need(self, name: str, check: Check[T]) -> T:
        """What ``check`` makes of a member that must be there."""
        return check(self.member(name) or self.fail(f"needs the member “{name}”"))


T = TypeVar("T")
Check = Callable[[Node], T]


def _text(node: Node) -> str:
    return node.value if isinstance(node.value, str) else node.fail("must be a string")


def _name(node: Node) -> str:
    return _text(node) or node.fail("must not be empty")


def _flag(node: Node) -> bool:
    return node.value if isinstance(node.value, bool) else node.fail("must be true or false")


def _object(node: Node) -> Mapping[str, Any]:
    return node.value if isinstance(node.value, Mapping) else node.fail("must be an object")


def _number(node: Node, what: str, low: float = -math.inf, whole: bool = False) -> Any:
    """A finite JSON number of at least ``low``, as an int where it is whole."""
    value = node.value
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < low:
        node.fail(f"must be {what}")
    if value != int(value):
        return node.fail(f"must be {what}") if whole else value
    return int(value)


def _positive(node: Node) -> float:
    number: float = _number(node, "a positive number", low=0)
    return number or node.fail("must be a positive number")


def _positive_integer(node: Node) -> int:
    number: int = _number(node, "a positive integer", low=1, whole=True)
    return number


def _pixels(node: Node) -> int:
    side = _positive_integer(node)
    return side if side <= MAX_PIXELS else node.fail(f"must be at most {MAX_PIXELS}")


def _count(node: Node) -> int:
    number: int = _number(node, "an integer, 0 or more", low=0, whole=True)
    return number


def _not_negative(node: Node) -> float:
    number: float = _number(node, "a number, 0 or more", low=0)
    return number


def _ppm(node: Node) -> float:
    number: float = _number(node, "a number")
    return number if abs(number) <= MAX_DRIFT_PPM else node.fail(f"must lie within ±{MAX_DRIFT_PPM}")


def _or_span(check: Check[float], step: float) -> Check[float | Span]:
    """A number, or an object with min, max and perhaps step."""

    def span(node: Node) -> float | Span:
        if not isinstance(node.value, Mapping):
            return check(node)
        low, high = node.need("min", check), node.need("max", check)
        return (
            Span(low, high, node.read("step", _not_negative, step)) if low <= high else node.fail("has its min above its max")
        )

    return span


def _list_of(check: Check[T]) -> Check[tuple[T, ...]]:
    return lambda node: tuple(check(item) for item in node.items())


def _latency(node: Node) -> Values:
    """Seconds: [x], [min, max], or a list of more."""
    values = _list_of(_not_negative)(node)
    return Span(*sorted(values)) if len(values) == 2 else values


def _pixel_format(node: Node) -> str:
    try:
        return pixel_format(_name(node)).name
    except NotSupportedError as error:
        node.fail(f"is wrong: {error.message}")


def _mode(node: Node) -> Mode:
    return Mode(
        node.read("pixelFormat", _pixel_format, "I420"),
        node.need("width", _or_span(_pixels, 1)),
        node.need("height", _or_span(_pixels, 1)),
        node.read("frameRate", _or_span(_positive, 0), DEFAULT_RATE),
    )


_AUDIO: dict[str, tuple[str, Check[Values], Values]] = {  # IDL name → member of the description, check, default
    "sampleRate": ("sampleRates", _list_of(_positive_integer), (44100, 48000)),
    "channelCount": ("channelCounts", _list_of(_positive_integer), (1, 2)),
    "sampleSize": ("sampleSizes", _list_of(_positive_integer), (16,)),
    "latency": ("latency", _latency, (0.01,)),
    "echoCancellation": ("echoCancellation", _list_of(_flag), (False,)),
    "autoGainControl": ("autoGainControl", _list_of(_flag), (False,)),
    "noiseSuppression": ("noiseSuppression", _list_of(_flag), (False,)),
}

_FAULTS: dict[str, tuple[str, Check[Any]]] = {  # member of the description → field of Faults, check
    "busy": ("busy", _flag),
    "denied": ("denied", _flag),
    "errorOnStart": ("error_on_start", _flag),
    "vanishAfterFrames": ("vanish_after_frames", _count),
    "stallAfterFrames": ("stall_after_frames", _count),
    "stallSeconds": ("stall_seconds", _not_negative),
    "dropEvery": ("drop_every", _count),
    "jitterMs": ("jitter_ms", _not_negative),
    "appearAfterSeconds": ("appear_after_seconds", _not_negative),
    "returnAfterSeconds": ("return_after_seconds", _not_negative),
    "changeAfterFrames": ("change_after_frames", _count),
    "hangOnOpen": ("hang_on_open", _flag),
    "hangAfterFrames": ("hang_after_frames", _count),
}


def _faults(node: Node) -> Faults:
    given = {field: node.read(name, check, None) for name, (field, check) in _FAULTS.items()}
    return Faults(**{field: value for field, value in given.items() if value is not None})


def _camera(node: Node) -> Abilities:
    facing = node.read("facingMode", _name, "")
    values: dict[str, Values] = {"facingMode": (facing,)} if facing else {}
    return Abilities(node.read("modes", _list_of(_mode), DEFAULT_MODES), values, node.read("controls", _object, {}))


def _microphone(node: Node) -> Abilities:
    values = {name: node.read(member, check, default) for name, (member, check, default) in _AUDIO.items()}
    return Abilities(values=values, resampled=node.read("resample", _flag, False))


_KINDS: dict[str, tuple[str, Check[Abilities]]] = {  # kind → label where there is none, abilities
    VIDEO_INPUT: ("Fake camera", _camera),
    AUDIO_INPUT: ("Fake microphone", _microphone),
    AUDIO_OUTPUT: ("Fake speaker", lambda _: Abilities()),
}


def _kind(node: Node) -> str:
    kind: str = node.value
    return kind if kind in DEVICE_KINDS else node.fail("must be one of " + ", ".join(DEVICE_KINDS))


def _device(node: Node, index: int) -> FakeDevice:
    kind = node.need("kind", _kind)
    label, abilities = _KINDS[kind]
    return FakeDevice(
        kind,
        node.read("deviceId", _name, f"fake-{kind}-{index}"),
        node.read("groupId", _text, ""),
        node.read("label", _text, label),
        abilities(node),
        node.read("faults", _faults, Faults()),
        node.read("clockDriftPpm", _ppm, 0.0),
    )


def parse(desc: object) -> list[FakeDevice]:
    """The devices of a description (the contract's JSON object), in its order; {} gives the defaults. Raises TypeError.

    An empty list is a machine without devices.
    """
    listed = Node(desc, "").member("devices") or Node(DEFAULT_DEVICES, "devices")
    found: dict[tuple[str, str], FakeDevice] = {}
    for index, item in enumerate(listed.items() if listed.value != [] else ()):
        device = _device(item, index)
        if found.setdefault((device.kind, device.device_id), device) is not device:
            item.fail(f"has the deviceId “{device.device_id}” of another {device.kind}")
    return list(found.values())
