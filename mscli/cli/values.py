"""Values of constraint flags: ``1280``, ``exact:1280``, ``min:640,ideal:1280``, ``16:9``, ``true``, ``user|environment``."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from mscli.core.properties import Property

_MEMBER = re.compile(r"(exact|ideal|min|max):")
_CANCELLATIONS = ("all", "remote-only")  # https://www.w3.org/TR/mediacapture-streams/#dom-echocancellationmodeenum
_RATIO = re.compile(r"(\d+(?:\.\d+)?)[:/](\d+(?:\.\d+)?)")


def parse_value(row: Property, text: str) -> Any:
    """The JSON constraint that a flag's value stands for. Raises ValueError with a sentence for people."""
    if not _MEMBER.match(text):
        return _SCALARS[row.idl](row, text)
    members: dict[str, Any] = {}
    for part in re.split(r",(?=(?:exact|ideal|min|max):)", text):
        key, _, value = part.partition(":")
        if not _MEMBER.match(part) or key in members:
            raise ValueError(f"“{part}” is not one of exact:…, ideal:…, min:…, max:…, each at most once")
        if key in ("min", "max") and not row.numeric:
            raise ValueError(f"{row.name} takes exact: and ideal:, not {key}:")
        members[key] = _SCALARS[row.idl](row, value)
    return members


def parse_size(text: str) -> tuple[Any, Any]:
    """Width and height out of ``1280x720``, or ``exact:1280x720``. Raises ValueError."""
    match = re.fullmatch(r"(?:(exact|ideal|min|max):)?(\d+)[x×X](\d+)", text)
    if not match:
        raise ValueError(f"“{text}” is not a size such as 1280x720 or exact:1280x720")
    member, width, height = match[1], int(match[2]), int(match[3])
    return ({member: width}, {member: height}) if member else (width, height)


def _whole(row: Property, text: str) -> int:
    if not re.fullmatch(r"\d+", text):
        raise ValueError(f"“{text}” is not a whole number for {row.name}")
    return int(text)


def _number(row: Property, text: str) -> float:
    ratio = _RATIO.fullmatch(text)
    if ratio and float(ratio[2]):
        return float(ratio[1]) / float(ratio[2])
    if not re.fullmatch(r"\d+(\.\d*)?|\.\d+", text):
        raise ValueError(f"“{text}” is not a number for {row.name}")
    return float(text)


def _boolean(row: Property, text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError(f"“{text}” is neither true nor false, which {row.name} takes")
    return text.lower() == "true"


def _strings(row: Property, text: str) -> str | list[str]:
    if not text:
        raise ValueError(f"{row.name} needs a value")
    return text.split("|") if "|" in text else text


def _boolean_or_string(row: Property, text: str) -> bool | str:
    if text in _CANCELLATIONS:
        return text
    if text.lower() not in ("true", "false"):
        raise ValueError(f"“{text}” is none of true, false, {', '.join(_CANCELLATIONS)}, which {row.name} takes")
    return text.lower() == "true"


_SCALARS: dict[str, Callable[[Property, str], Any]] = {
    "unsigned long": _whole,
    "double": _number,
    "boolean": _boolean,
    "DOMString": _strings,
    "boolean or DOMString": _boolean_or_string,
}
