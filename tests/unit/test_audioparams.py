"""The automation of parameters: https://www.w3.org/TR/webaudio-1.0/#AudioParam, within the tolerances of web-platform-tests."""

from __future__ import annotations

from collections.abc import Callable
from math import e, inf, nan
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import mscli
from mscli.webaudio.timeline import Curve, ExponentialRamp, LinearRamp, ParamTimeline, SetTarget, SetValue
from tests.sounds import RATE, constant, contents, rendered

NEAR = 1e-5  # web-platform-tests allow a few millionths
SAMPLES = 4800  # a tenth of a second
T = np.arange(SAMPLES) / RATE
Automate = Callable[[mscli.AudioParam], Any]


def automated(automate: Automate, *, value: float = 1.0, rate: str = "a-rate") -> Any:
    """Return the values of a parameter: of the gain of a constant source of 1."""

    def build(context: mscli.OfflineAudioContext) -> mscli.AudioNode:
        gain = mscli.GainNode(context, gain=value)
        gain.gain.automation_rate = rate
        automate(gain.gain)
        return constant(context).connect(gain)

    return rendered(build, SAMPLES)[0]


def test_a_value_that_is_set_holds_from_its_time_on() -> None:
    found = automated(lambda gain: gain.set_value_at_time(3, 0.02).set_value_at_time(-1, 1000.5 / RATE))
    assert found == pytest.approx(np.where(T < 0.02, 1, np.where(T < 1000.5 / RATE, 3, -1)))


def test_a_linear_ramp_goes_from_the_event_before() -> None:
    found = automated(lambda gain: gain.set_value_at_time(2, 0.01).linear_ramp_to_value_at_time(-2, 0.05))
    ramp = 2 - 4 * (T - 0.01) / 0.04
    assert found == pytest.approx(np.where(T < 0.01, 1, np.where(T < 0.05, ramp, -2)), abs=NEAR)


def test_a_ramp_without_an_event_before_begins_now() -> None:
    found = automated(lambda gain: gain.linear_ramp_to_value_at_time(0, 0.05))
    assert found == pytest.approx(np.maximum(1 - T / 0.05, 0), abs=NEAR)


def test_an_exponential_ramp_goes_by_equal_factors() -> None:
    found = automated(lambda gain: gain.set_value_at_time(0.01, 0).exponential_ramp_to_value_at_time(10, 0.08))
    assert found == pytest.approx(np.minimum(0.01 * 1000 ** (T / 0.08), 10), rel=NEAR)


@pytest.mark.parametrize("start", [0.0, -1.0])
def test_an_exponential_ramp_that_would_cross_zero_waits_for_its_end(start: float) -> None:
    found = automated(lambda gain: gain.set_value_at_time(start, 0).exponential_ramp_to_value_at_time(10, 0.05))
    assert found == pytest.approx(np.where(T < 0.05, start, 10))


def test_a_target_is_approached() -> None:
    found = automated(lambda gain: gain.set_target_at_time(5, 0.02, 0.01))
    expected = np.where(T < 0.02, 1, 5 - 4 * e ** (-(T - 0.02) / 0.01))
    assert found == pytest.approx(expected, abs=NEAR)


def test_a_target_without_a_time_constant_is_reached_at_once() -> None:
    found = automated(lambda gain: gain.set_target_at_time(5, 0.02, 0))
    assert found == pytest.approx(np.where(T < 0.02, 1, 5))


def test_targets_follow_each_other_without_a_jump() -> None:
    found = automated(lambda gain: gain.set_target_at_time(0, 0, 0.01).set_target_at_time(1, 0.03, 0.01))
    middle = e**-3
    assert found == pytest.approx(np.where(T < 0.03, e ** (-T / 0.01), 1 + (middle - 1) * e ** (-(T - 0.03) / 0.01)), abs=NEAR)


def test_a_ramp_replaces_a_target_that_has_not_begun() -> None:
    found = automated(lambda gain: gain.set_target_at_time(9, 0.02, 0.01).linear_ramp_to_value_at_time(3, 0.06))
    assert found == pytest.approx(np.where(T < 0.02, 1, np.where(T < 0.06, 1 + 2 * (T - 0.02) / 0.04, 3)), abs=NEAR)


