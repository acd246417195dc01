"""Recordings survive: signals, SIGKILL, power cuts, full disks and write errors, each met by a real process in its midst."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import wave
from pathlib import Path
from typing import Any

import av
import pytest

from tests.camera.rig import built_library
from tests.conftest import ROOT, Program, clean_environment, require
from tests.disks import ext4_image, mounted, tiny_disk
from tests.integration.running import arguments_for, decode, frame_numbers, samples, seconds_in, start

SUFFIXES = ["mp4", "mkv", "webm", "wav", "flac"]
SLACK_S = 0.5  # from the signal to its handler on a busy machine, and from the event “start” to the first frame
AUDIO_SLACK = 3000  # samples that codecs add at both ends


@pytest.fixture
def moment(request: pytest.FixtureRequest) -> float:
    """A random moment of a recording, in seconds; a test that fails says which."""
    seconds = random.uniform(0.3, 2.0)
    request.node.add_report_section("setup", "moment", f"{seconds:.3f} s")
    return seconds


def check_against_report(path: Path, report: Any) -> None:
    """All that the report counts is in the file, in order, and nothing is missing between."""
    decode(path)
    tracks = {track["kind"]: track for track in report["tracks"]}
    sound = tracks["audio"]
    assert abs(samples(path) - sound["frames"] - sound["silence"]) <= AUDIO_SLACK  # a late machine makes silence
    if "video" in tracks:
        numbers = frame_numbers(path)
        gaps = numbers[-1] + 1 - len(numbers)
        assert numbers == sorted(set(numbers))
        assert len(numbers) == tracks["video"]["frames"]
        assert gaps <= tracks["video"]["lost"] + tracks["video"]["dropped"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda one: one.name)
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_signal_ends_a_recording_with_everything_captured_before_it(
    mscli: Program, suffix: str, number: signal.Signals, moment: float
) -> None:
    require("ffmpeg", "ffprobe")
    running = start(mscli, *arguments_for(suffix))
    running.run_for(moment)
    age_s = running.send(number)
    code, report, said = running.end()
    assert (code, report["reason"]) == (0, "signal"), said
    path = mscli.folder / f"out.{suffix}"
    check_against_report(path, report)
    assert seconds_in(path) >= age_s - SLACK_S
    assert [*mscli.folder.iterdir()] == [path]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda one: one.name)
def test_a_signal_at_the_very_start_leaves_a_whole_file_or_none(mscli: Program, number: signal.Signals) -> None:
    require("ffmpeg")
    for _ in range(5):
        command = [*mscli.argv, "record", "-q", "--force", *arguments_for("mp4")]
        environment = clean_environment() | {"PYTHONPATH": str(ROOT)}
        with subprocess.Popen(command, cwd=mscli.folder, env=environment, stderr=subprocess.PIPE) as process:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(random.uniform(0, 0.6))
            process.send_signal(number)
            _, said = process.communicate()
        left = list(mscli.folder.iterdir())
        before_the_program = said.endswith(b"KeyboardInterrupt\n") and bytes(ROOT / "mscli") not in said  # Python was starting
        ends_of_python = (1, -number)  # 1 before it runs modules
        assert process.returncode in ((0,) if left else ends_of_python if before_the_program else (-number, 130)), said
        for path in left:
            decode(path)
            path.unlink()


def test_a_second_sigint_gives_up_a_reader_that_does_not_read(mscli: Program) -> None:
    loud = {"kind": "audioinput", "sampleRates": [192_000], "channelCounts": [8], "sampleSizes": [32]}
    (mscli.folder / "loud.json").write_text(json.dumps({"devices": [loud]}))
    fifo = mscli.folder / "fifo"
    os.mkfifo(fifo)
    reading = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    running = start(mscli, "--fake-devices-from", "loud.json", "--no-video", "--format", "wav", "fifo")
    running.run_for(1.0)  # the pipe is full
    running.send(signal.SIGINT)
    with pytest.raises(subprocess.TimeoutExpired):
        running.process.wait(0.2)  # two signals at once would be one, and a second later the reader is given up
    running.send(signal.SIGINT)
    code, report, _ = running.end()
    os.close(reading)
    assert (code, report) == (130, None)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_all_but_the_last_second_of_a_killed_recording_can_be_read(mscli: Program, suffix: str, moment: float) -> None:
    require("ffmpeg", "ffprobe")
    running = start(mscli, *arguments_for(suffix))
    running.run_for(1.5 + moment)
    running.rest()  # an encoder that is overloaded may lose more
    age_s = running.send(signal.SIGKILL)
    running.process.communicate()
    path = mscli.folder / f"out.{suffix}"
    assert [*mscli.folder.iterdir()] == [path]
    assert seconds_in(path) >= age_s - 1.0


@pytest.mark.parametrize("suffix", [*SUFFIXES, "mp3"])
def test_a_slow_disk_costs_a_killed_recording_no_more(mscli: Program, suffix: str) -> None:
    """Of 100 writes a second, as WAV once made, three quarters would wait when the program is killed."""
    require("ffmpeg", "ffprobe", "gcc", "stdlib.h")
    slow = f"LD_PRELOAD={built_library(Path(__file__).with_name('slow_disk.c'))}"
    running = start(mscli, *arguments_for(suffix), prefix=("env", slow))
    running.run_for(5.0)
    age_s = running.send(signal.SIGKILL)
    running.process.communicate()
    assert seconds_in(mscli.folder / f"out.{suffix}") >= age_s - 1.0


def test_the_header_of_a_killed_wav_says_how_long_it_is(mscli: Program) -> None:
    require("ffmpeg", "sox")
    running = start(mscli, *arguments_for("wav"))
    running.run_for(1.5)
    running.send(signal.SIGKILL)
    running.process.communicate()
    path = mscli.folder / "out.wav"
    with wave.open(str(path)) as file:
        assert file.getnframes() == samples(path) == len(file.readframes(1 << 30)) // 2
    done = subprocess.run(["sox", path, "-n", "stat"], capture_output=True, text=True, check=True)
    assert "WARN" not in done.stderr


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_power_cut_takes_no_more_than_the_last_second(mscli: Program, suffix: str, tmp_path: Path) -> None:
    require("ffmpeg", "ffprobe", "mkfs.ext4")
    image, cut = ext4_image(tmp_path / "disk", 64), tmp_path / "cut"
    with mounted(tmp_path / "mnt", "-o", "loop", image):
        running = start(Program(tmp_path / "mnt"), *arguments_for(suffix))
        running.run_for(2.5)
        age_s = running.rest()
        shutil.copyfile(image, cut)  # what the disk has at this moment
        running.send(signal.SIGINT)
        assert running.end()[0] == 0
        done = shutil.copyfile(image, tmp_path / "done")
    with mounted(tmp_path / "mnt", "-o", "loop", cut):
        assert seconds_in(tmp_path / "mnt" / f"out.{suffix}") >= age_s - 1.0
    with mounted(tmp_path / "mnt", "-o", "loop", done):  # and nothing once it has ended
        decode(tmp_path / "mnt" / f"out.{suffix}")
        assert seconds_in(tmp_path / "mnt" / f"out.{suffix}") >= age_s


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_disk_that_fills_up_ends_a_recording_that_can_be_read(mscli: Program, suffix: str, tmp_path: Path) -> None:
    require("ffmpeg", "ffprobe")
    folder = tmp_path / "disk"
    with tiny_disk(folder, 8 << 20):
        running = start(Program(folder), *arguments_for(suffix))
        running.run_for(2.0)
        age_s = running.rest()
        fill(folder / "filler")
        code, report, said = running.end()
        assert code == 9
        assert report["reason"] == "error"
        assert "the disk is full" in said
        assert "free some space" in said
        assert seconds_in(folder / f"out.{suffix}") >= age_s - 1.0
        check_kept(folder / f"out.{suffix}", report)
        assert sorted(path.name for path in folder.iterdir()) == ["filler", f"out.{suffix}"]


def check_kept(path: Path, report: Any) -> None:
    """The report counts what the file has: the packets that stayed."""
    tracks = {track["kind"]: track for track in report["tracks"]}
    with av.open(str(path)) as file:
        kept = [(packet.stream.type, packet.size) for packet in file.demux() if packet.size]
    assert {kind: track["bytes"] for kind, track in tracks.items()} == {
        kind: sum(size for one, size in kept if one == kind) for kind in tracks
    }
    if "video" in tracks:
        assert tracks["video"]["frames"] + tracks["video"]["duplicated"] == sum(kind == "video" for kind, _ in kept)
    sound = tracks["audio"]
    assert abs(samples(path) - sound["frames"] - sound["silence"]) <= AUDIO_SLACK
    assert abs(report["duration"] - seconds_in(path)) < 0.1


def fill(path: Path) -> None:
    """Write until the disk is full."""
    with path.open("wb", buffering=0) as file:
        try:
            while file.write(bytes(4096)):
                pass
        except OSError:
            return


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_file_that_may_not_grow_ends_a_recording_that_can_be_read(mscli: Program, suffix: str) -> None:
    require("ffmpeg", "ffprobe")
    kilobytes = 150 if suffix == "wav" else 25
    running = start(mscli, *arguments_for(suffix), prefix=("bash", "-c", f'ulimit -f {kilobytes}; exec "$@"', "-"))
    code, _, said = running.end()
    assert code == 9
    assert "raise ulimit -f" in said
    assert seconds_in(mscli.folder / f"out.{suffix}") > 0.5
