"""Every member that the specifications define (``idl.toml``) is there, or excused in ``idl_excused.toml``, which is strict.

python -m tests.conformance.test_idl prints how many of them are there, by specification.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, get_args

import mscli

HERE = Path(__file__).parent
OURS = {"HTMLCanvasElement": "Canvas", "HTMLMediaElement": "MediaElement"}  # interface → the class that has its members


@cache
def members() -> list[tuple[str, str]]:
    """Return every specification with a member, as Interface.member."""
    table = tomllib.loads((HERE / "idl.toml").read_text())
    return [(text, f"{name}.{member}") for text, names in table.items() for name, found in names.items() for member in found]


@cache
def excused() -> dict[str, str]:
    """Return the reason for each excused member or interface."""
    table = tomllib.loads((HERE / "idl_excused.toml").read_text())
    return {member: section["reason"] for section in table.values() for member in section["members"]}


def snake_case(name: str) -> str:
    """Return the mechanical name in Python."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def names_of(holder: Any) -> Iterator[str]:
    """Yield the names of a class, also of its handlers, which are only declared."""
    for one in holder.__mro__:
        yield from vars(one)
        yield from vars(one).get("__annotations__", ())


def is_there(name: str, member: str) -> bool:
    """Return whether the library has a member of an interface, a dictionary or an enumeration."""
    if name == "MediaTrackSupportedConstraints":
        with mscli.MediaDevices(backends=[]) as devices:
            return member in devices.get_supported_constraints()
    holder = getattr(mscli, OURS.get(name, name), None)
    if holder is None:
        return False
    if get_args(holder):
        return member in get_args(holder)
    if hasattr(holder, "__total__"):  # a dictionary
        return member in holder.__annotations__
    return member == "constructor" or (member if member.startswith("on") else snake_case(member)) in names_of(holder)


def is_excused(path: str) -> bool:
    """Return whether a member is excused, by itself or with its interface."""
    return path in excused() or path.partition(".")[0] in excused()


def test_every_member_is_there_or_excused() -> None:
    missing = [path for _, path in members() if not is_there(*path.split(".", 1)) and not is_excused(path)]
    assert missing == []


def test_no_member_is_excused_that_is_there() -> None:
    there = [path for _, path in members() if is_there(*path.split(".", 1)) and is_excused(path)]
    assert there == []


def test_nothing_is_excused_that_is_not_defined() -> None:
    known = {one for _, path in members() for one in (path, path.partition(".")[0])}
    assert set(excused()) - known == set()


def main() -> None:
    """Print how much of each specification is there, and what is not."""
    for text in dict.fromkeys(text for text, _ in members()):
        paths = [path for one, path in members() if one == text]
        missing = [path for path in paths if not is_there(*path.split(".", 1))]
        print(f"{text}: {len(paths) - len(missing)} of {len(paths)}", *missing, sep="\n    ")


if __name__ == "__main__":
    main()
