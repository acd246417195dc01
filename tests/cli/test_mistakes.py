"""Mistakes that people make at the command line, and the sentence that each one gets."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from mscli.cli.exitcodes import MEANINGS
from mscli.cli.main import run

MISTAKES = [  # the command line, the exit code, and the sentence after "mscli: error: "
    ("snap x.png", 2, "unknown command “snap” (did you mean “snapshot”?)"),
    ("snapshot", 2, "FILE is missing"),
    ("snapshot a.png b.png", 2, "unexpected argument: b.png"),
    ("snapshot pic.gif", 7, "cannot write .gif pictures; use .png, .jpg, .jpeg, .webp, .avif, .tif, .tiff, .ppm, .pgm"),
    ("snapshot pic", 7, "pic has no suffix that names a format; use .png, .jpg, .jpeg, .webp, .avif, .tif, .tiff, .ppm, .pgm"),
    ("snapshot /nodir/x.png", 9, "cannot write /nodir/x.png: its folder does not exist"),
    ("snapshot .", 9, "cannot write .: it is a folder"),
    ("snapshot --size 1280 x.png", 2, "--size: “1280” is not a size such as 1280x720, 720p or 4k"),
    ("snapshot --size 1280*720 x.png", 2, "--size: “1280*720” is not a size such as 1280x720, 720p or 4k"),
    ("snapshot --width 1280px x.png", 2, "--width: “1280px” is not a whole number for width"),
    ("snapshot --width -5 x.png", 2, "--width: “-5” is not a whole number for width"),
    ("snapshot --width min:1000,max:500 x.png", 2, "--width: min:1000 is above max:500, so no value is possible"),
    (
        "snapshot --width exact:1280,exact:640 x.png",
        2,
        "--width: “exact:640” is not exact:…, ideal:…, min:… or max:…, each at most once",
    ),
    ("snapshot --quality 90 x.jpg", 2, "--quality: “90” is not a number from 0 to 1"),
    ("snapshot --quality best x.jpg", 2, "--quality: “best” is not a number from 0 to 1"),
    ("snapshot --camera 0 x.png", 3, "no camera matches “0” (NotFoundError)"),
    ("snapshot --camera /dev/video0 x.png", 3, "no camera matches “/dev/video0” (NotFoundError)"),
    ("snapshot --camera /dev/null x.png", 3, "no camera matches “/dev/null” (NotFoundError)"),
    ('snapshot --camera "" x.png', 3, "no camera matches “” (NotFoundError)"),
    ("snapshot --frame-rate 30fps x.png", 2, "--frame-rate: “30fps” is not a number for frameRate"),
    (
        "snapshot --facing-mode front x.png",
        2,
        "--facing-mode: facingMode must be one of user, environment, left, right, not “front”",
    ),
    (
        "snapshot --facing-mode exact:front x.png",
        2,
        "--facing-mode: facingMode must be one of user, environment, left, right, not “front”",
    ),
    ("snapshot --audio x.png", 7, "a snapshot has no sound"),
    ("snapshot --no-video x.png", 7, "a snapshot needs video"),
    ("snapshot --microphone fake x.png", 7, "a snapshot has no sound"),
    ("-v snapshot x.png", 2, "unknown option -v"),
    ("snapshot --fake x.png", 2, "unknown option --fake (did you mean --fake-devices?)"),
    ("snapshot -c width x.png", 2, "--constraint: “width” is not NAME=VALUE, such as width=640"),
    ("snapshot -c width=abc x.png", 2, "--constraint: “abc” is not a whole number for width"),
    ("snapshot --timeout 0 x.png", 2, "--timeout: a duration must be more than 0 and at most 1000000000 seconds, not “0”"),
    ("snapshot --advanced [] x.png", 2, "--advanced: “[]” is not a JSON object"),
    ("record", 2, "FILE is missing"),
    (
        "record clip.avi",
        7,
        "cannot write .avi recordings; use .mp4, .webm, .mkv, .mov, .wav, .flac, .ogg, .mp3, .m4a",
    ),
    ("record clip.MP4 --duration 0", 2, "--duration: a duration must be more than 0 and at most 1000000000 seconds, not “0”"),
    ("record clip3.mp4 --duration -1", 2, "--duration: “-1” is not a duration such as 90, 1.5s, 10m, 1h30m or 1:02:03"),
    ("record --duration five clip3.mp4", 2, "--duration: “five” is not a duration such as 90, 1.5s, 10m, 1h30m or 1:02:03"),
    ("record --duration 1 --video-codec x264 clip3.mp4", 7, "unknown video codec “x264” (did you mean “h264”?)"),
    ("record --duration 1 --video-codec libx264 clip3.mp4", 7, "unknown video codec “libx264”"),
    ("record --duration 1 --video-codec h265 clip3.mp4", 9, "clip3.mp4 already exists; use --force to overwrite it"),
    ("record --duration 1 --video-codec h264 clip3.webm", 7, "a .webm file cannot hold H.264"),
    (
        "record --duration 1 --video-bitrate 8 clip4.mp4",
        2,
        "--video-bitrate: “8” is only 8 bits per second; did you mean 8k or 8M?",
    ),
    ("record --duration 1 --quality 23 clip4.mp4", 2, "--quality: “23” is not a number from 0 to 1"),
    ("record --duration 1 --quality 0.5 --video-bitrate 2M clip4.mp4", 2, "--quality and --video-bitrate cannot be combined"),
    (
        "record --duration 1 --preset quick clip4.mp4",
        2,
        "--preset: “quick” is not one of ultrafast, superfast, veryfast, faster, fast, medium, slow, slower, veryslow",
    ),
    ("record --duration 1 --no-video --no-audio clip4.mp4", 2, "neither audio nor video is requested"),
    ("record --duration 1 --no-audio voice.mp3", 2, "neither audio nor video is requested"),
    ("record --duration 1 --camera fake voice2.mp3", 7, ".mp3 files cannot hold video"),
    (
        "record --duration 1 --keep 3 clip5.mp4",
        2,
        "--keep needs --segment-…, --split-on-silence or --trigger",
    ),
    ("record --duration 1 --pre-roll 3 clip5.mp4", 2, "--pre-roll needs --trigger"),
    (
        "record --duration 1 --segment-clock 7m clip6-%H.mp4",
        2,
        "--segment-clock: “7m” does not divide a day; use for example 1m, 10m, 30m, 1h or 6h",
    ),
    (
        "record --segment-duration 0 clip6.mp4",
        2,
        "--segment-duration: a duration must be more than 0 and at most 1000000000 seconds, not “0”",
    ),
    (
        "record --duration 1 --video-codec copy copy.mp4",
        7,
        "cannot copy I420 from “Fake camera”; only H264, HEVC, VP9 and MJPEG can be copied",
    ),
    ("capture --format mp4 -o x.mp4", 7, "unknown pixel format “mp4”"),
    ("capture --format s16 --duration 1 -o x.pcm", 7, "unknown pixel format “s16”"),
    ("capture --audio --duration 1 -o x.pcm", 7, "raw output holds one track, either video or audio"),
    ("capture --no-video --duration 1 -o x.pcm", 2, "neither audio nor video is requested"),
    ("capture --frames 1 -o /dev/full", 9, "cannot write /dev/full: the disk is full"),
    ("devices foo", 2, "unexpected argument: foo"),
    ("capabilities 0", 3, "no device matches “0” (NotFoundError)"),
    (
        "record help",
        7,
        "help has no suffix that names a format; use .mp4, .webm, .mkv, .mov, .wav, .flac, .ogg, .mp3, .m4a",
    ),
    ("version", 2, "unknown command “version”; commands: devices, capabilities, snapshot, record, capture, help"),
    ("record --duration 1 --camera", 2, "--camera needs a value"),
    ("recrod x.mp4", 2, "unknown command “recrod” (did you mean “record”?)"),
    ("record --durration 5 x.mp4", 2, "unknown option --durration (did you mean --duration?)"),
    (
        "record --preset vryfast x.mp4",
        2,
        "--preset: “vryfast” is not one of ultrafast, superfast, veryfast, faster, fast, medium, slow, slower, veryslow "
        "(did you mean “veryfast”?)",
    ),
    ("record --frames 0 x.mp4", 2, "--frames: “0” is not a whole number above 0"),
    ("record --frames five x.mp4", 2, "--frames: “five” is not a whole number above 0"),
    ("record --force=1 x.mp4", 2, "--force takes no value"),
    ("snapshot --camera fkae x.png", 3, "no camera matches “fkae” (NotFoundError)"),
    ('snapshot --camera "Fake camra" x.png', 3, "no camera matches “Fake camra” (did you mean “Fake camera”?) (NotFoundError)"),
    ("snapshot --width exact:9999 x.png", 6, "no camera offers width = 9999 px (OverconstrainedError)"),
    ("capture --format RGB25 -o x.raw", 7, "unknown pixel format “RGB25” (did you mean “RGB24”?)"),
    ("capture --no-video --audio --format s17 -o x.raw", 7, "unknown sample format “s17” (did you mean “s16”?)"),
    (
        "snapshot pic.wepb",
        7,
        "cannot write .wepb pictures; use .png, .jpg, .jpeg, .webp, .avif, .tif, .tiff, .ppm, .pgm (did you mean “.webp”?)",
    ),
]
NAMED = (3, 6)  # codes of the API's own errors, whose names people see


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a recording, on a machine with fake devices."""
    monkeypatch.setenv("MSCLI_FAKE_DEVICES", "1")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "clip3.mp4").touch()
    return tmp_path


