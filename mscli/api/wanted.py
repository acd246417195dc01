"""The tracks that a user requests, each with the constraints of its device. Two cameras are two rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mscli.core.properties import KINDS
from mscli.core.tuples import NamedTuple
from mscli.core.webidl import stream_constraints
from mscli.sources.base import device_noun


class Wanted(NamedTuple):
    """One requested track.

    ``constraints``: its ``MediaTrackConstraints``, or True for any device. ``called``: the user's name for the device, if
    given; errors use it.
    """

    kind: str  # "video" | "audio"
    constraints: Any = True
    called: str | None = None


def wanted_tracks(constraints: Any) -> list[Wanted]:
    """Return the tracks that a ``MediaStreamConstraints`` dictionary requests, audio first. Raises TypeError."""
    return [Wanted(kind, one) for kind, one in stream_constraints(constraints).items()]


def names_of(wanted: Sequence[Wanted]) -> list[str]:
    """Return the name of each track for errors: its device's name or its number, or "" for the only one of its kind."""
    kinds = [one.kind for one in wanted]
    numbers = [kinds[: index + 1].count(kind) for index, kind in enumerate(kinds)]
    return [
        "" if kinds.count(one.kind) == 1 else one.called or f"{device_noun(KINDS[one.kind])} {number}"
        for one, number in zip(wanted, numbers, strict=True)
    ]
