"""Filters and the compressor of audio graphs, by the formulas of https://www.w3.org/TR/webaudio-1.0/#filters-characteristics."""

from __future__ import annotations

from math import log10, nan, pi
from typing import Any

import numpy as np
import pytest

import mscli
from mscli.webaudio.biquad import TYPES, coefficients
from mscli.webaudio.compressor import LOOK_AHEAD_S, curve_db, makeup
from tests.sounds import RATE, constant, contents, noise, playing, rendered

FILTERS = [  # type, frequency, Q, gain
    ("lowpass", 1000, 0, 0), ("lowpass", 200, 12, 0), ("highpass", 3000, -3, 0), ("highpass", 80, 20, 0),
    ("bandpass", 1000, 5, 0), ("notch", 50, 8, 0), ("allpass", 500, 0.7, 0), ("peaking", 2500, 1, 9), ("peaking", 2500, 3, -12),
    ("lowshelf", 300, 1, 6), ("lowshelf", 300, 1, -20), ("highshelf", 6000, 1, 12), ("highshelf", 6000, 1, -6),
]  # fmt: skip


def parts(kind: str, frequency: float, q: float, gain: float) -> tuple[list[float], list[float]]:
    """Return b and a by the formulas, one number after the other."""
    a, omega = 10 ** (gain / 40), 2 * pi * frequency / RATE
    cos, sin = np.cos(omega), np.sin(omega)
    alpha, alpha_db, shelf = sin / (2 * q) if q else 0, sin / (2 * 10 ** (q / 20)), sin / 2 * np.sqrt(2) * 2 * np.sqrt(a)
    plain = {"lowpass": ([(1 - cos) / 2, 1 - cos, (1 - cos) / 2], alpha_db),
             "highpass": ([(1 + cos) / 2, -(1 + cos), (1 + cos) / 2], alpha_db),
             "bandpass": ([alpha, 0, -alpha], alpha), "notch": ([1, -2 * cos, 1], alpha),
             "allpass": ([1 - alpha, -2 * cos, 1 + alpha], alpha)}  # fmt: skip
    if kind in plain:
        return plain[kind][0], [1 + plain[kind][1], -2 * cos, 1 - plain[kind][1]]
    if kind == "peaking":
        return [1 + alpha * a, -2 * cos, 1 - alpha * a], [1 + alpha / a, -2 * cos, 1 - alpha / a]
    sign = 1 if kind == "lowshelf" else -1
    low, high = (a + 1) - sign * (a - 1) * cos, (a + 1) + sign * (a - 1) * cos
    b = [a * (low + shelf), sign * 2 * a * ((a - 1) - sign * (a + 1) * cos), a * (low - shelf)]
    return b, [high + shelf, -sign * 2 * ((a - 1) + sign * (a + 1) * cos), high - shelf]


def recursion(given: Any, kind: str, *setting: float) -> Any:
    """Return the output by the difference equation."""
    (b0, b1, b2), (a0, a1, a2) = parts(kind, *setting)
    x1 = x2 = y1 = y2 = 0.0
    found = []
    for x in given.tolist():
        y = (b0 * x + b1 * x1 + b2 * x2 - a1 * y1 - a2 * y2) / a0
        x1, x2, y1, y2 = x, x1, y, y1
        found.append(y)
    return np.array(found)


def filtered(given: Any, kind: str, frequency: float, q: float, gain: float, **more: Any) -> Any:
    return rendered(
        lambda context: playing(context, given).connect(
            mscli.BiquadFilterNode(context, type=kind, frequency=frequency, q=q, gain=gain, **more)
        ),
        given.shape[1],
        len(given),
    )


def test_all_types_are_tried() -> None:
    assert {kind for kind, *_ in FILTERS} == set(TYPES)


@pytest.mark.parametrize("setting", FILTERS)
def test_a_filter_is_the_difference_equation(setting: tuple[str, float, float, float]) -> None:
    given = noise(4096)
    assert filtered(given, *setting)[0] == pytest.approx(recursion(given[0], *setting), abs=1e-5)


@pytest.mark.parametrize("setting", FILTERS)
def test_the_response_is_the_transfer_function(setting: tuple[str, float, float, float]) -> None:
    kind, frequency, q, gain = setting
    context = mscli.OfflineAudioContext(1, 128, RATE)
    node = mscli.BiquadFilterNode(context, type=kind, frequency=frequency, q=q, gain=gain)
    hertz = np.array([0, 20, 100, 440, 1000, 5000, 15_000, RATE / 2], np.float32)
    magnitudes, phases = np.zeros(8, np.float32), np.zeros(8, np.float32)
    node.get_frequency_response(hertz, magnitudes, phases)
    b, a = parts(*setting)
    z = np.exp(-2j * pi * hertz.astype(np.float64) / RATE)
    expected = np.polyval(b[::-1], z) / np.polyval(a[::-1], z)
    assert magnitudes == pytest.approx(np.abs(expected), rel=1e-4, abs=1e-5)
    sounding = np.abs(expected) > 1e-3
    assert np.exp(1j * phases[sounding]) == pytest.approx(np.exp(1j * np.angle(expected[sounding])), abs=1e-4)


