"""Values of constraint flags: what they stand for in JSON, and what is no value."""

from __future__ import annotations

import re
from typing import Any

import pytest

from mscli.cli.values import parse_size, parse_value
from mscli.core.properties import PROPERTIES

VALUES: list[tuple[str, str, Any]] = [
    ("width", "1280", 1280),
    ("width", "exact:1280", {"exact": 1280}),
    ("width", "min:640,ideal:1280,max:1920", {"min": 640, "ideal": 1280, "max": 1920}),
    ("width", "max:1920,min:640", {"max": 1920, "min": 640}),
    ("frameRate", "29.97", 29.97),
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
    ("facingMode", "", "facingMode needs a value"),
    ("facingMode", "exact:", "facingMode needs a value"),
    ("facingMode", "min:user", "facingMode takes exact: and ideal:, not min:"),
    ("noiseSuppression", "yes", "“yes” is neither true nor false, which noiseSuppression takes"),
    ("echoCancellation", "", "“” is none of true, false, all, remote-only, which echoCancellation takes"),
    ("echoCancellation", "exact:ture", "“ture” is none of true, false, all, remote-only, which echoCancellation takes"),
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
