"""The nodes of audio graphs by the numbers of the specification: https://www.w3.org/TR/webaudio-1.0/."""

from __future__ import annotations

import itertools
from math import cos, inf, nan, pi, sin, sqrt
from typing import Any
from weakref import ref

import numpy as np
import pytest

import mscli
from mscli.webaudio.mixing import MixRule, mix, mixed
from mscli.webaudio.processor import QUANTUM
from tests.sounds import RATE, constant, contents, noise, playing, rendered
from tests.untyped import untyped

H = sqrt(0.5)


# Mixing: https://www.w3.org/TR/webaudio-1.0/#UpMix-sub and #down-mix, one number for each channel

MIXES: dict[tuple[int, int], tuple[list[float], list[float]]] = {
    (1, 2): ([3], [3, 3]),
    (1, 4): ([3], [3, 3, 0, 0]),
    (1, 6): ([3], [0, 0, 3, 0, 0, 0]),
    (2, 4): ([3, 5], [3, 5, 0, 0]),
    (2, 6): ([3, 5], [3, 5, 0, 0, 0, 0]),
    (4, 6): ([3, 5, 7, 11], [3, 5, 0, 0, 7, 11]),
    (2, 1): ([3, 5], [4]),
    (4, 1): ([3, 5, 7, 11], [6.5]),
    (6, 1): ([3, 5, 7, 11, 13, 17], [H * 8 + 7 + 15]),
    (4, 2): ([3, 5, 7, 11], [5, 8]),
    (6, 2): ([3, 5, 7, 11, 13, 17], [3 + H * 20, 5 + H * 24]),
    (6, 4): ([3, 5, 7, 11, 13, 17], [3 + H * 7, 5 + H * 7, 13, 17]),
    (3, 2): ([3, 5, 7], [3, 5]),
    (2, 3): ([3, 5], [3, 5, 0]),
}


@pytest.mark.parametrize(("given", "wanted"), MIXES)
def test_loudspeakers_are_mixed_by_the_tables(given: int, wanted: int) -> None:
    before, after = MIXES[given, wanted]
    block = np.repeat(np.array(before, np.float32)[:, None], 4, axis=1)
    assert mix(block, wanted) == pytest.approx(np.repeat(np.array(after)[:, None], 4, axis=1))


@pytest.mark.parametrize(("given", "wanted"), [*itertools.product((1, 2, 4, 6), repeat=2)])
def test_discrete_channels_are_filled_and_dropped(given: int, wanted: int) -> None:
    block = np.arange(1, given + 1, dtype=np.float32)[:, None]
    expected = [channel + 1 if channel < given else 0 for channel in range(wanted)]
    assert mix(block, wanted, speakers=False)[:, 0].tolist() == expected


@pytest.mark.parametrize(("mode", "channels"), [("max", 4), ("clamped-max", 2), ("explicit", 2)])
def test_the_mode_says_how_many_channels_an_input_has(mode: str, channels: int) -> None:
    blocks = [np.ones((1, 8), np.float32), None, np.ones((4, 8), np.float32)]
    total = mixed(blocks, MixRule(2, mode, True))
    assert total is not None
    assert len(total) == channels


def test_what_is_not_a_number_stays_in_its_channel() -> None:
    block = np.array([[1], [nan]], np.float32)
    assert np.isnan(mix(block, 6)[:, 0]).tolist() == [False, True, False, False, False, False]


# Gain


def test_gain_multiplies() -> None:
    given = noise(1024)
    found = rendered(lambda context: playing(context, given).connect(mscli.GainNode(context, gain=-0.25)))
    assert found == pytest.approx(given * -0.25)


def test_connections_of_an_input_are_added_once_each() -> None:
    def build(context: mscli.OfflineAudioContext) -> mscli.AudioNode:
        total = mscli.GainNode(context)
        for value in (1.0, 2.0, 4.0):
            source = constant(context, value)
            assert source.connect(total) is total
            source.connect(total)
        return total

    assert (rendered(build) == 7).all()


def test_a_node_that_is_connected_to_a_parameter_adds_to_it() -> None:
    def build(context: mscli.OfflineAudioContext) -> mscli.AudioNode:
        gain = mscli.GainNode(context, gain=0.5)
        modulation = mscli.ChannelMergerNode(context, number_of_inputs=2)
        constant(context, 1).connect(modulation, 0, 0)
        constant(context, 3).connect(modulation, 0, 1)
        assert modulation.connect(gain.gain) is None
        return constant(context).connect(gain)

    assert (rendered(build) == 2.5).all()


# Channels


