"""How long a device may keep people waiting, and what is done for one that is gone."""

from __future__ import annotations

from typing import NamedTuple

from mscli.core.clock import LONGEST_S
from mscli.core.errors import ArgumentError


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

    @classmethod
    def asked(cls, timeout_s: tuple[float, float] = USUAL, reconnect_s: float = 0.0, *, fallback: bool = False) -> Care:
        """What a caller asks for. Raises TypeError for seconds that are no number from 0 to ``LONGEST_S``."""
        for name, seconds in (*(("timeout_s", each) for each in timeout_s), ("reconnect_s", reconnect_s)):
            if not 0 <= seconds <= LONGEST_S:
                raise ArgumentError(f"{name} is not from 0 to {LONGEST_S} seconds: {seconds}")
        return cls(Patience(*timeout_s), reconnect_s, fallback)
