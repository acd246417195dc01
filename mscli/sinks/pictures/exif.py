"""Write metadata into pictures: EXIF in JPEG, PNG, WebP and TIFF files, a comment in PPM and PGM files. No pixel changes.

EXIF: https://www.cipa.jp/std/documents/download_e.html?DC-008-Translation-2023-E (a TIFF structure). PNG:
https://www.w3.org/TR/png-3/#eXIf. WebP: https://developers.google.com/speed/webp/docs/riff_container. TIFF: revision 6.0.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from fractions import Fraction
from typing import Any

from mscli.core.tuples import NamedTuple

_BYTE, _ASCII, _SHORT, _LONG, _RATIONAL, _UNDEFINED, _SIGNED = 1, 2, 3, 4, 5, 7, 10
_SIZES = {_BYTE: 1, _ASCII: 1, _SHORT: 2, _LONG: 4, _RATIONAL: 8, _UNDEFINED: 1, _SIGNED: 8}  # bytes of one value
_EXIF_POINTER = 0x8769
_MOST_JPEG_SEGMENT = 65_533 - 8

Entry = tuple[int, int, bytes]  # tag, type, value in little-endian order


class PictureFacts(NamedTuple):
    """The facts about a picture. ``settings``: the camera's, by IDL name. ``maker`` and ``model`` may be empty."""

    taken: datetime  # with its time zone
    software: str
    settings: Mapping[str, Any]
    model: str = ""
    maker: str = ""
    width: int = 0
    height: int = 0

    @property
    def settings_json(self) -> str:
        """Return the settings as JSON."""
        return json.dumps(dict(self.settings), ensure_ascii=True, separators=(",", ":"))


def exif(facts: PictureFacts) -> bytes:
    """Return the EXIF data of a picture: a TIFF structure without the ``Exif`` header that JPEG puts before it."""
    first, inner = _entries(facts)
    head = b"II*\0" + struct.pack("<I", 8)
    at_inner = 8 + len(_directory(_with_pointer(first, 0), 8))
    return head + _directory(_with_pointer(first, at_inner), 8) + _directory(inner, at_inner)


def _with_pointer(entries: Sequence[Entry], at: int) -> list[Entry]:
    return [*entries, (_EXIF_POINTER, _LONG, struct.pack("<I", at))]


def _entries(facts: PictureFacts) -> tuple[list[Entry], list[Entry]]:
    """Return the entries of the first directory and of the EXIF one."""
    taken = facts.taken.strftime("%Y:%m:%d %H:%M:%S")
    zone = facts.taken.strftime("%z")
    names = ((0x010F, facts.maker), (0x0110, facts.model), (0x0131, facts.software), (0x0132, taken))
    first = [*((tag, _ASCII, _text(text)) for tag, text in names if text), *_REQUIRED_FIRST]
    inner: list[Entry] = [
        *_REQUIRED,
        (0x9003, _ASCII, _text(taken)),
        (0x9004, _ASCII, _text(taken)),
        *((tag, _ASCII, _text(f"{zone[:3]}:{zone[3:5]}")) for tag in (0x9010, 0x9011) if zone),
        *((tag, _ASCII, _text(f"{facts.taken.microsecond:06}")) for tag in (0x9291, 0x9292)),
        (0x9286, _UNDEFINED, b"ASCII\0\0\0" + facts.settings_json.encode("ascii")),
        *((tag, _LONG, struct.pack("<I", size)) for tag, size in ((0xA002, facts.width), (0xA003, facts.height)) if size),
    ]
    for name, (tag, kind, pack) in _SETTINGS.items():
        if name in facts.settings:
            inner.append((tag, kind, pack(facts.settings[name])))
    return first, sorted(inner)


def _text(text: str) -> bytes:
    return text.encode("utf-8").replace(b"\0", b"") + b"\0"


def _ratio(value: float, form: str = "<II") -> bytes:
    fraction = Fraction(value).limit_denominator(1_000_000)
    return struct.pack(form, fraction.numerator, fraction.denominator)


def _is_manual(mode: Any) -> bytes:
    return struct.pack("<H", mode == "manual")


# what the standard requires of every file: 72 dpi and centred chroma; the version, the order of components, sRGB
_REQUIRED_FIRST: tuple[Entry, ...] = (
    (0x011A, _RATIONAL, struct.pack("<II", 72, 1)),
    (0x011B, _RATIONAL, struct.pack("<II", 72, 1)),
    (0x0128, _SHORT, struct.pack("<H", 2)),
    (0x0213, _SHORT, struct.pack("<H", 1)),
)
_REQUIRED: tuple[Entry, ...] = (
    (0x9000, _UNDEFINED, b"0232"),
    (0x9101, _UNDEFINED, b"\1\2\3\0"),
    (0xA000, _UNDEFINED, b"0100"),
    (0xA001, _SHORT, struct.pack("<H", 1)),
)

_NOT_IN_TIFF = (0x9101, 0xA002, 0xA003)  # its first directory has the size

_SETTINGS: dict[str, tuple[int, int, Callable[[Any], bytes]]] = {  # IDL name → tag, type, conversion
    "exposureTime": (0x829A, _RATIONAL, lambda value: _ratio(value / 10_000)),  # from units of 100 µs
    "iso": (0x8827, _SHORT, lambda value: struct.pack("<H", min(65_535, max(0, round(value))))),
    "exposureCompensation": (0x9204, _SIGNED, lambda value: _ratio(value, "<ii")),
    "torch": (0x9209, _SHORT, lambda value: struct.pack("<H", value is True)),  # whether a flash fired
    "exposureMode": (0xA402, _SHORT, _is_manual),
    "whiteBalanceMode": (0xA403, _SHORT, _is_manual),
}


