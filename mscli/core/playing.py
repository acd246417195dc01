"""The position of what is played, and the sound on its way to a speaker. Pure: no thread, and no clock of their own.

https://html.spec.whatwg.org/multipage/media.html#current-playback-position
"""

from __future__ import annotations

from collections import deque

SLOWEST, FASTEST = 1 / 16, 16.0  # the playback rates besides 0


class PlayClock:
    """The position in what is played, in microseconds, at any time of a clock: it runs at a rate, stands, or is moved.

    ``length_us``: where it ends, if known. The position never leaves what is played.
    """

    def __init__(self, length_us: int | None = None) -> None:
        self.length_us = length_us
        self._from_us = 0.0  # the position when it last began to run, was moved or stopped
        self._since_us: int | None = None  # when it began to run from there, or None while it stands
        self._rate = 1.0

    @property
    def rate(self) -> float:
        """Return how fast it runs: 2 is twice as fast, 0 stands still."""
        return self._rate

    @property
    def running(self) -> bool:
        """Return whether it runs, at whatever rate."""
        return self._since_us is not None

    def at_us(self, now_us: int) -> int:
        """Return the position at a time of the clock."""
        run_us = 0.0 if self._since_us is None else max(0, now_us - self._since_us) * self._rate
        return round(self._within(self._from_us + run_us))

    def when_us(self, position_us: int) -> int | None:
        """Return when a position is reached, which may be in the past, or None if it stands."""
        if self._since_us is None or not self._rate:
            return None
        return self._since_us + round((position_us - self._from_us) / self._rate)

    def run(self, now_us: int) -> None:
        """Run from the position on which it stands."""
        if self._since_us is None:
            self._since_us = now_us

    def stand(self, now_us: int) -> None:
        """Stand where it is."""
        self._from_us, self._since_us = self.at_us(now_us), None

    def move(self, position_us: float, now_us: int) -> None:
        """Go to a position, or to the nearest one that exists, and run on from there if it runs."""
        self._from_us = self._within(position_us)
        self._since_us = None if self._since_us is None else now_us

    def turn(self, rate: float, now_us: int) -> None:
        """Run at another rate from now on."""
        self.move(self.at_us(now_us), now_us)
        self._rate = rate

    def _within(self, position_us: float) -> float:
        most_us = position_us if self.length_us is None else min(position_us, self.length_us)
        return max(0.0, most_us)


class SampleLine:
    """The sound between a player and its speaker: a bounded line of interleaved samples of one shape.

    The clocks of both differ, and either may be late. **Bound**: ``most_s``. Above it, the oldest samples are dropped until
    ``target_s`` is left. If there is nothing to play, silence is, until ``target_s`` has come again. Neither ever waits.
    Not safe from several threads at once.

    ``unit``: the bytes of a sample of all channels. ``rate``: samples per second.
    """

    def __init__(self, unit: int, rate: int, target_s: float, most_s: float) -> None:
        self._unit = unit
        self._target, self._most = (round(rate * seconds) for seconds in (target_s, most_s))
        self._parts: deque[memoryview] = deque()
        self.held = 0  # samples that wait
        self._flowing = False  # whether it was filled to ``target_s`` since it was empty
        self.dropped = 0  # samples that came too soon
        self.underruns = 0  # how often it was empty when something was to be played
        self.missed = 0  # samples of silence in place of those that came too late

    def put(self, data: memoryview) -> int:
        """Add whole samples. Return how many others were dropped for them."""
        data = data.cast("B")
        self._parts.append(data)
        self.held += data.nbytes // self._unit
        self._flowing = self._flowing or self.held >= self._target
        surplus = self.held - self._target if self.held > self._most else 0
        if surplus:
            self._cut(surplus)
            self.dropped += surplus
        return surplus

    def take(self, samples: int) -> tuple[bytes, int]:
        """Return this number of samples, and how many of them are silence because the player is late."""
        data = self._cut(min(samples, self.held)) if self._flowing else b""
        lacking = samples - len(data) // self._unit
        late = lacking if self._flowing else 0
        self.missed += late
        self.underruns += late > 0
        self._flowing = self._flowing and not lacking
        return data + bytes(lacking * self._unit), late

    def finish(self) -> None:
        """Play what waits, however little it is, because nothing follows."""
        self._flowing = bool(self.held)

    def clear(self) -> None:
        """Drop what waits, because it must not be heard."""
        self._parts.clear()
        self.held, self._flowing = 0, False

    def _cut(self, samples: int) -> bytes:
        """Take the oldest samples off the line."""
        left, cut = samples * self._unit, []
        self.held -= samples
        while left:
            part = self._parts.popleft()
            if part.nbytes > left:
                self._parts.appendleft(part[left:])
                part = part[:left]
            cut.append(part)
            left -= part.nbytes
        return b"".join(cut)
