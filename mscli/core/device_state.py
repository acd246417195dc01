"""A device's life as a table: its states, the events, and the actions that follow. No threads, no clock.

**States** describe the device's relation to its driver. A device is opened, started, delivers frames, and ends with its last
track. In between, it can stop delivering frames (MUTED), be reconfigured (RESTARTING), or be gone while somebody looks for it
(AWAY).

**Causes** say why its tracks get black frames or silence. They are separate from the states because they overlap. A privacy
switch mutes a device that delivers frames, and a device that has returned stays muted until its first frame. A track is muted
as long as there is at least one cause.

**Events** come from the driver (FRAME, LOST, SWITCHED_OFF ...), from the code that watches the clock (SILENT, LOST), from the
code that reconnects the device (RETURNED, GIVEN_UP) and from its tracks (CHANGE_ASKED, CHANGED, LAST_TRACK). An event without a
row for the current state came too late and changes nothing: a frame of an ended device, a second loss.

The table makes these assumptions, which its user has to guarantee:

- Driver calls have their own time limits. STARTED, RETURNED and CHANGED come when the driver has confirmed that the device
  streams. Frames that came before the confirmation count again after it.
- LOST means that somebody will look for the device. If nobody will, GIVEN_UP comes at once.
- SILENT comes when frames have been missing for as long as it takes to mute a device, if there was a frame to imitate.
- A device that reports why it delivers nothing (its switch, its signal) is never given up for its silence: see ``is_due``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum, auto
from types import MappingProxyType

from mscli.core.tuples import NamedTuple


class DeviceState(Enum):
    """A device's relation to its driver."""

    OPENED = auto()  # claimed and configured, not started
    STARTING = auto()  # the driver says that it streams; the first frame is pending
    FLOWING = auto()  # frames arrive
    MUTED = auto()  # it streams, but frames have stopped
    RESTARTING = auto()  # closed, to be reconfigured and opened again
    AWAY = auto()  # gone; somebody looks for it
    ENDED = auto()  # it will never deliver another frame


class DeviceEvent(Enum):
    """An event in the life of a device."""

    STARTED = auto()  # the driver confirmed for the first time that the device streams
    RETURNED = auto()  # the same, after it was gone or got its old settings back
    CHANGED = auto()  # the same, after it got new settings
    FRAME = auto()
    SILENT = auto()  # frames have been missing for too long
    SWITCHED_OFF = auto()  # the privacy switch
    SWITCHED_ON = auto()
    SIGNAL_LOST = auto()  # at the input
    SIGNAL_FOUND = auto()
    CHANGE_ASKED = auto()  # new settings that interrupt the frames
    LOST = auto()  # it delivers nothing any more; somebody will look for it
    GIVEN_UP = auto()  # nobody looks for it (any longer)
    LAST_TRACK = auto()  # nobody wants its frames any more


class Cause(Enum):
    """The reason why a device's tracks are black or silent."""

    STALLED = "stalled"  # frames stopped coming
    SWITCH = "switched off"
    SIGNAL = "no signal"


Causes = frozenset[Cause]
NONE: Causes = frozenset()
STALLED, SWITCH, SIGNAL = (frozenset({cause}) for cause in Cause)
REPORTED = SWITCH | SIGNAL  # reported by the driver


class Action(Enum):
    """An action that follows an event. The first two concern frames; the others notify somebody."""

    FILL = auto()  # replace missing frames with black or silence from now on
    FLOW = auto()  # do so up to the frame that arrived, then stop
    MUTE = auto()  # notify the tracks that they are muted
    UNMUTE = auto()  # notify the tracks that they are not muted any more
    RECONNECT = auto()  # look for the device
    END = auto()  # close the tracks' queues after the last frame, and notify the tracks


class Transition(NamedTuple):
    """The effect of an event in a state: the new state, the causes that begin or end, and the actions.

    ``reopens``: the device is closed. When it is opened again, its driver reports its switch and signal anew. A device that was
    muted because of these stays muted until its next frame.
    """

    to: DeviceState
    begins: Causes = NONE
    ends: Causes = NONE
    does: tuple[Action, ...] = ()
    reopens: bool = False


S, E = DeviceState, DeviceEvent
LIVING = tuple(state for state in DeviceState if state is not DeviceState.ENDED)


