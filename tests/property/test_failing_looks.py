"""Random failures of the calls by which a lost device is looked for, against a model of what becomes of its track.

Whatever fails, a look ends nothing but the time does: then the track has a device, or has ended and said why.
"""

from __future__ import annotations

import sys
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

import mscli
from mscli.sources import device as watch
from tests.unit.lost import Flawed, Scene
from tests.unit.stage import Stage, camera, silent

ERRORS = {
    "gone": FileNotFoundError(2, "No such file or directory", "/sys/class/video4linux/video1"),
    "busy": mscli.NotReadableError("it is busy"),
    "defect": RuntimeError("a defect"),
}
ASKED = ("devices", "open", "start")  # in this order, to have the device again


class Failures(RuleBasedStateMachine):
    """A track whose camera comes and goes, beside another camera, while any call may fail at any time."""

    @initialize(
        policy=st.sampled_from([{"reconnect_s": 4.05}, {"fallback": True}, {"reconnect_s": 4.05, "fallback": True}]),
    )
    def begin(self, policy: dict[str, Any]) -> None:
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(watch, "WATCH_S", 3600.0)  # only this test looks
        self.reports: list[BaseException] = []
        self.patch.setattr(sys, "excepthook", lambda kind, error, trace: self.reports.append(error))
        self.stage = Stage(*(silent(camera(number)) for number in range(2)), backend=Flawed)
        self.scene = Scene(self.stage, self.patch, asked={"deviceId": "c0"}, **policy)
        self.policy, self.now, self.on = policy, 0.0, "c0"
        self.lost_s: float | None = None
        self.scene.frame(0)

    @property
    def track(self) -> mscli.MediaStreamTrack:
        return self.scene.track

    @property
    def ended(self) -> bool:
        return self.track.ready_state == "ended"

    @property
    def backend(self) -> Flawed:
        assert isinstance(self.scene.backend, Flawed)
        return self.scene.backend

    @precondition(lambda self: self.lost_s is None)
    @rule()
    def unplug(self) -> None:
        self.now += 0.1
        self.lost_s = self.now
        self.scene.unplug(self.now, self.on)

    @rule(device_id=st.sampled_from(["c0", "c1"]), there=st.booleans())
    def plug(self, device_id: str, there: bool) -> None:
        if self.lost_s is not None or self.on != device_id:
            (self.backend.away.discard if there else self.backend.away.add)(device_id)

    @precondition(lambda self: self.lost_s is not None and not self.ended)
    @rule(
        pause_s=st.sampled_from([0.5, 2.0]),
        fails=st.dictionaries(st.sampled_from(ASKED), st.sampled_from(list(ERRORS))),
        stuck=st.booleans(),
    )
    def look(self, pause_s: float, fails: dict[str, str], stuck: bool) -> None:
        self.now += pause_s
        assert self.lost_s is not None
        late = self.now > self.lost_s + self.policy.get("reconnect_s", 0)
        wanted = self._other if late and self.policy.get("fallback") else "" if late else self.on
        found = bool(wanted) and wanted not in self.backend.away and not fails
        self.backend.fails = {call: [ERRORS[name]] * 9 for call, name in fails.items()}
        self.backend.fails["stop"] = [ERRORS["defect"]] * stuck
        assert self.scene.reconnection(self.now) == (found or late)
        self.backend.fails = {}
        assert self.ended == (late and not found)
        if found:
            self._goes_on(wanted)

    @property
    def _other(self) -> str:
        return "c1" if self.on == "c0" else "c0"

    def _goes_on(self, device_id: str) -> None:
        self.now += 0.1
        self.on, self.lost_s = device_id, None
        self.scene.frame(self.now)
        assert self.track.get_settings()["deviceId"] == device_id

    @precondition(lambda self: self.ended)
    @rule()
    def begin_again(self) -> None:
        assert str(self.track.ended_error) == "it was unplugged"
        self.teardown()
        self.begin(self.policy)

    @invariant()
    def it_is_muted_only_while_it_is_looked_for(self) -> None:
        if hasattr(self, "scene") and not self.ended:
            assert self.track.muted == (self.lost_s is not None)

    @invariant()
    def only_what_nobody_foresaw_is_reported(self) -> None:
        assert not any(isinstance(error, mscli.DOMException) for error in getattr(self, "reports", ()))

    def teardown(self) -> None:
        if hasattr(self, "stage"):
            self.stage.close()
            self.patch.undo()


Failures.TestCase.settings = settings(
    max_examples=100, stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TestFailures = Failures.TestCase
