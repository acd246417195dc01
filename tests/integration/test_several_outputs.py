"""Several outputs of one capture: what is alike is encoded once, and one that fails or is slow harms no other."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event
from typing import Any

import pytest

import mscli as library
from mscli import sinks
from mscli.api import mediarecorder
from mscli.api import recording as api_recording
from mscli.api.mediarecorder import RecorderOutput
from mscli.core.boxes import Mode
from mscli.core.frames import EncodedVideoChunk, VideoFrame
from mscli.encode.options import SinkOptions
from mscli.encode.video import VideoEncoder
from mscli.sinks import SINKS
from mscli.sinks.recording import queued
from mscli.sinks.recording.queued import Queued
from mscli.sources.base import Abilities
from mscli.sources.fake.video import VideoFeed
from tests.conftest import Program, require
from tests.disks import tiny_disk
from tests.integration.hurried import nothing_comes_late
from tests.integration.running import SMALL, decode, frame_numbers
from tests.sinks.synth import probe

KEY_FRAMES = 30  # the most frames until the next one
LARGE = ("--fake-devices", "--size", "640x480", "--frame-rate", "30", "--video-codec", "mjpeg", "--no-audio")
ALL = list(range(60))
TIMEOUT_S = 60.0


def counted(path: Path) -> list[int]:
    """How many packets there are to read of each stream."""
    streams = probe(path, "-v", "quiet", "-count_packets", "-show_streams")["streams"]
    return [int(one.get("nb_read_packets", 0)) for one in streams]


def packets(path: Path, kind: str) -> list[tuple[str, str]]:
    """The times and the hashes of a file's packets."""
    found = probe(path, "-select_streams", kind, "-show_packets", "-show_data_hash", "sha256")["packets"]
    return [(packet["pts_time"], packet["data_hash"]) for packet in found]


def outputs(report: Any) -> dict[str, Any]:
    """The entries of the outputs, by name."""
    return {one["name"]: one for one in report["outputs"]}


@contextmanager
def sleeping_reader(path: Path) -> Iterator[int]:
    """A FIFO that somebody has opened and does not read."""
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        yield reader
    finally:
        os.close(reader)


def everything_in(reader: int) -> bytes:
    """What is in a pipe."""
    parts: list[bytes] = []
    with suppress(BlockingIOError):
        while part := os.read(reader, 1 << 20):
            parts.append(part)
    return b"".join(parts)


def test_two_files_of_one_encoding_hold_the_very_same_packets(mscli: Program) -> None:
    require("ffmpeg", "ffprobe")
    report = mscli.json("record", "--json", *SMALL, "--duration", "2", "a.mkv", "b.mkv")
    assert list(outputs(report)) == ["a.mkv", "b.mkv"]
    assert report["files"] == ["a.mkv"]
    for kind in ("v", "a"):
        one, other = (packets(mscli.folder / name, kind) for name in ("a.mkv", "b.mkv"))
        assert one == other
        assert len(one) >= 60


def test_each_of_five_outputs_holds_what_its_container_can(mscli: Program) -> None:
    require("ffmpeg", "ffprobe")
    names = ("a.mkv", "b.mp4", "c.webm", "d.flac", "e.mov")
    report = mscli.json("record", "--json", *SMALL, "--frames", "30", *names)
    codecs = [[one["codec_name"] for one in probe(mscli.folder / name)["streams"]] for name in names]
    assert codecs == [["h264", "opus"], ["h264", "aac"], ["vp9", "opus"], ["flac"], ["h264", "aac"]]
    one, other = ([data for _, data in packets(mscli.folder / name, "v")] for name in ("b.mp4", "e.mov"))
    assert one == other  # encoded once
    for name in ("a.mkv", "b.mp4", "c.webm", "e.mov"):
        decode(mscli.folder / name)
        assert frame_numbers(mscli.folder / name) == list(range(30))
    assert [track["kind"] for track in outputs(report)["d.flac"]["tracks"]] == ["audio"]


