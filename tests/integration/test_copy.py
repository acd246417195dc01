"""From a camera that gives MJPEG to a file that holds its very pictures, through every part of the library."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mscli
from mscli.api.nativeformats import CopiedFormats
from mscli.encode.options import SinkOptions
from mscli.sinks import SINKS, copied_formats
from tests.sinks.synth import probe, run

CAMERA: dict[str, Any] = {
    "kind": "videoinput",
    "modes": [
        {"width": 640, "height": 480, "frameRate": 30, "pixelFormat": "YUYV"},
        {"width": 320, "height": 240, "frameRate": 30, "pixelFormat": "MJPEG"},
    ],
}


def test_a_cameras_jpegs_are_in_the_file_as_it_gave_them(tmp_path: Path) -> None:
    path, row = tmp_path / "a.mkv", SINKS["mkv"]
    with mscli.MediaDevices(backends=[mscli.FakeBackend({"devices": [CAMERA]})]) as devices:
        stream = devices.get_user_media(
            {"video": {"frameRate": {"exact": 15}}}, pixel_formats=CopiedFormats(copied_formats(row))
        )
        (track,) = stream.get_video_tracks()
        frames = mscli.MediaStreamTrackProcessor({"track": track, "encoded": True}).readable
        how = SinkOptions(video_codec="copy")
        recorder = mscli.MediaRecorder(stream, file=str(path), row=row, sink_options=how, window=(None, 10))
        recorder.start()
        assert recorder.join(30)
        seen: list[Any] = list(iter(lambda: frames.read(0), None))
    written = run("ffmpeg", "-v", "error", "-i", path, "-c", "copy", "-f", "mjpeg", "-")
    assert written in b"".join(bytes(chunk.data) for chunk in seen)
    assert len(written) > 10_000
    assert probe(path, "-count_packets", "-show_streams")["streams"][0]["nb_read_packets"] == "10"
