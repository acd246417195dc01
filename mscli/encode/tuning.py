"""The table of FFmpeg's video encoders: how quality, bit rate and preset map to their options.

https://ffmpeg.org/ffmpeg-codecs.html#Video-Encoders. The options are for a single pass at the camera's speed with little
delay, because frames inside an encoder are lost if the power fails.
"""

from __future__ import annotations

from collections.abc import Mapping

from mscli.core.tuples import NamedTuple
from mscli.encode.options import COPY, PRESETS, SinkOptions

LEAST_BITS = 1_000  # per second: FFmpeg's encoders count in thousands
USUAL_KEY_INTERVAL_S = 1.0  # if nothing else is requested
MOST_GOP = 65_535  # pictures: the limit of some encoders


class Quality(NamedTuple):
    """A constant quality: the encoder's ``options`` for it, and their values at 0, 0.5 and 1."""

    options: tuple[str, ...]
    scale: tuple[int, int, int]
    usual: float | None = 0.5  # the default; None: aim at a bit rate instead
    more: Mapping[str, str] = {}  # further options that constant quality requires

    def settings(self, wanted: float) -> dict[str, str]:
        """Return the encoder's options for a quality between 0 and 1."""
        low, middle, high = self.scale
        value = low + 2 * wanted * (middle - low) if wanted < 0.5 else middle + (2 * wanted - 1) * (high - middle)
        return dict.fromkeys(self.options, str(round(value))) | dict(self.more)


class Encoder(NamedTuple):
    """One of FFmpeg's encoders. ``pixels``: FFmpeg's format of a picture → the encoder's; "" stands for any other format."""

    name: str
    options: Mapping[str, str] = {}
    quality: Quality | None = None
    preset: str = ""  # the option that trades speed for size
    speeds: tuple[str, ...] = ()  # its value for each of PRESETS
    pixels: Mapping[str, str] = {"": "yuv420p"}
    bit_rate: bool = True  # whether it can aim at a bit rate
    most_bits: int = 2**31 - 1  # per second
    to_bit_rate: Mapping[str, str] = {}  # options for a bit rate
    immediate: Mapping[str, str] = {}  # options to hold back nothing, for a slow camera
    regular: Mapping[str, str] = {}  # options to avoid key frames at scene changes
    ahead: bool = False  # whether threads encode several pictures at once, not parts of one
    live: bool = False  # whether its bit rate can be changed while it encodes: with a buffer of a second
    rests: bool = False  # whether its threads must be asleep before the next picture

    def bits(self, wanted: int) -> int:
        """Return the nearest bit rate (bits per second) that the encoder can aim at."""
        return min(max(wanted, LEAST_BITS), self.most_bits)

    def settings(self, options: SinkOptions) -> dict[str, str]:
        """Return the encoder's options. If they contain no constant quality, the caller must set a bit rate."""
        speed = dict(zip(PRESETS, self.speeds, strict=False)).get(options.preset)
        faster = {} if speed is None else {self.preset: speed}
        due = {} if options.key_frame_s is None and options.key_frame_count is None else self.regular
        return {**self.options, **faster, **due, **(self.constant_quality(options) or self.to_bit_rate)}

    def adapts(self, options: SinkOptions) -> bool:
        """Return whether its bit rate can be changed while it encodes, and is to be."""
        return options.adapts and self.live and options.quality is None

    def constant_quality(self, options: SinkOptions) -> dict[str, str]:
        """Return the options for a constant quality, or none if the encoder aims at a bit rate."""
        if self.quality is None or self.adapts(options) or (options.video_bits_per_second and self.bit_rate):
            return {}
        wanted = self.quality.usual if options.quality is None else options.quality
        return {} if wanted is None else self.quality.settings(wanted)

    def ignored(self, options: SinkOptions) -> list[str]:
        """Return the names of requested options that this encoder does not have."""
        asked = {
            "bit rate": options.video_bits_per_second and not self.bit_rate,
            "quality": options.quality is not None and self.quality is None,
            "preset": options.preset and not self.preset,
        }
        return [name for name, given in asked.items() if given]


