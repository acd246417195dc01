"""Several cameras and microphones in one recording, one list of what was asked for, and where several make no sense."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import mscli
from tests.cli.program import FakeMachine, camera, error_line, microphone, output_of
from tests.media_files import make
from tests.pattern import av_offsets, pictures, read_code
from tests.untyped import untyped

LEFT = camera(deviceId="a", label="Left")
RIGHT = camera(deviceId="b", label="Right")
NEAR = microphone(deviceId="c", label="Near")
FAR = microphone(deviceId="d", label="Far")
ALL = ("--camera", "left", "--camera", "right", "--microphone", "near", "--microphone", "far")
CAMERAS = ALL[:4]
FRAME_S = 1 / 30


@pytest.fixture
def four(fake: FakeMachine) -> FakeMachine:
    """A machine with two cameras and two microphones."""
    fake.plug(LEFT, RIGHT, NEAR, FAR)
    return fake


def tracks_in(path: Path) -> list[tuple[str, str]]:
    """The kind and the title of each track of a file."""
    found = json.loads(output_of("ffprobe", "-v", "error", "-show_streams", "-of", "json", path))["streams"]
    return [(one["codec_type"], one["tags"].get("title", one["tags"].get("handler_name", ""))) for one in found]


def key_frame_first(path: Path, number: int) -> bool:
    """Whether a camera's part of a file begins with a key frame."""
    entries = ("-show_entries", "packet=flags", "-read_intervals", "%+#1", "-of", "csv=p=0")
    return "K" in output_of("ffprobe", "-v", "error", "-select_streams", f"v:{number}", *entries, path)


@pytest.mark.parametrize("suffix", ["mkv", "mp4", "mov", "webm"])
def test_all_devices_are_tracks_of_one_file(suffix: str, four: FakeMachine) -> None:
    report = four.json("record", *ALL, "--duration", "1", "--json", f"x.{suffix}")
    labels = ["Near", "Far", "Left", "Right"]
    assert [track["label"] for track in report["tracks"]] == labels
    assert [track["kind"] for track in report["tracks"]] == ["audio", "audio", "video", "video"]
    assert all(track["frames"] for track in report["tracks"])
    assert "avOffset" in report
    kinds = ["video", "video", "audio", "audio"]
    assert tracks_in(four.folder / f"x.{suffix}") == list(zip(kinds, ["Left", "Right", "Near", "Far"], strict=True))


def test_two_cameras_are_in_step_on_one_clock_with_the_sound(fake: FakeMachine) -> None:
    slow = camera(deviceId="b", label="Right", modes=[{"width": 320, "height": 240, "frameRate": 25}])
    fake.plug(LEFT, slow, NEAR)
    fake("record", *CAMERAS, "--duration", "3.5", "--video-codec", "mjpeg", "x.mkv", code=0)
    path = fake.folder / "x.mkv"
    left, right = ([one.time for one in pictures(path, number) if one.flash] for number in (0, 1))
    assert len(left) >= 2
    assert all(min(abs(other - at) for other in right) < FRAME_S / 4 for at in left[:2])
    assert max(map(abs, av_offsets(path))) < FRAME_S
    rates = (30, 25)
    for number, rate in enumerate(rates):  # and every picture between the flashes stands at its time
        coded = [(one.time, code.number) for one in pictures(path, number) if (code := read_code(one.luma)) is not None]
        first_s, first = coded[0]
        assert max(abs(at - first_s - (count - first) / rate) for at, count in coded) < FRAME_S / 2


def test_frames_are_counted_of_each_camera(four: FakeMachine) -> None:
    report = four.json("record", *CAMERAS, "--no-audio", "--frames", "20", "--json", "x.mkv")
    assert ([track["frames"] for track in report["tracks"]], report["reason"]) == ([20, 20], "frames")


