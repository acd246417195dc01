"""Find a source's clock that runs at another rate than ours, by how late its frames arrive.

A frame may arrive late but never early, so the shortest lateness within a window of time counts. With a right clock it stays
the same for hours. With a slow one it grows in a straight line, with a fast one it shrinks. It also grows in a queue that fills
because its reader is a little too slow, but only by some frames, or for less than a minute.
"""

from __future__ import annotations

from collections import deque

from mscli.core.clock import MICROSECONDS
from mscli.core.tuples import NamedTuple

WINDOW_US = 2 * MICROSECONDS  # of which the shortest lateness is noted, or as long as WINDOW_FRAMES take
WINDOW_FRAMES = 10
LEAST_WINDOWS = 6  # that make a straight line
MOST_WINDOWS = 64  # even
FITTED_WINDOWS = 16  # from which the present rate is known
LEAST_OFF_US = 40_000  # a clock that is off by less, or by less than LEAST_OFF_FRAMES, is left alone
LEAST_OFF_FRAMES = 2
FAST_US = 70_000  # a fast clock is not, however long frames last, because its stamps would soon be in the future
QUEUE_FRAMES = 8  # more than drivers have buffers
LONG_US = 60 * MICROSECONDS  # no reader is too slow by so little that its queue fills for longer
MOST_RATE = 0.03  # of a slow clock: a slower one is noticed at once, and not trusted
STRAIGHT = 1 / 8  # how far a window may be off the line, as a share of all of it
FORGET_US = 60 * MICROSECONDS  # without a frame, after which the rate is measured again


class Lateness(NamedTuple):
    """The shortest lateness in a window of time, and when that frame arrived (microseconds)."""

    at_us: int
    late_us: int


class Drift:
    """A measure of how late the frames of a source arrive by its clock.

    ``is_steady``: whether that is known to grow or shrink steadily. ``begin_us``: the lateness from which it does.
    ``rate``: the share of the time by which it grows.
    """

    def __init__(self) -> None:
        self.is_steady = False
        self.begin_us = 0
        self.rate = 0.0
        self._latest: deque[Lateness] = deque(maxlen=MOST_WINDOWS)
        self._long: list[Lateness] = []  # of all of the time
        self._joins = self._joined = 1  # how many windows each of these joins, and the last one does
        self._best: Lateness | None = None  # of the present window
        self._since_us = 0  # when that began
        self._count = 0  # of its frames
        self._last_us: int | None = None  # the latest arrival
        self._mean = 0.0, 0.0  # the middle of the latest windows: arrival and lateness

    def forget(self) -> None:
        """Measure anew."""
        self.is_steady = False
        self._latest.clear()
        self._long.clear()
        self._joins = self._joined = 1
        self._best, self._count, self._last_us = None, 0, None

    def note(self, at_us: int, late_us: int, lasts_us: int) -> None:
        """Note a frame that arrived at ``at_us``, ``late_us`` after its stamp."""
        if self._last_us is not None and at_us - self._last_us > FORGET_US:
            self.forget()
        self._last_us = at_us
        if self._best is None:
            self._since_us = at_us
        if self._best is None or late_us < self._best.late_us:
            self._best = Lateness(at_us, late_us)
        self._count += 1
        if self._count >= WINDOW_FRAMES and at_us - self._since_us >= WINDOW_US:
            self._keep(self._best)
            self._best, self._count = None, 0
            self._judge(lasts_us)

    def late_us(self, at_us: int) -> int:
        """Return the shortest lateness that is to be expected at a time."""
        middle_us, late_us = self._mean
        return round(late_us + self.rate * (at_us - middle_us))

    def _keep(self, window: Lateness) -> None:
        """Keep a window, also joined to those before. Joined ones become longer, so that they reach back to the beginning."""
        self._latest.append(window)
        if not self._long or self._joined >= self._joins:
            self._long.append(window)
            self._joined = 1
        else:
            self._long[-1] = min(self._long[-1], window, key=_late)
            self._joined += 1
        if len(self._long) == MOST_WINDOWS:
            self._long = [min(pair, key=_late) for pair in zip(self._long[::2], self._long[1::2], strict=True)]
            self._joins, self._joined = 2 * self._joins, 2 * self._joined

    def _judge(self, lasts_us: int) -> None:
        latest = [*self._latest]
        for windows in () if self.is_steady else (self._long, latest, latest[len(latest) // 2 :]):
            if len(windows) >= LEAST_WINDOWS and _is_line(windows, lasts_us):
                self.is_steady, self.begin_us = True, windows[0].late_us
                break
        if self.is_steady:
            self._fit(latest[-FITTED_WINDOWS:])

    def _fit(self, windows: list[Lateness]) -> None:
        """Find the straight line through windows with the least squares."""
        count, first = len(windows), windows[0]
        times = [one.at_us - first.at_us for one in windows]
        middle, late = sum(times) / count, sum(one.late_us for one in windows) / count
        spread = sum((at - middle) ** 2 for at in times)
        together = sum((at - middle) * (one.late_us - late) for at, one in zip(times, windows, strict=True))
        self._mean, self.rate = (first.at_us + middle, late), together / spread


def _late(window: Lateness) -> int:
    return window.late_us


def _is_line(windows: list[Lateness], lasts_us: int) -> bool:
    """Return whether the lateness is off by too much, and has become so steadily."""
    (begin_us, first_us), (end_us, last_us) = windows[0], windows[-1]
    took_us, off_us = end_us - begin_us, last_us - first_us
    least_us = max(LEAST_OFF_US, LEAST_OFF_FRAMES * lasts_us)
    if off_us < 0:
        least_us = min(least_us, FAST_US)
    elif took_us < LONG_US:
        least_us = max(least_us, QUEUE_FRAMES * lasts_us)
    if abs(off_us) < least_us or off_us > MOST_RATE * took_us:
        return False
    shares = (((at_us - begin_us) / took_us, (late_us - first_us) / off_us) for at_us, late_us in windows)
    return all(abs(late - wanted) <= STRAIGHT for wanted, late in shares)
