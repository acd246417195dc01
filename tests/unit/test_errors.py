"""Errors: their names, codes and what a pickled one keeps."""

from __future__ import annotations

import inspect
import pickle

import pytest

import mscli
from mscli.core import errors
from mscli.core.errors import DOMException, OverconstrainedError

CODES = {
    "AbortError": 20,
    "IndexSizeError": 1,
    "InvalidAccessError": 15,
    "InvalidModificationError": 13,
    "InvalidStateError": 11,
    "NotFoundError": 8,
    "NotSupportedError": 9,
    "SecurityError": 18,
}
ALL = [one for _, one in inspect.getmembers(errors, inspect.isclass) if issubclass(one, DOMException)]


@pytest.mark.parametrize("kind", ALL)
def test_an_error_has_the_code_of_its_name(kind: type[DOMException]) -> None:
    error = kind("x")
    assert error.code == CODES.get(error.name, 0)
    with pytest.raises(AttributeError):
        error.code = 1


@pytest.mark.parametrize("kind", ALL)
def test_a_pickled_error_keeps_its_text_and_hints(kind: type[DOMException]) -> None:
    error = kind("width", "too wide", hints=["a"]) if issubclass(kind, OverconstrainedError) else kind("too wide", hints=["a"])
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), again.message, again.hints) == (kind, "too wide", "too wide", ("a",))
    assert again.to_json() == error.to_json()


def test_a_pickled_error_of_a_choice_keeps_everything_but_the_candidates() -> None:
    error = OverconstrainedError("width", "too wide", conflict=["width", "height"], nearest={"width": 3})
    error.candidates = (lambda: None,)
    again = pickle.loads(pickle.dumps(error))
    assert (again.constraint, again.conflict, again.nearest, again.candidates) == (
        "width",
        ("width", "height"),
        {"width": 3},
        (),
    )


def test_the_constraint_is_a_string_as_webidl_converts_it() -> None:
    assert mscli.OverconstrainedError(None).constraint == "null"


def test_all_names_are_listed() -> None:
    assert set(mscli.__all__) <= set(dir(mscli))
