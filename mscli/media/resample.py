"""Convert sound to another sample rate, number of channels and sample size, with FFmpeg's resampler.

https://ffmpeg.org/ffmpeg-resampler.html. One channel is copied to two at full level, as in
https://www.w3.org/TR/webaudio-1.0/#channel-up-mixing-and-down-mixing. ``mix`` reduces the number of channels. Timestamps remain
those of the capture, with the resampler's delay taken into account.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from math import gcd
from typing import Literal

import av

from mscli.core.clock import MICROSECONDS
from mscli.core.frames import SAMPLE_FORMATS, AudioData
from mscli.media.downmix import Mixer
from mscli.media.sound import as_samples, layout_name

_UNITS: Mapping[int, Literal["B", "H", "I"]] = {1: "B", 2: "H", 4: "I"}  # by size in bytes


class SoundConverter:
    """A resampler and mixer for the blocks of one track, in order. It keeps gaps.

    ``bits``: bits per sample; None keeps them. ``native``: the blocks' sample rate, channels and bits, if known. Then the
    resampler is ready before the first block comes.
    """

    def __init__(
        self, sample_rate: int, channels: int, bits: int | None = None, native: tuple[int, int, int] | None = None
    ) -> None:
        self._rate = sample_rate  # Hz
        self._channels = channels
        self._format = "" if bits is None else next(row.name for row in SAMPLE_FORMATS.values() if row.bits >= bits)
        self._mixer = Mixer(channels)
        self._copies = 1  # how often the single channel is copied
        self._layout = ""  # of the output
        self._resampler: av.AudioResampler | None = None
        self._shape: tuple[str, int, int] = ("", 0, 0)  # of the input
        self._taken = 0  # input samples per channel since the resampler was created
        self._given = 0  # output samples, including those lost at gaps
        self._stale = 0  # output samples that the resampler still holds from before a gap
        self._next = 0  # the sequence number that follows without a gap
        self._offset = 0  # the sequence number of a block minus the input samples before it
        if native is not None:
            self._get_ready(*native)

    def _get_ready(self, sample_rate: int, channels: int, bits: int) -> None:
        """Make the resampler compute its filter, which can take longer than a microphone's buffer lasts."""
        row = next(row for row in SAMPLE_FORMATS.values() if row.bits >= bits)
        samples = sample_rate // gcd(sample_rate, self._rate)  # yields a whole number of output samples
        silent = memoryview(row.silence * channels * samples)
        self.convert(AudioData(row.name, sample_rate, samples, channels, 0, silent, sequence=-1 - samples))  # followed by a gap

    def convert(self, block: AudioData) -> AudioData | None:
        """Return the sound that is ready, or None while the resampler holds it back.

        The resampler is kept at a gap, because the filter of a new one can take longer to compute than a block lasts, so that a
        slow machine would lose the next blocks. The sound in the resampler at a gap, less than a millisecond, is dropped.
        """
        if block.number_of_channels > self._channels:
            block = self._mixer.mix(block)
        shape = block.format, block.sample_rate, block.number_of_channels
        if self._resampler is None or shape != self._shape:
            self._restart(block, shape)
        elif block.sequence != self._next:
            self._stale = -(-self._taken * self._rate // block.sample_rate) - self._given
        assert self._resampler is not None, "made by _restart"
        self._next = block.sequence + block.number_of_frames
        self._offset = block.sequence - self._taken
        start_us = block.timestamp - self._taken * MICROSECONDS // block.sample_rate
        frame = as_samples(block)
        frame.pts, frame.time_base = self._taken, Fraction(1, block.sample_rate)
        ready = self._resampler.resample(frame)
        self._taken += block.number_of_frames
        return self._joined(ready, self._format_of(block), start_us)

    def _format_of(self, block: AudioData) -> str:
        """Return the format of the output. Floating-point numbers stay what they are if they have the right size."""
        own, wanted = SAMPLE_FORMATS[block.format], SAMPLE_FORMATS[self._format or block.format]
        return own.name if own.bits == wanted.bits else wanted.name

    def _restart(self, block: AudioData, shape: tuple[str, int, int]) -> None:
        row = SAMPLE_FORMATS[self._format_of(block)]
        self._copies = self._channels if block.number_of_channels == 1 else 1
        self._layout = block.layout if block.number_of_channels == self._channels else ""
        self._resampler = av.AudioResampler(row.ffmpeg, layout_name(self._channels // self._copies), self._rate)
        self._shape, self._taken, self._given, self._stale = shape, 0, 0, 0

    def _joined(self, frames: list[av.AudioFrame], sample_format: str, start_us: int) -> AudioData | None:
        """Join the resampler's output. ``start_us``: the time of its very first sample, assuming that there was no gap."""
        samples = sum(frame.samples for frame in frames)
        stale = min(self._stale, samples)
        self._stale -= stale
        self._given += stale
        samples -= stale
        if not samples:
            return None
        sample_bytes = SAMPLE_FORMATS[sample_format].bits // 8
        row_bytes = sample_bytes * self._channels // self._copies
        sound = b"".join(memoryview(frame.planes[0])[: frame.samples * row_bytes] for frame in frames)[stale * row_bytes :]
        data = memoryview(_repeated(sound, sample_bytes, self._copies))
        sequence = self._offset * self._rate // self._shape[1] + self._given
        timestamp_us = start_us + self._given * MICROSECONDS // self._rate
        self._given += samples
        return AudioData(sample_format, self._rate, samples, self._channels, timestamp_us, data, sequence, layout=self._layout)


def _repeated(sound: bytes, sample_bytes: int, copies: int) -> bytes | bytearray:
    """Return the sound with every sample repeated ``copies`` times."""
    if copies == 1:
        return sound
    unit = _UNITS[sample_bytes]
    repeated = bytearray(len(sound) * copies)
    source, target = memoryview(sound).cast(unit), memoryview(repeated).cast(unit)
    for channel in range(copies):
        target[channel::copies] = source
    return repeated
