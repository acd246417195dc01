"""PipeWire's parameters (PODs): written as bytes, and read back. https://docs.pipewire.org/page_spa_pod.html

Only what a stream of pictures needs: integers, ids, rectangles, fractions, choices among them, and objects.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence

_ID, _INT, _RECTANGLE, _FRACTION, _OBJECT, _CHOICE = 3, 4, 10, 11, 15, 19  # spa_type
_RANGE, _ENUM, _FLAGS = 1, 3, 4  # spa_choice_type
FORMAT, BUFFERS, META = 0x40003, 0x40004, 0x40005  # spa_type of objects: SPA_TYPE_OBJECT_Format, …
_NUMBERS = {_ID: "<I", _INT: "<i", _RECTANGLE: "<II", _FRACTION: "<II"}  # spa_type → how its value is laid out

Value = tuple[int, ...]


def _pod(kind: int, body: bytes) -> bytes:
    return struct.pack("<II", len(body), kind) + body + bytes(-len(body) % 8)


def identifier(number: int) -> bytes:
    """Return a constant of PipeWire's as a POD."""
    return _pod(_ID, struct.pack("<I", number))


def integer(number: int) -> bytes:
    """Return a number as a POD."""
    return _pod(_INT, struct.pack("<i", number))


def rectangle(width: int, height: int) -> bytes:
    """Return a size as a POD."""
    return _pod(_RECTANGLE, struct.pack("<II", width, height))


def fraction(above: int, below: int = 1) -> bytes:
    """Return a rate as a POD."""
    return _pod(_FRACTION, struct.pack("<II", above, below))


def _choice(kind: int, pods: Sequence[bytes]) -> bytes:
    size, value_kind = struct.unpack("<II", pods[0][:8])
    values = b"".join(pod[8 : 8 + size] for pod in pods)
    return _pod(_CHOICE, struct.pack("<IIII", kind, 0, size, value_kind) + values)


def any_of(*pods: bytes) -> bytes:
    """Return the choice of one of these PODs, the first one by default."""
    return _choice(_ENUM, [pods[0], *pods])


def a_range(usual: bytes, least: bytes, most: bytes) -> bytes:
    """Return the choice of anything between two PODs."""
    return _choice(_RANGE, [usual, least, most])


def some_of(bits: int) -> bytes:
    """Return the choice of any of these bits."""
    return _choice(_FLAGS, [integer(bits)])


def an_object(kind: int, name: int, members: Mapping[int, bytes]) -> bytes:
    """Return an object. ``name``: which parameter it is."""
    body = b"".join(struct.pack("<II", key, 0) + pod for key, pod in members.items())
    return _pod(_OBJECT, struct.pack("<II", kind, name) + body)


def read_object(data: bytes) -> dict[int, Value]:
    """Return the members of an object that hold numbers. Those of a choice are its first one, the default."""
    return dict(_members(data))


def _members(data: bytes) -> Iterator[tuple[int, Value]]:
    size, kind = struct.unpack_from("<II", data)
    at, end = 16, min(8 + size, len(data))
    while kind == _OBJECT and at + 16 <= end:
        key, _, size, value_kind = struct.unpack_from("<IIII", data, at)
        start = at + 16
        if value_kind == _CHOICE and start + 16 <= end:
            value_kind, start = struct.unpack_from("<I", data, start + 12)[0], start + 16
        if value_kind in _NUMBERS and start + struct.calcsize(_NUMBERS[value_kind]) <= end:
            yield key, struct.unpack_from(_NUMBERS[value_kind], data, start)
        at += 16 + size + (-size % 8)
