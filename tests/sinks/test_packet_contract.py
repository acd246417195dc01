"""What holds for every packet sink: the contract of ``PacketSink`` in ``mscli.encode.encoding``, run against all of them.

A sink has a line in ``SINKS``. Most tests play the packets of one real encoding into it, again and again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, partial
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import pytest

from mscli.core.errors import InvalidStateError, OperationError
from mscli.core.frames import AudioData, EncodedAudioChunk, EncodedVideoChunk, Media
from mscli.encode.chunks import Piece
from mscli.encode.codecs import CONTAINERS, Container
from mscli.encode.encoding import EncodedTrack, Encoding, Outlet, PacketSink
from mscli.encode.options import Series, SinkOptions, TrackFormat
from mscli.sinks import SINKS as ROWS
from mscli.sinks import SinkRow
from mscli.sinks.files.output import NamedFile
from mscli.sinks.files.series import FileSeries
from mscli.sinks.recording.onefile import FULL, Bounded, Budget, OneFile
from mscli.sinks.recording.packets import HostedPackets
from mscli.sinks.recording.queued import Queued
from mscli.sinks.recording.segments import Segments
from mscli.sinks.recording.triggered import Triggered
from tests.disks import size_limit
from tests.sinks.synth import T0, NoFile, frames_for, probe, tone

PICTURES = 50  # two seconds
CODECS = [("mkv", "mjpeg", "pcm"), ("mp4", "h264", "aac"), ("webm", "vp8", "opus")]

Make = Callable[[Path, Container, int | None], PacketSink]
Step = tuple[str, tuple[object, ...]]  # a method of a sink, and what it is given


Kind = Callable[[str, Container], PacketSink]  # makes the sink of the file with a name


def named(name: str, container: Container) -> PacketSink:
    return OneFile(container, NamedFile(name, overwrite=False))


def queued(name: str, container: Container) -> PacketSink:
    return OneFile(container, Queued(NamedFile(name, overwrite=False)))


def hosted(name: str, container: Container) -> PacketSink:
    row = SinkRow(container.suffix, "", "tests.sinks.foreign", "ForeignFile", True, True, package="foreign", takes=container)
    return HostedPackets(row, name, SinkOptions())


def one_file(kind: Kind, path: Path, container: Container, most_bytes: int | None) -> PacketSink:
    file = kind(str(path), container)
    made = file if most_bytes is None else Bounded(file, Budget(most_bytes, lambda: end(made)))
    return made


def end(sink: PacketSink) -> None:
    sink.ended = FULL


def in_series(
    cls: type[Segments | Triggered], kind: Kind, path: Path, container: Container, most_bytes: int | None
) -> PacketSink:
    plan = Series(triggered=True, pre_roll_s=10) if cls is Triggered else Series(duration_s=0.8)
    limit = None if most_bytes is None else Budget(most_bytes, lambda: end(made))

    def make(name: str) -> PacketSink:
        file = kind(name, container)
        return file if limit is None else Bounded(file, limit)

    made = cls(FileSeries(str(path), SinkOptions(), plan), container, make)
    if cls is Triggered:
        made.trigger(T0, 1)
    return made


SINKS: dict[str, Make] = {
    "bounded": lambda path, container, most: one_file(named, path, container, 1 << 30 if most is None else most),
}
for kind in (named, queued, hosted):
    SINKS[kind.__name__] = partial(one_file, kind)
    SINKS[f"segments-{kind.__name__}"] = partial(in_series, Segments, kind)
    SINKS[f"triggered-{kind.__name__}"] = partial(in_series, Triggered, kind)


class Noted(NoFile):
    """Keep all calls."""

    watches = True

    def __init__(self) -> None:
        self.steps: list[Step] = []

    def begin(self, tracks: Sequence[EncodedTrack], origin_us: int) -> None:
        self.steps.append(("begin", (tracks, origin_us)))

    def put(self, track: int, piece: Piece) -> None:
        self.steps.append(("put", (track, piece)))

    def coming(self, track: int, frame: Media) -> None:
        self.steps.append(("coming", (track, frame)))

    def passed(self, at_us: int) -> None:
        self.steps.append(("passed", (at_us,)))

    def ending(self) -> None:
        self.steps.append(("ending", ()))

    def end(self) -> None:
        self.steps += [("end", ()), ("drain", ())]


@cache
def steps() -> tuple[Step, ...]:
    """What a sink is told of a recording of JPEGs, each of which is a key frame, and of raw sound."""
    options, noted = SinkOptions(video_codec="mjpeg", audio_codec="pcm"), Noted()
    encoding = Encoding([TrackFormat("video", {"frameRate": 25.0}), TrackFormat("audio")], noted.takes, options)
    encoding.add(Outlet("noted", noted, options))
    for track, frame in frames_for(ROWS["mkv"], PICTURES, noisy=True):
        encoding.write(track, frame)
    encoding.end()
    return tuple(noted.steps)


def play(sink: PacketSink, told: Sequence[Step]) -> None:
    """Tell a sink what comes, and the end once it takes no more."""
    for method, given in told:
        if sink.ended and method not in ("end", "drain"):
            continue
        if sink.watches or method not in ("coming", "passed", "ending"):
            getattr(sink, method)(*given)


def half() -> tuple[Step, ...]:
    return steps()[: len(steps()) // 2]


def given_pictures() -> list[bytes]:
    pieces = (given[1] for method, given in steps() if method == "put")
    return [bytes(piece.data) for piece in pieces if isinstance(piece, EncodedVideoChunk)]


class Found(NamedTuple):
    """What is in a folder."""

    names: list[str]
    pictures: list[bytes]
    bytes: int


def found(folder: Path) -> Found:
    """What can be read of the files in a folder, in the order of their names."""
    paths = sorted(folder.iterdir())
    return Found(
        [path.name for path in paths],
        list(chain.from_iterable(map(pictures, paths))),
        sum(path.stat().st_size for path in paths),
    )


def pictures(path: Path) -> list[bytes]:
    """The packets of a file's pictures."""
    import av

    with av.open(str(path)) as file:
        return [bytes(packet) for packet in file.demux(video=0) if packet.size]


