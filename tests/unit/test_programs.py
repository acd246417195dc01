"""Tracks whose frames a program makes: canvases, generators and iterables, also with bad input."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import count, pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import mscli
from mscli.api import trackfrom
from mscli.api.canvas import _Pace
from mscli.api.programs import ProgramSource
from mscli.core.clock import MICROSECONDS, now_us
from mscli.core.frames import AudioData, VideoFrame
from tests.conftest import ROOT
from tests.unit.stage import TIMEOUT_S, Heard, picture, reader, waiting

GREY = np.full((48, 64), 200, np.uint8)
RGB = np.zeros((48, 64, 3), np.uint8)


class Hand:
    """A clock that is set by hand."""

    at_us = 1_000_000

    def now_us(self) -> int:
        return self.at_us

    def wait_until_us(self, at_us: int, cancelled: threading.Event) -> bool:
        raise AssertionError("nobody waits")


def stop(*tracks: mscli.MediaStreamTrack) -> None:
    """Stop the tracks and wait for their threads."""
    for track in tracks:
        track.stop()
    for thread in threading.enumerate():
        if thread.name in ("mscli-events", "mscli-frames"):
            thread.join(TIMEOUT_S)


def closed() -> VideoFrame:
    """Return a closed frame."""
    frame = picture(1)
    frame.close()
    return frame


def canvas_track(canvas: mscli.Canvas, rate: float | None = None) -> mscli.CanvasCaptureMediaStreamTrack:
    """Return the track of a captured canvas."""
    (track,) = canvas.capture_stream(rate)
    assert isinstance(track, mscli.CanvasCaptureMediaStreamTrack)
    return track


# Canvas


def test_each_picture_is_a_frame_with_the_time_at_which_it_is_drawn() -> None:
    clock = Hand()
    canvas = mscli.Canvas(64, 48, clock=clock)
    track = canvas_track(canvas)
    frames = reader(track)
    for level in (10, 20, 30):
        canvas.draw(np.full((48, 64), level, np.uint8))
        clock.at_us += 40_000
    found = waiting(frames)
    assert [frame.to_ndarray()[0, 0] for frame in found] == [10, 20, 30]
    assert [frame.timestamp for frame in found] == [1_000_000, 1_040_000, 1_080_000]
    assert (track.kind, track.ready_state, track.canvas) == ("video", "live", canvas)
    with pytest.raises(AttributeError):
        track.canvas = canvas  # type: ignore[misc]
    stop(track)


def test_pictures_at_the_same_moment_have_rising_times() -> None:
    canvas = mscli.Canvas(64, 48, clock=Hand())
    track = canvas_track(canvas)
    frames = reader(track)
    canvas.draw(GREY)
    canvas.draw(GREY)
    assert [frame.timestamp for frame in waiting(frames)] == [1_000_000, 1_000_001]
    stop(track)


def test_without_a_rate_only_requested_pictures_are_frames() -> None:
    canvas = mscli.Canvas(64, 48)
    track = canvas_track(canvas, 0)
    frames = reader(track)
    for level in range(5):
        canvas.draw(np.full((48, 64), level, np.uint8))
        if level == 2:
            track.request_frame()  # this one, which was left out
    track.request_frame()
    track.request_frame()  # the next one
    canvas.draw(np.full((48, 64), 99, np.uint8))
    assert [frame.to_ndarray()[0, 0] for frame in waiting(frames)] == [0, 2, 4, 99]
    stop(track)


@given(rate=st.sampled_from([0.5, 1, 7, 30, 60]), steps=st.lists(st.integers(1, 400_000), min_size=1, max_size=80))
def test_a_rate_is_the_most_frames_in_any_time(rate: float, steps: list[int]) -> None:
    pace, now_us, taken = _Pace(rate, 0), 0, []
    for step in steps:
        now_us += step
        if pace.takes(now_us):
            taken.append(now_us)
    assert taken
    for first, start_us in enumerate(taken):
        for last, end_us in enumerate(taken[first:], first):
            assert last - first <= (end_us - start_us) * rate / MICROSECONDS + 0.25 + 1e-6


@given(st.integers(1, 120), st.integers(1, 60))
def test_pictures_drawn_at_a_lower_rate_are_all_frames(rate: int, slower: int) -> None:
    step_us = MICROSECONDS // rate + slower
    pace = _Pace(rate, 0)
    assert all(pace.takes(number * step_us) for number in range(100))


@given(st.lists(st.booleans(), max_size=30))
def test_at_no_rate_each_request_is_one_frame(requests: list[bool]) -> None:
    pace = _Pace(0, 0)
    assert pace.takes(0)
    for at_us, asked in enumerate(requests, 1):
        if asked:
            pace.request()
        assert pace.takes(at_us) == asked


def test_a_requested_frame_has_the_time_of_the_request() -> None:
    clock = Hand()
    canvas = mscli.Canvas(64, 48, clock=clock)
    track = canvas_track(canvas, 0)
    frames = reader(track)
    canvas.draw(GREY)
    canvas.draw(GREY)
    clock.at_us = 10_000_000
    track.request_frame()
    canvas.draw(GREY)  # at the same moment
    track.request_frame()
    assert [frame.timestamp for frame in waiting(frames)] == [1_000_000, 10_000_000, 10_000_002]
    stop(track)


def test_a_picture_of_the_size_before_is_no_frame() -> None:
    canvas = mscli.Canvas(64, 48)
    track = canvas_track(canvas, 0)
    frames = reader(track)
    canvas.draw(GREY)
    canvas.draw(GREY)
    canvas.width = 32
    track.request_frame()
    assert [frame.display_width for frame in waiting(frames)] == [64]
    canvas.draw(GREY[:, :32])
    assert [frame.display_width for frame in waiting(frames)] == [32]
    stop(track)


@pytest.mark.parametrize("requested", [False, True])
def test_a_track_may_end_while_a_picture_is_drawn(requested: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    canvas = mscli.Canvas(64, 48)
    tracks = [canvas_track(canvas, 0 if requested else None) for _ in range(2)]
    frames = [reader(track) for track in tracks]
    put = ProgramSource.put

    def put_late(source: ProgramSource, frame: Any) -> None:
        if source is tracks[0].source:
            tracks[0].stop()  # on another thread
        put(source, frame)

    monkeypatch.setattr(ProgramSource, "put", put_late)
    canvas.draw(GREY)
    assert [len(waiting(one)) for one in frames] == [0, 1]
    stop(*tracks)


def test_two_streams_of_a_canvas_are_independent() -> None:
    canvas = mscli.Canvas(64, 48)
    tracks = [canvas_track(canvas), canvas_track(canvas, 0)]
    readers = [reader(track) for track in tracks]
    for _ in range(3):
        canvas.draw(GREY)
    assert [len(waiting(frames)) for frames in readers] == [3, 1]
    tracks[0].stop()
    canvas.draw(GREY)
    stop(*tracks)


def test_a_clone_has_the_canvas_and_its_own_frames() -> None:
    canvas = mscli.Canvas(64, 48)
    track = canvas_track(canvas)
    twin = track.clone()
    frames = reader(twin)
    track.stop()
    canvas.draw(GREY)
    assert twin.canvas is canvas
    assert len(waiting(frames)) == 1
    stop(twin)


def test_settings_follow_the_size_of_the_canvas() -> None:
    canvas = mscli.Canvas(64, 48)
    track = canvas_track(canvas, 25)
    frames = reader(track)
    size = [track.get_settings()[name] for name in ("width", "height", "frameRate")]
    assert size == [64, 48, 25]
    canvas.width, canvas.height = 128, 96
    assert (track.get_settings()["width"], track.get_settings()["height"]) == (128, 96)
    canvas.draw(np.zeros((96, 128), np.uint8))
    (frame,) = waiting(frames)
    assert (frame.display_width, frame.display_height) == (128, 96)
    stop(track)


def test_a_size_that_breaks_the_constraints_mutes_the_track_until_they_hold_again() -> None:
    canvas = mscli.Canvas(64, 48)
    track = canvas_track(canvas)
    track.apply_constraints({"width": {"exact": 64}})
    heard = Heard(track)
    was_muted, was_unmuted = threading.Event(), threading.Event()
    track.onmute = lambda _: was_muted.set()
    track.onunmute = lambda _: was_unmuted.set()
    canvas.width = 32
    assert was_muted.wait(TIMEOUT_S)
    states = [track.muted]
    canvas.width = 64
    assert was_unmuted.wait(TIMEOUT_S)
    assert [*states, track.muted] == [True, False]
    assert heard.types == ["overconstrained", "mute", "unmute"]
    stop(track)


@pytest.mark.parametrize(
    ("picture", "form"),
    [
        (GREY, "GREY"),
        (RGB, "RGB24"),
        (np.zeros((48, 64, 4), np.uint8), "RGBA"),
        (picture(), "GREY"),
        (av.VideoFrame(64, 48, "yuv420p"), "I420"),
    ],
)
def test_a_canvas_takes_pictures_of_every_library(picture: Any, form: str) -> None:
    canvas = mscli.Canvas(64, 48)
    track = canvas_track(canvas)
    frames = reader(track)
    canvas.draw(picture)
    (frame,) = waiting(frames)
    assert (frame.format, frame.display_width, frame.display_height) == (form, 64, 48)
    stop(track)


@pytest.mark.parametrize(
    ("use", "error", "why"),
    [
        (lambda canvas: canvas.draw(RGB[:24]), ValueError, "a picture of 64×24 is no picture of a canvas of 64×48"),
        (lambda canvas: canvas.draw(RGB.astype(float)), TypeError, "uint8, not float64"),
        (lambda canvas: canvas.draw(RGB[None]), ValueError, r"\(1, 48, 64, 3\)"),
        (lambda canvas: canvas.draw("a"), TypeError, "must be an array of NumPy, not str"),
        (lambda canvas: canvas.capture_stream(-1), mscli.NotSupportedError, "not negative"),
        (lambda canvas: canvas.capture_stream("fast"), TypeError, "is a number"),
        (lambda canvas: canvas.capture_stream(float("nan")), TypeError, "is a number"),
        (lambda _: mscli.Canvas(0, 48), ValueError, "at least 1 pixel"),
        (lambda _: mscli.Canvas(64.5, 48), TypeError, "whole pixels"),  # type: ignore[arg-type]
    ],
)
def test_what_is_no_picture_is_told(use: Callable[[Any], Any], error: type[Exception], why: str) -> None:
    with pytest.raises(error, match=why):
        use(mscli.Canvas(64, 48))


def test_a_canvas_is_recorded(tmp_path: Path) -> None:
    clock = Hand()
    canvas = mscli.Canvas(64, 48, clock=clock)
    stream = canvas.capture_stream()
    with mscli.MediaRecorder(stream, file=tmp_path / "a.mkv"):
        for level in range(30):
            canvas.draw(np.full((48, 64, 3), level * 8, np.uint8))
            clock.at_us += 33_333
    with av.open(tmp_path / "a.mkv") as file:
        levels = [int(frame.to_ndarray(format="gray").mean()) for frame in file.decode(video=0)]
    assert len(levels) == 30
    assert all(later > earlier for earlier, later in pairwise(levels))
    stop(*stream)


@pytest.mark.parametrize("timeslice", [None, 1])
def test_a_recording_tells_of_its_end_after_its_tracks_have_ended(timeslice: int | None) -> None:
    canvas = mscli.Canvas(64, 48)
    track = canvas_track(canvas)
    recorder, told = mscli.MediaRecorder(mscli.MediaStream([track]), {"mimeType": "video/x-matroska"}), threading.Event()
    data: list[bytes] = []
    recorder.ondataavailable = lambda event: data.append(event.data.bytes())
    recorder.onstop = lambda _: told.set()
    recorder.start(timeslice)
    canvas.draw(RGB)
    track.stop()
    assert told.wait(TIMEOUT_S)
    assert recorder.state == "inactive"
    assert b"".join(data)
    stop(track)
    assert "mscli-events" not in [thread.name for thread in threading.enumerate()]


LEFT_GOING = """
import sys, mscli, numpy
canvas = mscli.Canvas(64, 48)
stream = canvas.capture_stream()
if "camera" in sys.argv:
    devices = mscli.MediaDevices(backends=[mscli.FakeBackend()])
    stream.add_track(devices.get_user_media({"video": True}).get_tracks()[0])
