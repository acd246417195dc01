"""The nodes that process sound: https://www.w3.org/TR/webaudio-1.0/#audioapi."""

from __future__ import annotations

from functools import partial
from math import log2, log10
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mscli.api.audionode import LARGEST, AudioNode
from mscli.api.audioparam import AudioParam
from mscli.api.audiovalues import MOST_CHANNELS, number, one_of, whole_number
from mscli.core.errors import ArgumentError, IndexSizeError, InvalidAccessError, NotSupportedError
from mscli.core.readonly import ReadOnly
from mscli.webaudio import analyser
from mscli.webaudio.analyser import Analyser
from mscli.webaudio.biquad import TYPES, Biquad, response
from mscli.webaudio.channels import Merger, Splitter
from mscli.webaudio.compressor import Compressor
from mscli.webaudio.delay import Delay
from mscli.webaudio.gain import Gain
from mscli.webaudio.panner import StereoPanner
from mscli.webaudio.param import Param

if TYPE_CHECKING:
    from mscli.api.audiocontext import BaseAudioContext

CENTS = 1200 * log2(LARGEST)  # how far a frequency can be detuned
LOUDEST_DB = 40 * log10(LARGEST)
LONGEST_S = 180.0  # of a DelayNode
_FFT_SIZES = tuple(2**power for power in range(5, 16))


def param(default: float, lowest: float, highest: float, value: float | None, *, per_sample: bool = True) -> Param:
    """Return a parameter with a first value."""
    found = Param(default, lowest, highest, per_sample=per_sample)
    if value is not None:
        found.timeline.value = found.current = number(value, "the value of a parameter")
    return found


class GainNode(AudioNode):
    """A node that multiplies its input by ``gain``, which is 1 at first.

        import mscli

        with mscli.AudioContext(sink_id={"type": "none"}) as context:
            quiet = mscli.GainNode(context, gain=0.25)
            quiet.connect(context.destination)

    See https://www.w3.org/TR/webaudio-1.0/#GainNode. Does not differ from the standard.
    """

    gain = ReadOnly[AudioParam]()

    def __init__(self, context: BaseAudioContext, *, gain: float = 1.0, **channels: Any) -> None:
        level = param(1.0, -LARGEST, LARGEST, gain)
        super().__init__(context, Gain(level), **channels)
        self._gain = self._own(level)


class ChannelSplitterNode(AudioNode):
    """A node with one channel of its input at each of its outputs.

    See https://www.w3.org/TR/webaudio-1.0/#ChannelSplitterNode. Does not differ from the standard.
    """

    _fixed = frozenset({"channel_count", "channel_count_mode", "channel_interpretation"})

    def __init__(self, context: BaseAudioContext, *, number_of_outputs: int = 6, **channels: Any) -> None:
        count = _ports(number_of_outputs, "number_of_outputs")
        self._usual = (count, "explicit", "discrete")  # type: ignore[misc]  # it depends on the outputs
        super().__init__(context, Splitter(1, count), **channels)


class ChannelMergerNode(AudioNode):
    """A node whose output has one channel for each of its inputs, which are mixed to one channel.

    See https://www.w3.org/TR/webaudio-1.0/#ChannelMergerNode. Does not differ from the standard.
    """

    _usual = (1, "explicit", "speakers")
    _fixed = frozenset({"channel_count", "channel_count_mode"})

    def __init__(self, context: BaseAudioContext, *, number_of_inputs: int = 6, **channels: Any) -> None:
        super().__init__(context, Merger(_ports(number_of_inputs, "number_of_inputs"), 1), **channels)


def _ports(count: int, name: str) -> int:
    if not 1 <= whole_number(count, name) <= MOST_CHANNELS:
        raise IndexSizeError(f"{name} is from 1 to {MOST_CHANNELS}, not {count}")
    return count


class StereoPannerNode(AudioNode):
    """A node that moves its input between left (``pan`` −1) and right (1), at equal power.

    See https://www.w3.org/TR/webaudio-1.0/#stereopannernode. Does not differ from the standard.
    """

    _usual = (2, "clamped-max", "speakers")
    _stereo = True

    pan = ReadOnly[AudioParam]()

    def __init__(self, context: BaseAudioContext, *, pan: float = 0.0, **channels: Any) -> None:
        place = param(0.0, -1.0, 1.0, pan)
        super().__init__(context, StereoPanner(place), **channels)
        self._pan = self._own(place)


