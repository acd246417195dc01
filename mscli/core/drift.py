"""Find a source's clock that runs at another rate than ours, by how late its frames arrive.

A frame may arrive late but never early, so the shortest lateness within a window of time counts. With a right clock it stays
the same for hours. With a slow one it grows in a straight line, with a fast one it shrinks. It also grows in a queue that fills
because its reader is a little too slow, but only by some frames, or for less than a minute.
"""

from __future__ import annotations

from mscli.core.clock import MICROSECONDS
from mscli.core.tuples import NamedTuple

WINDOW_US = 2 * MICROSECONDS  # of which the shortest lateness is noted, or as long as WINDOW_FRAMES take
WINDOW_FRAMES = 10
LEAST_WINDOWS = 6  # that make a straight line
MOST_WINDOWS = 96  # the older ones become longer
LATEST_WINDOWS = 16  # from which the present rate is known
LEAST_OFF_US = 40_000  # a clock that is off by less, or by less than LEAST_OFF_FRAMES, is left alone
LEAST_OFF_FRAMES = 2
QUEUE_FRAMES = 8  # more than drivers have buffers
LONG_US = 60 * MICROSECONDS  # no reader is too slow by so little that its queue fills for longer
MOST_RATE = 0.03  # of a slow clock: a slower one is noticed at once, and not trusted
STRAIGHT = 1 / 8  # how far a window may be off the line, as a share of all of it
FORGET_US = 60 * MICROSECONDS  # without a frame, after which the rate is measured again


class Window(NamedTuple):
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
        self._windows: list[Window] = []
        self._best: Window | None = None  # of the present window
        self._since_us = 0  # when that began
        self._count = 0  # of its frames
        self._last_us: int | None = None  # the latest arrival
        self._mean = 0.0, 0.0  # the middle of the latest windows: arrival and lateness

    def forget(self) -> None:
        """Measure anew."""
        self.is_steady = False
        self._windows.clear()
        self._best, self._count, self._last_us = None, 0, None

    def note(self, at_us: int, late_us: int, lasts_us: int) -> None:
        """Note a frame that arrived at ``at_us``, ``late_us`` after its stamp."""
        if self._last_us is not None and at_us - self._last_us > FORGET_US:
            self.forget()
        self._last_us = at_us
        if self._best is None:
            self._since_us = at_us
        if self._best is None or late_us < self._best.late_us:
            self._best = Window(at_us, late_us)
        self._count += 1
        if self._count >= WINDOW_FRAMES and at_us - self._since_us >= WINDOW_US:
            self._windows.append(self._best)
            self._best, self._count = None, 0
            self._judge(lasts_us)

    def late_us(self, at_us: int) -> int:
        """Return the shortest lateness that is to be expected at a time."""
        middle_us, late_us = self._mean
        return round(late_us + self.rate * (at_us - middle_us))

    def _judge(self, lasts_us: int) -> None:
        if len(self._windows) > MOST_WINDOWS:
            half = MOST_WINDOWS // 2
            old = [min(pair, key=lambda one: one.late_us) for pair in zip(*[iter(self._windows[:half])] * 2, strict=True)]
            self._windows[:half] = old
        for back in (1, 2, 4):
            windows = self._windows[-(len(self._windows) // back) :]
            if not self.is_steady and len(windows) >= LEAST_WINDOWS and _is_line(windows, lasts_us):
                self.is_steady, self.begin_us = True, windows[0].late_us
        if self.is_steady:
            self._fit(self._windows[-LATEST_WINDOWS:])

    def _fit(self, windows: list[Window]) -> None:
        """Find the straight line through windows with the least squares."""
        count, first = len(windows), windows[0]
        times = [one.at_us - first.at_us for one in windows]
        middle, late = sum(times) / count, sum(one.late_us for one in windows) / count
        spread = sum((at - middle) ** 2 for at in times)
        together = sum((at - middle) * (one.late_us - late) for at, one in zip(times, windows, strict=True))
        self._mean, self.rate = (first.at_us + middle, late), together / spread


def _is_line(windows: list[Window], lasts_us: int) -> bool:
    """Return whether the lateness is off by too much, and has become so steadily."""
    (begin_us, first_us), (end_us, last_us) = windows[0], windows[-1]
    took_us, off_us = end_us - begin_us, last_us - first_us
    queue_us = 0 if took_us >= LONG_US or off_us < 0 else QUEUE_FRAMES * lasts_us
    if abs(off_us) < max(LEAST_OFF_US, LEAST_OFF_FRAMES * lasts_us, queue_us) or off_us > MOST_RATE * took_us:
        return False
    shares = (((at_us - begin_us) / took_us, (late_us - first_us) / off_us) for at_us, late_us in windows)
    return all(abs(late - wanted) <= STRAIGHT for wanted, late in shares)
