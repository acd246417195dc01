"""``mscli snapshot``: series of pictures, pictures made of several frames, and how they are cropped, rotated and shown."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from collections import deque
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from mscli.cli import shooting
from mscli.cli.shooting import ShootingPlan
from mscli.core.frames import VideoFrame
from tests.cli.program import FakeMachine, camera, error_line, eventually, output_of, picture
from tests.conftest import require
from tests.disks import tiny_disk

EV = {"exposureCompensation": {"min": -2, "max": 2, "step": 0.5}}
TIMES = {"exposureMode": ["continuous", "manual"], "exposureTime": {"min": 1, "max": 1000, "default": 100}}


def mean(path: Path) -> float:
    """The mean of a picture, from 0 to 255."""
    require("convert")
    return float(output_of("convert", path, "-colorspace", "gray", "-format", "%[fx:255*mean]", "info:"))


def test_a_series_has_as_many_pictures_as_asked(fake: FakeMachine) -> None:
    report = fake.json("snapshot", "--json", "--count", "3", "--interval", "0.2", "x.jpg")
    assert report["files"] == fake.files == ["x-001.jpg", "x-002.jpg", "x-003.jpg"]
    assert (report["tracks"][0]["frames"], report["reason"]) == (3, "frames")


def test_a_series_goes_on_with_the_next_free_number(fake: FakeMachine) -> None:
    (fake.folder / "x-002.png").write_bytes(b"kept")
    assert fake.json("snapshot", "--json", "--count", "2", "x-%03d.png")["files"] == ["x-001.png", "x-003.png"]
    assert (fake.folder / "x-002.png").read_bytes() == b"kept"
    fake("snapshot", "--count", "2", "--force", "x-%03d.png", code=0)
    assert picture(fake.folder / "x-002.png") == "PNG 640x480"


def test_two_series_at_once_share_the_numbers(fake: FakeMachine) -> None:
    series = ("snapshot", "--json", "--count", "6", "--interval", "0.1", "x-%02d.png")
    with fake.running(*series, events=False) as one, fake.running(*series, events=False) as other:
        done = [one.end(), other.end()]
    assert [(run.returncode, run.stderr) for run in done if run.returncode] == []
    files = [json.loads(run.stdout)["files"] for run in done]
    assert sorted(files[0] + files[1]) == fake.files == [f"x-{number:02d}.png" for number in range(1, 13)]


def test_a_number_that_another_program_is_writing_is_passed_over(fake: FakeMachine) -> None:
    with fake.running("record", "x-%02d.wav"):
        assert eventually(lambda: fake.files)  # it is hidden at first
        assert fake.json("record", "--json", "--duration", "0.1", "x-%02d.wav")["files"] == ["x-02.wav"]


def test_the_number_can_be_written_as_an_index(fake: FakeMachine) -> None:
    assert fake.json("snapshot", "--json", "--burst", "2", "x{index}.png")["files"] == ["x1.png", "x2.png"]
    assert fake.json("snapshot", "--json", "x{index}.png")["files"] == ["x3.png"]


def test_pictures_of_the_same_second_get_a_number(fake: FakeMachine) -> None:
    files = fake.json("snapshot", "--json", "--burst", "3", "%Y.png")["files"]
    assert files == [f"{time.localtime().tm_year}{number}.png" for number in ("", "_02", "_03")]


def taken(path: Path) -> datetime:
    """The time that a picture's EXIF data has."""
    require("exiftool")
    return datetime.strptime(output_of("exiftool", "-s3", "-SubSecDateTimeOriginal", path).strip(), "%Y:%m:%d %H:%M:%S.%f%z")


def test_a_picture_is_named_by_the_time_at_which_it_is_taken(fake: FakeMachine) -> None:
    (file,) = fake.json("snapshot", "--json", "--delay", "1", "%Y%m%d%H%M%S%f%z.jpg")["files"]
    named = datetime.strptime(file, "%Y%m%d%H%M%S%f%z.jpg")
    assert abs(named - taken(fake.folder / file)) < timedelta(seconds=0.5)  # and not that of the start


