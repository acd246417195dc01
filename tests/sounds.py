"""Sound of audio graphs for tests: rendered into arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

import mscli

RATE = 48_000
Array = NDArray[Any]
Build = Callable[[mscli.OfflineAudioContext], mscli.AudioNode]


def rendered(build: Build, samples: int = 1024, channels: int = 1, rate: float = RATE) -> Array:
    """Render what ``build`` returns, as (channels, samples)."""
    context = mscli.OfflineAudioContext(channels, samples, rate)
    build(context).connect(context.destination)
    return contents(context.start_rendering())


def contents(buffer: mscli.AudioBuffer) -> Array:
    """Return all samples of a buffer."""
    return np.array([buffer.get_channel_data(channel) for channel in range(buffer.number_of_channels)])


def playing(context: mscli.BaseAudioContext, samples: Any, **options: Any) -> mscli.AudioBufferSourceNode:
    """Return a source that plays an array of (channels, samples) from the beginning."""
    array = np.atleast_2d(np.asarray(samples, np.float32))
    buffer = mscli.AudioBuffer(len(array), length=array.shape[1], sample_rate=context.sample_rate)
    for channel, row in enumerate(array):
        buffer.copy_to_channel(row, channel)
    source = mscli.AudioBufferSourceNode(context, buffer=buffer, **options)
    source.start()
    return source


def constant(context: mscli.BaseAudioContext, value: float = 1.0) -> mscli.ConstantSourceNode:
    """Return a started source of one value."""
    source = mscli.ConstantSourceNode(context, offset=value)
    source.start()
    return source


def level_db(samples: Array) -> float:
    """Return the level of the loudest sample."""
    return float(20 * np.log10(np.abs(samples).max()))


def noise(samples: int, channels: int = 1, seed: int = 7) -> Array:
    """Return white noise at half of full scale."""
    return np.random.default_rng(seed).uniform(-0.5, 0.5, (channels, samples)).astype(np.float32)
