"""``record`` and ``capture`` of several microphones: amplified, and mixed into one track."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from tests.cli.program import FakeMachine, error_line, microphone
from tests.sinks.serial import samples


@pytest.fixture
def machine(tmp_path: Path) -> FakeMachine:
    """The program with two fake microphones that have the same sound: a tone at -30 dBFS, and beeps."""
    (tmp_path / "out").mkdir()
    machine = FakeMachine(tmp_path / "out")
    machine.plug(microphone(deviceId="a", label="Left"), microphone(deviceId="b", label="Right"))
    return machine


BOTH = ("--no-video", "-t", "0.5", "--microphone", "a", "--microphone", "b", "--json")


def tone_db(path: Path) -> float:
    """The peak of the tone between two beeps: of the quietest 50 ms."""
    found = samples(path)
    windows = [found[at : at + 2400] for at in range(0, len(found) - 2400, 2400)]
    return 20 * math.log10(min(max(map(abs, window)) for window in windows) / 32768)


@pytest.mark.parametrize(("gains", "wanted"), [([], -24), (["a=-60"], -30), (["6"], -18), (["Left=6", "b=6"], -18)])
def test_the_sum_is_recorded(machine: FakeMachine, gains: list[str], wanted: float) -> None:
    given = [part for gain in gains for part in ("--gain", gain)]
    report = json.loads(machine("record", *BOTH, "--mix", *given, "mix.wav", code=0).stdout)
    assert [track["label"] for track in report["tracks"]] == ["Left + Right"]
    assert tone_db(machine.folder / "mix.wav") == pytest.approx(wanted, abs=0.2)


def test_a_track_of_its_own_is_amplified_too(machine: FakeMachine) -> None:
    report = json.loads(machine("record", *BOTH, "--gain", "Right=-20", "two.mkv", code=0).stdout)
    left, right = (track["levels"]["samplePeak"] for track in report["tracks"])
    assert right == pytest.approx(left - 20, abs=0.2)
    assert [track["label"] for track in report["tracks"]] == ["Left", "Right"]


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--gain", "Middle=3", "a.mkv"], 3, "no microphone is called “Middle”"),
        (["--gain", "200", "a.mkv"], 2, "“200” is not a gain"),
        (["--mix", "--no-audio", "a.mkv"], 2, "has no effect without sound"),
        (["a.wav"], 7, "holds only one track"),
    ],
)
def test_what_cannot_be_mixed_is_said(machine: FakeMachine, options: list[str], code: int, message: str) -> None:
    given = [] if "--no-audio" in options else ["--microphone", "a", "--microphone", "b", "--no-video"]
    assert message in error_line(machine("record", *given, *options, code=code))


@pytest.mark.parametrize(
    "command", [("record", "a.wav"), ("capture", "-o", "a.wav"), ("capture", "-o", "a.wav", "-o", "b.pcm")]
)
def test_a_mix_fits_where_one_track_does(machine: FakeMachine, command: tuple[str, ...]) -> None:
    machine(command[0], "--audio", *BOTH, "--mix", *command[1:], code=0)
    assert tone_db(machine.folder / "a.wav") == pytest.approx(-24, abs=0.2)


def test_a_microphone_that_is_unplugged_does_not_end_the_mix(machine: FakeMachine) -> None:
    machine.plug(microphone(deviceId="a", label="Left"), microphone(deviceId="b", faults={"vanishAfterFrames": 10}))
    report = json.loads(machine("record", *BOTH, "--mix", "mix.wav", code=0).stdout)
    assert (report["reason"], len(samples(machine.folder / "mix.wav"))) == ("duration", 24_000)


def test_a_dry_run_shows_one_track_in_the_file(machine: FakeMachine) -> None:
    done = machine("record", "--dry-run", "--no-video", "--microphone", "a", "--microphone", "b", "--mix", "a.wav", code=0)
    assert done.stderr.decode().splitlines()[-1] == "a.wav: PCM 48 kHz, mono"