def test_a_picture_of_a_file_is_taken_now(fake: FakeMachine) -> None:
    fake("record", "--no-audio", "--duration", "0.2", "x.mkv", code=0)
    began = datetime.now().astimezone()
    fake("snapshot", "-i", "x.mkv", "--no-pace", "x.jpg", code=0)
    assert taken(fake.folder / "x.jpg") >= began - timedelta(seconds=0.5)


def test_only_the_newest_are_kept_and_a_link_points_to_the_last(fake: FakeMachine) -> None:
    fake("snapshot", "--count", "4", "--keep", "2", "--latest", "now.jpg", "x.jpg", code=0)
    assert fake.files == ["now.jpg", "x-003.jpg", "x-004.jpg"]
    assert os.readlink(fake.folder / "now.jpg") == "x-004.jpg"


@pytest.mark.parametrize(
    ("arguments", "said", "code"),
    [
        (("--latest", "keep.jpg", "keep.jpg"), "--latest keep.jpg may be the name of a picture itself", 2),
        (("--latest", "./s-002.jpg", "--count", "3", "s-%03d.jpg"), "--latest ./s-002.jpg may be", 2),
        (("--latest", "s-002.jpg", "--count", "3", "s.jpg"), "--latest s-002.jpg may be", 2),
        (("--latest", "now", "--events", "./now", "x.jpg"), "--latest and --events have the same name, now", 2),
        (("--latest", "notes.txt", "x.jpg"), "notes.txt already exists, and is no link; use --force", 9),
        (("--latest", "now.jpg", "-"), "--latest has no effect: “-” is no file", 2),
        (("--show", "-"), "--show has no effect: “-” is no file", 2),
        (("--count", "3", "--keep", "2", "-"), "--keep has no effect: “-” is no file", 2),
    ],
)
def test_a_link_that_would_cost_a_file_is_refused(arguments: tuple[str, ...], said: str, code: int, fake: FakeMachine) -> None:
    (fake.folder / "notes.txt").write_text("mine")
    assert said in error_line(fake("snapshot", *arguments, code=code))
    assert (fake.files, (fake.folder / "notes.txt").read_text()) == (["notes.txt"], "mine")


def test_a_link_never_replaces_a_pipe_or_a_device(fake: FakeMachine) -> None:
    os.mkfifo(fake.folder / "now")
    done = fake("snapshot", "--force", "--latest", "now", "x.jpg", code=9)
    assert error_line(done) == "mscli: error: now is a pipe or a device, which --latest must not replace"
    assert fake.files == ["now"]
    assert (fake.folder / "now").is_fifo()


@pytest.mark.parametrize("series", [(), ("--count", "2")])
def test_a_link_of_an_earlier_run_is_made_anew(series: tuple[str, ...], fake: FakeMachine) -> None:
    for _ in range(2):
        fake("snapshot", *series, "--latest", "now.jpg", "x.jpg", code=0)
    assert os.readlink(fake.folder / "now.jpg") == ("x-004.jpg" if series else "x.jpg")


def test_a_command_is_run_for_each_picture(fake: FakeMachine) -> None:
    fake("snapshot", "--count", "2", "--exec", "cp {} copy-of-{}", "a b.png", code=0)
    assert fake.files == ["a b-001.png", "a b-002.png", "copy-of-a b-001.png", "copy-of-a b-002.png"]


def test_what_a_command_prints_is_no_line_among_json(fake: FakeMachine) -> None:
    command = "sh -c 'echo out; echo err >&2; exit 3' {}"
    done = fake("snapshot", "--json", "--exec", command, "x.png", code=9)
    assert [json.loads(line) for line in done.stderr.splitlines()] == [{"warning": "--exec failed for x.png with exit code 3"}]
    done = fake("snapshot", "--force", "--exec", command, "x.png", code=9)
    assert {b"out", b"err"} < set(done.stderr.splitlines())


def test_a_second_signal_ends_a_command_that_does_not_end(fake: FakeMachine) -> None:
    with fake.running("snapshot", "--exec", "sh -c 'exec sleep 1000'", "x.png") as running:
        assert eventually(lambda: "x.png" in fake.files)
        while running.process.poll() is None:
            running.process.send_signal(signal.SIGINT)
            time.sleep(0.1)
        done = running.end()
    assert (done.returncode, b"--exec did not end for x.png and was terminated" in done.stderr) == (9, True)


