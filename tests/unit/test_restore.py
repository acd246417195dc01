"""Controls that go back to what they were before a run, on the fake camera, which keeps them while it is closed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import mscli
from mscli.cli.session import CameraSettings


def test_controls_go_back_and_the_camera_keeps_them() -> None:
    controls = {"brightness": {"min": 0, "max": 255, "value": 90}, "zoom": {"min": 100, "max": 400}}
    backend = mscli.FakeBackend({"devices": [{"kind": "videoinput", "controls": controls}]})
    warnings: list[str] = []
    settings = CameraSettings("", restores=True, warn=warnings.append)

    def note(choices: Sequence[Any]) -> None:
        settings.note(choices)

    with mscli.MediaDevices(backends=[backend]) as devices:
        stream = devices.get_user_media({"video": {"brightness": 200}}, on_choices=note)
        (track,) = stream.get_tracks()
        track.apply_constraints({"zoom": 300, "brightness": 210})
        settings.finish([track])
        now = track.get_settings()
        assert (now["brightness"], now["zoom"]) == (90, 100)
    with mscli.MediaDevices(backends=[backend]) as devices:
        (track,) = devices.get_user_media({"video": True}).get_tracks()
        assert track.get_settings()["brightness"] == 90
    assert warnings == []
