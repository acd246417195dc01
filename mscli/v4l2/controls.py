"""Map the controls of a V4L2 camera to the W3C's, with their values, by a table.

https://docs.kernel.org/userspace-api/media/v4l/vidioc-queryctrl.html, vidioc-g-ext-ctrls.html, ext-ctrls-camera.html. Go by
ids: names differ between kernels. A further control is one more row of ``CONTROLS``. All other controls of the driver have its
own names and numbers: ``v4l2:power_line_frequency``.

Zoom, focus distance, brightness, contrast, saturation and sharpness have no unit in V4L2: their numbers are passed on as they
are, as browsers do.
"""

from __future__ import annotations

import ctypes
import errno
import re
from collections.abc import Iterable, Iterator, Mapping

from mscli.core.boxes import Scalar, Span, Values
from mscli.core.controls import NO_POINTS, Control, plan
from mscli.core.properties import CONTINUOUS, MANUAL, NATIVE
from mscli.core.tuples import NamedTuple
from mscli.v4l2 import abi
from mscli.v4l2.node import UNPLUGGED, Node
from mscli.v4l2.region import NAME as POINTS_OF_INTEREST
from mscli.v4l2.region import find_region

NUMBERS = (abi.CTRL_TYPE_INTEGER, abi.CTRL_TYPE_INTEGER64, abi.CTRL_TYPE_BOOLEAN)
MENUS = (abi.CTRL_TYPE_MENU, abi.CTRL_TYPE_INTEGER_MENU)

Meanings = tuple[tuple[Scalar, tuple[int, ...]], ...]  # values, each with the driver's numbers for it, the best one first

AUTOMATIC: Meanings = ((MANUAL, (0,)), (CONTINUOUS, (1,)))  # a switch
# 0: time and aperture are automatic, 1: both are manual, 2: only the time is manual, 3: only the aperture is manual
EXPOSURE: Meanings = ((MANUAL, (1, 2)), (CONTINUOUS, (3, 0)))
TORCH: Meanings = ((False, (0, 1)), (True, (2,)))


class Row(NamedTuple):
    """A control: its IDL name, its id, and either the meanings of its numbers or how many of them make one unit."""

    name: str
    id: int
    meanings: Meanings = ()
    per_unit: int = 1

    @property
    def is_standard(self) -> bool:
        """Return whether it is one of the W3C's controls."""
        return not self.name.startswith(NATIVE)


CONTROLS = (
    Row("exposureMode", abi.CID_EXPOSURE_AUTO, EXPOSURE),
    Row("exposureTime", abi.CID_EXPOSURE_ABSOLUTE),  # 100 µs
    Row("exposureCompensation", abi.CID_AUTO_EXPOSURE_BIAS, per_unit=1000),  # EV
    Row("whiteBalanceMode", abi.CID_AUTO_WHITE_BALANCE, AUTOMATIC),
    Row("colorTemperature", abi.CID_WHITE_BALANCE_TEMPERATURE),  # K
    Row("focusMode", abi.CID_FOCUS_AUTO, AUTOMATIC),
    Row("focusDistance", abi.CID_FOCUS_ABSOLUTE),
    Row("iso", abi.CID_ISO_SENSITIVITY, per_unit=1000),
    Row("brightness", abi.CID_BRIGHTNESS),
    Row("contrast", abi.CID_CONTRAST),
    Row("saturation", abi.CID_SATURATION),
    Row("sharpness", abi.CID_SHARPNESS),
    Row("pan", abi.CID_PAN_ABSOLUTE),  # arc seconds
    Row("tilt", abi.CID_TILT_ABSOLUTE),  # arc seconds
    Row("zoom", abi.CID_ZOOM_ABSOLUTE),
    Row("torch", abi.CID_FLASH_LED_MODE, TORCH),
)


