"""Frames and sound to and from NumPy arrays and PyAV's frames.

``core/frames.py`` loads this module by name, because the core knows neither library. What ``copy_to`` does is defined by
https://www.w3.org/TR/webcodecs/#dom-videoframe-copyto and https://www.w3.org/TR/webcodecs/#dom-audiodata-copyto.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from threading import local
from typing import TYPE_CHECKING, Any

from mscli.core.clock import MICROSECONDS, now_us
from mscli.core.errors import ArgumentError, NotSupportedError
from mscli.core.frames import (
    BT601,
    BT709,
    FORMATS,
    LIMITED_RGB,
    SAMPLE_FORMATS,
    AudioData,
    PixelFormat,
    Plane,
    Rect,
    VideoColorSpace,
    VideoFrame,
    frame_bytes,
    is_yuv,
    pixel_format,
    split_planes,
)
from mscli.core.tuples import NamedTuple

if TYPE_CHECKING:
    import av
    from numpy.typing import NDArray

    Array = NDArray[Any]

_DEPTHS = {1: "GREY", 3: "RGB24", 4: "RGBA"}  # components of a pixel → the usual format of an array
_HD_ROWS = 720  # from here on, pictures without a stated colour are BT.709


# Pictures and arrays


def to_ndarray(frame: VideoFrame, name: str) -> Array:
    """Return the visible pixels as an array of a format: see ``VideoFrame.to_ndarray``."""
    shown = _as_shown(frame)
    if name and pixel_format(name).name != shown.format:
        return _reformatted(shown, pixel_format(name))
    row = FORMATS[shown.format]
    if len(row.planes) == 1:
        return _packed(shown, row.planes[0])
    return _planar(shown, row)


def _reformatted(frame: VideoFrame, wanted: PixelFormat) -> Array:
    """Return the pixels converted by PyAV, as fast and as exact as it does so by itself."""
    from av.video.reformatter import VideoReformatter

    from mscli.media import pictures

    if not hasattr(_PER_THREAD, "reformatter"):
        _PER_THREAD.reformatter = VideoReformatter()  # it is slow to set up, and only for one thread at a time
    picture = pictures.without_depth(_wrapped(frame), wanted.ffmpeg)
    picture = _PER_THREAD.reformatter.reformat(picture, format=wanted.ffmpeg)
    if wanted.name in _ARRAYS_OF_PYAV:
        array: Array = picture.to_ndarray()
        return array
    return to_ndarray(from_av(picture, {}), "")


_PER_THREAD = local()
_ARRAYS_OF_PYAV = {"I420", "NV12", "RGB24", "BGR24", "RGBA", "BGRA", "GREY"}  # with the same shapes
_WRAPPED = {"I420", "NV12", "RGB24", "BGR24", "RGBA", "BGRA", "GREY"}  # what PyAV takes without a copy, if its sides are even


def _wrapped(frame: VideoFrame) -> av.VideoFrame:
    """Return the frame as PyAV's, without a copy if its memory is in one piece."""
    import av

    from mscli.media import pictures

    row = FORMATS[frame.format]
    even = len(row.planes) == 1 or not (frame.coded_width % 2 or frame.coded_height % 2)
    wrappable = frame.format in _WRAPPED and even and frame.color_space != LIMITED_RGB
    data = _one_piece(frame, row) if wrappable else None
    if data is None:
        return pictures.as_picture(frame)
    height, width, depth = frame.coded_height, frame.coded_width, row.planes[0].unit_bytes
    shape = (height, width, depth) if depth > 1 else (data.size // width, width)
    picture = av.VideoFrame.from_numpy_buffer(data.reshape(shape), row.ffmpeg)
    return pictures.described(picture, frame.timestamp, pictures.in_range(frame.format, frame.color_space))


def _one_piece(frame: VideoFrame, row: PixelFormat) -> Array | None:
    """Return the planes as one array without copying, or None if they do not follow each other without padding."""
    if not frame.packed:
        return None
    arrays = [_flat(view) for view in frame.planes]
    at = first = _address(arrays[0])
    for array, plane in zip(arrays, row.planes, strict=True):
        size = plane.row_bytes(frame.coded_width) * plane.rows(frame.coded_height)
        if _address(array) != at or array.size < size:
            return None
        at += size
    if len(arrays) == 1:
        return arrays[0][: at - first]
    whole = frame.planes[0].obj
    if any(view.obj is not whole for view in frame.planes):
        return None
    data = _flat(memoryview(whole))
    start = first - _address(data)
    return data[start : start + at - first]


def _as_shown(frame: VideoFrame) -> VideoFrame:
    """Return the frame with its visible part alone. One plane of whole pixels is not copied."""
    if frame.whole and frame.visible_rect is None:
        return frame
    row = FORMATS[frame.format]
    if len(row.planes) == 1 and row.planes[0].h == 1 and frame.display_size is None and frame.visible_rect is not None:
        return _cut(frame, frame.visible_rect, row.planes[0])
    return converted(frame, frame.format)


def _cut(frame: VideoFrame, rect: Rect, plane: Plane) -> VideoFrame:
    first = rect.y * frame.strides[0] + plane.row_bytes(rect.x)
    views = (frame.planes[0][first:],)
    return replace(frame, coded_width=rect.width, coded_height=rect.height, planes=views, visible_rect=None)


def converted(frame: VideoFrame, name: str) -> VideoFrame:
    """Return the frame in a format, cropped and scaled as it is shown. Raises NotSupportedError."""
    from mscli.media.pictures import Converter

    wanted = pixel_format(name)
    if wanted.name == frame.format and frame.visible_rect is None and frame.whole:
        return frame
    found = Converter(wanted.name).convert(frame)
    if found is None:
        raise ArgumentError(f"the planes are too short for a picture of {frame.coded_width}×{frame.coded_height}")
    return found


def _packed(frame: VideoFrame, plane: Plane) -> Array:
    """Return the only plane as an array of rows, pixels and components. It shares the frame's memory."""
    import numpy as np

    row, stride, rows = plane.row_bytes(frame.coded_width), frame.strides[0], plane.rows(frame.coded_height)
    lines = _lines(frame.planes[0], row, stride, rows)
    if FORMATS[frame.format].ffmpeg.startswith("gray") and plane.unit_bytes == 2:
        order = ">" if frame.format.endswith("BE") else "<"
        return lines.view(f"{order}u2") if stride == row else np.ascontiguousarray(lines).view(f"{order}u2")
    if plane.unit_bytes == 1:
        return lines
    depth = plane.unit_bytes // plane.h
    return np.lib.stride_tricks.as_strided(lines, (rows, row // depth, depth), (stride, depth, 1), writeable=False)


def _lines(view: memoryview, row: int, stride: int, rows: int) -> Array:
    """Return a plane as an array of rows without padding, and without copying."""
    import numpy as np

    data = _flat(view)
    if data.size < stride * (rows - 1) + row:
        raise ArgumentError(f"a plane of {data.size} bytes is too short for {rows} rows of {row} bytes")
    if data.size >= stride * rows:
        return data[: stride * rows].reshape(rows, stride)[:, :row]
    return np.lib.stride_tricks.as_strided(data, (rows, row), (stride, 1))


def _address(array: Array) -> int:
    address: int = array.__array_interface__["data"][0]
    return address


def _planar(frame: VideoFrame, form: PixelFormat) -> Array:
    """Return the planes below one another, as OpenCV and PyAV have them. They are copied unless their memory is one piece."""
    import numpy as np

    planes = form.planes
    width = planes[0].row_bytes(frame.coded_width)
    total = sum(plane.row_bytes(frame.coded_width) * plane.rows(frame.coded_height) for plane in planes)
    if total % width:
        raise NotSupportedError(
            f"an array of {frame.format} needs an even width and height, not {frame.coded_width}×{frame.coded_height}",
            hints=['to_ndarray(format="rgb24") takes every size'],
        )
    whole = _one_piece(frame, form)
    if whole is not None:
        return _shaped(whole, form, width)
    array, at = np.empty(total, np.uint8), 0
    for view, stride, plane in zip(frame.planes, frame.strides, planes, strict=True):
        row, rows = plane.row_bytes(frame.coded_width), plane.rows(frame.coded_height)
        array[at : at + row * rows].reshape(rows, row)[:] = _lines(view, row, stride, rows)
        at += row * rows
    return _shaped(array, form, width)


def _shaped(array: Array, form: PixelFormat, width: int) -> Array:
    """Return the planes as a read-only array: those of equal size one by one, others below one another."""
    array = array.reshape(3, -1, width) if form.name == _THREE_PLANES else array.reshape(-1, width)
    array.flags.writeable = False
    return array


_THREE_PLANES = "I444"


def _flat(view: memoryview) -> Array:
    import numpy as np

    return np.frombuffer(view, np.uint8)


def as_array(frame: VideoFrame, dtype: Any, copy: bool | None) -> Array:
    """Return the frame for ``np.asarray``: RGB and grey only, because other formats have no obvious array."""
    import numpy as np

    if is_yuv(frame.format):
        raise ArgumentError(f'a frame of {frame.format} is no array by itself; use to_ndarray(format="rgb24")')
    return np.array(to_ndarray(frame, ""), dtype=dtype, copy=copy)


def from_ndarray(array: Any, name: str, timestamp: int | None, more: Mapping[str, Any]) -> VideoFrame:
    """Return a frame of an array: see ``VideoFrame.from_ndarray``."""
    pixels = _bytes_array(array)
    form = pixel_format(name).name if name else _DEPTHS.get(1 if pixels.ndim == 2 else pixels.shape[-1], "")
    if not form:
        raise ArgumentError(f'an array of shape {pixels.shape} has no usual format; name it: format="rgb24"')
    width, height = _size_of(pixels, form)
    data = memoryview(pixels.tobytes())
    planes, strides = split_planes(form, width, height, data)
    color = more.get("color_space") or (_usual_color(form, height))
    rest = {key: value for key, value in more.items() if key != "color_space"}
    return VideoFrame(
        form, width, height, now_us() if timestamp is None else timestamp, planes, strides, color_space=color, **rest
    )


def _usual_color(form: str, height: int) -> VideoColorSpace:
    color = BT709 if height >= _HD_ROWS else BT601
    return color if is_yuv(form) else color._replace(full_range=True)


def _bytes_array(array: Any) -> Array:
    """Return the array of bytes. Raises TypeError for anything else."""
    import numpy as np

    if not isinstance(array, np.ndarray):
        raise ArgumentError(f"a picture must be an array of NumPy, not {type(array).__name__}")
    if array.dtype != np.uint8:
        raise ArgumentError(f"a picture must be an array of uint8, not {array.dtype}; scale it to 0 … 255 first")
    if array.ndim not in (2, 3) or not array.size:
        raise ValueError(f"a picture has the shape (height, width) or (height, width, components), not {array.shape}")
    return array


def _size_of(pixels: Array, form: str) -> tuple[int, int]:
    """Return the width and the height of a picture. Raises ValueError, with both shapes, if the array does not fit."""
    row = FORMATS[form]
    height, width = pixels.shape[-2:] if form == _THREE_PLANES else pixels.shape[:2]
    if form == _THREE_PLANES:
        expected: tuple[int, ...] = (3, height, width)
    elif len(row.planes) > 1:
        height = height * row.planes[0].unit_bytes * 8 // row.bits
        expected = (frame_bytes(form, width, height) // width, width)
    elif row.planes[0].unit_bytes == 1:
        expected = (height, width)
    else:
        plane = row.planes[0]
        expected = (height, width, plane.unit_bytes // plane.h)
    if pixels.shape != expected or (len(row.planes) > 1 and frame_bytes(form, width, height) != pixels.size):
        raise ValueError(f"an array of shape {pixels.shape} is no {form} picture; {form} has the shape {_words(form)}")
    if row.planes[0].h > 1 and len(row.planes) == 1 and width % row.planes[0].h:
        raise ValueError(f"an array of shape {pixels.shape} is no {form} picture: its width must be even")
    return width, height


def _words(form: str) -> str:
    row = FORMATS[form]
    if form == _THREE_PLANES:
        return "(3, height, width)"
    if len(row.planes) > 1:
        return f"(height × {row.bits / 8:g}, width)"
    plane = row.planes[0]
    return "(height, width)" if plane.unit_bytes == 1 else f"(height, width, {plane.unit_bytes // plane.h})"


# Pictures and PyAV


def to_av(frame: VideoFrame) -> av.VideoFrame:
    """Return a copy as PyAV's frame, cropped and scaled as it is shown, in microseconds."""
    from mscli.media import pictures

    shown = frame if frame.display_size is None else converted(frame, frame.format)
    return pictures.as_picture(shown)


def from_av(picture: Any, more: Mapping[str, Any]) -> VideoFrame:
    """Return PyAV's picture as a frame without copying. Raises NotSupportedError for an unknown format."""
    import av

    from mscli.media.pictures import BY_FFMPEG, color_of

    if not isinstance(picture, av.VideoFrame):
        raise ArgumentError(f"from_av needs an av.VideoFrame, not {type(picture).__name__}")
    row = BY_FFMPEG.get(picture.format.name)
    if row is None or row.name not in FORMATS:
        hints = ['convert it first: picture.reformat(format="yuv420p")']
        raise NotSupportedError(f"there is no pixel format for FFmpeg's {picture.format.name}", hints=hints)
    color = color_of(picture)
    if picture.format.name.startswith("yuvj"):
        color = color._replace(full_range=True)
    rest = {"color_space": color, "duration": _microseconds(picture.duration or None, picture.time_base), **more}
    return VideoFrame(
        row.name, picture.width, picture.height, _microseconds(picture.pts, picture.time_base) or 0,
        tuple(memoryview(plane).toreadonly() for plane in picture.planes),
        tuple(plane.line_size for plane in picture.planes), **rest,
    )  # fmt: skip


def _microseconds(ticks: int | None, base: Any) -> int | None:
    return None if ticks is None or base is None else round(ticks * base * MICROSECONDS)


# copy_to


class _Copied(NamedTuple):
    """A frame in the right format, and the rectangle of it that is copied."""

    frame: VideoFrame
    rect: Rect


def allocation_size(frame: VideoFrame, options: Mapping[str, Any]) -> int:
    """Return how many bytes ``copy_video`` needs."""
    copied = _copied(frame, options)
    return max(end for _, end in _layout(copied, options))


def copy_video(frame: VideoFrame, destination: Any, options: Mapping[str, Any]) -> list[dict[str, int]]:
    """Copy a rectangle of the frame in a format, and return the offset and stride of each plane."""
    copied = _copied(frame, options)
    target = _writable(destination)
    layout = _layout(copied, options)
    need = max(end for _, end in layout)
    if need > target.nbytes:
        raise ArgumentError(f"a frame of {need} bytes does not fit into {target.nbytes} bytes")
    rect, row = copied.rect, FORMATS[copied.frame.format]
    for (place, _), plane, view, stride in zip(layout, row.planes, copied.frame.planes, copied.frame.strides, strict=True):
        width, rows = plane.row_bytes(rect.width), plane.rows(rect.height)
        first = rect.y // plane.v * stride + plane.row_bytes(rect.x)
        for line in range(rows):
            at, source = place["offset"] + line * place["stride"], first + line * stride
            target[at : at + width] = view[source : source + width]
    return [place for place, _ in layout]


def _copied(frame: VideoFrame, options: Mapping[str, Any]) -> _Copied:
    wanted = options.get("format")
    if wanted is not None and pixel_format(wanted).name != frame.format:
        frame = converted(frame, wanted)
    whole = frame.visible_rect or Rect(0, 0, frame.coded_width, frame.coded_height)
    given = options.get("rect")
    rect = whole if given is None else Rect(*(int(given[side]) for side in ("x", "y", "width", "height")))
    if rect.x < 0 or rect.y < 0 or rect.width <= 0 or rect.height <= 0:
        raise ArgumentError(f"{tuple(rect)} is no rectangle")
    if rect.x + rect.width > frame.coded_width or rect.y + rect.height > frame.coded_height:
        raise ArgumentError(f"the rectangle {tuple(rect)} is not inside the frame of {frame.coded_width}×{frame.coded_height}")
    for plane in FORMATS[frame.format].planes:
        if rect.x % plane.h or rect.y % plane.v:
            raise ArgumentError(f"{frame.format} can be cut at multiples of {plane.h}×{plane.v} only, not at {tuple(rect[:2])}")
    return _Copied(frame, rect)


def _layout(copied: _Copied, options: Mapping[str, Any]) -> list[tuple[dict[str, int], int]]:
    """Return the place of each plane, and where its bytes end. Without a layout, they follow each other."""
    planes = FORMATS[copied.frame.format].planes
    given = options.get("layout")
    if given is not None and len(given) != len(planes):
        raise ArgumentError(f"{copied.frame.format} has {len(planes)} plane(s), the layout has {len(given)}")
    found, at = [], 0
    for number, plane in enumerate(planes):
        width, rows = plane.row_bytes(copied.rect.width), plane.rows(copied.rect.height)
        place = (
            {"offset": at, "stride": width} if given is None else {key: int(given[number][key]) for key in ("offset", "stride")}
        )
        if place["offset"] < 0 or place["stride"] < width:
            raise ArgumentError(f"a row of {width} bytes does not fit into a stride of {place['stride']}")
        end = place["offset"] + place["stride"] * (rows - 1) + width
        found.append((place, end))
        at += width * rows
    return found


def _writable(destination: Any) -> memoryview:
    try:
        target = memoryview(destination).cast("B")
    except (TypeError, ValueError) as error:
        raise ArgumentError(f"cannot copy into {type(destination).__name__}: {error}") from None
    if target.readonly:
        raise ArgumentError(f"cannot copy into {type(destination).__name__}: it is read-only")
    return target


# Sound

_DTYPES = {"u8": "u1", "s16": "i2", "s32": "i4", "f32": "f4"}
_PLANAR = "-planar"


def sound_to_ndarray(block: AudioData, name: str) -> Array:
    """Return the samples as an array of (samples, channels): see ``AudioData.to_ndarray``."""
    import numpy as np

    block = _sound_as(block, name)
    return np.frombuffer(block.data, _DTYPES[block.format]).reshape(-1, block.number_of_channels)


def _sound_as(block: AudioData, name: str) -> AudioData:
    if not name or name == block.format:
        return block
    _check_samples(name)
    from mscli.media.sound import SampleConverter

    return SampleConverter(name).convert(block)


def _check_samples(name: str) -> None:
    if name not in SAMPLE_FORMATS:
        raise NotSupportedError(f"unknown sample format “{name}”", hints=[f"sample formats: {', '.join(SAMPLE_FORMATS)}"])


def sound_as_array(block: AudioData, dtype: Any, copy: bool | None) -> Array:
    """Return the samples for ``np.asarray``."""
    import numpy as np

    return np.array(sound_to_ndarray(block, ""), dtype=dtype, copy=copy)


def sound_from_ndarray(array: Any, sample_rate: int, timestamp: int | None) -> AudioData:
    """Return a block of an array of (samples, channels), or of one channel: see ``AudioData.from_ndarray``."""
    import numpy as np

    if not isinstance(array, np.ndarray):
        raise ArgumentError(f"sound must be an array of NumPy, not {type(array).__name__}")
    names = {dtype: name for name, dtype in _DTYPES.items()}
    form = names.get(array.dtype.newbyteorder("=").str[1:])
    if form is None:
        raise ArgumentError(f"sound must be an array of {', '.join(sorted(names))}, not {array.dtype}")
    if array.ndim not in (1, 2) or not array.size:
        raise ValueError(f"sound has the shape (samples, channels) or (samples,), not {array.shape}")
    if sample_rate <= 0:
        raise ValueError(f"a sample rate is above 0, not {sample_rate}")
    channels = 1 if array.ndim == 1 else array.shape[1]
    data = memoryview(np.ascontiguousarray(array, array.dtype.newbyteorder("=")).tobytes())
    lasts_us = len(array) * MICROSECONDS // sample_rate
    at_us = now_us() - lasts_us if timestamp is None else timestamp
    return AudioData(form, sample_rate, len(array), channels, at_us, data)


def sound_to_av(block: AudioData) -> av.AudioFrame:
    """Return a copy as PyAV's frame, in microseconds."""
    from mscli.media.pictures import CLOCK
    from mscli.media.sound import as_samples

    frame = as_samples(block)
    frame.pts, frame.time_base = block.timestamp, CLOCK
    return frame


def sound_from_av(frame: Any) -> AudioData:
    """Return PyAV's frame as an interleaved block."""
    import av

    from mscli.media.sound import as_block

    if not isinstance(frame, av.AudioFrame):
        raise ArgumentError(f"from_av needs an av.AudioFrame, not {type(frame).__name__}")
    names = {row.ffmpeg: row.name for row in SAMPLE_FORMATS.values()}
    packed = frame.format.packed.name
    form = names.get(packed, "f32" if packed == "dbl" else "")
    if not form:
        raise NotSupportedError(f"there is no sample format for FFmpeg's {frame.format.name}")
    if frame.format.name != SAMPLE_FORMATS[form].ffmpeg:
        pts, base = frame.pts, frame.time_base
        (frame,) = av.AudioResampler(SAMPLE_FORMATS[form].ffmpeg).resample(frame)
        frame.pts, frame.time_base = pts, base
    return replace(as_block(frame, form), timestamp=_microseconds(frame.pts, frame.time_base) or 0)


def sound_bytes(block: AudioData, options: Mapping[str, Any]) -> bytes:
    """Return the bytes that ``copy_to`` copies."""
    import numpy as np

    given = str(options.get("format", block.format))
    name = given.removesuffix(_PLANAR)
    _check_samples(name)
    first = int(options.get("frameOffset", 0))
    count = int(options.get("frameCount", block.number_of_frames - first))
    plane = int(options.get("planeIndex", 0))
    most = block.number_of_channels if given.endswith(_PLANAR) else 1
    if not 0 <= plane < most:
        raise ValueError(f"there are {most} plane(s), numbered from 0; there is no {plane}")
    if first < 0 or count < 0 or first + count > block.number_of_frames:
        raise ValueError(f"{count} samples from {first} on are not in a block of {block.number_of_frames}")
    samples = sound_to_ndarray(block, name)[first : first + count]
    return (np.ascontiguousarray(samples[:, plane]) if given.endswith(_PLANAR) else samples).tobytes()


def copy_sound(block: AudioData, destination: Any, options: Mapping[str, Any]) -> None:
    """Copy samples into ``destination``."""
    target, data = _writable(destination), sound_bytes(block, options)
    if len(data) > target.nbytes:
        raise ValueError(f"{len(data)} bytes of sound do not fit into {target.nbytes} bytes")
    target[: len(data)] = data
