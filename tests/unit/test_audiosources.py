"""The sources of audio graphs: https://www.w3.org/TR/webaudio-1.0/#OscillatorNode and #playback-AudioBufferSourceNode."""

from __future__ import annotations

from math import pi
from typing import Any

import numpy as np
import pytest

import mscli
from tests.sounds import RATE, constant, contents, rendered
from tests.unit.stage import Moments
from tests.untyped import untyped

T = np.arange(4096) / RATE


def oscillating(samples: int = 4096, when: float = 0, **options: Any) -> Any:
    def build(context: mscli.OfflineAudioContext) -> mscli.AudioNode:
        source = mscli.OscillatorNode(context, **options)
        source.start(when)
        return source

    return rendered(build, samples)[0]


def test_a_sine_is_a_sine() -> None:
    assert oscillating(frequency=440) == pytest.approx(np.sin(2 * pi * 440 * T), abs=1e-6)


def test_the_phase_is_zero_when_it_starts_also_between_two_samples() -> None:
    when = 100.25 / RATE
    found = oscillating(when=when, frequency=1000)
    assert not found[:101].any()
    assert found[101:] == pytest.approx(np.sin(2 * pi * 1000 * (T[101:] - when)), abs=1e-6)


WAVES = {
    "square": lambda n: 2 / (n * pi) * (1 - (-1) ** n),
    "sawtooth": lambda n: (-1) ** (n + 1) * 2 / (n * pi),
    "triangle": lambda n: 8 * np.sin(n * pi / 2) / (pi * n) ** 2,
}


@pytest.mark.parametrize("kind", WAVES)
@pytest.mark.parametrize("frequency", [100.0, 1234.5, 9000.0])
def test_waves_have_the_partials_that_the_rate_can_hold(kind: str, frequency: float) -> None:
    """The series of https://www.w3.org/TR/webaudio-1.0/#oscillator-coefficients, normalized, up to half the sample rate."""
    whole = np.arange(1, 2048)
    peak = np.abs(np.fft.irfft([0, *(-1j * WAVES[kind](whole))], 65_536) * 65_536 / 2).max()
    partials = np.arange(1, int(RATE / 2 / frequency) + 1)[:, None]
    series = (WAVES[kind](partials) * np.sin(2 * pi * partials * frequency * T[:1024])).sum(axis=0) / peak
    assert oscillating(1024, type=kind, frequency=frequency) == pytest.approx(series, abs=0.005)


def test_detune_and_automation_change_the_frequency() -> None:
    def build(context: mscli.OfflineAudioContext) -> mscli.AudioNode:
        source = mscli.OscillatorNode(context, frequency=100, detune=1200)
        source.frequency.set_value_at_time(100, 0).linear_ramp_to_value_at_time(1000, 4096 / RATE)
        source.start()
        return source

    hertz = 2 * (100 + 900 * T / (4096 / RATE))
    phase = np.concatenate([[0], np.cumsum(hertz)[:-1]]) / RATE
    assert rendered(build, 4096)[0] == pytest.approx(np.sin(2 * pi * phase), abs=1e-5)


def test_a_periodic_wave_is_its_series() -> None:
    real, imag = [9.0, 0.5, 0.0, 0.25], [9.0, 0.0, 1.0, 0.0]
    turn = 2 * pi * 300 * T
    series = 0.5 * np.cos(turn) + np.sin(2 * turn) + 0.25 * np.cos(3 * turn)
    fine = 2 * pi * np.arange(65_536) / 65_536
    peak = np.abs(0.5 * np.cos(fine) + np.sin(2 * fine) + 0.25 * np.cos(3 * fine)).max()
    for plain in (True, False):
        context = mscli.OfflineAudioContext(1, 4096, RATE)
        wave = context.create_periodic_wave(real, imag, disable_normalization=plain)
        source = mscli.OscillatorNode(context, frequency=300, periodic_wave=wave)
        source.connect(context.destination)
        source.start()
        found = contents(context.start_rendering())[0]
        assert source.type == "custom"
        assert found == pytest.approx(series if plain else series / peak, abs=1e-4)


def test_a_periodic_wave_may_have_many_terms() -> None:
    context = mscli.OfflineAudioContext(1, 1024, RATE)
    source = mscli.OscillatorNode(context, frequency=1, periodic_wave=mscli.PeriodicWave(context, imag=[0.0, *[1.0] * 8191]))
    source.connect(context.destination)
    source.start()
    assert np.abs(contents(context.start_rendering())).max() <= 1.001


def test_waves_that_cannot_be_are_refused() -> None:
    context = mscli.OfflineAudioContext(1, 128, RATE)
    for terms in (dict[str, Any](real=[1.0]), dict[str, Any](imag=[]), dict[str, Any](real=[0, 1], imag=[0, 1, 2])):
        with pytest.raises(mscli.IndexSizeError):
            mscli.PeriodicWave(context, **terms)
    with pytest.raises(mscli.InvalidStateError):
        mscli.OscillatorNode(context, type="custom")
    source = mscli.OscillatorNode(context)
    with pytest.raises(mscli.InvalidStateError):
        source.type = "custom"
    with pytest.raises(TypeError):
        source.type = "noise"
    with pytest.raises(mscli.InvalidAccessError):
        source.set_periodic_wave(mscli.PeriodicWave(mscli.OfflineAudioContext(1, 128, RATE)))


# Starting and stopping


