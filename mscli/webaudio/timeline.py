"""The automation of a parameter, as a function of time: https://www.w3.org/TR/webaudio-1.0/#dfn-automation-event.

An event determines the values from its time on, until the next event. A ramp determines those before its time, too.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from math import inf

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
_SETTLED = 40.0  # time constants after which a value has reached its target, to the last digit of a double


class SetValue:
    """A value from ``time`` on (seconds). The base of the other events: ``value`` is what holds at ``end``, when it is over."""

    ramps = False
    until: float | None = None  # when a value curve was cut off

    def __init__(self, time: float, value: float) -> None:
        self.time, self.value = time, value

    @property
    def end(self) -> float:
        """Return when a ramp that follows begins."""
        return self.time

    def at(self, times: Values) -> Values | float:  # noqa: ARG002 (most do not change)
        """Return the values from the event's time on."""
        return self.value

    def settled_at(self) -> float:
        """Return the time from which on the value does not change."""
        return self.time


class LinearRamp(SetValue):
    """A straight line from the event before it to ``value`` at ``time``."""

    ramps = True

    def toward(self, times: Values, begin: float, start: float) -> Values | float:
        """Return the values of the ramp, which begins at a time with a value."""
        return start + (self.value - start) * ((times - begin) / (self.time - begin))

    def cut(self, time: float, value: float) -> SetValue:
        """Return the same kind of ramp that ends earlier."""
        return type(self)(time, value)


class ExponentialRamp(LinearRamp):
    """An exponential curve from the event before it to ``value`` at ``time``. If it would cross zero, the value stays."""

    def toward(self, times: Values, begin: float, start: float) -> Values | float:
        """Return the values of the ramp."""
        if start * self.value <= 0:
            return start
        share: Values = (times - begin) / (self.time - begin)
        return start * np.power(self.value / start, share)


class SetTarget(SetValue):
    """An exponential approach to ``target``. ``value``: where it starts, once that is known."""

    def __init__(self, time: float, target: float, constant: float) -> None:
        super().__init__(time, inf)
        self.target, self.constant = target, constant
        self.known = False

    def at(self, times: Values) -> Values | float:
        """Return the values of the approach."""
        if not self.constant:
            return self.target
        return self.target + (self.value - self.target) * np.exp(-(times - self.time) / self.constant)

    def settled_at(self) -> float:
        """Return when the target is reached."""
        settled = self.time + _SETTLED * self.constant
        return settled if settled > self.time or not self.constant else float(np.nextafter(self.time, inf))


class Curve(SetValue):
    """Values at even distances during ``duration``, joined by straight lines. ``until``: where it was cut off."""

    def __init__(self, time: float, points: Sequence[float], duration: float) -> None:
        super().__init__(time, points[-1])
        self.duration = duration
        self._points = np.asarray(points, np.float64)
        self._places = np.linspace(0.0, 1.0, len(points))

    @property
    def end(self) -> float:
        """Return when the curve ends."""
        return self.time + self.duration if self.until is None else self.until

    def at(self, times: Values) -> Values | float:
        """Return the values of the curve."""
        places = (np.minimum(times, self.end) - self.time) / self.duration
        return np.interp(places, self._places, self._points)

    def settled_at(self) -> float:
        """Return when the curve ends."""
        return self.end

    def covers(self, time: float) -> bool:
        """Return whether a time lies in the curve."""
        return self.time <= time < self.end


