"""How long a device may keep people waiting, and what is done for one that is gone."""

from __future__ import annotations

from typing import NamedTuple


class Patience(NamedTuple):
    """How long a device may keep people waiting, in seconds."""

    first_s: float = 5.0  # for its first frame, and for any answer of its driver
    then_s: float = 2.0  # for the next frame, from when it is muted


USUAL = Patience()


class Care(NamedTuple):
    """What is done for a device that keeps people waiting, or is gone."""

    patience: Patience = USUAL
    reconnect_s: float = 0.0  # for so long the same device is waited for
    fallback: bool = False  # and then another one is taken
