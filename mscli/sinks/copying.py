"""Which cameras' own pictures go into which container as they come, neither decoded nor encoded: ``--video-codec copy``.

JPEG in MP4 is object type 0x6C of https://mp4ra.org/registered-types/object-types; Matroska and QuickTime have names for it.
"""

from __future__ import annotations

from collections.abc import Sequence

from mscli.core.errors import NotSupportedError
from mscli.core.frames import VideoFrame

COPIED: dict[str, tuple[str, ...]] = {  # by the container's suffix: pixel formats, the smaller stream first
    "mkv": ("H264", "MJPEG"),
    "mp4": ("H264", "MJPEG"),
    "mov": ("H264", "MJPEG"),
}


def copied_formats(suffix: str) -> tuple[str, ...]:
    """The pixel formats that such a container takes as they come. Raises NotSupportedError where there is none."""
    formats = COPIED.get(suffix, ())
    if not formats:
        homes = ", ".join("." + known for known in COPIED)
        raise NotSupportedError(f"a .{suffix} file takes no camera's pictures as they come", hints=[f"use one of: {homes}"])
    return formats


def check_copied(pixel_format: str, formats: Sequence[str]) -> None:
    """Whether pictures of that format can be copied. Raises NotSupportedError with what to do."""
    if pixel_format not in formats:
        what = f"the camera gives {pixel_format} in this mode, and only {' or '.join(formats)} can be copied"
        raise NotSupportedError(
            what, hints=["mscli capabilities shows the modes of a camera", "leave out “copy”: it is encoded"]
        )


def check_whole(frame: VideoFrame) -> None:
    """Whether the encoded picture is to be shown as it is. Raises NotSupportedError with what to do."""
    if not frame.whole:
        hints = ["--resize-mode exact:none takes the sizes that the camera has"]
        raise NotSupportedError("pictures that are copied cannot be cropped or scaled", hints=hints)