def test_files_of_a_series_begin_with_key_frames_of_both_cameras(four: FakeMachine) -> None:
    report = four.json("record", *CAMERAS, "--no-audio", "--duration", "2", "--segment-duration", "0.7", "--json", "x.mkv")
    assert report["files"] == ["x-001.mkv", "x-002.mkv", "x-003.mkv"]
    for number, label in enumerate(["Left", "Right"]):
        shown = [pictures(four.folder / name, number) for name in report["files"]]
        codes = [read_code(one.luma) for part in shown for one in part]
        found = [code.number for code in codes if code is not None]
        assert found == list(range(found[0], found[0] + len(codes))), label
        assert all(key_frame_first(four.folder / name, number) for name in report["files"])


def test_a_dry_run_lists_every_track_and_explains_it(four: FakeMachine) -> None:
    report = four.json("record", *ALL, "--dry-run", "--explain", "--json", "x.mkv")
    assert [track["settings"]["deviceId"] for track in report["tracks"]] == ["c", "d", "a", "b"]
    assert all("candidates" in track for track in report["tracks"])
    said = four("record", *ALL, "--dry-run", "--explain", "x.mkv", code=0).stderr.decode()
    assert said.count("→") == 4
    assert [name in said for name in ("“Left”", "“Right”", "“Near”", "“Far”")] == [True] * 4


def test_events_tell_of_every_device(four: FakeMachine) -> None:
    four("record", *ALL, "--frames", "2", "--events", "e.jsonl", "x.mkv", code=0)
    events = map(json.loads, (four.folder / "e.jsonl").read_text().splitlines())
    assert [event["label"] for event in events if event["type"] == "settings"] == ["Near", "Far", "Left", "Right"]


def test_flags_are_for_every_device_of_their_kind(four: FakeMachine) -> None:
    flags = ("--width", "exact:160", "--sample-rate", "exact:48000")
    tracks = four.json("record", *ALL, *flags, "--dry-run", "--json", "x.mkv")["tracks"]
    assert [track["settings"].get("width") for track in tracks] == [None, None, 160, 160]


def test_a_list_of_constraints_is_a_stream_each(four: FakeMachine) -> None:
    page = [{"audio": True, "video": {"width": 160}}, {"video": {"width": 320, "deviceId": {"exact": "b"}}}]
    found = four.json("record", "--constraints", json.dumps(page), "--dry-run", "--json", "x.mkv")["tracks"]
    assert [(one["kind"], one["settings"]["deviceId"]) for one in found] == [("audio", "c"), ("video", "a"), ("video", "b")]
    assert [one["settings"].get("width") for one in found] == [None, 160, 320]
    named = ("--camera", "right", "--camera", "left", "--height", "120")
    page[1] = {"video": {"width": 320}}
    found = four.json("record", "--constraints", json.dumps(page), *named, "--dry-run", "--json", "x.mkv")["tracks"]
    assert [(one["settings"]["deviceId"], one["constraints"]["height"]) for one in found[1:]] == [("b", 120), ("a", 120)]


def test_one_camera_may_be_asked_for_twice_by_a_page(four: FakeMachine) -> None:
    page = [{"video": {"deviceId": {"exact": "a"}, "width": width}} for width in (320, {"exact": 160})]
    report = four.json("record", "--constraints", json.dumps(page), "--frames", "5", "--json", "x.mkv")
    assert [(one["label"], one["settings"]["width"], one["frames"]) for one in report["tracks"]] == [
        ("Left", 320, 5),
        ("Left", 160, 5),
    ]


@pytest.mark.parametrize(
    ("page", "ids"),
    [
        ([{"video": True}, {"video": True}], ["a", "b"]),
        ([{"video": True}, {"video": {"deviceId": {"exact": "a"}}}], ["b", "a"]),
        ([{"video": True}, {"video": {"width": {"exact": 320}}}], ["b", "a"]),  # b has no such size
        ([{"audio": True}, {"video": True}, {"audio": True, "video": True}], ["c", "d", "a", "b"]),
    ],
)
def test_every_track_of_a_list_has_a_device_of_its_own(page: Any, ids: list[str], fake: FakeMachine) -> None:
    fake.plug(LEFT, RIGHT | {"modes": [{"width": 160, "height": 120, "frameRate": 30}]}, NEAR, FAR)
    found = fake.json("record", "--constraints", json.dumps(page), "--dry-run", "--json", "x.mkv")["tracks"]
    assert [one["settings"]["deviceId"] for one in found] == ids


