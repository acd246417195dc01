"""Files that begin and end with sound: after a silence, and by a trigger. And what is said of a silent microphone."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from mscli.api.listening import Listener, Listening, listening_of
from mscli.cli.paramtypes import QuietType
from mscli.cli.series import TriggerType
from mscli.core.frames import AudioData, silence
from mscli.core.level import Quiet
from mscli.encode.options import Series, SinkOptions
from tests.cli.program import FakeMachine, camera, error_line, microphone
from tests.sinks.serial import RATE, begins_with_key_frame, in_time, numbered, numbers, samples, series, sound, values
from tests.sinks.synth import T0, feed_and_close
from tests.untyped import untyped

SECOND = 1_000_000
GAP = Quiet(0.3, -50)


def spoken(seconds: float, *spans_s: tuple[float, float]) -> list[AudioData]:
    """Sound within these spans, and silence between them."""
    return [
        block if any(begin <= (block.timestamp - T0) / SECOND < end for begin, end in spans_s) else still(block)
        for block in sound(seconds)
    ]


def still(block: AudioData) -> AudioData:
    """Silence that the device has delivered."""
    from dataclasses import replace

    return replace(silence(block), blank=False)


def files(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


@pytest.mark.parametrize("suffix", ["wav", "flac"])
def test_sound_after_a_silence_begins_the_next_file(suffix: str, tmp_path: Path) -> None:
    blocks = spoken(3, (0, 0.5), (0.6, 1), (1.5, 2), (2.5, 3))  # 0.1 s does not count
    feed_and_close(series(tmp_path / f"a.{suffix}", ["audio"], silence=GAP), in_time(audio=blocks))
    parts = [samples(path) for path in files(tmp_path)]
    assert [len(part) / RATE for part in parts] == [pytest.approx(length, abs=0.021) for length in (1.5, 1, 0.5)]
    assert [value for part in parts for value in part] == values(blocks)  # nothing is lost between them
    assert all(any(part[: RATE // 50]) for part in parts)


def test_pictures_are_cut_with_the_sound(tmp_path: Path) -> None:
    blocks = spoken(3, (0, 0.5), (1.5, 2), (2.5, 3))
    feed_and_close(series(tmp_path / "a.mkv", silence=GAP, options={"audio_codec": "pcm"}), in_time(numbered(90), blocks))
    paths = files(tmp_path)
    found = [numbers(path) for path in paths]
    assert [number for part in found for number in part] == list(range(90))
    assert [part[0] for part in found] == [0, pytest.approx(45, abs=1), pytest.approx(75, abs=1)]
    assert all(begins_with_key_frame(path) for path in paths)
    assert [value for path in paths for value in samples(path)] == values(blocks)


def test_a_silence_and_a_duration_both_begin_files(tmp_path: Path) -> None:
    blocks = spoken(2, (0, 0.5), (1.2, 2))
    feed_and_close(series(tmp_path / "a.wav", ["audio"], silence=GAP, duration_s=0.8), in_time(audio=blocks))
    lengths = [len(samples(path)) / RATE for path in files(tmp_path)]
    assert lengths == [pytest.approx(length, abs=0.021) for length in (0.8, 0.4, 0.4, 0.4)]


def test_a_file_of_a_trigger_ends_with_silence(tmp_path: Path) -> None:
    blocks = spoken(4, (1, 1.6), (3, 3.2))
    sink = series(tmp_path / "a.wav", ["audio"], triggered=True, pre_roll_s=0.5, silence=GAP)
    idle = []
    for track, block in in_time(audio=blocks):
        idle.append(sink.idle_at(block.timestamp))
        if block.timestamp >= T0 + SECOND and len(idle) == 1 + next((n for n, one in enumerate(blocks) if any(one.data)), 0):
            sink.trigger(block.timestamp)
        sink.write(track, block)
    sink.close()
    (path,) = files(tmp_path)
    assert len(samples(path)) / RATE == pytest.approx(0.5 + 0.6 + 0.3, abs=0.041)
    assert (idle[1], idle[len(idle) * 3 // 8], idle[-1]) == (True, False, True)


class Silent:
    """A track of sound, as far as a listener knows it."""

    kind = "audio"


def test_a_silence_is_told_once_until_there_is_sound() -> None:
    told: list[tuple[Any, float | None]] = []
    track = Silent()
    listening = Listening(Quiet(0.5), lambda track, seconds: told.append((track, seconds)))
    listener = Listener(listening, untyped([track]))
    for block in spoken(3, (0.8, 1.0), (1.3, 1.4)):
        listener.hear(0, block)
    assert told == [(track, pytest.approx(0.5, abs=0.021)), (track, None), (track, pytest.approx(0.5, abs=0.021))]


def test_a_muted_microphone_is_silent() -> None:
    told: list[float | None] = []
    listener = Listener(Listening(Quiet(0.5), lambda _, seconds: told.append(seconds)), untyped([Silent()]))
    for block in sound(0.6):
        listener.hear(0, silence(block))
    assert told == [pytest.approx(0.5, abs=0.021)]


def test_every_loud_block_is_told_with_its_time() -> None:
    told: list[int] = []
    listener = Listener(Listening(sound_db=-40), untyped([Silent()]), told.append)
    blocks = spoken(0.5, (0.2, 0.3))
    for block in blocks:
        listener.hear(0, block)
    assert told == [block.timestamp for block in blocks if any(block.data)]


def test_nobody_listens_unasked() -> None:
    assert listening_of(SinkOptions()) is None
    assert listening_of(SinkOptions(series=Series(triggered=True))) is None
    assert listening_of(SinkOptions(series=Series(triggered=True, sound_db=-40.0))) is not None


@pytest.mark.parametrize(
    ("text", "wanted"), [("5", Quiet(5, -60)), ("1m", Quiet(60, -60)), ("0.5:-40", Quiet(0.5, -40)), ("1:30", Quiet(90, -60))]
)
def test_a_silence_is_a_duration_and_a_level(text: str, wanted: Quiet) -> None:
    assert QuietType(-60).read(text) == wanted


@pytest.mark.parametrize("text", ["", "loud", "1:-200", ":-40", "1:-x"])
def test_other_silences_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="“"):
        QuietType(-60).read(text)


@pytest.mark.parametrize("text", ["sound", "sound:-30", "motion", "motion:0.7", "stdin", "SIGUSR1"])
def test_triggers(text: str) -> None:
    assert TriggerType(sound=True).read(text) == text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sound:3", "level from -120 to 0 dBFS"),
        ("sound:", "level from"),
        ("sond", "did you mean “sound”"),
        ("motion:2", "not a number from 0 to 1"),
        ("light", "not one of SIGUSR1, stdin, motion"),
    ],
)
def test_other_triggers_are_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TriggerType(sound=True).read(text)


# The program, with a fake microphone: a tone at -30 dBFS, and a beep at -6 dBFS at each second


@pytest.fixture
def machine(tmp_path: Path) -> FakeMachine:
    """The program with a fake camera and a fake microphone."""
    (tmp_path / "out").mkdir()
    machine = FakeMachine(tmp_path / "out")
    machine.plug(camera(), microphone())
    return machine


def told(machine: FakeMachine, *types: str) -> Sequence[str]:
    lines = (machine.folder / "events").read_text().splitlines()
    return [event["type"] for event in map(json.loads, lines) if event["type"] in types]


@pytest.mark.parametrize(
    "command", [("record", "a.wav"), ("capture", "-o", "a.pcm"), ("capture", "-o", "a.pcm", "-o", "b.pcm")]
)
def test_a_silent_microphone_is_noticed(machine: FakeMachine, command: tuple[str, ...]) -> None:
    options = "--audio", "--no-video", "-t", "1.6", "--silence-timeout", "0.3:-20", "--events", "events"
    done = machine(command[0], *options, *command[1:], code=0)
    assert done.stderr.decode().count("has been silent for 0.3") == 2 - (b"sounds again" not in done.stderr)
    assert told(machine, "silence", "sound")[0] == "silence"


def test_sound_begins_files_by_itself(machine: FakeMachine) -> None:
    options = "--no-video", "--trigger", "sound:-20", "--pre-roll", "0.1", "-t", "0.2", "--max-size", "40k", "--json"
    report = json.loads(machine("record", *options, "a.wav", code=0, seconds=20).stdout)
    assert report["files"] == ["a-001.wav", "a-002.wav"]
    assert report["triggers"] == {"counted": 2, "missed": 0}
    first = samples(machine.folder / "a-001.wav")
    assert len(first) / RATE == pytest.approx(0.3, abs=0.03)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--trigger", "sound", "--no-audio", "a.mkv"], "--trigger sound has no effect without sound"),
        (["--split-on-silence", "1", "--no-audio", "a.mkv"], "--split-on-silence has no effect without sound"),
        (["--silence-timeout", "1", "--no-audio", "a.mkv"], "--silence-timeout has no effect without sound"),
        (["--split-on-silence", "0", "a.mkv"], "--split-on-silence"),
        (["--trigger", "sound:1", "a.mkv"], "“1” is not a level from -120 to 0 dBFS"),
    ],
)
def test_what_makes_no_sense_is_a_usage_error(machine: FakeMachine, options: list[str], message: str) -> None:
    assert message in error_line(machine("record", *options, code=2))
