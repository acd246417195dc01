"""Devices that stall, hang and go, as the program's user sees it: time in the file, exit codes, nothing that hangs."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT, Completed, Program, clean_environment, require

MODES = [{"width": 64, "height": 48, "frameRate": 30}]
CAMERA = {"kind": "videoinput", "deviceId": "v", "label": "Cam", "modes": MODES}
MICROPHONE = {"kind": "audioinput", "deviceId": "a", "label": "Mic"}
SECONDS = 2  # from a signal to the end


def described(folder: Path, *devices: dict[str, Any]) -> list[str]:
    """The option for those fake devices."""
    (folder / "devices.json").write_text(json.dumps({"devices": devices}))
    return ["--fake-devices-from", "devices.json"]


def failing(device: dict[str, Any] = CAMERA, **faults: Any) -> dict[str, Any]:
    return {**device, "faults": faults}


def events(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "events").read_text().splitlines()]


def of_tracks(folder: Path) -> list[str]:
    """The types of the events but ``devicechange``, which comes beside them, when the list of devices was looked at again."""
    return [event["type"] for event in events(folder) if event["type"] != "devicechange"]


def picture_times(path: Path) -> list[float]:
    """When each picture of a file is shown, in seconds, as ffprobe reads it."""
    command = ["ffprobe", "-v", "error", "-select_streams", "v", "-show_entries", "packet=pts_time", "-of", "csv=p=0"]
    return sorted(map(float, subprocess.run([*command, path], check=True, capture_output=True).stdout.split()))


def brightness(path: Path, at_s: float) -> int:
    """Of the pictures of a file, the one at that time: its brightest pixel as ffmpeg decodes it."""
    picture = ["-ss", str(at_s), "-frames:v", "1", "-f", "rawvideo", "-pix_fmt", "gray", "-"]
    return max(subprocess.run(["ffmpeg", "-v", "error", "-i", str(path), *picture], check=True, capture_output=True).stdout)


def test_a_stall_is_black_in_the_file_and_everything_after_it_in_its_place(mscli: Program) -> None:
    require("ffprobe", "ffmpeg")
    devices = described(mscli.folder, failing(stallAfterFrames=15, stallSeconds=2))
    report = mscli.json("record", *devices, "--duration", "3.5", "--json", "--events", "events", "x.mkv")
    times = picture_times(mscli.folder / "x.mkv")
    (track,) = report["tracks"]
    assert len(times) == track["frames"]
    assert track["blank"] > 15
    assert times[-1] == pytest.approx(3.467, abs=0.05)
    assert brightness(mscli.folder / "x.mkv", 0.3) > 150
    assert brightness(mscli.folder / "x.mkv", 1.9) < 40
    assert brightness(mscli.folder / "x.mkv", 3.2) > 150
    assert [event["type"] for event in events(mscli.folder)] == ["settings", "start", "mute", "unmute", "stop"]
    mute = next(event for event in events(mscli.folder) if event["type"] == "mute")
    assert mute["reason"] == "no frames from “Cam”"


@pytest.mark.parametrize(("timeout", "seconds"), [([], 2.8), (["--timeout", "5,0.5"], 1.3), (["--timeout", "0.4"], 1.2)])
def test_a_camera_that_gives_no_more_frames_is_given_up(mscli: Program, timeout: list[str], seconds: float) -> None:
    devices = described(mscli.folder, failing(stallAfterFrames=5))
    done = mscli("record", *devices, *timeout, "x.mkv", code=8)
    assert f"no frames from “Cam” within {seconds:g} s" in done.stderr.decode()


@pytest.mark.parametrize("faults", [{"stallAfterFrames": 0}, {"hangAfterFrames": 0}, {"hangOnOpen": True}])
def test_a_camera_that_gives_nothing_is_given_up_and_leaves_no_file(mscli: Program, faults: dict[str, Any]) -> None:
    devices = described(mscli.folder, failing(**faults))
    before = time.monotonic()
    done = mscli("record", *devices, "--timeout", "0.5", "x.mkv", code=5)
    assert "within 0.5 s" in done.stderr.decode()
    assert time.monotonic() - before < 30
    assert sorted(path.name for path in mscli.folder.iterdir()) == ["devices.json"]


@pytest.mark.parametrize("timeout", ["0", "-1", "x", "1,2,3", "inf", "1,", ""])
def test_a_timeout_that_is_none_is_refused(mscli: Program, timeout: str) -> None:
    done = mscli("snapshot", "--fake-devices", "--timeout", timeout, "x.png", code=2)
    assert done.stderr.startswith(b"mscli: error: --timeout: ")
    assert b"a duration " in done.stderr


@pytest.mark.parametrize("option", ["--timeout", "--reconnect", "--duration"])
@pytest.mark.parametrize("seconds", ["1000000001", "10000000000", "9" * 19, "1" + "0" * 300, "9" * 400])
def test_a_time_that_no_clock_can_count_is_refused(mscli: Program, option: str, seconds: str) -> None:
    done = mscli("record", "--fake-devices", option, seconds, "x.mkv", code=2)
    assert "at most 1000000000 seconds" in done.stderr.decode()


def test_the_longest_times_are_taken(mscli: Program) -> None:
    longest = ["--timeout", "1000000000", "--reconnect", "1000000000", "--duration", "1000000000"]
    devices = described(mscli.folder, failing(vanishAfterFrames=5, returnAfterSeconds=0.1))
    mscli("record", *devices, *longest, "--frames", "15", "x.mkv", code=0)


HANGS: dict[str, tuple[list[dict[str, Any]], int]] = {  # devices that hang, and the least exit code after a signal
    "opening": ([failing(hangOnOpen=True)], 130),
    "opening sound": ([CAMERA, failing(MICROPHONE, hangOnOpen=True)], 130),
    "first frame": ([failing(hangAfterFrames=0)], 130),
    "stopping": ([failing(hangAfterFrames=5)], 0),
    "stopping both": ([failing(hangAfterFrames=5), failing(MICROPHONE, hangAfterFrames=5)], 0),
}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("hang", HANGS)
def test_a_recording_ends_in_time_after_a_signal_whatever_hangs(mscli: Program, hang: str, number: signal.Signals) -> None:
    devices, code = HANGS[hang]
    started = "start" if hang.startswith("stopping") else "open"
    done, seconds = signalled(mscli, ["record", "x.mkv", *described(mscli.folder, *devices)], number, started)
    assert (done.returncode, seconds < SECONDS) == (code, True), (seconds, done.stderr)
    left = sorted(path.name for path in mscli.folder.iterdir())
    assert left == ["devices.json", *(["events", "x.mkv"] if code == 0 else ["events"])]
    assert b"Traceback" not in done.stderr


def signalled(mscli: Program, arguments: list[str], number: int, until: str) -> tuple[Completed, float]:
    """Run until its device is being opened, or it records, then signal it; what it said, and its seconds from the signal.

    These without as many as it took to be so far, which tells how slow the machine is.
    """
    environment = clean_environment() | {"PYTHONPATH": str(ROOT)}
    command = [*mscli.argv, *arguments, "--events", "events", "--timeout", "60"]
    pipe, began = subprocess.PIPE, time.monotonic()
    with subprocess.Popen(command, cwd=mscli.folder, env=environment, stdout=pipe, stderr=pipe) as process:
        wait_for(lambda: listens(process.pid) if until == "open" else f'"{until}"' in (mscli.folder / "events").read_text())
        started_s = time.monotonic() - began
        time.sleep(0.5)  # into the call that hangs, which nothing tells
        process.send_signal(number)
        before = time.monotonic()
        stdout, stderr = process.communicate(timeout=60)
    return subprocess.CompletedProcess(command, process.returncode, stdout, stderr), time.monotonic() - before - started_s


def listens(pid: int) -> bool:
    """Whether a command handles signals by now: SIGALRM is the last that it sets a handler for."""
    status = dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line)
    return bool(int(status["SigCgt"], 16) >> (signal.SIGALRM - 1) & 1)


def wait_for(happened: Any) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            if happened():
                return
        except FileNotFoundError:
            pass
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_camera_that_does_not_start_is_passed_over_and_that_is_said(mscli: Program) -> None:
    require("ffprobe")
    broken, other = failing(errorOnStart=True), {**CAMERA, "deviceId": "other", "label": "Other"}
    devices = described(mscli.folder, broken, other)
    done = mscli("record", *devices, "--duration", "0.5", "x.mkv", code=0)
    assert "cannot start “Cam”: the driver reports an input/output error; using camera “Other” instead" in done.stderr.decode()
    assert len(picture_times(mscli.folder / "x.mkv")) == 15


def test_a_camera_that_returns_goes_on_in_the_same_file_with_the_gap_as_it_was(mscli: Program) -> None:
    require("ffprobe", "ffmpeg")
    devices = described(mscli.folder, failing(vanishAfterFrames=60, returnAfterSeconds=1))
    command = ["record", *devices, "--duration", "4", "--reconnect", "10", "--json", "--events", "events", "x.mkv"]
    report = mscli.json(*command)
    assert of_tracks(mscli.folder) == ["settings", "start", "mute", "unmute", "stop"]
    assert report["reason"] == "duration"
    assert report["tracks"][0]["blank"] > 20
    times = picture_times(mscli.folder / "x.mkv")
    assert times[-1] == pytest.approx(3.967, abs=0.05)
    assert max(late - early for early, late in pairwise(times)) < 0.5
    assert [brightness(mscli.folder / "x.mkv", at) > 100 for at in (1.7, 2.6, 3.8)] == [True, False, True]


@pytest.mark.parametrize("rate", [10, 30])
def test_what_a_camera_that_was_away_did_not_give_is_black_and_no_strict_recording(mscli: Program, rate: int) -> None:
    require("ffprobe")
    away = {**CAMERA, "modes": [{"width": 64, "height": 48, "frameRate": rate}]}
    devices = described(mscli.folder, failing(away, vanishAfterFrames=rate, returnAfterSeconds=0.5))
    command = ["record", *devices, "--duration", "2.5", "--reconnect", "9", "--strict", "x.mkv"]
    (track,) = json.loads(mscli(*command, "--json", code=10).stdout)["tracks"]
    assert len(picture_times(mscli.folder / "x.mkv")) == track["frames"]
    assert (track["frames"], track["lost"]) == (pytest.approx(2.5 * rate, abs=1), 0)
    assert rate / 2 <= track["blank"] <= rate
    said = mscli(*command, "--force", code=10).stderr.decode()
    assert re.search(r"x.mkv: 2\.\d+ s, \d+ frames and \d+ black at [\d.]+ fps, ", said)


def test_what_a_muted_microphone_did_not_give_is_told_as_silence(mscli: Program) -> None:
    devices = described(mscli.folder, {**MICROPHONE, "faults": {"vanishAfterFrames": 100, "returnAfterSeconds": 0.5}})
    done = mscli("record", *devices, "--duration", "2", "--reconnect", "9", "--strict", "x.wav", code=10)
    sound, silence = map(float, re.findall(r"([\d.]+) s of", done.stderr.decode()))
    assert sound + silence == pytest.approx(2, abs=0.05)
    assert silence > 0.4


def test_a_copied_track_has_no_black_and_the_report_says_what_is_in_the_file(mscli: Program) -> None:
    require("ffprobe")
    encoding = {**CAMERA, "modes": [{"width": 64, "height": 48, "frameRate": 30, "pixelFormat": "MJPEG"}]}
    devices = described(mscli.folder, failing(encoding, vanishAfterFrames=30, returnAfterSeconds=0.5))
    command = ["record", *devices, "--duration", "2.5", "--reconnect", "9", "--video-codec", "copy", "--json", "x.mkv"]
    (track,) = mscli.json(*command)["tracks"]
    assert len(picture_times(mscli.folder / "x.mkv")) == track["frames"]
    assert track["blank"] == 0
    assert track["frames"] + track["lost"] == pytest.approx(75, abs=1)
    assert track["lost"] >= 15


@pytest.mark.parametrize("form", ["H264", "MJPEG"])
@pytest.mark.parametrize("others", [[], [MICROPHONE]])
def test_every_file_of_a_copied_track_can_be_played_though_the_camera_was_away(
    mscli: Program, others: list[dict[str, Any]], form: str
) -> None:
    require("ffmpeg")
    devices = described(mscli.folder, failing(in_format(form), vanishAfterFrames=45, returnAfterSeconds=1.8), *others)
    command = ["record", *devices, "--duration", "5", "--reconnect", "9", "--segment-duration", "1", "--json"]
    report = mscli.json(*command, "--video-codec", "copy", "x.mp4")
    pictures = [decoded(mscli.folder / file) for file in report["files"]]
    track = next(track for track in report["tracks"] if track["kind"] == "video")
    assert len(pictures) == (5 if others else 4)
    assert min(pictures) > 0
    assert sum(pictures) == track["frames"] + track["duplicated"]
    assert all(picture_times(mscli.folder / file)[0] < 0.05 for file in report["files"])


def test_another_camera_takes_the_place_of_one_that_is_gone(mscli: Program) -> None:
    other = {**CAMERA, "deviceId": "other", "label": "Other", "modes": [{"width": 640, "height": 480, "frameRate": 30}]}
    devices = described(mscli.folder, failing(vanishAfterFrames=10), other)
    command = ["capture", *devices, "--frames", "30", "--width", "exact:64", "--fallback", "--json", "--events", "events"]
    report = mscli.json(*command, "-o", "x.yuv")
    assert of_tracks(mscli.folder) == ["settings", "mute", "settings", "unmute", "stop"]
    _, last = (event["settings"]["deviceId"] for event in events(mscli.folder) if event["type"] == "settings")
    assert last == report["tracks"][0]["settings"]["deviceId"] == "other"
    assert (mscli.folder / "x.yuv").stat().st_size == 30 * 64 * 48 * 3 // 2


def in_format(name: str, device: dict[str, Any] = CAMERA) -> dict[str, Any]:
    return {**device, "modes": [{**MODES[0], "pixelFormat": name}]}


def decoded(path: Path, *how: str) -> int:
    """How many pictures of 64×48 ffmpeg finds in a file, in which it may find no error."""
    out = ["-fps_mode", "passthrough", "-pix_fmt", "gray", "-f", "rawvideo", "-"]
    done = subprocess.run(["ffmpeg", "-v", "error", "-xerror", *how, "-i", str(path), *out], check=True, capture_output=True)
    assert done.stderr == b""
    return len(done.stdout) // (64 * 48)


@pytest.mark.parametrize("form", ["MJPEG", "H264"])
@pytest.mark.parametrize(
    "faults", [{"stallAfterFrames": 20, "stallSeconds": 1.4}, {"vanishAfterFrames": 20, "returnAfterSeconds": 0.3}]
)
def test_no_black_stands_in_an_encoded_stream(mscli: Program, faults: dict[str, Any], form: str) -> None:
    require("ffmpeg")
    devices = described(mscli.folder, failing(in_format(form), **faults))
    command = ["capture", *devices, "--format", "native", "--duration", "2.5", "--reconnect", "9", "--json", "-o", "x"]
    (track,) = mscli.json(*command)["tracks"]
    assert decoded(mscli.folder / "x", "-f", form.lower()) == track["frames"]
    assert track["bytes"] == (mscli.folder / "x").stat().st_size
    assert (track["blank"], track["frames"] + track["lost"]) == (0, pytest.approx(75, abs=2))
    assert track["lost"] >= 9
    mscli(*command, "--strict", code=10)


@pytest.mark.parametrize(("first", "later"), [("YUYV", "I420"), ("YUYV", "MJPEG"), ("RGB24", "YUYV")])
@pytest.mark.parametrize("form", [[], ["--format", "native"]])
def test_another_camera_goes_on_in_the_format_of_the_first(mscli: Program, form: list[str], first: str, later: str) -> None:
    other = in_format(later, {**CAMERA, "deviceId": "other", "label": "Other"})
    devices = described(mscli.folder, failing(in_format(first), vanishAfterFrames=10), other)
    frames = 60  # black, until the other camera is open
    command = ["--frames", str(frames), "-c", "deviceId=v", "--fallback", "--json", "-o", "x"]
    report = mscli.json("capture", *devices, *form, *command)
    assert report["tracks"][0]["settings"]["deviceId"] == "other"
    assert (mscli.folder / "x").stat().st_size == frames * 64 * 48 * {"YUYV": 2, "RGB24": 3}[first]


def test_an_encoded_stream_goes_on_only_with_a_camera_that_encodes_the_same(mscli: Program) -> None:
    require("ffmpeg")
    others = [in_format(form, {**CAMERA, "deviceId": form, "label": form}) for form in ("I420", "H264", "MJPEG")]
    command = ["--format", "native", "--duration", "1", "-c", "deviceId=v", "--fallback", "--json"]
    devices = described(mscli.folder, failing(in_format("MJPEG"), vanishAfterFrames=10), *others)
    (track,) = mscli.json("capture", *devices, *command, "-o", "x")["tracks"]
    assert track["settings"]["deviceId"] == "MJPEG"
    assert decoded(mscli.folder / "x", "-f", "mjpeg") == track["frames"] > 20
    devices = described(mscli.folder, failing(in_format("MJPEG"), vanishAfterFrames=10), *others[:2])
    report = json.loads(mscli("capture", *devices, *command, "-o", "y", code=8).stdout)
    assert (report["reason"], report["tracks"][0]["frames"]) == ("ended", 10)
    assert decoded(mscli.folder / "y", "-f", "mjpeg") == 10


def test_what_is_decoded_for_its_size_goes_on_with_any_camera(mscli: Program) -> None:
    devices = described(
        mscli.folder, failing(in_format("MJPEG"), vanishAfterFrames=10), {**CAMERA, "deviceId": "other", "label": "Other"}
    )
    command = ["--format", "native", "--size", "exact:32x24", "--frames", "20", "-c", "deviceId=v", "--fallback", "--json"]
    report = mscli.json("capture", *devices, *command, "-o", "x")
    assert report["tracks"][0]["settings"]["deviceId"] == "other"
    assert (mscli.folder / "x").stat().st_size == 20 * 32 * 24 * 3 // 2


@pytest.mark.parametrize("named", [["--camera", "v"], ["-c", "deviceId=exact:v"]])
def test_a_camera_that_is_named_exactly_has_no_other_and_that_is_said(mscli: Program, named: list[str]) -> None:
    devices = described(mscli.folder, failing(vanishAfterFrames=5), {**CAMERA, "deviceId": "other", "label": "Other"})
    done = mscli("record", *devices, *named, "--fallback", "x.mkv", code=8)
    assert "ignoring --fallback for the camera: it is named exactly (v)" in done.stderr.decode()


def test_a_camera_that_is_preferred_has_another_one(mscli: Program) -> None:
    devices = described(mscli.folder, {**CAMERA, "deviceId": "other", "label": "Other"}, failing(vanishAfterFrames=5))
    done = mscli("record", *devices, "-c", "deviceId=v", "--fallback", "--frames", "9", "x.mkv", code=0)
    assert "named exactly" not in done.stderr.decode()


def test_another_microphone_takes_the_place_of_one_that_is_gone_whatever_its_rate(mscli: Program) -> None:
    require("sox")
    first = {**MICROPHONE, "sampleRates": [48000], "faults": {"vanishAfterFrames": 50}}
    other = {**MICROPHONE, "deviceId": "other", "label": "Other", "sampleRates": [16000]}
    devices = described(mscli.folder, first, other)
    report = mscli.json("record", *devices, "--duration", "2", "--fallback", "--json", "x.wav")
    assert (report["reason"], report["tracks"][0]["settings"]["deviceId"]) == ("duration", "other")
    told = subprocess.run(["soxi", mscli.folder / "x.wav"], capture_output=True, text=True, check=True).stdout
    assert "48000" in told
    assert "00:00:02.0" in told


@pytest.mark.parametrize("command", [["record", "x.mkv"], ["capture", "-o", "x.y4m"], ["snapshot", "x.png"]])
def test_one_that_vanishes_while_it_is_started_is_replaced(mscli: Program, command: list[str]) -> None:
    devices = described(mscli.folder, failing(vanishAfterFrames=0), {**CAMERA, "deviceId": "other", "label": "Other"})
    length = [] if command[0] == "snapshot" else ["--frames", "9"]
    (track,) = mscli.json(*command, *devices, *length, "--fallback", "--json")["tracks"]
    assert track["settings"]["deviceId"] == "other"


def test_one_that_vanishes_while_it_is_started_is_waited_for(mscli: Program) -> None:
    devices = described(mscli.folder, failing(vanishAfterFrames=0))
    done = mscli("record", *devices, "--reconnect", "0.5", "--events", "events", "x.mkv", code=5)
    times = {event["type"]: event["time"] for event in events(mscli.folder)}
    assert times["ended"] - times["mute"] > 0.4
    assert "“Cam” was unplugged" in done.stderr.decode()


def test_what_never_returns_ends_with_what_came_before(mscli: Program) -> None:
    devices = described(mscli.folder, failing(vanishAfterFrames=10))
    done = mscli("record", *devices, "--reconnect", "1", "--json", "--events", "events", "x.mkv", code=8)
    assert json.loads(done.stdout)["reason"] == "ended"
    assert of_tracks(mscli.folder) == ["settings", "start", "mute", "ended", "stop"]


def test_a_program_that_stood_still_blames_no_device(mscli: Program) -> None:
    devices = described(mscli.folder, CAMERA)
    how = ["--timeout", "5,0.3", "--duration", "3", "--events", "events", "--json"]
    command = [*mscli.argv, "record", *devices, *how, "x.mkv"]
    environment = clean_environment() | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, cwd=mscli.folder, env=environment, stdout=subprocess.PIPE) as process:
        wait_for(lambda: '"start"' in (mscli.folder / "events").read_text())
        process.send_signal(signal.SIGSTOP)
        time.sleep(1.8)  # more than 0.8 and 0.3 s
        process.send_signal(signal.SIGCONT)
        report = json.loads(process.communicate(timeout=60)[0])
    assert (process.returncode, report["reason"]) == (0, "duration")


def test_waiting_for_a_device_ends_with_a_signal(mscli: Program) -> None:
    devices = described(mscli.folder, failing(vanishAfterFrames=10))
    done, seconds = signalled(mscli, ["record", "x.mkv", *devices, "--reconnect", "60"], signal.SIGTERM, "mute")
    assert (done.returncode, seconds < SECONDS) == (0, True)


CHANGING = failing({**CAMERA, "modes": [{"width": 64, "height": 48}, {"width": 32, "height": 24}]}, changeAfterFrames=15)


def test_a_camera_that_changes_its_size_is_followed_and_the_file_goes_on(mscli: Program) -> None:
    require("ffprobe")
    devices = described(mscli.folder, CHANGING)
    mscli("record", *devices, "--width", "64", "--frames", "30", "--events", "events", "x.mkv", code=0)
    told = [event for event in events(mscli.folder) if event["type"] == "settings"]
    assert [event["settings"]["width"] for event in told] == [64, 32]
    assert len(picture_times(mscli.folder / "x.mkv")) == 30


def test_a_constraint_that_no_longer_holds_is_told_and_shown_black(mscli: Program) -> None:
    require("ffmpeg")
    devices = described(mscli.folder, CHANGING)
    command = ["record", *devices, "--width", "exact:64", "--frames", "30", "--events", "events", "x.mkv"]
    mscli(*command, code=0)
    assert [event["type"] for event in events(mscli.folder)] == ["settings", "start", "overconstrained", "mute", "stop"]
    assert events(mscli.folder)[2]["constraint"] == "width"
    assert [brightness(mscli.folder / "x.mkv", at) > 100 for at in (0.2, 0.8)] == [True, False]
