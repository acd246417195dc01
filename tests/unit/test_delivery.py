"""Errors of recorders and pictures for cameras whose frames cannot be used."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import mscli
from tests import hostile


def hostile_devices(mode: str) -> mscli.MediaDevices:
    return mscli.MediaDevices(backends=[hostile.HostileBackend({"devices": [hostile.camera(mode)]})])


def test_a_recorder_of_nothing_fires_an_error_and_leaves_no_file(tmp_path: Path) -> None:
    errors: list[Any] = []
    with hostile_devices("jpeg-zero") as devices:
        stream = devices.get_user_media({"video": True})
        recorder = mscli.MediaRecorder(stream, file=str(tmp_path / "a.mkv"), window=(0.2, None))
        recorder.add_event_listener("error", lambda event: errors.append(event.error))
        recorder.start()
        assert recorder.join(30)
    assert recorder.recording is not None
    (counts,) = recorder.recording.counts
    assert (counts.frames, counts.damaged) == (0, counts.received)
    assert isinstance(recorder.recording.error, mscli.NotReadableError)
    assert [str(error) for error in errors] in ([], [str(recorder.recording.error)])
    assert f"none of the {counts.received} frames from camera “Hostile” could be used" in str(recorder.recording.error)
    assert list(tmp_path.iterdir()) == []


def test_a_photo_is_the_first_whole_picture() -> None:
    with hostile_devices("jpeg-half-of-every-fourth") as devices:
        (track,) = devices.get_user_media({"video": True}).get_video_tracks()
        photo = mscli.ImageCapture(track).take_photo(type="image/png")
    assert photo.bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_a_photo_of_nothing_is_an_error() -> None:
    with hostile_devices("jpeg-zero") as devices:
        stream = devices.get_user_media({"video": True}, timeout_s=(1.0, 1.0))
        (track,) = stream.get_video_tracks()
        with pytest.raises(mscli.NotReadableError, match=r"none of the last .* could be used"):
            mscli.ImageCapture(track).take_photo()
