"""Unexpected exceptions are reported, once while they repeat, and end nothing."""

from __future__ import annotations

import pytest

from mscli.core.reported import Reported


def attempt(reported: Reported, error: BaseException | None = None) -> None:
    with reported:
        if error is not None:
            raise error


def test_an_exception_is_reported_as_an_uncaught_one_and_ends_there(reports: list[BaseException]) -> None:
    error = RuntimeError("a defect")
    attempt(Reported(), error)
    assert reports == [error]


def test_a_row_of_them_is_reported_once(reports: list[BaseException]) -> None:
    reported = Reported()
    for error in (OSError("one"), OSError("two"), None, ValueError("three")):
        attempt(reported, error)
    assert list(map(str, reports)) == ["one", "three"]


def test_what_is_to_end_the_program_does(reports: list[BaseException]) -> None:
    with pytest.raises(KeyboardInterrupt):
        attempt(Reported(), KeyboardInterrupt())
    assert reports == []
