"""The index of MP4, QuickTime and M4A: at the end, in fragments, or in front on request, whatever goes wrong meanwhile."""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import pytest

from mscli.encode.mp4 import Fragments, boxes, index_first, moved_index
from mscli.encode.options import Series, SinkOptions, TrackFormat
from mscli.sinks import SINKS, index_place, load_sink
from mscli.sinks.files import output as files
from mscli.sinks.recording import onefile
from tests.sinks.synth import T0, feed, feed_and_close, frames_for, h264, kinds_of, picture, run

INDEXED = ["mp4", "mov", "m4a"]
GIB = 1 << 30


def recorded(path: Path, count: int = 30, **options: Any) -> bytes:
    """Return the bytes of a recording."""
    row = SINKS[path.suffix[1:]]
    sink = load_sink(row, str(path), SinkOptions(faststart=True, **options))
    sink.open([TrackFormat(kind, {"frameRate": 25.0}) for kind in kinds_of(row)])
    feed_and_close(sink, frames_for(row, count, noisy=True))
    return path.read_bytes()


def media_of(path: Path) -> list[tuple[Any, ...]]:
    """Return the times and the bytes of all packets."""
    with av.open(str(path), "r") as file:
        return [(one.stream.index, one.pts, one.dts, one.duration, one.is_keyframe, bytes(one)) for one in file.demux()]


def fragments_of(data: bytes) -> list[int]:
    """Return the numbers of a file's fragments."""
    parts = [data[box.content : box.end] for box in boxes(data) if box.kind == b"moof"]
    return [struct.unpack_from(">I", part, next(boxes(part)).content + 4)[0] for part in parts]


def is_whole(path: Path) -> bool:
    """Return whether everything in the file can be decoded."""
    with av.open(str(path), "r") as file:
        return sum(1 for _ in file.decode()) > 0


@pytest.mark.parametrize("suffix", INDEXED)
def test_the_index_moves_to_the_front_and_nothing_else_changes(suffix: str, tmp_path: Path) -> None:
    plain, fast = tmp_path / f"plain.{suffix}", tmp_path / f"fast.{suffix}"
    row = SINKS[suffix]
    sink = load_sink(row, str(plain), SinkOptions())
    sink.open([TrackFormat(kind, {"frameRate": 25.0}) for kind in kinds_of(row)])
    feed_and_close(sink, frames_for(row, 30, noisy=True))
    recorded(fast)
    assert (index_place([str(plain)]), index_place([str(fast)])) == ("end", "front")
    assert media_of(plain) == media_of(fast)
    kinds = [box.kind for box in boxes(fast.read_bytes())]
    assert kinds.index(b"moov") < kinds.index(b"mdat")
    assert sorted(os.listdir(tmp_path)) == [f"fast.{suffix}", f"plain.{suffix}"]


@pytest.mark.parametrize("suffix", INDEXED)
def test_until_the_end_the_index_stands_in_fragments_so_that_a_kill_leaves_a_file(suffix: str, tmp_path: Path) -> None:
    path, row = tmp_path / f"a.{suffix}", SINKS[suffix]
    sink = load_sink(row, str(path), SinkOptions(faststart=True))
    sink.open([TrackFormat(kind, {"frameRate": 25.0}) for kind in kinds_of(row)])
    feed(sink, frames_for(row, 30))
    try:
        assert index_place([str(path)]) == "fragments"
        assert is_whole(path)
    finally:
        sink.abort()


