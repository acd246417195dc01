"""Camera controls: set by constraints while the camera runs, without a gap in its frames."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

import mscli
from mscli.api.mediadeviceinfo import device_info
from mscli.api.settings_space import space_of
from mscli.cli.tables import show_capabilities
from mscli.core.boxes import Box, Mode, Scalar, Span
from mscli.core.constraints import Rule, parse_constraints
from mscli.core.controls import Control, plan, unfold, unmet
from mscli.core.select import select_settings
from mscli.sources.base import Abilities, Device, Request, Source
from tests.unit.lost import Pluggable, Scene
from tests.unit.stage import Heard, Stage, camera, device, reader, silent, waiting
from tests.untyped import untyped

Setting = Callable[..., Stage]

CONTROLS = {
    "zoom": {"min": 100, "max": 400, "step": 10},
    "brightness": {"min": -64, "max": 64},
    "exposureMode": ["continuous", "manual"],
    "exposureTime": {"min": 1, "max": 5000, "value": 333},
    "exposureCompensation": {"min": -2, "max": 2, "step": 0.5},
    "torch": [False, True],
}


class Counted(mscli.FakeBackend):
    """Fake cameras that count how often they are opened, and record the controls that are set."""

    opened = 0
    source: Any = None

    def open(self, device: Device, request: Request) -> Source:
        self.opened += 1
        self.source = super().open(device, request)
        return self.source  # type: ignore[no-any-return]


def controlled(stage: Setting, **described: Any) -> Stage:
    return stage(camera(**{"controls": CONTROLS, **described}), backend=Counted)


def opens(here: Stage) -> int:
    assert isinstance(here.backend, Counted)
    return here.backend.opened


# The order


NOW: dict[str, Scalar] = {"exposureMode": "continuous", "exposureTime": 333, "exposureCompensation": 0, "zoom": 100}


@pytest.mark.parametrize(
    ("now", "wanted", "expected"),
    [
        ({}, {"exposureTime": 50, "exposureMode": "manual", "zoom": 200}, ["exposureMode", "exposureTime", "zoom"]),
        (
            {"exposureMode": "manual"},
            {"exposureMode": "continuous", "exposureCompensation": 1, "exposureTime": 50},
            ["exposureTime", "exposureMode", "exposureCompensation"],
        ),
        ({}, {"exposureTime": 50}, []),  # the automatic is on, and stays on
        ({"exposureMode": "manual"}, {"exposureTime": 50}, ["exposureTime"]),
        ({"exposureMode": "manual"}, {"exposureCompensation": 1}, []),
        ({}, {"exposureMode": "manual", "exposureTime": 333}, ["exposureMode", "exposureTime"]),  # what is known of it is old
        ({}, {"zoom": 100, "iso": 5}, []),  # as it is, and not there
        (
            {"v4l2:gain": 31, "v4l2:gain_automatic": 1},
            {"v4l2:gain": 31, "v4l2:gain_automatic": 0},
            ["v4l2:gain_automatic", "v4l2:gain"],
        ),
        (
            {"v4l2:gain": 31, "v4l2:gain_automatic": 0},
            {"v4l2:gain_automatic": 1, "v4l2:gain": 100},
            ["v4l2:gain", "v4l2:gain_automatic"],
        ),
    ],
)
def test_automatics_go_off_first_and_on_last(now: dict[str, Scalar], wanted: dict[str, Scalar], expected: list[str]) -> None:
    planned = plan(wanted, {**NOW, **now})
    assert [name for name, _ in planned] == expected
    assert all(wanted[name] == value for name, value in planned)


def test_a_value_can_be_set_if_the_camera_lacks_its_mode() -> None:
    assert plan({"exposureTime": 5}, {"exposureTime": 6}) == [("exposureTime", 5)]


@pytest.mark.parametrize(
    ("wanted", "control", "said"),
    [
        ({"zoom": 5.0}, Control((100,), 100, read_only=True), "cannot set zoom, which is read-only"),
        (
            {"v4l2:gain": 5.0},
            Control(Span(0, 255, 1), 100, inactive=True),
            "cannot set v4l2:gain while the camera sets it by itself; set v4l2:gain_automatic to 0",
        ),
        (
            {"v4l2:hue": 5.0},
            Control(Span(0, 255, 1), 100, inactive=True),
            "cannot set v4l2:hue while the camera sets it by itself",
        ),
        ({"v4l2:gain": 5.0, "v4l2:gain_automatic": 0.0}, Control(Span(6, 9, 1), 100, inactive=True), "from 6 to 9 is possible"),
    ],
)
def test_a_control_that_cannot_be_set_says_why(wanted: dict[str, Any], control: Control, said: str) -> None:
    (name, *_) = wanted
    controls = {name: control, "v4l2:gain_automatic": Control(Span(0, 1, 1), 0)}
    (clause,) = unmet(parse_constraints(wanted, "video").basic, {name: 100, "v4l2:gain_automatic": 0}, controls)
    assert said in clause


def test_the_list_says_why_a_control_cannot_be_set(capsys: pytest.CaptureFixture[str]) -> None:
    info = device_info(Device("v0", "videoinput", "Camera", "", "fake"), lambda _: Abilities())
    switch = {"value": 1, "default": 1}
    controls = {
        "v4l2:gain": {"value": 31, "inactive": True},
        "v4l2:gain_automatic": switch,
        "v4l2:hue": {"value": 0, "inactive": True},
        "v4l2:privacy": {"value": 0, "readOnly": True},
    }
    show_capabilities(info, {name: [0, 1] for name in controls if name != "v4l2:privacy"}, [], [], controls)
    rows = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines() if "v4l2:" in line)
    assert rows["v4l2:gain"].rstrip().endswith("inactive until v4l2:gain_automatic is 0")
    assert rows["v4l2:hue"].rstrip().endswith("inactive")
    assert rows["v4l2:privacy"].split() == ["0", "read-only"]


def test_a_drivers_own_control_that_is_read_only_is_no_setting() -> None:
    """Its value may change by itself at any time."""
    controls = {"v4l2:light": Control((5,), 5, read_only=True), "zoom": Control((7,), 7, read_only=True)}
    boxes = space_of("video", Abilities([Mode("GREY", 64, 48, 30)], controls=controls), None)
    settings = select_settings(boxes, parse_constraints({"v4l2:light": 9.0}, "video")).settings
    assert {name: value for name, value in settings.items() if name in controls} == {"zoom": 7}


# The choice


BOX = Box(
    {
        "exposureMode": ("continuous", "manual"),
        "exposureTime": Span(1, 5000, 1),
        "zoom": Span(100, 400, 1),
        "pan": Span(-10, 10, 1),
    },
    kept={"exposureMode": "continuous", "exposureTime": 333, "zoom": 150, "pan": 0},
)


def chosen(boxes: list[Box], **constraints: Any) -> Mapping[str, Scalar]:
    return select_settings(boxes, parse_constraints(constraints, "video")).settings


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, {}),
        ({"zoom": 200.0}, {"zoom": 200}),
        ({"zoom": {"min": 200.0}}, {"zoom": 200}),
        ({"zoom": {"max": 200.0}}, {"zoom": 150}),
        ({"zoom": 9999.0}, {"zoom": 400}),
        ({"zoom": 0.0}, {"zoom": 100}),
        ({"pan": -7.0}, {"pan": -7}),
        ({"pan": 0.0}, {"pan": 0}),
        ({"pan": True}, {}),
        ({"pan": False}, {}),
        ({"exposureTime": 50.0}, {"exposureMode": "manual", "exposureTime": 50}),
        ({"exposureMode": "manual"}, {"exposureMode": "manual"}),
        ({"exposureMode": "continuous", "exposureTime": 50.0}, {"exposureMode": "continuous"}),
        ({"exposureMode": "continuous", "exposureTime": {"exact": 50.0}}, {"exposureMode": "manual", "exposureTime": 50}),
        ({"advanced": [{"exposureTime": 50.0}]}, {"exposureMode": "manual", "exposureTime": 50}),
        ({"advanced": [{"pan": True}, {"zoom": 300.0}]}, {"zoom": 300}),
        ({"advanced": [{"pan": False, "zoom": 300.0}]}, {}),
    ],
)
def test_what_is_asked_is_set_and_all_else_stays(asked: dict[str, Any], expected: dict[str, Scalar]) -> None:
    assert chosen([BOX], **asked) == expected


def test_a_mode_and_a_value_that_it_does_not_let_be_set_conflict() -> None:
    with pytest.raises(mscli.OverconstrainedError) as caught:
        chosen([BOX], exposureMode={"exact": "continuous"}, exposureTime={"exact": 50.0})
    assert set(caught.value.conflict) == {"exposureMode", "exposureTime"}


def test_a_boolean_chooses_the_camera_that_can_or_that_cannot() -> None:
    still, turning = Box({"deviceId": ("still",)}), Box({"deviceId": ("turning",), "pan": Span(-10, 10, 1)}, kept={"pan": 0})
    assert chosen([still, turning], pan=True) == {"deviceId": "turning"}
    assert chosen([turning, still], pan=False) == {"deviceId": "still"}


def test_boxes_are_divided_only_by_what_is_named() -> None:
    assert unfold([BOX], [Rule("zoom"), Rule("width")]) == [BOX]
    held, free = unfold([BOX], [Rule("exposureTime")])
    assert (held.values["exposureMode"], "exposureTime" in held.values) == (("continuous",), False)
    assert (free.values["exposureMode"], free.values["exposureTime"]) == (("manual",), Span(1, 5000, 1))
    assert unfold([held, free], [Rule("exposureTime")]) == [held, free]


# Live


def test_controls_change_while_every_frame_comes(stage: Setting) -> None:
    here = controlled(stage)
    track = here.track(width=64)
    with reader(track) as frames:
        for constraints in ({"zoom": 200}, {"brightness": 20}, {"advanced": [{"torch": True}]}, {"exposureTime": 100}):
            here.clock.run(0.1)
            track.apply_constraints(untyped(constraints))
        here.clock.run(0.1)
        numbers = [frame.sequence for frame in waiting(frames)]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert len(numbers) >= 13
    assert opens(here) == 1
    assert track.lost == 0
    now = track.get_settings()
    assert (now["width"], now["zoom"], now["brightness"], now["torch"]) == (64, 200, 20, True)
    assert (now["exposureMode"], now["exposureTime"]) == ("manual", 100)


def test_a_track_that_leaves_frames_out_keeps_its_rhythm_while_controls_change(stage: Setting) -> None:
    here = controlled(stage)
    track = here.track(frameRate={"exact": 10})
    with reader(track) as frames:
        for value in range(100, 300, 10):
            here.clock.run(1 / 30)
            track.apply_constraints({"zoom": value})
        numbers = [frame.sequence for frame in waiting(frames)]
    assert numbers == list(range(numbers[0], numbers[-1] + 1, 3))


def test_a_mode_and_controls_are_set_with_one_restart(stage: Setting) -> None:
    here = controlled(stage)
    track = here.track(width=64)
    track.apply_constraints({"width": {"exact": 128}, "resizeMode": {"exact": "none"}, "zoom": 200})
    assert opens(here) == 2
    assert (track.get_settings()["width"], track.get_settings()["zoom"]) == (128, 200)
    assert here.backend.abilities(here.backend.devices()[0]).controls["zoom"].value == 200


def test_controls_are_set_when_the_camera_is_opened(stage: Setting) -> None:
    track = controlled(stage).track(brightness=-20, exposureTime=77)
    now = track.get_settings()
    assert (now["brightness"], now["exposureMode"], now["exposureTime"], now["zoom"]) == (-20, "manual", 77, 100)


def test_controls_that_nobody_requests_keep_their_values(stage: Setting) -> None:
    here = controlled(stage)
    panel: Any = here.backend
    (panel,) = panel._panels.values()
    panel.set({"zoom": 250})  # by the camera's remote control, before
    track = here.track(width=64)
    assert track.get_settings()["zoom"] == 250
    track.apply_constraints({"brightness": 5})
    assert track.get_settings()["zoom"] == 250


def test_capabilities_have_ranges_with_steps_and_lists(stage: Setting) -> None:
    able = controlled(stage).track().get_capabilities()
    assert able["zoom"] == {"min": 100, "max": 400, "step": 10}
    assert able["exposureCompensation"] == {"min": -2, "max": 2, "step": 0.5}
    assert able["exposureMode"] == ["continuous", "manual"]
    assert able["torch"] == [False, True]
    assert "pan" not in able
    assert able["width"].keys() == {"min", "max"}


def test_every_control_is_a_supported_constraint(stage: Setting) -> None:
    supported = stage(camera()).devices.get_supported_constraints()
    assert all(supported[name] for name in (*CONTROLS, "pan", "tilt", "iso", "sharpness", "whiteBalanceMode", "focusDistance"))


@pytest.mark.parametrize("member", ["exact", "min", "max"])
@pytest.mark.parametrize("name", ["pan", "tilt", "zoom", "brightness"])
def test_no_control_can_be_required_of_a_camera_that_is_looked_for(stage: Setting, name: str, member: str) -> None:
    with pytest.raises(TypeError, match=f"{name} cannot be required"):
        controlled(stage).devices.get_user_media(untyped({"video": {name: {member: 1}}}))


def test_out_of_range_is_overconstrained_and_changes_nothing(stage: Setting) -> None:
    track = controlled(stage).track()
    with pytest.raises(mscli.OverconstrainedError) as caught:
        track.apply_constraints({"zoom": {"exact": 500}, "brightness": 5})
    assert (caught.value.constraint, caught.value.nearest and caught.value.nearest["zoom"]) == ("zoom", 400)
    assert track.get_settings()["brightness"] == 0


def test_a_camera_without_the_control_leaves_it_out(stage: Setting) -> None:
    track = stage(camera()).track(zoom=200)
    assert "zoom" not in track.get_settings()
    with pytest.raises(mscli.OverconstrainedError):
        track.apply_constraints({"zoom": {"exact": 200}})


# Several tracks on one camera


def test_the_last_request_wins_and_the_other_track_is_notified(stage: Setting) -> None:
    here = controlled(stage)
    first, second = here.track(zoom=200), here.track()
    heard = Heard(first)
    second.apply_constraints({"zoom": 300})
    here.tasks.run_tasks()
    assert first.get_settings()["zoom"] == second.get_settings()["zoom"] == 300
    assert [(event.type, event.detail["settings"]["zoom"]) for event in heard.events] == [("configurationchange", 300)]


def test_what_another_track_requires_holds(stage: Setting) -> None:
    here = controlled(stage)
    first, second = here.track(), here.track()
    first.apply_constraints({"zoom": {"min": 200, "max": 300}, "exposureTime": {"exact": 50}})
    second.apply_constraints({"zoom": 400})
    assert first.get_settings()["zoom"] == second.get_settings()["zoom"] == 300
    with pytest.raises(mscli.OverconstrainedError):
        second.apply_constraints({"exposureMode": {"exact": "continuous"}})
    assert first.get_settings()["exposureTime"] == 50
    first.stop()
    second.apply_constraints({"zoom": 400, "exposureMode": "continuous"})
    assert (second.get_settings()["zoom"], second.get_settings()["exposureMode"]) == (400, "continuous")


# What the driver makes of it


def test_what_the_driver_took_stands_in_the_settings(stage: Setting) -> None:
    here = controlled(stage)
    track = here.track()
    source: Any = here.backend
    source = source.source
    source.set = lambda _: {"zoom": 230}
    track.apply_constraints({"zoom": 250})
    assert track.get_settings()["zoom"] == 230


def test_what_the_driver_took_must_be_what_was_required(stage: Setting) -> None:
    here = controlled(stage)
    track = here.track()
    asked: list[Mapping[str, Scalar]] = []
    source: Any = here.backend
    source = source.source

    def take(controls: Mapping[str, Scalar]) -> Mapping[str, Scalar]:
        asked.append(controls)
        return {"zoom": 100 if controls["zoom"] == 100 else 230}

    source.set = take
    with pytest.raises(mscli.OverconstrainedError, match="set zoom to 230 instead of zoom = 250") as caught:
        track.apply_constraints({"zoom": {"exact": 250}})
    assert caught.value.constraint == "zoom"
    assert asked == [{"zoom": 250}, {"zoom": 100}]
    assert (track.get_settings()["zoom"], track.get_constraints()) == (100, {})


def test_a_change_by_another_program_is_followed(stage: Setting) -> None:
    here = controlled(stage)
    track = here.track(width=64)
    heard = Heard(track)
    with reader(track) as frames:
        here.clock.run(0.1)
        device(track).on_changed({"zoom": 240})
        here.tasks.run_tasks()
        here.clock.run(0.1)
        numbers = [frame.sequence for frame in waiting(frames)]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert track.get_settings()["zoom"] == 240
    assert heard.types == ["configurationchange"]
    track.apply_constraints({"zoom": 250})
    assert track.get_settings()["zoom"] == 250


def test_a_camera_that_is_gone_takes_no_control(stage: Setting) -> None:
    here = stage(camera(controls=CONTROLS, faults={"vanishAfterFrames": 2}))
    track = here.track()
    here.clock.jump(0.2)
    here.run_until(lambda: track.ready_state == "ended")
    track.apply_constraints({"zoom": 300})  # nothing happens on a track that has ended
    assert not device(track).set_controls({"zoom": 300})


def test_a_camera_that_returns_has_its_controls_set_again(stage: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(stage(silent(camera(controls=CONTROLS)), backend=Pluggable), monkeypatch, reconnect_s=5)
    scene.frame(0)
    scene.track.apply_constraints({"zoom": 300})
    scene.unplug(0.1, "c0")
    panels: Any = scene.backend
    (panel,) = panels._panels.values()
    panel.set({"zoom": 100})  # it has lost its power
    scene.plug_in()
    assert scene.reconnection(2.5)
    scene.frame(2.6)
    assert panel.now["zoom"] == scene.track.get_settings()["zoom"] == 300
