"""A reconnection whose checks fail: it tries again, and at the deadline the tracks have a device or have ended."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import mscli
from mscli.sources import reconnect as reconnection
from tests.unit.lost import Flawed, Scene
from tests.unit.stage import Stage, camera, device, picture, push, silent

DEFECT = RuntimeError("a defect")
ERRORS = [FileNotFoundError(2, "No such file or directory", "/sys/class/video4linux/video1"), DEFECT]
CALLS = ["devices", "open", "start"]


Lose = Callable[..., Scene]


@pytest.fixture
def lose(stage: Callable[..., Stage], monkeypatch: pytest.MonkeyPatch) -> Lose:
    """Create a track on the first of two cameras that delivers a frame and is then unplugged."""

    def scene(**policy: Any) -> Scene:
        one = Scene(stage(silent(camera(0)), silent(camera(1)), backend=Flawed), monkeypatch, **policy)
        one.frame(0)
        one.unplug(0.1)
        return one

    return scene


def fail(one: Scene, call: str, *errors: Exception) -> None:
    assert isinstance(one.backend, Flawed)
    one.backend.fails[call] = list(errors)


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("call", CALLS)
def test_a_look_that_fails_is_taken_again(lose: Lose, reports: list[BaseException], call: str, error: Exception) -> None:
    one = lose(reconnect_s=5)
    fail(one, call, error)
    one.plug_in()
    assert not one.reconnection(1)
    assert one.track.muted
    assert one.reconnection(2)
    one.frame(2.1)
    assert (one.heard.types, one.track.ended_error) == (["mute", "unmute"], None)
    assert reports == ([] if call == "devices" and isinstance(error, OSError) else [error])


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("call", CALLS)
def test_the_time_ends_with_the_tracks_whatever_fails(
    lose: Lose, reports: list[BaseException], call: str, error: Exception
) -> None:
    one = lose(reconnect_s=5)
    fail(one, call, *[error] * 9)
    one.plug_in()
    assert [one.reconnection(at) for at in (1, 2, 3, 5.15)] == [False, False, False, True]
    assert one.heard.types == ["mute", "ended"]
    assert one.heard.events[-1].detail["reason"] == str(one.track.ended_error) == "it was unplugged"
    assert len(reports) == (not (call == "devices" and isinstance(error, OSError)))  # not one per check


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("call", CALLS)
def test_where_another_device_fails_the_track_ends_too(
    lose: Lose, reports: list[BaseException], call: str, error: Exception
) -> None:
    one = lose(fallback=True)
    fail(one, call, error)
    assert one.reconnection(0.1)
    assert (one.heard.types[0], one.heard.types[-1], one.track.ready_state) == ("mute", "ended", "ended")
    assert one.heard.events[-1].detail["reason"] == "it was unplugged"


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("policy", [{"reconnect_s": 5}, {"fallback": True}])
def test_a_device_that_cannot_be_given_back_keeps_nothing_from_being_tried(
    lose: Lose, reports: list[BaseException], policy: dict[str, Any], error: Exception
) -> None:
    one = lose(**policy)
    fail(one, "stop", error)
    one.plug_in()
    assert one.reconnection(0.1)
    assert one.backend.opened == ["c0", "c1" if "fallback" in policy else "c0"]
    assert reports == [error]


def test_a_track_ends_although_its_device_cannot_be_given_back(
    stage: Callable[..., Stage], reports: list[BaseException]
) -> None:
    one = stage(silent(camera(0)), backend=Flawed)
    assert isinstance(one.backend, Flawed)
    track = one.track()
    one.backend.fails["stop"] = [DEFECT]
    track.stop()
    assert (track.ready_state, reports) == ("ended", [DEFECT])
    assert one.track().ready_state == "live"


def test_where_another_device_does_not_start_and_there_is_no_third_the_tracks_end(lose: Lose) -> None:
    one = lose(fallback=True)
    clone = one.track.clone()
    fail(one, "start", mscli.NotReadableError("it does not start"))
    assert one.reconnection(0.1)
    assert (one.track.ready_state, clone.ready_state, one.heard.types[-1]) == ("ended", "ended", "ended")
    assert str(one.track.ended_error) == "it was unplugged"
    assert one.stage.track(deviceId={"exact": "c1"}).ready_state == "live"


def test_without_a_watch_it_is_looked_from_time_to_time(
    stage: Callable[..., Stage], monkeypatch: pytest.MonkeyPatch, reports: list[BaseException]
) -> None:
    for pause in ("RECONNECT_S", "SOON_S"):
        monkeypatch.setattr(reconnection, pause, 0.001)
    one = stage(silent(camera()), backend=Flawed)
    backend = one.backend
    assert isinstance(backend, Flawed)
    (track,) = one.devices.get_user_media({"video": True}, reconnect_s=20).get_tracks()
    push(track, picture(width=128, height=72))
    backend.away.add("c0")
    backend.fails["watch"] = [DEFECT]
    device(track).on_ended(mscli.NotReadableError("it was unplugged"))
    one.run_until(lambda: reports)
    backend.away.clear()
    one.run_until(lambda: backend.opened == ["c0", "c0"])
    assert reports == [DEFECT]
