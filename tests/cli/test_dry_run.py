"""``--dry-run`` and ``--explain``: what would be used and why, with nothing started and no file made."""

from __future__ import annotations

import json

import pytest

from tests.cli.program import FakeMachine, camera, error_json, microphone

COMMANDS = [("snapshot", "x.png"), ("record", "x.mkv"), ("capture", "-o", "x.raw")]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_a_dry_run_starts_nothing_and_makes_nothing(command: tuple[str, ...], fake: FakeMachine) -> None:
    fake.plug(camera(faults={"errorOnStart": True}), microphone(faults={"errorOnStart": True}))
    report = fake.json(*command, "--dry-run", "--json", "--width", "exact:160")
    assert set(report) == {"tracks"}
    (video,) = (track for track in report["tracks"] if track["kind"] == "video")
    assert set(video) == {"kind", "label", "settings", "constraints", "mode"}
    assert (video["label"], video["constraints"]) == ("Camera", {"width": {"exact": 160}})
    assert (video["settings"]["width"], video["settings"]["resizeMode"]) == (160, "crop-and-scale")
    assert video["mode"] == {"width": 320, "height": 240, "frameRate": 30, "pixelFormat": "I420"}
    done = fake(*command, "--dry-run", code=0)
    assert (done.stdout, fake.files) == (b"", [])
    assert "camera “Camera”: 320×240 at 30 fps, I420" in done.stderr.decode().splitlines()


def test_an_explanation_has_every_candidate_with_its_distance_or_what_excluded_it(fake: FakeMachine) -> None:
    flags = ("--height", "min:700", "--frame-rate", "60", "-c", "resizeMode=exact:none")
    done = fake("snapshot", "--dry-run", "--explain", *flags, "x.png", code=0)
    assert done.stdout == b""
    rows = [line.split() for line in done.stderr.decode().splitlines()]
    (chosen,) = (row for row in rows if row[:1] == ["→"])
    assert {"1280×720", "60", "fps", "0.0000"} <= set(chosen)
    assert all(row[-1] == "height" for row in rows if "640×480" in row)
    (video,) = fake.json("snapshot", "--dry-run", "--explain", "--json", *flags, "x.png")["tracks"]
    excluded = [one for one in video["candidates"] if "excludedBy" in one]
    kept = [one for one in video["candidates"] if "distance" in one]
    assert len(excluded) + len(kept) == len(video["candidates"]) >= 6
    assert {"height"} <= {one["excludedBy"] for one in excluded} <= {"height", "resizeMode"}
    assert min(kept, key=lambda one: one["distance"])["settings"] == video["settings"]
    assert all(sum(one["distances"].values()) == pytest.approx(one["distance"]) for one in kept)


def test_an_explanation_is_also_of_what_fits_nothing(fake: FakeMachine) -> None:
    done = fake("snapshot", "--explain", "--height", "exact:5000", "x.png", code=6)
    text = done.stderr.decode()
    assert text.count(" height") >= 6
    assert text.index("excluded by") < text.index("mscli: error: ")


def test_a_run_can_be_explained_too(fake: FakeMachine) -> None:
    done = fake("capture", "--explain", "--frames", "1", "--size", "64x48", code=0)
    assert len(done.stdout) == 64 * 48 * 3 // 2
    assert "→" in done.stderr.decode()
    report = json.loads(fake("capture", "--explain", "--json", "--frames", "1", code=0).stderr)
    assert report["reason"] == "frames"


def test_a_verbose_run_tells_its_settings_first_as_json(fake: FakeMachine) -> None:
    done = fake("record", "--json", "--verbose", "--frames", "2", "x.mkv", code=0)
    first, last = map(json.loads, done.stdout.splitlines())
    assert {track["kind"]: set(track) for track in first["tracks"]} == {
        "audio": {"kind", "label", "settings", "constraints"},
        "video": {"kind", "label", "settings", "constraints", "mode"},
    }
    assert [track["settings"] for track in first["tracks"]] == [track["settings"] for track in last["tracks"]]
    assert done.stderr == b""


@pytest.mark.parametrize("command", [("snapshot", "x.png"), ("capture", "--frames", "1", "-o", "x.raw")])
def test_an_explained_run_is_negotiated_and_warned_of_once(command: tuple[str, ...], fake: FakeMachine) -> None:
    fake.plug(camera())
    said = fake(*command, "--explain", "-c", "widht=320", code=0).stderr.decode()
    assert said.count("did you mean “width”") == said.count("→") == 1


def test_a_run_that_fails_explains_itself_in_its_json(fake: FakeMachine) -> None:
    done = fake("capture", "--explain", "--json", "--width", "exact:9999", code=6)
    assert {candidate["excludedBy"] for candidate in error_json(done)["candidates"]} == {"width"}


def test_an_explained_failure_has_the_candidates_in_its_json(fake: FakeMachine) -> None:
    done = fake("capture", "--dry-run", "--explain", "--json", "--width", "exact:9999", code=6)
    error = error_json(done)
    assert {candidate["excludedBy"] for candidate in error["candidates"]} == {"width"}


def test_the_mode_that_is_told_is_the_one_that_would_run(fake: FakeMachine) -> None:
    modes = [("YUYV", 640, 480, 30), ("MJPEG", 640, 480, 30), ("MJPEG", 1920, 1080, 60)]
    keys = ("pixelFormat", "width", "height", "frameRate")
    fake.plug(camera(modes=[dict(zip(keys, mode, strict=True)) for mode in modes]))
    (track,) = fake.json("capture", "--dry-run", "--json", "--frame-rate", "exact:15")["tracks"]
    assert track["mode"] == {"pixelFormat": "YUYV", "width": 640, "height": 480, "frameRate": 30}
