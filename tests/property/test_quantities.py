"""The grammar of quantities, for any numbers and any text."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mscli.core.clock import LONGEST_S
from mscli.core.quantities import parse_bit_rate, parse_byte_count, parse_duration, parse_picture_size, parse_ratio

HOURS = st.integers(0, 99)
SIXTIETHS = st.integers(0, 59)
TEXT = st.text(st.sampled_from("0123456789.:/x hmsdpkKMGiB-e²٣"), max_size=12)


@given(HOURS, SIXTIETHS, SIXTIETHS)
def test_all_ways_to_write_a_duration_mean_the_same(hours: int, minutes: int, seconds: int) -> None:
    total = hours * 3600 + minutes * 60 + seconds
    ways = [
        f"{total}",
        f"{total}s",
        f"{total}.0",
        f"{hours}h{minutes}m{seconds}s",
        f"{hours}:{minutes:02}:{seconds:02}",
        f"{hours * 60 + minutes}:{seconds:02}",
        f"{hours * 60 + minutes}m {seconds}s",
    ]
    if total:
        assert {parse_duration(way) for way in ways} == {total}
    else:
        for way in ways:
            with pytest.raises(ValueError, match="more than 0"):
                parse_duration(way)


@given(st.integers(1, 9999), st.sampled_from("kMGT"), st.sampled_from(["", "i"]), st.sampled_from(["", "B"]))
def test_a_size_is_its_number_times_its_unit(number: int, unit: str, binary: str, byte: str) -> None:
    count = number * (1024 if binary else 1000) ** (1 + "kMGT".index(unit))
    assert parse_byte_count(f"{number}{unit}{binary}{byte}") == parse_byte_count(f"{number} {unit.lower()}{binary}") == count


@given(st.integers(10, 9999))
def test_a_number_of_lines_is_an_even_size_in_16_to_9(lines: int) -> None:
    width, height = parse_picture_size(f"{lines}p")
    assert (width % 2, height) == (0, lines)
    assert abs(width - lines * 16 / 9) <= 1


@given(st.integers(0, 10**9), st.integers(1, 10**9))
def test_a_fraction_is_its_quotient(above: int, below: int) -> None:
    assert parse_ratio(f"{above}/{below}") == parse_ratio(f"{above}:{below}") == above / below


@pytest.mark.parametrize("parse", [parse_duration, parse_byte_count, parse_bit_rate, parse_picture_size])
@given(text=TEXT)
def test_any_text_is_read_or_refused(parse: Callable[[str], object], text: str) -> None:
    value = None
    with suppress(ValueError):
        value = parse(text)
    assert value is None or isinstance(value, int | float | tuple)
    if parse is parse_duration and isinstance(value, float):
        assert 0 < value <= LONGEST_S


@given(TEXT)
def test_any_text_is_a_ratio_or_none(text: str) -> None:
    value = parse_ratio(text)
    assert value is None or value >= 0