def test_a_curve_is_followed_and_its_end_kept() -> None:
    points = [0, 4, 1, 3]
    found = automated(lambda gain: gain.set_value_curve_at_time(points, 0.01, 0.06))
    curve = np.interp((T - 0.01) / 0.06 * 3, range(4), points)
    assert found == pytest.approx(np.where(T < 0.01, 1, curve), abs=NEAR)


def test_a_ramp_begins_where_a_curve_ends() -> None:
    found = automated(lambda gain: gain.set_value_curve_at_time([0, 2], 0, 0.05).linear_ramp_to_value_at_time(0, 0.1))
    assert found == pytest.approx(np.where(T < 0.05, T / 0.05 * 2, 2 - (T - 0.05) / 0.05 * 2), abs=NEAR)


def test_a_k_rate_parameter_changes_with_each_quantum() -> None:
    found = automated(lambda gain: gain.set_value_at_time(0, 0).linear_ramp_to_value_at_time(1, 0.1), rate="k-rate")
    assert found == pytest.approx(np.floor(np.arange(SAMPLES) / 128) * 128 / SAMPLES, abs=NEAR)


def test_values_are_clamped_after_automation() -> None:
    """The example of https://www.w3.org/TR/webaudio-1.0/#computation-of-value."""

    def build(context: mscli.OfflineAudioContext) -> mscli.AudioNode:
        panner = mscli.StereoPannerNode(context)
        panner.pan.set_value_at_time(-1, 0).linear_ramp_to_value_at_time(4, 0.05).linear_ramp_to_value_at_time(-1, 0.1)
        return constant(context).connect(panner)

    right = rendered(build, SAMPLES, channels=2)[1]
    place = np.clip(np.where(T < 0.05, -1 + 5 * T / 0.05, 4 - 5 * (T - 0.05) / 0.05), -1, 1)
    assert right == pytest.approx(np.sin((place + 1) / 2 * np.pi / 2), abs=NEAR)


def test_setting_a_value_is_an_event() -> None:
    context = mscli.OfflineAudioContext(1, 1024, RATE)
    gain = constant(context).connect(mscli.GainNode(context))
    gain.connect(context.destination)
    gain.gain.value = 0.5
    assert gain.gain.value == 0.5
    gain.gain.linear_ramp_to_value_at_time(1.5, 1000 / RATE)
    found = contents(context.start_rendering())[0]
    assert found == pytest.approx(np.minimum(0.5 + np.arange(1024) / 1000, 1.5), abs=NEAR)
    assert gain.gain.value == pytest.approx(0.5 + 896 / 1000)


def test_the_value_is_that_of_the_beginning_of_the_quantum() -> None:
    context = mscli.OfflineAudioContext(1, 1024, RATE)
    gain = mscli.GainNode(context)
    constant(context).connect(gain).connect(context.destination)
    gain.gain.linear_ramp_to_value_at_time(0, 1024 / RATE)
    seen = []

    def look(_: object) -> None:
        seen.append(gain.gain.value)
        context.resume()

    context.suspend(512 / RATE).add_done_callback(look)
    context.start_rendering()
    assert seen == pytest.approx([1 - 384 / 1024])


# Cancelling


def test_what_is_cancelled_does_not_happen() -> None:
    found = automated(lambda gain: gain.set_value_at_time(2, 0.01).set_value_at_time(3, 0.02).cancel_scheduled_values(0.02))
    assert found == pytest.approx(np.where(T < 0.01, 1, 2))


def test_a_curve_that_is_cancelled_leaves_what_was_before() -> None:
    def automate(gain: mscli.AudioParam) -> None:
        gain.set_value_at_time(2, 0).set_value_curve_at_time([5, 6], 0.01, 0.05).cancel_scheduled_values(0.03)

    assert automated(automate) == pytest.approx(2)


def test_a_ramp_is_held_where_it_is() -> None:
    def automate(gain: mscli.AudioParam) -> None:
        gain.set_value_at_time(0, 0).linear_ramp_to_value_at_time(1, 0.1).cancel_and_hold_at_time(0.04)

    assert automated(automate) == pytest.approx(np.minimum(T / 0.1, 0.4), abs=NEAR)


