"""AudioBuffer: sound in memory. https://www.w3.org/TR/webaudio-1.0/#AudioBuffer"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mscli.api.audiovalues import channel_number, sample_rate_of, whole_number
from mscli.core.errors import ArgumentError, IndexSizeError, NotSupportedError
from mscli.core.readonly import ReadOnly
from mscli.webaudio.mixing import Block

Samples = NDArray[np.float32]


class AudioBuffer:
    """A piece of sound in memory, of float samples.

        import mscli

        buffer = mscli.AudioBuffer(number_of_channels=1, length=48_000, sample_rate=48_000)
        buffer.get_channel_data(0)[:] = 0.5

    See https://www.w3.org/TR/webaudio-1.0/#AudioBuffer. Differs from the standard: the arrays are those of NumPy.
    """

    sample_rate = ReadOnly[float]()
    length = ReadOnly[int]()
    number_of_channels = ReadOnly[int]()

    def __init__(self, number_of_channels: int = 1, *, length: int, sample_rate: float) -> None:
        self._number_of_channels = channel_number(number_of_channels)
        self._length = whole_number(length, "length")
        if self._length < 1:
            raise NotSupportedError("a buffer has at least one sample")
        self._sample_rate = sample_rate_of(sample_rate)
        self._data = np.zeros((self._number_of_channels, self._length), np.float32)

    def __repr__(self) -> str:
        return f"<AudioBuffer {self.number_of_channels}×{self.length} samples, {self.sample_rate:g} Hz>"

    @classmethod
    def of_block(cls, block: Block, sample_rate: float) -> AudioBuffer:
        """Return a buffer with an array of (channels, samples), which it takes over (beyond the standard)."""
        buffer = cls(len(block), length=block.shape[1], sample_rate=sample_rate)
        buffer._data = block
        return buffer

    @property
    def duration(self) -> float:
        """Return how long it lasts, in seconds."""
        return self.length / self.sample_rate

    def get_channel_data(self, channel: int) -> Samples:
        """Return the samples of a channel as an array, which shares its memory. Raises IndexSizeError if it is unknown."""
        return self._channel(channel)

    def copy_from_channel(self, destination: Samples, channel_number: int, buffer_offset: int = 0) -> None:
        """Copy samples from ``buffer_offset`` on into an array, as many as fit. Raises IndexSizeError, and TypeError."""
        given = self._channel(channel_number)[whole_number(buffer_offset, "buffer_offset") :]
        count = min(len(_floats(destination)), len(given))
        destination[:count] = given[:count]

    def copy_to_channel(self, source: Samples, channel_number: int, buffer_offset: int = 0) -> None:
        """Copy an array into the samples from ``buffer_offset`` on, as many as fit. Raises IndexSizeError, and TypeError."""
        target = self._channel(channel_number)[whole_number(buffer_offset, "buffer_offset") :]
        count = min(len(_floats(source)), len(target))
        target[:count] = source[:count]

    def _channel(self, channel: int) -> Samples:
        if whole_number(channel, "channel") >= self.number_of_channels:
            raise IndexSizeError(f"a buffer with {self.number_of_channels} channel(s) has no channel {channel}")
        found: Samples = self._data[channel]
        return found

    def contents(self) -> Block:
        """Return a copy of the samples, as (channels, samples) (beyond the standard)."""
        return self._data.copy()


def _floats(array: Any) -> Samples:
    if not isinstance(array, np.ndarray) or array.dtype != np.float32 or array.ndim != 1:
        raise ArgumentError("samples are an array of NumPy of float32 with one dimension")
    return array
