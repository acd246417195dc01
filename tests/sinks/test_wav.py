"""A WAV that is still written, or whose writer was killed, read back at any size."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mscli.encode.headers import WavHeader
from mscli.sinks import SINKS
from tests.sinks.synth import feed_and_close, opened, probe, run, tone

GIB = 1 << 30


@pytest.mark.parametrize(("size", "kind"), [(GIB, b"RIFF"), (4 * GIB + 6, b"RIFF"), (4 * GIB + 8, b"RF64"), (5 * GIB, b"RF64")])
def test_the_header_is_true_at_any_size(size: int, kind: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    feed_and_close(opened(SINKS["wav"], str(path), ["audio"]), [(0, tone(0, 4800))])
    head = path.stat().st_size - 4800 * 2
    fd = os.open(path, os.O_RDWR)
    try:
        os.truncate(fd, size)  # with a hole: it takes no room
        header = WavHeader()
        for grown in (GIB, size):
            header.update(fd, grown)
        assert os.pread(fd, 4, 0) == kind
    finally:
        os.close(fd)
    stream = probe(path)["streams"][0]
    assert int(stream["duration_ts"]) == (size - head) // 2
    last = run("ffmpeg", "-v", "error", "-ss", str((size - head) // 2 / 48000 - 0.5), "-i", path, "-f", "s16le", "-")
    assert 0.4 * 96000 < len(last) <= 0.5 * 96000 + 2
