"""``mscli record``: files that ffprobe reads, and reports that agree with it."""

from __future__ import annotations

import json
import signal
from typing import Any

import pytest

from tests.cli.program import FakeMachine, camera, eventually, microphone, packets, streams
from tests.conftest import require

TRACK = {"kind", "settings", "frames", "dropped", "lost", "duplicated", "bytes"}


@pytest.fixture(autouse=True)
def ffprobe() -> None:
    """What reads the files back."""
    require("ffprobe")


def by_kind(report: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The tracks of a report."""
    return {track["kind"]: track for track in report["tracks"]}


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "webm"])
def test_picture_and_sound_are_in_the_file_as_the_report_says(suffix: str, fake: FakeMachine) -> None:
    file = fake.folder / f"x.{suffix}"
    done = fake("record", "--json", "--duration", "0.5", "--size", "320x240", file.name, code=0)
    report = json.loads(done.stdout)
    assert set(report) >= {"files", "duration", "reason", "tracks", "avOffset"}
    assert (report["files"], report["reason"], done.stderr, fake.files) == ([file.name], "duration", b"", [file.name])
    assert report["duration"] == pytest.approx(0.5, abs=0.01)
    tracks, found = by_kind(report), streams(file)
    assert all(set(track) >= TRACK for track in report["tracks"])
    assert int(found["video"]["nb_read_packets"]) == tracks["video"]["frames"] == 15
    assert (found["video"]["width"], found["video"]["height"]) == (320, 240)
    assert tracks["video"]["frameRate"] == pytest.approx(30, abs=0.1)
    samples = tracks["audio"]["frames"] + tracks["audio"]["silence"]  # which a late machine makes
    assert samples / tracks["audio"]["settings"]["sampleRate"] == pytest.approx(0.5, abs=0.05)
    assert int(found["audio"]["nb_read_packets"]) > 0
    assert abs(report["avOffset"]) < 0.1
    assert sum(track["bytes"] for track in report["tracks"]) < file.stat().st_size


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg"])
def test_sound_is_in_the_file_as_the_report_says(suffix: str, fake: FakeMachine) -> None:
    file = fake.folder / f"x.{suffix}"
    report = fake.json("record", "--json", "--frames", "24000", file.name)
    (track,) = report["tracks"]
    assert (track["kind"], track["frames"], report["reason"]) == ("audio", 24000, "frames")
    found = streams(file)
    assert set(found) == {"audio"}
    assert float(found["audio"]["duration"]) == pytest.approx(0.5, abs=0.01)


def test_frames_end_it_and_flags_choose_the_kinds(fake: FakeMachine) -> None:
    fake("record", "--quiet", "--frames", "7", "--no-audio", "x.mkv", code=0)
    assert set(streams(fake.folder / "x.mkv")) == {"video"}
    assert packets(fake.folder / "x.mkv", "video") == 7
    fake("record", "--quiet", "--duration", "0.1", "--no-video", "y.mkv", code=0)
    assert set(streams(fake.folder / "y.mkv")) == {"audio"}


def test_a_duration_ends_a_camera_whose_next_picture_comes_much_later(fake: FakeMachine) -> None:
    fake.plug(camera(modes=[{"width": 64, "height": 48, "frameRate": 0.1}]))
    report = fake.json("record", "--json", "--duration", "0.5", "--no-audio", "x.mkv")
    (track,) = report["tracks"]
    assert (report["reason"], report["duration"], track["frames"], track["lost"]) == ("duration", 0.5, 1, 0)
    assert fake.json("capture", "--json", "--duration", "0.5", "-o", "x.y4m")["reason"] == "duration"


def test_without_a_microphone_only_the_picture_is_recorded(fake: FakeMachine) -> None:
    fake.plug(camera())
    done = fake("record", "--frames", "3", "x.mkv", code=0)
    assert b"no microphone found" in done.stderr
    assert set(streams(fake.folder / "x.mkv")) == {"video"}
    assert fake("record", "--audio", "--frames", "3", "y.mkv", code=3).stdout == b""


def test_sound_and_picture_of_the_devices_that_were_chosen_are_recorded(fake: FakeMachine) -> None:
    wide = camera(deviceId="wide", label="Wide", modes=[{"width": 640, "height": 360, "frameRate": 30}])
    fake.plug(camera(), wide, microphone(), microphone(deviceId="loud", label="Loud", channelCounts=[2]))
    report = fake.json("record", "--json", "--frames", "3", "--camera", "wide", "--microphone", "loud", "x.mkv")
    assert [track["label"] for track in report["tracks"]] == ["Loud", "Wide"]
    found = streams(fake.folder / "x.mkv")
    assert (found["video"]["width"], found["audio"]["channels"]) == (640, 2)


def test_a_file_that_is_taken_away_meanwhile_is_an_error(fake: FakeMachine) -> None:
    with fake.running("record", "--json", "--duration", "1.5", "x.mkv") as recording:
        assert eventually((fake.folder / "x.mkv").exists)
        (fake.folder / "x.mkv").unlink()
        done = recording.end()
    assert done.returncode == 9
    assert "x.mkv was moved or removed while it was written" in json.loads(done.stderr)["error"]["message"]
    assert (json.loads(done.stdout)["files"], json.loads(done.stdout)["reason"]) == ([], "error")


@pytest.mark.parametrize("command", [["record", "--force"], ["capture", "-o"]])
def test_a_file_that_is_replaced_meanwhile_is_an_error(command: list[str], fake: FakeMachine) -> None:
    path = fake.folder / "x.mkv"
    with fake.running(*command, "x.mkv", "--json", "--no-audio") as running:
        assert eventually(path.exists)
        second = fake(*command, "x.mkv", "--no-audio", "--frames", "1", code=9)
        (fake.folder / "y").write_bytes(b"theirs")
        (fake.folder / "y").rename(path)
        running.send(signal.SIGINT)
        done = running.end()
    assert "another program is writing it" in second.stderr.decode()
    assert done.returncode == 9
    assert "x.mkv was replaced" in json.loads(done.stderr)["error"]["message"]
    assert path.read_bytes() == b"theirs"
    if command[0] == "record":  # which tells what became of its tracks
        assert json.loads(done.stdout)["files"] == []


def test_a_file_that_was_never_begun_is_no_success(fake: FakeMachine) -> None:
    done = fake("record", "--json", "--no-audio", "--duration", "0.000000001", "x.mkv", code=5)
    assert " within the duration" in done.stderr.decode()
    assert (done.stdout, fake.files) == (b"", [])


def test_pictures_that_no_decoder_makes_out_are_lost_and_no_frames(fake: FakeMachine) -> None:
    modes = [{"width": 320, "height": 240, "frameRate": 30, "pixelFormat": "H264"}]
    fake.plug(camera(modes=modes, faults={"dropEvery": 7}))
    (track,) = fake.json("record", "--json", "--duration", "3", "--video-codec", "mjpeg", "x.mkv")["tracks"]
    assert packets(fake.folder / "x.mkv", "video") == track["frames"] < 77  # of 78 that came: FFmpeg swallows some after gaps
    assert track["frames"] + track["lost"] + track["dropped"] == pytest.approx(90, abs=1)
