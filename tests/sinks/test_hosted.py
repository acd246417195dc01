"""A sink of another package that raises, hangs or says nonsense: its output fails in time, and no other is harmed."""

from __future__ import annotations

import importlib
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import mscli
from mscli.api.mediarecorder import RecorderOutput
from mscli.encode.options import Series, SinkOptions, TrackFormat
from mscli.sinks import SINKS, hosted, load_sink
from mscli.sinks.base import Sink
from mscli.sinks.recording import packets
from mscli.sinks.recording.packets import HostedPackets
from tests.plugins import FOLDER as PLUGINS
from tests.sinks.synth import probe
from tests.unit.stage import picture
from tests.unit.test_tracksource import Generated

ROW = mscli.SinkRow("thing", "", "mscli_thing.sink", "ThingSink", video=True, schemes=("thing",), package="mscli-thing")
HOLDS = mscli.Container("packets", (), video=("mjpeg",), audio=("opus",))
PACKETS = mscli.SinkRow(
    "packets", "", "mscli_thing.packets", "PacketsSink", video=True, schemes=("packets",), package="mscli-thing", takes=HOLDS
)
TRACKS = [TrackFormat("video", {"width": 64, "height": 48, "frameRate": 30}, "GREY")]
TIMEOUT_S = 60.0


