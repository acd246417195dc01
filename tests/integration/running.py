"""``mscli record`` as a process that has begun to record, and what it has left behind."""

from __future__ import annotations

import json
import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.conftest import ROOT, Program, clean_environment
from tests.idle import come_to_rest
from tests.pattern import pictures, read_code

RATE = 30  # pictures a second
SMALL = ("--fake-devices", "--size", "320x240", "--frame-rate", str(RATE))
TIMEOUT_S = 60.0

SOUND_ONLY = ("wav", "flac", "mp3")


@dataclass
class Running:
    """A process that records."""

    process: subprocess.Popen[bytes]
    started_s: float  # on CLOCK_MONOTONIC, when it said so

    @property
    def age_s(self) -> float:
        """For how long it has recorded."""
        return time.monotonic() - self.started_s

    def run_for(self, seconds: float) -> None:
        """Let it record until it has done so for that time."""
        time.sleep(max(0.0, seconds - self.age_s))

    def rest(self) -> float:
        """Wait until it has encoded and written what it has captured; how long it had recorded then."""
        come_to_rest(self.process)
        return self.age_s

    def send(self, number: int) -> float:
        """Send a signal; how long it had recorded then."""
        age_s = self.age_s
        self.process.send_signal(number)
        return age_s

    def end(self) -> tuple[int, Any, str]:
        """Wait for its end: exit code, report (None if there is none) and what it said."""
        out, err = self.process.communicate(timeout=TIMEOUT_S)
        return self.process.returncode, json.loads(out) if out else None, err.decode()


def start(mscli: Program, *arguments: str | Path, prefix: tuple[str, ...] = ()) -> Running:
    """Start ``mscli record`` and wait until it says that it records."""
    reading, writing = os.pipe()
    process = subprocess.Popen(
        [*prefix, *mscli.argv, "record", "--json", "--events", f"/dev/fd/{writing}", *map(str, arguments)],
        cwd=mscli.folder,
        env=clean_environment() | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        pass_fds=[writing],
    )
    os.close(writing)
    with os.fdopen(reading) as events:
        for event in map(json.loads, events):
            if event["type"] == "start":
                return Running(process, event["time"])
    raise AssertionError(f"it did not begin to record: {process.communicate()[1].decode()}")


def arguments_for(suffix: str) -> list[str]:
    """Options and name of a small recording in that container."""
    return [*(["--fake-devices", "--no-video"] if suffix in SOUND_ONLY else SMALL), f"out.{suffix}"]


def decode(path: Path) -> None:
    """Decode all of a file with ffmpeg; it must not complain."""
    command = ["ffmpeg", "-v", "error", "-xerror", "-i", str(path), "-f", "null", "-"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr


def frame_numbers(path: Path) -> list[int]:
    """The numbers in the pictures of a file."""
    codes = [read_code(picture.luma) for picture in pictures(path)]
    return [code.number for code in codes if code is not None]


def samples(path: Path) -> int:
    """Samples of a file's sound, as ffmpeg decodes it to 48 kHz, mono."""
    command = ["ffmpeg", "-v", "error", "-i", str(path), "-map", "0:a:0", "-ac", "1", "-ar", "48000", "-f", "s16le", "-"]
    return len(subprocess.run(command, check=True, capture_output=True).stdout) // 2


def seconds_in(path: Path) -> float:
    """How much of the time from the start of the recording is in a file, by its pictures if it has any."""
    return samples(path) / 48_000 if path.suffix[1:] in SOUND_ONLY else (frame_numbers(path)[-1] + 1) / RATE