class ParamTimeline:
    """The events of a parameter, in order of time. ``value``: what holds before the first of them."""

    def __init__(self, value: float) -> None:
        self.value = value
        self.events: list[SetValue] = []

    # Changes

    def blocked(self, time: float, duration: float = 0.0) -> bool:
        """Return whether no event may be added at a time, because a value curve would overlap with another event."""
        if any(isinstance(event, Curve) and event.covers(time) for event in self.events):
            return True
        return any(time < event.time < time + duration for event in self.events)

    def add(self, event: SetValue, now: float) -> None:
        """Add an event after those of the same time. ``now``: the time of the call."""
        place = self._place_after(event.time)
        if event.ramps:
            before = self.events[place - 1] if place else None
            if before is None or (isinstance(before, SetTarget) and before.time <= now):
                self.events.insert(place, SetValue(now, self.at(now)))
                place += 1
        self.events.insert(place, event)
        if isinstance(event, Curve):
            self.events.insert(place + 1, SetValue(event.end, event.value))

    def cancel(self, time: float) -> None:
        """Remove the events from a time on, and a value curve that lasts beyond it."""
        self.events = [event for event in self.events if event.time < time and not self._covers(event, time)]

    def hold(self, time: float) -> None:
        """Remove the events after a time, and keep the value that holds then.

        https://www.w3.org/TR/webaudio-1.0/#dom-audioparam-cancelandholdattime
        """
        place = self._place_after(time)
        before = self.events[place - 1] if place else None
        after = self.events[place] if place < len(self.events) else None
        kept = self.events[:place]
        if isinstance(after, LinearRamp):
            kept.append(after.cut(time, self.at(time)))
        elif isinstance(before, SetTarget):
            kept.append(SetValue(time, self.at(time)))
        elif isinstance(before, Curve) and before.covers(time):
            before.value, before.until = self.at(time), time
            kept.append(SetValue(time, before.value))
        self.events = kept

    # Values

    @np.errstate(all="ignore")  # the values of programs may be as large as they like
    def at(self, time: float) -> float:
        """Return the value at a time."""
        index = self._place_after(time) - 1
        return float(np.ravel(self._during(index, np.array([time])))[0])

    @np.errstate(all="ignore")
    def during(self, times: Values) -> Values | float:
        """Return the values at times that rise: a number if they are all the same. Events that are over are forgotten."""
        if not self.events:
            return self.value
        index, last = self._place_after(times[0]) - 1, float(times[-1])
        if self._is_constant(index, float(times[0]), last):
            found: Values | float = float(np.ravel(self._during(index, times[:1]))[0])
        else:
            found = np.empty(len(times))
            begin = 0
            while begin < len(times):
                following = index + 1
                end = len(times)
                if following < len(self.events):
                    end = int(np.searchsorted(times, self.events[following].time))
                if end > begin:
                    found[begin:end] = self._during(index, times[begin:end])
                begin, index = end, following
        self._forget(last, float(np.ravel(found)[-1]))
        return found

    def _during(self, index: int, times: Values) -> Values | float:
        """Return the values after event ``index``, and before the next one."""
        following = self.events[index + 1] if index + 1 < len(self.events) else None
        if index < 0:
            return self.value
        event = self._known(index)
        if isinstance(following, LinearRamp) and times[0] >= event.end:
            return following.toward(times, event.end, event.value)
        return event.at(times)

    def _known(self, index: int) -> SetValue:
        """Return an event. If it is an approach to a target, it knows where it starts."""
        event = self.events[index]
        if isinstance(event, SetTarget) and not event.known:
            before = self._known(index - 1).at(np.array([event.time])) if index else self.value
            event.value, event.known = float(np.ravel(before)[0]), True
        return event

    def _is_constant(self, index: int, first: float, last: float) -> bool:
        following = self.events[index + 1] if index + 1 < len(self.events) else None
        if index < 0:
            return following is None or following.time > last
        if following is not None and (following.ramps or following.time <= last):
            return False
        return self.events[index].settled_at() <= first

    def _forget(self, time: float, value: float) -> None:
        """Forget the events that no longer matter from a time on, at which the value was this."""
        index = self._place_after(time) - 1
        if index < 0:
            return
        event = self._known(index)
        if not isinstance(event, Curve) or event.end <= time:
            self.value = value
        elif index:  # if the curve is cancelled, what was before it holds again
            self.value = float(np.ravel(self._known(index - 1).at(np.array([event.time])))[0])
        del self.events[:index]
        if len(self.events) == 1 and event.settled_at() < time:
            self.events.clear()

    def _place_after(self, time: float) -> int:
        return bisect_right(self.events, time, key=_time_of)

    @staticmethod
    def _covers(event: SetValue, time: float) -> bool:
        return isinstance(event, Curve) and event.covers(time)


def _time_of(event: SetValue) -> float:
    return event.time
