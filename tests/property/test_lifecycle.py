"""Random sequences of faults against a model of the events that they must cause; the time is moved by hand.

The model knows three facts of the device: since when frames are missing, whether its switch is off, and since when it is
gone. All that the track says follows from them.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from mscli.core import eventloop as event_loop
from mscli.core.clock import MICROSECONDS
from mscli.core.limits import MUTE_S
from mscli.sources import device as watch
from tests.unit.lost import Pluggable, Scene
from tests.unit.stage import Stage, camera, device, reader, silent, waiting

pytestmark = pytest.mark.timeout(600)  # many cases, on a machine that may be busy

STEP_S = 0.1  # the watch looks in every one
GAP_US = (MUTE_S + 4 * STEP_S) * MICROSECONDS  # between frames of any kind: to the look, the lag of black, its pace, the next


class Model:
    """What a track has to say."""

    def __init__(self, first_s: float, then_s: float, reconnect_s: float) -> None:
        self.first_s, self.then_s, self.reconnect_s = first_s, then_s, reconnect_s
        self.heard: list[str] = []
        self.flowed = False  # since it was opened last
        self.frame_s = 0.0  # the last one, or the opening
        self.missed = self.switched_off = self.gone = self.ended = False
        self.lost_s: float | None = None

    @property
    def muted(self) -> bool:
        return self.missed or self.switched_off

    def _set(self, **facts: Any) -> None:
        before = self.muted
        vars(self).update(facts)
        if self.muted != before:
            self.heard.append("mute" if self.muted else "unmute")

    def frame(self, now: float) -> None:
        self._set(missed=False, flowed=True, frame_s=now, lost_s=None)

    def switch(self, now: float, off: bool) -> None:
        self._set(switched_off=off, frame_s=now)

    def lose(self, now: float) -> None:
        if not self.reconnect_s:
            self.end()
            return
        self.lost_s = now if self.lost_s is None else self.lost_s
        self._set(missed=True, gone=True)

    def reopen(self, now: float) -> None:
        self._set(gone=False, flowed=False, frame_s=now, switched_off=False)

    def end(self) -> None:
        self.ended = True
        self.heard.append("ended")

    def look(self, now: float) -> None:
        silent_s = round(now - self.frame_s, 6)
        limit_s = MUTE_S + self.then_s if self.flowed else self.first_s
        if silent_s > limit_s and not self.switched_off and not self.gone:
            self.lose(now)
        elif silent_s > MUTE_S and self.flowed:
            self._set(missed=True)


class Faults(RuleBasedStateMachine):
    """One camera that stalls, is switched off, unplugged, plugged in, busy; its track is read all the time."""

    @initialize(
        first_s=st.sampled_from([0.55, 5.05]),
        then_s=st.sampled_from([0.35, 2.05]),
        reconnect_s=st.sampled_from([0.0, 4.05, 60.05]),
    )
    def begin(self, first_s: float, then_s: float, reconnect_s: float) -> None:
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(watch, "WATCH_S", 3600.0)  # only this test looks
        self.patch.setattr(event_loop, "VIDEO_QUEUE_SECONDS", 3600.0)  # and it reads however slowly
        self.stage = Stage(silent(camera()), backend=Pluggable)
        self.scene = Scene(self.stage, self.patch, timeout_s=(first_s, then_s), reconnect_s=reconnect_s)
        self.model = Model(first_s, then_s, reconnect_s)
        self.frames = reader(self.scene.track)
        self.times: list[int] = []  # of what came, black or not
        self.steps, self.present, self.busy, self.switched = 0, True, False, False

    @property
    def now(self) -> float:
        return self.steps * STEP_S

    def alive(self) -> bool:
        return not self.model.ended

    @precondition(lambda self: not self.alive())
    @rule()
    def begin_again(self) -> None:
        self.teardown()
        self.begin(self.model.first_s, self.model.then_s, self.model.reconnect_s)

    @precondition(lambda self: self.alive())
    @rule(frames=st.booleans(), steps=st.sampled_from([1, 2, 8, 15]))
    def time_passes(self, frames: bool, steps: int) -> None:
        """The watch looks at each step, the reconnection at each too; frames come, if they can."""
        for _ in range(steps):
            if self.model.ended:
                return
            self.steps += 1
            if frames and not self.model.gone:
                self.model.frame(self.now)
                self.scene.frame(self.now)
            self.model.look(self.now)
            self.scene.look(self.now)
            self.reconnection()
            self.read()

    def reconnection(self) -> None:
        if not self.model.gone or self.model.ended:
            return
        assert self.model.lost_s is not None
        waited_s = round(self.now - self.model.lost_s, 6)
        if waited_s > self.model.reconnect_s:
            self.model.end()
        elif self.present and not self.busy:
            self.model.reopen(self.now)
        self.scene.reconnection(self.now)

    @precondition(lambda self: self.alive())
    @rule(off=st.booleans())
    def switch(self, off: bool) -> None:
        if self.model.gone:
            return
        self.switched = True  # a camera that is switched on again is given its time
        self.model.switch(self.now, off)
        device(self.scene.track).on_muted(off)
        self.stage.tasks.run_tasks()

    @precondition(lambda self: self.alive() and self.present)
    @rule()
    def unplug(self) -> None:
        self.present = False
        if self.model.gone:
            self.scene.backend.away.add("c0")
            return
        self.model.lose(self.now)
        self.scene.unplug(self.now)

    @precondition(lambda self: self.alive() and not self.present)
    @rule()
    def plug_in(self) -> None:
        self.present = True
        self.scene.plug_in()

    @precondition(lambda self: self.alive())
    @rule(busy=st.booleans())
    def use_elsewhere(self, busy: bool) -> None:
        self.busy = busy
        (self.scene.backend.busy.add if busy else self.scene.backend.busy.discard)("c0")

    def read(self) -> None:
        self.times += [frame.timestamp for frame in waiting(self.frames)]

    @invariant()
    def it_says_what_it_must(self) -> None:
        if not hasattr(self, "model"):
            return
        track = self.scene.track
        assert self.scene.heard.types == self.model.heard
        assert (track.ready_state == "ended") == self.model.ended
        assert track.muted == self.model.muted

    @invariant()
    def time_goes_on_without_a_gap(self) -> None:
        if not hasattr(self, "model"):
            return
        self.read()
        gaps = [late - early for early, late in pairwise(self.times)]
        assert all(gap > 0 for gap in gaps)
        assert self.switched or all(gap <= GAP_US for gap in gaps)

    def teardown(self) -> None:
        if hasattr(self, "stage"):
            self.stage.close()
            self.patch.undo()


Faults.TestCase.settings = settings(
    max_examples=300,
    stateful_step_count=30,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
TestFaults = Faults.TestCase