def _directory(entries: Sequence[Entry], at: int, following: int = 0) -> bytes:
    """Return a TIFF directory that stands at an offset, followed by its longer values."""
    rows, values = [], b""
    after = at + 2 + 12 * len(entries) + 4
    for tag, kind, value in sorted(entries):
        field = value
        if len(value) > 4:
            field = struct.pack("<I", after + len(values))
            values += value + b"\0" * (len(value) % 2)
        rows.append(struct.pack("<HHI", tag, kind, len(value) // _SIZES[kind]) + field.ljust(4, b"\0"))
    return struct.pack("<H", len(rows)) + b"".join(rows) + struct.pack("<I", following) + values


# Into files


def into_jpeg(parts: Sequence[bytes | memoryview], facts: PictureFacts) -> list[bytes | memoryview]:
    """Return the parts of a JPEG file with EXIF after the JFIF header. One that has EXIF already is returned unchanged."""
    first = memoryview(parts[0])
    at = 2
    while bytes(first[at : at + 2]) in (b"\xff\xe0", b"\xff\xe1"):
        if bytes(first[at + 4 : at + 10]) == b"Exif\0\0":
            return list(parts)
        if bytes(first[at : at + 2]) == b"\xff\xe1":
            break
        at += 2 + int.from_bytes(first[at + 2 : at + 4], "big")
    data = exif(facts)
    if len(data) > _MOST_JPEG_SEGMENT or at > len(first):
        return list(parts)
    segment = b"\xff\xe1" + (len(data) + 8).to_bytes(2, "big") + b"Exif\0\0" + data
    return [first[:at], segment, first[at:], *parts[1:]]


def into_png(parts: Sequence[bytes | memoryview], facts: PictureFacts) -> list[bytes | memoryview]:
    """Return the parts of a PNG file with an eXIf chunk after its header, and the settings as text."""
    first = memoryview(parts[0])
    at = 8 + 25  # the signature, and the IHDR chunk
    text = b"Comment\0" + facts.settings_json.encode("ascii")
    return [first[:at], _png_chunk(b"eXIf", exif(facts)), _png_chunk(b"tEXt", text), first[at:], *parts[1:]]


def _png_chunk(kind: bytes, data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")


_VP8X_EXIF, _VP8X_ALPHA = 0x08, 0x10


def into_webp(parts: Sequence[bytes | memoryview], facts: PictureFacts) -> list[bytes | memoryview]:
    """Return the parts of a WebP file with an EXIF chunk, which needs the extended format."""
    body = b"".join(parts)[12:]
    if body[:4] == b"VP8X":
        body = body[:8] + bytes([body[8] | _VP8X_EXIF]) + body[9:]
    else:
        alpha = _VP8X_ALPHA if body[:4] == b"VP8L" and body[12] & 0x10 else 0
        size = (facts.width - 1).to_bytes(3, "little") + (facts.height - 1).to_bytes(3, "little")
        body = _riff_chunk(b"VP8X", bytes([_VP8X_EXIF | alpha, 0, 0, 0]) + size) + body
    body += _riff_chunk(b"EXIF", exif(facts))
    return [b"RIFF" + (len(body) + 4).to_bytes(4, "little") + b"WEBP", body]


def _riff_chunk(kind: bytes, data: bytes) -> bytes:
    return kind + len(data).to_bytes(4, "little") + data + b"\0" * (len(data) % 2)


def into_tiff(parts: Sequence[bytes | memoryview], facts: PictureFacts) -> list[bytes | memoryview]:
    """Return the parts of a little-endian TIFF file with a new first directory at its end, which has EXIF."""
    data = b"".join(parts)
    (at,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, at)
    kept = [_entry(data, at + 2 + 12 * index) for index in range(count)]
    first, inner = _entries(facts)
    ours = {tag for tag, _, _ in first}
    entries = [*(one for one in kept if one[0] not in ours), *first]
    inner = [one for one in inner if one[0] not in _NOT_IN_TIFF]
    start = len(data) + len(data) % 2
    at_inner = start + len(_directory(_with_pointer(entries, 0), start))
    directories = _directory(_with_pointer(entries, at_inner), start) + _directory(inner, at_inner)
    return [data[:4], struct.pack("<I", start), data[8:], b"\0" * (len(data) % 2), directories]


def _entry(data: bytes, at: int) -> Entry:
    tag, kind, count = struct.unpack_from("<HHI", data, at)
    size = count * _SIZES[kind]
    where = at + 8 if size <= 4 else struct.unpack_from("<I", data, at + 8)[0]
    return tag, kind, data[where : where + size]


def into_pnm(parts: Sequence[bytes | memoryview], facts: PictureFacts) -> list[bytes | memoryview]:
    """Return the parts of a PPM or PGM file with comments: the time, and the settings as JSON."""
    first = memoryview(parts[0])
    comment = f"# {facts.taken.isoformat()} {facts.software}\n# {facts.settings_json}\n".encode("ascii", "backslashreplace")
    return [first[:3], comment, first[3:], *parts[1:]]


INTO: dict[str, Callable[[Sequence[bytes | memoryview], PictureFacts], list[bytes | memoryview]]] = {
    "image/jpeg": into_jpeg,
    "image/png": into_png,
    "image/webp": into_webp,
    "image/tiff": into_tiff,
    "image/x-portable-pixmap": into_pnm,
    "image/x-portable-graymap": into_pnm,
}
