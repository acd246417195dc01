"""A USB device in user space, plugged into this kernel's virtual host controller (vhci-hcd) over USB/IP.

Protocol: https://docs.kernel.org/usb/usbip_protocol.html; standard requests: USB 2.0 chapter 9. What the device does is in its
functions (camera.py, microphone.py): each brings its interfaces, answers its class requests and feeds one IN endpoint.
"""

from __future__ import annotations

import socket
import struct
import subprocess
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

CONTROLLER = Path("/sys/devices/platform/vhci_hcd.0")
HIGH_SPEED = 3
SUBMIT, UNLINK, RETURN_SUBMIT, RETURN_UNLINK = 1, 2, 3, 4
STALL, CANCELLED = -32, -104  # -EPIPE, -ECONNRESET

# Standard requests (USB 2.0, table 9-4) and descriptor types (table 9-5).
GET_STATUS, CLEAR_FEATURE, SET_FEATURE, GET_DESCRIPTOR, GET_CONFIGURATION, SET_CONFIGURATION = 0, 1, 3, 6, 8, 9
GET_INTERFACE, SET_INTERFACE = 10, 11
DEVICE, CONFIGURATION, STRING, INTERFACE, ENDPOINT, ASSOCIATION = 1, 2, 3, 4, 5, 11
CLASS_INTERFACE, CLASS_ENDPOINT = 0x24, 0x25


def descriptor(kind: int, *fields: int | bytes) -> bytes:
    """A descriptor: its length and type, then bytes as they are and each number as one byte."""
    body = b"".join(field if isinstance(field, bytes) else bytes([field]) for field in fields)
    return bytes([len(body) + 2, kind]) + body


def u16(value: int) -> bytes:
    return struct.pack("<H", value)


def u24(value: int) -> bytes:
    return struct.pack("<I", value)[:3]


def u32(value: int) -> bytes:
    return struct.pack("<I", value)


@dataclass(frozen=True, slots=True)
class Setup:
    """A control request."""

    kind: int
    request: int
    value: int
    index: int
    length: int

    @property
    def is_standard(self) -> bool:
        return self.kind & 0x60 == 0

    @property
    def is_for_endpoint(self) -> bool:
        return self.kind & 0x1F == 2

    @property
    def is_read(self) -> bool:
        return bool(self.kind & 0x80)


class Urb(NamedTuple):
    """A buffer that the host wants filled: whole, or by isochronous packets of the lengths in ``packets``."""

    sequence: int
    length: int
    packets: tuple[int, ...]


class Unplugged(Exception):
    """The connection to the host controller has ended."""


class Link:
    """The connection to the host: whole messages, one at a time, and no answer to a buffer that the host took back."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._changed = threading.Condition()
        self._waiting: dict[int, deque[Urb]] = {}  # by endpoint; the host's drivers submit a handful and wait for their return
        self._open: set[int] = set()
        self.flowing = threading.Event()  # cleared: the device holds its data back
        self.flowing.set()

    def receive(self, size: int) -> bytes:
        data = self._connection.recv(size, socket.MSG_WAITALL)
        if len(data) < size:
            raise Unplugged
        return data

    def close(self) -> None:
        """Unplug: readers and writers see the end."""
        self._connection.shutdown(socket.SHUT_RDWR)
        self.flowing.set()

    def submit(self, endpoint: int, urb: Urb) -> None:
        with self._changed:
            self._open.add(urb.sequence)
            self._waiting.setdefault(endpoint, deque()).append(urb)
            self._changed.notify_all()

    def take(self, endpoint: int, timeout_s: float) -> Urb | None:
        """The next buffer for this endpoint's data; None if the host wants none."""
        deadline = time.monotonic() + timeout_s
        with self._changed:
            while not (queue := self._waiting.get(endpoint)):
                if not self._changed.wait(max(0.0, deadline - time.monotonic())):
                    return None
            return queue.popleft()

    def unlink(self, sequence: int, victim: int) -> None:
        """The host takes a buffer back."""
        with self._changed:
            status = CANCELLED if victim in self._open else 0
            self._open.discard(victim)
            for queue in self._waiting.values():
                for urb in [urb for urb in queue if urb.sequence == victim]:
                    queue.remove(urb)
            self._send(struct.pack(">IIIIIi24x", RETURN_UNLINK, sequence, 0, 0, 0, status))

    def fill(self, urb: Urb, *parts: bytes | memoryview) -> None:
        """Return a buffer with its data; for an isochronous one, a part per packet."""
        with self._changed:
            if urb.sequence in self._open:
                self._open.discard(urb.sequence)
                self._return(urb.sequence, 0, b"".join(parts), 0, parts if urb.packets else ())

    def answer(self, sequence: int, data: bytes | None, written: int) -> None:
        """Return a control transfer: what it reads, or how much it wrote; None stalls it."""
        with self._changed:
            self._return(sequence, STALL if data is None else 0, data or b"", written)

    def _return(
        self, sequence: int, status: int, data: bytes, written: int = 0, parts: tuple[bytes | memoryview, ...] = ()
    ) -> None:
        head = struct.pack(">IIIIIiiiii8x", RETURN_SUBMIT, sequence, 0, 0, 0, status, len(data) or written, 0, len(parts), 0)
        packets, offset = b"", 0
        for part in parts:
            packets += struct.pack(">IIIi", offset, len(part), len(part), 0)
            offset += len(part)
        self._send(head + data + packets)

    def _send(self, message: bytes) -> None:
        try:
            self._connection.sendall(message)
        except OSError as error:
            raise Unplugged from error


