"""Names of the files of a series."""

from __future__ import annotations

from datetime import datetime
from itertools import islice
from pathlib import Path

import pytest

from mscli.cli.target import record_target
from mscli.sinks.files.series import Names, candidates, expand, is_pattern, single, with_counter

NOON = datetime(2026, 3, 4, 12, 5, 6)


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("clip.mp4", "clip.mp4"),
        ("%Y-%m-%d_%H-%M-%S.mkv", "2026-03-04_12-05-06.mkv"),
        ("clip-%03d.mp4", "clip-007.mp4"),
        ("day-%d.mp4", "day-04.mp4"),
        ("%02d of %d", "07 of 04"),
        ("50%%.mp4", "50%.mp4"),
        ("50%%03d.mp4", "50%03d.mp4"),
        ("100%.mp4", "100%.mp4"),
        ("a%", "a%"),
        ("caf\udce9-%01d", "caf\udce9-7"),
    ],
)
def test_a_pattern_says_time_and_number(pattern: str, name: str) -> None:
    assert expand(pattern, NOON, 7) == name


def test_a_counter_grows_beyond_its_digits() -> None:
    assert expand("%02d", NOON, 1234) == "1234"


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        ("clip.mp4", "clip-%03d.mp4"),
        ("a.b/clip", "a.b/clip-%03d"),
        ("clip-%02d.mp4", "clip-%02d.mp4"),
        ("%H.mp4", "%H.mp4"),
        ("50%%.mp4", "50%%-%03d.mp4"),
    ],
)
def test_a_name_with_neither_time_nor_number_gets_a_number(name: str, pattern: str) -> None:
    assert with_counter(name) == pattern


@pytest.mark.parametrize(
    ("name", "said"),
    [("a.mp4", False), ("100%.mp4", False), ("%H.mp4", True), ("50%%.mp4", False), ("%%Y", False), ("%%%Y", True)],
)
def test_a_percent_sign_alone_or_a_literal_one_makes_no_pattern(name: str, said: bool) -> None:
    assert is_pattern(name) is said


def test_a_counter_continues_and_a_time_gets_a_number() -> None:
    assert [name for name, _ in islice(candidates("a-%02d", NOON, 3), 3)] == ["a-03", "a-04", "a-05"]
    assert [name for name, _ in islice(candidates("%H.x", NOON, 3), 3)] == ["12.x", "12_02.x", "12_03.x"]


def test_files_of_one_second_are_listed_in_the_order_in_which_they_were_made() -> None:
    later = NOON.replace(second=NOON.second + 1)
    names = [name for at in (NOON, later) for name, _ in islice(candidates("%H%M%S.mkv", at, 1), 12)]
    assert sorted(names) == names


def test_names_that_are_taken_are_passed_over_and_none_comes_twice() -> None:
    numbered = Names("a-%02d", {"a-01", "a-03"}.__contains__)
    assert [numbered.next(NOON) for _ in range(3)] == ["a-02", "a-04", "a-05"]
    timed = Names("%H.x", {"12_02.x"}.__contains__)
    assert [timed.next(NOON) for _ in range(3)] == ["12.x", "12_03.x", "12_04.x"]


def test_one_recording_takes_the_next_number_that_is_free(tmp_path: Path) -> None:
    (tmp_path / "a-01").touch()
    assert single(str(tmp_path / "a-%02d"), overwrite=False) == str(tmp_path / "a-02")
    assert single(str(tmp_path / "a-%02d"), overwrite=True) == str(tmp_path / "a-01")
    year = single(str(tmp_path / "%Y"), overwrite=False)
    Path(year).touch()
    assert single(str(tmp_path / "%Y"), overwrite=False) == year  # and the output says that it exists


@pytest.mark.parametrize(("name", "container"), [("a.webm", "webm"), ("a.wav", "wav"), ("a.tmp", "mkv"), ("a", "mkv")])
def test_a_descriptor_of_an_ordinary_file_has_the_container_of_its_name_or_that_of_a_pipe(
    name: str, container: str, tmp_path: Path
) -> None:
    with (tmp_path / name).open("wb") as file:
        for folder in ("/dev/fd", "/proc/self/fd"):
            assert record_target(f"{folder}/{file.fileno()}", None).row.suffix == container
            assert record_target(f"{folder}/{file.fileno()}", "mp4").row.suffix == "mp4"
