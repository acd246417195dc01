"""Speakers: which there are, how one is selected, and how sound gets to it, also if it is unplugged. On fake ones."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import mscli
from mscli.api.soundoutput import SoundOutput
from mscli.core.frames import AudioData
from mscli.sources.base import DEVICE_KINDS, Request
from mscli.sources.fake.speaker import FakeSpeaker
from tests.unit.stage import TIMEOUT_S
from tests.untyped import untyped

LEFT: dict[str, Any] = {"kind": "audiooutput", "deviceId": "left", "label": "Left"}
RIGHT: dict[str, Any] = {"kind": "audiooutput", "deviceId": "right", "label": "Right"}
LOUD = 8_000


def eventually(condition: Callable[[], object]) -> None:
    """Wait for a condition. Fail if it never holds."""
    deadline = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        threading.Event().wait(0.005)


class Room:
    """Fake speakers, and an output to them."""

    def __init__(self, *described: dict[str, Any]) -> None:
        self.backend = mscli.FakeBackend({"devices": list(described)})
        self.devices = mscli.MediaDevices(backends=[self.backend])
        self.output = SoundOutput(self.devices.machine.open_speaker)
        self._playing = threading.Event()

    def heard(self, device_id: str) -> bool:
        """Return whether a speaker has played something."""
        speaker = self.backend.speakers.get(device_id)
        return speaker is not None and any(any(block) for block in list(speaker.played))

    def play_until(self, condition: Callable[[], object], volume: float = 1) -> None:
        """Put sound until a condition holds, at about its pace: the line is bounded anyway."""

        def play() -> bool:
            self.output.put(block(), volume)
            return bool(condition())

        eventually(play)

    def close(self) -> None:
        """Release the speaker."""
        self.output.release()
        self.devices.close()


Make = Callable[..., Room]


@pytest.fixture
def make() -> Iterator[Make]:
    """Create rooms, and close them afterwards."""
    rooms: list[Room] = []

    def room(*described: dict[str, Any]) -> Room:
        rooms.append(Room(*described))
        return rooms[-1]

    yield room
    for one in rooms:
        one.close()
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith(("mscli-speaker", "mscli-fake"))] == []


def block(rate: int = 48_000, channels: int = 2, level: int = LOUD) -> AudioData:
    """Return 10 ms of a constant level."""
    data = memoryview(level.to_bytes(2, "little", signed=True) * (rate // 100 * channels))
    return AudioData("s16", rate, rate // 100, channels, 0, data)


# Select


def test_the_speaker_with_the_id_is_selected_or_else_the_default_one(make: Make) -> None:
    devices = make(LEFT, RIGHT).devices
    assert devices.select_audio_output().device_id == "left"
    assert devices.select_audio_output({}).device_id == "left"
    assert devices.select_audio_output({"deviceId": ""}).device_id == "left"
    assert devices.select_audio_output({"deviceId": "gone"}).device_id == "left"
    chosen = devices.select_audio_output({"deviceId": "right"})
    assert (chosen.kind, chosen.device_id, chosen.label, chosen.group_id) == ("audiooutput", "right", "Right", chosen.group_id)
    assert "right" in [info.device_id for info in devices.enumerate_devices()]


def test_a_machine_without_a_speaker_has_none_to_select(make: Make) -> None:
    with pytest.raises(mscli.NotFoundError, match="no speaker found"):
        make({"kind": "audioinput"}).devices.select_audio_output()


def test_a_speaker_that_may_not_be_used_is_not_selected(make: Make) -> None:
    with pytest.raises(mscli.NotAllowedError, match="Left"):
        make({**LEFT, "faults": {"denied": True}}).devices.select_audio_output()
    busy = make({**LEFT, "faults": {"busy": True}}).devices.select_audio_output()
    assert busy.device_id == "left", "that may pass"


@pytest.mark.parametrize("options", ["left", 3, ["left"]])
def test_options_are_an_object(make: Make, options: object) -> None:
    with pytest.raises(TypeError, match="options must be an object"):
        make(LEFT).devices.select_audio_output(untyped(options))


# Open


def test_only_a_speaker_plays(make: Make) -> None:
    room = make(LEFT, {"kind": "audioinput", "deviceId": "microphone"})
    (microphone,) = room.backend.devices(["audioinput"])
    with pytest.raises(mscli.NotSupportedError, match="plays no sound"):
        room.backend.open_speaker(microphone, Request({}))
    with pytest.raises(mscli.NotFoundError, match="“microphone”"):
        room.devices.machine.open_speaker("microphone")
    (speaker,) = room.backend.devices(["audiooutput"])
    with pytest.raises(mscli.NotSupportedError, match="cannot be captured"):
        room.backend.open(speaker, Request({}))


def test_a_backend_without_speakers_says_so() -> None:
    class Mute(mscli.Backend):
        name = "mute"

        def devices(self, kinds: object = DEVICE_KINDS) -> list[mscli.Device]:
            return [mscli.Device("m", "audiooutput", "Mute", "", "mute")]

        def abilities(self, device: mscli.Device) -> mscli.Abilities:
            return mscli.Abilities()

        def open(self, device: mscli.Device, request: mscli.Request) -> mscli.Source:
            raise NotImplementedError

    with (
        mscli.MediaDevices(backends=[Mute()]) as devices,
        pytest.raises(mscli.NotSupportedError, match="“Mute” plays no sound"),
    ):
        devices.machine.open_speaker("")


# Play


def test_sound_is_heard_in_the_shape_of_the_speaker_and_at_its_volume(make: Make) -> None:
    room = make(LEFT)

    def levels() -> set[int]:
        speaker: FakeSpeaker | None = room.backend.speakers.get("left")
        played = b"".join([] if speaker is None else list(speaker.played))
        return set(memoryview(played).cast("h"))

    def play() -> bool:
        room.output.put(block(channels=1), 0.5)
        return LOUD // 2 in levels()

    eventually(play)
    assert levels() <= {0, LOUD // 2}


def test_nothing_is_heard_of_what_was_cleared(make: Make) -> None:
    room = make(LEFT)
    room.play_until(lambda: room.heard("left"))
    room.output.clear()
    speaker = room.backend.speakers["left"]
    eventually(lambda: not any(speaker.played[-1]))


def test_what_waits_is_heard_before_the_end(make: Make) -> None:
    room = make(LEFT)
    assert room.output.delay_us == 0
    room.play_until(lambda: room.heard("left"))
    assert 0 < room.output.delay_us < 1_000_000
    room.output.drain()
    speaker = room.backend.speakers["left"]
    eventually(lambda: not any(speaker.played[-1]))
    room.output.drain()  # at once


def test_another_speaker_takes_over(make: Make) -> None:
    room = make(LEFT, RIGHT)
    room.play_until(lambda: room.heard("left"))
    room.output.switch("right", now=True)
    assert room.output.sink_id == "right"
    room.play_until(lambda: room.heard("right"))


def test_the_same_speaker_under_another_id_plays_on(make: Make) -> None:
    room = make(LEFT, RIGHT)
    room.play_until(lambda: room.heard("left"))
    before = room.backend.speakers["left"]
    same = room.devices.machine.is_same_speaker
    room.output.switch("left", now=True, same=same("left", ""))
    assert (room.output.sink_id, room.backend.speakers["left"]) == ("left", before)
    assert not same("left", "right")
    assert not same("gone", "left")


def test_a_speaker_that_cannot_be_opened_leaves_the_other_one(make: Make) -> None:
    room = make(LEFT, {**RIGHT, "faults": {"busy": True}})
    room.play_until(lambda: room.heard("left"))
    before = room.backend.speakers["left"]
    for name in ("right", "gone"):
        with pytest.raises(mscli.AbortError):
            room.output.switch(name, now=True)
    assert room.output.sink_id == ""
    before.played.clear()
    room.play_until(lambda: room.heard("left"))
    assert room.backend.speakers["left"] is before


def test_a_speaker_that_is_unplugged_is_used_again_when_it_returns(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    faults = {"vanishAfterFrames": 20, "returnAfterSeconds": 0.05}
    room = make({**LEFT, "faults": faults})
    with caplog.at_level(logging.INFO, "mscli.sound"):
        room.play_until(lambda: room.heard("left"))
        first = room.backend.speakers["left"]
        room.play_until(lambda: room.backend.speakers["left"] is not first and room.heard("left"))
    said = [record.getMessage() for record in caplog.records]
    assert any("“Left” was unplugged; nothing is heard until it is there again" in line for line in said)


def test_without_a_speaker_nobody_waits(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    room = make({"kind": "audioinput"})
    with caplog.at_level(logging.INFO, "mscli.sound"):
        room.play_until(lambda: any("no speaker found" in record.getMessage() for record in caplog.records))
    room.output.drain()
    room.output.clear()


def test_a_speaker_that_does_not_start_is_released(make: Make) -> None:
    room = make({**LEFT, "faults": {"errorOnStart": True}})
    with pytest.raises(mscli.AbortError, match="input/output error"):
        room.output.switch("left", now=True)


def test_a_player_that_is_late_and_one_that_is_early_are_logged(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    room = make(LEFT)
    with caplog.at_level(logging.WARNING, "mscli.sound"):
        room.play_until(lambda: room.heard("left"))
        for _ in range(200):  # two seconds at once
            room.output.put(block(), 1)
        eventually(lambda: "silence because the player was late" in caplog.text)
        room.output.put(block(), 1)  # in time
        assert "came too soon for a speaker" in caplog.text