class Function(ABC):
    """One function of a device: its interfaces, numbered from ``first_interface``, and one IN endpoint."""

    driver: str
    interfaces = 2

    def __init__(self, first_interface: int) -> None:
        self.first_interface = first_interface
        self.endpoint = first_interface // 2 + 1
        self.address = 0x80 | self.endpoint

    @abstractmethod
    def descriptors(self) -> bytes:
        """The descriptors of the function, its interface association first."""

    @abstractmethod
    def class_request(self, setup: Setup, data: bytes) -> bytes | None:
        """The answer to a class request, empty for a write; None stalls."""

    @abstractmethod
    def step(self, link: Link) -> None:
        """Send the next frame or buffer when its time has come, waiting at most a second."""


class Device:
    """A device of several functions, plugged in from ``plug`` until its process ends or ``link.close``."""

    def __init__(self, name: str, serial: str, product: int, functions: list[Function]) -> None:
        self._strings = ["", "mscli tests", name, serial]
        self._product = product
        self._functions = functions
        self._alternates: dict[int, int] = {}
        self.link: Link

    def plug(self) -> None:
        """Attach to a free high-speed port of the controller. Needs root."""
        subprocess.run(["modprobe", "-a", "vhci-hcd", *(function.driver for function in self._functions)], check=True)
        ports = (line.split() for line in (CONTROLLER / "status").read_text().splitlines()[1:])
        port = next(int(row[1]) for row in ports if row[0] == "hs" and row[2] == "004")  # 004: nothing attached
        ours, theirs = socket.socketpair()
        self.link = Link(ours)
        with theirs:
            (CONTROLLER / "attach").write_text(f"{port} {theirs.fileno()} {1 << 16 | port + 2} {HIGH_SPEED}")

    def serve(self) -> None:
        """Answer the host until the device is unplugged; each function's data comes from a thread of its own."""
        over = threading.Event()
        feeders = [
            threading.Thread(target=self._feed, args=(function, over), name=f"usb-{function.driver}")
            for function in self._functions
        ]
        for feeder in feeders:
            feeder.start()
        try:
            while True:
                self._message()
        except Unplugged:
            over.set()
        for feeder in feeders:
            feeder.join()

    def _feed(self, function: Function, over: threading.Event) -> None:
        try:
            while not over.is_set():
                self.link.flowing.wait()
                function.step(self.link)
        except Unplugged:
            return

    def _message(self) -> None:
        command, sequence, _, reads, endpoint = struct.unpack(">IIIII", self.link.receive(20))
        rest = self.link.receive(28)
        if command == UNLINK:
            self.link.unlink(sequence, *struct.unpack(">I", rest[:4]))
            return
        _, length, _, count, _ = struct.unpack(">Iiiii", rest[:20])
        data = self.link.receive(length) if not reads and length > 0 else b""
        packets = tuple(struct.unpack(">IIIi", self.link.receive(16))[1] for _ in range(count))
        if endpoint:
            self.link.submit(endpoint, Urb(sequence, length, packets))
            return
        setup = Setup(*struct.unpack("<BBHHH", rest[20:28]))
        answer = self._standard(setup) if setup.is_standard else self._class(setup, data)
        self.link.answer(sequence, answer and answer[: setup.length], len(data))

    def _class(self, setup: Setup, data: bytes) -> bytes | None:
        low = setup.index & 0xFF
        for function in self._functions:
            mine = range(function.first_interface, function.first_interface + function.interfaces)
            if low == function.address if setup.is_for_endpoint else low in mine:
                return function.class_request(setup, data)
        return None

    def _standard(self, setup: Setup) -> bytes | None:
        if setup.request == SET_INTERFACE:
            self._alternates[setup.index] = setup.value
        answers = {
            GET_STATUS: b"\0\0",
            GET_CONFIGURATION: b"\1",
            GET_INTERFACE: bytes([self._alternates.get(setup.index, 0)]),
            GET_DESCRIPTOR: self._descriptor(setup.value >> 8, setup.value & 0xFF),
        }
        writes = (CLEAR_FEATURE, SET_FEATURE, SET_CONFIGURATION, SET_INTERFACE)
        return b"" if setup.request in writes else answers.get(setup.request)

    def _descriptor(self, kind: int, number: int) -> bytes | None:
        if kind == DEVICE:
            miscellaneous = (0xEF, 2, 1)  # functions are told by interface associations
            return descriptor(DEVICE, u16(0x0200), *miscellaneous, 64, u16(0x1D6B), u16(self._product), u16(0x0100), 1, 2, 3, 1)
        if kind == CONFIGURATION:
            body = b"".join(function.descriptors() for function in self._functions)
            interfaces = sum(function.interfaces for function in self._functions)
            return descriptor(CONFIGURATION, u16(9 + len(body)), interfaces, 1, 0, 0x80, 250) + body
        if kind == STRING and number < len(self._strings):
            return descriptor(STRING, self._strings[number].encode("utf-16-le") if number else u16(0x0409))
        return None
