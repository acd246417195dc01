"""A USB Audio 1.0 microphone: one channel of 16 bits that hears a sine, with volume and mute.

USB Device Class Definition for Audio Devices 1.0: https://www.usb.org/document-library/audio-device-document-10
"""

from __future__ import annotations

import math
import struct
import time

from tests.vm.rig.usb.usbip import (
    ASSOCIATION,
    CLASS_ENDPOINT,
    CLASS_INTERFACE,
    ENDPOINT,
    INTERFACE,
    Function,
    Link,
    Setup,
    descriptor,
    u16,
    u24,
)

RATE, TONE = 48000, 440  # Hz; a second holds whole periods
AMPLITUDE = 16383  # half of full scale
AUDIO, CONTROL, STREAMING = 1, 1, 2  # class and subclasses
INPUT_TERMINAL, FEATURE_UNIT, USB_TERMINAL = 1, 2, 3
SET_CUR, GET_CUR, GET_MIN, GET_MAX, GET_RES = 0x01, *range(0x81, 0x85)
MUTE, VOLUME = 1, 2  # control selectors of the feature unit
PERIOD = RATE // math.gcd(RATE, TONE)  # samples after which the sine is the same
SECOND = b"".join(struct.pack("<h", round(AMPLITUDE * math.sin(2 * math.pi * TONE * n / RATE))) for n in range(PERIOD)) * (
    RATE // PERIOD
)


class Microphone(Function):
    """The microphone function. It sends while the host has buffers, at its rate."""

    driver = "snd-usb-audio"

    def __init__(self, first_interface: int) -> None:
        super().__init__(first_interface)
        self._volume = 0  # 1/256 dB
        self._mute = 0
        self._position = 0  # bytes into SECOND
        self._due = 0.0

    def descriptors(self) -> bytes:
        control, streaming = self.first_interface, self.first_interface + 1
        units = (
            descriptor(CLASS_INTERFACE, 2, INPUT_TERMINAL, u16(0x0201), 0, 1, u16(0), 0, 0)
            + descriptor(CLASS_INTERFACE, 6, FEATURE_UNIT, INPUT_TERMINAL, 1, 0b11, 0)
            + descriptor(CLASS_INTERFACE, 3, USB_TERMINAL, u16(0x0101), 0, FEATURE_UNIT, 0)
        )
        return (
            descriptor(ASSOCIATION, control, 2, AUDIO, 0, 0, 2)
            + descriptor(INTERFACE, control, 0, 0, AUDIO, CONTROL, 0, 2)
            + descriptor(CLASS_INTERFACE, 1, u16(0x0100), u16(9 + len(units)), 1, streaming)
            + units
            + descriptor(INTERFACE, streaming, 0, 0, AUDIO, STREAMING, 0, 0)
            + descriptor(INTERFACE, streaming, 1, 1, AUDIO, STREAMING, 0, 0)
            + descriptor(CLASS_INTERFACE, 1, USB_TERMINAL, 1, u16(1))
            + descriptor(CLASS_INTERFACE, 2, 1, 1, 2, 16, 1, u24(RATE))
            + descriptor(ENDPOINT, self.address, 5, u16((RATE // 1000 + 1) * 2), 4, 0, 0)  # asynchronous, a packet per ms
            + descriptor(CLASS_ENDPOINT, 1, 1, 0, u16(0))
        )

    def class_request(self, setup: Setup, data: bytes) -> bytes | None:
        if setup.is_for_endpoint:  # its sampling frequency, which is fixed
            return u24(RATE) if setup.is_read else b""
        control = setup.value >> 8
        if setup.index >> 8 != FEATURE_UNIT or control not in (MUTE, VOLUME):
            return None
        if setup.request == SET_CUR:
            self._set(control, data)
            return b""
        if control == MUTE:
            return bytes([self._mute])
        levels = {GET_CUR: self._volume, GET_MIN: -32 * 256, GET_MAX: 0, GET_RES: 256}
        return struct.pack("<h", levels[setup.request]) if setup.request in levels else None

    def _set(self, control: int, data: bytes) -> None:
        if control == MUTE:
            self._mute = data[0]
        else:
            (self._volume,) = struct.unpack("<h", data[:2])

    def step(self, link: Link) -> None:
        urb = link.take(self.endpoint, 1.0)
        if urb is None:
            return
        now = time.monotonic()
        self._due = max(self._due, now - 0.2) + len(urb.packets) / 1000  # a packet per ms; a late start is not caught up with
        time.sleep(max(0.0, self._due - now))
        link.fill(urb, *(self._sound(length) for length in urb.packets))

    def _sound(self, room: int) -> bytes:
        """A millisecond of sound."""
        size = min(RATE // 1000 * 2, room)
        start, self._position = self._position, (self._position + size) % len(SECOND)
        sound = (SECOND[start : start + size] + SECOND)[:size]
        return bytes(size) if self._mute else sound