@pytest.mark.parametrize("full_first", [True, False])
def test_a_full_disk_ends_one_output_and_harms_no_other(mscli: Program, full_first: bool) -> None:
    require("ffmpeg", "ffprobe")
    with tiny_disk(mscli.folder / "disk", 300_000):
        names = ["disk/a.mkv", "b.mkv", "c.mov"] if full_first else ["b.mkv", "disk/a.mkv", "c.mov"]
        done = mscli("record", *LARGE, "--frames", "60", "--json", "--events", "ev", *names, code=9)
        partial, size = frame_numbers(mscli.folder / "disk" / "a.mkv"), (mscli.folder / "disk" / "a.mkv").stat().st_size
    found = outputs(json.loads(done.stdout))
    assert frame_numbers(mscli.folder / "b.mkv") == frame_numbers(mscli.folder / "c.mov") == ALL
    assert "the disk is full" in found["disk/a.mkv"]["error"]["message"]
    assert found["b.mkv"]["error"] is found["c.mov"]["error"] is None
    assert partial == list(range(len(partial)))
    assert 0 < len(partial) < 60
    full = found["disk/a.mkv"]
    assert full["tracks"][0]["frames"] == len(partial)
    assert full["bytes"] == size
    assert full["duration"] == pytest.approx(len(partial) / 30, abs=0.05)
    assert found["b.mkv"]["duration"] == pytest.approx(2, abs=0.05)
    events = [json.loads(line) for line in (mscli.folder / "ev").read_text().splitlines()]
    assert [event["file"] for event in events if event["type"] == "error"] == ["disk/a.mkv"]
    assert b"the other outputs continue" in done.stderr


def test_a_reader_that_sleeps_ends_one_output_and_harms_no_other(mscli: Program) -> None:
    require("ffmpeg", "ffprobe")
    loud = {"kind": "audioinput", "sampleRates": [192_000], "channelCounts": [8], "sampleSizes": [32]}  # fills the pipe
    camera = {"kind": "videoinput", "modes": [{"width": 320, "height": 240, "frameRate": 30}]}  # is encoded on any machine
    (mscli.folder / "devices.json").write_text(json.dumps({"devices": [loud, camera]}))
    what = ("--fake-devices-from", "devices.json", "--video-codec", "mjpeg", "--audio-codec", "pcm", "--frames", "60")
    with sleeping_reader(mscli.folder / "fifo") as reader:
        done = mscli("record", *what, "--format", "mkv", "--json", "fifo", "b.mkv", code=9)
        (mscli.folder / "read.mkv").write_bytes(everything_in(reader))
    found = outputs(json.loads(done.stdout))
    got = {one["kind"]: one for one in found["fifo"]["tracks"]}
    assert found["fifo"]["bytes"] == (mscli.folder / "read.mkv").stat().st_size
    assert abs(got["video"]["frames"] - counted(mscli.folder / "read.mkv")[0]) <= 1  # the last one may be incomplete
    assert got["audio"]["frames"] < 0.75 * 192_000 * 2
    assert found["fifo"]["duration"] < 1.5
    assert frame_numbers(mscli.folder / "b.mkv") == ALL
    assert "its reader has stopped reading" in found["fifo"]["error"]["message"]
    assert found["b.mkv"]["error"] is None


def test_a_reader_that_leaves_ends_one_output_as_usual(mscli: Program) -> None:
    require("ffmpeg", "ffprobe")
    os.mkfifo(mscli.folder / "fifo")
    with subprocess.Popen(["head", "-c", "1000", mscli.folder / "fifo"], stdout=subprocess.DEVNULL):
        report = mscli.json("record", "--json", *LARGE, "--frames", "60", "--format", "mkv", "fifo", "b.mkv")
    assert frame_numbers(mscli.folder / "b.mkv") == ALL
    assert outputs(report)["fifo"]["error"] is None
    assert (report["reason"], outputs(report)["b.mkv"]["tracks"][0]["frames"]) == ("pipe", 60)


def test_raw_outputs_are_written_apart(mscli: Program) -> None:
    with tiny_disk(mscli.folder / "disk", 600_000), sleeping_reader(mscli.folder / "fifo"):
        what = ("capture", *SMALL, "--frames", "60", "--json", "-o", "a.raw", "-o", "disk/b.raw", "-o", "fifo", "-o", "-")
        done = mscli(*what, code=9)
    size = 60 * 320 * 240 * 3 // 2
    assert len((mscli.folder / "a.raw").read_bytes()) == size
    assert done.stdout == (mscli.folder / "a.raw").read_bytes()
    found = outputs(json.loads(next(line for line in done.stderr.splitlines() if b'"outputs"' in line)))
    errors = {name: one["error"]["message"] if one["error"] else "" for name, one in found.items()}
    assert errors["a.raw"] == errors["-"] == ""
    assert "the disk is full" in errors["disk/b.raw"]
    assert "its reader has stopped reading" in errors["fifo"]


