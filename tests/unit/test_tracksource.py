"""Tracks of sources that are not devices: generated frames are recorded and read like a camera's."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from itertools import count, pairwise
from pathlib import Path
from threading import Event as Flag
from threading import Thread
from types import SimpleNamespace
from typing import Any

import pytest

import mscli
from mscli.cli.session import Session
from mscli.core.boxes import Mode
from mscli.core.eventloop import EventLoop
from mscli.core.frames import Media, VideoFrame
from mscli.sources.base import Abilities
from mscli.sources.track import SettingsChange
from tests.conftest import ROOT
from tests.unit.stage import MEMORY, TIMEOUT_S, Heard, MemorySink, Stage, picture

Setting = Callable[..., Stage]
FRAME_US = 33_333


class Generated(mscli.TrackSource):
    """A source of ``frames`` grey frames, generated as fast as they are taken."""

    live = False

    def __init__(self, frames: int | None = None) -> None:
        super().__init__("video", "Generated")
        self.made = 0
        self._frames = frames
        self._thread = Thread(target=self._run, name="generated", daemon=True)

    def capabilities(self) -> Abilities:
        return Abilities([Mode("GREY", 64, 48, 30)])

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        if self._thread.ident is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def _run(self) -> None:
        for number in range(self._frames) if self._frames is not None else count():
            if self.ended:
                return
            self.made = number + 1
            self.deliver(picture(number * FRAME_US, level=number % 200 + 1))
        self.end()


class Flawed(Generated):
    """A source whose third picture is not what it says."""

    def deliver(self, frame: Media) -> None:
        assert isinstance(frame, VideoFrame)
        super().deliver(replace(frame, strides=(63,)) if self.made == 3 else frame)


class Tone(mscli.TrackSource):
    """A silent audio source with two sample rates, which changes to the requested one."""

    def __init__(self) -> None:
        super().__init__("audio", "Tone")
        self.rate = 48_000
        self.stuck = False

    def capabilities(self) -> Abilities:
        return Abilities(values={"sampleRate": (48_000, 16_000), "channelCount": (1,), "sampleSize": (16,)})

    def settings(self) -> dict[str, Any]:
        return {"sampleRate": self.rate, "channelCount": 1, "sampleSize": 16}

    def apply(self, change: SettingsChange) -> None:
        if self.stuck:
            change.restore()
            raise mscli.NotReadableError("it is stuck")
        self.rate = int(change.settings["sampleRate"])
        change.adopt()


def running(name: str) -> bool:
    return any(thread.name == name for thread in threading.enumerate())


# From the source to its readers


def test_what_a_program_makes_is_read_to_its_end(stage: Setting) -> None:
    track = stage().devices.add_source(Generated(300))
    with mscli.MediaStreamTrackProcessor({"track": track}).readable as frames:
        got = [frame.timestamp for frame in frames]
    assert got == [FRAME_US * number for number in range(300)]
    assert (track.kind, track.label, track.lost, track.get_settings()["width"]) == ("video", "Generated", 0, 64)


def test_its_constraints_are_applied(stage: Setting) -> None:
    here = stage()
    track = here.devices.add_source(Generated(90), {"width": {"exact": 32}, "frameRate": {"exact": 10}})
    settings = track.get_settings()
    assert {**settings, "width": 32, "height": 24, "frameRate": 10, "resizeMode": "crop-and-scale"} == settings
    with mscli.MediaStreamTrackProcessor({"track": track}).readable as frames:
        got: list[Any] = list(frames)
    assert {(frame.display_width, frame.display_height) for frame in got} == {(32, 24)}
    assert [late.timestamp - early.timestamp for early, late in pairwise(got)] == [3 * FRAME_US] * 29
    assert track.get_capabilities()["width"] == {"min": 1, "max": 64}


def test_constraints_that_it_cannot_satisfy_are_refused(stage: Setting) -> None:
    here = stage()
    with pytest.raises(mscli.OverconstrainedError, match="width"):
        here.devices.add_source(Generated(), {"width": {"min": 65}})
    track = here.devices.add_source(Generated())
    with pytest.raises(mscli.OverconstrainedError, match="width"):
        track.apply_constraints({"width": {"min": 65}})


def test_it_is_recorded_without_a_loss(stage: Setting, sinks: list[MemorySink]) -> None:
    here = stage()
    track = here.devices.add_source(Generated(300))
    recorder = mscli.MediaRecorder(mscli.MediaStream([track]), row=MEMORY)
    heard = Heard(recorder)
    recorder.start()
    here.run_until(lambda: "stop" in heard.types)
    assert [frame.timestamp for _, frame in sinks[-1].frames] == [FRAME_US * number for number in range(300)]
    assert recorder.recording is not None
    assert (recorder.recording.dropped, recorder.recording.reason) == ([0], "ended")


def test_a_frame_that_is_not_what_it_says_ends_the_source_and_the_file_is_whole(tmp_path: Path) -> None:
    with mscli.MediaDevices(backends=[]) as devices:
        track = devices.add_source(Flawed(5))
        recorder = mscli.MediaRecorder(mscli.MediaStream([track]), file=str(tmp_path / "made.raw"))
        recorder.start()
        assert recorder.join(TIMEOUT_S)
    assert (
        str(track.ended_error)
        == "“Generated” is broken: plane 0 of a frame has the stride 63; GREY of 64×48 needs 64 bytes or more"
    )
    assert (tmp_path / "made.raw").stat().st_size == 2 * 64 * 48


def test_it_is_recorded_into_a_file_whole(stage: Setting, tmp_path: Path) -> None:
    import av

    track = stage().devices.add_source(Generated(120))
    stream, options = mscli.MediaStream([track]), {"mimeType": "video/x-matroska"}
    recorder = mscli.MediaRecorder(stream, options, file=str(tmp_path / "made.mkv"))
    recorder.start()
    assert recorder.join(TIMEOUT_S)
    with av.open(str(tmp_path / "made.mkv")) as file:
        assert sum(1 for _ in file.decode(video=0)) == 120


def test_a_recording_of_a_duration_ends_by_the_times_of_its_frames(stage: Setting, sinks: list[MemorySink]) -> None:
    here = stage()
    track = here.devices.add_source(Generated())
    recorder = mscli.MediaRecorder(mscli.MediaStream([track]), row=MEMORY, window=(1.0, None))
    heard = Heard(recorder)
    recorder.start()
    here.run_until(lambda: "stop" in heard.types)
    assert [frame.timestamp for _, frame in sinks[-1].frames] == [FRAME_US * number for number in range(30)]
    track.stop()


def test_two_tracks_of_one_source_get_the_same_frames(stage: Setting) -> None:
    here = stage()
    source = Generated(50)
    track = here.devices.add_source(source)
    clone = track.clone()
    loop = EventLoop()
    queues = [track.open_queue(loop), clone.open_queue(loop)]
    got: dict[Any, list[int]] = {queue: [] for queue in queues}
    while (taken := loop.take(TIMEOUT_S)) is not None:
        got[taken.queue].append(taken.frame.timestamp)
    first, second = got.values()
    assert second == [FRAME_US * number for number in range(50)][-len(second) :]
    assert first == [FRAME_US * number for number in range(50)]


def test_its_settings_are_changed_by_the_source_itself(stage: Setting) -> None:
    track = stage().devices.add_source(Tone())
    track.apply_constraints({"sampleRate": {"exact": 16_000}})
    assert (track.get_settings()["sampleRate"], track.source.settings()["sampleRate"]) == (16_000, 16_000)


def test_a_source_that_cannot_be_set_continues_as_before(stage: Setting) -> None:
    source = Tone()
    track = stage().devices.add_source(source, {"sampleRate": 48_000})
    source.stuck = True
    with pytest.raises(mscli.NotReadableError, match="it is stuck"):
        track.apply_constraints({"sampleRate": {"exact": 16_000}})
    assert (track.get_settings()["sampleRate"], track.get_constraints()) == (48_000, {"sampleRate": 48_000})


# A pause


class Given(mscli.TrackSource):
    """A paced source of the frames that the test gives. ``times``: of these frames."""

    live = False

    def __init__(self) -> None:
        super().__init__("video", "Given")
        self.times: list[int] = []

    def capabilities(self) -> Abilities:
        return Abilities([Mode("GREY", 64, 48, 30)])

    def give(self, frames: int) -> None:
        for _ in range(frames):
            self.times.append(len(self.times) * FRAME_US)
            self.deliver(picture(self.times[-1]))


def paused_after(frames: int, stage: Stage, sinks: list[MemorySink]) -> tuple[Given, mscli.MediaRecorder, MemorySink]:
    """Return a source, and its recording that is paused after some frames."""
    source = Given()
    recorder = mscli.MediaRecorder(mscli.MediaStream([stage.devices.add_source(source)]), row=MEMORY)
    recorder.start()
    source.give(frames)
    stage.run_until(lambda: len(sinks[-1].frames) == frames)
    recorder.pause()
    return source, recorder, sinks[-1]


def test_a_paused_recording_takes_no_frame_of_a_paced_source(stage: Setting, sinks: list[MemorySink]) -> None:
    source, recorder, sink = paused_after(3, stage(), sinks)
    source.give(10)
    recorder.stop()
    assert recorder.join(TIMEOUT_S)
    assert [frame.timestamp for _, frame in sink.frames] == source.times[:3]


def test_a_paced_source_goes_on_after_a_pause_where_it_was(stage: Setting, sinks: list[MemorySink]) -> None:
    source, recorder, sink = paused_after(3, stage(), sinks)
    source.give(10)
    recorder.resume()
    source.give(30)
    source.end()
    assert recorder.join(TIMEOUT_S)
    assert [frame.timestamp for _, frame in sink.frames] == source.times


def test_a_paced_source_that_ends_in_a_pause_is_recorded_to_its_end_after_it(stage: Setting, sinks: list[MemorySink]) -> None:
    source, recorder, sink = paused_after(3, stage(), sinks)
    source.give(10)
    source.end()
    recorder.resume()
    assert recorder.join(TIMEOUT_S)
    assert [frame.timestamp for _, frame in sink.frames] == source.times


@pytest.mark.parametrize(("live", "ends"), [(True, True), (False, False)])
def test_the_end_of_all_sound_ends_a_command_only_if_it_is_live(stage: Setting, live: bool, ends: bool) -> None:
    here = stage()
    sources = [Given(), Tone()]
    for source in sources:
        source.live = live
    picture_track, sound_track = (here.devices.add_source(source) for source in sources)
    run = SimpleNamespace(tracks=[picture_track, sound_track], ended=[sound_track])
    assert Session.over.fget(run) is ends  # type: ignore[attr-defined]


# Waiting, and the end


def test_a_source_waits_for_its_first_reader(stage: Setting) -> None:
    here = stage()
    source = Generated(10)
    track = here.devices.add_source(source)
    with mscli.MediaStreamTrackProcessor({"track": track}).readable as frames:
        first = next(frames)
    assert (first.timestamp, track.ready_state) == (0, "live")


def test_a_reader_that_is_slow_loses_nothing_and_holds_little(stage: Setting) -> None:
    here = stage()
    source = Generated(10_000)
    track = here.devices.add_source(source)
    bound = 8 * 64 * 48
    with mscli.MediaStreamTrackProcessor({"track": track, "maxBufferBytes": bound}).readable as frames:
        ahead = []
        times = []
        for frame in frames:
            times.append(frame.timestamp)
            ahead.append(source.made - len(times))
    assert times == [FRAME_US * number for number in range(10_000)]
    assert (frames.dropped, max(ahead) <= 9) == (0, True)  # the frames in the queue, and the one that waits


@pytest.mark.parametrize("end", ["track", "queue", "devices"])
@pytest.mark.parametrize("read", [True, False])
def test_a_waiting_source_ends_if_either_side_closes(stage: Setting, end: str, read: bool) -> None:
    here = stage()
    track = here.devices.add_source(Generated())
    queue = track.open_queue(EventLoop(), 1) if read else None
    if end == "track":
        track.stop()
    elif end == "devices":
        here.close()
    elif queue is not None:
        track.close_queue(queue)
        track.stop()
    else:
        track.stop()
    assert (running("generated"), track.ready_state) == (False, "ended")


def test_a_recording_whose_sink_is_slow_ends_when_it_is_asked(stage: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    here = stage()
    track = here.devices.add_source(Generated())
    writing, free = Flag(), Flag()
    write = MemorySink.write

    def write_slowly(sink: MemorySink, number: int, frame: Any) -> None:
        writing.set()
        assert free.wait(TIMEOUT_S)
        write(sink, number, frame)

    monkeypatch.setattr(MemorySink, "write", write_slowly)
    recorder = mscli.MediaRecorder(mscli.MediaStream([track]), row=MEMORY)
    recorder.start()
    assert writing.wait(TIMEOUT_S)
    recorder.abandon()
    track.stop()  # this joins the source although its reader is stuck
    free.set()
    assert recorder.join(TIMEOUT_S)


def test_the_end_is_reported_once_and_after_the_last_frame(stage: Setting) -> None:
    here = stage()
    track = here.devices.add_source(Generated(3))
    heard = Heard(track)
    with mscli.MediaStreamTrackProcessor({"track": track}).readable as frames:
        assert len(list(frames)) == 3
    here.run_until(lambda: heard.types)
    assert (heard.types, track.ready_state, track.ended_error) == (["ended"], "ended", None)


def test_a_source_that_fails_says_why(stage: Setting) -> None:
    here = stage()
    source = Tone()
    track = here.devices.add_source(source)
    heard = Heard(track)
    source.end(mscli.NotReadableError("the file is damaged"))
    here.tasks.run_tasks()
    assert [event.detail for event in heard.events] == [{"reason": "the file is damaged"}]


def test_a_source_that_does_not_start_leaves_no_track(stage: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: Tone) -> None:
        raise mscli.NotReadableError("there is no such file")

    monkeypatch.setattr(Tone, "start", fail)
    here, source = stage(), Tone()
    with pytest.raises(mscli.NotReadableError, match="no such file"):
        here.devices.add_source(source)
    assert (source.consumers, source.ended) == ((), True)


def test_a_source_is_closed_once_and_not_taken_again(stage: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[object] = []
    monkeypatch.setattr(Tone, "close", lambda source: closed.append(source))
    here, source = stage(), Tone()
    track = here.devices.add_source(source)
    track.stop()
    assert track.clone().ready_state == "ended"
    assert closed == [source]
    with pytest.raises(mscli.InvalidStateError, match="“Tone” has ended"):
        here.devices.add_source(source)


def test_closed_devices_take_no_source(stage: Setting) -> None:
    here = stage()
    here.close()
    with pytest.raises(mscli.InvalidStateError):
        here.devices.add_source(Tone())


def test_the_source_in_the_guide_works(capsys: pytest.CaptureFixture[str]) -> None:
    guide = (ROOT / ".github" / "CONTRIBUTING.md").read_text(encoding="utf-8")
    (program,) = (block.partition("```")[0] for block in guide.split("```python\n") if "class Grey" in block)
    exec(compile(program, "CONTRIBUTING.md", "exec"), {"__name__": "guide"})
    assert capsys.readouterr().out == "300\n"
