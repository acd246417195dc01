"""A WAV that is still written, or whose writer was killed, read back at any size."""

from __future__ import annotations

import os
import struct
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import NamedTuple

import pytest

from mscli.core.clock import wall_clock
from mscli.encode.headers import WavHeader, bext
from mscli.sinks import SINKS
from tests.conftest import require
from tests.sinks.serial import RATE, in_time, samples, series, sound, values
from tests.sinks.synth import T0, feed_and_close, opened, probe, run, tone

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


class Extension(NamedTuple):
    """The chunk bext: https://tech.ebu.ch/docs/tech/tech3285.pdf, section 2.3."""

    description: str
    originator: str
    date: str
    time: str
    samples: int  # since midnight


def extension(path: Path) -> Extension:
    """The chunk as its specification lays it out."""
    data = path.read_bytes()
    at = 12
    while data[at : at + 4] != b"bext":
        size = struct.unpack_from("<I", data, at + 4)[0]
        at += 8 + size + size % 2
    description, originator, _, date, time, low, high = struct.unpack_from("<256s32s32s10s8sII", data, at + 8)
    about, by, day, clock = (text.rstrip(b"\0").decode() for text in (description, originator, date, time))
    return Extension(about, by, day, clock, low + (high << 32))


def test_a_file_says_at_which_time_of_day_it_begins(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    feed_and_close(opened(SINKS["wav"], str(path), ["audio"], tags={"title": "Take 3"}), [(0, tone(0, 4800))])
    found, began = extension(path), wall_clock(T0)
    midnight = began.replace(hour=0, minute=0, second=0, microsecond=0)
    assert (found.description, found.originator) == ("Take 3", "mscli 0.1.0")
    assert datetime.fromisoformat(f"{found.date}T{found.time}") == pytest.approx(
        began.replace(tzinfo=None), abs=timedelta(seconds=1)
    )
    assert found.samples / 48_000 == pytest.approx((began - midnight).total_seconds(), abs=0.01)


def test_a_file_without_metadata_says_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    feed_and_close(opened(SINKS["wav"], str(path), ["audio"], metadata=False), [(0, tone(0, 4800))])
    assert b"bext" not in path.read_bytes()


def test_the_time_reference_is_local_and_texts_are_cut_to_their_fields() -> None:
    began = datetime(2026, 3, 29, 23, 59, 59, 500_000, timezone(timedelta(hours=2)))
    found = bext(began, 96_000, "ä" * 200)
    assert found["time_reference"] == str(86_399 * 96_000 + 48_000)
    assert (found["origination_date"], found["origination_time"]) == ("2026-03-29", "23:59:59")
    assert found["description"] == "ä" * 128


def test_a_title_with_the_names_of_chunks_confuses_no_header(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    feed_and_close(opened(SINKS["wav"], str(path), ["audio"], tags={"title": "data fmt fact"}), [(0, tone(0, 4800))])
    before = path.read_bytes()
    fd = os.open(path, os.O_RDWR)
    try:
        WavHeader().update(fd, len(before))
    finally:
        os.close(fd)
    assert path.read_bytes() == before


@pytest.mark.parametrize("suffix", ["wav", "flac"])
def test_sox_and_ffmpeg_join_segments_to_the_sample(suffix: str, tmp_path: Path) -> None:
    require("sox", "ffmpeg")
    blocks = sound(2)
    feed_and_close(series(tmp_path / f"a.{suffix}", ["audio"], duration_s=0.333), in_time(audio=blocks))
    parts = sorted(tmp_path.iterdir())
    run("sox", *parts, tmp_path / f"sox.{suffix}")
    (tmp_path / "list").write_text("".join(f"file {part.name}\n" for part in parts))
    run("ffmpeg", "-v", "error", "-f", "concat", "-i", tmp_path / "list", tmp_path / f"joined.{suffix}")
    assert samples(tmp_path / f"sox.{suffix}") == samples(tmp_path / f"joined.{suffix}") == values(blocks)


def test_segments_follow_each_other_in_the_time_of_day(tmp_path: Path) -> None:
    feed_and_close(series(tmp_path / "a.wav", ["audio"], duration_s=0.5), in_time(audio=sound(2)))
    parts = sorted(tmp_path.iterdir())
    begins = [extension(part).samples for part in parts]
    ends = [begin + len(samples(part)) for begin, part in zip(begins, parts, strict=True)]
    assert begins[1:] == [pytest.approx(end, abs=RATE // 100) for end in ends[:-1]]
