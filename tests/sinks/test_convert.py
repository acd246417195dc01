"""Pictures on their way to an encoder: memory is used again unless somebody holds it still, and what gave none is counted."""

from __future__ import annotations

import av
import pytest

from mscli.core.frames import VideoFrame
from mscli.media.pictures import Converter, PictureReader
from tests.sinks.serial import numbered
from tests.sinks.synth import BLUE, GREEN, RED, h264, picture


def address(shown: av.VideoFrame) -> int:
    return int(shown.planes[0].buffer_ptr)


def test_pictures_that_are_needed_one_at_a_time_share_their_memory() -> None:
    reader = PictureReader(one_at_a_time=True)
    (first,) = reader.read(picture(rgb=RED))
    before = address(first)
    (second,) = reader.read(picture(rgb=GREEN))
    assert address(second) == before
    assert bytes(second.planes[0])[:64] == bytes(picture(rgb=GREEN).planes[0])[:64]


def test_one_that_is_held_keeps_its_memory() -> None:
    reader = PictureReader(one_at_a_time=True)
    (first,) = reader.read(picture(rgb=RED))
    graph = av.filter.Graph()
    graph.link_nodes(graph.add_buffer(width=64, height=48, format=first.format, time_base=first.time_base),
                     graph.add("null"), graph.add("buffersink")).configure()  # fmt: skip
    graph.push(first)
    (second,) = reader.read(picture(rgb=BLUE))
    held = graph.pull()
    assert isinstance(held, av.VideoFrame)
    assert bytes(held.planes[0])[:64] == bytes(picture(rgb=RED).planes[0])[:64]
    assert bytes(second.planes[0])[:64] == bytes(picture(rgb=BLUE).planes[0])[:64]


def test_one_of_another_shape_gets_its_own() -> None:
    reader = PictureReader(one_at_a_time=True)
    for frame in (picture("I420", 64, 48), picture("YUYV", 64, 48), picture("I420", 32, 24), picture("I420", 63, 47)):
        (shown,) = reader.read(frame)
        assert (shown.width, shown.height) == (frame.coded_width, frame.coded_height)


def test_others_get_memory_of_their_own_each() -> None:
    reader = PictureReader()
    (first,), (second,) = reader.read(picture(rgb=RED)), reader.read(picture(rgb=GREEN))
    assert address(first) != address(second)
    assert bytes(first.planes[0])[:64] == bytes(picture(rgb=RED).planes[0])[:64]


def test_encoded_pictures_that_a_decoder_swallows_without_an_error_are_damaged() -> None:
    reader = PictureReader()
    stream = [frame for frame in numbered(90, "H264") if frame.sequence % 7 != 6]
    given = [picture for frame in stream for picture in reader.read(frame)]
    given += reader.rest()
    assert reader.failures == 0
    assert reader.faults.damaged == len(stream) - len(given) > 0


def test_what_a_decoder_holds_until_the_rest_is_asked_for_is_not_damaged() -> None:
    stream = h264(10, reordered=2)
    reader = PictureReader()
    given = [picture for frame in stream for picture in reader.read(frame)]
    assert len(given) < len(stream) == len(given) + len(reader.rest())
    assert reader.faults.damaged == 0


def test_a_picture_that_was_not_converted_is_damaged() -> None:
    converter = Converter("I420")
    stream = [frame for frame in numbered(90, "H264") if frame.sequence % 7 != 6]
    given = [frame for frame in map(converter.convert, stream) if frame is not None]
    assert converter.faults.damaged == len(stream) - len(given) > 0


@pytest.mark.parametrize(("name", "bits"), [("Y10", 10), ("Y12", 12), ("Y14", 14), ("Y16", 16), ("Y16BE", 16)])
@pytest.mark.parametrize("wanted", ["GREY", "RGB24"])
def test_deep_grey_is_rounded(name: str, bits: int, wanted: str) -> None:
    most = (1 << bits) - 1
    values = [*range(0, most, most // 1000), most]
    data = b"".join(value.to_bytes(2, "big" if name.endswith("BE") else "little") for value in values)
    deep = VideoFrame(name, len(values), 1, 0, (memoryview(data),), (len(data),))
    converted = Converter(wanted).convert(deep)
    assert converted is not None
    depth = 3 if wanted == "RGB24" else 1
    levels = list(bytes(converted.planes[0])[: depth * len(values) : depth])
    assert levels == [round(value * 255 / most) for value in values]
    assert deep.to_ndarray(wanted).reshape(-1)[::depth].tolist() == levels
