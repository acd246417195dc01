"""Audio graphs in real time: fake microphones into recordings that sox reads, speakers, states, and what is left behind."""

from __future__ import annotations

import gc
import re
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mscli
from mscli.core.clock import MICROSECONDS, now_us
from tests.conftest import require
from tests.integration.test_speakers import LEFT, LOUD, RIGHT, eventually
from tests.sounds import constant
from tests.unit.stage import Moments

NOWHERE = {"type": "none"}
FIRST: dict[str, Any] = {
    "kind": "audioinput",
    "deviceId": "first",
    "label": "First",
    "sampleRates": [48_000],
    "channelCounts": [1],
}
SECOND: dict[str, Any] = {**FIRST, "deviceId": "second", "label": "Second", "sampleRates": [44_100], "channelCounts": [2]}


@pytest.fixture
def backend() -> mscli.FakeBackend:
    return mscli.FakeBackend({"devices": [FIRST, SECOND, LEFT, RIGHT]})


@pytest.fixture
def devices(backend: mscli.FakeBackend) -> Iterator[mscli.MediaDevices]:
    with mscli.MediaDevices(backends=[backend]) as found:
        yield found


@pytest.fixture
def context(devices: mscli.MediaDevices) -> Iterator[mscli.AudioContext]:
    """A context whose inputs may be late, as on a busy machine."""
    with mscli.AudioContext(devices=devices, sink_id=NOWHERE, latency_hint="playback") as made:
        yield made
    assert not running()


collect: Callable[[], object] = gc.collect


def running() -> list[str]:
    """Return the threads of audio contexts."""
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("mscli-audio")]


def microphone(devices: mscli.MediaDevices, name: str) -> mscli.MediaStream:
    return devices.get_user_media({"audio": {"deviceId": {"exact": name}}})


def recorded(track_or_stream: Any, path: Path, seconds: float) -> None:
    """Record a stream."""
    recorder = mscli.MediaRecorder(track_or_stream, file=str(path), window=(seconds, None))
    recorder.start()
    recorder.join()


def measured(path: Path, channel: int, *effects: str) -> dict[str, float]:
    """Return what sox measures in a channel of a file."""
    done = subprocess.run(
        ["sox", str(path), "-n", "remix", str(channel), *effects, "stats"], capture_output=True, text=True, check=True
    )
    return {name: float(value) for name, value in re.findall(r"^(.*?)  +(-?[\d.]+)$", done.stderr, re.MULTILINE)}


def test_two_microphones_are_mixed_into_a_recording(
    devices: mscli.MediaDevices, context: mscli.AudioContext, tmp_path: Path
) -> None:
    """Their tone of 440 Hz at -30 dBFS: one 6 dB softer on the left, one 12 dB louder on the right."""
    require("sox")
    merger = context.create_channel_merger(2)
    for place, (name, level_db) in enumerate([("first", -6), ("second", 12)]):
        source = context.create_media_stream_source(microphone(devices, name))
        source.connect(mscli.GainNode(context, gain=10 ** (level_db / 20))).connect(merger, 0, place)
    mix = context.create_media_stream_destination()
    merger.connect(mix)
    with mscli.MediaStreamTrackProcessor({"track": mix.stream.get_tracks()[0]}).readable as frames:
        eventually(lambda: (np.asarray(frames.read()) != 0).mean(axis=0).min() > 0.9)  # both are there
    recorded(mix.stream, tmp_path / "mix.wav", 0.6)
    for channel, level_db in [(1, -36), (2, -18)]:
        found = measured(tmp_path / "mix.wav", channel, "trim", "0.1", "0.4")
        assert found["RMS Tr dB"] == pytest.approx(level_db - 3.01, abs=0.2)  # of the quietest part: beeps do not count
        assert found["Length s"] == pytest.approx(0.4, abs=0.001)


def test_the_track_of_a_destination_is_like_any_other(context: mscli.AudioContext) -> None:
    mix = context.create_media_stream_destination()
    (track,) = mix.stream.get_tracks()
    settings = track.get_settings()
    assert (track.kind, track.ready_state, track.muted) == ("audio", "live", False)
    assert (settings["sampleRate"], settings["channelCount"], settings["sampleSize"]) == (48_000, 2, 32)
    twin = track.clone()
    track.stop()
    constant(context, 0.25).connect(mix)
    with mscli.MediaStreamTrackProcessor({"track": twin}).readable as frames:
        eventually(lambda: (np.asarray(frames.read()) == 0.25).all())
    with pytest.raises(mscli.OverconstrainedError):
        twin.apply_constraints({"sampleRate": {"exact": 96_000}})
    twin.stop()


def test_sound_keeps_the_time_at_which_it_was_captured(context: mscli.AudioContext) -> None:
    generator = mscli.AudioTrackGenerator()
    mix = context.create_media_stream_destination()
    context.create_media_stream_source(mscli.MediaStream([generator.track])).connect(mix)
    (track,) = mix.stream.get_tracks()
    with mscli.MediaStreamTrackProcessor({"track": track, "maxBufferSize": 1000}).readable as frames:
        frames.read()
        at_us = now_us()
        pulse = np.zeros(480, np.float32)
        pulse[0] = 1
        generator.writable.write(mscli.AudioData.from_ndarray(pulse, 48_000, timestamp=at_us))
        found: list[float] = []

        def is_there() -> bool:
            frame: Any = frames.read()
            place = np.flatnonzero(np.asarray(frame)[:, 0])
            found.extend(frame.timestamp + place * MICROSECONDS / 48_000)
            return bool(found)

        eventually(is_there)
    assert found == pytest.approx([at_us], abs=50)
    generator.track.stop()


