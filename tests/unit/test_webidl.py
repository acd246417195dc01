"""WebIDL conversion of constraints: each row is what a browser makes of the same JSON."""

from __future__ import annotations

import math
from typing import Any

import pytest

from mscli.core.errors import ArgumentError
from mscli.core.webidl import (
    clamped_unsigned_long,
    stream_constraints,
    to_boolean,
    to_number,
    to_string,
    track_constraints,
    unknown_names,
)

NAN, INF = math.nan, math.inf

NUMBERS: list[tuple[Any, float]] = [
    (True, 1), (False, 0), (None, 0), (1.5, 1.5), (10**400, INF), (-(10**400), -INF),
    ("", 0), ("  ", 0), ("640", 640), (" 640\n", 640), ("\ufeff640\u2003", 640), ("1e3", 1000), ("1E-2", 0.01), ("-0", 0),
    ("+5", 5), ("5.", 5), (".5", 0.5), ("0x1F", 31), ("0X1f", 31), ("0b11", 3), ("0o17", 15), ("0x" + "f" * 300, INF),
    ("Infinity", INF), ("-Infinity", -INF), ("1e400", INF),
    (".", NAN), ("-", NAN), ("1_000", NAN), ("1,5", NAN), ("5px", NAN), ("0x", NAN), ("0xg", NAN), ("-0x10", NAN),
    ("0b12", NAN), ("infinity", NAN), ("inf", NAN), ("nan", NAN), ("+-Infinity", NAN), ("--5", NAN), ("+ 5", NAN), ("1e", NAN),
    ("٣", NAN), ("0x٣", NAN), ("\x1c5", NAN), ("\u200b5", NAN),
    ([], 0), ([5], 5), (["0x10"], 16), ([[7]], 7), ([None], 0), ([1, 2], NAN), ({}, NAN), ([{}], NAN), ([True], NAN),
]  # fmt: skip

STRINGS: list[tuple[Any, str]] = [
    ("a", "a"), (None, "null"), (True, "true"), (False, "false"), ([], ""), ({}, "[object Object]"),
    ({"a": 1}, "[object Object]"),
    ([1, None, "b", [2, []], {}], "1,,b,2,,[object Object]"), ([True, None], "true,"),
    (0, "0"), (-0.0, "0"), (1.0, "1"), (-5, "-5"), (0.1, "0.1"), (123456789.125, "123456789.125"),
    (1e20, "100000000000000000000"), (1e21, "1e+21"), (1.5e300, "1.5e+300"), (-1e-7, "-1e-7"), (1.5e-6, "0.0000015"),
    (0.00001, "0.00001"), (5e-324, "5e-324"), (2**60, "1152921504606847000"), (2**53 + 1, "9007199254740992"),
    (NAN, "NaN"), (INF, "Infinity"), (-INF, "-Infinity"), (10**400, "Infinity"),
]  # fmt: skip

BOOLEANS: list[tuple[Any, bool]] = [
    (None, False), (0, False), (-0.0, False), (NAN, False), ("", False), ("0", True), ("false", True), (0.1, True), (INF, True),
    ([], True), ({}, True), ([0], True),
]  # fmt: skip

CLAMPED: list[tuple[Any, int]] = [
    (640, 640), (0.5, 0), (1.5, 2), (2.5, 2), (-0.5, 0), (-1, 0), (1e10, 2**32 - 1), (2**32, 2**32 - 1), (INF, 2**32 - 1),
    (-INF, 0), (NAN, 0), ("abc", 0), ({}, 0), ("640.5", 640), (True, 1), (None, 0), (10**400, 2**32 - 1),
]  # fmt: skip


@pytest.mark.parametrize(("value", "number"), NUMBERS, ids=repr)
def test_to_number_is_ecmascripts(value: Any, number: float) -> None:
    converted = to_number(value)
    assert converted == number or (math.isnan(converted) and math.isnan(number))


@pytest.mark.parametrize(("value", "text"), STRINGS, ids=repr)
def test_to_string_is_ecmascripts(value: Any, text: str) -> None:
    assert to_string(value) == text


@pytest.mark.parametrize(("value", "truth"), BOOLEANS, ids=repr)
def test_to_boolean_is_ecmascripts(value: Any, truth: bool) -> None:
    assert to_boolean(value) is truth


@pytest.mark.parametrize(("value", "number"), CLAMPED, ids=repr)
def test_clamp_cuts_to_the_range_and_rounds_half_to_even(value: Any, number: int) -> None:
    assert clamped_unsigned_long(value) == number