@pytest.fixture(params=sorted(SINKS))
def make(request: pytest.FixtureRequest) -> Make:
    return SINKS[request.param]


@pytest.fixture
def sink(make: Make, tmp_path: Path) -> PacketSink:
    return make(tmp_path / "a.mkv", CONTAINERS["mkv"], None)


def test_all_that_is_put_is_in_its_files_in_order(sink: PacketSink, tmp_path: Path) -> None:
    play(sink, steps())
    there = found(tmp_path)
    assert there.pictures == given_pictures()
    assert len(there.pictures) == PICTURES
    assert not any(name.startswith(".") for name in there.names)
    assert sink.bytes_written == there.bytes
    assert sink.track_bytes(0) == sum(map(len, there.pictures))
    assert sink.track_bytes(1) == 2 * PICTURES * 1920
    assert not any(sink.left_out(0).values())
    assert not any(sink.left_out(1).values())


def test_nothing_is_made_before_the_beginning(sink: PacketSink, tmp_path: Path) -> None:
    assert (found(tmp_path).names, sink.bytes_written, sink.readable, sink.ended) == ([], 0, False, "")
    assert not any(sink.left_out(0).values())


@pytest.mark.parametrize("method", ["abort", "end"])
def test_what_has_not_begun_leaves_nothing(method: str, sink: PacketSink, tmp_path: Path) -> None:
    getattr(sink, method)()
    sink.drain()
    sink.abort()
    assert found(tmp_path).names == []


def test_what_has_begun_and_got_nothing_leaves_nothing(sink: PacketSink, tmp_path: Path) -> None:
    told = steps()
    first = [method for method, _ in told].index("begin")
    play(sink, [*told[: first + 1], ("end", ()), ("drain", ())])
    assert (found(tmp_path).names, sink.bytes_written) == ([], 0)


@pytest.mark.parametrize("method", ["abort", "end"])
def test_its_end_comes_once(method: str, sink: PacketSink, tmp_path: Path) -> None:
    play(sink, steps())
    before, told = found(tmp_path), [dict(sink.left_out(track)) for track in (0, 1)]
    getattr(sink, method)()
    sink.drain()
    assert found(tmp_path) == before
    assert [dict(sink.left_out(track)) for track in (0, 1)] == told
    assert sink.bytes_written == before.bytes


def test_what_can_be_read_stays_if_it_is_given_up(sink: PacketSink, tmp_path: Path) -> None:
    play(sink, half())
    sink.abort()
    sink.drain()
    there = found(tmp_path)
    assert there.pictures == given_pictures()[: len(there.pictures)]
    assert not any(name.startswith(".") for name in there.names)
    sink.abort()
    assert found(tmp_path) == there


def test_an_output_that_fails_is_told_and_leaves_what_can_be_read(sink: PacketSink, tmp_path: Path) -> None:
    with size_limit(40_000), pytest.raises(OperationError, match="the file is as large as its file system or limit allows"):
        play(sink, steps())
    sink.abort()
    there = found(tmp_path)
    given = iter(given_pictures())
    assert all(picture in given for picture in there.pictures)  # in order; a later file may have begun meanwhile
    assert len(there.pictures) < PICTURES
    assert not any(name.startswith(".") for name in there.names)