@pytest.mark.parametrize(("command", "said"), [("false", b"exit code 1"), ("/no/such/program", b"cannot run")])
def test_a_command_that_fails_is_told_and_the_pictures_stay(command: str, said: bytes, fake: FakeMachine) -> None:
    done = fake("snapshot", "--exec", command, "x.png", code=9)
    assert said in done.stderr
    assert fake.files == ["x.png"]


@pytest.mark.parametrize(
    ("plan", "gather_s"),
    [
        (ShootingPlan(), 0.0),  # one picture is wanted at once
        (ShootingPlan(burst=5), 0.0),
        (ShootingPlan(trigger="stdin"), 0.0),
        (ShootingPlan(number=1000), 0.2),
        (ShootingPlan(interval_s=10.0), 0.2),
        (ShootingPlan(clock_s=60), 0.2),
        (ShootingPlan(interval_s=0.5), 0.05),  # never so long that a tick is missed
    ],
)
def test_only_the_frames_of_a_long_series_wait_for_each_other(plan: ShootingPlan, gather_s: float) -> None:
    assert plan.gather_s == gather_s


def test_a_burst_has_consecutive_frames(fake: FakeMachine) -> None:
    report = fake.json("snapshot", "--json", "--burst", "5", "x.png")
    assert len(report["files"]) == 5
    assert report["tracks"][0]["frameRate"] == pytest.approx(30, abs=1)  # by the timestamps of the first and the last


def test_a_signal_ends_a_burst_with_the_frames_that_have_come(fake: FakeMachine) -> None:
    fake.plug(camera(faults={"stallAfterFrames": 7}))
    with fake.running("snapshot", "--json", "--burst", "50", "--settle", "off", "x.png") as run:
        run.wait_for("mute")
        run.send(signal.SIGINT)
        done = run.end()
    report = json.loads(done.stdout)
    assert (done.returncode, report["reason"], len(report["files"]), report["files"]) == (0, "signal", 7, fake.files)


def test_a_burst_is_written_while_it_comes_once_its_memory_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    size = 4 * 4
    monkeypatch.setattr(shooting, "BURST_BYTES", 2 * size)
    seen = []

    def frames() -> Iterator[VideoFrame]:
        for number in range(6):
            seen.append(f"came {number}")
            yield VideoFrame("GREY", 4, 4, number, (memoryview(bytes(size)),), (4,))

    for frame in shooting._gathered(frames(), 5, deque()):
        seen.append(f"used {frame.timestamp}")
    assert seen == ["came 0", "came 1", "came 2", "used 0", "used 1", "used 2",
                    "came 3", "used 3", "came 4", "used 4", "came 5", "used 5"]  # fmt: skip


@pytest.mark.parametrize("controls", [EV, TIMES])
def test_a_bracket_has_darker_and_brighter_pictures(controls: dict[str, Any], fake: FakeMachine) -> None:
    require("exiftool")
    fake.plug(camera(controls=controls))
    fake("snapshot", "--bracket", "-2,0,2", "x.png", code=0)
    dark, usual, bright = (mean(fake.folder / name) for name in fake.files if name.endswith(".png"))
    assert dark < usual - 20 < bright - 30
    fake("snapshot", "after.png", code=0)
    assert mean(fake.folder / "after.png") == pytest.approx(usual, abs=3)


@pytest.mark.parametrize("manual", [("--exposure-mode", "manual"), ("--exposure-time", "50")])
def test_a_bracket_of_a_manual_exposure_has_other_exposure_times(manual: tuple[str, ...], fake: FakeMachine) -> None:
    fake.plug(camera(controls={**EV, **TIMES}))
    done = fake("snapshot", *manual, "--bracket", "-1,0,1", "x.png", code=0)
    dark, usual, bright = (mean(fake.folder / name) for name in fake.files)
    assert dark < usual - 10 < bright - 20
    assert b"warning" not in done.stderr
    fake("snapshot", *manual, "alone.png", code=0)
    assert mean(fake.folder / "alone.png") == pytest.approx(usual, abs=3)


