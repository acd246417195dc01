"""The controls of V4L2 cameras: the requests to a driver that behaves like uvcvideo, and their order."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from mscli.core.boxes import Scalar, Span
from mscli.core.controls import Control, is_control
from mscli.core.errors import NotReadableError
from mscli.core.frames import Rect
from mscli.v4l2 import abi
from mscli.v4l2.controls import CONTROLS, EXPOSURE, CameraControls, Driven, Row
from mscli.v4l2.node import Node
from mscli.v4l2.region import region_about

MENU, NUMBER_MENU, NUMBER, SWITCH = (
    abi.CTRL_TYPE_MENU,
    abi.CTRL_TYPE_INTEGER_MENU,
    abi.CTRL_TYPE_INTEGER,
    abi.CTRL_TYPE_BOOLEAN,
)
HELD = {  # control → the automatic mode that locks it, and that mode's value at which it is free
    abi.CID_EXPOSURE_ABSOLUTE: (abi.CID_EXPOSURE_AUTO, 1),
    abi.CID_WHITE_BALANCE_TEMPERATURE: (abi.CID_AUTO_WHITE_BALANCE, 0),
    abi.CID_FOCUS_ABSOLUTE: (abi.CID_FOCUS_AUTO, 0),
}

SENSOR = Rect(100, 50, 1920, 1080)
BITMASK = 8  # V4L2_CTRL_TYPE_BITMASK


class Driver:
    """A driver with controls, by id: type, minimum, maximum, step, default. It refuses and clamps like uvcvideo."""

    def __init__(self) -> None:
        self.controls = {
            abi.CID_EXPOSURE_AUTO: (MENU, 0, 3, 1, 3),
            abi.CID_EXPOSURE_ABSOLUTE: (NUMBER, 3, 2047, 1, 250),
            abi.CID_AUTO_WHITE_BALANCE: (SWITCH, 0, 1, 1, 1),
            abi.CID_WHITE_BALANCE_TEMPERATURE: (NUMBER, 2800, 6500, 10, 4600),
            abi.CID_FOCUS_AUTO: (SWITCH, 0, 1, 1, 1),
            abi.CID_FOCUS_ABSOLUTE: (NUMBER, 0, 250, 5, 0),
            abi.CID_AUTO_EXPOSURE_BIAS: (NUMBER_MENU, 0, 4, 1, 2),
            abi.CID_ZOOM_ABSOLUTE: (NUMBER, 100, 500, 1, 100),
            abi.CID_PAN_ABSOLUTE: (NUMBER, -36000, 36000, 3600, 0),
        }
        self.menus = {
            abi.CID_EXPOSURE_AUTO: {1: 0, 3: 0},
            abi.CID_AUTO_EXPOSURE_BIAS: dict(enumerate((-2000, -500, 0, 500, 2000))),
        }
        self.now = {one: default for one, (*_, default) in self.controls.items()}
        self.written: list[tuple[int, int]] = []
        self.flags: dict[int, int] = {}
        self.gone = False
        self.region: Rect | None = None  # of interest, on a sensor of SENSOR
        self.native: dict[int, bytes] = {}  # the driver's own controls, also in ``controls``: id → name
        self.requests: list[int] = []

    def ioctl(self, _fd: int, request: int, argument: Any) -> None:
        """Answer like the kernel."""
        self.requests.append(request)
        if self.gone:
            raise OSError(errno.ENODEV, "")
        answers: dict[int, Callable[[Any], None]] = {
            abi.QUERY_EXT_CTRL: self._query,
            abi.QUERYMENU: self._menu,
            abi.G_EXT_CTRLS: self._get,
            abi.S_EXT_CTRLS: self._set,
        }
        answers[request](argument)

    def _query(self, query: abi.ControlQuery) -> None:
        if query.id & abi.CTRL_NEXT:
            query.id = min((one for one in self.native if one > query.id & ~abi.CTRL_NEXT), default=0)
            query.name = self.native.get(query.id, b"")
        if query.id == abi.CID_UVC_REGION_OF_INTEREST_RECT and self.region is not None:
            query.type, query.flags = abi.CTRL_TYPE_RECT, self.flags.get(query.id, 0)
            return
        if query.id not in self.controls:
            raise OSError(errno.EINVAL, "")
        query.type, query.minimum, query.maximum, query.step, query.default_value = self.controls[query.id]
        query.flags = self.flags.get(query.id, 0) | (abi.CTRL_INACTIVE if self._held(query.id) else 0)

    def _menu(self, item: abi.MenuQuery) -> None:
        if item.index not in self.menus[item.id]:
            raise OSError(errno.EINVAL, "")
        item.value = self.menus[item.id][item.index]

    def _get(self, asked: abi.ControlValues) -> None:
        one = asked.controls[0]
        if one.id == abi.CID_UVC_REGION_OF_INTEREST_RECT:
            assert one.size == 16
            assert self.region is not None
            found = {0: self.region, abi.CTRL_WHICH_MIN: Rect(0, 0, 64, 48), abi.CTRL_WHICH_MAX: SENSOR}[asked.which]
            (rectangle := abi.Rectangle.from_address(one.address)).left, rectangle.top = found[:2]
            rectangle.width, rectangle.height = found[2:]
        else:
            one.value = self.now[one.id]

    def _set(self, asked: abi.ControlValues) -> None:
        assert asked.count == 1
        one = asked.controls[0]
        if one.id == abi.CID_UVC_REGION_OF_INTEREST_RECT:
            taken = abi.Rectangle.from_address(one.address)
            self.region = Rect(taken.left // 8 * 8, taken.top // 8 * 8, taken.width, taken.height)
            return
        if self._held(one.id):
            raise OSError(errno.EACCES, "")
        _, low, high, step, _ = self.controls[one.id]
        self.written.append((one.id, one.value))
        self.now[one.id] = low + (min(max(one.value, low), high) - low) // step * step

    def _held(self, one: int) -> bool:
        automatic, free = HELD.get(one, (0, 0))
        return automatic in self.now and self.now[automatic] != free


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> Driver:
    made = Driver()
    monkeypatch.setattr(abi, "ioctl", made.ioctl)
    return made


@pytest.fixture
def controls(driver: Driver) -> Iterator[CameraControls]:
    with Node(os.devnull, "Webcam") as node:
        yield CameraControls(node)


def test_abilities_are_in_the_standards_words(controls: CameraControls) -> None:
    assert controls.abilities() == {
        "exposureMode": Control(("manual", "continuous"), "continuous", "continuous"),
        "exposureTime": Control(Span(3, 2047, 1), 250, 250, inactive=True),
        "whiteBalanceMode": Control(("manual", "continuous"), "continuous", "continuous"),
        "colorTemperature": Control(Span(2800, 6500, 10), 4600, 4600, inactive=True),
        "focusMode": Control(("manual", "continuous"), "continuous", "continuous"),
        "focusDistance": Control(Span(0, 250, 5), 0, 0, inactive=True),
        "exposureCompensation": Control((-2, -0.5, 0, 0.5, 2), 0, 0),
        "zoom": Control(Span(100, 500, 1), 100, 100),
        "pan": Control(Span(-36000, 36000, 3600), 0, 0),
    }


def test_automatics_are_off_before_values_are_set(driver: Driver, controls: CameraControls) -> None:
    taken = controls.set(
        {"exposureTime": 100, "exposureMode": "manual", "colorTemperature": 5000, "whiteBalanceMode": "manual"}
    )
    assert driver.written == [
        (abi.CID_EXPOSURE_AUTO, 1),
        (abi.CID_AUTO_WHITE_BALANCE, 0),
        (abi.CID_WHITE_BALANCE_TEMPERATURE, 5000),
        (abi.CID_EXPOSURE_ABSOLUTE, 100),
    ]
    assert (taken["exposureTime"], taken["colorTemperature"], taken["exposureMode"]) == (100, 5000, "manual")


def test_automatics_are_on_after_values_are_set(driver: Driver, controls: CameraControls) -> None:
    controls.set({"exposureMode": "manual"})
    driver.written.clear()
    controls.set({"exposureMode": "continuous", "exposureTime": 100})
    assert driver.written == [(abi.CID_EXPOSURE_ABSOLUTE, 100), (abi.CID_EXPOSURE_AUTO, 3)]


def test_a_value_that_its_automatic_holds_is_not_tried(driver: Driver, controls: CameraControls) -> None:
    assert controls.set({"exposureTime": 100})["exposureTime"] == 250
    assert driver.written == []


def test_what_is_so_already_is_not_written(driver: Driver, controls: CameraControls) -> None:
    controls.set({"zoom": 100, "focusMode": "continuous"})
    assert driver.written == []


@pytest.mark.parametrize(
    ("asked", "taken"),
    [
        ({"zoom": 9999}, {"zoom": 500}),
        ({"pan": 5000}, {"pan": 3600}),
        ({"exposureCompensation": 0.6}, {"exposureCompensation": 0.5}),
        ({"tilt": 5, "sparkle": 1}, {}),
    ],
)
def test_what_the_driver_took_is_the_answer(
    controls: CameraControls, asked: dict[str, Scalar], taken: dict[str, Scalar]
) -> None:
    answer = controls.set(asked)
    assert taken.items() <= answer.items()
    assert "tilt" not in answer


def test_a_control_that_is_refused_keeps_no_other_from_being_set(driver: Driver, controls: CameraControls) -> None:
    HELD[abi.CID_PAN_ABSOLUTE] = (abi.CID_ZOOM_ABSOLUTE, -1)
    try:
        answer = controls.set({"pan": 3600, "zoom": 200})
    finally:
        del HELD[abi.CID_PAN_ABSOLUTE]
    assert (answer["pan"], answer["zoom"]) == (0, 200)


def test_a_control_that_is_only_read_has_the_one_value(driver: Driver) -> None:
    driver.flags[abi.CID_ZOOM_ABSOLUTE] = abi.CTRL_READ_ONLY
    driver.flags[abi.CID_PAN_ABSOLUTE] = abi.CTRL_DISABLED
    with Node(os.devnull) as node:
        found = CameraControls(node).abilities()
    assert found["zoom"] == Control((100,), 100, 100, read_only=True)
    assert "pan" not in found


def test_a_control_of_the_driver_that_is_only_read_is_listed(driver: Driver) -> None:
    driver.native[0x980950], driver.controls[0x980950] = b"Light Level", (NUMBER, 0, 9, 1, 0)
    driver.now[0x980950], driver.flags[0x980950] = 4, abi.CTRL_READ_ONLY
    with Node(os.devnull) as node:
        assert CameraControls(node).abilities()["v4l2:light_level"] == Control((4,), 4, 0, read_only=True)


def test_a_camera_that_is_gone_is_said_to_be(driver: Driver, controls: CameraControls) -> None:
    driver.gone = True
    with pytest.raises(NotReadableError, match=r"camera “Webcam” \(/dev/null\) was unplugged"):
        controls.set({"zoom": 200})


def test_news_of_a_control_are_a_setting(controls: CameraControls) -> None:
    assert controls.meant(abi.CID_ZOOM_ABSOLUTE, 300) == {"zoom": 300}
    assert controls.meant(abi.CID_EXPOSURE_AUTO, 1) == {"exposureMode": "manual"}
    assert controls.meant(abi.CID_EXPOSURE_AUTO, 7) == {}
    assert controls.meant(abi.CID_TILT_ABSOLUTE, 1) == {}


@pytest.mark.parametrize(
    ("items", "offered", "written"),
    [
        ((1, 3), ("manual", "continuous"), {"manual": 1, "continuous": 3}),
        ((0, 1, 2, 3), ("manual", "continuous"), {"manual": 1, "continuous": 3}),
        ((0, 2), ("manual", "continuous"), {"manual": 2, "continuous": 0}),
        ((1,), ("manual",), {"manual": 1, "continuous": None}),
    ],
)
def test_exposure_modes_are_those_of_the_menu(
    items: tuple[int, ...], offered: tuple[str, ...], written: dict[str, int | None]
) -> None:
    driven = Driven(Row("exposureMode", 0, EXPOSURE), MENU, 0, 3, 1, 0, items=dict.fromkeys(items, 0))
    assert driven.values == offered
    assert {value: driven.raw(value) for value in written} == written


def test_every_row_is_a_control_and_stands_once() -> None:
    assert all(is_control(row.name) for row in CONTROLS)
    assert len({row.name for row in CONTROLS}) == len({row.id for row in CONTROLS}) == len(CONTROLS)


def test_the_driver_s_own_controls_are_looked_for_once_one_is_asked_for(driver: Driver) -> None:
    for number in range(20):
        driver.native[0x980950 + number] = b"Own Control %d" % number
        driver.controls[0x980950 + number] = (NUMBER, 0, 9, 1, 0)
    driver.now |= dict.fromkeys(driver.native, 0)
    with Node(os.devnull) as node:
        controls = CameraControls(node)
        assert controls.set({"zoom": 200})["zoom"] == 200
        assert driver.requests.count(abi.QUERY_EXT_CTRL) == len(CONTROLS) + 1  # the region of interest
        assert not set(controls.watched) & driver.native.keys()
        assert controls.set({"v4l2:own_control_3": 7})["v4l2:own_control_3"] == 7
        assert driver.requests.count(abi.QUERY_EXT_CTRL) == len(CONTROLS) + 1 + len(driver.native) + 1
        assert set(controls.watched) & driver.native.keys() == {0x980953}
        assert controls.meant(0x980953, 5) == {"v4l2:own_control_3": 5}
        assert controls.meant(0x980954, 5) == {}


def points(*places: tuple[float, float]) -> str:
    return json.dumps([{"x": x, "y": y} for x, y in places])


@pytest.fixture
def region(driver: Driver) -> Iterator[CameraControls]:
    """Return the controls of a camera with a region of interest, whose exposure and focus can follow it."""
    driver.region = SENSOR
    driver.controls[abi.CID_UVC_REGION_OF_INTEREST_AUTO] = (BITMASK, 0, 0b111001, 1, 0b100000)
    with Node(os.devnull, "Webcam") as node:
        yield CameraControls(node)


def test_a_point_of_interest_is_a_region_that_the_automatics_follow(driver: Driver, region: CameraControls) -> None:
    assert region.abilities()["pointsOfInterest"] == Control(("[]",), "[]", "[]")
    asked = points((0.5, 0.25))
    assert region.set({"pointsOfInterest": asked})["pointsOfInterest"] == asked  # although the driver has moved it
    assert driver.region == Rect((100 + 960 - 120) // 8 * 8, (50 + 270 - 68) // 8 * 8, 240, 135)
    assert driver.written == [(abi.CID_UVC_REGION_OF_INTEREST_AUTO, 0b1001)]
    assert region.set({"pointsOfInterest": "[]"})["pointsOfInterest"] == "[]"
    assert driver.written[-1] == (abi.CID_UVC_REGION_OF_INTEREST_AUTO, 0b100000)


def test_a_region_that_another_program_has_set_is_its_middle(driver: Driver, region: CameraControls) -> None:
    driver.region = Rect(100 + 480, 50, 960, 270)
    assert region.read()["pointsOfInterest"] == points((0.5, 0.125))


def test_a_region_of_a_camera_that_decides_itself_what_follows_it(driver: Driver, region: CameraControls) -> None:
    del driver.controls[abi.CID_UVC_REGION_OF_INTEREST_AUTO]
    assert region.set({"pointsOfInterest": points((1, 1))})["pointsOfInterest"] == points((1, 1))
    assert driver.written == []


@pytest.mark.parametrize("flag", [abi.CTRL_DISABLED, abi.CTRL_READ_ONLY])
def test_a_region_that_cannot_be_set_is_no_control(driver: Driver, flag: int) -> None:
    driver.region, driver.flags[abi.CID_UVC_REGION_OF_INTEREST_RECT] = SENSOR, flag
    with Node(os.devnull) as node:
        assert "pointsOfInterest" not in CameraControls(node).abilities()


@pytest.mark.parametrize(
    ("places", "least", "found"),
    [
        ([(0.0, 0.0)], 1, Rect(100, 50, 240, 135)),
        ([(1.0, 1.0)], 1, Rect(100 + 1920 - 240, 50 + 1080 - 135, 240, 135)),
        ([(7.0, -7.0)], 1, Rect(100 + 1920 - 240, 50, 240, 135)),
        ([(0.25, 0.5), (0.75, 0.5)], 1, Rect(100 + 360, 50 + 472, 1200, 135)),
        ([(0.0, 0.0), (1.0, 1.0)], 1, SENSOR),
        ([(0.5, 0.5)], 400, Rect(100 + 760, 50 + 340, 400, 400)),
        ([(0.5, 0.5)], 9999, SENSOR),
    ],
)
def test_a_region_has_all_points_and_lies_on_the_sensor(places: list[tuple[float, float]], least: int, found: Rect) -> None:
    assert region_about(places, SENSOR, Rect(0, 0, least, least)) == found