class Driven(NamedTuple):
    """A control as a driver describes it: its row, type, range and flags. ``items``: a menu's numbers by index."""

    row: Row
    type: int
    minimum: int
    maximum: int
    step: int
    default: int
    flags: int = 0
    items: Mapping[int, int] = {}

    @property
    def is_settable(self) -> bool:
        """Return whether programs may set it."""
        return not self.flags & abi.CTRL_READ_ONLY

    @property
    def values(self) -> Values | None:
        """Return the values that it can be set to, or None if no value has a meaning."""
        if self.row.meanings:
            return tuple(value for value, _ in self.row.meanings if self.raw(value) is not None) or None
        if self.type in MENUS:
            return tuple(sorted(self._number(number) for number in self.items.values())) or None
        if self.type not in NUMBERS or self.minimum > self.maximum:
            return None
        return Span(*(self._number(number) for number in (self.minimum, self.maximum, max(1, self.step))))

    def value(self, raw: int) -> Scalar | None:
        """Return the meaning of the driver's number, or None if it has none."""
        if self.row.meanings:
            return next((value for value, raws in self.row.meanings if raw in raws), None)
        if self.type in MENUS:
            return self._number(self.items[raw]) if raw in self.items else None
        return self._number(raw)

    def raw(self, value: Scalar) -> int | None:
        """Return the driver's number for a value, in a menu for the nearest one, or None if there is none."""
        if self.row.meanings:
            meant = next((raws for meaning, raws in self.row.meanings if meaning == value), ())
            return next((raw for raw in meant if self._has(raw)), None)
        number = round(float(value) * self.row.per_unit)
        if self.type in MENUS:
            return min(self.items, key=lambda index: abs(self.items[index] - number), default=None)
        return number

    def _has(self, raw: int) -> bool:
        return raw in self.items if self.type in MENUS else self.minimum <= raw <= self.maximum

    def _number(self, raw: int) -> float:
        """Return a number of the driver in our unit, as an int if it is whole."""
        whole, rest = divmod(raw, self.row.per_unit)
        return raw / self.row.per_unit if rest else whole


class CameraControls:
    """The controls of one opened camera. The driver's own are only looked for once somebody asks for one of them."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._set: set[str] = set()  # the controls that were set here
        self._has_native = False  # whether the driver's own controls are among the known ones
        standard = {row.name: _describe(node, row) for row in CONTROLS}
        self._driven = {name: driven for name, driven in standard.items() if driven is not None}
        self._region = find_region(node)

    @property
    def watched(self) -> list[int]:
        """Return the ids of the controls whose changes are changes of the settings."""
        return [driven.row.id for name, driven in self._driven.items() if self._is_setting(name)]

    def _find_native(self) -> None:
        if not self._has_native:
            self._driven |= dict(_native(self._node))
            self._has_native = True

    def _is_setting(self, name: str) -> bool:
        """Return whether a control is a setting: a standard one always, the driver's own once it was set here."""
        return self._driven[name].row.is_standard or name in self._set

    def abilities(self) -> dict[str, Control]:
        """Return the possible values of each control, and its current value, which is the only one if it is read-only."""
        self._find_native()
        now = self._values(self._driven)
        found: dict[str, Control] = {}
        for name, driven in self._driven.items():
            values = driven.values
            if values is not None and name in now:
                values = values if driven.is_settable else (now[name],)
                inactive = bool(driven.flags & abi.CTRL_INACTIVE)
                found[name] = Control(values, now[name], driven.value(driven.default), inactive, not driven.is_settable)
        return found | {name: Control((NO_POINTS,), points, NO_POINTS) for name, points in self._points().items()}

    def read(self) -> dict[str, Scalar]:
        """Return the current value of each standard control that can be read, and of the driver's others that were set here."""
        return self._values(filter(self._is_setting, self._driven)) | self._points()

    def _points(self) -> dict[str, Scalar]:
        """Return the points of interest, if the camera has a region for them."""
        if self._region is None:
            return {}
        try:
            return {POINTS_OF_INTEREST: self._region.read()}
        except OSError as error:
            self._check(error)
            return {}

    def _values(self, names: Iterable[str]) -> dict[str, Scalar]:
        read = ((name, self._read(self._driven[name])) for name in names)
        return {name: value for name, value in read if value is not None}

    def set(self, wanted: Mapping[str, Scalar]) -> dict[str, Scalar]:
        """Set controls in the order that drivers need, and return the resulting values of all controls.

        A value that the driver rejects is not changed. Raises NotReadableError if the camera is gone.
        """
        if any(name.startswith(NATIVE) for name in wanted):
            self._find_native()
        self._set |= {name for name in self._driven.keys() & wanted.keys() if self._driven[name].is_settable}
        for name, value in plan(wanted, self.read()):
            self._set_one(name, value)
        return self.read()

    def _set_one(self, name: str, value: Scalar) -> None:
        if self._region is not None and name == POINTS_OF_INTEREST:
            try:
                self._region.set(str(value))
            except OSError as error:
                self._check(error)
            return
        raw = self._driven[name].raw(value)
        if raw is not None:
            self._write(self._driven[name], raw)

    def meant(self, control_id: int, raw: int) -> dict[str, Scalar]:
        """Return the setting for a control's new number, or an empty one if it is none."""
        driven = next((driven for driven in self._driven.values() if driven.row.id == control_id), None)
        if driven is None or not self._is_setting(driven.row.name):
            return {}
        value = driven.value(raw)
        return {} if value is None else {driven.row.name: value}

    def _read(self, driven: Driven) -> Scalar | None:
        one = _holder(driven)
        try:
            abi.ioctl(self._node.fd, abi.G_EXT_CTRLS, _alone(one))
        except OSError as error:
            self._check(error)
            return None
        return driven.value(one.value64 if driven.type == abi.CTRL_TYPE_INTEGER64 else one.value)

    def _write(self, driven: Driven, raw: int) -> None:
        one = _holder(driven)
        if driven.type == abi.CTRL_TYPE_INTEGER64:
            one.value64 = raw
        else:
            one.value = raw
        try:
            abi.ioctl(self._node.fd, abi.S_EXT_CTRLS, _alone(one))
        except OSError as error:
            self._check(error)

    def _check(self, error: OSError) -> None:
        """Raise NotReadableError if the camera is gone. Ignore other errors: reading the control shows whether it was set."""
        if error.errno in UNPLUGGED or error.errno == errno.EBADF:
            raise self._node.failure(OSError(errno.ENODEV, ""), "be controlled") from error


