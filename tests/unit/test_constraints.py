"""Rules and the fitness distance, as listed in the standard: https://www.w3.org/TR/mediacapture-streams/#dfn-fitness-distance."""

from __future__ import annotations

import math
from typing import Any

import pytest

from mscli.core.boxes import Span, Values
from mscli.core.constraints import Rule, parse_constraints
from mscli.core.webidl import track_constraints

INF = math.inf


def rule(name: str, value: Any, kind: str = "video") -> Rule:
    """Return the rule of one basic constraint."""
    (one,) = parse_constraints(track_constraints({name: value}), kind).basic
    return one


DISTANCES: list[tuple[str, Any, Any, float]] = [
    ("width", {"ideal": 640}, 640, 0),
    ("width", 640, 320, 0.5),
    ("width", 320, 640, 0.5),
    ("width", 0, 0, 0),
    ("width", 0, 640, 1),
    ("width", {"min": 320}, 640, 0),
    ("width", {"min": 641}, 640, INF),
    ("width", {"max": 639}, 640, INF),
    ("width", {"exact": 640, "max": 639}, 640, INF),
    ("width", {"exact": 640, "ideal": 1280}, 640, 0.5),
    ("width", {"min": 800, "max": 600}, 700, INF),
    ("width", {}, 640, 0),
    ("width", {}, None, 1),
    ("width", {"ideal": 640}, None, 1),
    ("width", {"max": 640}, None, INF),
    ("facingMode", "user", "user", 0),
    ("facingMode", "user", "environment", 1),
    ("facingMode", ["left", "user"], "user", 0),
    ("facingMode", {"exact": ["left", "user"]}, "environment", INF),
    ("facingMode", {"exact": "user", "ideal": "left"}, "user", 1),
    ("facingMode", "USER", "user", 1),
]


@pytest.mark.parametrize(("name", "value", "setting", "distance"), DISTANCES)
def test_the_distance_of_a_setting_is_the_standards(name: str, value: Any, setting: Any, distance: float) -> None:
    assert rule(name, value).distance(setting) == distance


@pytest.mark.parametrize(
    ("value", "setting", "distance"),
    [(True, True, 0), (True, False, 1), ("remote-only", True, 1), ({"exact": True}, "remote-only", INF), ("all", "all", 0)],
)
def test_booleans_and_modes_of_echo_cancellation_are_distinguished(value: Any, setting: Any, distance: float) -> None:
    assert rule("echoCancellation", value, "audio").distance(setting) == distance


@pytest.mark.parametrize("value", [[], {"exact": []}, {"ideal": []}, {"exact": [], "ideal": []}])
def test_an_empty_list_is_no_constraint(value: Any) -> None:
    assert parse_constraints(track_constraints({"facingMode": value}), "video").basic == ()


def test_an_empty_list_beside_another_member_is_left_out() -> None:
    assert rule("facingMode", {"exact": [], "ideal": "user"}) == Rule("facingMode", ideal=("user",))


def test_constraints_of_the_other_kind_are_ignored() -> None:
    asked = parse_constraints(track_constraints({"sampleRate": {"exact": 1}, "width": 640, "deviceId": "a"}), "video")
    assert [one.name for one in asked.basic] == ["width", "deviceId"]


def test_a_bare_value_is_ideal_and_in_an_advanced_set_exact() -> None:
    asked = parse_constraints(track_constraints({"width": 640, "advanced": [{"width": 320, "height": {"ideal": 5}}]}), "video")
    assert asked.basic == (Rule("width", ideal=(640,)),)
    assert asked.advanced == ((Rule("width", exact=(320,)), Rule("height", ideal=(5,))),)


def test_the_dictionary_is_kept_as_it_was_given() -> None:
    given = track_constraints({"height": {"min": 5}, "width": 640, "sampleRate": 1})
    assert parse_constraints(given, "video").source == given


CUTS: list[tuple[Any, Values, Values | None]] = [
    ({"min": 2}, (1, 2, 3), (2, 3)),
    ({"exact": 2}, (1, 3), None),
    ({"max": 3}, Span(1, 9, 2), Span(1, 3, 2)),
    ({"min": 2, "max": 4}, Span(1, 9, 4), None),
    ({"exact": 5}, Span(1, 9, 4), Span(5, 5, 4)),
    ({"exact": 5, "min": 6}, Span(1, 9, 4), None),
    ({"exact": 6}, Span(1, 9, 4), None),
]


@pytest.mark.parametrize(("value", "values", "left"), CUTS)
def test_a_rule_leaves_what_satisfies_it_of_a_set(value: Any, values: Values, left: Values | None) -> None:
    assert rule("width", value).cut(values) == left


@pytest.mark.parametrize(
    ("value", "required"), [(5, False), ({"ideal": 5}, False), ({}, False), ({"min": 0}, True), ({"exact": 5}, True)]
)
def test_what_has_min_max_or_exact_is_required(value: Any, required: bool) -> None:
    assert rule("width", value).required is required