def test_an_input_that_gives_nothing_does_not_stop_the_mix(context: mscli.AudioContext, tmp_path: Path) -> None:
    require("sox")
    mix = context.create_media_stream_destination()
    stalled, ended, paced = mscli.AudioTrackGenerator(), mscli.AudioTrackGenerator(), mscli.AudioTrackGenerator(paced=True)
    for one in (stalled, ended, paced):
        context.create_media_stream_track_source(one.track).connect(mix)
    ended.writable.close()
    tone = mscli.OscillatorNode(context, frequency=1000)
    tone.connect(mscli.GainNode(context, gain=0.5)).connect(mix)
    tone.start()
    eventually(lambda: context.current_time > 0.05)
    recorded(mix.stream, tmp_path / "mix.wav", 0.3)
    found = measured(tmp_path / "mix.wav", 1)
    assert found["RMS lev dB"] == pytest.approx(-9.03, abs=0.05)
    assert found["RMS Tr dB"] == pytest.approx(-9.03, abs=0.1)
    assert found["Length s"] == pytest.approx(0.3, abs=0.001)
    for one in (stalled, paced):
        one.track.stop()


def test_the_destination_is_heard_on_the_speaker(backend: mscli.FakeBackend, devices: mscli.MediaDevices) -> None:
    speakers = backend.speakers

    def heard(name: str) -> bool:
        return name in speakers and any(
            max(np.frombuffer(block, "i2"), default=0) > LOUD for block in list(speakers[name].played)
        )

    with mscli.AudioContext(devices=devices) as context:
        source = constant(context, 0.5)
        assert not speakers
        source.connect(context.destination)
        eventually(lambda: heard("left"))
        assert context.output_latency > 0
        moments = Moments(context, "sinkchange")
        context.set_sink_id("right")
        moments.wait("sinkchange")
        assert context.sink_id == "right"
        eventually(lambda: heard("right"))
        with pytest.raises(mscli.NotFoundError):
            context.set_sink_id("none of them")
        context.set_sink_id(NOWHERE)
        assert isinstance(context.sink_id, mscli.AudioSinkInfo)
        assert (context.sink_id.type, context.output_latency) == ("none", 0)


def test_a_context_runs_is_suspended_and_is_closed(devices: mscli.MediaDevices) -> None:
    context = mscli.AudioContext(devices=devices, sink_id=NOWHERE, sample_rate=16_000, latency_hint="balanced")
    moments = Moments(context, "statechange")
    assert (context.state, context.current_time, running()) == ("suspended", 0, [])
    mix = context.create_media_stream_destination()
    constant(context).connect(mix)
    moments.wait("statechange")
    assert (context.state, running()) == ("running", ["mscli-audio"])
    assert context.base_latency == pytest.approx(0.06, abs=0.005)
    eventually(lambda: context.current_time > 0)
    context.suspend()
    context.create_gain()
    assert context.state == "suspended"
    (track,) = mix.stream.get_tracks()
    with mscli.MediaStreamTrackProcessor({"track": track, "maxBufferSize": 100}).readable as frames:
        eventually(lambda: not np.asarray(frames.read()).any())
        at_s = context.current_time
        first: Any = frames.read()
        second: Any = frames.read()
        assert second.timestamp == pytest.approx(first.timestamp + first.duration, abs=2)
        assert context.current_time == at_s
        context.resume()
        eventually(lambda: np.asarray(frames.read()).any())
    assert context.get_output_timestamp()["contextTime"] < context.current_time
    context.close()
    moments.wait("statechange")
    assert (context.state, track.ready_state, running()) == ("closed", "ended", [])
    for work in (context.close, context.resume, context.suspend, context.create_media_stream_destination):
        with pytest.raises(mscli.InvalidStateError, match="closed"):
            work()
    with pytest.raises(mscli.InvalidStateError):
        context.create_media_stream_source(mix.stream)
    assert context.create_gain().gain.value == 1


def test_what_is_wrong_is_refused(context: mscli.AudioContext) -> None:
    with pytest.raises(mscli.InvalidStateError, match="no audio track"):
        context.create_media_stream_source(mscli.MediaStream())
    options: list[tuple[type[Exception], dict[str, Any]]] = [
        (TypeError, {"latency_hint": "now"}), (TypeError, {"sink_id": 3}), (mscli.NotSupportedError, {"sample_rate": 10}),
        (TypeError, {"latency_hint": float("nan")}), (mscli.NotSupportedError, {"render_size_hint": 4}),
    ]  # fmt: skip
    for error, option in options:
        with pytest.raises(error):
            mscli.AudioContext(**option)
    with pytest.raises(mscli.IndexSizeError):
        context.destination.connect(context.destination)


def test_a_context_that_nobody_holds_ends_and_a_track_holds_it() -> None:
    def read() -> None:
        frames = track().readable
        collect()
        eventually(lambda: (np.asarray(frames.read()) == 0.5).all())
        frames.close()

    def track() -> mscli.MediaStreamTrackProcessor:
        context = mscli.AudioContext(sink_id=NOWHERE)
        mix = context.create_media_stream_destination()
        constant(context, 0.5).connect(mix)
        return mscli.MediaStreamTrackProcessor({"track": mix.stream.get_tracks()[0]})

    read()
    eventually(lambda: (collect(), not running())[1])


def test_unused_contexts_leave_no_thread() -> None:
    context = mscli.AudioContext(sink_id=NOWHERE)
    context.create_gain().connect(context.destination)
    assert running()
    del context
    eventually(lambda: (collect(), not running())[1])