def test_a_source_sounds_from_its_start_to_its_stop() -> None:
    def build(context: mscli.OfflineAudioContext) -> mscli.AudioNode:
        source = mscli.ConstantSourceNode(context, offset=3)
        source.start(100 / RATE)
        source.stop(200 / RATE)
        return source

    assert np.flatnonzero(rendered(build) == 3).tolist() == list(range(100, 200))


def test_the_last_stop_counts() -> None:
    def build(context: mscli.OfflineAudioContext) -> mscli.AudioNode:
        source = constant(context)
        source.stop(200 / RATE)
        source.stop(300 / RATE)
        return source

    assert rendered(build).sum() == 300


def test_a_source_is_started_once_and_then_stopped() -> None:
    context = mscli.OfflineAudioContext(1, 128, RATE)
    for kind in (mscli.ConstantSourceNode, mscli.OscillatorNode, mscli.AudioBufferSourceNode):
        source = kind(context)
        with pytest.raises(mscli.InvalidStateError):
            source.stop()
        with pytest.raises(ValueError, match="when"):
            source.start(-1)
        source.start()
        with pytest.raises(mscli.InvalidStateError):
            source.start()
        with pytest.raises(ValueError, match="when"):
            source.stop(-1)


def test_ended_fires_when_a_source_has_stopped() -> None:
    context = mscli.OfflineAudioContext(1, 1024, RATE)
    source = constant(context)
    source.stop(500 / RATE)
    heard, whole = Moments(source), Moments(context, "complete")
    buffer = context.start_rendering()
    assert heard.wait("ended").target is source
    assert whole.wait("complete").rendered_buffer is buffer
    assert heard.types == ["ended"]


# Buffers


def played(data: Any, samples: int = 64, *, start: tuple[Any, ...] = (), rate: float = RATE, **options: Any) -> list[float]:
    def build(context: mscli.OfflineAudioContext) -> mscli.AudioNode:
        buffer = mscli.AudioBuffer(1, length=len(data), sample_rate=rate)
        buffer.copy_to_channel(np.array(data, np.float32), 0)
        source = mscli.AudioBufferSourceNode(context, buffer=buffer, **options)
        source.start(*start)
        return source

    found: list[float] = rendered(build, samples)[0].tolist()
    return found


RAMP = [float(value) for value in range(1, 11)]


def test_a_buffer_is_played_once() -> None:
    assert played(RAMP, 16) == [*RAMP, *[0.0] * 6]


def test_a_buffer_is_played_from_a_time_and_a_place_for_a_while() -> None:
    assert played(RAMP, 16, start=(3 / RATE, 2 / RATE, 4 / RATE)) == [0, 0, 0, 3, 4, 5, 6, *[0.0] * 9]


def test_a_loop_is_repeated() -> None:
    assert played(RAMP, 14, loop=True, loop_start=2 / RATE, loop_end=5 / RATE) == [1, 2, 3, 4, 5, 3, 4, 5, 3, 4, 5, 3, 4, 5]
    assert played(RAMP, 25, loop=True) == [*RAMP, *RAMP, *RAMP[:5]]
    assert played(RAMP, 14, loop=True, start=(0, 0, 12 / RATE)) == [*RAMP, 1, 2, 0, 0]


def test_a_buffer_is_played_faster_slower_and_backwards() -> None:
    assert played(RAMP, 6, playback_rate=2) == [1, 3, 5, 7, 9, 0]
    assert played(RAMP, 6, playback_rate=0.5) == [1, 1.5, 2, 2.5, 3, 3.5]
    assert played(RAMP, 6, detune=1200) == [1, 3, 5, 7, 9, 0]
    assert played(RAMP, 6, playback_rate=-1, start=(0, 4 / RATE)) == [5, 4, 3, 2, 1, 0]
    assert played(RAMP, 6, playback_rate=-1, start=(0, 2 / RATE), loop=True, loop_end=4 / RATE) == [3, 2, 1, 4, 3, 2]


def test_a_buffer_of_another_rate_is_played_at_its_own_speed() -> None:
    assert played(RAMP, 6, rate=RATE / 2) == [1, 1.5, 2, 2.5, 3, 3.5]


def test_ended_fires_when_a_buffer_is_over() -> None:
    context = mscli.OfflineAudioContext(1, 1024, RATE)
    source = mscli.AudioBufferSourceNode(context, buffer=context.create_buffer(1, 300, RATE))
    heard = Moments(source)
    source.connect(context.destination)
    source.start()
    context.start_rendering()
    heard.wait("ended")


def test_a_source_without_a_buffer_is_silent_and_ends() -> None:
    context = mscli.OfflineAudioContext(1, 1024, RATE)
    source = mscli.AudioBufferSourceNode(context)
    heard = Moments(source)
    source.start()
    assert not contents(context.start_rendering()).any()
    heard.wait("ended")
    with pytest.raises(TypeError):
        untyped(source).buffer = [1.0]


def test_what_is_played_is_what_the_buffer_was_at_the_start() -> None:
    context = mscli.OfflineAudioContext(1, 128, RATE)
    buffer = context.create_buffer(1, 128, RATE)
    source = mscli.AudioBufferSourceNode(context, buffer=buffer)
    source.connect(context.destination)
    source.start()
    buffer.get_channel_data(0)[:] = 1
    with pytest.raises(mscli.InvalidStateError):
        source.buffer = buffer
    assert not contents(context.start_rendering()).any()
