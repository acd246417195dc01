"""The state table of a device: the result of each event, and what holds for every sequence. No threads, no clock."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from mscli.core.device_state import LIVING, REPORTED, TABLE, Action, Cause, DeviceEvent, DeviceState, Life, diagram

CONTRIBUTING = Path(__file__).parent.parent.parent / ".github" / "CONTRIBUTING.md"
TO_FLOWING = (DeviceEvent.STARTED, DeviceEvent.FRAME)


def life(*events: DeviceEvent) -> Life:
    one = Life()
    for event in events:
        one.feed(event)
    return one


# The table as a whole


def test_every_state_can_be_reached_and_every_living_one_can_end() -> None:
    reached = {DeviceState.OPENED} | {step.to for step in TABLE.values()}
    assert reached == set(DeviceState)
    for state, event in product(LIVING, (DeviceEvent.GIVEN_UP, DeviceEvent.LAST_TRACK)):
        assert TABLE[state, event].to is DeviceState.ENDED


def test_nothing_happens_to_a_device_that_has_ended() -> None:
    for event in DeviceEvent:
        one = life(DeviceEvent.LAST_TRACK)
        assert (one.feed(event), one.state, bool(one.causes)) == ((), DeviceState.ENDED, False)


def test_every_event_means_something_somewhere() -> None:
    assert {event for _, event in TABLE} == set(DeviceEvent)


def test_the_diagram_in_the_guide_is_drawn_from_the_table() -> None:
    assert f"```mermaid\n{diagram()}\n```" in CONTRIBUTING.read_text(encoding="utf-8")


# Missing frames


def test_a_device_whose_frames_stop_is_filled_and_muted_until_the_next_one() -> None:
    one = life(*TO_FLOWING)
    assert one.feed(DeviceEvent.SILENT) == (Action.FILL, Action.MUTE)
    assert (one.state, bool(one.causes)) == (DeviceState.MUTED, True)
    assert one.feed(DeviceEvent.SILENT) == ()
    assert one.feed(DeviceEvent.FRAME) == (Action.FLOW, Action.UNMUTE)
    assert (one.state, bool(one.causes)) == (DeviceState.FLOWING, False)


def test_a_device_that_waits_for_its_first_frame_is_not_muted() -> None:
    assert life(DeviceEvent.STARTED).feed(DeviceEvent.SILENT) == ()


def test_a_device_whose_change_takes_too_long_gets_filler_frames() -> None:
    one = life(*TO_FLOWING)
    assert one.feed(DeviceEvent.CHANGE_ASKED) == ()
    assert one.feed(DeviceEvent.SILENT) == (Action.FILL, Action.MUTE)
    assert (one.feed(DeviceEvent.CHANGED), bool(one.causes)) == ((), True)
    assert one.feed(DeviceEvent.FRAME) == (Action.FLOW, Action.UNMUTE)


# Reports of the driver


@pytest.mark.parametrize(
    ("off", "on"), [(DeviceEvent.SWITCHED_OFF, DeviceEvent.SWITCHED_ON), (DeviceEvent.SIGNAL_LOST, DeviceEvent.SIGNAL_FOUND)]
)
def test_a_device_that_says_why_it_is_silent_is_never_due(off: DeviceEvent, on: DeviceEvent) -> None:
    one = life(*TO_FLOWING)
    assert (one.feed(off), one.is_due) == ((Action.MUTE,), False)
    assert one.feed(DeviceEvent.SILENT) == (Action.FILL,)
    assert (one.feed(on), one.is_due) == ((), True)
    assert one.feed(DeviceEvent.FRAME) == (Action.FLOW, Action.UNMUTE)


def test_a_device_with_two_causes_stays_muted_until_both_end() -> None:
    one = life(*TO_FLOWING, DeviceEvent.SWITCHED_OFF)
    assert [one.feed(event) for event in (DeviceEvent.SIGNAL_LOST, DeviceEvent.SWITCHED_ON)] == [(), ()]
    assert one.feed(DeviceEvent.SIGNAL_FOUND) == (Action.UNMUTE,)


# Loss


def test_a_lost_device_is_looked_for_before_its_tracks_are_notified() -> None:
    assert life(*TO_FLOWING).feed(DeviceEvent.LOST) == (Action.RECONNECT, Action.FILL, Action.MUTE)


def test_a_device_is_gone_once() -> None:
    assert life(*TO_FLOWING, DeviceEvent.LOST).feed(DeviceEvent.LOST) == ()


def test_a_device_that_has_returned_stays_muted_until_its_first_frame() -> None:
    one = life(*TO_FLOWING, DeviceEvent.LOST)
    assert (one.feed(DeviceEvent.RETURNED), one.state, bool(one.causes)) == ((), DeviceState.STARTING, True)
    assert one.feed(DeviceEvent.FRAME) == (Action.FLOW, Action.UNMUTE)


def test_a_device_that_returns_reports_its_switch_again() -> None:
    one = life(*TO_FLOWING, DeviceEvent.SWITCHED_OFF)
    assert one.feed(DeviceEvent.LOST) == (Action.RECONNECT, Action.FILL)
    assert one.causes == {Cause.STALLED}


def test_a_device_changed_while_switched_off_stays_muted_until_its_next_frame() -> None:
    one = life(*TO_FLOWING, DeviceEvent.SWITCHED_OFF)
    assert one.feed(DeviceEvent.CHANGE_ASKED) == (Action.FILL,)
    assert (one.feed(DeviceEvent.CHANGED), one.feed(DeviceEvent.FRAME)) == ((), (Action.FLOW, Action.UNMUTE))


def test_a_replacement_is_muted_if_the_device_was() -> None:
    one = life()
    one.inherit(life(*TO_FLOWING, DeviceEvent.LOST))
    assert (bool(one.causes), one.feed(DeviceEvent.STARTED), one.feed(DeviceEvent.FRAME)) == (
        True,
        (),
        (Action.FLOW, Action.UNMUTE),
    )


def test_a_device_that_delivers_a_frame_but_fails_to_return_is_muted_again() -> None:
    one = life(*TO_FLOWING, DeviceEvent.LOST)
    assert one.feed(DeviceEvent.FRAME) == (Action.FLOW, Action.UNMUTE)
    assert (one.state, one.feed(DeviceEvent.SILENT)) == (DeviceState.AWAY, (Action.FILL, Action.MUTE))


def test_a_replacement_is_not_switched_off_because_the_device_was() -> None:
    one = life()
    one.inherit(life(DeviceEvent.SWITCHED_OFF))
    one.feed(DeviceEvent.STARTED)
    assert (one.feed(DeviceEvent.FRAME), bool(one.causes)) == ((Action.FLOW, Action.UNMUTE), False)


@pytest.mark.parametrize("history", [(), TO_FLOWING, (*TO_FLOWING, DeviceEvent.LOST), (*TO_FLOWING, DeviceEvent.CHANGE_ASKED)])
def test_the_tracks_of_a_device_that_is_given_up_end(history: tuple[DeviceEvent, ...]) -> None:
    assert life(*history).feed(DeviceEvent.GIVEN_UP) == (Action.END,)


def test_nothing_is_notified_after_the_last_track_has_left() -> None:
    assert life(*TO_FLOWING).feed(DeviceEvent.LAST_TRACK) == ()


class Histories(RuleBasedStateMachine):
    """Any sequence of events: the notifications to tracks are consistent."""

    def __init__(self) -> None:
        super().__init__()
        self.life = Life()
        self.muted = self.filled = self.told_end = False

    @rule(event=st.sampled_from(DeviceEvent))
    def it_happens(self, event: DeviceEvent) -> None:
        before = self.life.state
        for action in self.life.feed(event):
            self.do(action)
        assert (before, event) in TABLE or self.life.state is before

    def do(self, action: Action) -> None:
        """Perform the actions. Each must change something and be possible in this order."""
        assert not self.told_end
        if action in (Action.MUTE, Action.UNMUTE):
            assert self.muted is (action is Action.UNMUTE)
            self.muted = not self.muted
        elif action in (Action.FILL, Action.FLOW):
            assert self.filled is (action is Action.FLOW)
            self.filled = not self.filled
        elif action is Action.RECONNECT:
            assert self.life.state is DeviceState.AWAY
        else:
            self.told_end = True

    @invariant()
    def tracks_know_whether_they_are_muted(self) -> None:
        assert bool(self.life.causes) is self.muted

    @invariant()
    def a_device_that_flows_is_not_filled(self) -> None:
        assert self.filled is (Cause.STALLED in self.life.causes)
        assert not (self.life.state is DeviceState.FLOWING and self.filled)
        assert self.filled or self.life.state is not DeviceState.MUTED

    @invariant()
    def a_device_is_due_only_while_it_streams_and_says_nothing(self) -> None:
        if self.life.is_due:
            assert self.life.state in (DeviceState.STARTING, DeviceState.FLOWING, DeviceState.MUTED)
            assert not self.life.causes & REPORTED


Histories.TestCase.settings = settings(max_examples=200, stateful_step_count=40, derandomize=True, deadline=None, database=None)
TestHistories = Histories.TestCase
