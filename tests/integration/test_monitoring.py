"""Sound that is heard while it is captured: on fake speakers, on one that vanishes, and by the program."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import mscli
from mscli.api.monitoring import LATENCY_S, Monitor
from mscli.core.errors import DOMException
from mscli.core.playing import SampleLine
from tests.backends.pulse_rig import PrivatePulse, private_pulse
from tests.cli.program import FakeMachine, error_line, eventually, microphone
from tests.conftest import Program

SPEAKER: dict[str, Any] = {"kind": "audiooutput", "deviceId": "phones", "groupId": "g1", "label": "Phones"}
OTHER: dict[str, Any] = {"kind": "audiooutput", "deviceId": "desk", "groupId": "g2", "label": "Desk"}


class Studio:
    """A fake microphone that a monitor plays on a fake speaker."""

    def __init__(self, *speakers: dict[str, Any]) -> None:
        self.backend = mscli.FakeBackend({"devices": [microphone(deviceId="voice", channelCounts=[1]), *speakers]})
        self.devices = mscli.MediaDevices(backends=[self.backend])
        (self.track,) = self.devices.get_user_media({"audio": True}).get_audio_tracks()
        self.opened: list[float] = []
        self.lost: list[DOMException] = []
        opening = partial(self.devices.machine.open_speaker, settings={"latency": LATENCY_S})
        self.monitor = Monitor([self.track], opening, speakers[-1]["deviceId"], self.opened.append, self.lost.append)

    def heard(self, device_id: str) -> int:
        """How many blocks with sound a speaker has played."""
        speaker = self.backend.speakers.get(device_id)
        return 0 if speaker is None else sum(any(block) for block in list(speaker.played))

    def close(self) -> None:
        self.monitor.close()
        self.devices.close()


@pytest.fixture
def studios() -> Iterator[list[Studio]]:
    """Studios that are closed in the end, with every thread."""
    made: list[Studio] = []
    yield made
    for one in made:
        one.close()
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith(("mscli-monitor", "mscli-speaker"))] == []


def test_a_track_is_heard_on_the_speaker(studios: list[Studio]) -> None:
    studios.append(studio := Studio(OTHER, SPEAKER))
    assert eventually(lambda: studio.heard("phones") > 10)
    assert studio.heard("desk") == 0
    assert studio.opened == [pytest.approx(0.035, abs=0.01)]
    assert 0 < studio.monitor.stats.latency_s < 0.5
    assert studio.lost == []


def test_a_speaker_that_vanishes_is_told_once_and_harms_nothing(studios: list[Studio]) -> None:
    studios.append(studio := Studio({**SPEAKER, "faults": {"vanishAfterFrames": 5}}))
    assert eventually(lambda: studio.lost)
    assert str(studio.lost[0]) == "“Phones” was unplugged"
    seen = studio.track.stats.to_json()
    assert eventually(lambda: studio.track.stats.to_json() != seen), "the track goes on"
    assert len(studio.lost) == 1


def test_a_speaker_that_does_not_start_is_told(studios: list[Studio]) -> None:
    studios.append(studio := Studio({**SPEAKER, "faults": {"errorOnStart": True}}))
    assert eventually(lambda: studio.lost)
    assert "cannot start “Phones”" in str(studio.lost[0])


def test_underruns_are_counted() -> None:
    line = SampleLine(2, 1000, 0.01, 0.1)
    line.take(5)  # before the first sound it is none
    line.put(memoryview(bytes(2 * 12)))
    for _ in range(4):
        line.take(5)
    line.put(memoryview(bytes(2 * 12)))
    line.take(20)
    assert (line.underruns, line.missed) == (2, 3 + 8)


@pytest.fixture
def machine(tmp_path: Path) -> FakeMachine:
    """The program with a fake microphone and two speakers."""
    (tmp_path / "out").mkdir()
    machine = FakeMachine(tmp_path / "out")
    machine.plug(microphone(groupId="g2"), SPEAKER, OTHER)
    return machine


@pytest.mark.parametrize(
    "command", [("record", "a.wav"), ("capture", "-o", "a.pcm"), ("capture", "-o", "a.pcm", "-o", "b.pcm")]
)
def test_the_report_says_how_it_was_heard(machine: FakeMachine, command: tuple[str, ...]) -> None:
    options = "--audio", "--no-video", "-t", "0.5", "--json", "--monitor=desk"
    done = machine(command[0], *options, *command[1:], code=0)
    report = json.loads(done.stdout)
    assert (report["monitor"]["deviceId"], report["monitor"]["label"]) == ("desk", "Desk")
    assert set(report["monitor"]) == {"deviceId", "label", "latency", "underruns", "missed"}
    assert (report["tracks"][0]["dropped"], report["tracks"][0]["lost"]) == (0, 0)
    assert "use headphones, or they feed back" in done.stderr.decode()


def test_the_default_speaker_needs_no_name_and_a_file_may_follow(machine: FakeMachine) -> None:
    done = machine("record", "--no-video", "-t", "0.3", "--monitor", "a.wav", code=0)
    assert "heard on “Phones” 35 ms later" in done.stderr.decode()
    assert "feed back" not in done.stderr.decode()
    assert machine.files == ["a.wav"]


def test_a_speaker_that_vanishes_does_not_end_the_recording(machine: FakeMachine) -> None:
    machine.plug(microphone(), {**SPEAKER, "faults": {"vanishAfterFrames": 5}})
    done = machine("record", "--no-video", "-t", "0.5", "--json", "--monitor", "a.wav", code=0)
    assert "“Phones” was unplugged; nothing is heard until it is back, the capture goes on" in done.stderr.decode()
    assert json.loads(done.stdout)["tracks"][0]["frames"] == 24_000


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--monitor=nowhere", "a.wav"], 3, "no speaker matches “nowhere”"),
        (["--monitor", "--no-audio", "a.mkv"], 2, "--monitor has no effect without sound"),
    ],
)
def test_what_cannot_be_heard_is_said_first(machine: FakeMachine, options: list[str], code: int, message: str) -> None:
    assert message in error_line(machine("record", *options, code=code))
    assert machine.files == []


def test_a_machine_without_a_speaker_says_so(machine: FakeMachine) -> None:
    machine.plug(microphone())
    assert "no speaker found" in error_line(machine("record", "--no-video", "--monitor", "a.wav", code=3))


# A real sound server


@pytest.fixture
def pulse(tmp_path: Path) -> Iterator[PrivatePulse]:
    """A server with a source that plays a tone, and another speaker."""
    with private_pulse(tmp_path, {"studio": "Studio one", "garage": "Garage"}) as server, server.tone("studio", 440):
        yield server


def test_monitors_are_marked_and_a_microphone_is_heard_on_another_speaker(mscli: Program, pulse: PrivatePulse) -> None:
    listed = mscli.json("devices", "--json", env=pulse.environment)
    speakers = {one["path"]: one["deviceId"] for one in listed if one["kind"] == "audiooutput"}
    monitors = {one["path"]: one["monitorOf"] for one in listed if one["kind"] == "audioinput"}
    assert monitors == {f"{name}.monitor": device_id for name, device_id in speakers.items()}
    options = "--no-video", "-t", "1.5", "--json", "--microphone", "studio.monitor", "--monitor=garage", "-q"
    with mscli.start("record", *options, "a.wav", env=pulse.environment) as recording:
        heard = mscli.json("record", "--no-video", "-t", "1.2", "--json", "--microphone", "garage.monitor", "b.wav",
                           env=pulse.environment)  # fmt: skip
        assert recording.wait(30) == 0
    assert heard["tracks"][0]["levels"]["samplePeak"] == pytest.approx(-6, abs=0.5)