@pytest.mark.parametrize(
    ("controls", "said"),
    [
        (EV, b"set exposureCompensation to -2, not -4; from -2 to 2 is possible"),
        (TIMES, b"set exposureTime to 1000, not 1600; from 1 to 1000 is possible"),
    ],
)
def test_an_exposure_that_the_camera_cannot_have_is_told_once(controls: dict[str, Any], said: bytes, fake: FakeMachine) -> None:
    fake.plug(camera(controls=controls))
    done = fake("snapshot", "--bracket", "-4,0,4", "--count", "2", "x.png", code=0)
    assert done.stderr.count(said) == 1


def test_a_camera_without_exposure_cannot_bracket(fake: FakeMachine) -> None:
    fake.plug(camera())
    assert "exposure" in error_line(fake("snapshot", "--bracket", "-1,1", "x.png", code=7))
    assert fake.files == []


def test_the_picture_of_a_camera_that_settles_is_settled(fake: FakeMachine) -> None:
    fake("snapshot", "usual.png", code=0)
    fake.plug(camera(faults={"settleFrames": 20}))
    fake("snapshot", "--settle", "off", "first.png", code=0)
    report = fake.json("snapshot", "--json", "settled.png")
    assert report["skipped"]["unsettled"] >= 15
    fake("snapshot", "--settle", "25", "skipped.png", code=0)
    usual, first, settled, skipped = (mean(fake.folder / f"{name}.png") for name in ("usual", "first", "settled", "skipped"))
    assert first < usual - 20
    assert settled == pytest.approx(usual, abs=3)
    assert skipped == pytest.approx(usual, abs=3)


def test_one_that_never_settles_is_taken_with_a_warning(fake: FakeMachine) -> None:
    fake.plug(camera(faults={"settleFrames": 1_000_000}))
    done = fake("snapshot", "--settle", "0.5s", "x.png", code=0)
    assert b"had not settled after 0.5 s" in done.stderr
    assert fake.files == ["x.png"]


@pytest.mark.parametrize(
    ("fault", "why", "pixel_format"),
    [
        ("blackFrames", "black", "I420"),
        ("blackFrames", "black", "MJPEG"),
        ("frozenFrames", "frozen", "I420"),
        ("tornFrames", "damaged", "MJPEG"),
    ],
)
def test_a_black_frozen_or_torn_frame_is_never_the_picture(fault: str, why: str, pixel_format: str, fake: FakeMachine) -> None:
    modes = [{"width": 320, "height": 240, "frameRate": 60, "pixelFormat": pixel_format}]
    fake.plug(camera(modes=modes, faults={fault: 6}))
    report = fake.json("snapshot", "--json", "--settle", "30s", "x.jpg")
    assert report["skipped"].get(why, 0) + report["tracks"][0]["damaged"] >= (5 if why == "frozen" else 6)
    fake.plug(camera(modes=modes))
    fake("snapshot", "usual.jpg", code=0)
    assert mean(fake.folder / "x.jpg") == pytest.approx(mean(fake.folder / "usual.jpg"), abs=3)


def test_a_camera_that_freezes_for_half_a_second_is_waited_for(fake: FakeMachine) -> None:
    fake.plug(camera(faults={"frozenFrames": 15}))
    assert fake.json("snapshot", "--json", "x.png")["skipped"]["frozen"] >= 10


def test_a_camera_that_shows_only_black_is_an_error(fake: FakeMachine) -> None:
    fake.plug(camera(faults={"blackFrames": 1_000_000}))
    done = fake("snapshot", "--settle", "0.3s", "x.png", code=5)
    assert "sent only black frames" in error_line(done)
    assert "lens cap" in done.stderr.decode()
    assert fake.files == []
    assert "sent only black frames" in error_line(fake("snapshot", "--settle", "3", "x.png", code=5))
    assert fake.files == []
    fake("snapshot", "--settle", "off", "x.png", code=0)


