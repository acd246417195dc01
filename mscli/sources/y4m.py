"""Read the header of YUV4MPEG2: https://wiki.multimedia.cx/index.php/YUV4MPEG2."""

from __future__ import annotations

import re
from collections.abc import Mapping

from mscli.core.errors import NotReadableError, NotSupportedError
from mscli.core.frames import frame_bytes
from mscli.core.tuples import NamedTuple

MAGIC = b"YUV4MPEG2"
HEADER_BYTES = 1024  # the most that a header may have
PICTURE_BYTES = 1 << 28  # the largest picture
_SIDES = (("W", "width"), ("H", "height"))
_DIGITS = 9  # the most of a number
_SHOWN = 20  # characters of what is wrong
_FORMATS = {  # its name for the sampling of chroma → ours
    **dict.fromkeys(("420", "420jpeg", "420mpeg2", "420paldv"), "I420"),
    "411": "YUV411",
    "422": "I422",
    "444": "I444",
    "mono": "GREY",
}


class Y4mHead(NamedTuple):
    """A header. ``rate``: None if unknown. ``field``: the letter of how pictures are interlaced."""

    format: str
    width: int
    height: int
    rate: float | None
    full_range: bool
    field: str


def y4m_head(line: bytes, name: str) -> Y4mHead:
    """Return what a header says. Raises NotReadableError that says what is wrong with it, and NotSupportedError."""
    words = line.decode("ascii", "replace").split()[1:]
    given: Mapping[str, str] = {word[0]: word[1:] for word in words if not word.startswith("X")}
    width, height = (_number(given.get(letter), what, name) for letter, what in _SIDES)
    rate = re.fullmatch(rf"(\d{{1,{_DIGITS}}}):(\d{{1,{_DIGITS}}})", given.get("F", "25:1"), re.ASCII)
    if rate is None:
        raise _damaged(name, f"its rate is “{given['F'][:_SHOWN]}”")
    sampling = given.get("C", "420")
    if sampling not in _FORMATS:
        hints = ["let ffmpeg write it with -pix_fmt yuv420p"]
        raise NotSupportedError(f"{name} is YUV4MPEG2 with {sampling[:_SHOWN]}, which is not supported", hints=hints)
    above, below = int(rate[1]), int(rate[2])
    full = "XCOLORRANGE=FULL" in words
    return Y4mHead(_FORMATS[sampling], width, height, above / below if above and below else None, full, given.get("I", ""))


def check_y4m(data: bytes, name: str) -> None:
    """Raise the same errors if the beginning of a file is a header with a fault, or one that does not end."""
    if not data.startswith(MAGIC):
        return
    line, end, _ = data.partition(b"\n")
    if not end:
        raise _damaged(name, "it does not end")
    head = y4m_head(line, name)
    picture_bytes(name, head.format, head.width, head.height)


def picture_bytes(source: str, form: str, width: int, height: int) -> int:
    """Return the size of a picture that a header describes. Raises NotReadableError if it cannot be true."""
    count = frame_bytes(form, width, height) if min(width, height) > 0 else 0
    if not 0 < count <= PICTURE_BYTES:
        limit = f"at least one pixel and at most {PICTURE_BYTES >> 20} MiB are possible"
        raise NotReadableError(f"{source} claims to have pictures of {width}×{height} pixels; {limit}")
    return count


def _number(text: str | None, what: str, name: str) -> int:
    if text is None:
        raise _damaged(name, f"it tells no {what}")
    if not re.fullmatch(r"-?\d+", text, re.ASCII) or len(text) > HEADER_BYTES // 2:
        raise _damaged(name, f"its {what} is “{text[:_SHOWN]}”")
    return int(text)


def _damaged(name: str, why: str) -> NotReadableError:
    return NotReadableError(f"{name} begins as YUV4MPEG2, but its header is damaged: {why}")