CONVERTED: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"width": "1280"}, {"width": 1280}),
    ({"width": None}, {"width": {}}),
    ({"width": []}, {"width": {}}),
    ({"width": [640]}, {"width": {}}),
    ({"width": True}, {"width": 1}),
    ({"width": {"min": None, "exact": [640], "maximum": 5}}, {"width": {"min": 0, "exact": 640}}),
    ({"frameRate": "29.97"}, {"frameRate": 29.97}),
    ({"frameRate": {"ideal": [15]}}, {"frameRate": {"ideal": 15.0}}),
    ({"facingMode": 7}, {"facingMode": "7"}),
    ({"facingMode": None}, {"facingMode": {}}),
    ({"facingMode": ["user", 5, None]}, {"facingMode": ["user", "5", "null"]}),
    ({"facingMode": {"exact": None, "ideal": []}}, {"facingMode": {"exact": "null", "ideal": []}}),
    ({"facingMode": {"exact": {}}}, {"facingMode": {"exact": "[object Object]"}}),
    ({"noiseSuppression": "x"}, {"noiseSuppression": True}),
    ({"noiseSuppression": []}, {"noiseSuppression": {}}),
    ({"noiseSuppression": {"exact": None}}, {"noiseSuppression": {"exact": False}}),
    ({"echoCancellation": "remote-only"}, {"echoCancellation": "remote-only"}),
    ({"echoCancellation": 0}, {"echoCancellation": "0"}),
    ({"echoCancellation": {"exact": False, "ideal": None}}, {"echoCancellation": {"exact": False, "ideal": "null"}}),
    ({"volume": 5, "width": 1}, {"width": 1}),
    ({"advanced": []}, {"advanced": []}),
    ({"advanced": [None, {}, [], {"width": 1, "advanced": [{}]}]}, {"advanced": [{}, {}, {}, {"width": 1}]}),
]


@pytest.mark.parametrize(("given", "converted"), CONVERTED, ids=lambda value: repr(value))
def test_constraints_are_converted_as_a_browser_does(given: dict[str, Any], converted: dict[str, Any]) -> None:
    assert repr(track_constraints(given)) == repr(converted)


REFUSED = {
    "frameRate: 'NaN' is not a finite number": {"frameRate": NAN},
    "frameRate.min: 'Infinity' is not a finite number": {"frameRate": {"min": INF}},
    "aspectRatio: '16:9' is not a finite number": {"aspectRatio": "16:9"},
    "advanced must be a list of constraint sets, not 'null'": {"advanced": None},
    "advanced must be a list of constraint sets, not '[object Object]'": {"advanced": {}},
    "advanced[1]: a constraint set must be an object, not '5'": {"advanced": [{}, 5]},
    "advanced[0].latency.max: 'x' is not a finite number": {"advanced": [{"latency": {"max": "x"}}]},
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_cannot_be_converted_is_a_type_error_that_names_the_place(message: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        track_constraints(REFUSED[message])
    assert str(caught.value) == "constraints" + ("." if message[0] != "[" else "") + message


@pytest.mark.parametrize("value", [None, {}, [], {"video": False}, {"audio": 0, "video": ""}, {"screen": True}])
def test_nothing_requested_is_a_type_error(value: Any) -> None:
    with pytest.raises(TypeError, match="neither audio nor video is requested"):
        stream_constraints(value)


@pytest.mark.parametrize("value", ["x", 5, True])
def test_constraints_that_are_no_object_are_a_type_error(value: Any) -> None:
    with pytest.raises(TypeError, match="constraints must be an object"):
        stream_constraints(value)


@pytest.mark.parametrize("value", [True, 1, "yes", None, {}, []])
def test_a_kind_is_requested_by_true_and_by_any_dictionary(value: Any) -> None:
    assert stream_constraints({"video": value}) == {"video": {}}


def test_audio_comes_before_video() -> None:
    assert list(stream_constraints({"video": True, "audio": True})) == ["audio", "video"]


def test_constraints_of_the_other_kind_are_converted_too() -> None:
    with pytest.raises(TypeError, match=r"audio\.frameRate"):
        stream_constraints({"audio": {"frameRate": "x"}})


def test_the_order_of_constraints_is_kept() -> None:
    assert list(track_constraints({"height": 1, "width": 2, "frameRate": 3})) == ["height", "width", "frameRate"]


def test_unknown_names_are_reported_with_their_path() -> None:
    video = {"wdth": 1, "width": {"foo": 1}, "advanced": [{}, {"hight": 1, "advanced": [{"x": 1}]}, 5]}
    assert unknown_names({"screen": True, "video": video, "audio": 5}) == [
        "screen",
        "video.wdth",
        "video.width.foo",
        "video.advanced[1].hight",
        "video.advanced[1].advanced",
    ]


@pytest.mark.parametrize("value", [None, [], "x", {"video": None}, {"video": {"advanced": {"x": 1}}}])
def test_nothing_unknown_in_what_is_no_dictionary(value: Any) -> None:
    assert unknown_names(value) == []
