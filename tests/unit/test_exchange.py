"""Frames and sound to and from NumPy and PyAV: the same pixels and samples, shared if possible, and clear errors if not."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any

import av
import numpy as np
import pytest

from mscli.core.errors import ArgumentError, InvalidStateError, NotSupportedError
from mscli.core.frames import (
    BT709,
    LIMITED_RGB,
    PIXEL_FORMATS,
    AudioData,
    EncodedAudioChunk,
    EncodedVideoChunk,
    Rect,
    VideoColorSpace,
    VideoFrame,
    frame_bytes,
    split_planes,
)

RNG = np.random.default_rng(1)
COLOURS = RNG.integers(0, 256, (48, 64, 3), np.uint8)
SHAPES = {
    "I420": (72, 64), "NV12": (72, 64), "I422": (96, 64), "YUYV": (48, 64, 2), "UYVY": (48, 64, 2), "I444": (3, 48, 64),
    "RGB24": (48, 64, 3), "BGR24": (48, 64, 3), "RGBA": (48, 64, 4), "RGBX": (48, 64, 4), "BGRA": (48, 64, 4),
    "BGRX": (48, 64, 4), "GREY": (48, 64),
}  # fmt: skip


def noise(name: str) -> VideoFrame:
    """Return a frame of 64×48 with random bytes."""
    return VideoFrame.from_ndarray(RNG.integers(0, 256, SHAPES[name], np.uint8), name, timestamp=5)


@pytest.mark.parametrize("name", PIXEL_FORMATS)
def test_an_array_becomes_a_frame_and_the_same_array_again(name: str) -> None:
    array = RNG.integers(0, 256, SHAPES[name], np.uint8)
    frame = VideoFrame.from_ndarray(array, name, timestamp=7, duration=3)
    assert (frame.format, frame.coded_width, frame.coded_height, frame.timestamp, frame.duration) == (name, 64, 48, 7, 3)
    assert np.array_equal(frame.to_ndarray(), array)
    assert not frame.to_ndarray().flags.writeable


@pytest.mark.parametrize("name", PIXEL_FORMATS)
def test_a_frame_goes_to_pyav_and_back(name: str) -> None:
    frame = noise(name)
    picture = frame.to_av()
    assert (picture.format.name, picture.pts, picture.time_base) == (PIXEL_FORMATS[name].ffmpeg, 5, Fraction(1, 1_000_000))
    again = VideoFrame.from_av(picture)
    assert (again.format, again.timestamp, again.color_space) == (frame.format, 5, frame.color_space)
    assert np.array_equal(again.to_ndarray(), frame.to_ndarray())


@pytest.mark.parametrize("wanted", ["rgb24", "bgr24", "gray", "rgba", "yuv420p", "nv12", "GREY", "RGBX"])
@pytest.mark.parametrize("name", PIXEL_FORMATS)
def test_pixels_are_converted_as_pyav_converts_them(name: str, wanted: str) -> None:
    frame = noise(name)
    ffmpeg = {"GREY": "gray", "RGBX": "rgb0"}.get(wanted, wanted)
    expected = VideoFrame.from_av(frame.to_av().reformat(format=ffmpeg)).to_ndarray()
    assert np.array_equal(frame.to_ndarray(wanted), expected)


@pytest.mark.parametrize("name", ["RGB24", "BGR24", "RGBA", "GREY"])
def test_packed_rgb_and_grey_share_their_memory(name: str) -> None:
    frame = noise(name)
    memory = np.frombuffer(frame.planes[0], np.uint8)
    assert np.shares_memory(frame.to_ndarray(), memory)
    assert np.shares_memory(frame.to_ndarray(PIXEL_FORMATS[name].ffmpeg), memory)
    assert np.shares_memory(np.asarray(frame), memory)
    assert np.array(frame, np.uint16).dtype == np.uint16


def test_an_array_outlives_its_frame() -> None:
    frame = VideoFrame.from_ndarray(COLOURS)
    array = frame.to_ndarray()
    frame.close()
    del frame
    assert np.array_equal(array, COLOURS)


@pytest.mark.parametrize("name", PIXEL_FORMATS)
def test_padding_between_rows_is_left_out(name: str) -> None:
    """Decoders pad their rows."""
    picture = noise(name).to_av().reformat(width=50, height=34, format=PIXEL_FORMATS[name].ffmpeg)
    frame = VideoFrame.from_av(picture)
    copied = bytearray(frame.allocation_size())
    frame.copy_to(copied)
    assert frame.to_ndarray().tobytes() == bytes(copied)
    assert len(copied) == frame.to_ndarray().size


@pytest.mark.parametrize("name", ["RGB24", "GREY", "I420"])
def test_only_the_visible_part_is_in_the_array(name: str) -> None:
    frame = replace(noise(name), visible_rect=Rect(8, 4, 32, 16))
    assert frame.to_ndarray("rgb24").shape == (16, 32, 3)
    assert frame.to_av().width == 32
    if name != "I420":
        assert np.array_equal(frame.to_ndarray(), replace(frame, visible_rect=None).to_ndarray()[4:20, 8:40])


@pytest.mark.parametrize(("width", "height"), [(63, 48), (64, 47), (63, 47)])
@pytest.mark.parametrize("name", ["I420", "NV12"])
def test_a_frame_of_an_odd_size_in_one_piece_is_converted(name: str, width: int, height: int) -> None:
    planes, strides = split_planes(name, width, height, memoryview(bytes([128]) * frame_bytes(name, width, height)))
    grey = VideoFrame(name, width, height, 0, planes, strides).to_ndarray("rgb24")
    assert (grey.shape, np.ptp(grey)) == ((height, width, 3), 0)


def test_a_frame_is_scaled_as_it_is_shown() -> None:
    frame = replace(noise("RGB24"), display_size=(32, 24))
    assert frame.to_ndarray().shape == (24, 32, 3)
    assert (frame.to_av().width, frame.to_av().height) == (32, 24)


def test_grey_of_sixteen_bits_is_an_array_of_numbers() -> None:
    levels = np.arange(48 * 64, dtype="<u2").reshape(48, 64)
    frame = VideoFrame("Y16", 64, 48, 0, (memoryview(levels.tobytes()),), (128,))
    assert np.array_equal(frame.to_ndarray(), levels)


def test_rgb_of_limited_range_becomes_full_range() -> None:
    frame = VideoFrame("GREY", 2, 1, 0, (memoryview(b"\x10\xeb"),), (2,), color_space=LIMITED_RGB)
    assert frame.to_ndarray("rgb24").tolist() == [[[0] * 3, [255] * 3]]


@pytest.mark.parametrize(
    ("make", "error", "why"),
    [
        (lambda: VideoFrame.from_ndarray([[1]]), TypeError, "must be an array of NumPy, not list"),
        (lambda: VideoFrame.from_ndarray(COLOURS.astype(float)), TypeError, "uint8, not float64"),
        (lambda: VideoFrame.from_ndarray(COLOURS, "I420"), ValueError, r"\(48, 64, 3\) is no I420 .* × 1.5, width\)"),
        (lambda: VideoFrame.from_ndarray(COLOURS[:, :, 0], "rgb24"), ValueError, r"\(48, 64\) is no RGB24 .*, 3\)"),
        (lambda: VideoFrame.from_ndarray(COLOURS[:, :, :2]), TypeError, "has no usual format"),
        (lambda: VideoFrame.from_ndarray(COLOURS[:, :63, 0], "I420"), ValueError, r"\(48, 63\) is no I420"),
        (lambda: VideoFrame.from_ndarray(COLOURS[:46, :, 0], "NV12"), ValueError, r"\(46, 64\) is no NV12"),
        (lambda: VideoFrame.from_ndarray(COLOURS[:, :63, :2], "YUYV"), ValueError, "width must be even"),
        (lambda: VideoFrame.from_ndarray(COLOURS[:0]), ValueError, r"not \(0, 64, 3\)"),
        (lambda: VideoFrame.from_ndarray(COLOURS[None]), ValueError, r"not \(1, 48, 64, 3\)"),
        (lambda: VideoFrame.from_ndarray(COLOURS, "rgb25"), NotSupportedError, "unknown pixel format"),
        (lambda: VideoFrame.from_av(COLOURS), TypeError, "needs an av.VideoFrame"),
        (lambda: VideoFrame.from_av(av.VideoFrame(4, 4, "yuv444p10le")), NotSupportedError, "yuv444p10le"),
        (lambda: np.asarray(noise("I420")), TypeError, 'use to_ndarray\\(format="rgb24"\\)'),
        (lambda: AudioData.from_ndarray([1], 48000), TypeError, "must be an array of NumPy"),
        (lambda: AudioData.from_ndarray(np.zeros((4, 2)), 48000), TypeError, "not float64"),
        (lambda: AudioData.from_ndarray(np.zeros((4, 2, 2), np.int16), 48000), ValueError, r"not \(4, 2, 2\)"),
        (lambda: AudioData.from_ndarray(np.zeros(4, np.int16), 0), ValueError, "above 0"),
        (lambda: AudioData.from_av(COLOURS), TypeError, "needs an av.AudioFrame"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_told_with_what_would(make: Callable[[], Any], error: type[Exception], why: str) -> None:
    with pytest.raises(error, match=why):
        make()


@pytest.mark.parametrize("order", [lambda a: a[:, ::-1], lambda a: a[::-1], lambda a: a.transpose(1, 0, 2), np.asfortranarray])
def test_an_array_in_another_order_is_copied_as_it_looks(order: Callable[[Any], Any]) -> None:
    array = order(COLOURS)
    assert np.array_equal(VideoFrame.from_ndarray(array).to_ndarray(), array)


def test_a_frame_keeps_its_own_copy_of_an_array() -> None:
    array = COLOURS.copy()
    frame = VideoFrame.from_ndarray(array)
    array[:] = 0
    assert np.array_equal(frame.to_ndarray(), COLOURS)


def test_the_colour_of_a_picture_is_that_of_its_size() -> None:
    def color(height: int, name: str) -> VideoColorSpace:
        array = np.zeros((height, 16, 3) if name == "rgb24" else (height * 3 // 2, 16), np.uint8)
        return VideoFrame.from_ndarray(array, name).color_space

    assert (color(720, "yuv420p"), color(720, "rgb24").full_range) == (BT709, True)
    assert color(480, "yuv420p").matrix == "smpte170m"


# copy_to, as in WebCodecs


def test_a_rectangle_is_copied_into_a_layout() -> None:
    frame, target = noise("I420"), bytearray(1000)
    layout = [{"offset": 8, "stride": 20}, {"offset": 500, "stride": 10}, {"offset": 600, "stride": 10}]
    assert frame.copy_to(target, rect={"x": 2, "y": 4, "width": 16, "height": 8}, layout=layout) == layout
    whole = frame.to_ndarray()
    assert bytes(target[28:44]) == whole[5, 2:18].tobytes()
    assert bytes(target[500:508]) == whole[48:60].reshape(24, 32)[2, 1:9].tobytes()


def test_a_copy_in_another_format_is_what_the_format_needs() -> None:
    target = bytearray(noise("I420").allocation_size(format="RGBA"))
    assert noise("I420").copy_to(target, format="RGBA") == [{"offset": 0, "stride": 256}]
    assert len(target) == 64 * 48 * 4


@pytest.mark.parametrize(
    ("destination", "options", "why"),
    [
        (bytearray(10), {}, "does not fit into 10 bytes"),
        (bytes(10_000), {}, "read-only"),
        (5, {}, "cannot copy into int"),
        (bytearray(10_000), {"rect": {"x": 1, "y": 0, "width": 2, "height": 2}}, "multiples of 2×2"),
        (bytearray(10_000), {"rect": {"x": 0, "y": 0, "width": 66, "height": 2}}, "is not inside the frame"),
        (bytearray(10_000), {"rect": {"x": 0, "y": 0, "width": 0, "height": 2}}, "is no rectangle"),
        (bytearray(10_000), {"layout": [{"offset": 0, "stride": 64}]}, "has 3 plane"),
        (bytearray(10_000), {"layout": [{"offset": 0, "stride": 6}] * 3}, "does not fit into a stride of 6"),
    ],
)
def test_a_copy_that_does_not_fit_is_a_type_error(destination: Any, options: dict[str, Any], why: str) -> None:
    with pytest.raises(TypeError, match=why):
        noise("I420").copy_to(destination, **options)


# close, clone, pickle


@pytest.mark.parametrize("use", ["to_ndarray", "to_av", "allocation_size", "__array__"])
def test_a_closed_frame_cannot_be_used_but_its_clone_can(use: str) -> None:
    for frame in (noise("RGB24"), AudioData.from_ndarray(np.ones(4, np.int16), 8000)):
        twin = frame.clone()
        frame.close()
        frame.close()
        assert frame.closed
        with pytest.raises(InvalidStateError):
            getattr(frame, use)()
        getattr(twin, use)()
        assert "closed" in repr(frame)
        assert "closed" not in repr(twin)


MEDIA: list[Any] = [
    VideoFrame("I420", 4, 2, 9, (memoryview(b"12345678"), memoryview(b"12"), memoryview(b"34")), (4, 2, 2), sequence=3),
    VideoFrame.from_ndarray(COLOURS, notes={"backgroundBlur": {"enabled": True}}),
    AudioData.from_ndarray(np.ones((4, 2), np.int16), 8000),
    EncodedVideoChunk("key", 5, memoryview(b"abc"), "h264", 4, 2, description=b"d", visible_rect=Rect(0, 0, 2, 2)),
    EncodedAudioChunk("key", 5, memoryview(b"abc"), "opus", 48000, 2, 960),
]


@pytest.mark.parametrize("media", MEDIA)
def test_pickled_media_is_the_same(media: Any) -> None:
    again = pickle.loads(pickle.dumps(media))
    assert type(again) is type(media)
    assert repr(again) == repr(media)
    names = [name for name in media.__dataclass_fields__ if name not in ("planes", "data")]
    assert [getattr(again, name) for name in names] == [getattr(media, name) for name in names]
    views = [media.planes, again.planes] if isinstance(media, VideoFrame) else [(media.data,), (again.data,)]
    assert [bytes(view) for view in views[0]] == [bytes(view) for view in views[1]]


@pytest.mark.parametrize(
    ("media", "text"),
    [
        (MEDIA[0], "<VideoFrame I420 4×2 at 0.000009 s>"),
        (MEDIA[2].clone(), "<AudioData s16 8000 Hz, 2×4 samples at"),
        (MEDIA[3], "<EncodedVideoChunk key h264 4×2, 3 bytes at 0.000005 s>"),
        (MEDIA[4], "<EncodedAudioChunk key opus 960 samples, 3 bytes at 0.000005 s>"),
    ],
)
def test_media_says_what_it_is(media: Any, text: str) -> None:
    assert repr(media).startswith(text)


def test_metadata_is_what_the_source_says() -> None:
    assert MEDIA[1].metadata() == {"backgroundBlur": {"enabled": True}}
    assert MEDIA[0].metadata() == {}


def test_the_rest_of_webcodecs() -> None:
    frame = noise("I420")
    assert (frame.coded_rect, frame.rotation, frame.flip) == (Rect(0, 0, 64, 48), 0, False)


# Sound


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int32, np.float32, ">i2"])
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_samples_become_a_block_and_the_same_samples_again(dtype: Any, channels: int) -> None:
    samples = RNG.integers(0, 100, (480, channels)).astype(dtype)
    block = AudioData.from_ndarray(samples, 48000, timestamp=4)
    assert (block.number_of_channels, block.number_of_frames, block.duration, block.timestamp) == (channels, 480, 10_000, 4)
    assert np.array_equal(block.to_ndarray(), samples)
    assert np.array_equal(np.asarray(block), samples)
    again = AudioData.from_av(block.to_av())
    assert np.array_equal(again.to_ndarray(), samples)
    assert again.timestamp == 4


def test_samples_share_their_memory_and_are_converted_on_request() -> None:
    block = AudioData.from_ndarray(np.array([0, 16384, -32768], np.int16), 8000)
    assert np.shares_memory(block.to_ndarray(), np.frombuffer(block.data, np.int16))
    assert block.to_ndarray("f32").ravel().tolist() == [0, 0.5, -1]


def test_planar_sound_of_pyav_is_interleaved() -> None:
    frame = av.AudioFrame.from_ndarray(np.array([[1, 2], [3, 4]], np.int16), "s16p", "stereo")
    frame.sample_rate, frame.pts, frame.time_base = 8000, 8, Fraction(1, 8000)
    block = AudioData.from_av(frame)
    assert block.to_ndarray().tolist() == [[1, 3], [2, 4]]
    assert block.timestamp == 1000


def test_one_channel_is_copied_from_where_it_is_asked() -> None:
    block = AudioData.from_ndarray(np.array([[1, 2], [3, 4], [5, 6]], np.int16), 8000)
    target = bytearray(4)
    block.copy_to(target, format="s16-planar", planeIndex=1, frameOffset=1)
    assert np.frombuffer(target, np.int16).tolist() == [4, 6]
    assert block.allocation_size() == 12
    for wrong in ({"planeIndex": 1}, {"frameOffset": 4}, {"frameCount": 9}):
        with pytest.raises(ValueError, match=r"there is no|are not in"):
            block.copy_to(target, **wrong)
    with pytest.raises(ValueError, match="do not fit"):
        block.copy_to(target)
    with pytest.raises(NotSupportedError):
        block.copy_to(target, format="s17")


def test_a_frame_without_enough_memory_is_a_type_error() -> None:
    with pytest.raises(ArgumentError, match="too short"):
        VideoFrame("RGB24", 64, 48, 0, (memoryview(bytes(100)),), (192,)).to_ndarray()
