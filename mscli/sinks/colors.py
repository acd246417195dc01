"""How FFmpeg numbers the colour of pictures: as ITU-T H.273 (https://www.itu.int/rec/T-REC-H.273), and its scaler otherwise."""

from __future__ import annotations

from mscli.core.frames import VideoColorSpace

AV_MATRIX = {"smpte170m": 6, "bt709": 1}  # AVColorSpace, which pictures and encoders carry
AV_RGB = 0  # the same where there is no matrix
SWS_MATRIX = {"smpte170m": 5, "bt709": 1}  # SWS_CS_*, which the scaler wants
BT709 = 1  # primaries and transfer, too: those of cameras are sRGB's but for the curve's foot
MPEG_RANGE, JPEG_RANGE = 1, 2  # AVColorRange


def av_range(color: VideoColorSpace) -> int:
    """The number of the colour's range."""
    return JPEG_RANGE if color.full_range else MPEG_RANGE
