"""Define tuples with names at a tenth of the cost of ``typing.NamedTuple``: a command defines a hundred before it begins.

Type checkers see ``typing.NamedTuple``, and it behaves the same. The constructor is compiled if it is called more than a few
times, and annotations are not evaluated. https://docs.python.org/3/library/typing.html#typing.NamedTuple
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import NamedTuple as NamedTuple
else:
    try:
        from _collections import _tuplegetter as _getter  # twice as fast
    except ImportError:
        from operator import itemgetter

        def _getter(place, _doc):
            return property(itemgetter(place))

    _COMPILED_AT = 4  # calls: most kinds have fewer tuples

    class _Record(tuple):
        """A tuple with what all of them have in common."""

        __slots__ = ()

        @classmethod
        def _make(cls, values):
            made = tuple.__new__(cls, values)
            if len(made) != len(cls._fields):
                raise TypeError(f"expected {len(cls._fields)} arguments, got {len(made)}")
            return made

        def _replace(self, /, **changes):
            made = self._make(map(changes.pop, self._fields, self))
            if changes:
                raise TypeError(f"got unexpected field names: {[*changes]}")
            return made

        def _asdict(self):
            return dict(zip(self._fields, self, strict=True))

        def __repr__(self):
            values = ", ".join(f"{name}={value!r}" for name, value in zip(self._fields, self, strict=True))
            return f"{type(self).__name__}({values})"

        def __getnewargs__(self):
            return tuple(self)

    class _Definition(type):
        """A metaclass that turns a class with annotations into a kind of tuple."""

        def __new__(mcs, name, bases, body):
            if not bases:
                return type.__new__(mcs, name, bases, body)
            fields = tuple(body.get("__annotations__", ()))
            defaults = {field: body[field] for field in fields if field in body}
            if [*defaults] != [*fields[len(fields) - len(defaults) :]]:
                raise TypeError(f"a non-default field of {name} follows one with a default")
            getters = {field: _getter(place, "") for place, field in enumerate(fields)}
            kept = {"__slots__": (), "_fields": fields, "_field_defaults": defaults, "__match_args__": fields}
            made = type(name, (_Record,), {**body, **getters, **kept})

            calls = 0

            def first_new(cls, *arguments, **named):
                """Make a few tuples, and then compile the constructor, which is called from then on."""
                nonlocal calls
                calls += 1
                if calls < _COMPILED_AT and len(arguments) == len(fields) and not named:
                    return tuple.__new__(cls, arguments)
                given = ", ".join(fields)
                made.__new__ = new = eval(  # as ``collections.namedtuple`` does
                    f"lambda _cls, {given}: _new(_cls, ({given}{',' * bool(given)}))", {"_new": tuple.__new__}
                )
                new.__name__, new.__qualname__, new.__defaults__ = "__new__", f"{name}.__new__", tuple(defaults.values())
                return new(cls, *arguments, **named)

            made.__new__ = first_new
            return made

    class NamedTuple(metaclass=_Definition):
        """The base of tuples with names."""