@pytest.mark.parametrize("command", [["capture"], ["record", "--no-audio", "--format", "mkv"]], ids=lambda command: command[0])
def test_a_pipe_that_nobody_reads_harms_no_other_and_saves_nothing(command: list[str], mscli: Program) -> None:
    os.mkfifo(mscli.folder / "pipe")
    done = mscli(*command, "--fake-devices", "--frames", "10", "-o", "pipe", "-o", "b.raw", code=9)
    assert b"Nothing saved in pipe; stopped by an error: cannot write pipe: nobody has opened the pipe" in done.stderr
    assert re.search(rb"Saved b\.raw: .* 10 frames", done.stderr)


def test_a_reader_may_come_when_the_other_outputs_are_under_way(mscli: Program) -> None:
    script = """
        mkfifo pipe
        mscli capture --quiet --fake-devices --size 320x240 -o pipe -o b.raw &
        until [ -s .*b.raw* ] || [ -s b.raw ]; do sleep 0.01; done
        head -c 1000000 pipe > read.raw
        kill -INT $!
        wait $!
    """
    done = subprocess.run(
        ["bash", "-c", f'mscli() {{ exec {" ".join(mscli.argv)} "$@"; }}\n{script}'],
        cwd=mscli.folder, env=mscli.environment, capture_output=True, timeout=60, check=True,
    )  # fmt: skip
    assert done.stderr == b""
    assert (mscli.folder / "read.raw").stat().st_size == 1_000_000
    assert (mscli.folder / "b.raw").stat().st_size > 0


def test_segments_triggers_and_sizes_go_with_several_outputs(mscli: Program) -> None:
    require("ffmpeg", "ffprobe")
    what = ("record", "--json", *SMALL, "--no-audio", "--frames", "60", "--segment-duration", "1")
    found = outputs(mscli.json(*what, "a-%03d.mkv", "b-%03d.mp4"))
    for files in (found["a-%03d.mkv"]["files"], found["b-%03d.mp4"]["files"]):
        assert len(files) == 2
        assert [number for name in files for number in frame_numbers(mscli.folder / name)] == ALL
    report = mscli.json("record", "--json", *LARGE, "--frames", "60", "--max-size", "200k", "c.mkv", "d.mkv")
    assert report["reason"] == "size"
    assert {(mscli.folder / name).stat().st_size <= 200_000 for name in ("c.mkv", "d.mkv")} == {True}
    for name, one in outputs(report).items():
        assert [track["frames"] for track in one["tracks"]] == counted(mscli.folder / name)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["a.mkv", "./a.mkv"], 2, "are the same output"),
        (["a.mkv", "link.mkv"], 2, "are the same output"),
        (["-", "/dev/stdout"], 2, "are the same output"),
        (["-", "-"], 2, "are the same output"),
        (["clip-%03d.mkv", "clip-001.mkv", "--segment-duration", "1"], 2, "may name the same file"),
        (["clip.mkv", "clip-001.mkv", "--segment-duration", "1"], 2, "may name the same file"),
        (["a.mkv", "b.mkv", "--events", "b.mkv"], 2, "--events and the output are the same file"),
        (["a.mkv", "b.xyz"], 7, "mscli: error: cannot write .xyz recordings; use .mp4, "),
        (["a.mkv", "folder"], 9, "it is a folder"),
        (["a.mkv", "no/b.mkv"], 9, "its folder does not exist"),
        (["a.mkv", "b.flac", "--no-audio"], 7, "mscli: error: .flac files cannot hold video\n"),
    ],
)
def test_outputs_that_cannot_be_written_together_are_said_before_anything_is_made(
    mscli: Program, arguments: list[str], code: int, said: str
) -> None:
    (mscli.folder / "link.mkv").symlink_to("a.mkv")
    (mscli.folder / "folder").mkdir()
    before = sorted(path.name for path in mscli.folder.iterdir())
    done = mscli("record", *SMALL, "--frames", "10", *arguments, code=code)
    assert said in done.stderr.decode()
    assert sorted(path.name for path in mscli.folder.iterdir()) == before
    assert done.stdout == b""


class Camera(library.TrackSource):
    """A live source that gives a picture when the test says so."""

    def __init__(self) -> None:
        super().__init__("video", "Camera")
        self._feed = VideoFeed("I420", {"width": 1280, "height": 720, "frameRate": 30})

    def capabilities(self) -> Abilities:
        return Abilities([Mode("I420", 1280, 720, 30)])

    def give(self, number: int) -> None:
        self.deliver(self._feed.frame(number, number, 1_000_000 + number * 33_333))


