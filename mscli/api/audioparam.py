"""AudioParam: a parameter of a node. https://www.w3.org/TR/webaudio-1.0/#AudioParam"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Self

from mscli.api.audiovalues import not_negative, number, one_of
from mscli.core.errors import InvalidStateError, NotSupportedError
from mscli.core.readonly import ReadOnly
from mscli.webaudio.param import Param
from mscli.webaudio.timeline import Curve, ExponentialRamp, LinearRamp, ParamTimeline, SetTarget, SetValue

if TYPE_CHECKING:
    from mscli.api.audiocontext import BaseAudioContext

RATES = ("a-rate", "k-rate")


class AudioParam:
    """A parameter of a node: a value that a program sets or lets change over time, plus the nodes that are connected to it.

        import mscli

        context = mscli.OfflineAudioContext(1, 48_000, 48_000)
        fade = mscli.GainNode(context, gain=0)
        fade.gain.set_value_at_time(0, 0).linear_ramp_to_value_at_time(1, 0.5)

    Times are those of the context's ``current_time``. The methods return the parameter, so that calls can be joined.

    See https://www.w3.org/TR/webaudio-1.0/#AudioParam. Differs from the standard: values are not rounded to 32 bits; a negative
    time, which is a RangeError there, is a ValueError.
    """

    default_value = ReadOnly[float]()
    min_value = ReadOnly[float]()
    max_value = ReadOnly[float]()

    def __init__(self, context: BaseAudioContext, param: Param, *, fixed_rate: bool = False) -> None:
        self._context, self._param, self._fixed_rate = context, param, fixed_rate
        self._default_value, self._min_value, self._max_value = param.default, param.lowest, param.highest
        self._rate = RATES[0] if param.per_sample else RATES[1]
        self._plan = ParamTimeline(param.default)  # the events as far as this half knows them

    def __repr__(self) -> str:
        return f"<AudioParam {self.value:g}>"

    @property
    def context(self) -> BaseAudioContext:
        """Return the context of the parameter's node (beyond the standard)."""
        return self._context

    @property
    def value(self) -> float:
        """Return the value at the beginning of the latest render quantum, without what is connected.

        Setting it is ``set_value_at_time`` now. Raises TypeError for what is no finite number.
        """
        return self._param.current

    @value.setter
    def value(self, value: float) -> None:
        self.set_value_at_time(value, self._context.current_time)
        self._param.current = float(value)

    @property
    def automation_rate(self) -> str:
        """Return whether the value can change with each sample ("a-rate") or with each render quantum ("k-rate").

        Raises TypeError for anything else, and InvalidStateError for a parameter whose rate is fixed.
        """
        return self._rate

    @automation_rate.setter
    def automation_rate(self, rate: str) -> None:
        one_of(rate, RATES, "automation_rate")
        if rate == self._rate:
            return
        if self._fixed_rate:
            raise InvalidStateError(f"the rate of this parameter is {self._rate} and cannot be changed")
        self._rate = rate
        self._context._graph.post(partial(setattr, self._param, "per_sample", rate == RATES[0]))

    def set_value_at_time(self, value: float, start_time: float) -> Self:
        """Set the value at a time. Raises TypeError, ValueError, and NotSupportedError within a value curve."""
        value, time = number(value, "value"), self._time(start_time, "start_time")
        return self._add(partial(SetValue, time, value))

    def linear_ramp_to_value_at_time(self, value: float, end_time: float) -> Self:
        """Go straight from the event before to a value. Raises TypeError, ValueError, and NotSupportedError within a curve."""
        value, time = number(value, "value"), self._time(end_time, "end_time")
        return self._add(partial(LinearRamp, time, value))

    def exponential_ramp_to_value_at_time(self, value: float, end_time: float) -> Self:
        """Go by equal factors from the event before to a value, which is not 0.

        Raises TypeError, ValueError, and NotSupportedError within a value curve.
        """
        value = number(value, "value")
        if value == 0:
            raise ValueError("an exponential ramp cannot reach 0")
        time = self._time(end_time, "end_time")
        return self._add(partial(ExponentialRamp, time, value))

    def set_target_at_time(self, target: float, start_time: float, time_constant: float) -> Self:
        """Approach a target from a time on; after ``time_constant`` seconds, 63 % of the way is done.

        Raises TypeError, ValueError, and NotSupportedError within a value curve.
        """
        target, time = number(target, "target"), self._time(start_time, "start_time")
        return self._add(partial(SetTarget, time, target, not_negative(time_constant, "time_constant")))

    def set_value_curve_at_time(self, values: Sequence[float], start_time: float, duration: float) -> Self:
        """Follow values at even distances, joined by straight lines.

        Raises TypeError, ValueError, InvalidStateError for fewer than two values, and NotSupportedError if there are other
        events in that time.
        """
        points = [number(value, "a value of the curve") for value in values]
        if len(points) < 2:
            raise InvalidStateError("a value curve has at least two values")
        time, lasts = self._time(start_time, "start_time"), not_negative(duration, "duration")
        if lasts == 0:
            raise ValueError("the duration of a value curve is above 0")
        return self._add(partial(Curve, time, points, lasts), lasts)

    def cancel_scheduled_values(self, cancel_time: float) -> Self:
        """Remove the events from a time on. What they would have changed stays as it is. Raises TypeError, ValueError."""
        time = self._time(cancel_time, "cancel_time")
        self._plan.cancel(time)
        self._context._graph.post(lambda: self._param.timeline.cancel(time))
        return self

    def cancel_and_hold_at_time(self, cancel_time: float) -> Self:
        """Remove the events after a time, and keep the value that holds then. Raises TypeError, ValueError."""
        time = self._time(cancel_time, "cancel_time")
        self._plan.hold(time)
        self._context._graph.post(lambda: self._param.timeline.hold(time))
        return self

    def _time(self, value: float, name: str) -> float:
        return max(not_negative(value, name), self._context.current_time)

    def _add(self, make: Callable[[], SetValue], lasts: float = 0.0) -> Self:
        """Add an event to this half's list, and to that of the other half, which has events of its own."""
        now, event = self._context.current_time, make()
        self._plan.events = [one for one in self._plan.events if one.end >= now]
        if self._plan.blocked(event.time, lasts):
            raise NotSupportedError(f"at {event.time:g} s there is a value curve, which no other event may touch")
        self._plan.add(event, now)
        self._context._graph.post(lambda: self._param.timeline.add(make(), now))
        return self