def test_a_splitter_and_a_merger_exchange_channels() -> None:
    given = noise(512, channels=3)

    def build(context: mscli.OfflineAudioContext) -> mscli.AudioNode:
        splitter = playing(context, given).connect(context.create_channel_splitter(3))
        merger = context.create_channel_merger(3)
        for channel in range(3):
            splitter.connect(merger, channel, 2 - channel)
        return merger

    context = mscli.OfflineAudioContext(3, 512, RATE)
    build(context).connect(context.destination)
    assert (contents(context.start_rendering()) == given[::-1]).all()


def test_outputs_beyond_the_channels_are_silent() -> None:
    def build(context: mscli.OfflineAudioContext) -> mscli.AudioNode:
        gain = mscli.GainNode(context)
        constant(context).connect(context.create_channel_splitter(6)).connect(gain, 5)
        return gain

    assert not rendered(build).any()


# Stereo panner: https://www.w3.org/TR/webaudio-1.0/#stereopanner-algorithm


@pytest.mark.parametrize("pan", [-1.0, -0.6, 0.0, 0.25, 1.0, 7.0, -7.0])
def test_mono_is_panned_at_equal_power(pan: float) -> None:
    found = rendered(lambda context: constant(context).connect(mscli.StereoPannerNode(context, pan=pan)), channels=2)
    place = (min(max(pan, -1), 1) + 1) / 2 * pi / 2
    assert found[:, -1] == pytest.approx([cos(place), sin(place)], abs=1e-6)


@pytest.mark.parametrize("pan", [-1.0, -0.6, 0.0, 0.25, 1.0])
def test_stereo_is_panned_from_one_side_to_the_other(pan: float) -> None:
    left, right = 0.3, 0.8
    given = np.repeat([[left], [right]], 256, axis=1)
    found = rendered(lambda context: playing(context, given).connect(mscli.StereoPannerNode(context, pan=pan)), 256, 2)
    place = (pan + 1 if pan <= 0 else pan) * pi / 2
    low, high = cos(place), sin(place)
    expected = [left + right * low, right * high] if pan <= 0 else [left * low, right + left * high]
    assert found[:, 100] == pytest.approx(expected, abs=1e-6)


# Delay


@pytest.mark.parametrize("delay", [0, 1, 127, 128, 129, 1000])
def test_a_delay_of_whole_samples_is_exact(delay: int) -> None:
    given = noise(4096)
    found = rendered(lambda context: playing(context, given).connect(mscli.DelayNode(context, delay_time=delay / RATE)), 4096)
    assert found[0, delay:] == pytest.approx(given[0, : 4096 - delay], abs=1e-6)
    assert not found[0, :delay].any()


def test_a_delay_between_samples_is_interpolated() -> None:
    given = np.arange(512) / 512
    found = rendered(lambda context: playing(context, given).connect(mscli.DelayNode(context, delay_time=10.25 / RATE)), 512)
    assert found[0, 20:] == pytest.approx((np.arange(20, 512) - 10.25) / 512, abs=1e-6)


def test_a_delay_is_at_most_what_was_asked_for() -> None:
    pulse = [1.0] + [0.0] * 1023

    def build(context: mscli.OfflineAudioContext) -> mscli.AudioNode:
        return playing(context, pulse).connect(mscli.DelayNode(context, max_delay_time=100 / RATE, delay_time=1))

    assert rendered(build)[0].argmax() == 100


def test_a_tail_is_heard_after_its_source_has_ended() -> None:
    found = rendered(lambda context: playing(context, [1.0]).connect(mscli.DelayNode(context, delay_time=0.05)), 4096)
    assert np.flatnonzero(found).tolist() == [2400]


# Cycles


def test_a_delay_in_a_cycle_lasts_at_least_a_quantum() -> None:
    def build(context: mscli.OfflineAudioContext) -> mscli.AudioNode:
        delay, feedback = mscli.DelayNode(context, delay_time=0), mscli.GainNode(context, gain=0.5)
        playing(context, [1.0]).connect(delay)
        return delay.connect(feedback).connect(delay)

    found = rendered(build)[0]
    assert np.flatnonzero(found).tolist() == list(range(QUANTUM, 1024, QUANTUM))
    assert found[QUANTUM::QUANTUM] == pytest.approx([0.5**power for power in range(7)])


def test_a_longer_delay_in_a_cycle_is_exact() -> None:
    def build(context: mscli.OfflineAudioContext) -> mscli.AudioNode:
        delay, feedback = mscli.DelayNode(context, delay_time=300 / RATE), mscli.GainNode(context, gain=-0.5)
        playing(context, [1.0]).connect(delay)
        delay.connect(feedback).connect(delay)
        return delay

    found = rendered(build)[0]
    assert np.flatnonzero(found).tolist() == [300, 600, 900]
    assert found[[300, 600, 900]] == pytest.approx([1, -0.5, 0.25])