def test_a_size_limit_goes_with_it(make: Make, tmp_path: Path) -> None:
    sink = make(tmp_path / "a.mkv", CONTAINERS["mkv"], 100_000)
    play(sink, steps())
    there = found(tmp_path)
    assert 50_000 < there.bytes <= 100_000
    assert there.pictures == given_pictures()[: len(there.pictures)]
    assert sink.ended == FULL
    assert sum(sink.left_out(track)["unwritten"] for track in (0, 1)) > 0


def test_packets_are_the_same_for_the_next_sink(make: Make, tmp_path: Path) -> None:
    folders = [tmp_path / name for name in "ab"]
    for folder in folders:
        folder.mkdir()
    sinks = [make(folder / "a.mkv", CONTAINERS["mkv"], None) for folder in folders]
    for step in steps():
        for sink in sinks:
            play(sink, [step])
    one, other = map(found, folders)
    assert one == other


def test_only_one_that_waits_for_triggers_takes_them(sink: PacketSink) -> None:
    sink.end_triggers()
    if sink.triggered:
        sink.trigger(T0, 1)
    else:
        with pytest.raises(InvalidStateError, match="this recording has no trigger"):
            sink.trigger(T0, 1)


@pytest.mark.parametrize(("suffix", "video", "audio"), CODECS)
def test_it_takes_the_codecs_of_its_container(suffix: str, video: str, audio: str, make: Make, tmp_path: Path) -> None:
    options = SinkOptions(video_codec=video, audio_codec=audio)
    sink = make(tmp_path / f"a.{suffix}", CONTAINERS[suffix], None)
    assert {video, audio} <= {*sink.takes.video, *sink.takes.audio}
    encoding = Encoding([TrackFormat("video", {"frameRate": 25.0}), TrackFormat("audio")], sink.takes, options)
    encoding.add(Outlet("a", sink, options))
    for track, frame in frames_for(ROWS[suffix], 30):
        encoding.write(track, frame)
    encoding.end()
    paths = sorted(tmp_path.iterdir())
    assert sum(len(pictures(path)) for path in paths) == 30
    for path in paths:
        names = [stream["codec_name"] for stream in probe(path)["streams"]]
        assert names[0] == video
        assert names[1].startswith(audio)


def test_one_that_cuts_gets_samples_even_if_others_share_packets() -> None:
    sinks = [Noted(), Noted(), Noted()]
    sinks[0].watches = sinks[1].watches = False
    options = SinkOptions(audio_codec="opus")
    encoding = Encoding([TrackFormat("audio")], CONTAINERS["mkv"], options)
    for sink in sinks:
        encoding.add(Outlet("noted", sink, options))
    for number in range(50):
        encoding.write(0, tone(number * 1920, 1920))
    encoding.end()
    kinds = [{type(given[1]) for method, given in sink.steps if method == "put"} for sink in sinks]
    assert kinds == [{EncodedAudioChunk}, {EncodedAudioChunk}, {AudioData}]


class Failing(Noted):
    """Fail in every call after the first ``put``, or in every call."""

    watches = False

    def __init__(self, calls: int) -> None:
        super().__init__()
        self.left = calls

    def begin(self, tracks: Sequence[EncodedTrack], origin_us: int) -> None:
        super().begin(tracks, origin_us)
        self.fail()

    def put(self, track: int, piece: Piece) -> None:
        super().put(track, piece)
        self.fail()

    def fail(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise OSError("full")


@pytest.mark.parametrize("calls", [0, 1])
@pytest.mark.parametrize("removed", [True, False])
def test_an_added_output_fails_once(calls: int, removed: bool) -> None:
    options, failed = SinkOptions(video_codec="mjpeg", audio_codec="opus"), list[Outlet]()
    encoding = Encoding([TrackFormat("video", {"frameRate": 25.0}), TrackFormat("audio")], CONTAINERS["mkv"], options)
    encoding.on_failure = failed.append
    whole, added = Noted(), Failing(calls)
    whole.watches = False
    encoding.add(Outlet("whole", whole, options))
    frames = list(frames_for(ROWS["mkv"], PICTURES, noisy=True))
    half = len(frames) // 2
    for track, frame in frames[:half]:
        encoding.write(track, frame)
    encoding.add(Outlet("added", added, options))
    for track, frame in sorted(frames[half:], key=lambda one: -one[0]):  # the sound first, which waits for the next picture
        encoding.write(track, frame)
        if removed and added.steps and encoding.outlets[1].error is None:
            encoding.remove(encoding.outlets[1])
    encoding.end()
    assert [outlet.name for outlet in failed] == ["added"]
    assert len(added.steps) == calls + 1