@pytest.fixture(autouse=True)
def package(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.syspath_prepend(str(PLUGINS / "thing"))
    monkeypatch.setattr(hosted, "PLUGIN_S", 0.2)
    hanging: threading.Event = importlib.import_module("mscli_thing.source").HANGING
    hanging.clear()
    yield
    hanging.set()
    for thread in threading.enumerate():
        if thread.name == "mscli-plugin":
            thread.join(TIMEOUT_S)


def run(path: Path, fails: str) -> Sink:
    """Write a picture into a sink that fails somewhere."""
    sink = load_sink(ROW, f"thing://{path}?fail={fails}", SinkOptions())
    try:
        sink.open(TRACKS)
        sink.write(0, picture(0))
        sink.close()
    except BaseException:
        sink.abort()
        raise
    return sink


def test_it_is_used_like_any_other(tmp_path: Path) -> None:
    path = tmp_path / "x"
    sink = run(path, "nowhere")
    assert path.read_text().startswith("0 0 ")
    assert (sink.is_file, sink.bytes_written) == (True, path.stat().st_size)
    assert "mscli-plugin" not in {thread.name for thread in threading.enumerate()}


@pytest.mark.parametrize("where", ["constructor", "open", "write", "close", "bytes"])
def test_what_hangs_is_abandoned(where: str, tmp_path: Path) -> None:
    with pytest.raises(mscli.OperationError, match=r"the package mscli-thing did not return from .* within 0\.2 s"):
        run(tmp_path / "x", f"hang-{where}")


def test_a_sink_that_hangs_when_it_is_given_up_is_abandoned(tmp_path: Path) -> None:
    sink = load_sink(ROW, f"thing://{tmp_path}/x?fail=hang-abort", SinkOptions())
    sink.open(TRACKS)
    sink.abort()


@pytest.mark.parametrize("where", ["constructor", "open", "write", "close", "bytes"])
def test_what_raises_is_an_error_that_names_the_package(where: str, tmp_path: Path) -> None:
    with pytest.raises(mscli.OperationError, match=f"the package mscli-thing failed with ValueError: no luck in {where}"):
        run(tmp_path / "x", where)


def test_a_value_of_the_wrong_type_is_an_error_that_names_the_package(tmp_path: Path) -> None:
    with pytest.raises(mscli.OperationError, match="mscli-thing failed with TypeError: bytes_written is a str"):
        run(tmp_path / "x", "nonsense")


def record(recorder: mscli.MediaRecorder) -> None:
    """Record to the end."""
    recorder.start()
    recorder.join(TIMEOUT_S)


def check_beside(path: Path, hanging: RecorderOutput, message: str) -> None:
    """Record into a file beside an output that hangs. That is abandoned with an error, and the file is whole."""
    options = hanging.options._replace(series=None) if hanging.options is not None else None
    outputs = [hanging, RecorderOutput(str(path), SINKS["mkv"], options)]
    with mscli.MediaDevices(backends=[]) as devices:
        stream = mscli.MediaStream([devices.add_source(Generated(60))])
        recorder = mscli.MediaRecorder(stream, outputs=outputs)
        with pytest.raises(mscli.OperationError, match=message):
            record(recorder)
        if recorder.recording is None:  # it has not begun
            assert "constructor" in message
            return
        hung, whole = recorder.recording.outputs
    assert isinstance(hung.error, mscli.OperationError)
    assert whole.error is None
    assert len(probe(path, "-show_packets")["packets"]) == 60


@pytest.mark.parametrize("where", ["write", "close"])
def test_a_recording_ends_and_its_other_output_is_whole(where: str, tmp_path: Path) -> None:
    check_beside(tmp_path / "whole.mkv", RecorderOutput(f"thing://{tmp_path}/x?fail=hang-{where}", ROW), "abandoned")


# Packet sinks


@pytest.mark.parametrize("where", ["constructor", "begin", "put", "end"])
def test_a_packet_sink_that_hangs_is_abandoned_and_the_other_output_is_whole(where: str, tmp_path: Path) -> None:
    hanging = RecorderOutput(f"packets://{tmp_path}/x?fail=hang-{where}", PACKETS, SinkOptions(video_codec="mjpeg"))
    step = "its constructor" if where == "constructor" else where
    check_beside(tmp_path / "whole.mkv", hanging, f"the package mscli-thing did not return from {step}")


@pytest.mark.parametrize("where", ["constructor", "begin", "put", "end"])
def test_a_file_of_a_series_that_hangs_is_abandoned_and_the_other_output_is_whole(where: str, tmp_path: Path) -> None:
    row, options = PACKETS._replace(splits=True), SinkOptions(video_codec="mjpeg", series=Series(duration_s=0.5))
    hanging = RecorderOutput(f"{tmp_path}/x-{{index}}?fail=hang-{where}", row, options)
    check_beside(tmp_path / "whole.mkv", hanging, f"the package mscli-thing did not return from (its )?{where}")


def test_a_package_that_is_larger_than_it_says_ends_at_its_limit(tmp_path: Path) -> None:
    overhead = mscli.Overhead(head=0, packet=0, fragment=0, growth=0)
    sink = HostedPackets(PACKETS._replace(takes=HOLDS._replace(overhead=overhead)), f"packets://{tmp_path}/x", SinkOptions())
    sink.begin([], 0)
    sink.put(0, chunk(0))
    sink.end()
    sink.drain()
    assert sink.most_bytes == sink.bytes_written == (tmp_path / "x").stat().st_size > 0


def packet_sink(path: Path, fails: str = "nowhere") -> HostedPackets:
    """Return a packet sink of the package that has begun."""
    sink = HostedPackets(PACKETS, f"packets://{path}?fail={fails}", SinkOptions())
    sink.begin([], 0)
    return sink


def chunk(number: int, size: int = 1) -> mscli.EncodedVideoChunk:
    return mscli.EncodedVideoChunk("key" if number % 10 == 0 else "delta", number, memoryview(bytes(size)), "mjpeg", 64, 48)


def test_packets_reach_a_packet_sink_in_order(tmp_path: Path) -> None:
    sink = packet_sink(tmp_path / "x")
    for number in range(30):
        sink.put(0, chunk(number, 5))
    sink.end()
    sink.drain()
    _, *lines = (tmp_path / "x").read_text().splitlines()
    assert [int(line.split()[3]) for line in lines] == [*range(30)]
    assert sink.bytes_written == (tmp_path / "x").stat().st_size
    assert "mscli-plugin" not in {thread.name for thread in threading.enumerate()}


def test_a_packet_sink_that_is_slow_misses_packets_up_to_a_key_frame(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packets, "QUEUE_BYTES", 100)
    monkeypatch.setattr(hosted, "PLUGIN_S", TIMEOUT_S)
    hanging: threading.Event = importlib.import_module("mscli_thing.source").HANGING
    sink = packet_sink(tmp_path / "x", "hang-put")
    sink._skips.lead = 0
    for number in range(15):
        sink.put(0, chunk(number, 20))
    assert dict(sink.left_out(0)) == {"behind": 9}  # the first six fill the queue; a key frame does not fit either
    hanging.set()
    sink.end()
    sink.drain()
    _, *lines = (tmp_path / "x").read_text().splitlines()
    assert [int(line.split()[3]) for line in lines] == [*range(6)]


def test_a_paced_source_waits_for_a_packet_sink(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packets, "QUEUE_BYTES", 100)
    sink = packet_sink(tmp_path / "x")
    sink.waits = True
    for number in range(200):
        sink.put(0, chunk(number, 20))
    sink.end()
    sink.drain()
    assert len((tmp_path / "x").read_text().splitlines()) == 201
    assert dict(sink.left_out(0)) == {"behind": 0}


def test_what_a_packet_sink_that_hangs_has_not_taken_is_not_counted(tmp_path: Path) -> None:
    sink = packet_sink(tmp_path / "x", "hang-put")
    for number in range(15):
        sink.put(0, chunk(number, 20))
    with pytest.raises(mscli.OperationError, match=r"did not return from put within 0\.2 s"):
        sink.drain()
    sink.abort()
    assert dict(sink.left_out(0)) == {"behind": 0}
    assert (sink.kept(0), sink.kept_until_us) == (0, None)