@contextmanager
def held_encoder(monkeypatch: pytest.MonkeyPatch, codec: str) -> Iterator[None]:
    """Hold the video encoder of that codec up before each picture until the end of the block."""
    released, encode = Event(), VideoEncoder.encode

    def encode_late(encoder: VideoEncoder, frame: VideoFrame | EncodedVideoChunk) -> Iterator[EncodedVideoChunk]:
        if encoder.stream().codec == codec:
            assert released.wait(TIMEOUT_S)
        return encode(encoder, frame)

    with monkeypatch.context() as patched:
        patched.setattr(VideoEncoder, "encode", encode_late)
        try:
            yield
        finally:
            released.set()


def held(going_on: Event) -> None:
    """Wait until the test goes on."""
    assert going_on.wait(TIMEOUT_S)


def until(holds: Callable[[], object]) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + TIMEOUT_S
    while not holds():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.005)


def test_a_slow_encoder_loses_its_own_frames_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    require("ffmpeg", "ffprobe")
    codecs = {"a.mkv": "h264", "b.mkv": "mjpeg"}
    outputs = [RecorderOutput(str(tmp_path / name), SINKS["mkv"], SinkOptions(video_codec=codecs[name])) for name in codecs]
    camera = Camera()
    with library.MediaDevices(backends=[]) as devices:
        recorder = library.MediaRecorder(library.MediaStream([devices.add_source(camera)]), outputs=outputs)
        recorder.start()
        recording = recorder.recording
        assert recording is not None
        fast, slow = recording.groups
        with held_encoder(monkeypatch, "mjpeg"):
            count = 0
            while not slow.dropped[0] or count < 10:  # until what may wait for it is full
                camera.give(count)
                count += 1
                until(lambda: fast.counts[0].frames == count)  # noqa: B023 (it is called in its own turn)
        camera.end()
        assert recorder.join(TIMEOUT_S)
        one, other = recording.outputs
    assert (one.error, other.error) == (None, None)
    assert frame_numbers(tmp_path / "a.mkv") == list(range(count))
    assert one.counts[0].dropped == 0
    assert other.counts[0].dropped > 0
    assert other.counts[0].frames + other.counts[0].dropped == count
    assert len(frame_numbers(tmp_path / "b.mkv")) == other.counts[0].frames


def test_an_added_output_is_whole_though_the_first_one_has_a_reader_that_sleeps(tmp_path: Path) -> None:
    require("ffmpeg", "ffprobe")
    pipe, added = str(tmp_path / "pipe"), str(tmp_path / "added.mkv")
    source, options = Camera(), SinkOptions(video_codec="mjpeg", quality=1)
    source.live = False  # so that no frame is dropped
    with sleeping_reader(Path(pipe)), library.MediaDevices(backends=[]) as devices:
        stream = library.MediaStream([devices.add_source(source)])
        recorder = library.MediaRecorder(stream, file=pipe, row=SINKS["mkv"], sink_options=options)
        recorder.start()
        source.give(0)
        recorder.add_output(added)
        for number in range(1, 40):  # more than the pipe holds
            source.give(number)
        source.end()
        with pytest.raises(library.OperationError, match="its reader has stopped reading"):
            recorder.join(TIMEOUT_S)
        assert recorder.recording is not None
        asleep, whole = recorder.recording.outputs
    assert isinstance(asleep.error, library.OperationError)
    assert whole.error is None
    found = frame_numbers(Path(added))
    assert found == list(range(found[0], 40))
    assert len(found) == whole.counts[0].frames > 30


def test_a_paced_source_waits_for_the_slowest_of_several_outputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    awake, take_next, wait_for_room = Event(), Queued._next, Queued._wait_for_room

    def sleep_first(output: Queued) -> Any:
        assert awake.wait(TIMEOUT_S)
        return take_next(output)

    def wake_if_awaited(output: Queued) -> None:
        if output._waiting > output._most:
            awake.set()
        wait_for_room(output)

    monkeypatch.setattr(queued, "QUEUE_BYTES", 10_000)
    monkeypatch.setattr(Queued, "_next", sleep_first)
    monkeypatch.setattr(Queued, "_wait_for_room", wake_if_awaited)
    names = [str(tmp_path / name) for name in ("a.mkv", "b.mov")]
    source, options = Camera(), SinkOptions(video_codec="mjpeg")
    source.live = False
    with library.MediaDevices(backends=[]) as devices:
        outputs = [RecorderOutput(name, SINKS[name[-3:]], options) for name in names]
        recorder = library.MediaRecorder(library.MediaStream([devices.add_source(source)]), outputs=outputs)
        recorder.start()
        for number in range(60):
            source.give(number)
        source.end()
        woken = awake.is_set()
        awake.set()
        assert recorder.join(TIMEOUT_S)
        recording = recorder.recording
        assert recording is not None
    assert woken
    assert [(one.error, one.behind, one.counts[0].frames) for one in recording.outputs] == [(None, 0, 60)] * 2
    assert [frame_numbers(Path(name)) for name in names] == [ALL] * 2


