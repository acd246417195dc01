"""Rules for a server that takes a stream more slowly than it is made: first a lower bit rate, then nothing up to a key frame.

Pure: no thread and no clock. Times are those of the media (microseconds) or of the monotonic clock (seconds).
"""

from __future__ import annotations

from mscli.core.limits import PUBLISH_DROP_US, PUBLISH_LAG_US, PUBLISH_LOWERED_S, PUBLISH_RAISED_S

LEAST_SHARE = 1 / 8  # of the bit rate
_LOWER, _HIGHER = 0.7, 1.2
_CALM = 4  # a lag below this part of PUBLISH_LAG_US is none


class Congestion:
    """A judge of the lag: how much of the bit rate a server gets, and when it is too far behind."""

    def __init__(self) -> None:
        self.share = 1.0  # of the bit rate
        self._changed_s = 0.0
        self._lag_us = 0  # when it was last too long

    def judge(self, lag_us: int, at_s: float) -> float:
        """Return the share of the bit rate, given how far the server is behind."""
        if lag_us > PUBLISH_LAG_US and at_s >= self._changed_s + PUBLISH_LOWERED_S:
            grows, self._lag_us = lag_us >= self._lag_us, lag_us
            self._change(max(LEAST_SHARE, self.share * (_LOWER if grows else 1)), at_s)
        elif lag_us < PUBLISH_LAG_US // _CALM and self.share < 1 and at_s >= self._changed_s + PUBLISH_RAISED_S:
            self._change(min(1.0, self.share * _HIGHER), at_s)
        return self.share

    @staticmethod
    def overdue(lag_us: int) -> bool:
        """Return whether what waits is too old to be sent."""
        return lag_us > PUBLISH_DROP_US

    def _change(self, share: float, at_s: float) -> None:
        self.share, self._changed_s = share, at_s


def usual_pause_s(attempt: int, first_s: float, most_s: float) -> float:
    """Return how long to wait before an attempt to connect again, without the jitter. ``attempt``: from 0 on."""
    return min(most_s, first_s * 2.0 ** min(attempt, 32))
