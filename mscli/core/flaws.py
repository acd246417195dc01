"""Check frames and chunks of somebody else's code, so that a mistake in it is noticed where it is made.

Everything that reads a frame believes what it says of itself: its format, its size, its planes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mscli.core.codecs import AUDIO_CODECS, VIDEO_CODECS
from mscli.core.frames import (
    DELTA,
    FORMATS,
    KEY,
    SAMPLE_FORMATS,
    AudioData,
    AudioMedia,
    EncodedAudioChunk,
    EncodedVideoChunk,
    VideoFrame,
    VideoMedia,
)

MOST_COUNT = 1 << 62  # microseconds or samples: a number of 64 bits in a library holds it
MOST_SIDE = 1 << 15  # pixels
MOST_RATE = 10_000_000  # samples per second
MOST_CHANNELS = 1024

_KINDS = {"video": VideoMedia, "audio": AudioMedia}
_KNOWN: Mapping[type, tuple[str, Mapping[str, Any]]] = {  # type → the member that names its format, and the known ones
    VideoFrame: ("format", FORMATS),
    AudioData: ("format", SAMPLE_FORMATS),
    EncodedVideoChunk: ("codec", VIDEO_CODECS),
    EncodedAudioChunk: ("codec", AUDIO_CODECS),
}


def flaw_of(media: Any, kind: str = "") -> str:
    """Return why this is no frame or chunk that can be read, in a clause about its source, or "".

    ``kind``: "video" or "audio", if it has to be one of them.
    """
    member, known = next((row for type_, row in _KNOWN.items() if isinstance(media, type_)), ("", {}))
    if not member:
        return f"it returned a {type(media).__name__} as a frame"
    if kind and not isinstance(media, _KINDS[kind]):
        return f"it returned a {type(media).__name__} as {kind}"
    form = getattr(media, member)
    if not isinstance(form, str) or form not in known:
        return f"it returned a frame of the {member} “{form}”, which is unknown"
    return _flaw_of_times(media) or (_flaw_of_picture(media) if isinstance(media, VideoMedia) else _flaw_of_sound(media))


def _flaw_of_times(media: Any) -> str:
    duration = None if isinstance(media, AudioData) else media.duration  # that of sound follows from the samples
    numbers = (media.timestamp, media.sequence, 0 if duration is None else duration)
    if not all(hasattr(number, "__index__") for number in numbers):
        return "the times of a frame are not integers"
    if not all(-MOST_COUNT < number < MOST_COUNT for number in numbers) or numbers[2] < 0:
        return "the times of a frame are impossible"
    return ""


def _flaw_of_picture(media: Any) -> str:
    sides = media.coded_width, media.coded_height
    if not all(_is_count(side, MOST_SIDE) for side in sides):
        return f"a frame has the size {_text(sides)}"
    shown = media.display_size
    if shown is not None and not (_is_tuple(shown, 2) and all(_is_count(side, MOST_SIDE) for side in shown)):
        return f"a frame has the displayed size {shown!r}"
    if media.visible_rect is not None and not _is_within(media.visible_rect, *sides):
        return f"the visible part of a frame is not within {_text(sides)}"
    return _flaw_of_chunk(media) if isinstance(media, EncodedVideoChunk) else _flaw_of_planes(media)


def _flaw_of_planes(frame: VideoFrame) -> str:
    if isinstance(frame.planes, tuple) and not frame.planes:
        return "" if frame.blank else "a frame is closed"
    layout, width, height = FORMATS[frame.format].planes, frame.coded_width, frame.coded_height
    what = f"{frame.format} of {_text((width, height))}"
    for name in ("planes", "strides"):
        given = getattr(frame, name)
        if not _is_tuple(given, len(layout)):
            count = f"{len(given)}" if isinstance(given, tuple) else f"a {type(given).__name__} as"
            return f"a frame has {count} {name}; {what} has {len(layout)}"
    for number, (plane, view, stride) in enumerate(zip(layout, frame.planes, frame.strides, strict=True)):
        least = plane.row_bytes(width)
        if not hasattr(stride, "__index__") or stride < least:
            return f"plane {number} of a frame has the stride {stride}; {what} needs {least} bytes or more"
        if not _is_memory(view):
            return f"plane {number} of a frame is not a memoryview of bytes"
        size = stride * (plane.rows(height) - 1) + least
        if view.nbytes < size:
            return f"plane {number} of a frame has {view.nbytes} bytes; {what} with this stride needs {size}"
    return ""


def _flaw_of_sound(media: Any) -> str:
    for name, most in (("sample_rate", MOST_RATE), ("number_of_channels", MOST_CHANNELS)):
        if not _is_count(getattr(media, name), most):
            return f"a block of sound has the {name} {getattr(media, name)!r}"
    if isinstance(media, EncodedAudioChunk):
        whole = hasattr(media.count, "__index__") and media.count >= 0
        return _flaw_of_chunk(media) if whole else f"a block of sound has the count {media.count!r}"
    block: AudioData = media
    if not _is_count(block.number_of_frames, MOST_COUNT):
        return f"a block of sound has {block.number_of_frames!r} frames"
    if not _is_memory(block.data):
        return "the data of a block of sound are not a memoryview of bytes"
    size = block.number_of_frames * block.number_of_channels * SAMPLE_FORMATS[block.format].bits // 8
    if block.data.nbytes != size and not (block.blank and not block.data.nbytes):
        return f"a block of sound has {block.data.nbytes} bytes; {block.number_of_frames} frames in {block.format} have {size}"
    return ""


def _flaw_of_chunk(chunk: Any) -> str:
    if chunk.type not in (KEY, DELTA):
        return f"a chunk has the type {chunk.type!r}"
    if not _is_memory(chunk.data):
        return "the data of a chunk are not a memoryview of bytes"
    if not isinstance(chunk.description, bytes | None):
        return f"a chunk has a {type(chunk.description).__name__} as its description"
    return ""


def _is_count(number: Any, most: int) -> bool:
    return bool(hasattr(number, "__index__") and 0 < number <= most)


def _is_tuple(given: Any, length: int) -> bool:
    return isinstance(given, tuple) and len(given) == length


def _is_memory(view: Any) -> bool:
    return isinstance(view, memoryview) and view.ndim == 1 and view.itemsize == 1 and view.c_contiguous


def _is_within(rect: Any, width: int, height: int) -> bool:
    if not _is_tuple(rect, 4) or not all(hasattr(side, "__index__") for side in rect):
        return False
    x, y, wide, high = rect
    return bool(x >= 0 and y >= 0 and wide > 0 and high > 0 and x + wide <= width and y + high <= height)


def _text(sides: tuple[Any, Any]) -> str:
    return f"{sides[0]}×{sides[1]}"
