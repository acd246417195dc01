"""A program that reads a paced source slowly, and is interrupted: it ends soon, with its source's thread."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest

from tests.conftest import ROOT, clean_environment
from tests.idle import idle_until_end

PROGRAM = """
import time
from threading import Thread
import mscli
from mscli.core.boxes import Mode
from mscli.sources.base import Abilities

class Endless(mscli.TrackSource):
    live = False
    def __init__(self):
        super().__init__("video", "Endless")
        self._thread = Thread(target=self._run, name="endless")
    def capabilities(self):
        return Abilities([Mode("GREY", 64, 48, 30)])
    def start(self):
        self._thread.start()
    def close(self):
        self._thread.join()
    def _run(self):
        number = 0
        while not self.ended:
            self.deliver(mscli.VideoFrame("GREY", 64, 48, number * 33_333, (memoryview(bytes(64 * 48)),), (64,), 33_333))
            number += 1

with mscli.MediaDevices(backends=[]) as devices:
    track = devices.add_source(Endless())
    {use}
"""

USES = {
    "reading": """frames = mscli.MediaStreamTrackProcessor({"track": track, "maxBufferBytes": 1}).readable
    print("ready", flush=True)
    for frame in frames:
        time.sleep(0.2)""",
    "unread": """print("ready", flush=True)
    time.sleep(60)""",
    "recording": """recorder = mscli.MediaRecorder(mscli.MediaStream([track]), file="endless.mkv")
    recorder.start()
    print("ready", flush=True)
    time.sleep(60)""",
}


@pytest.mark.parametrize("use", USES)
def test_sigint_ends_a_program_whose_source_waits_within_two_seconds(use: str, tmp_path: object) -> None:
    program = subprocess.Popen(
        [sys.executable, "-c", PROGRAM.replace("{use}", USES[use])],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=clean_environment() | {"PYTHONPATH": str(ROOT)},
        cwd=str(tmp_path),
    )
    with program:
        assert program.stdout is not None
        assert program.stdout.readline() == b"ready\n"
        time.sleep(0.5)  # its queue is full by now
        program.send_signal(signal.SIGINT)
        assert idle_until_end(program) < 2.0
        _, errors = program.communicate()
    assert errors.rstrip().endswith(b"KeyboardInterrupt")