@pytest.mark.parametrize(
    ("page", "sentence"),
    [
        ([{"video": True}, {"video": True}, {"video": True}], "camera 3: there is no other camera than “Left” and “Right”"),
        ([{"audio": True}, {"audio": True}], "microphone 2: there is no other microphone than “Near”"),
        (
            [{"video": {"deviceId": {"exact": "a"}}}, {"video": {"width": {"exact": 320}}}],
            "camera 2: no other camera than “Left” fits",
        ),
    ],
)
def test_a_list_with_more_tracks_than_devices_is_refused(page: Any, sentence: str, fake: FakeMachine) -> None:
    fake.plug(LEFT, RIGHT | {"modes": [{"width": 160, "height": 120, "frameRate": 30}]}, NEAR)
    done = fake("record", "--constraints", json.dumps(page), "--duration=1", "x.mkv", code=3)
    assert error_line(done) == f"mscli: error: {sentence} (NotFoundError)"
    assert fake.files == []


@pytest.mark.parametrize("fault", ["busy", "errorOnStart"])
def test_a_list_never_falls_back_to_the_device_of_another_track(fault: str, fake: FakeMachine) -> None:
    fake.plug(LEFT, RIGHT | {"faults": {fault: True}}, NEAR)
    done = fake("record", "--constraints", '[{"video": true}, {"video": true}]', "--duration=1", "x.mkv", code=5)
    assert "“Right”" in error_line(done)


def test_a_list_falls_back_to_a_device_that_no_track_has(fake: FakeMachine) -> None:
    spare = camera(deviceId="s", label="Spare")
    for cameras, labels in (([LEFT, RIGHT], ["Left", "Right"]), ([LEFT, RIGHT, spare], ["Spare", "Right"])):
        fake.plug(cameras[0] | {"faults": {"vanishAfterFrames": 5}}, *cameras[1:])
        page = ("--constraints", '[{"video": true}, {"video": true}]', "--fallback")
        done = fake("record", *page, "--frames", "30", "--force", "--json", "x.mkv", code=8 if len(cameras) == 2 else 0)
        assert [track["label"] for track in json.loads(done.stdout)["tracks"]] == labels


@pytest.mark.parametrize(
    ("page", "sentence"),
    [
        ([], "constraints: the list is empty; neither audio nor video is requested"),
        ([1], "constraints[0]: constraints must be an object, not '1'"),
        ([{"video": True}, "video"], "constraints[1]: constraints must be an object, not 'video'"),
        ([{"video": True}, None], "constraints[1]: neither audio nor video is requested"),
        ([{"video": True}, {"audio": False}], "constraints[1]: neither audio nor video is requested"),
        ([{"video": {"frameRate": {"exact": "fast"}}}], "constraints[0]: "),
    ],
)
def test_a_list_with_junk_is_an_error_that_names_the_place(page: Any, sentence: str, four: FakeMachine) -> None:
    line = error_line(four("record", "--constraints", json.dumps(page), "x.mkv", code=2))
    assert line.removeprefix("mscli: error: ").startswith(sentence)