def test_an_exponential_ramp_is_held_where_it_is() -> None:
    def automate(gain: mscli.AudioParam) -> None:
        gain.set_value_at_time(0.1, 0).exponential_ramp_to_value_at_time(10, 0.1).cancel_and_hold_at_time(0.04)

    assert automated(automate) == pytest.approx(0.1 * 100 ** np.minimum(T / 0.1, 0.4), abs=NEAR)


def test_a_target_is_held_where_it_is() -> None:
    def automate(gain: mscli.AudioParam) -> None:
        gain.set_target_at_time(0, 0, 0.02).cancel_and_hold_at_time(0.04)

    assert automated(automate) == pytest.approx(e ** (-np.minimum(T, 0.04) / 0.02), abs=NEAR)


def test_a_curve_is_held_where_it_is_and_goes_on_by_the_next_event() -> None:
    def automate(gain: mscli.AudioParam) -> None:
        gain.set_value_curve_at_time([0, 1], 0, 0.08).cancel_and_hold_at_time(0.04).linear_ramp_to_value_at_time(0, 0.06)

    expected = np.where(T < 0.04, T / 0.08, np.maximum(0.5 - 0.5 * (T - 0.04) / 0.02, 0))
    assert automated(automate) == pytest.approx(expected, abs=NEAR)


# What is refused


@pytest.fixture
def gain() -> mscli.AudioParam:
    return mscli.OfflineAudioContext(1, 1024, RATE).create_gain().gain


@pytest.mark.parametrize("time", [-1, -1e-9])
def test_negative_times_are_refused(gain: mscli.AudioParam, time: float) -> None:
    works: tuple[Callable[[], object], ...] = (
        lambda: gain.set_value_at_time(1, time),
        lambda: gain.linear_ramp_to_value_at_time(1, time),
        lambda: gain.exponential_ramp_to_value_at_time(1, time),
        lambda: gain.set_target_at_time(1, time, 1),
        lambda: gain.set_target_at_time(1, 1, time),
        lambda: gain.set_value_curve_at_time([1, 2], time, 1),
        lambda: gain.set_value_curve_at_time([1, 2], 1, time),
        lambda: gain.cancel_scheduled_values(time),
        lambda: gain.cancel_and_hold_at_time(time),
    )
    for work in works:
        with pytest.raises(ValueError, match="not negative"):
            work()


@pytest.mark.parametrize("value", [nan, inf, "1", None])
def test_what_is_no_finite_number_is_refused(gain: mscli.AudioParam, value: Any) -> None:
    works: tuple[Callable[[], object], ...] = (
        lambda: setattr(gain, "value", value),
        lambda: gain.set_value_at_time(value, 0),
        lambda: gain.set_value_at_time(0, value),
        lambda: gain.set_value_curve_at_time([0, value], 0, 1),
    )
    for work in works:
        with pytest.raises(TypeError):
            work()


def test_curves_do_not_overlap_with_other_events(gain: mscli.AudioParam) -> None:
    gain.set_value_curve_at_time([0, 1], 1, 1)
    works: tuple[Callable[[], object], ...] = (
        lambda: gain.set_value_at_time(1, 1.5),
        lambda: gain.linear_ramp_to_value_at_time(1, 1),
        lambda: gain.set_value_curve_at_time([0, 1], 0.5, 1),
        lambda: gain.set_value_curve_at_time([0, 1], 1, 1),
    )
    for work in works:
        with pytest.raises(mscli.NotSupportedError, match="value curve"):
            work()
    gain.set_value_at_time(1, 2)
    gain.set_value_curve_at_time([0, 1], 0, 1)


def test_other_values_that_cannot_be_are_refused(gain: mscli.AudioParam) -> None:
    with pytest.raises(ValueError, match="exponential"):
        gain.exponential_ramp_to_value_at_time(0, 1)
    with pytest.raises(mscli.InvalidStateError):
        gain.set_value_curve_at_time([1], 0, 1)
    with pytest.raises(ValueError, match="duration"):
        gain.set_value_curve_at_time([1, 2], 0, 0)
    with pytest.raises(TypeError):
        gain.automation_rate = "often"