def test_a_response_outside_of_the_frequencies_is_not_a_number() -> None:
    node = mscli.OfflineAudioContext(1, 128, RATE).create_biquad_filter()
    hertz, magnitudes, phases = (np.array([-1, 100, RATE], np.float32) for _ in range(3))
    node.get_frequency_response(hertz, magnitudes, phases)
    assert np.isnan(magnitudes).tolist() == np.isnan(phases).tolist() == [True, False, True]
    with pytest.raises(mscli.InvalidAccessError):
        node.get_frequency_response(hertz, magnitudes[:2], phases)
    with pytest.raises(TypeError):
        node.get_frequency_response([1.0], magnitudes, phases)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "at_zero", "at_end"),
    [
        ("lowpass", 0, 1), ("highpass", 1, 0), ("bandpass", 0, 0), ("notch", 1, 1), ("allpass", 1, 1), ("peaking", 1, 1),
        ("lowshelf", 2, 1), ("highshelf", 1, 2),
    ],
)  # fmt: skip
def test_at_both_ends_of_the_frequencies_a_filter_is_a_gain(kind: str, at_zero: float, at_end: float) -> None:
    twice_db = 20 * log10(2)
    for frequency, gain in ((0, at_zero), (RATE / 2, at_end)):
        assert coefficients(kind, frequency, 1, twice_db, RATE)[:, 0] == pytest.approx([gain, 0, 0, 0, 0])


@pytest.mark.parametrize(("kind", "gain"), [("bandpass", 1), ("notch", 0), ("allpass", -1), ("peaking", 2)])
def test_without_a_q_a_filter_is_a_gain(kind: str, gain: float) -> None:
    assert coefficients(kind, 1000, 0, 20 * log10(2), RATE)[:, 0] == pytest.approx([gain, 0, 0, 0, 0])


def test_detune_moves_the_frequency() -> None:
    given = noise(1024)
    assert filtered(given, "lowpass", 1000, 3, 0, detune=1200) == pytest.approx(filtered(given, "lowpass", 2000, 3, 0))


def test_channels_are_filtered_each_by_itself() -> None:
    given = noise(1024, channels=2)
    found = filtered(given, "highpass", 500, 0, 0)
    for channel in range(2):
        assert found[channel] == pytest.approx(filtered(given[channel : channel + 1], "highpass", 500, 0, 0)[0])


def test_automation_changes_the_filter_with_each_sample() -> None:
    given, count = noise(2048), np.arange(2048)

    def build(context: mscli.OfflineAudioContext) -> mscli.AudioNode:
        node = mscli.BiquadFilterNode(context)
        node.frequency.set_value_at_time(200, 0).linear_ramp_to_value_at_time(8000, 1024 / RATE)
        return playing(context, given).connect(node)

    rows = coefficients("lowpass", np.minimum(200 + 7800 * count / 1024, 8000), 1.0, 0.0, RATE).T
    x1 = x2 = y1 = y2 = 0.0
    expected = []
    for x, (b0, b1, b2, a1, a2) in zip(given[0].tolist(), rows.tolist(), strict=True):
        y = b0 * x + b1 * x1 + b2 * x2 - a1 * y1 - a2 * y2
        x1, x2, y1, y2 = x, x1, y, y1
        expected.append(y)
    assert rendered(build, 2048)[0] == pytest.approx(np.array(expected), abs=1e-5)


def test_a_filter_may_change_its_type() -> None:
    context = mscli.OfflineAudioContext(1, 1024, RATE)
    node = constant(context).connect(mscli.BiquadFilterNode(context, frequency=2000))
    node.connect(context.destination)
    node.type = "highpass"
    assert node.type == "highpass"
    assert abs(contents(context.start_rendering())[0, -1]) < 1e-4
    with pytest.raises(TypeError):
        node.type = "comb"


def test_a_parameter_that_is_not_a_number_is_refused() -> None:
    with pytest.raises(TypeError):
        mscli.BiquadFilterNode(mscli.OfflineAudioContext(1, 128, RATE), frequency=nan)


# The compressor: https://www.w3.org/TR/webaudio-1.0/#compression-curve

SECOND = RATE // 4


def compressed(level_db: float, **options: Any) -> tuple[float, float]:
    """Return the level in dB of a steady signal after the compressor has settled, and the reduction that it shows."""
    context = mscli.OfflineAudioContext(1, SECOND, RATE)
    node = mscli.DynamicsCompressorNode(context, release=0.01, **options)
    constant(context, 10 ** (level_db / 20)).connect(node).connect(context.destination)
    return 20 * log10(contents(context.start_rendering())[0, -1]), node.reduction


