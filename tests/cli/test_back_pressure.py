"""``capture --when-full`` and ``--buffer``: what is dropped for a slow reader is counted and logged."""

from __future__ import annotations

import json
import os
from itertools import pairwise

import pytest

from tests.cli.program import FakeMachine, camera, eventually

FRAME = 640 * 480 * 3 // 2


@pytest.mark.parametrize("policy", ["drop-oldest", "drop-newest", "block"])
def test_frames_that_a_stopped_reader_misses_are_in_the_report_and_the_log(policy: str, fake: FakeMachine) -> None:
    fake.plug(camera(modes=[{"width": 640, "height": 480, "frameRate": 60, "pixelFormat": "I420"}]))
    flags = ("--when-full", policy, "--buffer", "1M", "--frame-log", "log", "--json", "--control", "unix:control")
    with fake.running("capture", *flags, "-o", "-") as running:
        assert running.process.stdout is not None
        log = fake.folder / "log"

        def full() -> bool:  # the pipe, so that the writer waits
            return log.exists() and len(log.read_text().splitlines()) * FRAME > 1 << 20

        assert eventually(full)
        os.set_blocking(running.process.stdout.fileno(), True)
        written, at = b"", 0
        while len(written) < 40 * FRAME:  # some frames were dropped by now, or are while this is read
            written += running.process.stdout.read(FRAME)
            at += 1
        running.process.terminate()
        assert running.process.stderr is not None
        rest, said = running.process.stdout.read(), running.process.stderr.read()  # also what is read ahead already
        running.process.wait(30)
    report = json.loads(said.decode().splitlines()[-1])
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    data = written + rest
    assert len(data) == sum(line["bytes"] for line in lines)
    for before, line in pairwise(lines):
        assert line["lost"] + line["dropped"] == line["sequence"] - before["sequence"] - 1
    assert sum(line["dropped"] for line in lines) <= report["tracks"][0]["dropped"]


@pytest.mark.parametrize("buffer", ["2M", "100KiB", "0.1", "1s"])
def test_nothing_is_dropped_of_a_source_that_waits(buffer: str, fake: FakeMachine) -> None:
    fake("capture", "--quiet", "--frames", "20", "--size", "64x48", "--format", "y4m", "-o", "x.y4m", code=0)
    command = f"mscli capture --quiet -i x.y4m --no-pace --when-full block --buffer {buffer} --format I420"
    done = fake.shell(f"{command} | cat | wc -c")
    assert int(done.stdout) == 20 * 64 * 48 * 3 // 2


@pytest.mark.parametrize("arguments", ["--buffer 0", "--buffer 1x", "--buffer many", "--when-full wait"])
def test_bounds_and_policies_that_do_not_exist_are_mistakes(arguments: str, fake: FakeMachine) -> None:
    done = fake("capture", "--frames", "1", *arguments.split(), "-o", "x.raw", code=2)
    assert done.stderr.startswith(f"mscli: error: {arguments.split()[0]}".encode())
    assert fake.files == []
