"""A UVC 1.0 camera: MJPG and YUYV in three sizes at three rates, controls; colour bars that move.

Exposure time, focus and color temperature are refused while their automatic is on. No control changes the picture.

USB Video Class 1.0: https://www.usb.org/document-library/video-class-v15-document-set (older revisions inside).
"""

from __future__ import annotations

import struct
import time
from functools import cache
from typing import NamedTuple

from tests.vm.rig.usb import jpeg
from tests.vm.rig.usb.usbip import (
    ASSOCIATION,
    CLASS_INTERFACE,
    ENDPOINT,
    INTERFACE,
    Function,
    Link,
    Setup,
    descriptor,
    u16,
    u32,
)

SIZES = ((640, 480), (320, 240), (1280, 720))
RATES = (30, 15, 5)  # frames per second
INTERVALS = tuple(10_000_000 // rate for rate in RATES)  # in 100 ns
MJPG, YUYV = 1, 2  # format indices
YUY2_GUID = b"YUY2\0\0\x10\0\x80\0\0\xaa\0\x38\x9b\x71"
PAYLOAD = 16384  # bytes of one bulk transfer, its header included

VIDEO, CONTROL, STREAMING, COLLECTION = 14, 1, 2, 3  # class and subclasses
CAMERA_TERMINAL, PROCESSING_UNIT, USB_TERMINAL = 1, 2, 3
SET_CUR, GET_CUR, GET_MIN, GET_MAX, GET_RES, GET_LEN, GET_INFO, GET_DEF = 0x01, *range(0x81, 0x88)
PROBE, COMMIT = 1, 2  # control selectors of the streaming interface
ERROR_CODE, WRONG_STATE = 2, 2  # control selector of the control interface, and why a request was refused


class Control(NamedTuple):
    """A control (UVC 1.0, 4.2.2): where it is, its bit in the unit's bitmap, its layout, its range, step and default.

    ``held``: the control that is an automatic, and its value by which this one can be set.
    """

    unit: int
    selector: int
    bit: int
    layout: str
    low: tuple[int, ...]
    high: tuple[int, ...]
    step: tuple[int, ...]
    default: tuple[int, ...]
    held: tuple[tuple[int, int], int] | None = None

    def pack(self, numbers: tuple[int, ...]) -> bytes:
        return struct.pack(self.layout, *numbers)


EXPOSURE_AUTO, FOCUS_AUTO, WHITE_BALANCE_AUTO = (CAMERA_TERMINAL, 2), (CAMERA_TERMINAL, 8), (PROCESSING_UNIT, 11)
CONTROLS = {
    (control.unit, control.selector): control
    for control in (
        Control(*EXPOSURE_AUTO, 1, "<B", (1,), (8,), (1 | 8,), (8,)),  # 1 is manual; 8: the time is automatic
        Control(CAMERA_TERMINAL, 4, 3, "<I", (3,), (2047,), (1,), (250,), (EXPOSURE_AUTO, 1)),  # its time, in 100 µs
        Control(CAMERA_TERMINAL, 6, 5, "<H", (0,), (250,), (5,), (30,), (FOCUS_AUTO, 0)),  # distance in focus
        Control(*FOCUS_AUTO, 17, "<B", (0,), (1,), (1,), (1,)),
        Control(CAMERA_TERMINAL, 11, 9, "<H", (100,), (500,), (1,), (100,)),  # zoom
        Control(CAMERA_TERMINAL, 13, 11, "<ii", (-36000,) * 2, (36000,) * 2, (3600,) * 2, (0, 0)),  # pan and tilt
        Control(PROCESSING_UNIT, 2, 0, "<h", (0,), (255,), (1,), (128,)),  # brightness
        Control(PROCESSING_UNIT, 3, 1, "<H", (0,), (64,), (1,), (32,)),  # contrast
        Control(PROCESSING_UNIT, 10, 6, "<H", (2800,), (6500,), (10,), (4600,), (WHITE_BALANCE_AUTO, 0)),  # K
        Control(*WHITE_BALANCE_AUTO, 12, "<B", (0,), (1,), (1,), (1,)),
    )
}


def bitmap(unit: int) -> bytes:
    """Which controls a unit has."""
    return u32(sum(1 << control.bit for control in CONTROLS.values() if control.unit == unit))


# White, yellow, cyan, green, magenta, red, blue, black at 75 % (BT.601), as Y, U, V; the JPEGs hold the same numbers.
BARS = (
    (180, 128, 128),
    (162, 44, 142),
    (131, 156, 44),
    (112, 72, 58),
    (84, 184, 198),
    (65, 100, 212),
    (35, 212, 114),
    (16, 128, 128),
)
FRAMES_PER_STEP = 8  # the bars move on by one


@cache
def picture(form: int, width: int, height: int, step: int) -> bytes:
    """One picture of the bars, ``step`` bars on."""
    columns = [BARS[(x * 8 // width + step) % 8] for x in range(0, width, 8)]
    if form == MJPG:
        return jpeg.columns(columns, height)
    return b"".join(bytes((y, u, y, v)) * 4 for y, u, v in columns) * height


class Camera(Function):
    """The camera function. The host chooses format, size and rate by probe and commit."""

    driver = "uvcvideo"

    def __init__(self, first_interface: int) -> None:
        super().__init__(first_interface)
        self._probe = self._answer(MJPG, 1, INTERVALS[0])
        self._commit = b""
        self._count = 0
        self._due = 0.0
        self._set = {place: control.pack(control.default) for place, control in CONTROLS.items()}

    def descriptors(self) -> bytes:
        control, streaming = self.first_interface, self.first_interface + 1
        units = (
            descriptor(CLASS_INTERFACE, 2, CAMERA_TERMINAL, u16(0x0201), 0, 0, bytes(6), 3, bitmap(CAMERA_TERMINAL)[:3])
            + descriptor(CLASS_INTERFACE, 5, PROCESSING_UNIT, CAMERA_TERMINAL, u16(0), 2, bitmap(PROCESSING_UNIT)[:2], 0)
            + descriptor(CLASS_INTERFACE, 3, USB_TERMINAL, u16(0x0101), 0, PROCESSING_UNIT, 0)
        )
        formats = self._formats()
        return (
            descriptor(ASSOCIATION, control, 2, VIDEO, COLLECTION, 0, 2)
            + descriptor(INTERFACE, control, 0, 0, VIDEO, CONTROL, 0, 2)
            + descriptor(CLASS_INTERFACE, 1, u16(0x0100), u16(13 + len(units)), u32(48_000_000), 1, streaming)
            + units
            + descriptor(INTERFACE, streaming, 0, 1, VIDEO, STREAMING, 0, 0)
            + descriptor(CLASS_INTERFACE, 1, 2, u16(15 + len(formats)), self.address, 0, USB_TERMINAL, 0, 0, 0, 1, 0, 0)
            + formats
            + descriptor(ENDPOINT, self.address, 2, u16(512), 0)
        )

    def _formats(self) -> bytes:
        count = len(SIZES)
        colours = descriptor(CLASS_INTERFACE, 13, 1, 1, 4)  # BT.709 primaries and transfer, BT.601 matrix
        mjpg = descriptor(CLASS_INTERFACE, 6, MJPG, count, 1, 1, 0, 0, 0, 0)
        yuyv = descriptor(CLASS_INTERFACE, 4, YUYV, count, YUY2_GUID, 16, 1, 0, 0, 0, 0)
        return mjpg + self._frames(7) + colours + yuyv + self._frames(5) + colours

    def _frames(self, subtype: int) -> bytes:
        return b"".join(self._frame(subtype, number, *size) for number, size in enumerate(SIZES, 1))

    def _frame(self, subtype: int, number: int, width: int, height: int) -> bytes:
        bits = width * height * 16
        rates = u32(bits * min(RATES)) + u32(bits * max(RATES))
        intervals = u32(INTERVALS[0]) + bytes([len(INTERVALS)]) + b"".join(map(u32, INTERVALS))
        return descriptor(CLASS_INTERFACE, subtype, number, 0, u16(width), u16(height), rates, u32(bits // 8), intervals)

    def class_request(self, setup: Setup, data: bytes) -> bytes | None:
        selector, unit, interface = setup.value >> 8, setup.index >> 8, setup.index & 0xFF
        if interface == self.first_interface + 1 and selector in (PROBE, COMMIT):
            return self._negotiate(setup.request, selector, data)
        if (unit, selector) in CONTROLS:
            return self._control(setup.request, CONTROLS[unit, selector], data)
        return bytes([WRONG_STATE]) if (unit, selector) == (0, ERROR_CODE) else None

    def _negotiate(self, request: int, selector: int, data: bytes) -> bytes | None:
        if request == SET_CUR:
            _, form, number, interval = struct.unpack("<HBBI", data[:8])
            self._probe = self._answer(form, number, interval)
            if selector == COMMIT:
                self._commit = self._probe
            return b""
        answers = {
            GET_CUR: self._probe,
            GET_MIN: self._answer(MJPG, 1, INTERVALS[0]),
            GET_MAX: self._answer(YUYV, len(SIZES), INTERVALS[-1]),
            GET_DEF: self._answer(MJPG, 1, INTERVALS[0]),
            GET_LEN: u16(len(self._probe)),
            GET_INFO: b"\3",  # can be read and set
        }
        return answers.get(request)

    @staticmethod
    def _answer(form: int, number: int, interval: int) -> bytes:
        """The probe's answer: the nearest format, size and rate there is (UVC 1.0, table 4-47)."""
        form, number = min(max(form, MJPG), YUYV), min(max(number, 1), len(SIZES))
        interval = min(INTERVALS, key=lambda each: abs(each - interval))
        width, height = SIZES[number - 1]
        return struct.pack("<HBBI10xII", 1, form, number, interval, width * height * 2, PAYLOAD)

    def _control(self, request: int, control: Control, data: bytes) -> bytes | None:
        place, size = (control.unit, control.selector), struct.calcsize(control.layout)
        if request == SET_CUR:
            if control.held is not None and self._set[control.held[0]][0] != control.held[1]:
                return None
            self._set[place] = data[:size]
            return b""
        answers = {
            GET_CUR: self._set[place],
            GET_MIN: control.pack(control.low),
            GET_MAX: control.pack(control.high),
            GET_RES: control.pack(control.step),
            GET_DEF: control.pack(control.default),
            GET_LEN: u16(size),
            GET_INFO: b"\3",  # can be read and set
        }
        return answers.get(request)

    def step(self, link: Link) -> None:
        urb = link.take(self.endpoint, 1.0)
        if urb is None or not self._commit:
            return
        _, form, number, interval = struct.unpack("<HBBI", self._commit[:8])
        left = memoryview(picture(form, *SIZES[number - 1], self._count // FRAMES_PER_STEP % len(BARS)))
        self._wait(interval / 10_000_000)
        while left and urb is not None:
            room = min(urb.length, PAYLOAD) - 2
            part, left = left[:room], left[room:]
            flags = 0x80 | self._count & 1 | (0 if left else 2)  # end of header, frame parity, end of frame
            link.fill(urb, bytes((2, flags)), part)
            urb = link.take(self.endpoint, 0.3) if left else None
        self._count += 1

    def _wait(self, interval_s: float) -> None:
        now = time.monotonic()
        self._due = max(self._due + interval_s, now - interval_s)
        time.sleep(max(0.0, self._due - now))
