"""Crop, flip and rotate pictures, by libavfilter: https://ffmpeg.org/ffmpeg-filters.html#transpose."""

from __future__ import annotations

from typing import Any

import av
from av.filter import Graph

from mscli.core.frames import Rect
from mscli.core.orientation import Orientation

_FLIPS = {"horizontal": "hflip", "vertical": "vflip"}
_TURNS = {90: ("transpose", "clock"), 270: ("transpose", "cclock")}
_VIEWS = ("crop", "vflip")  # filters that return the memory of their input, from another place on or backwards


class Orienter:
    """A step that crops, flips and rotates pictures, in this order. It keeps its filters while their shape stays the same."""

    def __init__(self, orientation: Orientation) -> None:
        self._orientation = orientation
        self._graph: Graph | None = None
        self._shape: tuple[Any, ...] = ()

    def __call__(self, picture: av.VideoFrame) -> av.VideoFrame:
        """Return the picture as it is wanted. Raises NotSupportedError if it is smaller than the crop."""
        shape = picture.width, picture.height, picture.format.name
        if self._graph is None or shape != self._shape:
            self._graph, self._shape = _graph(picture, self._filters(picture)), shape
        self._graph.push(picture)
        made = self._graph.pull()
        assert isinstance(made, av.VideoFrame), "the graph has only video"
        made.pts, made.time_base, made.colorspace, made.color_range = (
            picture.pts, picture.time_base, picture.colorspace, picture.color_range,
        )  # fmt: skip
        return made

    def _filters(self, picture: av.VideoFrame) -> list[tuple[str, str]]:
        wanted, filters = self._orientation, []
        wanted.size_of(picture.width, picture.height)  # raises the error of a crop that does not fit
        if wanted.crop is not None:
            filters.append(("crop", _crop(wanted.crop)))
        if wanted.flip:
            filters.append((_FLIPS[wanted.flip], ""))
        if wanted.rotate == 180:
            filters += [("hflip", ""), ("vflip", "")]
        elif wanted.rotate:
            filters.append(_TURNS[wanted.rotate])
        if filters and filters[-1][0] in _VIEWS:
            filters.append(("copy", ""))
        return filters


def _crop(rect: Rect) -> str:
    return f"{rect.width}:{rect.height}:{rect.x}:{rect.y}:exact=1"


def _graph(picture: av.VideoFrame, filters: list[tuple[str, str]]) -> Graph:
    graph = Graph()
    end = graph.add_buffer(width=picture.width, height=picture.height, format=picture.format, time_base=picture.time_base)
    for name, arguments in filters:
        step = graph.add(name, arguments)
        end.link_to(step)
        end = step
    end.link_to(graph.add("buffersink"))
    graph.configure()
    return graph