class DelayNode(AudioNode):
    """A node that delays its input by ``delay_time`` seconds, at most ``max_delay_time``. It makes cycles possible.

    See https://www.w3.org/TR/webaudio-1.0/#DelayNode. Does not differ from the standard.
    """

    delay_time = ReadOnly[AudioParam]()

    def __init__(
        self, context: BaseAudioContext, *, max_delay_time: float = 1.0, delay_time: float = 0.0, **channels: Any
    ) -> None:
        most_s = number(max_delay_time, "max_delay_time")
        if not 0 < most_s < LONGEST_S:
            raise NotSupportedError(f"max_delay_time is above 0 and below {LONGEST_S:g} seconds, not {most_s:g}")
        delay = param(0.0, 0.0, most_s, delay_time)
        super().__init__(context, Delay(delay, most_s, context.sample_rate), **channels)
        self._delay_time = self._own(delay)


class BiquadFilterNode(AudioNode):
    """A filter: "lowpass", "highpass", "bandpass", "lowshelf", "highshelf", "peaking", "notch" or "allpass".

    See https://www.w3.org/TR/webaudio-1.0/#BiquadFilterNode. Does not differ from the standard.
    """

    frequency = ReadOnly[AudioParam]()
    detune = ReadOnly[AudioParam]()
    q = ReadOnly[AudioParam]()
    gain = ReadOnly[AudioParam]()

    def __init__(
        self,
        context: BaseAudioContext,
        *,
        type: str = "lowpass",  # noqa: A002 (the standard's name)
        frequency: float = 350.0,
        detune: float = 0.0,
        q: float = 1.0,
        gain: float = 0.0,
        **channels: Any,
    ) -> None:
        params = (
            param(350.0, 0.0, context.sample_rate / 2, frequency),
            param(0.0, -CENTS, CENTS, detune),
            param(1.0, -LARGEST, LARGEST, q),
            param(0.0, -LARGEST, LOUDEST_DB, gain),
        )
        self._type = one_of(type, TYPES, "type")
        processor = Biquad(*params, context.sample_rate)
        processor.kind = self._type
        super().__init__(context, processor, **channels)
        self._frequency, self._detune, self._q, self._gain = map(self._own, params)

    @property
    def type(self) -> str:
        """Return the kind of filter. Raises TypeError for one that there is not."""
        return self._type

    @type.setter  # noqa: A003
    def type(self, kind: str) -> None:
        self._type = one_of(kind, TYPES, "type")
        self._post(partial(setattr, self._processor, "kind", kind))

    def get_frequency_response(
        self, frequency_hz: NDArray[np.float32], mag_response: NDArray[np.float32], phase_response: NDArray[np.float32]
    ) -> None:
        """Fill arrays with the gain and the phase (radians) at frequencies; NaN for those that do not exist.

        Raises InvalidAccessError unless all have one length, and TypeError for what is no array of float32.
        """
        arrays = [_array(one, np.float32) for one in (frequency_hz, mag_response, phase_response)]
        if len({len(one) for one in arrays}) > 1:
            raise InvalidAccessError("the three arrays have different lengths")
        rate = self._context.sample_rate
        hertz = min(max(self._frequency.value * 2 ** (self._detune.value / 1200), 0.0), rate / 2)
        given = np.asarray(frequency_hz, np.float64)
        mag_response[:], phase_response[:] = response(self._type, given, hertz, self._q.value, self._gain.value, rate)


class DynamicsCompressorNode(AudioNode):
    """A compressor: it lowers what is louder than ``threshold`` (dB), by ``ratio``, and makes up for it with a fixed gain.

    See https://www.w3.org/TR/webaudio-1.0/#DynamicsCompressorNode. Does not differ from the standard. The knee is a parabola in
    decibels.
    """

    _usual = (2, "clamped-max", "speakers")
    _stereo = True

    threshold = ReadOnly[AudioParam]()
    knee = ReadOnly[AudioParam]()
    ratio = ReadOnly[AudioParam]()
    attack = ReadOnly[AudioParam]()
    release = ReadOnly[AudioParam]()

    _processor: Compressor

    def __init__(
        self,
        context: BaseAudioContext,
        *,
        threshold: float = -24.0,
        knee: float = 30.0,
        ratio: float = 12.0,
        attack: float = 0.003,
        release: float = 0.25,
        **channels: Any,
    ) -> None:
        params = (
            param(-24.0, -100.0, 0.0, threshold, per_sample=False),
            param(30.0, 0.0, 40.0, knee, per_sample=False),
            param(12.0, 1.0, 20.0, ratio, per_sample=False),
            param(0.003, 0.0, 1.0, attack, per_sample=False),
            param(0.25, 0.0, 1.0, release, per_sample=False),
        )
        super().__init__(context, Compressor(params, context.sample_rate), **channels)
        own = partial(self._own, fixed_rate=True)
        self._threshold, self._knee, self._ratio, self._attack, self._release = map(own, params)

    @property
    def reduction(self) -> float:
        """Return by how many dB the gain is reduced now: 0 or less."""
        return self._processor.reduction


