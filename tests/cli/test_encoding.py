"""How a recording is encoded, by flags: what is asked for is in the file, what cannot be is told before anything is made."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from mscli.cli.manual import ENCODING
from mscli.encode.codecs import CONTAINERS
from mscli.encode.options import PRESETS
from mscli.sinks import codec_names
from tests.conftest import Program, require
from tests.sinks.synth import probe

SHORT = ("record", "--fake-devices", "--duration", "0.5")


def refused(mscli: Program, *flags: str, code: int, name: str = "clip.mp4") -> str:
    """What is said of flags that a recording is not begun with; nothing is left of it."""
    done = mscli(*SHORT, *flags, name, code=code)
    assert list(mscli.folder.iterdir()) == []
    assert done.stdout == b""
    return done.stderr.decode()


def codecs_of(path: Path) -> list[str]:
    return [stream["codec_name"] for stream in probe(path)["streams"]]


@pytest.mark.parametrize(
    ("name", "video", "audio"),
    [("a.mp4", "av1", "opus"), ("a.mov", "hevc", "aac"), ("a.mkv", "ffv1", "mp3"), ("a.webm", "vp8", "opus")],
)
def test_the_codecs_that_are_asked_for_are_in_the_file(name: str, video: str, audio: str, mscli: Program) -> None:
    require("ffprobe")
    mscli(*SHORT, "--size", "320x240", "--video-codec", video, "--audio-codec", audio, name, code=0)
    assert codecs_of(mscli.folder / name) == [video, audio]


@pytest.mark.parametrize(("name", "codec"), [("a.m4a", "aac"), ("a.mp3", "mp3"), ("a.ogg", "opus"), ("a.wav", "pcm_s16le")])
def test_a_file_of_sound_has_the_sound_alone(name: str, codec: str, mscli: Program) -> None:
    require("ffprobe")
    mscli(*SHORT, name, code=0)
    assert codecs_of(mscli.folder / name) == [codec]


@pytest.mark.parametrize(
    ("flag", "small", "large"),
    [
        ("--video-bitrate", "50k", "5M"),
        ("--quality", "0", "1"),
        ("--audio-bitrate", "16000", "0.2M"),
        ("--preset", "veryslow", "ultrafast"),
    ],
)
def test_flags_change_the_size_of_the_file(flag: str, small: str, large: str, mscli: Program) -> None:
    kind = "audio" if flag.startswith("--audio") else "video"
    sizes = []  # of a picture, or a sample: a busy machine records fewer of them
    for value in (small, large):
        report = mscli.json(*SHORT, "--json", flag, value, f"{value}.mp4")
        (track,) = (track for track in report["tracks"] if track["kind"] == kind)
        sizes.append(track["bytes"] / track["frames"])
    assert sizes[0] < sizes[1] * 0.95


@pytest.mark.parametrize("flag", ["--video-bitrate", "--audio-bitrate"])
@pytest.mark.parametrize("value", ["0", "-1", "0.0001", "fast", "2G", "1e6", "", "nan"])
def test_what_is_no_bit_rate_is_a_usage_error(flag: str, value: str, mscli: Program) -> None:
    assert flag in refused(mscli, f"{flag}={value}", code=2)


@pytest.mark.parametrize("value", ["-0.1", "1.01", "nan", "high"])
def test_what_is_no_quality_is_a_usage_error(value: str, mscli: Program) -> None:
    assert "is not a number from 0 to 1" in refused(mscli, f"--quality={value}", code=2)


def test_a_quality_and_a_bit_rate_exclude_each_other(mscli: Program) -> None:
    assert "cannot be combined" in refused(mscli, "--quality", "0.5", "--video-bitrate", "1M", code=2)


def test_an_unknown_preset_is_a_usage_error_that_lists_them(mscli: Program) -> None:
    said = refused(mscli, "--preset", "warp", code=2)
    assert f"“warp” is not one of {', '.join(PRESETS)}" in said


@pytest.mark.parametrize(
    ("flags", "name", "said"),
    [
        (["--video-codec", "h266"], "a.mp4", "video codecs: h264, hevc, av1, vp9, vp8, mjpeg, ffv1"),
        (["--audio-codec", "midi"], "a.mp4", "audio codecs: opus, mp3, aac, flac, pcm"),
        (["--video-codec", "ffv1"], "a.mp4", ".mp4 holds: h264, hevc, av1, vp9"),
        (["--video-codec", "h264"], "a.webm", "H.264 fits into: .mp4, .mkv, .mov"),
        (["--audio-codec", "aac"], "a.flac", ".flac holds: flac"),
        (["--video-codec", "h264"], "a.wav", "a .wav file cannot hold video"),
        (["--video-codec", "ffv1:hw"], "a.mkv", "hardware encoders: h264:hw, hevc:hw, av1:hw"),
        (["--no-video", "--video-codec", "h266"], "a.mp4", "unknown video codec “h266” (did you mean “h264”?)"),
    ],
)
def test_a_codec_that_does_not_fit_is_told_with_what_does(flags: list[str], name: str, said: str, mscli: Program) -> None:
    assert said in refused(mscli, *flags, code=7, name=name)


def test_it_is_told_before_a_device_is_opened(mscli: Program) -> None:
    broken = '{"devices": [{"kind": "videoinput", "faults": {"errorOnStart": true}}]}'
    (mscli.folder / "d.json").write_text(broken)
    mscli("record", "--fake-devices-from", "d.json", "a.mkv", code=5)
    mscli("record", "--fake-devices-from", "d.json", "--video-codec", "h266", "a.mkv", code=7)


def test_hardware_that_is_not_there_is_told_and_done_without(mscli: Program) -> None:
    require("ffprobe")
    done = mscli(*SHORT, "--json", "--size", "320x240", "--video-codec", "h264:hw", "a.mp4", code=0)
    said = done.stderr.decode().splitlines()
    if said:  # or the machine that runs the tests has it
        (line,) = said
        sentence = r"no hardware encodes H\.264 at 320×240 \(tried .+\); encoding in software"
        assert re.fullmatch(sentence, json.loads(line)["warning"])
    assert codecs_of(mscli.folder / "a.mp4")[0] == "h264"


def test_what_means_nothing_to_a_codec_is_told(mscli: Program) -> None:
    done = mscli(*SHORT, "--json", "--video-codec", "mjpeg", "--video-bitrate", "1M", "a.mkv", code=0)
    said = "ignoring the bit rate: the encoder mjpeg has none"
    assert json.loads(done.stderr) == {"warning": said}


def test_what_means_nothing_to_a_copied_picture_is_told(mscli: Program) -> None:
    camera = '{"kind": "videoinput", "modes": [{"width": 320, "height": 240, "frameRate": 30, "pixelFormat": "MJPEG"}]}'
    (mscli.folder / "d.json").write_text(f'{{"devices": [{camera}]}}')
    copy = ("record", "--fake-devices-from", "d.json", "--duration", "0.5", "--json", "--video-codec", "copy", "--no-audio")
    for flags, told in ((["--video-bitrate", "1M"], ["bit rate"]), (["--quality=1", "--preset=slow"], ["quality", "preset"])):
        said = mscli(*copy, *flags, "--force", "a.mkv", code=0).stderr.decode().splitlines()
        line = "ignoring the {}: the camera's video is copied, not encoded"
        assert list(map(json.loads, said)) == [{"warning": line.format(what)} for what in told]


@pytest.mark.parametrize("kind", ["video", "audio"])
def test_codecs_and_presets_are_completed(kind: str, mscli: Program) -> None:
    def offered(line: str) -> list[str]:
        env = {"_MSCLI_COMPLETE": "bash_complete", "COMP_LINE": line, "COMP_WORDBREAKS": " "}
        return [answer.removeprefix("plain\t") for answer in mscli(env=env, code=0).stdout.decode().splitlines()]

    assert offered(f"mscli record --{kind}-codec ") == codec_names(kind)
    assert offered("mscli record --preset very") == ["veryfast", "veryslow"]


def test_the_manual_lists_what_every_container_holds() -> None:
    listed = re.findall(r"^`\.(\w+)`\n: (.+)$", ENCODING, re.MULTILINE)
    held = [(row.suffix, "; ".join(", ".join(f"`{c}`" for c in kind) for kind in (row.video, row.audio) if kind))
            for row in CONTAINERS.values()]  # fmt: skip
    assert listed == held


def test_the_report_says_where_the_index_stands(mscli: Program) -> None:
    reports = {}
    for name, flags in (("a.mp4", []), ("b.mp4", ["--faststart"]), ("c.mkv", [])):
        reports[name] = json.loads(mscli(*SHORT, "--json", *flags, name, code=0).stdout)
    assert [report.get("moov") for report in reports.values()] == ["end", "front", None]


def test_each_of_several_outputs_has_its_own_index(mscli: Program) -> None:
    report = json.loads(mscli(*SHORT, "--json", "--faststart", "a.mp4", "b.m4a", code=0).stdout)
    assert [output["moov"] for output in report["outputs"]] == ["front", "front"]


def test_metadata_are_in_the_file(mscli: Program) -> None:
    mscli(*SHORT, "--metadata", "title=A = B", "--metadata", "artist=Anna", "a.mp4", code=0)
    tags = probe(mscli.folder / "a.mp4", "-show_entries", "format_tags")["format"]["tags"]
    assert (tags["title"], tags["artist"]) == ("A = B", "Anna")


@pytest.mark.parametrize(
    ("tag", "said"), [("director=X", "“director” is not one of title"), ("title", "has no value"), ("title= ", "has no value")]
)
def test_metadata_that_no_file_keeps_are_refused(tag: str, said: str, mscli: Program) -> None:
    assert said in refused(mscli, "--metadata", tag, code=2)