def test_an_output_that_was_removed_before_it_began_holds_nothing_and_can_be_added_again(tmp_path: Path) -> None:
    require("ffmpeg", "ffprobe")
    first, other = str(tmp_path / "first.mkv"), str(tmp_path / "other.mkv")
    source = Camera()
    source.live = False
    with library.MediaDevices(backends=[]) as devices:
        stream = library.MediaStream([devices.add_source(source)])
        recorder = library.MediaRecorder(stream, file=first, sink_options=SinkOptions(video_codec="mjpeg"))
        recorder.start()
        recording = recorder.recording
        assert recording is not None
        for number in range(5):
            source.give(number)
        until(lambda: recording.counts[0].frames == 5)
        recorder.add_output(other)
        recorder.remove_output(other)
        recorder.add_output(other)
        for number in range(5, 10):
            source.give(number)
        source.end()
        assert recorder.join(TIMEOUT_S)
        whole, removed, again = recording.outputs
    assert (removed.files, removed.bytes) == ([other], 0)
    assert (removed.counts[0].frames, removed.counts[0].dropped, removed.counts[0].first_us) == (0, 0, None)
    assert (whole.counts[0].frames, again.counts[0].frames) == (10, 5)
    assert whole.counts[0].first_us is not None
    assert again.counts[0].first_us == whole.counts[0].first_us + 5 * 33_333
    assert frame_numbers(Path(other)) == [5, 6, 7, 8, 9]


def test_what_was_dropped_before_an_output_was_added_is_not_counted_as_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = Camera()
    with library.MediaDevices(backends=[]) as devices:
        stream = library.MediaStream([devices.add_source(source)])
        options = SinkOptions(video_codec="mjpeg")
        recorder = library.MediaRecorder(stream, file=str(tmp_path / "first.mkv"), sink_options=options)
        recorder.start()
        recording = recorder.recording
        assert recording is not None
        with held_encoder(monkeypatch, "mjpeg"):
            for number in range(60):  # more than the queue holds
                source.give(number)
        until(lambda: recording.counts[0].frames + recording.dropped[0] == 60)
        before = recording.dropped[0]
        recorder.add_output(str(tmp_path / "added.mkv"))
        for number in range(60, 70):
            source.give(number)
        source.end()
        assert recorder.join(TIMEOUT_S)
        first, added = recording.outputs
    assert before > 0
    assert added.counts[0].dropped == first.counts[0].dropped - before
    assert added.counts[0].dropped + added.counts[0].frames == 10


def test_an_added_output_is_not_credited_with_pictures_of_a_camera_that_had_ended(tmp_path: Path) -> None:
    require("ffprobe")
    cameras = Camera(), Camera()
    names = [tmp_path / "first.mkv", tmp_path / "added.mkv"]
    with library.MediaDevices(backends=[]) as devices:
        for camera in cameras:
            camera.live = False
        stream = library.MediaStream([devices.add_source(camera) for camera in cameras])
        recorder = library.MediaRecorder(stream, file=str(names[0]))
        recorder.start()
        for number in range(5):
            for camera in cameras:
                camera.give(number)
        cameras[1].end()
        recording = recorder.recording
        assert recording is not None
        until(lambda: recording.counts[1].frames == 5)
        recorder.add_output(str(names[1]))
        for number in range(5, 40):
            cameras[0].give(number)
        cameras[0].end()
        assert recorder.join(TIMEOUT_S)
        found = [[counts.frames for counts in output.counts] for output in recording.outputs]
    assert found[0] == counted(names[0]) == [40, 5]
    assert found[1] == counted(names[1])
    assert found[1][1] == 0


