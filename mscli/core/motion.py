"""Decide when motion begins and ends, given how much of each picture has changed."""

from __future__ import annotations

from mscli.core.clock import MICROSECONDS

USUAL_SENSITIVITY = 0.5
STILL_US = 2 * MICROSECONDS  # motion has ended once it was still for this long


def least_share(sensitivity: float) -> float:
    """Return the share of the picture that must change: a tenth for 0, a hundredth for 0.5, a thousandth for 1."""
    return float(10 ** (-1 - 2 * sensitivity))


class MotionState:
    """The state of motion. ``again_us``: the interval of further triggers while it lasts, None for one trigger."""

    def __init__(self, sensitivity: float, again_us: int | None = None) -> None:
        self.moving = False
        self._least = least_share(sensitivity)
        self._again_us = again_us
        self._latest_us = 0  # of pictures with motion
        self._triggered_us = 0

    def note(self, share: float, at_us: int) -> bool:
        """Take the next picture's share and time. Return whether it is a trigger."""
        if share >= self._least:
            self._latest_us = at_us
            begins, self.moving = not self.moving, True
            due = self._again_us is not None and at_us >= self._triggered_us + self._again_us
            if begins or due:
                self._triggered_us = at_us
                return True
        elif self.moving and at_us > self._latest_us + STILL_US:
            self.moving = False
        return False