recorder = mscli.MediaRecorder(stream, file=sys.argv[1])
recorder.onstop = lambda _: print("written")
recorder.start()
for _ in range(3):
    canvas.draw(numpy.zeros((48, 64, 3), numpy.uint8))
"""


@pytest.mark.parametrize("more", [[], ["camera"]])
def test_a_recording_that_the_program_leaves_going_is_finished_at_its_exit(tmp_path: Path, more: list[str]) -> None:
    file = tmp_path / "a.mp4"
    python = [sys.executable, "-W", "ignore::ResourceWarning", "-c", LEFT_GOING, str(file), *more]
    done = subprocess.run(python, capture_output=True, cwd=ROOT, timeout=100, check=False)
    assert (done.returncode, done.stdout.decode(), done.stderr.decode()) == (0, "written\n", "")
    with av.open(file) as written:  # an MP4 that is not finished cannot be opened
        assert len(written.streams) == 1 + len(more)


FORKING = """
import os, sys, mscli, numpy
canvas = mscli.Canvas(64, 48)
track = canvas.capture_stream().get_tracks()[0]
frames = mscli.MediaStreamTrackProcessor({"track": track}).readable
child = os.fork()
if child == 0:
    from mscli.api.programs import _OWNERS
    print(len(_OWNERS), flush=True)
    sys.exit(0)  # runs what is registered for the exit