@pytest.mark.parametrize("knee", [0, 10, 30])
@pytest.mark.parametrize("level_db", [-70, -40, -30.1, -25, -15, -5, 0, 6])
def test_a_steady_level_follows_the_curve(knee: float, level_db: float) -> None:
    threshold, ratio = -30.0, 4.0
    over = max(0.0, level_db - threshold)
    bend = min(over, knee) ** 2 / (2 * knee) if knee else 0
    expected = level_db + (1 / ratio - 1) * (bend + max(0.0, over - knee))
    at_full = (1 / ratio - 1) * (min(-threshold, knee) ** 2 / (2 * knee) if knee else 0) + (1 / ratio - 1) * max(
        0, -threshold - knee
    )
    found, reduction = compressed(level_db, threshold=threshold, ratio=ratio, knee=knee)
    assert found == pytest.approx(expected - 0.6 * at_full, abs=0.05)
    assert reduction == pytest.approx(expected - level_db, abs=0.05)


@pytest.mark.parametrize("ratio", [1.0, 2.0, 12.0, 20.0])
def test_the_curve_rises_without_a_jump_and_ends_with_the_ratio(ratio: float) -> None:
    levels = np.linspace(-100, 20, 2401)
    curve = curve_db(levels, -24.0, 30.0, ratio)
    steps = np.diff(curve) / np.diff(levels)
    assert (curve[levels <= -24] == levels[levels <= -24]).all()
    assert (steps > 0).all()
    assert np.abs(np.diff(steps)).max() < 0.01
    assert steps[-1] == pytest.approx(1 / ratio)
    assert makeup(-24.0, 30.0, ratio) == pytest.approx(10 ** (-0.6 * float(curve_db(0.0, -24.0, 30.0, ratio)) / 20))


def test_a_compressor_with_a_ratio_of_one_is_a_delay_of_six_milliseconds() -> None:
    given = noise(4096)
    found = rendered(lambda context: playing(context, given).connect(mscli.DynamicsCompressorNode(context, ratio=1)), 4096)
    ahead = round(LOOK_AHEAD_S * RATE)
    assert ahead == 288
    assert found[0, ahead:] == pytest.approx(given[0, :-ahead], abs=1e-6)


def test_attack_and_release_take_their_time() -> None:
    """Ten decibels of release last ``release`` seconds; nine tenths of an attack last ``attack`` seconds."""
    lasts, attack, release = 2 * RATE, 0.05, 0.4
    given = np.full((1, lasts), 0.001)
    given[0, RATE // 4 : RATE] = 1
    node_options = {"threshold": -40, "knee": 0, "ratio": 20, "attack": attack, "release": release}
    found = rendered(
        lambda context: playing(context, given).connect(mscli.DynamicsCompressorNode(context, **node_options)), lasts
    )[0]
    ahead = round(LOOK_AHEAD_S * RATE)
    gain = found / np.roll(given[0], ahead) / makeup(-40.0, 0.0, 20.0)
    begin = RATE // 4
    settled = gain[RATE - 100]
    assert settled == pytest.approx(10 ** (-38 / 20), rel=0.01)
    assert gain[begin + round(attack * RATE)] == pytest.approx(settled + 0.1 * (1 - settled), rel=0.05)
    early, later = RATE + RATE // 4, RATE + RATE // 4 + round(release * RATE)
    assert 20 * log10(gain[later] / gain[early]) == pytest.approx(10, abs=0.1)


def test_both_channels_are_lowered_together() -> None:
    given = np.array([[1.0], [0.1]]) * np.ones((2, 8192))
    found = rendered(lambda context: playing(context, given).connect(mscli.DynamicsCompressorNode(context)), 8192, 2)
    assert found[0, 4000:8000] / found[1, 4000:8000] == pytest.approx(10, rel=1e-3)


def test_without_a_signal_nothing_is_reduced() -> None:
    context = mscli.OfflineAudioContext(1, 1024, RATE)
    node = mscli.DynamicsCompressorNode(context)
    node.connect(context.destination)
    assert not contents(context.start_rendering()).any()
    assert node.reduction == 0


def test_automation_of_the_compressor_counts_for_each_quantum() -> None:
    context = mscli.OfflineAudioContext(1, SECOND, RATE)
    node = mscli.DynamicsCompressorNode(context, threshold=0, knee=0, ratio=1)
    node.ratio.linear_ramp_to_value_at_time(20, SECOND / 2 / RATE)
    node.threshold.set_value_at_time(-20, 0)
    constant(context).connect(node).connect(context.destination)
    context.start_rendering()
    assert node.reduction == pytest.approx(-19, abs=0.05)
