"""Describe requests to a V4L2 driver and their arguments in words, for the log."""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Iterator
from typing import Any

from mscli.v4l2 import abi

_FOURCC = frozenset({"pixelformat", "pixel_format"})
_HEX_FROM = 0x1000  # larger numbers of these fields are flags or ids
_HEX = frozenset({"capabilities", "device_caps", "flags", "id", "capability"})
_UNSAID = ("reserved", "raw_data")
_LISTED = 8  # of the items of an array

NAMES = {  # request → its name, without VIDIOC_
    value: name for name, value in vars(abi).items() if isinstance(value, int) and value >> 30 and value >> 8 & 0xFF == ord("V")
}


def request_name(request: int) -> str:
    """Return the kernel's name of a request."""
    return f"VIDIOC_{NAMES[request]}" if request in NAMES else f"ioctl {request:#x}"


def describe(argument: Any) -> str:
    """Return the members of an argument that are not 0, by name."""
    if isinstance(argument, ctypes.Structure):
        return " ".join(_members(argument))
    if isinstance(argument, ctypes.Array):
        return "[" + ", ".join(map(str, argument[:_LISTED])) + (", …]" if len(argument) > _LISTED else "]")
    return str(getattr(argument, "value", argument))


def describe_error(error: OSError) -> str:
    """Return the error's name and meaning: ``EBUSY, Device or resource busy``."""
    number = error.errno or 0
    return f"{errno.errorcode.get(number, number)}, {os.strerror(number)}"


def _members(argument: Any) -> Iterator[str]:
    for name, *_ in argument._fields_:
        value = getattr(argument, name)
        if name.startswith(_UNSAID):
            continue
        if isinstance(value, ctypes.Union):
            member = _member_in_use(argument)
            yield from _members(getattr(value, member)) if member else ()
        elif isinstance(value, ctypes.Structure):
            inner = describe(value)
            yield from [f"{name}=({inner})"] if inner else []
        elif isinstance(value, bytes | int) and value:
            yield f"{name}={_scalar(name, value)}"


def _member_in_use(argument: Any) -> str:
    """Return which member of its union a structure uses; "" if its members mean nothing to people."""
    if isinstance(argument, abi.Format):
        return "pix_mp" if argument.type == abi.BUF_TYPE_CAPTURE_MPLANE else "pix"
    if isinstance(argument, abi.FrameSize | abi.FrameInterval):
        return "discrete" if argument.type in (0, abi.KIND_DISCRETE) else "stepwise"
    return {abi.StreamParm: "capture", abi.V4l2Event: "ctrl"}.get(type(argument), "")


def _scalar(name: str, value: bytes | int) -> str:
    if isinstance(value, bytes):
        return f"“{value.decode(errors='replace')}”"
    if name in _FOURCC:
        return abi.fourcc_text(value)
    return hex(value) if name in _HEX and value >= _HEX_FROM else str(value)