@pytest.mark.parametrize("flags", [("--best-of", "4"), ("--average", "4")])
def test_a_picture_of_several_frames(flags: tuple[str, ...], fake: FakeMachine) -> None:
    assert fake.json("snapshot", "--json", *flags, "x.png")["tracks"][0]["frames"] == 1
    assert picture(fake.folder / "x.png") == "PNG 640x480"


@pytest.mark.parametrize(
    ("flags", "size"),
    [
        (("--rotate", "90"), "480x640"),
        (("--crop", "10,20,100,50"), "100x50"),
        (("--crop", "100x50+10+20"), "100x50"),
        (("--flip", "vertical"), "640x480"),
        (("--timestamp",), "640x480"),
    ],
)
def test_pictures_are_cropped_flipped_and_rotated(flags: tuple[str, ...], size: str, fake: FakeMachine) -> None:
    fake("snapshot", *flags, "x.jpg", code=0)
    assert picture(fake.folder / "x.jpg") == f"JPEG {size}"


def test_a_crop_outside_the_picture_is_refused(fake: FakeMachine) -> None:
    assert "640×480" in error_line(fake("snapshot", "--crop", "600,0,100,100", "x.png", code=7))
    assert fake.files == []


def test_each_line_on_stdin_is_a_picture(fake: FakeMachine) -> None:
    report = json.loads(fake("snapshot", "--json", "--trigger", "stdin", "x.png", stdin=b"\n\n\n", code=0).stdout)
    assert report["files"] == ["x-001.png", "x-002.png", "x-003.png"]
    assert report["triggers"] == {"counted": 3, "missed": 0}


def test_a_full_disk_ends_a_series_and_the_report_says_what_there_is(fake: FakeMachine) -> None:
    with tiny_disk(fake.folder / "disk", 100_000):
        done = fake("snapshot", "--json", "--count", "200", "disk/x.png", code=9)
        files = json.loads(done.stdout)["files"]
        assert len(files) > 1
        assert sorted(files) == sorted(f"disk/{name}" for name in os.listdir(fake.folder / "disk"))


def test_a_link_that_cannot_be_made_costs_no_picture(fake: FakeMachine) -> None:
    (fake.folder / "now").mkdir()
    done = fake("snapshot", "--json", "--count", "3", "--keep-going", "--latest", "now", "x.png", code=9)
    report = json.loads(done.stdout)
    assert report["files"] == ["x-001.png", "x-002.png", "x-003.png"]
    assert fake.files == ["now", *report["files"]]
    assert report.get("warnings", []) == []
    assert done.stderr.count(b"cannot link now") == 1


def test_a_series_goes_on_after_a_full_disk_if_asked(fake: FakeMachine) -> None:
    with tiny_disk(fake.folder / "disk", 100_000):
        filler = fake.folder / "disk" / "filler"
        filler.write_bytes(bytes(40_000))
        with fake.running("snapshot", "--json", "--interval", "0.1", "--keep-going", "disk/x.png") as run:
            assert run.wait_for("error")["error"]["name"] == "OperationError"
            filler.unlink()
            saved = run.wait_for("dataavailable")["file"]
            run.send(signal.SIGINT)
            done = run.end()
        report = json.loads(done.stdout)
        assert done.returncode == 9
        assert saved in report["files"]
        assert sorted(report["files"]) == sorted(f"disk/{name}" for name in os.listdir(fake.folder / "disk"))
        assert any("could not be written" in warning for warning in report["warnings"])


def test_a_signal_while_a_picture_is_awaited_ends_a_series(fake: FakeMachine) -> None:
    fake.plug(camera(modes=[{"width": 64, "height": 48, "frameRate": 1}]))
    with fake.running("snapshot", "--json", "--count", "1000", "--settle", "off", "x.png") as run:
        run.wait_for("dataavailable")
        run.send(signal.SIGINT)
        done = run.end()
    assert (done.returncode, json.loads(done.stdout)["files"]) == (0, fake.files)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_series(number: signal.Signals, fake: FakeMachine) -> None:
    with fake.running("snapshot", "--json", "--interval", "0.2", "x.jpg") as run:
        run.wait_for("dataavailable")
        run.wait_for("dataavailable")
        run.send(number)
        done = run.end()
    assert done.returncode == 0
    report = json.loads(done.stdout)
    assert report["reason"] == "signal"
    assert report["files"] == fake.files