class AnalyserNode(AudioNode):
    """A node that passes its input on unchanged, and shows its waveform and its spectrum.

    See https://www.w3.org/TR/webaudio-1.0/#AnalyserNode. Does not differ from the standard.
    """

    _processor: Analyser

    def __init__(
        self,
        context: BaseAudioContext,
        *,
        fft_size: int = 2048,
        max_decibels: float = -30.0,
        min_decibels: float = -100.0,
        smoothing_time_constant: float = 0.8,
        **channels: Any,
    ) -> None:
        super().__init__(context, Analyser(), **channels)
        self._max_decibels, self._min_decibels = number(max_decibels, "max_decibels"), number(min_decibels, "min_decibels")
        self._check_decibels(self._min_decibels, self._max_decibels)
        self.fft_size, self.smoothing_time_constant = fft_size, smoothing_time_constant

    @property
    def fft_size(self) -> int:
        """Return how many samples are looked at: a power of two from 32 to 32768. Raises IndexSizeError for anything else."""
        return self._fft_size

    @fft_size.setter
    def fft_size(self, size: int) -> None:
        if size not in _FFT_SIZES:
            raise IndexSizeError(f"fft_size is a power of two from {_FFT_SIZES[0]} to {_FFT_SIZES[-1]}, not {size!r}")
        self._fft_size = size
        self._smoothed, self._seen = np.zeros(size // 2), -1

    @property
    def frequency_bin_count(self) -> int:
        """Return the number of frequencies of the spectrum."""
        return self._fft_size // 2

    @property
    def min_decibels(self) -> float:
        """Return the level that is 0 in bytes. Raises IndexSizeError unless it is below ``max_decibels``."""
        return self._min_decibels

    @min_decibels.setter
    def min_decibels(self, level: float) -> None:
        self._check_decibels(number(level, "min_decibels"), self._max_decibels)
        self._min_decibels = float(level)

    @property
    def max_decibels(self) -> float:
        """Return the level that is 255 in bytes. Raises IndexSizeError unless it is above ``min_decibels``."""
        return self._max_decibels

    @max_decibels.setter
    def max_decibels(self, level: float) -> None:
        self._check_decibels(self._min_decibels, number(level, "max_decibels"))
        self._max_decibels = float(level)

    @staticmethod
    def _check_decibels(low: float, high: float) -> None:
        if low >= high:
            raise IndexSizeError(f"min_decibels ({low:g}) must be below max_decibels ({high:g})")

    @property
    def smoothing_time_constant(self) -> float:
        """Return the share of the spectrum before in the next one, from 0 to 1. Raises IndexSizeError for anything else."""
        return self._smoothing

    @smoothing_time_constant.setter
    def smoothing_time_constant(self, share: float) -> None:
        if not 0 <= number(share, "smoothing_time_constant") <= 1:
            raise IndexSizeError(f"smoothing_time_constant is from 0 to 1, not {share:g}")
        self._smoothing = float(share)

    def get_float_time_domain_data(self, array: NDArray[np.float32]) -> None:
        """Fill an array of float32 with the latest waveform. Raises TypeError."""
        _fill(_array(array, np.float32), self._processor.latest(self._fft_size)[0])

    def get_byte_time_domain_data(self, array: NDArray[np.uint8]) -> None:
        """Fill an array of bytes with the latest waveform, where 128 is silence. Raises TypeError."""
        heard = np.nan_to_num(self._processor.latest(self._fft_size)[0])
        _fill(_array(array, np.uint8), np.clip(np.floor(128 * (1 + heard)), 0, 255))

    def get_float_frequency_data(self, array: NDArray[np.float32]) -> None:
        """Fill an array of float32 with the spectrum in dB. Raises TypeError."""
        _fill(_array(array, np.float32), self._spectrum_db())

    def get_byte_frequency_data(self, array: NDArray[np.uint8]) -> None:
        """Fill an array of bytes with the spectrum, from ``min_decibels`` (0) to ``max_decibels`` (255). Raises TypeError."""
        scaled = 255 / (self._max_decibels - self._min_decibels) * (self._spectrum_db() - self._min_decibels)
        _fill(_array(array, np.uint8), np.clip(np.floor(scaled), 0, 255))

    def _spectrum_db(self) -> NDArray[np.float64]:
        """Return the spectrum, which changes at most once in each render quantum."""
        heard, seen = self._processor.latest(self._fft_size)
        if seen != self._seen:
            self._seen = seen
            self._smoothed = analyser.spectrum(heard, self._smoothed, self._smoothing)
        with np.errstate(divide="ignore"):
            return 20 * np.log10(self._smoothed)


def _array(array: Any, kind: type[np.generic]) -> Any:
    if not isinstance(array, np.ndarray) or array.dtype != kind or array.ndim != 1:
        raise ArgumentError(f"this takes an array of NumPy of {kind.__name__} with one dimension")
    return array


def _fill(array: Any, values: Any) -> None:
    count = min(len(array), len(values))
    array[:count] = values[:count]