def test_a_cycle_without_a_delay_is_silent_and_nothing_else_is() -> None:
    context = mscli.OfflineAudioContext(1, 1024, RATE)
    first, second = mscli.GainNode(context), mscli.GainNode(context)
    constant(context, 1).connect(first).connect(second).connect(first)
    second.connect(context.destination)
    constant(context, 3).connect(context.destination)
    assert (contents(context.start_rendering()) == 3).all()


def test_a_node_that_is_connected_to_its_own_parameter_is_a_cycle() -> None:
    def build(context: mscli.OfflineAudioContext) -> mscli.AudioNode:
        gain = constant(context).connect(mscli.GainNode(context))
        gain.connect(gain.gain)
        return gain

    assert not rendered(build).any()


def test_a_cycle_that_is_opened_again_sounds() -> None:
    context = mscli.OfflineAudioContext(1, 1024, RATE)
    gain = constant(context).connect(mscli.GainNode(context))
    gain.connect(gain)
    gain.connect(context.destination)

    def go_on(_: object) -> None:
        gain.disconnect(gain)
        context.resume()

    context.suspend(512 / RATE).add_done_callback(go_on)
    found = contents(context.start_rendering())[0]
    assert not found[:512].any()
    assert (found[512:] == 1).all()


def test_a_chain_may_be_long() -> None:
    def build(context: mscli.OfflineAudioContext) -> mscli.AudioNode:
        node: mscli.AudioNode = constant(context)
        for _ in range(3000):
            node = node.connect(mscli.GainNode(context))
        return node

    assert (rendered(build, 128) == 1).all()


# Analyser


def test_an_analyser_shows_waveform_and_spectrum() -> None:
    context = mscli.OfflineAudioContext(1, 4096, RATE)
    analyser = mscli.AnalyserNode(context, fft_size=1024, smoothing_time_constant=0)
    tone = mscli.OscillatorNode(context, frequency=RATE / 1024 * 64)
    tone.start()
    tone.connect(analyser).connect(context.destination)
    found = contents(context.start_rendering())[0]
    wave, spectrum = np.zeros(1024, np.float32), np.zeros(512, np.float32)
    analyser.get_float_time_domain_data(wave)
    analyser.get_float_frequency_data(spectrum)
    assert (wave == found[-1024:]).all()
    assert spectrum.argmax() == 64
    assert spectrum[64] == pytest.approx(20 * np.log10(0.42 / 2), abs=0.01)  # the mean of a Blackman window, of a sine
    as_bytes, bytes_of_wave = np.zeros(512, np.uint8), np.zeros(1024, np.uint8)
    analyser.get_byte_frequency_data(as_bytes)
    analyser.get_byte_time_domain_data(bytes_of_wave)
    assert as_bytes[64] == 255
    assert as_bytes[300] == 0
    assert bytes_of_wave.tolist() == np.clip(np.floor(128 * (1 + wave)), 0, 255).tolist()


def test_a_spectrum_is_smoothed_once_for_each_span() -> None:
    context = mscli.OfflineAudioContext(1, 4096, RATE)
    analyser = mscli.AnalyserNode(context, fft_size=1024, smoothing_time_constant=0.5)
    tone = mscli.OscillatorNode(context, frequency=RATE / 1024 * 64)
    tone.start()
    tone.connect(analyser).connect(context.destination)
    context.start_rendering()
    spectrum = np.zeros(512, np.float32)
    for _ in range(2):
        analyser.get_float_frequency_data(spectrum)
        assert spectrum[64] == pytest.approx(20 * np.log10(0.42 / 4), abs=0.01)


# What is refused


def refused(error: type[Exception], work: Any) -> None:
    with pytest.raises(error):
        work()


@pytest.mark.parametrize(
    ("error", "arguments"),
    [
        (mscli.NotSupportedError, (0, 100, 48_000)),
        (mscli.NotSupportedError, (33, 100, 48_000)),
        (mscli.NotSupportedError, (1, 0, 48_000)),
        (mscli.NotSupportedError, (1, 100, 100)),
        (mscli.NotSupportedError, (1, 100, 1e9)),
        (TypeError, (1, 100, nan)),
        (TypeError, (1.5, 100, 48_000)),
        (TypeError, (1, -1, 48_000)),
    ],
)
def test_contexts_and_buffers_that_cannot_be_are_refused(error: type[Exception], arguments: tuple[Any, ...]) -> None:
    channels, length, rate = arguments
    refused(error, lambda: mscli.OfflineAudioContext(channels, length, rate))
    refused(error, lambda: mscli.AudioBuffer(channels, length=length, sample_rate=rate))


