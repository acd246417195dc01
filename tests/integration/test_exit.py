"""A program that ends and leaves a recording running: nothing of it is missing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT, clean_environment

PROGRAM = """
import sys, time
import mscli

devices = mscli.MediaDevices(backends=[mscli.FakeBackend({})])
recorder = mscli.MediaRecorder(devices.get_user_media({"video": True}), file=sys.argv[1])
recorder.onstop = lambda _: print("written", recorder.recording.counts[0].frames)
recorder.start()
while not recorder.recording.counts[0].frames:
    time.sleep(0.01)
"""


def test_a_recording_that_is_left_running_is_written_to_its_end(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "default", "-c", PROGRAM, str(tmp_path / "left.mkv")]
    env = clean_environment() | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.startswith("written ")
    assert int(done.stdout.split()[1]) > 0
    assert "ResourceWarning: MediaDevices were not closed" in done.stderr
