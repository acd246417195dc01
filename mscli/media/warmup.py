"""Skip a camera's first frames until its picture is worth keeping: exposure and white balance have settled.

The measure is the trend of the mean luma and chroma over the last frames. Ranges over shorter windows fail with cameras that
change in steps, and where light flickers no range ever closes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING

from av.video.reformatter import Interpolation, VideoReformatter

from mscli.core.clock import MICROSECONDS
from mscli.core.frames import EncodedVideoChunk, VideoFrame
from mscli.core.limits import SETTLE_S
from mscli.core.tuples import NamedTuple
from mscli.media.pictures import JPEG_RANGE, SWS_MATRIX, PictureReader, av_range, color_of

if TYPE_CHECKING:
    import av


WINDOW = 10  # frames whose trend counts
STEADY = 3  # frames that suffice at the start if they are well exposed and hardly differ
BLACK = 3.0  # a mean luma below this, in 1/255, is no picture
GREEN = 20.0  # nor are means of both chroma components below this: memory that nobody has written to is green

_DRIFT, _DRIFT_SHARE = 1.5, 0.02  # luma that may change over the window: the larger of a number and a share of the mean
_RANGE, _RANGE_SHARE = 8.5, 0.08  # in which the luma may move about its trend
_CHROMA_RANGE = 0.8
_STILL = 0.5  # luma and chroma may differ this much among steady frames
_WELL_EXPOSED = (60.0, 200.0)


class PictureMeans(NamedTuple):
    """The means of one picture, 0 to 255 with the full range: luma and the two chroma components.

    ``digest``: equal for pictures that show the same.
    """

    luma: float
    cb: float = 128.0
    cr: float = 128.0
    digest: int = 0


class Settling:
    """A judge of pictures in their order. ``skipped``: how many came before the one that is good, by reason.

    A picture that is equal to the one before is frozen: the noise of a camera makes all of its pictures different. After
    ``still_s`` seconds, the scene is still, as before a virtual camera or an HDMI grabber.
    """

    def __init__(self, still_s: float = SETTLE_S / 2) -> None:
        self.skipped: dict[str, int] = {}
        self.fault = ""  # why the latest picture was skipped
        self._still_s = still_s
        self._latest: deque[PictureMeans] = deque(maxlen=WINDOW)
        self._seen = 0  # pictures that show something and are not frozen
        self._same: tuple[int, float] | None = None  # the digest of the latest such picture, and when it came first (seconds)

    def is_settled(self, means: PictureMeans, at_s: float) -> bool:
        """Take the next picture, captured at ``at_s``. Return whether it may be kept. Count it as skipped otherwise."""
        self._latest.append(means)
        self.fault = self._fault(means, at_s)
        if self.fault:
            self.skipped[self.fault] = self.skipped.get(self.fault, 0) + 1
        return not self.fault

    @property
    def newest(self) -> PictureMeans | None:
        """Return the last picture's means."""
        return self._latest[-1] if self._latest else None

    def _fault(self, means: PictureMeans, at_s: float) -> str:
        fault = fault_of(means)
        if fault:
            return fault
        if self._same is not None and self._same[0] == means.digest:
            return "frozen" if at_s - self._same[1] < self._still_s else ""
        self._same = means.digest, at_s
        seen = list(self._latest)
        self._seen += 1
        if self._seen == STEADY and _steady(seen):
            return ""
        return "" if len(seen) == WINDOW and _level(seen) else "unsettled"


def fault_of(means: PictureMeans) -> str:
    """Return why a picture is never worth keeping: "black" or "green"; or ""."""
    if means.luma >= BLACK and max(means.cb, means.cr) >= GREEN:
        return ""
    return "black" if max(means.cb, means.cr) >= GREEN else "green"


def _steady(seen: Sequence[PictureMeans]) -> bool:
    low, high = _WELL_EXPOSED
    lumas, cbs, crs, _ = zip(*seen[-STEADY:], strict=True)
    return low <= seen[-1].luma <= high and max(map(_range, (lumas, cbs, crs))) < _STILL


