"""What can be recorded into, and what is said of what cannot, before a device runs."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT, Program, clean_environment, require
from tests.disks import mounted, tiny_disk
from tests.integration.running import SMALL, decode, frame_numbers

FRAMES = ("--frames", "10", "--no-audio", *SMALL)


def codec_and_container(path: Path) -> tuple[str, str]:
    """What ffprobe sees."""
    command = ["ffprobe", "-v", "error", "-of", "json", "-show_streams", "-show_format", str(path)]
    seen: Any = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    return seen["streams"][0]["codec_name"], seen["format"]["format_name"]


@pytest.mark.parametrize("name", ["-", "/dev/stdout", "/dev/fd/1"])
def test_stdout_carries_matroska_and_nothing_else(mscli: Program, name: str) -> None:
    require("ffmpeg", "ffprobe")
    done = mscli("record", "--json", *FRAMES, name, code=0)
    path = mscli.folder / "seen.mkv"
    path.write_bytes(done.stdout)
    decode(path)
    assert codec_and_container(path) == ("h264", "matroska,webm")
    assert frame_numbers(path) == list(range(10))
    report = json.loads(done.stderr)
    assert (report["files"], report["reason"]) == ([], "frames")


@pytest.mark.parametrize(("container", "codec"), [("mp4", "h264"), ("webm", "vp9")])
def test_another_container_goes_into_a_pipe_if_it_is_named(mscli: Program, container: str, codec: str) -> None:
    require("ffmpeg", "ffprobe")
    path = mscli.folder / "seen"
    path.write_bytes(mscli("record", "-q", "--format", container, *FRAMES, "-", code=0).stdout)
    decode(path)
    assert codec_and_container(path)[0] == codec
    assert frame_numbers(path) == list(range(10))


def test_the_container_is_named_for_a_file_without_a_suffix(mscli: Program) -> None:
    require("ffmpeg", "ffprobe")
    mscli("record", "-q", "--format", "mkv", *FRAMES, "plain", code=0)
    assert codec_and_container(mscli.folder / "plain") == ("h264", "matroska,webm")


def test_a_named_pipe_is_read_while_it_is_recorded(mscli: Program) -> None:
    require("ffmpeg", "ffprobe")
    fifo, seen = mscli.folder / "fifo", mscli.folder / "seen.mkv"
    os.mkfifo(fifo)
    with seen.open("wb") as file, subprocess.Popen(["cat", fifo], stdout=file) as reader:
        mscli("record", "-q", *FRAMES, fifo, code=0)
        assert reader.wait(20) == 0
    assert frame_numbers(seen) == list(range(10))


def test_a_reader_that_leaves_is_an_ordinary_end(mscli: Program) -> None:
    command = [*mscli.argv, "record", "--json", *SMALL, "-"]
    environment = clean_environment() | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert len(process.stdout.read(1000)) == 1000
        process.stdout.close()
        assert json.loads(process.stderr.read())["reason"] == "pipe"
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("name", "error", "remedy"),
    [
        ("no/such/out.mp4", "cannot write {}: its folder does not exist", "create the folder first: mkdir -p no/such"),
        ("folder.mp4", "cannot write {}: it is a folder", "add a file name: folder.mp4/NAME.mp4"),
        ("mine.mp4", "{} already exists; use --force to overwrite it", ""),
        ("/dev/full", "cannot write {}: the disk is full", "free some space, or choose a folder on another disk"),
        (
            "/dev/fd/98",
            "cannot write descriptor 98: the descriptor is not open for writing",
            "check the redirection in the shell",
        ),
        ("n" * 300 + ".mp4", "cannot write {}: its name is too long", "choose a shorter name"),
    ],
)
def test_an_output_that_cannot_be_written_is_said_in_a_sentence(mscli: Program, name: str, error: str, remedy: str) -> None:
    (mscli.folder / "folder.mp4").mkdir()
    (mscli.folder / "mine.mp4").write_bytes(b"mine")
    said = mscli("record", *FRAMES, "--format", "mp4" if name.endswith("mp4") else "mkv", name, code=9).stderr.decode()
    planned = ("camera “", f"{name}: H.264 ")
    lines = [line for line in said.splitlines() if not line.startswith(planned)]
    assert lines == [f"mscli: error: {error.format(name)}", *([f"  {remedy}"] if remedy else [])]
    assert (mscli.folder / "mine.mp4").read_bytes() == b"mine"


def test_a_folder_that_cannot_be_written_is_said(mscli: Program) -> None:
    with mounted(mscli.folder / "locked", "-t", "tmpfs", "-o", "ro", "tmpfs"):
        done = mscli("record", *FRAMES, "locked/out.mp4", code=9)
    assert b"the file system is read-only" in done.stderr
    assert b"choose another folder" in done.stderr


def test_a_file_is_replaced_if_that_is_asked(mscli: Program) -> None:
    require("ffmpeg", "ffprobe")
    path = mscli.folder / "mine.mp4"
    path.write_bytes(b"mine")
    mscli("record", "-q", "--force", *FRAMES, path, code=0)
    assert frame_numbers(path) == list(range(10))


@pytest.mark.parametrize("suffix", ["mp4", "wav"])
def test_without_room_for_ten_seconds_nothing_is_begun(mscli: Program, tmp_path: Path, suffix: str) -> None:
    folder = tmp_path / "disk"
    with tiny_disk(folder, 500_000):
        what = ["--size", "exact:1920x1080"] if suffix == "mp4" else ["--no-video"]
        done = mscli("record", "--fake-devices", *what, folder / f"out.{suffix}", code=9)
        first, *hints = [line for line in done.stderr.decode().splitlines() if "Fake" not in line]
        need = "7.9 MB" if suffix == "mp4" else "0.96 MB"
        assert first == (f"mscli: error: not enough disk space: 0.5 MB left, but 10 s of recording take about {need}")
        assert "free some space" in hints[0]
        assert list(folder.iterdir()) == []


def test_with_strict_a_loss_is_a_failure_and_the_file_is_kept(mscli: Program) -> None:
    require("ffmpeg", "ffprobe")
    lossy = {"kind": "videoinput", "modes": [{"width": 320, "height": 240}], "faults": {"dropEvery": 7}}
    (mscli.folder / "lossy.json").write_text(json.dumps({"devices": [lossy]}))
    what = ("record", "--fake-devices-from", "lossy.json", "--frames", "20", "--json")
    assert mscli.json(*what, "easy.mp4")["tracks"][0]["lost"] > 0
    mscli(*what, "--strict", "strict.mp4", code=10)
    assert len(frame_numbers(mscli.folder / "strict.mp4")) == 20


@pytest.mark.parametrize("form", ["file:{}", "file://{}"])
def test_a_file_address_is_a_file(mscli: Program, form: str) -> None:
    for command, name in (("record", "x.mkv"), ("capture", "x.raw")):
        output = form.format(mscli.folder / name)
        mscli(command, "--fake-devices", "--size", "320x240", "--no-audio", "--frames", "2", "-o", output)
        assert (mscli.folder / name).stat().st_size


def test_a_capture_into_a_name_of_another_format_is_warned_about(mscli: Program) -> None:
    done = mscli("capture", "--fake-devices", "--no-video", "--audio", "--duration", "0.1", "-o", "a.flac")
    assert "will hold raw samples without a header, although its name ends in .flac" in done.stderr.decode()
    done = mscli("capture", "--fake-devices", "--no-video", "--audio", "--duration", "0.1", "-o", "a.raw")
    assert b"without a header" not in done.stderr