def test_unknown_names_in_a_list_are_warned_of(four: FakeMachine) -> None:
    page = json.dumps([{"video": {"widht": 1}}, {"vidoe": True, "audio": True}])
    said = four("record", "--constraints", page, "--dry-run", "x.mkv", code=0).stderr.decode()
    assert "did you mean “width”" in said
    assert "did you mean “video”" in said


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (("capture", *CAMERAS), 7, "raw output holds one track, not those of 2 cameras (left, right)"),
        (("capture", *ALL[4:]), 7, "raw output holds one track, not those of 2 microphones (near, far)"),
        (("record", *CAMERAS, "x.raw"), 7, "raw output holds one track, not those of 2 cameras (left, right)"),
        (("record", *CAMERAS, "a.mkv", "x.raw"), 7, "raw output holds one track, not those of 2 cameras (left, right)"),
        (("record", *ALL[4:], "--no-video", "x.raw"), 7, "raw output holds one track, not those of 2 microphones (near, far)"),
        (("snapshot", *CAMERAS, "x.png"), 7, "a snapshot has one track, not those of 2 cameras (left, right)"),
        (("snapshot", "--microphone", "near", "x.png"), 7, "a snapshot has no sound"),
        (("snapshot", "--camera", "none", "x.png"), 7, "a snapshot needs video"),
        (("record", *ALL[4:], "x.wav"), 7, "a .wav file holds only one track, not those of 2 microphones (near, far)"),
        (("record", *ALL, "a.mkv", "x.mp3"), 7, "a .mp3 file holds only one track, not those of 2 microphones (near, far)"),
        (("record", "--camera", "left", "--camera", "a", "x.mkv"), 2, "--camera left and --camera a name the same camera"),
        (("record", "--camera", "none", "--camera", "a", "x.mkv"), 2, "--camera none and --camera a cannot be combined"),
        (("record", "--microphone", "none", "--audio", "x.mkv"), 2, "--microphone none and --audio cannot be combined"),
        (("record", "--camera", "none", "--microphone", "none", "x.mkv"), 2, "neither audio nor video is requested"),
        (("record", "--camera", "left", "--camera", "nobody", "x.mkv"), 3, "no camera matches “nobody”"),
        (("record", "--camera", "", "x.mkv"), 3, "no camera matches “”"),
        (("record", *CAMERAS, "--width", "exact:9999", "x.mkv"), 6, "left: no camera offers width = 9999 px"),
        (
            ("record", "--camera", "a", "--constraints", '[{"video": true}, {"video": true}]', "x.mkv"), 2,
            "--constraints has 2 video tracks, but --camera is given once",
        ),
        (
            ("record", "--constraints", '[{"video": true}, {"video": {"width": {"exact": 9999}}}]', "x.mkv"), 6,
            "camera 2: no camera offers width = 9999 px",
        ),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_by_name(
    arguments: tuple[str, ...], code: int, sentence: str, four: FakeMachine
) -> None:
    assert error_line(four(*arguments, code=code)).partition(": ")[2].partition(": ")[2].startswith(sentence)
    assert four.files == []


def test_none_leaves_a_kind_out(four: FakeMachine) -> None:
    tracks = four.json("record", "--microphone", "none", "--dry-run", "--json", "x.mkv")["tracks"]
    assert [track["kind"] for track in tracks] == ["video"]
    page = ("--constraints", '{"audio": true, "video": true}')
    tracks = four.json("record", "--camera", "none", *page, "--dry-run", "--json", "x.mkv")["tracks"]
    assert [track["kind"] for track in tracks] == ["audio"]


@pytest.mark.parametrize("option", ["--duration=3", "--frames=80"])
def test_a_camera_that_is_unplugged_does_not_end_the_others(option: str, fake: FakeMachine) -> None:
    fake.plug(LEFT, RIGHT | {"faults": {"vanishAfterFrames": 15}}, NEAR)
    done = fake("record", *CAMERAS, option, "--json", "--events", "e.jsonl", "x.mkv", code=8)
    report = json.loads(done.stdout)
    assert report["reason"] == option.partition("=")[0].lstrip("-")
    left, right = (track["frames"] for track in report["tracks"][1:])
    assert right == 15
    assert left == 80 or ("duration" in option and left == pytest.approx(90, abs=2))
    assert [len(pictures(fake.folder / "x.mkv", number)) for number in (0, 1)][1] == 15
    events = map(json.loads, (fake.folder / "e.jsonl").read_text().splitlines())
    assert [event["label"] for event in events if event["type"] == "ended"] == ["Right"]


