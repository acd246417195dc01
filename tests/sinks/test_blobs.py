"""Recordings in memory: finished as a file is, or in pieces that together are a recording, whenever somebody asks for them."""

from __future__ import annotations

import io
from typing import Any

import av
import pytest

from mscli.api.recording import Slices
from mscli.encode import video
from mscli.encode.mp4 import boxes
from mscli.encode.options import SinkOptions, TrackFormat
from mscli.sinks import SINKS, SinkRow, load_sink
from tests.sinks.synth import CONTAINER_ROWS, feed, frames_for, kinds_of

FRAMES, SECONDS = 30, 1.2

rows = pytest.mark.parametrize("row", CONTAINER_ROWS, ids=lambda row: row.suffix)


@pytest.fixture(autouse=True)
def one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Encode pictures one after the other: with more threads, one in a thousand of x264's streams differs in some bytes."""
    monkeypatch.setattr(video, "threads", lambda *_: 1)


def recorded(row: SinkRow, target: Any, cut_after: int | None = None) -> Any:
    """Record into the target, and cut slices after some frames."""
    sink = load_sink(row, target, SinkOptions())
    sink.open([TrackFormat(kind, {"frameRate": 25.0}) for kind in kinds_of(row)])
    frames = frames_for(row, FRAMES)
    if cut_after is not None:
        feed(sink, frames[:cut_after])
        target.cut()
        frames = frames[cut_after:]
    feed(sink, frames)
    sink.close()
    return target


def data_of(slices: Slices, count: int) -> list[bytes]:
    """Return the slices. The last cut is that of the recorder's end."""
    slices.cut(last=True)
    return [slices.take().data for _ in range(count)]


def packets_of(data: bytes) -> list[tuple[int, bytes]]:
    """Return the streams and the bytes of all packets."""
    with av.open(io.BytesIO(data), "r") as file:
        return [(one.stream.index, bytes(one)) for one in file.demux() if one.size]


@rows
def test_a_recording_in_memory_is_finished_as_a_file_is(row: SinkRow) -> None:
    (data,) = data_of(recorded(row, Slices(whole=True)), 1)
    with av.open(io.BytesIO(data), "r") as file:
        assert file.duration is not None
        assert file.duration / 1e6 == pytest.approx(SECONDS, abs=0.06)
    if row.suffix in ("webm", "mkv"):
        assert b"\x1c\x53\xbb\x6b" in data  # Cues
    if row.suffix in ("mp4", "mov", "m4a"):
        assert [box.kind for box in boxes(data)][-2:] == [b"mdat", b"moov"]
    if row.suffix == "wav":
        assert int.from_bytes(data[4:8], "little") == len(data) - 8
    assert packets_of(data) == packets_of(recorded(row, io.BytesIO()).getvalue())


@pytest.mark.parametrize("cut_after", [1, 20])
@rows
def test_pieces_that_were_asked_for_are_together_a_recording(row: SinkRow, cut_after: int) -> None:
    first, rest = data_of(recorded(row, Slices(whole=True), cut_after), 2)
    whole = first + rest
    if row.suffix in ("mp4", "mov", "m4a") and first:
        kinds = [box.kind for box in boxes(whole)]
        assert kinds.count(b"moov") == 1
        assert kinds.index(b"moov") < kinds.index(b"moof")
    assert packets_of(whole) == packets_of(recorded(row, io.BytesIO()).getvalue())


def test_slices_of_a_given_length_are_written_as_for_a_pipe() -> None:
    assert not Slices().whole
    (data,) = data_of(recorded(SINKS["mp4"], Slices()), 1)
    assert b"moof" in data
    assert data == recorded(SINKS["mp4"], io.BytesIO()).getvalue()


def test_no_slice_ends_while_the_recording_is_completed() -> None:
    slices = Slices(whole=True)
    slices.begin_frame(0)
    slices.write(b"abc")
    slices.finishing(bytes)
    slices.cut()
    slices.seek(0)
    slices.write(b"A")
    assert [*data_of(slices, 2)] == [b"", b"Abc"]
