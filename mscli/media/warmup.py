"""Skip a camera's first frames until its picture is worth keeping."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from av.video.reformatter import Interpolation, VideoReformatter

from mscli.core.clock import MICROSECONDS
from mscli.core.frames import EncodedVideoChunk, VideoFrame
from mscli.core.settle import Look, Settling, unusable
from mscli.media.pictures import JPEG_RANGE, SWS_MATRIX, PictureReader, av_range, color_of

if TYPE_CHECKING:
    import av

_WIDTH, _HEIGHT = 64, 36  # of the sample


class Settle(NamedTuple):
    """How long to wait for a good picture: until it is one, at most ``seconds`` long; or exactly ``frames`` frames.

    ``judged``: whether exposure and white balance may still change. Otherwise the first picture that shows anything is good.
    """

    seconds: float = 2.0
    frames: int | None = None
    judged: bool = True


class Warmup:
    """A judge of a camera's frames, in their order."""

    def __init__(self, settle: Settle) -> None:
        self.is_capped = False  # whether the time was over before the picture had settled
        self._settle = settle
        self._settling = Settling()
        self._reader = PictureReader(strict=True)
        self._sampler = Sampler()
        self.is_hopeless = False  # whether the time is over and there was nothing to see
        self.is_damaged = False  # whether the latest frame is damaged
        self._begin_us: int | None = None
        self._seen = 0

    @property
    def skipped(self) -> dict[str, int]:
        """Return how many frames were skipped, by reason: black, green, frozen, unsettled, damaged, asked."""
        return self._settling.skipped

    def is_good(self, frame: VideoFrame | EncodedVideoChunk) -> bool:
        """Return whether the frame may be kept. A damaged or black one never is, an unsettled one when the time is over."""
        self._begin_us = frame.timestamp if self._begin_us is None else self._begin_us
        self._seen += 1
        if self._settle.frames is not None:
            return self._seen > self._settle.frames or self._skip("asked")
        is_late = frame.timestamp - self._begin_us >= self._settle.seconds * MICROSECONDS
        pictures = self._reader.read(frame)
        self.is_damaged = not pictures
        if self.is_damaged:
            return self._skip("damaged")
        look = self._sampler.look(pictures[-1])
        why = unusable(look)
        self.is_hopeless = is_late and bool(why)
        if not self._settle.judged:
            return self._skip(why) if why else True
        if self._settling.is_settled(look):
            return True
        self.is_capped = is_late and not why
        return self.is_capped

    def _skip(self, why: str) -> bool:
        self.skipped[why] = self.skipped.get(why, 0) + 1
        return False


class Sampler:
    """A measurer of pictures in any format. It reuses its scaler while their shape stays the same."""

    def __init__(self) -> None:
        self._scaler = VideoReformatter()

    def look(self, picture: av.VideoFrame) -> Look:
        """Return the means of a picture, from a few of its pixels."""
        color = color_of(picture)
        small = self._scaler.reformat(
            picture, _WIDTH, _HEIGHT, "yuv444p", interpolation=Interpolation.POINT,
            src_colorspace=SWS_MATRIX[color.matrix], dst_colorspace=SWS_MATRIX["smpte170m"],
            src_color_range=av_range(color), dst_color_range=JPEG_RANGE, threads=1,
        )  # fmt: skip
        luma, cb, cr = (_packed(memoryview(plane), plane.line_size) for plane in small.planes)
        return Look(_mean(luma), _mean(cb), _mean(cr), hash((luma, cb, cr)))


def _packed(data: memoryview, step: int) -> bytes:
    return b"".join(data[at : at + _WIDTH] for at in range(0, step * _HEIGHT, step))


def _mean(samples: bytes) -> float:
    return sum(samples) / len(samples)
