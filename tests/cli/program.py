"""Shared by the tests of the commands: a machine with fake devices, running commands, and what other programs read."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.conftest import Completed, Program

TIMEOUT_S = 30.0

Described = dict[str, Any]


def camera(**members: Any) -> Described:
    """Return the description of a camera for --fake-devices-from: 320×240 at 30 frames per second by default."""
    return {"kind": "videoinput", "label": "Camera", "modes": [{"width": 320, "height": 240, "frameRate": 30}]} | members


def microphone(**members: Any) -> Described:
    """Return the description of a microphone with 48000 Hz and one channel."""
    return {"kind": "audioinput", "label": "Microphone", "sampleRates": [48000], "channelCounts": [1]} | members


@dataclass(frozen=True)
class FakeMachine(Program):
    """The program on a machine with the built-in fake devices, or those that were plugged in."""

    def plug(self, *devices: Described) -> None:
        """Replace the devices by these."""
        self._description.write_text(json.dumps({"devices": devices}))

    @property
    def _description(self) -> Path:
        return self.folder.with_suffix(".json")  # beside the folder that holds the output of commands

    @property
    def environment(self) -> dict[str, str]:
        """Return the environment, which points every command to the fake devices."""
        fake = str(self._description) if self._description.exists() else "1"
        return super().environment | {"MSCLI_FAKE_DEVICES": fake}

    def shell(self, script: str) -> Completed:
        """Run a line of bash in which ``mscli`` is the program."""
        define = f'mscli() {{ {" ".join(self.argv)} "$@"; }}\n'
        return subprocess.run(
            ["bash", "-c", define + script], cwd=self.folder, env=self.environment, capture_output=True, timeout=60, check=False
        )

    @property
    def files(self) -> list[str]:
        """Return the names in the folder."""
        return sorted(os.listdir(self.folder))

    @contextmanager
    def running(
        self, *arguments: str, events: bool = True, stdout: int = subprocess.PIPE, stderr: int = subprocess.PIPE
    ) -> Iterator[Running]:
        """Run a command, with access to its events if it is a capturing one."""
        read, write = os.pipe()
        with open(read) as told:
            process = subprocess.Popen(
                [*self.argv, *arguments, *([f"--events=/dev/fd/{write}"] if events else [])],
                cwd=self.folder,
                env=self.environment,
                stdout=stdout,
                stderr=stderr,
                pass_fds=[write],
            )
            os.close(write)
            with process:
                try:
                    yield Running(process, told)
                finally:
                    process.kill()


@dataclass(frozen=True)
class Running:
    """A running command and its events."""

    process: subprocess.Popen[bytes]
    events: Iterator[str]

    def wait_for(self, event_type: str) -> dict[str, Any]:
        """Return the next event of this type."""
        for line in self.events:
            event: dict[str, Any] = json.loads(line)
            if event["type"] == event_type:
                return event
        raise AssertionError(f"no event {event_type}")

    def send(self, number: signal.Signals) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    def end(self) -> Completed:
        """Wait for the end. Return the result."""
        stdout, stderr = self.process.communicate(timeout=TIMEOUT_S)
        return subprocess.CompletedProcess(self.process.args, self.process.returncode, stdout, stderr)


def eventually(condition: Callable[[], object]) -> bool:
    """Return whether a condition becomes true, for what another process does."""
    deadline = time.monotonic() + TIMEOUT_S
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def handles_signals(pid: int) -> bool:
    """Return whether a process handles signals by now: SIGALRM is the last handler that it sets."""
    (caught,) = re.findall("SigCgt:\t(.*)", Path(f"/proc/{pid}/status").read_text())
    return bool(int(caught, 16) >> (signal.SIGALRM - 1) & 1)


def error_line(done: Completed) -> str:
    """Return the one line ``mscli: NAME: sentence``. Hints may follow it."""
    text = done.stderr.decode()
    assert "Traceback" not in text
    lines = [line for line in text.splitlines() if line.startswith("mscli: ")]
    assert len(lines) == 1, text
    after = text.partition(lines[0])[2].splitlines()[1:]
    assert all(line.startswith("  ") for line in after), text
    return lines[0]


def error_json(done: Completed) -> dict[str, Any]:
    """Return the error for scripts, which must be all of stderr."""
    told = json.loads(done.stderr)
    assert set(told) == {"error"}
    error: dict[str, Any] = told["error"]
    return error


def output_of(*command: str | Path) -> str:
    """Return the output of a program that must succeed."""
    return subprocess.run(list(map(str, command)), check=True, capture_output=True).stdout.decode()


def picture(path: Path) -> str:
    """Return the format and size of a picture, as read by ImageMagick: PNG 640x480."""
    return output_of("identify", "-format", "%m %wx%h", path)


def streams(path: Path) -> dict[str, dict[str, Any]]:
    """Return the streams that ffprobe finds in a file, by kind. It reads every packet."""
    found = json.loads(output_of("ffprobe", "-v", "error", "-count_packets", "-show_streams", "-of", "json", path))
    return {stream["codec_type"]: stream for stream in found["streams"]}


def packets(path: Path, kind: str) -> int:
    """Return the number of packets of a kind in a file."""
    return int(streams(path)[kind]["nb_read_packets"])


@contextmanager
def full_pipe() -> Iterator[int]:
    """Return the writing end of a full pipe."""
    reading, writing = os.pipe()
    try:
        os.set_blocking(writing, False)
        for piece in (bytes(4096), b"."):
            with suppress(BlockingIOError):
                while True:
                    os.write(writing, piece)
        os.set_blocking(writing, True)
        yield writing
    finally:
        os.close(reading)
        os.close(writing)
