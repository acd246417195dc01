"""MediaRecorderOptions: options of a recording. https://www.w3.org/TR/mediastream-recording/#mediarecorderoptions-section"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from mscli.core.codecs import AUDIO_BITS_PER_CHANNEL
from mscli.core.errors import ArgumentError
from mscli.core.webidl import double, to_string, unsigned_long
from mscli.encode.options import SinkOptions

AUDIO_BITS = 2 * AUDIO_BITS_PER_CHANNEL  # the defaults, per second
VIDEO_BITS = 2_500_000

_BITRATE_MODES = ("constant", "variable")
_NUMBERS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "audioBitsPerSecond": ("audio_bits_per_second", unsigned_long),
    "videoBitsPerSecond": ("video_bits_per_second", unsigned_long),
    "bitsPerSecond": ("bits_per_second", unsigned_long),
    "videoKeyFrameIntervalDuration": ("key_frame_duration_ms", lambda value: double(value, "videoKeyFrameIntervalDuration")),
    "videoKeyFrameIntervalCount": ("key_frame_count", unsigned_long),
}


class RecorderOptions(NamedTuple):
    """The members of the dictionary, or None if missing."""

    mime_type: str = ""
    audio_bits_per_second: int | None = None
    video_bits_per_second: int | None = None
    bits_per_second: int | None = None
    key_frame_duration_ms: float | None = None
    key_frame_count: int | None = None

    @classmethod
    def convert(cls, value: Any) -> RecorderOptions:
        """Convert the dictionary by WebIDL's rules: every bit rate is valid, ``"x"`` becomes 0. Raises TypeError."""
        if value is not None and not isinstance(value, Mapping):
            raise ArgumentError("MediaRecorder: the options must be an object")
        given: Mapping[str, Any] = value or {}
        if "audioBitrateMode" in given and to_string(given["audioBitrateMode"]) not in _BITRATE_MODES:
            raise ArgumentError(f"MediaRecorder: audioBitrateMode must be one of {', '.join(_BITRATE_MODES)}")
        numbers = {member: convert(given[name]) for name, (member, convert) in _NUMBERS.items() if name in given}
        return cls(to_string(given.get("mimeType", "")), **numbers)

    def bit_rates(self, kinds: Sequence[str] = ("audio", "video"), channels: int = 2) -> tuple[int, int]:
        """Return the bits per second of audio and video for tracks of these kinds. ``bitsPerSecond`` is their sum.

        ``channels``: of the sound, which decide the usual rate.
        """
        total = self.bits_per_second
        if total is None:
            usual = AUDIO_BITS_PER_CHANNEL * channels
            return _default(self.audio_bits_per_second, usual), _default(self.video_bits_per_second, VIDEO_BITS)
        if len(set(kinds)) == 1:
            return (total, 0) if "audio" in kinds else (0, total)
        audio = max(1, min(AUDIO_BITS, total // 10))
        return audio, max(1, total - audio)

    def applied_to(self, sink: SinkOptions, kinds: Sequence[str], video_codec: str, audio_codec: str) -> SinkOptions:
        """Return the sink options for these kinds of tracks. Options that the sink has already take precedence.

        If nobody requested a bit rate, or requested 0 (also as the sum), the encoder chooses.
        """
        total = self.bits_per_second or None
        audio, video = self._replace(bits_per_second=total).bit_rates(kinds)
        return sink._replace(
            video_codec=sink.video_codec or video_codec,
            audio_codec=sink.audio_codec or audio_codec,
            audio_bits_per_second=_asked(total, self.audio_bits_per_second, audio) or sink.audio_bits_per_second,
            video_bits_per_second=_asked(total, self.video_bits_per_second, video) or sink.video_bits_per_second,
            key_frame_s=sink.key_frame_s if (ms := self.key_frame_duration_ms) is None else max(0.0, ms / 1000),
            key_frame_count=sink.key_frame_count if self.key_frame_count is None else self.key_frame_count,
        )


def _default(rate: int | None, usual: int) -> int:
    return usual if rate is None else rate


def _asked(total: int | None, own: int | None, rate: int) -> int | None:
    return None if total is None and own is None else rate
