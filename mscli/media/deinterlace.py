"""Make whole pictures of the fields of interlaced ones, with FFmpeg's filter ``bwdif``.

https://ffmpeg.org/ffmpeg-filters.html#bwdif. The two fields of a picture were captured one after the other, so moving edges
look like combs. Each picture becomes one picture, at its time and in its format.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from fractions import Fraction

import av
from av.filter import Graph

from mscli.core.frames import BOTTOM, TOP, EncodedVideoChunk, VideoFrame, outline
from mscli.media.chunkfilter import Faults
from mscli.media.pictures import BY_FFMPEG, PictureReader, Reshaper, as_video_frame, color_of, described, origin_of

_PARITY = {"": "auto", TOP: "tff", BOTTOM: "bff"}  # by the field that was captured first; "auto": as the decoder says
_PLANAR = {(8, 8): "yuv420p", (8, 16): "yuv422p", (16, 16): "yuv444p"}  # chroma of 16 × 16 pixels → a format of the filter
_LEAST = 4  # rows and columns: smaller pictures stay as they are
_UNIT = Fraction(1, 1)  # of time, which the filter need not know


class Deinterlacer:
    """A filter for the frames and chunks of a track. Frames that are not interlaced pass unchanged.

    It holds one picture back, because the next one tells what has moved.
    """

    def __init__(self) -> None:
        self._reader = PictureReader()
        self._graph: Graph | None = None
        self._shape: tuple[str, int, int, str] | None = None  # of the graph's pictures: format, width, height and parity
        self._only: av.VideoFrame | None = (
            None  # the picture in the graph, if it is the only one: it is shown twice to the filter
        )
        self._inside: deque[tuple[VideoFrame | EncodedVideoChunk, av.VideoFrame]] = deque()  # media and pictures in the graph

    @property
    def faults(self) -> Faults:
        """Return the faults of the frames that yielded none."""
        return self._reader.faults

    def read(self, media: VideoFrame | EncodedVideoChunk) -> list[VideoFrame]:
        """Return the frames that the frame or chunk completes."""
        if isinstance(media, VideoFrame) and not media.first_field:
            return [*self._end(), media]
        pictures = self._reader.read(replace(media, visible_rect=None) if isinstance(media, VideoFrame) else media)
        return [frame for picture in pictures for frame in self._filtered(picture, origin_of(picture, media))]

    def rest(self) -> list[VideoFrame]:
        """Return the frames that are still held back. No more may follow."""
        frames = [frame for picture in self._reader.rest() for frame in self._filtered(picture, origin_of(picture))]
        return [*frames, *self._end()]

    def _filtered(self, picture: av.VideoFrame, media: VideoFrame | EncodedVideoChunk) -> list[VideoFrame]:
        field = media.first_field if isinstance(media, VideoFrame) else ""
        if not (field or picture.interlaced_frame) or min(picture.width, picture.height) < _LEAST:
            return [*self._end(), _frame(picture, media, picture)]
        color, at_us = color_of(picture), picture.pts
        planar = Reshaper(_planar(picture.format), color)(picture)
        shape = planar.format.name, planar.width, planar.height, _PARITY[field]
        ended = self._end() if shape != self._shape else []
        self._only = None
        if self._graph is None:
            self._graph, self._shape, self._only = _graph(*shape), shape, planar
        planar.time_base = _UNIT
        self._graph.push(planar)
        described(picture, at_us or 0, color)
        self._inside.append((outline(media), picture))
        return [*ended, *self._pulled()]

    def _end(self) -> list[VideoFrame]:
        if self._graph is None:
            return []
        if self._only is not None:
            self._graph.push(self._only)
        self._graph.push(None)
        frames = self._pulled()
        self._graph = self._shape = self._only = None
        return frames

    def _pulled(self) -> list[VideoFrame]:
        assert self._graph is not None, "there is one"
        frames: list[VideoFrame] = []
        while True:
            try:
                picture = self._graph.pull()
            except (BlockingIOError, EOFError):
                return frames
            assert isinstance(picture, av.VideoFrame), "a graph of pictures"
            if self._inside:  # or it is the second one of a picture that was alone
                frames.append(_frame(picture, *self._inside.popleft()))


def _planar(form: av.VideoFormat) -> str:
    """Return the format of the filter that keeps most of a picture's format."""
    if form.is_rgb:
        return "gbrp"
    return "gray" if len(form.components) == 1 else _PLANAR.get((form.chroma_width(16), form.chroma_height(16)), "yuv444p")


def _graph(form: str, width: int, height: int, parity: str) -> Graph:
    graph = Graph()
    graph.threads = 1
    source = graph.add_buffer(width=width, height=height, format=av.VideoFormat(form), time_base=_UNIT)
    bwdif = graph.add("bwdif", f"mode=send_frame:parity={parity}:deint=all")
    graph.link_nodes(source, bwdif, graph.add("buffersink")).configure()
    return graph


def _frame(picture: av.VideoFrame, media: VideoFrame | EncodedVideoChunk, source: av.VideoFrame) -> VideoFrame:
    """Return a filtered picture as a frame in the format of its source, with all that the media says."""
    described(picture, source.pts or 0, color_of(source))
    name = source.format.name if source.format.name in BY_FFMPEG else "rgb24" if source.format.is_rgb else "yuv444p"
    frame = as_video_frame(Reshaper(name, color_of(source))(picture), media)
    cut = media.visible_rect if isinstance(media, VideoFrame) else None
    return replace(frame, visible_rect=cut, display_size=media.display_size)
