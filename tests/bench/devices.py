"""What a look at the devices costs, cameras alone and with PortAudio, beside a program that only prints its version."""

from __future__ import annotations

from collections.abc import Iterator

from tests.bench.measure import SCRIPT, Row, versus

PEER = ["ffmpeg", "-version"]
TARGETS = {"devices --kind videoinput --json": 1.0, "devices --json": 2.0}


def rows(runs: int) -> Iterator[Row]:
    for command, target in TARGETS.items():
        yield versus(command, [*SCRIPT, *command.split()], "ffmpeg -version", PEER, target, runs)
