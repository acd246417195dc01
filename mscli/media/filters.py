"""Change each picture of a track before it is encoded or written: crop, flip, rotate, and write a line into it."""

from __future__ import annotations

from mscli.core.clock import wall_clock
from mscli.core.frames import FORMATS, EncodedVideoChunk, VideoFrame
from mscli.core.orientation import PictureFilters
from mscli.media.chunkfilter import Faults
from mscli.media.pictures import BY_FFMPEG, Converter, Reshaper, as_picture, as_video_frame, color_of, in_range


class PictureFilter:
    """The filters of a track. Frames keep their format, or become RGB24 if FFmpeg does not know it. Chunks become I420."""

    def __init__(self, filters: PictureFilters, device: str) -> None:
        """Raise NotSupportedError for a font that cannot be used. ``device``: its name, for a caption."""
        self._converter = Converter()
        self._orient = self._caption = None
        if filters.orientation is not None:
            from mscli.media.orient import Orienter

            self._orient = Orienter(filters.orientation)
        if filters.caption is not None:
            from mscli.media.caption import Captioner

            self._caption = Captioner(filters.caption, device)

    @property
    def faults(self) -> Faults:
        """Return the faults of the frames that yielded none."""
        return self._converter.faults

    def read(self, media: VideoFrame | EncodedVideoChunk, taken_us: int) -> list[VideoFrame]:
        """Return the frame as it is wanted, or none if it is damaged or its decoder needs more.

        ``taken_us``: when it was captured, on CLOCK_MONOTONIC. Raises NotSupportedError if it is smaller than the crop.
        """
        frame = self._converter.convert(media)
        if frame is None:
            return []
        picture = as_picture(frame)
        native, color = FORMATS[frame.format].ffmpeg or "rgb24", color_of(picture)
        if self._orient is not None:
            picture = self._orient(picture)
        if self._caption is not None:
            picture = self._caption(picture, wall_clock(taken_us))
        if picture.format.name != native:
            picture = Reshaper(native, in_range(BY_FFMPEG[native].name, color))(picture)
        return [as_video_frame(picture, frame)]
