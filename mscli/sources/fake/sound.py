"""The sound of a fake microphone: a quiet tone, and a beep at every whole second of the common epoch except the first.

The tone is 440 Hz at -30 dBFS. The beep is 1000 Hz at -6 dBFS for 50 ms, added to the tone. It begins at phase 0 with the first
sample of its second. All channels are the same.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator, Mapping

from mscli.core.boxes import Scalar
from mscli.core.clock import MICROSECONDS
from mscli.core.frames import SAMPLE_FORMATS, AudioData
from mscli.core.tuples import NamedTuple
from mscli.sources.fake.description import MAX_DRIFT_PPM

TONE_HZ, TONE_LEVEL = 440, 10 ** (-30 / 20)
BEEP_HZ, BEEP_LEVEL, BEEP_PARTS = 1000, 0.5, 20  # a beep lasts a twentieth of a second
BLOCKS_PER_SECOND = 100


class Samples(NamedTuple):
    """A sample format, and how to write numbers from -1 to 1 in it."""

    format: str
    typecode: str  # of array.array
    scale: int
    zero: int


SAMPLES = {8: Samples("u8", "B", 127, 128), 16: Samples("s16", "h", 2**15 - 1, 0), 32: Samples("s32", "i", 2**31 - 1, 0)}


class AudioFeed:
    """A generator of 10 ms audio blocks. Sample k of the common grid is captured k sample durations after the epoch.

    With ``drift_ppm``, the sound clock is fast: a second has more samples than the sample rate says.
    """

    delay = 1  # from the first sample of a block to its delivery, in block durations
    rate = float(BLOCKS_PER_SECOND)  # nominal

    def __init__(self, settings: Mapping[str, Scalar], drift_ppm: float = 0) -> None:
        self._hz, self._channels = int(settings["sampleRate"]), int(settings["channelCount"])
        self._true_hz = self._hz * (1 + drift_ppm / 1_000_000)
        bits = min((bits for bits in SAMPLES if bits >= int(settings["sampleSize"])), default=32)
        self._format = SAMPLES[bits].format
        self._frame_bytes = self._channels * SAMPLE_FORMATS[self._format].bits // 8
        self._first_second, self._second = (
            memoryview(_second(self._hz, self._channels, SAMPLES[bits], beep)).cast("B").toreadonly() for beep in (False, True)
        )

    def first(self, since_epoch_us: int) -> int:
        """Return the first block of the grid that begins at this time or later."""
        return math.ceil(since_epoch_us / MICROSECONDS * self._true_hz / self._hz * BLOCKS_PER_SECOND)

    def at_us(self, index: int) -> int:
        """Return the capture time of a block's first sample, in microseconds since the epoch."""
        return round(self._sample(index) * MICROSECONDS / self._true_hz)

    def size(self, index: int) -> int:
        """Return the number of samples per channel in a block."""
        return self._sample(index + 1) - self._sample(index)

    def frame(self, index: int, sequence: int, timestamp: int) -> AudioData:
        """Return block ``index`` of the grid, ``sequence`` samples after the microphone's start."""
        pieces = list(self._pieces(self._sample(index), self._sample(index + 1)))
        data = pieces[0] if len(pieces) == 1 else memoryview(b"".join(pieces))
        return AudioData(self._format, self._hz, self.size(index), self._channels, timestamp, data, sequence)

    def _sample(self, index: int) -> int:
        return index * self._hz // BLOCKS_PER_SECOND

    def _pieces(self, start: int, end: int) -> Iterator[memoryview]:
        """Yield the sound between two samples, split where a second begins."""
        while start < end:
            second = math.floor(start / self._true_hz)
            begin, stop = math.ceil(second * self._true_hz), min(end, math.ceil((second + 1) * self._true_hz))
            sound = self._second if second else self._first_second
            yield sound[(start - begin) * self._frame_bytes : (stop - begin) * self._frame_bytes]
            start = stop


def _second(hz: int, channels: int, samples: Samples, beep: bool) -> array[int]:
    """Return a second of interleaved sound, plus what a fast clock may need in addition."""
    part = hz // 5 if hz % 5 == 0 else hz  # 440 Hz repeats after a fifth of a second, so this is enough
    tone = [TONE_LEVEL * math.sin(math.tau * TONE_HZ * i / hz) for i in range(part)]
    mono = _written(tone, samples) * (hz // part)
    mono += mono[: hz * MAX_DRIFT_PPM // 1_000_000 + 1]
    if beep:
        loud = (BEEP_LEVEL * math.sin(math.tau * BEEP_HZ * i / hz) for i in range(hz // BEEP_PARTS))
        mono[: hz // BEEP_PARTS] = _written([quiet + more for quiet, more in zip(tone, loud, strict=False)], samples)
    return _interleaved(mono, channels)


def _written(values: list[float], samples: Samples) -> array[int]:
    return array(samples.typecode, (round(samples.zero + samples.scale * value) for value in values))


def _interleaved(mono: array[int], channels: int) -> array[int]:
    together = mono * channels
    for channel in range(channels):
        together[channel::channels] = mono
    return together
