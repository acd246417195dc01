"""Suggest the known name that is nearest to an unknown one."""

from __future__ import annotations

from collections.abc import Iterable

_CUTOFF = 0.6  # how similar two names must be, from 0 to 1


def nearest(name: str, known: Iterable[str], *, cutoff: float = _CUTOFF) -> str:
    """Return the known name that is most similar to ``name``, or "". Case and hyphens do not count."""
    from difflib import get_close_matches

    folded = {_folded(one): one for one in known}
    close = get_close_matches(_folded(name), folded, 1, cutoff)
    return folded[close[0]] if close else ""


def did_you_mean(name: str, known: Iterable[str], *, cutoff: float = _CUTOFF) -> str:
    """Return `` (did you mean “NAME”?)`` with the nearest name, or ""."""
    close = nearest(name, known, cutoff=cutoff)
    return f" (did you mean “{close}”?)" if close else ""


def _folded(name: str) -> str:
    return name.casefold().replace("-", "") or name