def test_some_rates_are_fixed() -> None:
    context = mscli.OfflineAudioContext(1, 1024, RATE)
    for param in (mscli.DynamicsCompressorNode(context).knee, mscli.AudioBufferSourceNode(context).playback_rate):
        with pytest.raises(mscli.InvalidStateError, match="k-rate"):
            param.automation_rate = "a-rate"
        param.automation_rate = "k-rate"


def test_limits_and_defaults_are_those_of_the_specification() -> None:
    context = mscli.OfflineAudioContext(1, 1024, RATE)
    largest, biquad, compressor = 3.4028234663852886e38, mscli.BiquadFilterNode(context), mscli.DynamicsCompressorNode(context)
    table = [
        (mscli.GainNode(context).gain, 1, -largest, largest), (mscli.DelayNode(context).delay_time, 0, 0, 1),
        (mscli.StereoPannerNode(context).pan, 0, -1, 1), (biquad.frequency, 350, 0, RATE / 2), (biquad.q, 1, -largest, largest),
        (biquad.detune, 0, -153_600, 153_600), (biquad.gain, 0, -largest, 1541.27), (compressor.threshold, -24, -100, 0),
        (compressor.knee, 30, 0, 40), (compressor.ratio, 12, 1, 20), (compressor.attack, 0.003, 0, 1),
        (compressor.release, 0.25, 0, 1), (mscli.OscillatorNode(context).frequency, 440, -RATE / 2, RATE / 2),
        (mscli.ConstantSourceNode(context).offset, 1, -largest, largest),
        (mscli.AudioBufferSourceNode(context).playback_rate, 1, -largest, largest),
    ]  # fmt: skip
    for param, default, lowest, highest in table:
        found = (param.value, param.default_value, param.min_value, param.max_value)
        assert found == pytest.approx((default, default, lowest, highest), rel=1e-5)


def test_a_signal_that_is_not_a_number_leaves_the_default_value() -> None:
    def build(context: mscli.OfflineAudioContext) -> mscli.AudioNode:
        gain = mscli.GainNode(context, gain=7)
        zero = mscli.GainNode(context, gain=0)
        constant(context, 3e38).connect(mscli.GainNode(context, gain=1e30)).connect(zero).connect(gain.gain)  # 0 × ∞
        return constant(context).connect(gain)

    assert (rendered(build)[0] == 1).all()


# However the time is cut into spans, the values are the same


EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just(SetValue), st.integers(0, 400), st.floats(-5, 5)),
        st.tuples(st.just(LinearRamp), st.integers(0, 400), st.floats(-5, 5)),
        st.tuples(st.just(ExponentialRamp), st.integers(0, 400), st.floats(0.1, 5)),
        st.tuples(st.just(SetTarget), st.integers(0, 400), st.floats(-5, 5), st.floats(0, 50)),
        st.tuples(st.just(Curve), st.integers(0, 400), st.just([1.0, 3.0, 2.0]), st.integers(1, 90)),
    ),
    max_size=8,
)


@example([(SetTarget, 0, 0.0, 2e-313)], [1, 1, 1, 1], None)
@example([(SetTarget, 3, 0.0, 2e-309)], [3, 2, 1, 1], None)  # begins with a span
@settings(deadline=None)  # a busy machine takes any time
@given(EVENTS, st.lists(st.integers(1, 120), min_size=4, max_size=12), st.none() | st.integers(0, 400))
def test_values_do_not_depend_on_the_spans(events: list[Any], spans: list[int], hold: int | None) -> None:
    def timeline() -> ParamTimeline:
        made = ParamTimeline(1.0)
        for kind, time, *more in events:
            if not made.blocked(time, more[1] if kind is Curve else 0):
                made.add(kind(time, *more), 0)
        if hold is not None:
            made.hold(hold)
        return made

    whole, cut = timeline(), timeline()
    single = [whole.at(time) for time in range(sum(spans))]
    found: list[float] = []
    for span in spans:
        times = np.arange(len(found), len(found) + span, dtype=np.float64)
        found += np.broadcast_to(cut.during(times), span).tolist()
    assert found == pytest.approx(single, rel=1e-9, abs=1e-9)
