"""A program that uses the library, for type checkers. mypy reads it in strict mode, and reports an unused ``type: ignore``."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import Any, assert_type

import mscli


def constraints() -> None:
    """Show what is a type error."""
    asked: mscli.MediaStreamConstraints = {"video": {"width": {"ideal": 1280}, "facingMode": "user", "advanced": [{"zoom": 2}]}}
    asked = {"video": True, "audio": {"echoCancellation": "all"}}
    asked = {"vidoe": True}  # type: ignore[typeddict-unknown-key]
    asked = {"video": {"widht": 3}}  # type: ignore[typeddict-item]
    asked = {"video": {"width": "wide"}}  # type: ignore[typeddict-item]
    asked = {"video": {"width": {"exakt": 3}}}  # type: ignore[typeddict-item]
    shown: mscli.DisplayMediaStreamOptions = {"video": {"cursor": "never"}, "surfaceSwitching": "include"}
    shown = {"surfaceSwitching": "always"}  # type: ignore[typeddict-item]
    del asked, shown


def states(track: mscli.MediaStreamTrack, recorder: mscli.MediaRecorder, info: mscli.MediaDeviceInfo) -> bool:
    """Show which words do not exist."""
    return (
        track.kind == "sound"  # type: ignore[comparison-overlap]
        or track.ready_state == "dead"  # type: ignore[comparison-overlap]
        or recorder.state == "stopped"  # type: ignore[comparison-overlap]
        or info.kind == "camera"  # type: ignore[comparison-overlap]
    )


async def read(track: mscli.MediaStreamTrack) -> int:
    """Await frames."""
    async for frame in mscli.MediaStreamTrackProcessor[mscli.VideoFrame]({"track": track}).readable:
        assert_type(frame, mscli.VideoFrame)
        return frame.coded_width
    return 0


def play(file: Path, devices: mscli.MediaDevices) -> None:
    """Play and capture."""
    address = mscli.URL.create_object_url(mscli.Blob(file.read_bytes()))
    with mscli.MediaElement(address, devices=devices) as element:
        element.set_sink_id(devices.select_audio_output({"deviceId": "gone"}).device_id)
        devices.select_audio_output({"sinkId": "desk"})  # type: ignore[arg-type]
        element.volume, element.loop = 0.5, False
        assert_type(element.error, mscli.MediaError | None)
        assert_type(element.capture_stream(), mscli.MediaStream)
        element.play()
    mscli.URL.revoke_object_url(address)


def main(file: Path) -> None:
    """Record, read and convert."""
    ended: list[mscli.Event] = []
    with mscli.MediaDevices(backends=[mscli.FakeBackend()]) as devices:
        stream = devices.get_user_media({"video": {"width": 640}, "audio": True})
        for track in stream:
            track.onended = ended.append
            track.add_event_listener("mute", ended.append, once=True)
        (camera,) = stream.get_video_tracks()
        with mscli.MediaRecorder(stream, file=file) as recorder:
            recorder.onerror = ended.append
            assert asyncio.run(read(camera)) == camera.get_settings()["width"]
        play(file, devices)
        with mscli.MediaStreamTrackProcessor[mscli.VideoFrame]({"track": camera}).readable as frames:
            frame = next(frames)
        array: Any = frame.to_ndarray("rgb24")
        assert mscli.VideoFrame.from_ndarray(array).coded_width == frame.coded_width
        assert mscli.VideoFrame.from_av(frame.to_av()).format == frame.format
        with contextlib.suppress(mscli.OverconstrainedError):
            camera.apply_constraints({"width": {"exact": 1}, "resizeMode": {"exact": "none"}})
        for display in devices.get_display_media({"video": {"frameRate": 5}, "controller": mscli.CaptureController()}):
            assert display.get_settings()["cursor"] == "always"
            display.stop()
        assert not any(states(track, recorder, info) for track in stream for info in devices.enumerate_devices())
    assert ended == []