def _holder(driven: Driven) -> abi.ControlValue:
    return abi.ControlValue(id=driven.row.id)


def _alone(one: abi.ControlValue) -> abi.ControlValues:
    """Return a request for one control. In a request for several, the first rejected one would prevent the others."""
    return abi.ControlValues(count=1, controls=ctypes.pointer(one))


_STANDARD = frozenset(row.id for row in CONTROLS)


def _native(node: Node) -> Iterator[tuple[str, Driven]]:
    """Yield the driver's other controls that hold a number, under their own names."""
    query = abi.ControlQuery(id=abi.CTRL_NEXT)
    while _has(node, abi.QUERY_EXT_CTRL, query):
        is_number = query.type in (*NUMBERS, *MENUS) and not query.nr_of_dims
        if is_number and query.id not in _STANDARD:
            row = Row(f"{NATIVE}{_slug(bytes(query.name).decode(errors='replace'))}", query.id)
            driven = _driven(node, row, query)
            if driven is not None:
                yield row.name, driven
        query = abi.ControlQuery(id=query.id | abi.CTRL_NEXT)


def _slug(name: str) -> str:
    """Return a control's name as v4l2-ctl spells it: “Power Line Frequency” is power_line_frequency."""
    return "_".join(re.findall("[a-z0-9]+", name.lower()))


def _describe(node: Node, row: Row) -> Driven | None:
    query = abi.ControlQuery(id=row.id)
    return _driven(node, row, query) if _has(node, abi.QUERY_EXT_CTRL, query) else None


def _driven(node: Node, row: Row, query: abi.ControlQuery) -> Driven | None:
    if query.flags & (abi.CTRL_DISABLED | abi.CTRL_WRITE_ONLY):
        return None
    items = dict(_menu(node, query)) if query.type in MENUS else {}
    return Driven(row, query.type, query.minimum, query.maximum, query.step, query.default_value, query.flags, items)


def _menu(node: Node, query: abi.ControlQuery) -> Iterator[tuple[int, int]]:
    """Yield the items of a menu, with their numbers in a menu of numbers. The driver may omit some indices."""
    for index in range(query.minimum, query.maximum + 1):
        item = abi.MenuQuery(id=query.id, index=index)
        if _has(node, abi.QUERYMENU, item):
            yield index, item.value if query.type == abi.CTRL_TYPE_INTEGER_MENU else index


def _has(node: Node, request: int, argument: object) -> bool:
    """Return whether the driver answers. A control that it cannot describe is ignored."""
    try:
        abi.ioctl(node.fd, request, argument)
    except OSError:
        return False
    return True
