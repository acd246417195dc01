"""What the report of a recording says of sound that was missing."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.conftest import Program

STALLING = {"kind": "audioinput", "sampleRates": [48000], "faults": {"stallAfterFrames": 50, "stallSeconds": 0.5}}


@pytest.fixture
def devices(tmp_path: Path) -> Path:
    """A microphone that gives nothing for half a second."""
    path = tmp_path / "devices.json"
    path.write_text(json.dumps({"devices": [STALLING]}))
    return path


def test_silence_is_in_the_json_and_in_the_line_for_people(mscli: Program, devices: Path) -> None:
    command = ["record", "--fake-devices-from", str(devices), "--no-video", "--duration", "1.5"]
    (track,) = mscli.json(*command, "--json", "a.wav")["tracks"]
    assert (track["frames"], track["silence"], track["skipped"]) == (48_000, 24_000, 0)
    assert "driftPpm" not in track, "a second is not enough to tell"
    said = mscli(*command, "b.wav", code=0).stderr.decode()
    assert "Saved b.wav: 1.5 s, 1.0 s of sound and 0.50 s of silence, " in said


def test_nothing_is_said_of_silence_where_there_is_none(mscli: Program) -> None:
    said = mscli("record", "--fake-devices", "--no-video", "--duration", "0.5", "a.wav", code=0).stderr.decode()
    assert re.search(r"^Saved a\.wav: 0\.50 s, [\d.]+ kB$", said, re.MULTILINE)


def test_sound_alone_beside_a_picture_lasts_from_the_beginning_of_the_recording(mscli: Program, tmp_path: Path) -> None:
    late = {"kind": "audioinput", "sampleRates": [48000], "faults": {"stallAfterFrames": 0, "stallSeconds": 0.3}}
    path = tmp_path / "late.json"
    path.write_text(json.dumps({"devices": [{"kind": "videoinput"}, late]}))
    report = mscli.json("record", "--fake-devices-from", str(path), "--duration", "1", "--json", "a.mkv", "a.flac")
    picture, sound = report["outputs"]
    assert picture["duration"] == 1
    assert sound["duration"] == 1
    (track,) = sound["tracks"]
    assert (track["frames"] + track["silence"], track["silence"] > 0) == (48_000, True)