def test_a_file_keeps_mode_and_owner_when_its_index_moves(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.touch(mode=0o600)
    recorded(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert index_place([str(path)]) == "front"


def test_a_full_disk_leaves_the_file_as_it_was_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "SPARE_BYTES", 1 << 62)
    notes: list[str] = []
    recorded(tmp_path / "a.mp4", on_note=notes.append)
    assert index_place([str(tmp_path / "a.mp4")]) == "end"
    (note,) = notes
    assert "a.mp4 keeps its index at the end: there is not enough disk space" in note
    assert os.listdir(tmp_path) == ["a.mp4"]


def test_an_error_while_the_index_moves_leaves_the_file_as_it_was_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, notes = tmp_path / "a.mp4", list[str]()
    beside = name.with_name(".a.mp4.part")
    sink = load_sink(SINKS["mp4"], str(name), SinkOptions(faststart=True, on_note=notes.append))
    sink.open([TrackFormat("video"), TrackFormat("audio")])
    feed(sink, frames_for(SINKS["mp4"], 30))
    write = os.write

    def fail(fd: int, data: Any) -> int:
        assert beside.exists()
        if os.fstat(fd).st_size:
            raise OSError(28, "No space left on device")
        return write(fd, data)

    monkeypatch.setattr("mscli.sinks.files.hidden.os.write", fail)
    sink.close()
    monkeypatch.undo()
    assert index_place([str(name)]) == "end"
    assert "No space left" in notes[0]
    assert os.listdir(tmp_path) == ["a.mp4"]
    assert is_whole(name)


def test_an_abandoned_recording_leaves_its_index_at_the_end(tmp_path: Path) -> None:
    notes: list[str] = []
    sink = load_sink(SINKS["mp4"], str(tmp_path / "a.mp4"), SinkOptions(faststart=True, on_note=notes.append))
    sink.open([TrackFormat("video"), TrackFormat("audio")])
    feed(sink, frames_for(SINKS["mp4"], 30))
    sink.abandon()
    sink.close()
    assert index_place([str(tmp_path / "a.mp4")]) == "end"
    assert "the recording was abandoned" in notes[0]


def test_every_file_of_a_series_gets_its_index_in_front_while_the_next_one_is_recorded(tmp_path: Path) -> None:
    done: list[str] = []
    options = SinkOptions(faststart=True, series=Series(duration_s=0.4))
    sink = load_sink(SINKS["mp4"], str(tmp_path / "a-%03d.mp4"), options)
    sink.on_file = done.append
    sink.open([TrackFormat("video", {"frameRate": 25.0})])
    feed_and_close(sink, [(0, picture(at_us=T0 + n * 40_000)) for n in range(30)])
    names = sorted(os.listdir(tmp_path))
    assert [os.path.basename(name) for name in done] == names == ["a-001.mp4", "a-002.mp4", "a-003.mp4"]
    assert [index_place([name]) for name in done] == ["front"] * 3


@pytest.mark.parametrize("suffix", ["mkv", "wav"])
def test_a_container_without_such_an_index_says_that_it_ignores_the_wish(suffix: str, tmp_path: Path) -> None:
    notes: list[str] = []
    recorded(tmp_path / f"a.{suffix}", 3, on_note=notes.append)
    assert notes == [f"--faststart has no effect on .{suffix} files"]
    assert index_place([str(tmp_path / f"a.{suffix}")]) == ""


def test_a_pipe_gets_fragments(tmp_path: Path) -> None:
    pipe = io.BytesIO()
    sink = load_sink(SINKS["mp4"], pipe, SinkOptions(faststart=True))
    sink.open([TrackFormat("video"), TrackFormat("audio")])
    feed_and_close(sink, frames_for(SINKS["mp4"], 10))
    path = tmp_path / "a.mp4"
    path.write_bytes(pipe.getvalue())
    assert index_place([str(path)]) == "fragments"


# The places in the index


def box(kind: bytes, content: bytes) -> bytes:
    """Return a box."""
    return struct.pack(">I4s", len(content) + 8, kind) + content


def index_of(kind: bytes, *places: int) -> bytes:
    """Return an index with one table of places, and what stands beside it."""
    width = "Q" if kind == b"co64" else "I"
    table = box(kind, struct.pack(f">II{len(places)}{width}", 0, len(places), *places))
    inner = box(b"mdia", box(b"minf", box(b"stbl", box(b"stsz", b"size") + table)))
    return box(b"moov", box(b"mvhd", b"head") + box(b"trak", inner) + box(b"udta", b"free text"))


def places_in(index: bytes) -> tuple[bytes, list[int]]:
    """Return the kind of the table, and its places."""

    def tables(data: bytes) -> Iterator[tuple[bytes, bytes]]:
        for one in boxes(data):
            inside = data[one.content : one.end]
            if one.kind in (b"stco", b"co64"):
                yield one.kind, inside
            elif one.kind not in (b"stsz", b"mvhd", b"udta"):
                yield from tables(inside)

    ((kind, table),) = tables(index)
    width = "Q" if kind == b"co64" else "I"
    return kind, [place for (place,) in struct.iter_unpack(f">{width}", table[8:])]


@pytest.mark.parametrize(
    ("kind", "places", "becomes"),
    [
        (b"stco", (36, 4000), b"stco"),
        (b"co64", (36, 5 * GIB), b"co64"),
        (b"stco", (36, 4 * GIB - 1), b"co64"),  # it does not fit any more
        (b"stco", (), b"stco"),
    ],
)
def test_every_place_moves_by_the_size_of_the_index(kind: bytes, places: tuple[int, ...], becomes: bytes) -> None:
    index = index_of(kind, *places)
    moved = moved_index(index)
    assert places_in(moved) == (becomes, [place + len(moved) for place in places])
    assert (b"free text" in moved, len(moved) - len(index)) == (True, 4 * len(places) if becomes != kind else 0)


@pytest.mark.parametrize("data", [b"", b"\0\0\0", struct.pack(">I4s", 4, b"ftyp"), struct.pack(">I4sQ", 1, b"ftyp", 1 << 60)])
def test_a_file_of_nonsense_has_no_index(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(data)
    assert index_place([str(path)]) == ""
    with path.open("rb") as file, pytest.raises(ValueError, match=r"cut off|no index"):
        list(index_first(lambda: None, file.fileno()))


# Files whose index would become too large


LONG = [
    ("mp4", {}),
    ("mp4", {"video_codec": "hevc", "audio_codec": "opus"}),
    ("mp4", {"video_codec": "vp9", "audio_codec": "flac"}),
    ("mov", {"video_codec": "mjpeg", "audio_codec": "pcm"}),
    ("m4a", {}),
]


def tracks_of(file: Path | io.BytesIO) -> dict[int, Any]:
    """Return the times and the bytes of each track's packets. Fragments hold PCM in other packets: only its bytes count."""
    tracks: dict[int, list[Any]] = {}
    with av.open(io.BytesIO(file.getvalue()) if isinstance(file, io.BytesIO) else str(file), "r") as media:
        for one in media.demux():
            if one.size and one.pts is not None and one.dts is not None:
                times = (round(float(at * one.time_base), 4) for at in (one.pts, one.dts))
                raw = (one.stream.codec_context.name or "").startswith("pcm")
                row = [*bytes(one)] if raw else [(*times, one.is_keyframe, bytes(one))]
                tracks.setdefault(one.stream.index, []).extend(row)
    return tracks


@pytest.mark.parametrize(("suffix", "options"), LONG, ids=str)
def test_a_long_file_stays_in_fragments_with_the_same_packets_at_the_same_times(
    suffix: str, options: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row, frames = SINKS[suffix], frames_for(SINKS[suffix], 120, noisy=True)

    def write(name: str) -> Path:
        path = tmp_path / name
        sink = load_sink(row, str(path), SinkOptions(**options))  # type: ignore[arg-type]
        sink.open([TrackFormat(kind, {"frameRate": 25.0}) for kind in kinds_of(row)])
        feed_and_close(sink, frames)
        return path

    short = write(f"short.{suffix}")
    monkeypatch.setattr(onefile, "MOST_INDEXED", 40)
    long = write(f"long.{suffix}")
    assert (index_place([str(short)]), index_place([str(long)])) == ("end", "fragments")
    assert tracks_of(long) == tracks_of(short)
    assert [box.kind for box in boxes(long.read_bytes())].count(b"moov") == 1
    numbers = fragments_of(long.read_bytes())
    assert numbers == list(range(1, len(numbers) + 1))
    command = ["ffmpeg", "-v", "error", "-xerror", "-i", str(long), "-f", "null", "-"]
    assert run(*command) == b""


@pytest.mark.parametrize("reordered", [0, 2])
def test_a_long_file_of_copied_frames_has_them_all(reordered: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = h264(30, reordered=reordered)
    frames = [replace(one, timestamp=T0 + n * 40_000) for n, one in enumerate(stream * 4)]

    def write(name: str) -> Path:
        sink = load_sink(SINKS["mp4"], str(tmp_path / name), SinkOptions(video_codec="copy"))
        sink.open([TrackFormat("video", {"frameRate": 25.0}, "H264")])
        feed_and_close(sink, [(0, frame) for frame in frames])
        return tmp_path / name

    short = write("short.mp4")
    monkeypatch.setattr(onefile, "MOST_INDEXED", 40)
    long = write("long.mp4")
    assert index_place([str(long)]) == "fragments"
    assert tracks_of(long) == tracks_of(short)


def test_a_long_stream_of_fragments_continues_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def write() -> io.BytesIO:
        pipe = io.BytesIO()
        sink = load_sink(SINKS["mp4"], pipe, SinkOptions())
        sink.open([TrackFormat("video", {"frameRate": 25.0}), TrackFormat("audio")])
        feed_and_close(sink, frames_for(SINKS["mp4"], 120, noisy=True))
        return pipe

    short = write()
    monkeypatch.setattr(onefile, "MOST_INDEXED", 40)
    long = write()
    assert tracks_of(long) == tracks_of(short)
    assert [box.kind for box in boxes(long.getvalue())].count(b"moov") == 1


def test_fragments_are_told_apart_wherever_a_write_ends() -> None:
    def box(kind: bytes, size: int) -> bytes:
        return struct.pack(">I4s", size, kind) + bytes(size - 8)

    parts = [box(b"ftyp", 20), box(b"moov", 300), box(b"moof", 50), box(b"mdat", 8), box(b"moof", 9), box(b"mdat", 70)]
    unsized = struct.pack(">I4s", 0, b"moov") + bytes(90)
    for step in (1, 7, 8, 9, 1000):
        target = files.FileObject(kept := io.BytesIO())
        fragments = Fragments(target, 5, alone=True)
        data = b"".join(parts) + unsized
        for at in range(0, len(data), step):
            assert fragments.write(data[at : at + step]) == len(data[at : at + step])
        assert (kept.getvalue(), fragments.begun) == (b"".join(parts[2:]), 7)
