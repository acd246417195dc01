"""``mscli.core.tuples.NamedTuple`` is like ``typing.NamedTuple``, and a command defines no other."""

from __future__ import annotations

import ast
import copy
import pickle
import typing
from pathlib import Path
from typing import Any

import pytest

import mscli
from mscli.core.tuples import NamedTuple


class Ours(NamedTuple):
    """Two fields."""

    name: str
    times: int = 2

    @property
    def text(self) -> str:
        return self.name * self.times


class Theirs(typing.NamedTuple):
    """Two fields."""

    name: str
    times: int = 2


KINDS: list[Any] = [Ours, Theirs]


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_made_and_read_like_any_named_tuple(kind: Any) -> None:
    made = kind("a")
    assert made == ("a", 2) == kind(name="a", times=2) == kind(*made) == kind._make(["a", 2])
    assert (made.name, made[1], hash(made)) == ("a", 2, hash(("a", 2)))
    assert made._replace(times=3) == ("a", 3)
    assert made._asdict() == {"name": "a", "times": 2}
    assert repr(made) == f"{kind.__name__}(name='a', times=2)"
    assert (kind._fields, kind._field_defaults, kind.__doc__) == (("name", "times"), {"times": 2}, "Two fields.")
    assert pickle.loads(pickle.dumps(made)) == copy.deepcopy(made) == made
    assert isinstance(made, tuple)
    assert not hasattr(made, "__dict__")
    match made:
        case kind(name, times):
            assert (name, times) == ("a", 2)


@pytest.mark.parametrize("kind", KINDS)
def test_wrong_arguments_are_refused_each_time(kind: Any) -> None:
    for _ in range(5):
        assert kind("a", 1) == ("a", 1)
        with pytest.raises(TypeError, match=rf"{kind.__name__}.__new__\(\) missing 1 required positional argument: 'name'"):
            kind()
        with pytest.raises(TypeError, match="unexpected keyword argument 'other'"):
            kind("a", other=1)
        with pytest.raises(TypeError):
            kind("a", 1, 2)
        with pytest.raises((TypeError, ValueError), match="unexpected field names"):
            kind("a")._replace(other=1)
        with pytest.raises(TypeError, match="got 1"):
            kind._make(["a"])
        with pytest.raises(AttributeError):
            kind("a").name = "b"


def test_methods_and_subclasses_work() -> None:
    class More(Ours):
        """A subclass."""

    assert Ours("ab").text == "abab"
    assert More("a").text == "aa"
    assert isinstance(More("a")._replace(times=1), More)


def test_a_default_may_not_come_before_a_field_without_one() -> None:
    with pytest.raises(TypeError, match="non-default"):

        class Wrong(NamedTuple):
            first: int = 1
            second: int  # type: ignore[misc]


def test_no_module_defines_the_slow_kind() -> None:
    modules = [path for path in Path(mscli.__file__).parent.rglob("*.py") if path.name != "tuples.py"]
    imports = ((path, node) for path in modules for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    slow = [
        path
        for path, node in imports
        if isinstance(node, ast.ImportFrom) and node.module == "typing" and any(a.name == "NamedTuple" for a in node.names)
    ]
    assert slow == []