def test_the_last_camera_of_all_ends_the_recording(fake: FakeMachine) -> None:
    fake.plug(LEFT | {"faults": {"vanishAfterFrames": 30}}, RIGHT | {"faults": {"vanishAfterFrames": 15}}, NEAR)
    report = json.loads(fake("record", *CAMERAS, "--json", "x.mkv", code=8).stdout)
    assert (report["reason"], [track["frames"] for track in report["tracks"][1:]]) == ("ended", [30, 15])


def test_a_camera_that_is_muted_blackens_no_other(fake: FakeMachine) -> None:
    fake.plug(LEFT, RIGHT | {"faults": {"stallAfterFrames": 15, "stallSeconds": 1.5}}, NEAR)
    report = fake.json("record", *CAMERAS, "--duration", "3", "--json", "x.mkv")
    left, right = report["tracks"][1:]
    assert (left["blank"], left["lost"]) == (0, 0)
    assert right["blank"] > 5


@pytest.mark.parametrize("fault", ["busy", "denied", "errorOnStart"])
def test_a_camera_that_cannot_be_used_ends_all_and_is_named(fault: str, fake: FakeMachine) -> None:
    fake.plug(LEFT, RIGHT | {"faults": {fault: True}})
    done = fake("record", *CAMERAS, "--no-audio", "x.mkv", code=4 if fault == "denied" else 5)
    assert "“Right”" in error_line(done)


def test_a_program_records_the_tracks_of_several_streams_together(tmp_path: Path) -> None:
    path = tmp_path / "x.mkv"
    with mscli.MediaDevices(backends=[mscli.FakeBackend({"devices": [LEFT, RIGHT, NEAR]})]) as devices:
        asked: list[dict[str, Any]] = [
            {"video": {"deviceId": {"exact": "a"}}, "audio": True},
            {"video": {"deviceId": {"exact": "b"}}},
        ]
        streams = [devices.get_user_media(untyped(one)) for one in asked]
        merged = mscli.MediaStream([track for stream in streams for track in stream.get_tracks()])
        recorder = mscli.MediaRecorder(merged, file=str(path), window=(0.5, None))
        recorder.start()
        assert recorder.join(30)
    assert tracks_in(path) == [("video", "Left"), ("video", "Right"), ("audio", "Near")]


def test_the_tracks_of_several_inputs_are_recorded(fake: FakeMachine) -> None:
    make(fake.folder / "a.avi")
    make(fake.folder / "b.avi")
    make(fake.folder / "c.wav")
    inputs = ("-i", "a.avi", "-i", "b.avi", "-i", "c.wav", "--no-pace")
    report = fake.json("record", *inputs, "--json", "x.mkv")
    assert [(one["label"], one["kind"]) for one in report["tracks"]] == [
        *((name, "audio") for name in ("a.avi", "b.avi", "c.wav")),
        *((name, "video") for name in ("a.avi", "b.avi")),
    ]
    assert [one["frames"] for one in report["tracks"][3:]] == [50, 50]
    assert [kind for kind, _ in tracks_in(fake.folder / "x.mkv")] == ["video"] * 2 + ["audio"] * 3
    for command, output in (("snapshot", "x.png"), ("capture", "x.raw")):
        assert "(a.avi, b.avi)" in error_line(fake(command, *inputs[:4], output, code=7))
    assert error_line(fake("record", "-i", "a.avi", "-i", "a.avi", "y.mkv", code=2)).endswith("name the same input")
    said = fake("record", "--no-audio", "--camera", "fake", *inputs[:2], "--no-pace", "y.mkv", code=7).stderr.decode()
    assert "  record them one by one\n" in said
    assert "without --no-pace" in said


def test_several_constraints_are_merged_like_a_list(four: FakeMachine) -> None:
    pages = [{"video": {"deviceId": "b"}}, [{"audio": True}, {"video": True}]]
    given = [argument for page in pages for argument in ("--constraints", json.dumps(page))]
    tracks = four.json("record", *given, "--dry-run", "--json", "x.mkv")["tracks"]
    assert [one["settings"]["deviceId"] for one in tracks] == ["c", "b", "a"]
