"""H.264 and HEVC whose parameter sets change while they are copied: every picture, and where a file has the sets."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from mscli.core.annexb import H264, HEVC, START_CODE, Units
from mscli.core.frames import EncodedVideoChunk
from mscli.encode.options import Series, SinkOptions, TrackFormat
from mscli.encode.samplesets import SampleSets
from mscli.sinks import SINKS, SinkPlan, load_sink, load_sinks
from mscli.sinks.base import Sink
from mscli.sinks.recording import onefile
from tests.sinks.synth import T0, close_to, frame_times
from tests.sinks.test_triggered import run_through

GROUP = 5  # pictures from one key frame to the next
GROUPS = 3  # of each kind
FRAME_US = 40_000
KINDS = {  # codec → encoder, name of its options, and those of two kinds of sets
    "hevc": (
        "libx265",
        "x265-params",
        ("log-level=none:repeat-headers=1:ref=1", "log-level=none:repeat-headers=1:ref=3:ctu=16"),
    ),
    "h264": ("libx264", "x264-params", ("annexb=1:ref=1", "annexb=1:ref=4")),
}
OTHER_SIZE = 2  # a third kind
SIZES = ((64, 48), (64, 48), (96, 64))
COMPLETE = 0x80  # array_completeness

both_codecs = pytest.mark.parametrize("codec", KINDS)


@cache
def group(codec: str, kind: int) -> tuple[tuple[bytes, ...], ...]:
    """Groups of pictures that get lighter. Each begins with a key frame and its parameter sets."""
    encoder, name, parameters = KINDS[codec]
    context = av.CodecContext.create(encoder, "w")
    assert isinstance(context, av.VideoCodecContext)
    context.width, context.height = SIZES[kind]
    context.pix_fmt, context.framerate = "yuv420p", Fraction(25)
    fixed = f"keyint={GROUP}:min-keyint={GROUP}:scenecut=0:bframes=0"
    context.options = {"tune": "zerolatency", name: f"{fixed}:{parameters[kind % 2]}"}
    packets = []
    for number in range(GROUP * GROUPS):
        luma = np.full((SIZES[kind][1] * 3 // 2, SIZES[kind][0]), 128, np.uint8)
        luma[: SIZES[kind][1]] = 20 + number * 13 + kind * 5
        frame = av.VideoFrame.from_ndarray(luma, "yuv420p")
        frame.pts = number
        packets += context.encode(frame)
    found = [bytes(packet) for packet in packets + context.encode(None)]
    return tuple(tuple(found[at : at + GROUP]) for at in range(0, len(found), GROUP))


def chunks(codec: str, *kinds: int) -> list[EncodedVideoChunk]:
    """A stream of a camera, whose parameter sets change from kind to kind."""
    found = [(data, n == 0, kind) for kind in kinds for one in group(codec, kind) for n, data in enumerate(one)]
    return [
        EncodedVideoChunk(
            "key" if key else "delta", T0 + number * FRAME_US, memoryview(data), codec, *SIZES[kind], FRAME_US, number
        )
        for number, (data, key, kind) in enumerate(found)
    ]


def shades(pictures: Iterator[Any]) -> list[bytes]:
    return [picture.to_ndarray(format="gray").tobytes() for picture in pictures]


def shown(path: Path | io.BytesIO) -> list[bytes]:
    with av.open(path if isinstance(path, io.BytesIO) else str(path), "r") as file:
        return shades(file.decode(video=0))


def wanted(given: Sequence[EncodedVideoChunk]) -> list[bytes]:
    """The pictures of a stream as they decode without a file."""
    with av.open(io.BytesIO(b"".join(bytes(one.data) for one in given)), format=given[0].codec) as file:
        assert isinstance(file, av.container.InputContainer)
        return shades(file.decode(video=0))


def copier(path: Path | io.BytesIO, codec: str, notes: list[str] | None = None, suffix: str = "mp4", **options: Any) -> Sink:
    chosen = SinkOptions(video_codec="copy", on_note=None if notes is None else notes.append)._replace(**options)
    row = SINKS[path.suffix[1:] if isinstance(path, Path) else suffix]
    sink = load_sink(row, str(path) if isinstance(path, Path) else path, chosen)
    sink.open([TrackFormat("video", {"frameRate": 25.0}, codec.upper())])
    return sink


def copied(path: Path, given: Sequence[EncodedVideoChunk], **options: Any) -> list[str]:
    """Copy a stream into a file. Return the messages for people."""
    notes: list[str] = []
    sink = copier(path, given[0].codec, notes, **options)
    for chunk in given:
        sink.write(0, chunk)
    sink.close()
    return notes


class Entry:
    """A sample entry of HEVC: its tag, and whether all sets are said to be in it."""

    def __init__(self, data: bytes) -> None:
        self.tag = data[4:8].decode()
        at, self.complete = data.index(b"hvcC") + 4 + 22, True
        count, at = data[at], at + 1
        for _ in range(count):
            self.complete = self.complete and bool(data[at] & COMPLETE)
            units, at = struct.unpack(">H", data[at + 1 : at + 3])[0], at + 3
            for _ in range(units):
                at += 2 + struct.unpack(">H", data[at : at + 2])[0]


def entries(path: Path) -> list[Entry]:
    """The sample entries in the index of a file."""
    data = path.read_bytes()
    at = data.rindex(b"stsd") + 8
    (count,), at = struct.unpack(">I", data[at : at + 4]), at + 4
    found = []
    for _ in range(count):
        (size,) = struct.unpack(">I", data[at : at + 4])
        found.append(Entry(data[at : at + size]))
        at += size
    return found


def sets_in_samples(path: Path) -> int:
    """How many samples of HEVC have parameter sets."""
    found = 0
    with av.open(str(path), "r") as file:
        for packet in file.demux(video=0):
            data, at = bytes(packet), 0
            kinds = set()
            while at < len(data):
                kinds.add(data[at + 4] >> 1 & 63)
                at += 4 + int.from_bytes(data[at : at + 4])
            found += not kinds.isdisjoint(HEVC.needed)
    return found


@both_codecs
@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv"])
@pytest.mark.parametrize("kinds", [(0, 1), (0, 1, 0), (0, OTHER_SIZE)], ids=["other", "and back", "size"])
@pytest.mark.parametrize("faststart", [False, True], ids=["", "faststart"])
def test_every_picture_is_right_when_the_parameter_sets_change(
    faststart: bool, kinds: Sequence[int], suffix: str, codec: str, tmp_path: Path
) -> None:
    path, given = tmp_path / f"a.{suffix}", chunks(codec, *kinds)
    copied(path, given, faststart=faststart)
    assert shown(path) == wanted(given)
    assert close_to(frame_times(path), [number * FRAME_US / 1e6 for number in range(len(given))], 0.001)


@both_codecs
@pytest.mark.parametrize("suffix", ["mp4", "mov"])
def test_a_player_that_seeks_back_across_the_change_shows_the_right_picture(suffix: str, codec: str, tmp_path: Path) -> None:
    path, given = tmp_path / f"a.{suffix}", chunks(codec, 0, 1)
    copied(path, given)
    pictures = wanted(given)
    with av.open(str(path), "r") as file:
        stream = file.streams.video[0]
        assert stream.time_base is not None
        assert shades(file.decode(stream)) == pictures
        for key in (0, 4 * GROUP, GROUP, 3 * GROUP, 2 * GROUP):
            file.seek(round(key * FRAME_US / 1e6 / stream.time_base), stream=stream)
            assert shades(iter([next(file.decode(stream))])) == [pictures[key]], key


@pytest.mark.parametrize("suffix", ["mp4", "mov"])
@pytest.mark.parametrize("most_indexed", [onefile.MOST_INDEXED, 2 * GROUP], ids=["", "in fragments"])
@pytest.mark.parametrize("faststart", [False, True], ids=["", "faststart"])
def test_hevc_whose_sets_never_change_has_them_in_its_header_only(
    faststart: bool, most_indexed: int, suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onefile, "MOST_INDEXED", most_indexed)
    path, given = tmp_path / f"a.{suffix}", chunks("hevc", 0)
    assert copied(path, given, faststart=faststart) == []
    assert [(one.tag, one.complete) for one in entries(path)] == [("hvc1", True)]
    assert sets_in_samples(path) == 0
    assert shown(path) == wanted(given)


def test_hevc_whose_sets_change_keeps_them_in_both_places_and_a_warning_says_so(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    notes = copied(path, chunks("hevc", 0, 1, 0))
    assert notes == [f"{path} keeps the tag hev1, which Apple's players refuse: the camera's parameter sets changed at 0.6 s"]
    assert [(one.tag, one.complete) for one in entries(path)] == [("hev1", False)] * 3
    assert sets_in_samples(path) == 2 * GROUPS, "from the change on"


def test_a_change_in_a_file_that_goes_on_in_fragments_is_right_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onefile, "MOST_INDEXED", 2 * GROUP)
    path, given = tmp_path / "a.mp4", chunks("hevc", 0, 1)
    assert len(copied(path, given)) == 1
    assert (entries(path)[0].tag, shown(path)) == ("hev1", wanted(given))


@both_codecs
@pytest.mark.parametrize("suffix", ["mp4", "mov"])
def test_what_a_killed_run_leaves_is_right(suffix: str, codec: str, tmp_path: Path) -> None:
    path, given = tmp_path / f"a.{suffix}", chunks(codec, 0, 1)
    sink = copier(path, codec)
    for chunk in [*given, *(replace(one, timestamp=one.timestamp + len(given) * FRAME_US) for one in given[-GROUP:])]:
        sink.write(0, chunk)
    sink._encoding.outlets[0].sink.output._flush()  # type: ignore[attr-defined]  # what waits is written after a moment
    left = tmp_path / f"left.{suffix}"
    left.write_bytes(path.read_bytes())
    sink.abort()
    pictures, found = wanted(given), shown(left)
    assert len(found) >= len(given) - GROUP
    assert found[: len(given)] == pictures[: len(found)]


@both_codecs
@pytest.mark.parametrize("suffix", ["mp4", "mov"])
def test_a_pipe_is_right(suffix: str, codec: str) -> None:
    target, given = io.BytesIO(), chunks(codec, 0, 1)
    notes: list[str] = []
    sink = copier(target, codec, notes, suffix)
    for chunk in given:
        sink.write(0, chunk)
    sink.close()
    assert shown(io.BytesIO(target.getvalue())) == wanted(given)
    assert notes == [], "it has that tag in any case"


@pytest.mark.parametrize("suffix", ["mp4", "mov"])
def test_each_file_of_a_series_has_the_tag_that_its_own_sets_allow(suffix: str, tmp_path: Path) -> None:
    given, notes = chunks("hevc", 0, 1), []  # type: ignore[var-annotated]
    group_s = GROUP * FRAME_US / 1e6
    series = Series(duration_s=2 * group_s)
    sink = copier(tmp_path / f"%d.{suffix}", "hevc", notes, series=series)
    for chunk in given:
        sink.write(0, chunk)
    sink.close()
    files = sorted(tmp_path.iterdir())
    assert [[one.tag for one in entries(path)] for path in files] == [["hvc1"], ["hev1", "hev1"], ["hvc1"]]
    assert [note.split()[0] for note in notes] == [str(files[1])]
    pieces = [given[at : at + 2 * GROUP] for at in range(0, len(given), 2 * GROUP)]
    assert [shown(path) for path in files] == [wanted(piece) for piece in pieces]


def test_files_of_triggers_that_share_a_change_are_right(tmp_path: Path) -> None:
    given = chunks("hevc", 0, 1)
    middle_us = T0 + len(given) // 2 * FRAME_US
    series = Series(triggered=True, pre_roll_s=0.3, duration_s=0.3)
    sink = copier(tmp_path / "%d.mp4", "hevc", series=series)
    run_through(sink, [(0, chunk) for chunk in given], middle_us - T0)
    (path,) = tmp_path.iterdir()
    found, pictures = shown(path), wanted(given)
    begin = pictures.index(found[0])
    assert begin < len(given) // 2 < begin + len(found)
    assert found == pictures[begin : begin + len(found)]


def test_several_outputs_are_right(tmp_path: Path) -> None:
    given = chunks("hevc", 0, 1)
    paths = [tmp_path / name for name in ("a.mp4", "a.mov", "a.mkv")]
    targets = [SinkPlan(SINKS[path.suffix[1:]], str(path), SinkOptions(video_codec="copy"), (0,), ("video",)) for path in paths]
    (shared,) = load_sinks(targets)
    shared.sink.open([TrackFormat("video", {"frameRate": 25.0}, "HEVC")])
    for chunk in given:
        shared.sink.write(0, chunk)
    shared.sink.close()
    assert [shown(path) for path in paths] == [wanted(given)] * 3


# Where a file has the sets, chunk by chunk.


def chunk_of(*units: bytes, key: bool) -> EncodedVideoChunk:
    data = b"".join(b"\0" + START_CODE + unit for unit in units)
    return EncodedVideoChunk("key" if key else "delta", T0, memoryview(data), "hevc", 64, 48)


def unit(kind: int, content: bytes = b"") -> bytes:
    return bytes((kind << 1, 1)) + b"\x80" + content + b"\x80"


VPS, SPS, PPS, OTHER_PPS, MESSAGE, IDR, SLICE = (
    unit(32), unit(33), unit(34), unit(34, b"1"), unit(39), unit(19), unit(1),
)  # fmt: skip


def in_order(*units: bytes) -> bytes:
    return b"".join(b"\0" + START_CODE + one for one in units)


def hevc_sets() -> SampleSets:
    return SampleSets(HEVC, in_order(VPS, SPS, PPS), strips=True)


def test_known_sets_leave_the_samples_and_all_else_stays() -> None:
    sets = hevc_sets()
    sample = sets.sample(chunk_of(VPS, SPS, PPS, MESSAGE, IDR, IDR, key=True))
    assert (HEVC.sets_apart(memoryview(sample.data))[0], bytes(sample.data).count(START_CODE)) == ([], 3)
    delta = chunk_of(MESSAGE, SLICE, key=False)
    assert sets.sample(delta).data is delta.data
    assert not sets.changed


def test_a_set_that_comes_between_key_frames_is_in_its_sample_and_then_in_an_entry() -> None:
    sets = hevc_sets()
    between = chunk_of(OTHER_PPS, SLICE, key=False)
    assert sets.sample(between) == (between.data, b"")
    bare = chunk_of(IDR, key=True)
    data, entry = sets.sample(bare)
    assert entry == in_order(VPS, SPS, PPS, OTHER_PPS)
    assert data == entry + bytes(bare.data), "a player that begins there needs them"
    assert sets.sample(bare) == (data, b""), "once"


def test_sets_that_change_again_and_again_make_no_endless_header() -> None:
    sets = hevc_sets()
    made = [sets.sample(chunk_of(VPS, SPS, unit(34, bytes([n % 2 + 1])), IDR, key=True)).entry for n in range(200)]
    assert 2 < sum(map(bool, made)) < 100


@pytest.mark.parametrize(("codec", "units"), [("h264", H264), ("hevc", HEVC)])
def test_the_parts_of_a_chunk_are_the_whole_chunk(codec: str, units: Units) -> None:
    key, *others = group(codec, 0)[0]
    sets, rest = units.sets_apart(memoryview(key))
    assert [one[0] >> units.shift & units.kinds[-1] for one in sets] == list(units.needed)
    assert sum(map(len, rest)) < len(key) - sum(map(len, sets))
    assert [b"".join(units.sets_apart(memoryview(one))[1]) for one in others] == others
