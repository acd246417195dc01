"""SelectSettings on boxes against SelectSettings by looking at every settings dictionary, on random devices and constraints."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from mscli.api.settings_space import boxes_of
from mscli.core.boxes import Box, Mode, Rank, Span, Values
from mscli.core.constraints import parse_constraints
from mscli.core.errors import OverconstrainedError
from mscli.core.select import TIE, select_settings
from mscli.core.selection import Selection
from mscli.core.webidl import track_constraints
from mscli.sources.base import Abilities, Device
from tests.property import reference

pytestmark = pytest.mark.timeout(600)  # many cases, on a machine that may be busy

Json = Any
Dictionary = dict[str, Any]

# Each is checked whole and without each of its members, which makes some 25,000 cases in all. They are the same every time.
NATIVE, SPANS, DERIVED, SOUND = 3_000, 1_200, 1_000, 1_100
LEAST_RATE = 1e-6  # of derived settings, frames per second


def cases(count: int) -> settings:
    """Settings of a property test with so many cases."""
    slow = [HealthCheck.too_slow, HealthCheck.data_too_large]
    return settings(max_examples=count, derandomize=True, deadline=None, database=None, suppress_health_check=slow)


# Constraints: small domains, so that they meet the devices'


def numeric(values: Sequence[float]) -> st.SearchStrategy[Json]:
    """A constraint of a number: bare, or some of exact, ideal, min and max."""
    one = st.sampled_from(values)
    low, high = st.sampled_from(values[:3]), st.sampled_from(values[-3:])  # more often satisfied than not
    ranged = st.fixed_dictionaries({}, optional={"ideal": one, "min": low, "max": high})
    narrow = st.fixed_dictionaries({"min": one, "max": one}, optional={"ideal": one, "exact": one})
    return one | ranged | st.fixed_dictionaries({"ideal": one}, optional={"min": low}) | ranged | one | narrow


def named(values: Sequence[str]) -> st.SearchStrategy[Json]:
    """A constraint of a string: bare or with exact and ideal, each perhaps a list. The first values are those of devices."""
    one = st.sampled_from([*values, [], list(values[:2]), [values[-1], values[0]]])
    return one | st.builds(lambda value: {"ideal": value}, one) | st.fixed_dictionaries({"exact": one}, optional={"ideal": one})


def switched(*more: str) -> st.SearchStrategy[Json]:
    """A constraint of a boolean."""
    one = st.sampled_from([True, False, *more])
    return one | st.builds(lambda value: {"ideal": value}, one) | st.fixed_dictionaries({"exact": one}, optional={"ideal": one})


WIDTHS, HEIGHTS, RATIOS = (0, 1, 2, 3, 4, 5, 6, 9), (0, 1, 2, 3, 4, 7), (0.5, 1, 1.25, 4 / 3, 1.5, 1.7, 2, 3)
VIDEO = st.fixed_dictionaries(
    {},
    optional={
        "width": numeric(WIDTHS),
        "height": numeric(HEIGHTS),
        "aspectRatio": numeric(RATIOS),
        "frameRate": numeric((0, 5, 7.5, 10, 15, 29.97, 60)),
        "facingMode": named(("user", "environment", "left")),
        "deviceId": named(("d0", "d1", "other")),
        "groupId": named(("g0", "other")),
        "resizeMode": named(("none", "crop-and-scale")),
    },
)
AUDIO = st.fixed_dictionaries(
    {},
    optional={
        "sampleRate": numeric((0, 8000, 44100, 46000, 48000)),
        "channelCount": numeric((0, 1, 2, 3)),
        "sampleSize": numeric((8, 16, 24)),
        "latency": numeric((0, 0.005, 0.01, 0.02, 1)),
        "echoCancellation": switched("all", "remote-only"),
        "noiseSuppression": switched(),
        "deviceId": named(("d0", "d1", "other")),
    },
)


def with_advanced(basic: st.SearchStrategy[Dictionary]) -> st.SearchStrategy[Dictionary]:
    """Constraints with up to three advanced sets."""
    sets = st.lists(basic, max_size=3)
    return st.builds(lambda one, advanced: {**one, "advanced": advanced} if advanced else one, basic, sets)


# Devices


def modes(sizes: st.SearchStrategy[Any], rates: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Mode]]:
    """One to three modes."""
    return st.lists(st.builds(Mode, st.sampled_from(["YUYV", "MJPEG"]), sizes, sizes, rates), min_size=1, max_size=3)


def cameras(modes: st.SearchStrategy[list[Mode]], most: int) -> st.SearchStrategy[list[tuple[Device, Abilities]]]:
    """One to ``most`` cameras, all of one physical device."""
    facing = st.sampled_from([{}, {"facingMode": ("user",)}, {"facingMode": ("environment", "left")}])
    able = st.lists(st.builds(lambda modes, values: Abilities(tuple(modes), values), modes, facing), min_size=1, max_size=most)
    return able.map(lambda found: [(Device(f"d{n}", "videoinput", "", "g0", "test"), one) for n, one in enumerate(found)])


def spans(least: Sequence[float], most: Sequence[float], steps: Sequence[float]) -> st.SearchStrategy[Span]:
    """Spans; the last step may end before max."""
    return st.builds(Span, st.sampled_from(least), st.sampled_from(most), st.sampled_from(steps))


SINGLE_SIZES = st.sampled_from([2, 3, 4, 6])
SINGLE_RATES = st.sampled_from([5, 7.5, 10, 30])
FEW_RATES = SINGLE_RATES | spans((2, 5), (10, 31), (0, 5))

MICROPHONE = st.fixed_dictionaries(
    {
        "sampleRate": st.sampled_from([(44100, 48000), (48000,), Span(8000, 50000, 20000)]),
        "channelCount": st.sampled_from([(1,), (1, 2), Span(1, 3, 1)]),
        "sampleSize": st.just((16,)),
        "latency": st.sampled_from([(0.01,), (0.005, 0.02), Span(0.002, 0.1)]),
    },
    optional={
        "echoCancellation": st.sampled_from([(False,), (True, False), (True, False, "all")]),
        "noiseSuppression": st.sampled_from([(False,), (True,), (True, False)]),
    },
)


# Every settings dictionary of a device


def points(values: Values | float, mentioned: Iterable[float]) -> list[Any]:
    """The members of a set; of a continuous one, those between which nothing can change."""
    if not isinstance(values, Span):
        return list(values) if isinstance(values, tuple) else [values]
    if values.step:
        return [values.min + n * values.step for n in range(int((values.max - values.min) // values.step) + 1)]
    return sorted({values.min, values.max, *(number for number in mentioned if values.min <= number <= values.max)})


def native(device: Device, able: Abilities, constraints: Json) -> list[Dictionary]:
    """Every settings dictionary with resizeMode none."""
    common = {"deviceId": [device.device_id], "groupId": [device.group_id], **able.values, "resizeMode": ["none"]}
    rates = (30, *reference.numbers_in(constraints, "frameRate"))
    sets = [
        {"width": points(mode.width, ()), "height": points(mode.height, ()), "frameRate": points(mode.frame_rate, rates)}
        for mode in able.modes
    ]
    return [one for each in sets for one in reference.combinations({**common, **each})]


def derived(device: Device, able: Abilities, constraints: Json) -> list[Dictionary]:
    """Every settings dictionary that cropping, scaling down and leaving out frames gives."""
    common = {"deviceId": [device.device_id], "groupId": [device.group_id], **able.values, "resizeMode": ["crop-and-scale"]}
    rates = (30, *reference.numbers_in(constraints, "frameRate"))
    found: list[Dictionary] = []
    for mode in able.modes:
        width, height, rate = (points(side, ())[-1] for side in (mode.width, mode.height, mode.frame_rate))
        below = {"width": range(1, width + 1), "height": range(1, height + 1)}
        found += reference.combinations({**common, **below, "frameRate": points(Span(LEAST_RATE, rate), rates)})
    return found


def native_boxes(device: Device, able: Abilities, place: int) -> list[Box]:
    """The boxes of the native modes."""
    return [box for box in boxes_of(device, able, place) if not box.backing]


# The tests


@given(cameras(modes(SINGLE_SIZES, SINGLE_RATES), most=3), with_advanced(VIDEO))
@cases(NATIVE)
def test_discrete_modes_give_what_the_standard_gives(found: list[tuple[Device, Abilities]], asked: Json) -> None:
    boxes = [box for place, (device, able) in enumerate(found) for box in native_boxes(device, able, place)]
    every = [one for device, able in found for one in native(device, able, asked)]
    check(boxes, every, asked, "video")


@given(cameras(modes(SINGLE_SIZES | spans((1, 2), (4, 5, 7), (1, 2)), FEW_RATES), most=1), with_advanced(VIDEO))
@cases(SPANS)
def test_stepwise_modes_give_what_the_standard_gives(found: list[tuple[Device, Abilities]], asked: Json) -> None:
    ((device, able),) = found
    check(native_boxes(device, able, 0), native(device, able, asked), asked, "video")


@given(cameras(modes(st.sampled_from([1, 2, 3]), SINGLE_RATES), most=2), with_advanced(VIDEO))
@cases(DERIVED)
def test_cropping_scaling_and_leaving_out_give_what_the_standard_gives(
    found: list[tuple[Device, Abilities]], asked: Json
) -> None:
    boxes = [box for place, (device, able) in enumerate(found) for box in boxes_of(device, able, place)]
    every = [one for device, able in found for one in (*native(device, able, asked), *derived(device, able, asked))]
    check(boxes, every, asked, "video")


@given(st.lists(MICROPHONE, min_size=1, max_size=2), with_advanced(AUDIO))
@example([{"sampleRate": (44100, 48000)}], {"sampleRate": 0})
@cases(SOUND)
def test_microphones_give_what_the_standard_gives(found: list[Dictionary], asked: Json) -> None:
    sets: list[Dictionary] = [{"deviceId": (f"d{n}",), "groupId": (f"g{n}",), **values} for n, values in enumerate(found)]
    mentioned = {name: (*reference.numbers_in(asked, name), 48000, 1) for name in reference.AUDIO}
    every = [
        one
        for values in sets
        for one in reference.combinations({name: points(value, mentioned[name]) for name, value in values.items()})
    ]
    check([Box(values, rank=Rank(n)) for n, values in enumerate(sets)], every, asked, "audio")


def check(boxes: list[Box], every: list[Dictionary], asked: Json, kind: str) -> None:
    """Our answer to the constraints, and to them without each of their members, is one of those that the standard allows."""
    check_one(boxes, every, asked, kind)
    for name in asked:
        check_one(boxes, every, {other: value for other, value in asked.items() if other != name}, kind)


def check_one(boxes: list[Box], every: list[Dictionary], asked: Json, kind: str) -> None:
    """Our answer is one of those that the standard allows."""
    converted = track_constraints(asked)
    answer = reference.select_settings(every, converted, kind)
    basic = reference.read(converted, kind)
    try:
        selection = select_settings(boxes, parse_constraints(converted, kind))
    except OverconstrainedError as error:
        check_failure(error, answer, every, basic)
    else:
        check_selection(selection, answer, basic)


def check_selection(selection: Selection, answer: reference.Answer, basic: reference.ConstraintSet) -> None:
    """The settings are possible ones, the advanced sets the same ones, and nothing is nearer.

    Within a tie more natural settings may have been chosen, and stand among the candidates if they are derived ones.
    """
    least = min(candidate.distance for candidate in selection.candidates)
    far = reference.distance(selection.settings, basic)
    assert answer.surviving, f"{selection.settings} do not satisfy"
    assert selection.advanced == answer.advanced
    assert answer.distance - 1e-9 <= least <= answer.distance + (TIE if selection.box.backing else 1e-9)
    assert selection.settings in answer.surviving
    assert far <= answer.distance + TIE
    assert math.isclose(selection.distance, far, abs_tol=1e-9)


def check_failure(
    error: OverconstrainedError, answer: reference.Answer, every: list[Dictionary], basic: reference.ConstraintSet
) -> None:
    """There is nothing; what is named failed for all; the conflict is a minimal one; the nearest settings are possible."""
    assert not answer.surviving, f"{answer.surviving[0]} satisfy"
    assert error.constraint in answer.failed
    together = {name: basic[name] for name in error.conflict}
    assert not reference.satisfiable(every, together)
    for name in together:
        rest = {other: constraint for other, constraint in together.items() if other != name}
        assert reference.satisfiable(every, rest), f"{name} is no part of the conflict"
    assert error.nearest in every
