"""Read-only attributes, as WebIDL has them: https://webidl.spec.whatwg.org/#dfn-read-only."""

from __future__ import annotations

from typing import Any, Generic, TypeVar, overload

T = TypeVar("T")


class ReadOnly(Generic[T]):
    """A read-only attribute. The object itself sets its value, under the same name with a leading underscore."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name, self._slot = name, f"_{name}"

    @overload
    def __get__(self, holder: None, owner: type) -> ReadOnly[T]: ...
    @overload
    def __get__(self, holder: object, owner: type) -> T: ...
    def __get__(self, holder: object | None, owner: type) -> Any:
        return self if holder is None else getattr(holder, self._slot)

    def __set__(self, holder: object, value: object) -> None:
        raise AttributeError(f"{type(holder).__name__}.{self._name} is read-only")