# No B-frames and almost no look-ahead: half the work, and a slow camera's pictures do not wait in the encoder for a second.
# (With force-cfr, x264 does not wait for the next picture to learn a picture's duration. For a bit rate it has to.)
_X264 = {"preset": "veryfast", "bf": "0", "rc-lookahead": "1", "x264-params": "sync-lookahead=0:force-cfr=1"}
_X264_RATE = {"x264-params": "sync-lookahead=0"}
_X264_NOW = {"rc-lookahead": "0"}
_X264_REGULAR = {"sc_threshold": "0"}
_X265_NOW = {"x265-params": "log-level=error:bframes=0:rc-lookahead=0:frame-threads=1"}
_X265 = {"preset": "ultrafast", "forced-idr": "1", "x265-params": "log-level=error:bframes=0:rc-lookahead=2"}
_VPX = {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0"}
_VP9 = {**_VPX, "row-mt": "1"}
# SVT-AV1 hangs for ever (4.1.0; 4.2.0 has the same code) if one of its threads, the picture manager, gets no processor while
# the others finish a picture and begin the next one. Both use the same record: the picture manager then reads which references
# it may free in the record of the next picture, frees too few, and waits for a free one. No option that lets each picture out
# at once avoids that, not even lp=1. So each picture waits until the threads sleep, as they do long before a camera's next.
_SVT = {"preset": "11", "svtav1-params": "rtc=1:pred-struct=1"}
_SVT_CBR = {"svtav1-params": "rtc=1:pred-struct=1:rc=2"}
_FFV1 = {"level": "3", "slicecrc": "1", "g": "1"}  # every picture independent, with checksums
_NVENC = {"preset": "p4", "tune": "ll", "delay": "0", "bf": "0"}
_QSV = {"async_depth": "1", "bf": "0"}

_SVT_SPEEDS = ("13", "12", "11", "10", "9", "8", "7", "7", "7")  # slower presets are too slow for live video
_VP9_SPEEDS = ("8", "8", "7", "6", "5", "4", "3", "2", "1")
_VP8_SPEEDS = ("-16", "-14", "-12", "-10", "-8", "-6", "-4", "-2", "-1")  # values above zero would depend on the machine's load
_NVENC_SPEEDS = ("p1", "p1", "p2", "p3", "p4", "p5", "p6", "p7", "p7")
_QSV_SPEEDS = ("veryfast", "veryfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow")

_CQ = Quality(("cq",), (44, 28, 16), None, {"rc": "vbr", "b": "0"})
_NV12 = {"": "nv12"}  # the format of hardware encoders
_LOSSLESS = (
    dict.fromkeys(("yuv420p", "yuvj420p", "nv12"), "yuv420p")
    | dict.fromkeys(("yuv422p", "yuvj422p", "yuyv422", "uyvy422"), "yuv422p")
    | dict.fromkeys(("yuv444p", "yuvj444p"), "yuv444p")
    | {"gray": "gray", "rgba": "bgra", "bgra": "bgra", "": "bgr0"}
)

ENCODERS: dict[str, Encoder] = {
    row.name: row
    for row in (
        Encoder("libx264", _X264, Quality(("crf",), (36, 23, 10)), "preset", PRESETS, to_bit_rate=_X264_RATE,
                ahead=True, live=True, immediate=_X264_NOW, regular=_X264_REGULAR),
        Encoder("libx265", _X265, Quality(("crf",), (40, 26, 12)), "preset", PRESETS, immediate=_X265_NOW),
        Encoder("libsvtav1", _SVT, Quality(("crf",), (60, 40, 20)), "preset", _SVT_SPEEDS, to_bit_rate=_SVT_CBR,
                most_bits=100_000_000, rests=True),
        Encoder("libvpx-vp9", _VP9, Quality(("crf",), (60, 34, 8), None, {"b": "0"}), "cpu-used", _VP9_SPEEDS),
        Encoder("libvpx", _VPX, Quality(("qmin", "qmax"), (60, 34, 8), None, {"b": "100M"}), "cpu-used", _VP8_SPEEDS),
        Encoder("mjpeg", {}, Quality(("qmin", "qmax"), (31, 8, 1), 0.8), bit_rate=False),
        Encoder("ffv1", _FFV1, pixels=_LOSSLESS, bit_rate=False),
        *(Encoder(f"{codec}_nvenc", _NVENC, _CQ, "preset", _NVENC_SPEEDS, _NV12) for codec in ("h264", "hevc", "av1")),
        *(Encoder(f"{codec}_qsv", _QSV, None, "preset", _QSV_SPEEDS, _NV12) for codec in ("h264", "hevc", "av1")),
        *(Encoder(f"{codec}_amf", pixels=_NV12) for codec in ("h264", "hevc", "av1")),
        *(Encoder(f"{codec}_videotoolbox", {"realtime": "1"}, pixels=_NV12) for codec in ("h264", "hevc")),
        *(Encoder(f"{codec}_v4l2m2m", pixels=_NV12) for codec in ("h264", "hevc")),
    )
}  # fmt: skip

COPIER = Encoder(COPY, bit_rate=False)  # not an encoder: it ignores all options


def key_interval_s(options: SinkOptions) -> float | None:
    """Return the seconds from one key frame to the next; None if they come after a number of pictures."""
    if options.key_frame_count is not None:
        return None
    return USUAL_KEY_INTERVAL_S if options.key_frame_s is None else options.key_frame_s


def gop_size(rate: float, options: SinkOptions) -> int:
    """Return the largest number of pictures between key frames, for the encoder.

    ``VideoEncoder`` measures the seconds, because a camera may be faster or slower than it claims. Here the number is doubled,
    so that it does not end the interval early.
    """
    seconds = key_interval_s(options)
    pictures = 2 * rate * seconds if seconds is not None else options.key_frame_count or 1
    return max(1, round(min(pictures, MOST_GOP)))