@pytest.fixture
def context() -> mscli.OfflineAudioContext:
    return mscli.OfflineAudioContext(2, 1024, RATE)


def test_channel_counts_that_cannot_be_are_refused(context: mscli.OfflineAudioContext) -> None:
    gain = mscli.GainNode(context)
    for count in (0, 33):
        refused(mscli.NotSupportedError, lambda count=count: setattr(gain, "channel_count", count))
        refused(mscli.NotSupportedError, lambda count=count: mscli.GainNode(context, channel_count=count))
        refused(mscli.IndexSizeError, lambda count=count: mscli.ChannelSplitterNode(context, number_of_outputs=count))
        refused(mscli.IndexSizeError, lambda count=count: mscli.ChannelMergerNode(context, number_of_inputs=count))
    gain.channel_count = 32
    assert gain.channel_count == 32
    refused(TypeError, lambda: setattr(gain, "channel_count_mode", "most"))
    refused(TypeError, lambda: setattr(gain, "channel_interpretation", "headphones"))


def test_channels_that_are_fixed_cannot_be_changed(context: mscli.OfflineAudioContext) -> None:
    merger, splitter = mscli.ChannelMergerNode(context), mscli.ChannelSplitterNode(context)
    for node, name, value in [
        (merger, "channel_count", 2), (merger, "channel_count_mode", "max"), (splitter, "channel_count", 2),
        (splitter, "channel_count_mode", "max"), (splitter, "channel_interpretation", "speakers"),
        (context.destination, "channel_count", 1), (context.destination, "channel_count_mode", "max"),
    ]:  # fmt: skip
        refused(mscli.InvalidStateError, lambda node=node, name=name, value=value: setattr(node, name, value))
    merger.channel_count = 1
    for kind in (mscli.StereoPannerNode, mscli.DynamicsCompressorNode):
        refused(mscli.NotSupportedError, lambda kind=kind: kind(context, channel_count=3))
        refused(mscli.NotSupportedError, lambda kind=kind: kind(context, channel_count_mode="max"))


def test_connections_that_cannot_be_are_refused(context: mscli.OfflineAudioContext) -> None:
    gain, other = mscli.GainNode(context), mscli.GainNode(mscli.OfflineAudioContext(1, 100, RATE))
    refused(mscli.IndexSizeError, lambda: gain.connect(context.destination, 1))
    refused(mscli.IndexSizeError, lambda: gain.connect(context.destination, 0, 1))
    refused(mscli.IndexSizeError, lambda: context.destination.connect(gain))
    refused(mscli.InvalidAccessError, lambda: gain.connect(other))
    refused(mscli.InvalidAccessError, lambda: gain.connect(other.gain))
    refused(TypeError, lambda: untyped(gain).connect(None))
    refused(TypeError, lambda: gain.connect(context.destination, -1))


def test_what_is_not_connected_cannot_be_disconnected(context: mscli.OfflineAudioContext) -> None:
    gain, second = mscli.GainNode(context), mscli.GainNode(context)
    gain.disconnect()
    gain.disconnect(0)
    refused(mscli.InvalidAccessError, lambda: gain.disconnect(context.destination))
    refused(mscli.InvalidAccessError, lambda: gain.disconnect(second.gain))
    refused(mscli.IndexSizeError, lambda: gain.disconnect(1))
    gain.connect(context.destination)
    refused(mscli.IndexSizeError, lambda: gain.disconnect(context.destination, 1))
    refused(mscli.IndexSizeError, lambda: gain.disconnect(context.destination, 0, 1))
    gain.disconnect(context.destination, 0, 0)
    refused(mscli.InvalidAccessError, lambda: gain.disconnect(context.destination))


def test_what_is_disconnected_is_not_heard(context: mscli.OfflineAudioContext) -> None:
    first, second = constant(context, 1), constant(context, 2)
    for source in (first, second):
        source.connect(context.destination)
    first.disconnect(context.destination)
    assert (contents(context.start_rendering()) == 2).all()


def test_a_delay_is_below_three_minutes(context: mscli.OfflineAudioContext) -> None:
    for seconds in (0, -1, 180):
        refused(mscli.NotSupportedError, lambda seconds=seconds: context.create_delay(seconds))
    refused(TypeError, lambda: context.create_delay(inf))


