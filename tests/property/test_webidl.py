"""Whatever JSON is given as constraints: it is converted as WebIDL has it, or a TypeError or DOMException says why not."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import mscli
from mscli.core.constraints import parse_constraints
from mscli.core.errors import ArgumentError, DOMException
from mscli.core.properties import POINTS, PROPERTIES
from mscli.core.webidl import (
    RANGE_MEMBERS,
    UNSIGNED_LONG_MAX,
    clamped_unsigned_long,
    stream_constraints,
    to_boolean,
    to_number,
    to_string,
    track_constraints,
    unknown_names,
)
from tests.backends.rig import ManualClock

pytestmark = pytest.mark.timeout(600)  # many cases, on a machine that may be busy

Json = Any

CASES = settings(max_examples=500, derandomize=True, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])
FEW_CASES = settings(CASES, max_examples=120)
MANY_CASES = settings(CASES, max_examples=1_200)

HUGE = 10**400
numbers = st.integers(-(2**70), 2**70) | st.floats() | st.sampled_from([HUGE, -HUGE, 0.5, 1.5, 2.5, -0.0, 2**32, 640, 48000])
strings = st.text(max_size=8) | st.sampled_from(
    ["", " 640 ", "1e3", "0x1F", "Infinity", "+-Infinity", "0x١", "\ud800", "user", "none"]
)
scalars = st.none() | st.booleans() | numbers | strings
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4), max_leaves=8
)
members = st.dictionaries(st.sampled_from(["exact", "ideal", "min", "max", "minimum"]), anything, max_size=3)
names = st.sampled_from([*PROPERTIES, "advanced", "volume", "Width", "constructor"])
constraint_sets = st.dictionaries(names, anything | members | scalars, max_size=5)
track_dictionaries = constraint_sets | st.builds(
    lambda one, more: {**one, "advanced": more}, constraint_sets, st.lists(constraint_sets | anything, max_size=3)
)
stream_dictionaries = st.dictionaries(
    st.sampled_from(["audio", "video", "peerIdentity"]), track_dictionaries | anything | st.just(True), max_size=3
)


@given(anything)
@CASES
def test_to_string_gives_a_string_whose_number_is_the_values(value: Json) -> None:
    text = to_string(value)
    assert isinstance(text, str)
    if isinstance(value, int | float) and not isinstance(value, bool):
        number, again = to_number(value), to_number(text)
        assert again == number or (math.isnan(again) and math.isnan(number))


@given(anything)
@CASES
def test_to_boolean_and_clamp_always_give_their_types(value: Json) -> None:
    assert isinstance(to_boolean(value), bool)
    clamped = clamped_unsigned_long(value)
    assert type(clamped) is int
    assert 0 <= clamped <= UNSIGNED_LONG_MAX


@given(st.floats(0, UNSIGNED_LONG_MAX))
@FEW_CASES
def test_clamp_rounds_to_the_nearest_integer_and_a_half_to_the_even_one(value: float) -> None:
    clamped = clamped_unsigned_long(value)
    assert abs(clamped - value) <= 0.5
    assert abs(clamped - value) < 0.5 or clamped % 2 == 0


@given(track_dictionaries | anything)
@CASES
def test_converted_constraints_stay_as_they_are_when_converted_again(value: Json) -> None:
    try:
        converted = track_constraints(value)
    except ArgumentError:
        return
    assert track_constraints(converted) == converted
    assert json.loads(json.dumps(converted)) == converted


@given(track_dictionaries)
@CASES
def test_converted_constraints_have_idl_types_only(value: Json) -> None:
    try:
        converted = track_constraints(value)
    except ArgumentError:
        return
    for one in (converted, *converted.get("advanced", ())):
        for name, constraint in one.items():
            if name != "advanced":
                check_types(PROPERTIES[name].idl, constraint)


PYTHON_TYPES: dict[str, tuple[type, ...]] = {
    "unsigned long": (int,),
    "double": (float,),
    "boolean": (bool,),
    "DOMString": (str,),
    "boolean or DOMString": (bool, str),
    "boolean or double": (bool, float),
}


def check_types(idl: str, constraint: Json) -> None:
    """A constraint's values are of the type that its property has."""
    scalars = list(constraint.values()) if isinstance(constraint, dict) else [constraint]
    flat = [item for one in scalars for item in (one if isinstance(one, list) else [one])]
    if idl == POINTS:
        assert all(one.keys() == {"x", "y"} for one in flat)
        flat, idl = [coordinate for one in flat for coordinate in one.values()], "double"
    assert all(type(one) in PYTHON_TYPES[idl] for one in flat)
    if idl == "unsigned long":
        assert all(0 <= one <= UNSIGNED_LONG_MAX for one in flat)
    if idl == "double":
        assert all(math.isfinite(one) for one in flat)