def test_a_series_survives_an_unplug_with_reconnect(fake: FakeMachine) -> None:
    fake.plug(camera(faults={"vanishAfterFrames": 15, "returnAfterSeconds": 0.5}))
    report = fake.json("snapshot", "--json", "--interval", "0.2", "--count", "6", "--reconnect", "60", "x.png")
    assert (len(report["files"]), report["reason"]) == (6, "frames")
    done = fake("snapshot", "--json", "--interval", "0.2", "--count", "100", "y.png", code=8)  # exit code 8: the camera is gone
    alone = json.loads(done.stdout)
    assert (0 < len(alone["files"]) < 100, alone["reason"]) == (True, "ended")


def test_one_picture_stands_for_those_that_were_due_during_an_unplug(fake: FakeMachine) -> None:
    fake.plug(camera(faults={"vanishAfterFrames": 45, "returnAfterSeconds": 2.5}))
    flags = ("--interval", "1s", "--count", "4", "--reconnect", "60")
    report = fake.json("snapshot", "--json", "--settle", "off", *flags, "%Y%m%d%H%M%S%f.png")
    times = [datetime.strptime(name, "%Y%m%d%H%M%S%f.png") for name in report["files"]]
    assert min(later - one for one, later in pairwise(times)) > timedelta(seconds=0.1)
    assert "missed, because the camera was away" in report["warnings"][0]


def test_the_interval_of_a_file_without_pace_is_in_its_own_time(fake: FakeMachine) -> None:
    fake("capture", "--frames", "90", "--size", "64x48", "--format", "y4m", "-o", "x.y4m", code=0)
    of_file = ("snapshot", "--json", "-i", "x.y4m", "--no-pace", "--no-metadata")
    report = fake.json(*of_file, "--interval", "1s", "x.png")
    assert (report["files"], report.get("warnings", [])) == (["x-001.png", "x-002.png", "x-003.png"], [])
    fake(*of_file, "--delay", "2s", "late.png", code=0)
    assert (fake.folder / "late.png").read_bytes() == (fake.folder / "x-003.png").read_bytes()


def test_the_camera_is_closed_between_pictures_if_asked(fake: FakeMachine) -> None:
    fake("snapshot", "--count", "3", "--close-between", "--events", "log", "x.png", code=0)
    opened = [line for line in (fake.folder / "log").read_text().splitlines() if json.loads(line)["type"] == "settings"]
    assert len(opened) == 3


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--interval", "1", "--at-clock", "1m"), "cannot be combined"),
        (("--best-of", "2", "--average", "2"), "cannot be combined"),
        (("--at-clock", "1m", "-i", "x.mp4", "--no-pace"), "--at-clock and --no-pace cannot be combined"),
        (("--trigger", "stdin", "-i", "x.mp4", "--no-pace"), "--trigger and --no-pace cannot be combined"),
        (("--keep", "3"), "--keep needs --count, --interval"),
        (("--crop", "1,2,3"), "640x480+100+50"),
        (("--bracket", "a,b"), "-2,0,2"),
        (("--settle", "soon"), "2s"),
        (("--count", "0"), "0"),
        (("--exec", "echo 'a"), "“echo 'a” is not a command: no closing quotation"),
        (("--exec", "echo 'a", "--dry-run"), "no closing quotation"),
        (("--exec", ""), "names no command"),
    ],
)
def test_options_that_make_no_sense_are_refused(flags: tuple[str, ...], said: str, fake: FakeMachine) -> None:
    done = fake("snapshot", *flags, "x.png", code=2)
    assert said in done.stderr.decode()
    assert fake.files == []


CHANGES = (
    ("--brightness", "40"),
    ("--contrast", "60"),
    ("--saturation", "0"),
    ("--exposure-time", "500"),
    ("--exposure-compensation", "-1"),
    ("--color-temperature", "6000"),
    ("--focus-distance", "200"),
    ("--pan", "7200"),
    ("--tilt", "-36000"),
    ("--zoom", "250"),
    ("--torch", "true"),
)


