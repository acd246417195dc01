"""The memory of pictures on their way to an encoder: used again for the next one, unless somebody holds it still."""

from __future__ import annotations

import av

from mscli.sinks.convert import PictureReader
from tests.sinks.synth import BLUE, GREEN, RED, picture


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