def test_an_output_that_is_added_while_the_recording_is_stopped_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = Camera()
    with library.MediaDevices(backends=[]) as devices:
        stream = library.MediaStream([devices.add_source(source)])
        recorder = library.MediaRecorder(stream, file=str(tmp_path / "first.mkv"))
        recorder.start()
        source.give(0)
        load = sinks.load_sinks

        def stop_and_load(*given: Any) -> Any:
            recorder.stop()
            return load(*given)

        monkeypatch.setattr(mediarecorder, "load_sinks", stop_and_load)
        with pytest.raises(library.InvalidStateError, match="the recording has ended"):
            recorder.add_output(str(tmp_path / "late.webm"))  # another codec, so with an encoding of its own
        assert recorder.join(TIMEOUT_S)
    assert [file.name for file in tmp_path.iterdir()] == ["first.mkv"]


@pytest.mark.parametrize("command", ["add", "remove"])
def test_a_change_that_was_refused_because_it_took_too_long_never_happens(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, going_on = Camera(), Event()
    source.live = False
    first, second, late = (str(tmp_path / name) for name in ("first.mkv", "second.mkv", "late.mkv"))
    with library.MediaDevices(backends=[]) as devices:
        stream = library.MediaStream([devices.add_source(source)])
        recorder = library.MediaRecorder(stream, outputs=[first, second])
        recorder.start()
        source.give(0)
        recording = recorder.recording
        assert recording is not None
        (group,) = recording.groups
        group._event_loop.post(lambda: held(going_on))  # the recorder's thread is busy
        monkeypatch.setattr(api_recording, "CHANGE_S", 0)
        with pytest.raises(library.InvalidStateError, match="does not answer"):
            recorder.add_output(late) if command == "add" else recorder.remove_output(second)
        going_on.set()
        for number in range(1, 31):
            source.give(number)
        source.end()
        assert recorder.join(TIMEOUT_S)
        found = recording.outputs
    assert [output.name for output in found] == [first, second]
    assert [output.counts[0].frames for output in found] == [31, 31]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["first.mkv", "second.mkv"]


def test_the_name_of_an_added_output_may_contain_a_number(tmp_path: Path) -> None:
    source = Camera()
    source.live = False
    (tmp_path / "n-001.mkv").touch()
    with library.MediaDevices(backends=[]) as devices:
        stream = library.MediaStream([devices.add_source(source)])
        options = SinkOptions(video_codec="mjpeg", overwrite=False)
        recorder = library.MediaRecorder(stream, file=str(tmp_path / "first.mkv"), sink_options=options)
        recorder.start()
        answer = library.RecorderRun(recorder).perform({"addOutput": str(tmp_path / "n-%03d.mkv")})
        source.give(0)
        source.end()
        assert recorder.join(TIMEOUT_S)
    file = Path(answer["file"])
    assert file.parent == tmp_path
    assert re.fullmatch(r"n-\d{3}\.mkv", file.name)
    assert file.stat().st_size
    assert not (tmp_path / "n-001.mkv").stat().st_size


def test_an_output_is_added_and_removed_while_the_recording_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    require("ffmpeg", "ffprobe")
    nothing_comes_late(monkeypatch)
    with library.MediaDevices(backends=[library.FakeBackend({})]) as devices:
        stream = devices.get_user_media({"video": {"width": 320, "height": 240, "frameRate": 30}, "audio": True})
        names = [str(tmp_path / name) for name in ("a.mkv", "b.mkv", "c.webm")]
        recorder = library.MediaRecorder(stream, file=names[0], row=SINKS["mkv"], window=(None, 120))
        recorder.start()
        recording = recorder.recording
        assert recording is not None
        while recording.counts[1].frames < 20:
            recorder.join(0.02)
        recorder.add_output(names[1])
        recorder.add_output(names[2])  # another codec
        added = recording.counts[1].frames
        with pytest.raises(TypeError, match="are the same output; name each output once"):
            recorder.add_output(names[1])
        with pytest.raises(library.InvalidStateError, match=r"no output is called x\.mkv"):
            recorder.remove_output("x.mkv")
        while recording.counts[1].frames < 70:
            recorder.join(0.02)
        recorder.remove_output(os.path.join(tmp_path, ".", "b.mkv"))  # the same file
        assert recorder.join(60)
        assert recording.error is None
        found = {output.name: output for output in recording.outputs}
    whole, part, other = (frame_numbers(Path(name)) for name in names)
    assert whole == list(range(whole[0], whole[0] + 120))
    assert part == list(range(part[0], part[-1] + 1))
    assert whole[20] <= part[0] <= whole[added + KEY_FRAMES]
    assert part[-1] < whole[-1]
    assert found[names[1]].counts[1].frames == len(part)
    assert other == list(range(other[0], other[-1] + 1))
    for name in names:
        decode(Path(name))