def test_each_control_of_the_built_in_camera_changes_its_picture(fake: FakeMachine) -> None:
    def taken_with(*flags: str) -> bytes:
        return fake("snapshot", "--settle", "off", "--no-metadata", "--format", "png", *flags, "-", code=0).stdout

    pictures = [taken_with(), *(taken_with(*flags) for flags in CHANGES)]
    assert taken_with() == pictures[0]
    assert len(set(pictures)) == len(pictures)


CONTROLS = {"brightness": {"min": 0, "max": 255, "default": 100}, **TIMES}


def test_controls_are_restored_at_the_end_if_asked(fake: FakeMachine) -> None:
    fake.plug(camera(controls=CONTROLS))
    change = {"applyConstraints": {"video": {"brightness": 200}}}
    lines = [change, {"snapshot": "x.png"}, {"stop": True}]
    stdin = "".join(json.dumps(line) + "\n" for line in lines).encode()
    done = fake("capture", "--restore", "--events", "log", "--control", "-", "-o", "x.raw", stdin=stdin, code=0)
    assert done.stderr.count(b"could not be restored") == 0
    assert re.findall(r"changed: .*", done.stderr.decode()) == ["changed: camera “Camera”: brightness 200"]
    events = [json.loads(line) for line in (fake.folder / "log").read_text().splitlines()]
    brightness = [event["settings"]["brightness"] for event in events if event["type"] == "settings"]
    assert brightness[:2] == [100, 200]


def test_what_is_restored_is_not_talked_about(fake: FakeMachine) -> None:
    fake.plug(camera(controls=CONTROLS))
    assert b"changed" not in fake("snapshot", "--restore", "--brightness", "200", "x.png", code=0).stderr


def test_saved_settings_are_constraints_that_set_the_camera_again(fake: FakeMachine) -> None:
    fake.plug(camera(controls=CONTROLS))
    flags = ("--brightness", "180", "--exposure-mode", "manual", "--exposure-time", "250")
    fake("snapshot", *flags, "--save-settings", "cam.json", "bright.png", code=0)
    assert json.loads((fake.folder / "cam.json").read_text()) == {
        "video": {"exposureMode": "manual", "exposureTime": 250, "brightness": 180}
    }
    report = fake.json("snapshot", "--json", "--constraints", "cam.json", "again.png")
    settings = report["tracks"][0]["settings"]
    assert (settings["brightness"], settings["exposureMode"], settings["exposureTime"]) == (180, "manual", 250)
    assert mean(fake.folder / "again.png") == pytest.approx(mean(fake.folder / "bright.png"), abs=3)


@pytest.mark.parametrize(("settings", "output"), [("./cal.png", "cal.png"), ("-", "-")])
def test_settings_are_not_saved_into_the_picture(settings: str, output: str, fake: FakeMachine) -> None:
    done = fake("snapshot", "--save-settings", settings, output, code=2)
    assert f"--save-settings and the output are the same file, {settings}" in error_line(done)
    assert (fake.files, done.stdout) == ([], b"")


def test_settings_can_be_saved_to_stdout(fake: FakeMachine) -> None:
    fake.plug(camera(controls=CONTROLS))
    done = fake("snapshot", "--brightness", "180", "--save-settings", "-", "x.png", code=0)
    assert json.loads(done.stdout)["video"]["brightness"] == 180
    assert fake.files == ["x.png"]


def test_settings_that_cannot_be_saved_are_an_error(fake: FakeMachine) -> None:
    fake.plug(camera(controls=CONTROLS))
    assert "cannot write" in error_line(fake("snapshot", "--save-settings", "no/cam.json", "x.png", code=9))


def test_capabilities_tell_what_controls_are_set_to_and_why_one_is_inactive(fake: FakeMachine) -> None:
    fake.plug(camera(controls={"zoom": {"min": 100, "max": 400, "value": 150, "default": 100}, **TIMES}))
    controls = fake.json("capabilities", "--json")["controls"]
    assert controls["zoom"] == {"value": 150, "default": 100}
    assert controls["exposureTime"] == {"value": 100, "default": 100, "inactive": True}
    rows = fake("capabilities", code=0).stdout.decode().splitlines()
    (zoom,) = (row.split() for row in rows if row.startswith("zoom"))
    assert zoom == ["zoom", "100", "–", "400", "150", "100"]
    assert any("exposureTime" in row and "inactive until exposureMode is manual" in row for row in rows)


