"""Values of constraint options: their JSON, and what is invalid."""

from __future__ import annotations

import re
from typing import Any

import pytest

from mscli.cli.paramtypes import parse_size, parse_value
from mscli.core.properties import PROPERTIES

VALUES: list[tuple[str, str, Any]] = [
    ("width", "1280", 1280),
    ("width", "exact:1280", {"exact": 1280}),
    ("width", "min:640,ideal:1280,max:1920", {"min": 640, "ideal": 1280, "max": 1920}),
    ("width", "max:1920,min:640", {"max": 1920, "min": 640}),
    ("frameRate", "29.97", 29.97),
    ("frameRate", "exact:29.97", {"min": 29.965, "ideal": 30000 / 1001, "max": 29.975}),
    ("frameRate", "exact:23.976", {"min": 23.9755, "ideal": 24000 / 1001, "max": 23.9765}),
    ("frameRate", "exact:8.33", {"min": 8.325, "ideal": 25 / 3, "max": 8.335}),
    ("frameRate", "exact:12.34", {"min": 12.335, "ideal": 12.34, "max": 12.345}),
    ("frameRate", "exact:30000/1001", {"exact": 30000 / 1001}),
    ("frameRate", "exact:7.5", {"exact": 7.5}),
    ("frameRate", "min:15", {"min": 15.0}),
    ("frameRate", "30000/1001", 30000 / 1001),
    ("aspectRatio", "16:9", 16 / 9),
    ("aspectRatio", "16/9", 16 / 9),
    ("aspectRatio", "exact:4:3", {"exact": 4 / 3}),
    ("aspectRatio", "min:4:3,max:16:9", {"min": 4 / 3, "max": 16 / 9}),
    ("aspectRatio", "1.5", 1.5),
    ("aspectRatio", "2.39:1", 2.39),
    ("latency", ".01", 0.01),
    ("facingMode", "user", "user"),
    ("facingMode", "user|environment", ["user", "environment"]),
    ("facingMode", "exact:user|left", {"exact": ["user", "left"]}),
    ("facingMode", "exact:user,ideal:left", {"exact": "user", "ideal": "left"}),
    ("groupId", "a,b", "a,b"),
    ("groupId", "exact:a,b", {"exact": "a,b"}),
    ("groupId", "min", "min"),
    ("noiseSuppression", "true", True),
    ("noiseSuppression", "exact:FALSE", {"exact": False}),
    ("echoCancellation", "true", True),
    ("echoCancellation", "remote-only", "remote-only"),
    ("echoCancellation", "exact:all", {"exact": "all"}),
    ("pan", "-3600", -3600.0),
    ("pan", "true", True),
    ("zoom", "min:100,ideal:200.5", {"min": 100.0, "ideal": 200.5}),
    ("brightness", "ideal:-7", {"ideal": -7.0}),
    ("exposureMode", "manual|continuous", ["manual", "continuous"]),
    ("torch", "exact:true", {"exact": True}),
    ("pointsOfInterest", "0.5,1", [{"x": 0.5, "y": 1.0}]),
    ("pointsOfInterest", "ideal:0,0.25|1,1", {"ideal": [{"x": 0.0, "y": 0.25}, {"x": 1.0, "y": 1.0}]}),
]


@pytest.mark.parametrize(("name", "text", "value"), VALUES)
def test_a_value_stands_for_a_constraint(name: str, text: str, value: Any) -> None:
    parsed = parse_value(PROPERTIES[name], text)
    assert parsed == value
    assert type(parsed) is type(value)


NO_VALUES = [
    ("width", "", "“” is not a whole number for width"),
    ("width", "wide", "“wide” is not a whole number for width"),
    ("width", "-5", "is not a whole number"),
    ("width", "640.5", "is not a whole number"),
    ("width", "1e3", "is not a whole number"),
    ("width", "²", "is not a whole number"),
    ("width", "exact:", "is not a whole number"),
    ("width", "exact:5,exact:6", "each at most once"),
    ("width", "exact:5,6", "“5,6” is not a whole number"),
    ("width", "ideal:5,maximum:6", "“5,maximum:6” is not a whole number"),
    ("frameRate", "fast", "“fast” is not a number for frameRate"),
    ("frameRate", "inf", "is not a number"),
    ("frameRate", "nan", "is not a number"),
    ("frameRate", "30/0", "is not a number"),
    ("aspectRatio", "16:0", "is not a number"),
    ("frameRate", "-5", "is not a number"),
    ("pan", "left", "“left” is not a number for pan"),
    ("pan", "exact:true", "“true” is not a number for pan"),
    ("brightness", "--7", "is not a number"),
    ("facingMode", "", "facingMode needs a value"),
    ("facingMode", "exact:", "facingMode needs a value"),
    ("facingMode", "min:user", "facingMode has no min:, only exact: and ideal:"),
    ("noiseSuppression", "yes", "noiseSuppression must be true or false, not “yes”"),
    ("echoCancellation", "", "echoCancellation must be one of true, false, all, remote-only, not “”"),
    ("echoCancellation", "exact:ture", "echoCancellation must be one of true, false, all, remote-only, not “ture”"),
]


@pytest.mark.parametrize(("name", "text", "sentence"), NO_VALUES)
def test_what_is_no_value_is_refused_with_a_sentence(name: str, text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=re.escape(sentence)):
        parse_value(PROPERTIES[name], text)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1280x720", (1280, 720)),
        ("1280×720", (1280, 720)),
        ("1280X720", (1280, 720)),
        ("exact:640x480", ({"exact": 640}, {"exact": 480})),
        ("min:640x480", ({"min": 640}, {"min": 480})),
    ],
)
def test_a_size_is_a_width_and_a_height(text: str, size: tuple[Any, Any]) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "1280", "x", "1280x", "1280*720", "-1x5", "1280x720x3", "best:1x1", "1.5x2"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a size such as 1280x720"):
        parse_size(text)
