"""Properties of a camera's controls: of the order in which they are set, and of the conversion from V4L2 and back."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from mscli.core.boxes import Scalar, Span, scalars
from mscli.core.controls import plan
from mscli.core.properties import PROPERTIES
from mscli.v4l2 import abi
from mscli.v4l2.controls import CONTROLS, Driven, Row

MODES = st.sampled_from(["manual", "continuous", "single-shot"])
CASES = settings(max_examples=200, deadline=None)  # a busy machine is slow now and then
names = st.sampled_from([name for name, row in PROPERTIES.items() if row.control])
drawn_settings = st.dictionaries(names, st.integers(0, 3)).flatmap(
    lambda drawn: st.fixed_dictionaries(
        {name: MODES if name.endswith("Mode") else st.just(value) for name, value in drawn.items()}
    )
)
numbers = [row for row in CONTROLS if not row.meanings]


@st.composite
def number_controls(draw: st.DrawFn) -> Driven:
    """A control that is a number, as a driver may describe it."""
    row: Row = draw(st.sampled_from(numbers))
    low, steps, step = draw(st.integers(-(2**31), 2**31 - 1)), draw(st.integers(0, 1000)), draw(st.integers(1, 10_000))
    return Driven(row, abi.CTRL_TYPE_INTEGER, low, low + steps * step, step, low)


@given(number_controls(), st.integers(0, 1000))
@CASES
def test_a_number_comes_back_from_the_drivers_as_it_was(driven: Driven, steps: int) -> None:
    raw = min(driven.minimum + steps * driven.step, driven.maximum)
    value = driven.value(raw)
    assert value is not None
    assert driven.raw(value) == raw
    values = driven.values
    assert isinstance(values, Span)
    assert values.min <= float(value) <= values.max


@given(number_controls(), st.floats(allow_nan=False, allow_infinity=False))
@CASES
def test_what_can_be_chosen_is_written_within_the_drivers_range(driven: Driven, wanted: float) -> None:
    values = driven.values
    assert isinstance(values, Span)
    raw = driven.raw(values.nearest(wanted))
    assert raw is not None
    assert driven.minimum <= raw <= driven.maximum


@given(st.sampled_from(numbers), st.dictionaries(st.integers(0, 20), st.integers(-(10**6), 10**6), min_size=1))
@CASES
def test_an_item_of_a_menu_of_numbers_comes_back_as_it_was(row: Row, items: dict[int, int]) -> None:
    driven = Driven(row, abi.CTRL_TYPE_INTEGER_MENU, 0, 20, 1, 0, items=items)
    values = driven.values
    assert values is not None
    assert not isinstance(values, Span)
    for value in scalars(values):
        raw = driven.raw(value)
        assert raw is not None
        assert driven.value(raw) == value


@given(st.sampled_from([row for row in CONTROLS if row.meanings]), st.sets(st.integers(0, 3), min_size=1))
@CASES
def test_a_meaning_comes_back_as_it_was_if_the_driver_has_a_number_for_it(row: Row, items: set[int]) -> None:
    driven = Driven(row, abi.CTRL_TYPE_MENU, 0, 3, 1, 0, items=dict.fromkeys(items, 0))
    for value in driven.values or ():
        assert not isinstance(value, float)
        raw = driven.raw(value)
        assert raw in items
        assert driven.value(raw) == value


@given(drawn_settings, drawn_settings)
@CASES
def test_a_camera_that_refuses_what_an_automatic_holds_refuses_nothing_of_a_plan(
    now: dict[str, Scalar], wanted: dict[str, Scalar]
) -> None:
    state = dict(now)
    for name, value in plan(wanted, now):
        held = PROPERTIES[name].only_while
        assert held is None or state.get(held[0]) in (None, *held[1]), name
        state[name] = value
    for name, value in wanted.items():
        held = PROPERTIES[name].only_while
        if name in now and (held is None or state.get(held[0]) in (None, *held[1])):
            assert state[name] == value