def test_a_control_that_the_camera_always_sets_by_itself_says_so(fake: FakeMachine) -> None:
    fake.plug(camera(controls={**TIMES, "exposureMode": ["continuous"]}))
    assert "inactive because exposureMode is always continuous" in fake("capabilities", code=0).stdout.decode()


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("-c", "brigtness=3"), "ignoring unknown constraint “brigtness” (did you mean “brightness”?)"),
        (("--zoom", "3"), "camera “Camera” has no zoom"),
        (("--brightness", "999"), "camera “Camera” set brightness to 255, not 999; from 0 to 255 is possible"),
        (("--exposure-mode", "continuous", "--exposure-time", "9"), "cannot set exposureTime while exposureMode is continuous"),
        (
            ("--exposure-time", "9", "--exposure-compensation", "2"),
            "cannot set exposureTime beside exposureCompensation, which needs exposureMode continuous",
        ),
        (("--sharpness", "9"), "camera “Camera” cannot set sharpness, which is always 5"),
        (("--focus-mode", "continuous"), "set focusMode to manual, not continuous; possible: manual"),
    ],
)
def test_a_control_that_cannot_be_as_asked_is_told(flags: tuple[str, ...], said: str, fake: FakeMachine) -> None:
    fake.plug(camera(controls={**CONTROLS, **EV, "sharpness": {"min": 5, "max": 5, "default": 5}, "focusMode": ["manual"]}))
    assert said in fake("snapshot", *flags, "x.png", code=0).stderr.decode()


def test_controls_that_are_as_asked_are_not_talked_about(fake: FakeMachine) -> None:
    fake.plug(camera(controls=CONTROLS))
    assert b"warning" not in fake("snapshot", "--brightness", "50", "--exposure-time", "20", "x.png", code=0).stderr


@pytest.mark.parametrize(
    ("flags", "said", "hint"),
    [
        (("--brightness", "exact:999"), "brightness = 999", "brightness can be from 0 to 255"),
        (("--exposure-time", "min:2000"), "exposureTime ≥ 2000 × 100 µs", "exposureTime can be from 1 to 1000"),
        (("--exposure-mode", "exact:none"), "exposureMode = “none”", "exposureMode can be “continuous” or “manual”"),
        (("--zoom", "exact:200"), "zoom = 200", ""),
    ],
)
def test_a_required_control_that_no_camera_has_is_overconstrained(
    flags: tuple[str, ...], said: str, hint: str, fake: FakeMachine
) -> None:
    fake.plug(camera(controls=CONTROLS))
    done = fake("snapshot", *flags, "x.png", code=6)
    assert error_line(done) == f"mscli: error: no camera offers {said} (OverconstrainedError)"
    assert done.stderr.decode().splitlines()[1:] == [f"  {hint}"] * bool(hint)
    assert fake.files == []


def test_a_required_control_is_set_with_the_mode_that_it_needs(fake: FakeMachine) -> None:
    fake.plug(camera(label="Plain"), camera(label="Able", controls=CONTROLS))
    (track,) = fake.json("snapshot", "--json", "--exposure-time", "exact:250", "--brightness", "min:150", "x.png")["tracks"]
    assert (track["label"], track["settings"]["exposureMode"], track["settings"]["exposureTime"]) == ("Able", "manual", 250)
    assert track["settings"]["brightness"] >= 150


def test_a_later_change_out_of_range_is_overconstrained(fake: FakeMachine) -> None:
    fake.plug(camera(controls=CONTROLS))
    lines = [{"applyConstraints": {"video": {"brightness": {"exact": 999}}}}, {"stop": True}]
    stdin = "".join(json.dumps(line) + "\n" for line in lines).encode()
    done = fake("capture", "--control", "-", "-o", "x.raw", stdin=stdin)
    assert b"OverconstrainedError" in done.stderr + done.stdout
    assert b"brightness" in done.stderr + done.stdout