@given(stream_dictionaries | anything)
@CASES
def test_unknown_names_are_those_that_conversion_drops(value: Json) -> None:
    unknown = unknown_names(value)
    assert len(set(unknown)) == len(unknown)
    for *above, name in (path.split(".") for path in unknown):
        assert name not in (RANGE_MEMBERS if above and above[-1] in PROPERTIES else PROPERTIES)


@given(stream_dictionaries | anything)
@MANY_CASES
@example({"video": {"width": HUGE}})
@example({"video": {"facingMode": {"exact": []}}, "audio": {"latency": {"ideal": []}}})
@example({"video": {"frameRate": {"max": 1e308, "min": 1e308}}})
def test_any_json_is_answered_refused_or_overconstrained(value: Json) -> None:
    with mscli.MediaDevices(backends=[DEVICES]) as devices:
        try:
            choices = devices.negotiate(json.loads(json.dumps(value)))
        except (ArgumentError, DOMException):
            return
        assert [choice.kind for choice in choices] == list(stream_constraints(value))


@given(stream_dictionaries)
@FEW_CASES
def test_any_json_opens_devices_or_leaves_none_open(value: Json) -> None:
    with mscli.MediaDevices(backends=[DEVICES]) as devices:
        try:
            stream = devices.get_user_media(value)
        except (ArgumentError, DOMException):
            return
        check_tracks(stream, stream_constraints(value))


def check_tracks(stream: mscli.MediaStream, asked: dict[str, Any]) -> None:
    """The tracks' settings satisfy what was required."""
    assert [track.kind for track in stream.get_tracks()] == list(asked)
    for track in stream.get_tracks():
        rules = parse_constraints(asked[track.kind], track.kind).basic
        given = track.current_settings
        assert all(rule.distance(given.get(rule.name)) < math.inf for rule in rules)


DEVICES = mscli.FakeBackend(
    {
        "devices": [
            {"kind": "videoinput", "modes": [{"width": 64, "height": 48}, {"width": 96, "height": 54, "frameRate": 7.5}]},
            {
                "kind": "videoinput",
                "modes": [{"width": {"min": 16, "max": 90, "step": 8}, "height": 48, "frameRate": {"min": 1, "max": 30.5}}],
            },
            {"kind": "audioinput", "latency": [0.01, 0.02]},
        ]
    },
    clock=ManualClock(),
)


@pytest.mark.parametrize("depth", [900, 100_000])
def test_deep_nesting_is_no_crash(depth: int) -> None:
    array: Json = []
    sets: Json = {}
    for _ in range(depth):
        array, sets = [array], {"advanced": [sets], "exact": sets}
    with pytest.raises(ArgumentError, match="nested too deeply"):
        track_constraints({"deviceId": array})
    with pytest.raises(ArgumentError, match=r"frameRate\.exact: '\[object Object\]' is not a finite number"):
        track_constraints({"frameRate": sets})
    assert track_constraints(sets) == {"advanced": [{}]}
    assert unknown_names({"video": sets}) == ["video.exact", "video.advanced[0].advanced", "video.advanced[0].exact"]
