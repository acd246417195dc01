"""What the standard had before: callbacks, mandatory and optional constraints, and a warning for each use."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest

import mscli
from mscli import legacy
from tests.unit.stage import Stage, camera, microphone, silent

Setting = Callable[..., Stage]


def ask(here: Stage, constraints: Any) -> list[Any]:
    """Return what the callbacks of ``getUserMedia`` get."""
    got: list[Any] = []
    with pytest.warns(DeprecationWarning, match="navigator.getUserMedia is deprecated; use MediaDevices.get_user_media"):
        legacy.NavigatorUserMedia(here.devices).get_user_media(
            constraints, lambda stream: got.append(stream), lambda error: got.append(error)
        )
    assert got == []  # not before the call returns
    here.tasks.run_tasks()
    return got


@pytest.mark.parametrize(
    ("asked", "width"),
    [
        (True, 128),
        ({}, 128),
        ({"mandatory": {"maxWidth": 64, "minWidth": 64}}, 64),
        ({"mandatory": {"sourceId": "c0"}}, 128),
        ({"optional": [{"maxWidth": 64}]}, 64),
        ({"optional": [{"minWidth": 5000}]}, 128),
        ({"optional": [{"unknown": 1}]}, 128),
        ({"mandatory": {"maxWidth": 100}, "optional": [{"maxFrameRate": 10}]}, 64),
        ({"width": {"exact": 64}}, 64),
    ],
)
def test_a_stream_goes_to_the_callback(stage: Setting, asked: Any, width: int) -> None:
    (stream,) = ask(stage(silent(camera())), {"video": asked})
    (track,) = stream
    assert track.get_settings()["width"] == width


def test_sound_is_asked_for_in_the_same_way(stage: Setting) -> None:
    (stream,) = ask(stage(silent(microphone()), silent(camera())), {"audio": True, "video": True})
    assert [track.kind for track in stream] == ["audio", "video"]


@pytest.mark.parametrize(
    ("constraints", "name", "constraint"),
    [
        ({"video": {"mandatory": {"minWidth": 5000}}}, "ConstraintNotSatisfiedError", "width"),
        ({"video": {"mandatory": {"unknown": 1}}}, "ConstraintNotSatisfiedError", "unknown"),
        ({"audio": True}, "NotFoundError", ""),
    ],
)
def test_an_error_goes_to_the_other_callback(stage: Setting, constraints: Any, name: str, constraint: str) -> None:
    (error,) = ask(stage(silent(camera())), constraints)
    assert isinstance(error, legacy.NavigatorUserMediaError)
    assert (error.name, error.constraint_name) == (name, constraint)
    assert error.message


def test_an_error_leaves_the_warning_filters_of_other_threads_alone(stage: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("this changes the filters of the whole process")

    here = stage(silent(camera()))
    with monkeypatch.context() as patched:
        patched.setattr(warnings, "catch_warnings", refuse)
        (error,) = ask(here, {"audio": True})
    assert error.name == "NotFoundError"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    "arguments",
    [
        ({}, print, print),
        (None, print, print),
        ({"video": True}, None, print),
        ({"video": True}, print, None),
        ({"video": {"mandatory": 5}}, print, print),
        ({"video": {"optional": "x"}}, print, print),
        ({"video": {"optional": ["x"]}}, print, print),
        ({"video": {"optional": [None]}}, print, print),
        ({"video": {"optional": [{"maxWidth": 64}, 5]}}, print, print),
    ],
)
def test_what_is_malformed_is_a_type_error(stage: Setting, arguments: Any) -> None:
    with pytest.raises(TypeError):
        legacy.NavigatorUserMedia(stage(silent(camera())).devices).get_user_media(*arguments)


def test_an_event_about_a_stream() -> None:
    stream = mscli.MediaStream()
    with pytest.warns(DeprecationWarning, match="use MediaStreamTrackEvent"):
        event = legacy.MediaStreamEvent("addstream", {"stream": stream})
    assert (event.type, event.stream) == ("addstream", stream)
    for wrong in ({}, {"stream": None}, {"stream": 5}, None):
        with pytest.raises(TypeError), pytest.warns(DeprecationWarning, match="MediaStreamEvent"):
            legacy.MediaStreamEvent("addstream", wrong)  # type: ignore[arg-type]


def test_an_error_made_by_a_program_warns() -> None:
    with pytest.warns(DeprecationWarning, match="use DOMException"):
        error = legacy.NavigatorUserMediaError("PermissionDeniedError")
    assert (error.name, error.message, error.constraint_name) == ("PermissionDeniedError", "", "")


def test_it_is_there_without_an_import_of_its_own() -> None:
    assert mscli.legacy is legacy