def test_an_analyser_refuses_what_it_cannot_do(context: mscli.OfflineAudioContext) -> None:
    analyser = context.create_analyser()
    for name, value in [
        ("fft_size", 1000), ("fft_size", 16), ("fft_size", 65_536), ("min_decibels", -30), ("max_decibels", -100),
        ("smoothing_time_constant", 1.1), ("smoothing_time_constant", -0.1),
    ]:  # fmt: skip
        refused(mscli.IndexSizeError, lambda name=name, value=value: setattr(analyser, name, value))
    refused(TypeError, lambda: analyser.get_float_frequency_data(np.zeros(8)))  # type: ignore[arg-type]
    assert analyser.frequency_bin_count == 1024


def test_buffers_take_and_give_arrays(context: mscli.OfflineAudioContext) -> None:
    buffer = context.create_buffer(2, 10, 24_000)
    buffer.copy_to_channel(np.arange(4, dtype=np.float32), 1, 8)
    assert buffer.get_channel_data(1).tolist() == [0] * 8 + [0, 1]
    target = np.full(4, 9, np.float32)
    buffer.copy_from_channel(target, 1, 9)
    assert target.tolist() == [1, 9, 9, 9]
    assert buffer.duration == 10 / 24_000
    refused(mscli.IndexSizeError, lambda: buffer.get_channel_data(2))
    refused(TypeError, lambda: untyped(buffer).copy_to_channel(np.zeros(4), 0))


# The context


def test_a_context_renders_once_and_says_so() -> None:
    context = mscli.OfflineAudioContext(1, 1000, RATE)
    assert (context.state, context.length, context.render_quantum_size) == ("suspended", 1000, 128)
    buffer = context.start_rendering()
    assert (buffer.length, context.state) == (1000, "closed")
    refused(mscli.InvalidStateError, context.start_rendering)
    refused(mscli.InvalidStateError, context.resume)


@pytest.mark.parametrize("quantum", [32, 100, 1000])
def test_a_render_quantum_may_have_any_size(quantum: int) -> None:
    given = noise(4000)
    context = mscli.OfflineAudioContext(1, 4000, RATE, render_size_hint=quantum)
    filtered = playing(context, given).connect(mscli.BiquadFilterNode(context, frequency=1000))
    filtered.connect(mscli.DynamicsCompressorNode(context)).connect(context.destination)
    usual = rendered(
        lambda context: (
            playing(context, given)
            .connect(mscli.BiquadFilterNode(context, frequency=1000))
            .connect(mscli.DynamicsCompressorNode(context, ratio=1))
        ),
        4000,
    )
    found = contents(context.start_rendering())
    assert np.corrcoef(found[0], usual[0])[0, 1] > 0.99
    for size in (0, 16, 10_000):
        refused(mscli.NotSupportedError, lambda size=size: mscli.OfflineAudioContext(1, 10, RATE, render_size_hint=size))


def test_a_context_stands_still_where_it_is_asked_to() -> None:
    context = mscli.OfflineAudioContext(1, 1024, RATE)
    source = constant(context)
    source.connect(context.destination)
    times = []

    def change(_: object) -> None:
        times.append(context.current_time)
        assert context.state == "suspended"
        source.offset.value = 5
        context.resume()

    context.suspend(200 / RATE).add_done_callback(change)
    refused(mscli.InvalidStateError, lambda: context.suspend(250 / RATE))
    refused(mscli.InvalidStateError, lambda: context.suspend(1))
    refused(ValueError, lambda: context.suspend(-1))
    found = contents(context.start_rendering())[0]
    assert times == [256 / RATE]
    assert (found[:256] == 1).all()
    assert (found[256:] == 5).all()


def test_nodes_that_nobody_holds_are_freed() -> None:
    context = mscli.OfflineAudioContext(1, 1024, RATE)
    node = mscli.GainNode(context)
    processor = ref(node._processor)
    kept = mscli.GainNode(context)
    constant(context).connect(kept).connect(context.destination)
    del node, kept

    assert (contents(context.start_rendering()) == 1).all()
    assert processor() is None


def test_sound_that_is_not_a_number_passes_and_ends() -> None:
    given = np.zeros(1024)
    given[100] = nan
    found = rendered(lambda context: playing(context, given).connect(mscli.GainNode(context, gain=2)))
    assert np.flatnonzero(np.isnan(found)).tolist() == [100]
    found = rendered(lambda context: playing(context, given).connect(mscli.BiquadFilterNode(context)))
    assert not np.isnan(found[0, :100]).any()
    found = rendered(lambda context: playing(context, given).connect(mscli.DynamicsCompressorNode(context)), 2048)
    assert np.flatnonzero(np.isnan(found)).tolist() == [100 + 288]
