"""The grammar of durations, sizes, bit rates, picture sizes and rates."""

from __future__ import annotations

import re

import pytest

from mscli.cli.surface.devices import KINDS, KindType
from mscli.core.quantities import parse_bit_rate, parse_byte_count, parse_duration, parse_picture_size, parse_ratio
from mscli.sources.base import DEVICE_KINDS, DISPLAY, device_noun

DURATIONS = {
    "90": 90,
    "1.5": 1.5,
    ".5": 0.5,
    "90s": 90,
    "10m": 600,
    "10min": 600,
    "1h30m": 5400,
    "1h 30m": 5400,
    "1h2m3.5s": 3723.5,
    "2d": 172_800,
    "1:30": 90,
    "90:00": 5400,
    "1:02:03": 3723,
    "0:00.25": 0.25,
}


@pytest.mark.parametrize(("text", "seconds"), DURATIONS.items())
def test_a_duration_is_read_as_people_write_it(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "s",
        "five",
        "-1",
        "1e3",
        "nan",
        "1h30",
        "30m1h",
        "1m1m",
        "1:60",
        "1:60:00",
        "1:2:3:4",
        "1:",
        ":30",
        "²",
        "90 x",
        "500ms",
    ],
)
def test_other_text_is_not_a_duration(text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(f"“{text}” is not a duration such as 90, 1.5s, 10m, 1h30m or 1:02:03")):
        parse_duration(text)


@pytest.mark.parametrize("text", ["0", "0s", "0:00", "1000000001", "99999d"])
def test_a_duration_has_bounds(text: str) -> None:
    with pytest.raises(ValueError, match="a duration must be more than 0 and at most 1000000000 seconds"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "count"),
    [("500M", 5 * 10**8), ("4GiB", 4 << 30), ("4gib", 4 << 30), ("2 GB", 2 * 10**9), ("1.5k", 1500), ("7", 7)],
)
def test_a_size_is_read_as_people_write_it(text: str, count: int) -> None:
    assert parse_byte_count(text) == count


@pytest.mark.parametrize(
    ("text", "bits"), [("2M", 2_000_000), ("800k", 800_000), ("8Mbps", 8_000_000), ("128 kbit/s", 128_000)]
)
def test_a_bit_rate_is_read_as_people_write_it(text: str, bits: int) -> None:
    assert parse_bit_rate(text) == bits


def test_a_bit_rate_that_lacks_its_unit_is_refused_with_what_was_meant() -> None:
    with pytest.raises(ValueError, match="“8” is only 8 bits per second; did you mean 8k or 8M"):
        parse_bit_rate("8")


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1280x720", (1280, 720)),
        ("1280×720", (1280, 720)),
        ("360p", (640, 360)),
        ("480p", (854, 480)),
        ("720p", (1280, 720)),
        ("1080p", (1920, 1080)),
        ("4k", (3840, 2160)),
        ("4K", (3840, 2160)),
        ("8k", (7680, 4320)),
    ],
)
def test_a_picture_size_is_a_width_and_a_height_or_a_common_name(text: str, size: tuple[int, int]) -> None:
    assert parse_picture_size(text) == size


@pytest.mark.parametrize(("text", "number"), [("30", 30), ("29.97", 29.97), ("30000/1001", 30000 / 1001), ("16:9", 16 / 9)])
def test_a_rate_is_a_number_or_a_fraction(text: str, number: float) -> None:
    assert parse_ratio(text) == number


@pytest.mark.parametrize("text", ["", "1/0", "fast", "1e3", "-1", "inf", "30fps"])
def test_other_text_is_not_a_rate(text: str) -> None:
    assert parse_ratio(text) is None


def test_a_kind_is_our_word_or_the_standards_name() -> None:
    assert {device_noun(kind): kind for kind in (*DEVICE_KINDS, DISPLAY)} == KINDS
    kinds = KindType(KINDS)
    assert [kinds.convert(word, None, None) for word in (*KINDS, *KINDS.values())] == [*KINDS.values()] * 2
