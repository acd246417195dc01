"""ImageCapture: single pictures from a camera's track. https://www.w3.org/TR/image-capture/#imagecaptureapi"""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

from mscli.api.blob import Blob
from mscli.api.mediastreamtrack import MediaStreamTrack
from mscli.api.mediastreamtrackprocessor import FrameReader
from mscli.core.errors import ArgumentError, InvalidStateError, NotReadableError, NotSupportedError
from mscli.core.frames import VideoFrame
from mscli.core.mailbox import VIDEO_LANE_BYTES
from mscli.sinks import SINKS, SinkRow, load_sink
from mscli.sinks.base import SinkOptions, TrackFormat


class ImageCapture:
    """Takes pictures from ``track``. Raises NotSupportedError for a track of sound."""

    def __init__(self, track: MediaStreamTrack) -> None:
        if not isinstance(track, MediaStreamTrack):
            raise ArgumentError("ImageCapture: a MediaStreamTrack is needed")
        if track.kind != "video":
            raise NotSupportedError("pictures can only be taken from a video track")
        self.track = track

    def grab_frame(self) -> VideoFrame:
        """The next frame. Raises InvalidStateError if the track has ended, NotReadableError if its device fails meanwhile."""
        self._check_live()
        with FrameReader(self.track, VIDEO_LANE_BYTES) as reader:
            frame = next(reader, None)
        if not isinstance(frame, VideoFrame):
            raise self.track.ended_error or NotReadableError(f"“{self.track.label}” ended before it gave a frame")
        return frame

    def take_photo(self, photo_settings: Mapping[str, Any] | None = None, *, type: str = "image/jpeg") -> Blob:  # noqa: A002
        """A picture as a file's bytes, ``image/jpeg``, ``image/png`` or ``image/webp``. Raises as ``grab_frame`` does, and
        NotSupportedError for a setting that the camera does not have: none has any yet."""
        if photo_settings:
            raise NotSupportedError(f"this camera has no photo setting {', '.join(photo_settings)}")
        frame = self.grab_frame()
        file = io.BytesIO()
        sink = load_sink(_row(type), file, SinkOptions())
        sink.open([TrackFormat("video", self.track.settings, frame.format)])
        sink.write(0, frame)
        sink.close()
        return Blob(file.getvalue(), type)

    def get_photo_capabilities(self) -> dict[str, Any]:
        """What ``take_photo`` can vary: the sizes of the stream; no flash, no red-eye reduction. Raises InvalidStateError."""
        self._check_live()
        able = self.track.get_capabilities()
        sizes = {"imageWidth": able["width"], "imageHeight": able["height"]}
        return {"redEyeReduction": "never", "fillLightMode": [], **sizes}

    def get_photo_settings(self) -> dict[str, Any]:
        """What ``take_photo`` uses now: the size of the stream. Raises InvalidStateError."""
        self._check_live()
        return {"imageWidth": self.track.settings["width"], "imageHeight": self.track.settings["height"]}

    def _check_live(self) -> None:
        if self.track.ready_state != "live":
            raise InvalidStateError("the track has ended")


def _row(type: str) -> SinkRow:  # noqa: A002
    for row in SINKS.values():
        if row.still and row.mime_type == type:
            return row
    raise NotSupportedError(f"“{type}” is no kind of picture that can be written", hints=["image/jpeg, image/png, image/webp"])
