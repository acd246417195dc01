"""Sound at another sample rate, with another number of channels and another sample size, by FFmpeg's resampler.

https://ffmpeg.org/ffmpeg-resampler.html. One channel fills two at its full level, and two make one of half of each, as in
https://www.w3.org/TR/webaudio-1.0/#channel-up-mixing-and-down-mixing. Timestamps stay those of the capture: what the
resampler holds back is accounted for.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Literal

import av

from mscli.core.clock import MICROSECONDS
from mscli.core.frames import SAMPLE_FORMATS, AudioData
from mscli.sinks.convert import layout_name, sound_to_av

_UNITS: Mapping[int, Literal["B", "H", "I"]] = {1: "B", 2: "H", 4: "I"}  # of so many bytes


class SoundConverter:
    """Blocks of one track, in their order, resampled and mixed; ``bits``: of a sample, None: as they are. Gaps stay."""

    def __init__(self, sample_rate: int, channels: int, bits: int | None = None) -> None:
        self._rate = sample_rate  # Hz
        self._channels = channels
        self._format = "" if bits is None else next(row.name for row in SAMPLE_FORMATS.values() if row.bits >= bits)
        self._copies = 1  # of the one channel that there is
        self._resampler: av.AudioResampler | None = None
        self._shape: tuple[str, int, int] = ("", 0, 0)  # of what goes in
        self._taken = 0  # samples per channel since the resampler was made
        self._given = 0
        self._next = 0  # the sequence number that goes on without a gap
        self._origin = 0  # our sequence number of the first sample given

    def convert(self, block: AudioData) -> AudioData | None:
        """The next sound that is ready; None while the resampler has too little for any."""
        shape = block.format, block.sample_rate, block.number_of_channels
        if self._resampler is None or shape != self._shape or block.sequence != self._next:
            self._restart(block, shape)
        assert self._resampler is not None, "made by _restart"
        held_us = self._taken * MICROSECONDS // block.sample_rate - self._given * MICROSECONDS // self._rate
        frame = sound_to_av(block)
        frame.pts, frame.time_base = self._taken, Fraction(1, block.sample_rate)
        ready = self._resampler.resample(frame)
        self._taken += block.number_of_frames
        self._next = block.sequence + block.number_of_frames
        return self._joined(ready, self._format or block.format, block.timestamp - held_us)

    def _restart(self, block: AudioData, shape: tuple[str, int, int]) -> None:
        row = SAMPLE_FORMATS[self._format or block.format]
        self._copies = self._channels if block.number_of_channels == 1 else 1
        self._resampler = av.AudioResampler(row.ffmpeg, layout_name(self._channels // self._copies), self._rate)
        self._shape, self._taken, self._given = shape, 0, 0
        self._origin = block.sequence * self._rate // block.sample_rate

    def _joined(self, frames: list[av.AudioFrame], sample_format: str, timestamp_us: int) -> AudioData | None:
        samples = sum(frame.samples for frame in frames)
        if not samples:
            return None
        sample_bytes = SAMPLE_FORMATS[sample_format].bits // 8
        row_bytes = sample_bytes * self._channels // self._copies
        sound = b"".join(memoryview(frame.planes[0])[: frame.samples * row_bytes] for frame in frames)
        data = memoryview(_repeated(sound, sample_bytes, self._copies))
        sequence = self._origin + self._given
        self._given += samples
        return AudioData(sample_format, self._rate, samples, self._channels, timestamp_us, data, sequence)


def _repeated(sound: bytes, sample_bytes: int, copies: int) -> bytes | bytearray:
    """Every sample so many times."""
    if copies == 1:
        return sound
    unit = _UNITS[sample_bytes]
    repeated = bytearray(len(sound) * copies)
    source, target = memoryview(sound).cast(unit), memoryview(repeated).cast(unit)
    for channel in range(copies):
        target[channel::copies] = source
    return repeated