def _level(seen: Sequence[PictureMeans]) -> bool:
    lumas, cbs, crs, _ = zip(*seen, strict=True)
    mean = sum(lumas) / len(lumas)
    is_flat = abs(_slope(lumas)) * len(lumas) < max(_DRIFT, _DRIFT_SHARE * mean)
    return is_flat and _range(lumas) < max(_RANGE, _RANGE_SHARE * mean) and max(_range(cbs), _range(crs)) < _CHROMA_RANGE


def _range(values: Sequence[float]) -> float:
    return max(values) - min(values)


def _slope(values: Sequence[float]) -> float:
    """Return the slope of the line through equally spaced values, by least squares."""
    middle = (len(values) - 1) / 2
    return sum((at - middle) * value for at, value in enumerate(values)) / sum((at - middle) ** 2 for at in range(len(values)))


_WIDTH, _HEIGHT = 64, 36  # of the sample


class Settle(NamedTuple):
    """The time to wait for a good picture: until it is one, at most ``seconds`` long. ``frames``: how many are skipped before.

    ``judged``: whether exposure and white balance may still change. Otherwise the first picture that shows anything is good.
    """

    seconds: float = SETTLE_S
    frames: int = 0
    judged: bool = True


class Warmup:
    """A judge of a camera's frames, in their order."""

    def __init__(self, settle: Settle) -> None:
        self.is_capped = False  # whether the time was over before the picture had settled
        self._settle = settle
        self._settling = Settling(settle.seconds / 2)
        self._reader = PictureReader(strict=True)
        self._sampler = Sampler()
        self.is_hopeless = False  # whether the time is over and there was nothing to see, or long nothing more
        self._has_shown = False  # whether any picture showed something
        self.is_damaged = False  # whether the latest frame is damaged
        self._begin_us: int | None = None
        self._seen = 0

    @property
    def skipped(self) -> dict[str, int]:
        """Return how many frames were skipped, by reason: black, green, frozen, unsettled, damaged, asked."""
        return self._settling.skipped

    def is_good(self, frame: VideoFrame | EncodedVideoChunk) -> bool:
        """Return whether the frame may be kept: not if it is damaged, black or frozen, nor, until the time is over, unsettled.

        If the frame at the end of the time is black, and others were not, the next one that is not is waited for as long again.
        """
        self._seen += 1
        if self._seen <= self._settle.frames:
            return self._skip("asked")
        self._begin_us = frame.timestamp if self._begin_us is None else self._begin_us
        waited_s = (frame.timestamp - self._begin_us) / MICROSECONDS
        is_late = waited_s >= self._settle.seconds
        pictures = self._reader.read(frame)
        self.is_damaged = not pictures
        if self.is_damaged:
            return self._skip("damaged")
        means = self._sampler.measure(pictures[-1])
        why = fault_of(means)
        self._has_shown = self._has_shown or not why
        self.is_hopeless = bool(why) and waited_s >= self._settle.seconds * (1 + self._has_shown)
        if not self._settle.judged:
            return self._skip(why) if why else True
        if self._settling.is_settled(means, waited_s):
            return True
        self.is_capped = is_late and self._settling.fault == "unsettled"
        return self.is_capped

    def _skip(self, why: str) -> bool:
        self.skipped[why] = self.skipped.get(why, 0) + 1
        return False


class Sampler:
    """A measurer of pictures in any format. It reuses its scaler while their shape stays the same."""

    def __init__(self) -> None:
        self._scaler = VideoReformatter()

    def measure(self, picture: av.VideoFrame) -> PictureMeans:
        """Return the means of a picture, from a few of its pixels."""
        color = color_of(picture)
        small = self._scaler.reformat(
            picture, _WIDTH, _HEIGHT, "yuv444p", interpolation=Interpolation.POINT,
            src_colorspace=SWS_MATRIX[color.matrix], dst_colorspace=SWS_MATRIX["smpte170m"],
            src_color_range=av_range(color), dst_color_range=JPEG_RANGE, threads=1,
        )  # fmt: skip
        luma, cb, cr = (_packed(memoryview(plane), plane.line_size) for plane in small.planes)
        return PictureMeans(_mean(luma), _mean(cb), _mean(cr), hash((luma, cb, cr)))


def _packed(data: memoryview, step: int) -> bytes:
    return b"".join(data[at : at + _WIDTH] for at in range(0, step * _HEIGHT, step))


def _mean(samples: bytes) -> float:
    return sum(samples) / len(samples)
