"""Constraints on the command line become what a browser would have been given."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.cli.program import FakeMachine, error_line

VIDEO: list[tuple[str, str, str, Any]] = [  # flag, value, IDL name, constraint
    ("--width", "640", "width", 640),
    ("--height", "min:100,ideal:480,max:2000", "height", {"min": 100, "ideal": 480, "max": 2000}),
    ("--frame-rate", "ideal:29.97", "frameRate", {"ideal": 29.97}),
    ("--aspect-ratio", "4:3", "aspectRatio", 4 / 3),
    ("--facing-mode", "exact:user", "facingMode", {"exact": "user"}),
    ("--resize-mode", "none|crop-and-scale", "resizeMode", ["none", "crop-and-scale"]),
    ("--group-id", "fake-webcam", "groupId", "fake-webcam"),
    ("--camera", "FAKE", "deviceId", {"exact": "fake-camera"}),
]
AUDIO: list[tuple[str, str, str, Any]] = [
    ("--sample-rate", "exact:48000", "sampleRate", {"exact": 48000}),
    ("--sample-size", "16", "sampleSize", 16),
    ("--channel-count", "max:2", "channelCount", {"max": 2}),
    ("--latency", ".01", "latency", 0.01),
    ("--echo-cancellation", "true", "echoCancellation", True),
    ("--auto-gain-control", "FALSE", "autoGainControl", False),
    ("--noise-suppression", "ideal:true", "noiseSuppression", {"ideal": True}),
    ("--microphone", "fake mic", "deviceId", {"exact": "default"}),
]
SNAPSHOT = ("snapshot", "--dry-run", "--json", "x.png")


def tracks(fake: FakeMachine, *arguments: str) -> dict[str, dict[str, Any]]:
    """What a dry run would use, by kind."""
    return {track["kind"]: track for track in fake.json(*arguments)["tracks"]}


def asked(fake: FakeMachine, *flags: str) -> Any:
    """The video constraints that flags stand for."""
    return tracks(fake, *SNAPSHOT, *flags)["video"]["constraints"]


def test_every_flag_is_the_constraint_of_its_name(fake: FakeMachine) -> None:
    flags = [f"{flag}={value}" for flag, value, _, _ in VIDEO + AUDIO]
    found = tracks(fake, "record", "--dry-run", "--json", "x.mkv", *flags)
    assert found["video"]["constraints"] == {name: constraint for _, _, name, constraint in VIDEO}
    assert found["audio"]["constraints"] == {name: constraint for _, _, name, constraint in AUDIO}
    assert fake.files == []


def test_every_constraint_goes_by_its_idl_name(fake: FakeMachine) -> None:
    named = [part for _, value, name, _ in VIDEO + AUDIO if name != "deviceId" for part in ("-c", f"{name}={value}")]
    found = tracks(fake, "record", "--dry-run", "--json", "x.mkv", *named)
    both = {"groupId": "fake-webcam"}  # of either kind: it is a wish that no microphone here fulfils
    assert found["video"]["constraints"] == {name: value for _, _, name, value in VIDEO if name != "deviceId"}
    assert found["audio"]["constraints"] == both | {name: value for _, _, name, value in AUDIO if name != "deviceId"}


@pytest.mark.parametrize(
    ("text", "ratio"),
    [
        ("16:9", 16 / 9),
        ("16/9", 16 / 9),
        ("1.5", 1.5),
        ("exact:16:9", {"exact": 16 / 9}),
        ("min:4:3,max:16/9", {"min": 4 / 3, "max": 16 / 9}),
    ],
)
def test_an_aspect_ratio_is_written_as_people_write_it(text: str, ratio: Any, fake: FakeMachine) -> None:
    assert asked(fake, f"--aspect-ratio={text}")["aspectRatio"] == ratio


@pytest.mark.parametrize(
    ("text", "width", "height"),
    [("1280x720", 1280, 720), ("320X240", 320, 240), ("exact:640x480", {"exact": 640}, {"exact": 480})],
)
def test_a_size_is_width_and_height(text: str, width: Any, height: Any, fake: FakeMachine) -> None:
    assert asked(fake, f"--size={text}") == {"width": width, "height": height}


@pytest.mark.parametrize(
    "flag",
    [
        "--width=-1",
        "--width=1.5",
        "--width=1e3",
        "--width=",
        "--width=exact:",
        "--width=640,480",
        "--width=min:1,min:2",
        "--width=least:640",
        "--frame-rate=nan",
        "--frame-rate=inf",
        "--frame-rate=fast",
        "--aspect-ratio=16:0",
        "--size=640",
        "--size=640x",
        "--size=640x480x2",
        "--facing-mode=",
        "--facing-mode=min:user",
        "--noise-suppression=maybe",
        "--echo-cancellation=ture",
        "--constraint=width",
        "--constraint=width=wide",
    ],
)
def test_a_value_that_does_not_parse_is_a_usage_error_that_names_the_flag(flag: str, fake: FakeMachine) -> None:
    line = error_line(fake(*SNAPSHOT[:2], "x.png", flag, code=2))
    assert line.startswith("mscli: error: ")
    assert flag.partition("=")[0] in line


def test_numbers_beyond_all_bounds_are_an_answer_or_an_error(fake: FakeMachine) -> None:
    assert asked(fake, "--size", "99999999999x99999999999") == {"width": 2**32 - 1, "height": 2**32 - 1}
    fake(*SNAPSHOT, "--width", f"exact:{'9' * 400}", code=6)
    fake(*SNAPSHOT, "--width", "9" * 5000, code=2)
    fake(*SNAPSHOT, "--frame-rate", "9" * 400, code=2)


def test_constraints_are_read_from_a_file_from_stdin_and_from_the_line(fake: FakeMachine) -> None:
    text = '{"video": {"width": {"exact": 320}, "advanced": [{"frameRate": 15}]}}'
    given = json.loads(text)["video"]
    (fake.folder / "page.json").write_text(text, encoding="utf-8-sig")  # with the mark that some editors put first
    assert asked(fake, "--constraints", text) == given
    assert asked(fake, "--constraints", "page.json") == given
    assert (
        json.loads(fake(*SNAPSHOT, "--constraints", "-", stdin=text.encode(), code=0).stdout)["tracks"][0]["constraints"]
        == given
    )


def test_constraints_that_never_come_are_an_error(fake: FakeMachine) -> None:
    assert "stdin is not valid JSON" in error_line(fake(*SNAPSHOT[:2], "x.png", "--constraints", "-", code=2))
    done = fake.shell("mscli snapshot --constraints - x.png <&-")
    assert (done.returncode, "stdin" in error_line(done)) == (2, True)


def test_flags_override_constraints_property_by_property(fake: FakeMachine) -> None:
    page = json.dumps({"video": {"width": {"exact": 1280}, "height": {"min": 100}, "facingMode": "user"}})
    assert asked(fake, "--constraints", page, "--width", "320", "-c", "frameRate=15") == {
        "width": 320,
        "height": {"min": 100},
        "facingMode": "user",
        "frameRate": 15,
    }


def test_values_in_json_are_converted_as_in_a_browser(fake: FakeMachine) -> None:
    page = json.dumps(
        {"video": {"width": "320", "height": {"exact": 240.4}, "facingMode": None, "colour": "red"}, "audio": False}
    )
    found = tracks(fake, "record", "--dry-run", "--json", "--quiet", "x.mkv", "--constraints", page)
    assert set(found) == {"video"}
    assert (found["video"]["settings"]["width"], found["video"]["settings"]["height"]) == (320, 240)


def test_constraints_say_which_kinds_and_switches_override_them(fake: FakeMachine) -> None:
    page = ("record", "--dry-run", "--json", "x.mkv", "--constraints", '{"audio": true, "video": {}}')
    assert set(tracks(fake, *page)) == {"audio", "video"}
    assert set(tracks(fake, *page, "--no-video")) == {"audio"}
    assert set(tracks(fake, *page, "--no-audio")) == {"video"}
    assert set(tracks(fake, "capture", "--dry-run", "--json", "--constraints", '{"audio": {}}')) == {"audio"}
    fake("capture", "--dry-run", "--no-video", code=2)


def test_advanced_sets_are_tried_in_order_and_skipped_where_they_do_not_fit(fake: FakeMachine) -> None:
    sets = ['{"width": {"exact": 9999}}', '{"width": {"exact": 320}}', '{"width": {"exact": 640}}']
    found = tracks(fake, *SNAPSHOT, *(f"--advanced={one}" for one in sets))["video"]
    assert found["constraints"]["advanced"] == [json.loads(one) for one in sets]
    assert found["settings"]["width"] == 320


@pytest.mark.parametrize(("name", "meant"), [("widht", "width"), ("frame-rate", "frameRate"), ("Width", "width")])
def test_an_unknown_name_is_ignored_with_a_warning(name: str, meant: str, fake: FakeMachine) -> None:
    done = fake(*SNAPSHOT, "-c", f"{name}=640", code=0)
    sentence = f"ignoring unknown constraint “{name}” (did you mean “{meant}”?)"
    assert json.loads(done.stderr) == {"warning": sentence}
    assert (
        fake("snapshot", "--dry-run", "-c", f"{name}=640", "x.png").stderr.decode().startswith(f"mscli: warning: {sentence}\n")
    )
    assert json.loads(done.stdout)["tracks"][0]["constraints"] == {}


def test_a_group_is_the_cameras_by_flag_and_both_ones_by_name(fake: FakeMachine) -> None:
    only_the_camera = fake.json("record", "--group-id", "exact:fake-webcam", "--dry-run", "--json", "x.mkv")
    assert [(track["kind"], track["settings"]["groupId"]) for track in only_the_camera["tracks"]] == [
        ("audio", "fake-headset"),
        ("video", "fake-webcam"),
    ]
    fake("record", "-c", "groupId=exact:fake-webcam", "--dry-run", "x.mkv", code=6)
    fake("record", "--no-video", "--group-id", "exact:fake-webcam", "--dry-run", "x.wav", code=6)