@pytest.mark.parametrize(("line", "code", "sentence"), MISTAKES, ids=[line for line, _, _ in MISTAKES])
def test_a_mistake_gets_a_sentence_that_says_what_to_do(
    line: str, code: int, sentence: str, folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(shlex.split(line)) == code
    said = [text for text in capfd.readouterr().err.splitlines() if not text.startswith(("camera “", "/dev/full: I420"))]
    assert said[0] == f"mscli: error: {sentence}"
    assert all(hint.startswith("  ") for hint in said[1:])
    assert said[0].endswith("Error)") == (code in NAMED)
    assert [path.name for path in folder.iterdir()] == ["clip3.mp4"]


@pytest.mark.parametrize(("line", "code", "sentence"), MISTAKES[:12], ids=[line for line, _, _ in MISTAKES[:12]])
def test_programs_get_the_name_and_the_same_sentence(
    line: str, code: int, sentence: str, capfd: pytest.CaptureFixture[str]
) -> None:
    import json

    assert run([*shlex.split(line), "--json"]) == code
    (told,) = capfd.readouterr().err.splitlines()
    error = json.loads(told)["error"]
    assert error["message"] == sentence
    assert error["name"] in MEANINGS[code] or error["name"] == "OperationError"  # type: ignore[index]


@pytest.mark.parametrize("name", ["Width", "framerate", "frame-rate"])
def test_a_misspelt_constraint_is_ignored_with_a_warning(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["snapshot", "--dry-run", "-c", f"{name}=30", "x.png"]) == 0
    meant = "width" if name == "Width" else "frameRate"
    said = capfd.readouterr().err.splitlines()
    assert said[0] == f"mscli: warning: ignoring unknown constraint “{name}” (did you mean “{meant}”?)"