code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
canvas.draw(numpy.zeros((48, 64, 3), numpy.uint8))
print(code, track.ready_state, next(frames).format)
track.stop()
"""


def test_a_forked_process_does_not_wait_for_the_recordings_of_its_parent() -> None:
    python = [sys.executable, "-W", "error", "-W", "ignore::DeprecationWarning", "-c", FORKING]
    done = subprocess.run(python, capture_output=True, cwd=ROOT, timeout=100, check=False)
    assert (done.stdout.decode(), done.stderr.decode()) == ("0\n0 live RGB24\n", "")


# Generators


def test_a_frame_goes_through_unchanged_and_is_closed() -> None:
    generator = mscli.VideoTrackGenerator()
    frames = reader(generator.track)
    frame = picture(5)
    generator.writable.write(frame)
    (found,) = waiting(frames)
    assert (found.timestamp, found.coded_width, frame.closed, found.closed) == (5, 64, True, False)
    assert (generator.track.kind, generator.track.ready_state) == ("video", "live")
    for name in ("track", "writable"):
        with pytest.raises(AttributeError):
            setattr(generator, name, None)
    stop(generator.track)


def test_frames_of_a_muted_generator_are_dropped() -> None:
    generator = mscli.VideoTrackGenerator()
    frames, muted = reader(generator.track), threading.Event()
    generator.track.onmute = lambda event: muted.set()
    generator.writable.write(picture(1))
    generator.muted = True
    generator.writable.write(picture(2))
    assert muted.wait(TIMEOUT_S)
    assert generator.track.muted
    generator.muted = False
    generator.writable.write(picture(3))
    assert [frame.timestamp for frame in waiting(frames)] == [1, 3]
    stop(generator.track)


def test_sound_is_generated_in_the_same_way() -> None:
    generator = mscli.AudioTrackGenerator()
    frames = reader(generator.track)
    generator.writable.write(AudioData.from_ndarray(np.ones((160, 2), np.int16), 16_000, timestamp=0))
    (block,) = waiting(frames)
    assert block.number_of_frames == 160
    settings = generator.track.get_settings()
    assert (settings["sampleRate"], settings["channelCount"]) == (16_000, 2)
    stop(generator.track)


@pytest.mark.parametrize(
    ("write", "error", "why"),
    [
        (lambda writable: writable.write(AudioData.from_ndarray(GREY[0], 8000)), TypeError, "takes VideoFrame, not AudioData"),
        (lambda writable: writable.write(GREY), TypeError, "takes frames, not ndarray"),
        (lambda writable: [writable.write(picture(at)) for at in (5, 4)], ValueError, "must rise: 4 µs comes after 5 µs"),
        (lambda writable: [writable.close(), writable.write(picture(1))], mscli.InvalidStateError, "has ended"),
        (lambda writable: writable.write(closed()), mscli.InvalidStateError, "is closed"),
    ],
)
def test_what_a_generator_does_not_take(write: Callable[[Any], Any], error: type[Exception], why: str) -> None:
    generator = mscli.VideoTrackGenerator()
    with pytest.raises(error, match=why):
        write(generator.writable)
    stop(generator.track)


def test_a_frame_that_is_not_what_it_says_is_not_taken() -> None:
    generator = mscli.VideoTrackGenerator()
    with pytest.raises(ValueError, match="a frame has 2 strides; GREY of 64×48 has 1"):
        generator.writable.write(replace(picture(1), strides=(64, 64)))
    assert generator.track.ready_state == "live"
    stop(generator.track)


def test_the_end_of_the_frames_is_the_end_of_the_track() -> None:
    generator = mscli.VideoTrackGenerator()
    frames, ended = reader(generator.track), threading.Event()
    generator.track.onended = lambda event: ended.set()
    with generator.writable as writable:
        writable.write(picture(1))
    assert [frame.timestamp for frame in frames] == [1]
    assert ended.wait(TIMEOUT_S)
    assert writable.closed
    assert generator.track.ended_error is None
    stop(generator.track)


def test_an_error_of_the_program_is_the_error_of_the_track() -> None:
    generator = mscli.VideoTrackGenerator()
    with pytest.raises(KeyError), generator.writable:
        raise KeyError("x")
    assert "KeyError" in str(generator.track.ended_error)
    stop(generator.track)


def test_a_paced_generator_waits_for_its_readers() -> None:
    generator = mscli.VideoTrackGenerator(paced=True)
    frames = reader(generator.track)

    def write() -> None:
        with generator.writable as writable:
            for number in range(100):
                writable.write(picture(number))

    thread = threading.Thread(target=write)
    thread.start()
    assert [frame.timestamp for frame in frames] == list(range(100))
    thread.join()
    stop(generator.track)


@pytest.mark.parametrize("init", [{}, {"kind": "picture"}, {"kind": None}, None])
def test_a_generator_that_is_a_track_needs_a_kind(init: Any) -> None:
    with pytest.raises(TypeError):
        mscli.MediaStreamTrackGenerator(init)


def test_a_generator_that_is_a_track() -> None:
    track = mscli.MediaStreamTrackGenerator({"kind": "video"})
    twin = track.clone()
    frames = reader(twin)
    track.writable.write(picture(1))
    assert len(waiting(frames)) == 1
    assert twin.writable is track.writable
    stop(track, twin)


# Iterables


def test_any_iterable_of_pictures_is_a_track() -> None:
    track = mscli.track_from([np.full((48, 64, 3), level, np.uint8) for level in range(5)], frame_rate=1000)
    assert (track.get_settings()["width"], track.get_settings()["frameRate"]) == (64, 1000)
    frames = list(reader(track))
    assert [frame.to_ndarray()[0, 0, 0] for frame in frames] == list(range(5))
    assert [frame.timestamp for frame in frames] == [0, 1000, 2000, 3000, 4000]
    assert frames[0].format == "RGB24"
    stop(track)


def test_pictures_of_pyav_without_a_time_follow_each_other() -> None:
    track = mscli.track_from([av.VideoFrame(64, 48, "gray") for _ in range(3)], frame_rate=50)
    found = [(frame.timestamp, frame.duration) for frame in reader(track)]
    assert found == [(0, 20_000), (20_000, 20_000), (40_000, 20_000)]
    stop(track)


def test_pictures_of_pyav_with_a_time_keep_it() -> None:
    pictures = [av.VideoFrame(64, 48, "gray") for _ in range(3)]
    for number, one in enumerate(pictures):
        one.pts, one.time_base = 5 * number, Fraction(1, 10)
        one.duration = number  # 0: unknown
    track = mscli.track_from(pictures, frame_rate=50)
    found = [(frame.timestamp, frame.duration) for frame in reader(track)]
    assert found == [(0, 20_000), (500_000, 100_000), (1_000_000, 200_000)]
    stop(track)


def test_an_iterable_that_is_not_paced_comes_as_a_camera_does() -> None:
    begin_us = now_us()
    track = mscli.track_from((RGB for _ in count()), paced=False, frame_rate=100)
    frames = reader(track)
    first, second = next(frames), next(frames)
    assert begin_us <= first.timestamp < second.timestamp <= now_us()
    assert not track.paced
    stop(track)


def test_a_long_iterable_is_read_as_fast_as_its_frames_are_taken() -> None:
    made: list[int] = []

    def pictures() -> Iterator[VideoFrame]:
        for number in count():
            made.append(number)
            yield picture(number * 10)

    track = mscli.track_from(pictures())
    frames = reader(track)
    assert [next(frames).timestamp for _ in range(50)] == [number * 10 for number in range(50)]
    stop(track)
    assert len(made) < 100


def test_sound_and_pictures_are_told_apart() -> None:
    block = AudioData.from_ndarray(np.ones(80, np.int16), 8000, timestamp=0)
    track = mscli.track_from([block])
    assert track.kind == "audio"
    assert [one.number_of_frames for one in reader(track)] == [80]
    stop(track)


def failing(after: int) -> Iterator[Any]:
    """Yield pictures, and fail."""
    for number in range(after):
        yield picture(number)
    raise RuntimeError("out of paint")


def test_an_iterable_that_fails_ends_the_track_with_its_error() -> None:
    track = mscli.track_from(failing(3))
    ended = threading.Event()
    track.onended = lambda event: ended.set()
    assert len(list(reader(track))) == 3
    assert ended.wait(TIMEOUT_S)
    assert str(track.ended_error) == "the frames failed with RuntimeError: out of paint"
    stop(track)


@pytest.mark.parametrize(
    ("frames", "why"),
    [([picture(5), picture(4)], "ValueError: timestamps must rise: 4"), ([RGB, "x"], "TypeError"), ([RGB, None], "TypeError")],
)
def test_a_bad_frame_ends_the_track(frames: list[Any], why: str) -> None:
    track = mscli.track_from(frames)
    list(reader(track))
    assert why in str(track.ended_error) or "ArgumentError" in str(track.ended_error)
    stop(track)


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: mscli.track_from([]), ValueError),
        (lambda: mscli.track_from(5), TypeError),  # type: ignore[arg-type]
        (lambda: mscli.track_from([5]), TypeError),
        (lambda: mscli.track_from(failing(0)), RuntimeError),
        (lambda: mscli.track_from([RGB], frame_rate=0), ValueError),
    ],
)
def test_an_iterable_without_a_good_first_frame_is_refused(make: Callable[[], Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        make()


def test_a_track_stops_although_its_iterator_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trackfrom, "SOURCE_STOP_S", 0.01)
    waits, go_on, was_closed, stopped = (threading.Event() for _ in range(4))

    def pictures() -> Iterator[VideoFrame]:
        try:
            yield picture(0)
            waits.set()
            go_on.wait()
            yield picture(1)
        finally:
            was_closed.set()

    track = mscli.track_from(pictures())
    assert next(reader(track)).timestamp == 0
    assert waits.wait(TIMEOUT_S)

    def stop_it() -> None:
        track.stop()
        stopped.set()

    stopping = threading.Thread(target=stop_it)
    stopping.start()
    in_time = stopped.wait(TIMEOUT_S)
    go_on.set()
    stopping.join()
    assert in_time
    assert was_closed.wait(TIMEOUT_S)
    stop(track)


@pytest.mark.parametrize("end", ["the track", "the iterator", "an error"])
def test_an_iterator_is_closed_at_the_end(end: str) -> None:
    was_closed = threading.Event()

    class Pictures:
        """An iterator of pictures."""

        number = 0

        def __iter__(self) -> Iterator[VideoFrame]:
            return self

        def __next__(self) -> VideoFrame:
            self.number += 1
            if self.number > 3 and end != "the track":
                raise StopIteration if end == "the iterator" else RuntimeError("out of paint")
            return picture(self.number)

        def close(self) -> None:
            """Note the call."""
            was_closed.set()

    track = mscli.track_from(Pictures())
    frames = reader(track)
    assert next(frames).timestamp == 1
    if end == "the track":
        track.stop()
    assert was_closed.wait(TIMEOUT_S)
    stop(track)


def test_the_frames_of_the_iterable_stay_usable_and_can_be_taken_again() -> None:
    pictures = [picture(number) for number in range(3)]
    for _ in range(2):
        track = mscli.track_from(pictures)
        for frame in reader(track):
            frame.close()
        stop(track)
    assert not any(frame.closed for frame in pictures)


def test_a_track_that_nobody_holds_ends_its_thread() -> None:
    track = mscli.track_from(picture(number) for number in count())
    thread = next(one for one in threading.enumerate() if one.name == "mscli-frames")
    del track
    gc.collect()
    thread.join(TIMEOUT_S)
    assert not thread.is_alive()
    stop()