def _in_place(
    states: Iterable[DeviceState], event: DeviceEvent, begins: Causes = NONE, ends: Causes = NONE
) -> dict[tuple[DeviceState, DeviceEvent], Transition]:
    """Return the rows of an event that leaves each of these states unchanged."""
    return {(state, event): Transition(state, begins, ends) for state in states}


TABLE: Mapping[tuple[DeviceState, DeviceEvent], Transition] = MappingProxyType(
    {
        (S.OPENED, E.STARTED): Transition(S.STARTING),
        (S.AWAY, E.RETURNED): Transition(S.STARTING),
        (S.RESTARTING, E.RETURNED): Transition(S.STARTING),
        (S.RESTARTING, E.CHANGED): Transition(S.STARTING),
        # frames and their absence
        (S.STARTING, E.FRAME): Transition(S.FLOWING, ends=STALLED),
        (S.MUTED, E.FRAME): Transition(S.FLOWING, ends=STALLED),
        (S.FLOWING, E.FRAME): Transition(S.FLOWING),
        **_in_place((S.OPENED, S.RESTARTING, S.AWAY), E.FRAME, ends=STALLED),
        (S.FLOWING, E.SILENT): Transition(S.MUTED, STALLED),
        **_in_place((S.RESTARTING, S.AWAY), E.SILENT, STALLED),
        # reports of the driver
        **_in_place(LIVING, E.SWITCHED_OFF, SWITCH),
        **_in_place(LIVING, E.SWITCHED_ON, ends=SWITCH),
        **_in_place(LIVING, E.SIGNAL_LOST, SIGNAL),
        **_in_place(LIVING, E.SIGNAL_FOUND, ends=SIGNAL),
        # new settings
        **{
            (state, E.CHANGE_ASKED): Transition(S.RESTARTING, reopens=True)
            for state in (S.OPENED, S.STARTING, S.FLOWING, S.MUTED)
        },
        # ends
        **{
            (state, E.LOST): Transition(S.AWAY, STALLED, does=(Action.RECONNECT,), reopens=True)
            for state in LIVING
            if state is not S.AWAY
        },
        **{(state, E.GIVEN_UP): Transition(S.ENDED, does=(Action.END,)) for state in LIVING},
        **{(state, E.LAST_TRACK): Transition(S.ENDED) for state in LIVING},
    }
)


class Life:
    """The state of one device and the causes that mute its tracks. Callers hold a lock around each call."""

    def __init__(self) -> None:
        self.state = DeviceState.OPENED
        self.causes = NONE

    @property
    def is_due(self) -> bool:
        """Return whether the device must deliver its next frame in time or be given up."""
        return self.state in (DeviceState.STARTING, DeviceState.FLOWING, DeviceState.MUTED) and not self.causes & REPORTED

    def inherit(self, other: Life) -> None:
        """Replace a device that is gone. If that one was muted, stay muted until the first frame."""
        self.causes = STALLED if other.causes else NONE

    def feed(self, event: DeviceEvent) -> tuple[Action, ...]:
        """Process an event. Return the actions to take, in order."""
        step = TABLE.get((self.state, event))
        if step is None:
            return ()
        before, self.state = self.causes, step.to
        self.causes = (before | step.begins) - step.ends
        if step.reopens and self.causes & REPORTED:
            self.causes = STALLED
        return (*step.does, *_changes(before, self.causes))


def _changes(before: Causes, after: Causes) -> Iterable[Action]:
    """Yield the actions that follow from a change of the causes."""
    if Cause.STALLED in after - before:
        yield Action.FILL
    if Cause.STALLED in before - after:
        yield Action.FLOW
    if bool(after) != bool(before):
        yield Action.MUTE if after else Action.UNMUTE


def diagram() -> str:
    """Return the table as a Mermaid state diagram. Events that change no state are left out."""
    arrows: dict[tuple[DeviceState, DeviceState], list[str]] = {}
    for (state, event), step in TABLE.items():
        if step.to is not state:
            arrows.setdefault((state, step.to), []).append(event.name)
    lines = [f"    {state.name} --> {to.name}: {', '.join(events)}" for (state, to), events in arrows.items()]
    return "\n".join(
        ["stateDiagram-v2", f"    [*] --> {DeviceState.OPENED.name}", *lines, f"    {DeviceState.ENDED.name} --> [*]"]
    )
