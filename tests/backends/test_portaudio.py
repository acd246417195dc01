"""The PortAudio backend on a real sound server, a private PulseAudio, and where there is none."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from array import array
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import mscli
from mscli.core.boxes import Span
from mscli.core.clock import now_us
from mscli.core.errors import DOMException, NotFoundError, NotReadableError, NotSupportedError
from mscli.core.frames import AudioData, Media
from mscli.core.trouble import why_no_sound
from mscli.sources.base import AUDIO_INPUT, AUDIO_OUTPUT, VIDEO_INPUT, Device, Request, Source, Speaker
from mscli.sources.sound import portaudio, pulse_stream
from mscli.sources.sound.portaudio import MonitorBackend, PortAudioBackend
from mscli.sources.sound.portaudio_library import LIBRARY, Listed, PortAudioHandle
from mscli.sources.sound.pulse_stream import PulseSource
from tests.backends.clips import LEVEL, TONE_HZ, film
from tests.backends.pulse_rig import RATE, PrivatePulse, amplitude, private_pulse
from tests.conftest import ROOT, demand, require

TIMEOUT_S = 20.0
SINKS = {"studio": "Studio one", "garage": "Garage"}
STEREO = Request({"sampleRate": RATE, "channelCount": 2, "sampleSize": 16, "latency": 0.1})
MONO = Request({"sampleRate": RATE, "channelCount": 1, "sampleSize": 16, "latency": 0.1})


class Collector:
    """A receiver that keeps everything."""

    def __init__(self) -> None:
        self.blocks: list[AudioData] = []
        self.ages_us: list[int] = []  # of the blocks when they came
        self.lost = 0
        self.errors: list[DOMException | None] = []
        self.mutes: list[tuple[bool, str]] = []
        self._changed = threading.Condition()

    def on_frame(self, frame: Media) -> None:
        assert isinstance(frame, AudioData)
        with self._changed:
            self.blocks.append(frame)
            self.ages_us.append(now_us() - frame.timestamp)
            self._changed.notify_all()

    def on_lost(self, count: int) -> None:
        self.lost += count

    def on_retimed(self, count: int, off_us: int) -> None:
        """Take no note of it."""

    def on_warned(self, reason: str) -> None:
        """Take no note of it."""

    def on_muted(self, muted: bool, cause: str = "") -> None:
        with self._changed:
            self.mutes.append((muted, cause))
            self._changed.notify_all()

    def on_changed(self, settings: object, abilities: object = None) -> None:
        raise AssertionError("nobody else sets what is open")

    def on_ended(self, error: DOMException | None) -> None:
        with self._changed:
            self.errors.append(error)
            self._changed.notify_all()

    @property
    def samples(self) -> int:
        return sum(block.number_of_frames for block in self.blocks)

    def wait(self, seconds_of_sound: float = 0, ended: bool = False) -> None:
        """Until so much sound has come, or until the end."""
        with self._changed:
            assert self._changed.wait_for(
                lambda: self.samples >= seconds_of_sound * RATE and len(self.errors) >= ended, TIMEOUT_S
            )

    def wait_for_mutes(self, count: int) -> None:
        """Until the source was muted and unmuted so often."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.mutes) >= count, TIMEOUT_S)

    def wait_for_tone(self, frequency: float) -> None:
        """Until that tone, at half the full scale, fills a fifth of a second: its player begins when it can."""
        for fifth in range(1, 5 * round(TIMEOUT_S)):
            self.wait(fifth / 5)
            if amplitude(self.last(0.2), frequency) == pytest.approx(16384, rel=0.02):
                return
        raise AssertionError(f"no tone of {frequency} Hz")

    def last(self, seconds: float) -> array[int]:
        """The last 16-bit samples of the first channel."""
        samples = array("h", b"".join(block.data for block in self.blocks))
        return samples[:: self.blocks[0].number_of_channels][-int(seconds * RATE) :]


def lead_to(server: PrivatePulse) -> Iterator[PrivatePulse]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in server.environment.items():
            patch.setenv(name, value)
        yield server


@pytest.fixture(scope="module")
def pulse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivatePulse]:
    """A server that all tests share."""
    with private_pulse(tmp_path_factory.mktemp("pulse"), SINKS) as server:
        yield from lead_to(server)


@pytest.fixture
def doomed(tmp_path: Path) -> Iterator[PrivatePulse]:
    """A server of the test's own, to do harm to."""
    with private_pulse(tmp_path, SINKS) as server:
        yield from lead_to(server)


def microphone(path: str = "studio.monitor") -> Device:
    return next(device for device in PortAudioBackend().devices([AUDIO_INPUT]) if device.path == path)


def record(device: Device, request: Request = STEREO) -> tuple[Source, Collector]:
    source, collector = PortAudioBackend().open(device, request), Collector()
    source.start(collector)
    return source, collector


def run_python(code: str, **environment: str) -> tuple[str, str]:
    """What a fresh Python prints on stdout and stderr; it must end within a minute."""
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, env=os.environ | environment, cwd=ROOT, capture_output=True, timeout=60, check=True)
    return done.stdout.decode(), done.stderr.decode()


def test_sources_and_sinks_have_the_names_that_the_server_gives_them(pulse: PrivatePulse) -> None:
    devices = PortAudioBackend().devices()
    assert [(device.kind, device.label) for device in devices] == [
        (AUDIO_INPUT, "Monitor of Studio one"), (AUDIO_INPUT, "Monitor of Garage"),
        (AUDIO_OUTPUT, "Studio one"), (AUDIO_OUTPUT, "Garage"),
    ]  # fmt: skip
    assert len({device.device_id for device in devices}) == 4


def test_the_default_source_and_sink_come_first_and_are_marked(pulse: PrivatePulse) -> None:
    pulse.control("set-default-source", "garage.monitor")
    devices = PortAudioBackend().devices()
    pulse.control("set-default-source", "studio.monitor")
    assert [device.path for device in devices] == ["garage.monitor", "studio.monitor", "studio", "garage"]
    assert [device.default for device in devices] == [True, False, True, False]


def test_system_audio_is_the_monitor_of_the_default_speaker_or_of_a_named_one(pulse: PrivatePulse) -> None:
    for sink in ("garage", "studio"):
        pulse.control("set-default-sink", sink)
        (heard,) = MonitorBackend("monitor:").devices()
        assert (heard.device_id, heard.handle.path) == ("monitor:", f"{sink}.monitor")
    assert MonitorBackend("monitor:gara").devices([AUDIO_INPUT])[0].label == "Monitor of Garage"
    with pytest.raises(NotFoundError, match="did you mean “Garage”"):
        MonitorBackend("monitor:garge")


def test_system_audio_that_cannot_be_listed_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise NotSupportedError("PortAudio is not installed", hints=["install it"])

    monkeypatch.setattr(portaudio, "_prepare", fail)
    with pytest.raises(NotFoundError, match="no speaker found") as refused:
        MonitorBackend("monitor:")
    assert refused.value.hints == ("PortAudio is not installed: install it",)


def test_ids_are_the_same_on_every_run_and_a_sink_shares_its_group_with_its_monitor(pulse: PrivatePulse) -> None:
    code = "from mscli.sources.sound.portaudio import PortAudioBackend as P; print([d.device_id for d in P().devices()])"
    devices = PortAudioBackend().devices()
    assert run_python(code)[0] == f"{[device.device_id for device in devices]}\n"
    group = {device.path: device.group_id for device in devices}
    assert group["studio.monitor"] == group["studio"] != group["garage.monitor"] == group["garage"]


def test_only_the_kinds_that_are_asked_for_are_listed(pulse: PrivatePulse) -> None:
    assert PortAudioBackend().devices([VIDEO_INPUT]) == []
    assert {device.kind for device in PortAudioBackend().devices([AUDIO_OUTPUT])} == {AUDIO_OUTPUT}


def test_listing_a_server_does_not_load_portaudio(pulse: PrivatePulse) -> None:
    code = "import sys; from mscli.sources.sound.portaudio import PortAudioBackend as P; P().devices(); print(*sys.modules)"
    assert {"sounddevice", "numpy"} & set(run_python(code)[0].split()) == set()


FREED = """
import atexit, gc, sys
from mscli.sources.sound.portaudio_library import Library

library = Library()
module = library.load()
module._terminate()
atexit.unregister(library._end)
for name in [name for name in sys.modules if "sounddevice" in name]:
    vars(sys.modules.pop(name)).clear()
del module, library._module
gc.collect()
print(any("libportaudio" in line for line in open("/proc/self/maps")))
"""


def test_portaudio_stays_in_memory_for_threads_that_run_in_it_at_the_interpreters_exit() -> None:
    require("libportaudio.so.2")
    assert run_python(FREED, PULSE_SERVER="unix:/nonexistent")[0] == "True\n"


def test_a_source_can_be_set_to_what_the_server_converts_to(pulse: PrivatePulse) -> None:
    values = PortAudioBackend().abilities(microphone()).values
    assert {8000, 44100, 48000, 192000} <= {*values["sampleRate"]}
    assert (values["channelCount"], values["sampleSize"]) == ((1, 2), (16,))
    assert isinstance(values["latency"], Span)
    assert values["echoCancellation"] == values["autoGainControl"] == values["noiseSuppression"] == (False,)


def test_two_sources_at_once_each_hear_their_own_tone(pulse: PrivatePulse) -> None:
    tones = {"studio": 440.0, "garage": 880.0}
    with pulse.tone("studio", 440), pulse.tone("garage", 880):
        recordings = {name: record(microphone(f"{name}.monitor")) for name in tones}
        for name, (source, collector) in recordings.items():
            collector.wait_for_tone(tones[name])
            source.stop()
    (_, studio), (_, garage) = recordings.values()
    assert max(amplitude(studio.last(0.2), 880), amplitude(garage.last(0.2), 440)) < 100


def test_timestamps_count_samples_and_agree_with_the_clock(pulse: PrivatePulse) -> None:
    source, collector = record(microphone())
    collector.wait(3.0)
    source.stop()
    blocks = collector.blocks
    assert collector.lost == 0
    for before, after in pairwise(blocks):
        assert after.sequence == before.sequence + before.number_of_frames
        assert 0.94 * before.duration <= after.timestamp - before.timestamp <= 1.01 * before.duration
    settled = next(block for block in blocks if block.sequence >= 1.5 * RATE)  # the first ones may have come late
    counted_us = (blocks[-1].sequence - settled.sequence) * 1e6 / RATE
    assert blocks[-1].timestamp - settled.timestamp == pytest.approx(counted_us, abs=30_000)
    assert -100_000 < min(collector.ages_us) < 200_000  # a busy machine is late, at first too, which makes the next seem early


@pytest.mark.parametrize(("settings", "block"), [(STEREO, (2, 48000)), (MONO, (1, 48000))])
def test_settings_say_what_is_delivered(pulse: PrivatePulse, settings: Request, block: tuple[int, int]) -> None:
    source, collector = record(microphone(), settings)
    collector.wait(0.1)
    source.stop()
    first = collector.blocks[0]
    given = source.settings
    assert (first.number_of_channels, first.sample_rate) == block == (given["channelCount"], given["sampleRate"])
    assert first.format == "s16"
    assert first.data.nbytes == first.number_of_frames * first.number_of_channels * 2
    assert 0 < float(given["latency"]) < 0.5
    assert given["echoCancellation"] is given["autoGainControl"] is given["noiseSuppression"] is False


def test_a_speaker_cannot_be_captured(pulse: PrivatePulse) -> None:
    speaker = PortAudioBackend().devices([AUDIO_OUTPUT])[0]
    with pytest.raises(NotSupportedError, match="“Studio one” is a speaker"):
        PortAudioBackend().open(speaker, STEREO)


class Sine:
    """A supply of a sine at half of full scale, on both channels."""

    def __init__(self, frequency: float) -> None:
        self._second = array("h", [round(16384 * math.sin(2 * math.pi * frequency * n / RATE)) for n in range(RATE)])
        self._at = 0
        self.errors: list[DOMException] = []
        self._ended = threading.Event()

    def take(self, samples: int) -> bytes:
        both = array("h", bytes(4 * samples))
        both[::2] = both[1::2] = array("h", [self._second[(self._at + n) % RATE] for n in range(samples)])
        self._at += samples
        return both.tobytes()

    def on_speaker_ended(self, error: DOMException) -> None:
        self.errors.append(error)
        self._ended.set()

    def wait_for_end(self) -> None:
        assert self._ended.wait(TIMEOUT_S)


def play(path: str, frequency: float = 440.0) -> tuple[Speaker, Sine]:
    """A speaker that plays a tone."""
    device = next(one for one in PortAudioBackend().devices([AUDIO_OUTPUT]) if one.path == path)
    speaker, sine = PortAudioBackend().open_speaker(device, Request({"sampleRate": RATE})), Sine(frequency)
    speaker.start(sine)
    return speaker, sine


def test_each_speaker_plays_what_it_is_given(pulse: PrivatePulse) -> None:
    tones = {"studio": 440.0, "garage": 880.0}
    speakers = [play(name, frequency)[0] for name, frequency in tones.items()]
    for name, frequency in tones.items():
        source, collector = record(microphone(f"{name}.monitor"))
        collector.wait_for_tone(frequency)
        source.stop()
    for speaker in speakers:
        assert (speaker.settings["sampleRate"], speaker.settings["channelCount"]) == (RATE, 2)
        assert 0 < float(speaker.settings["latency"]) < 1
        speaker.stop()
        speaker.stop()
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("mscli-")]


def test_a_media_element_is_heard_on_the_speaker_that_is_chosen(pulse: PrivatePulse) -> None:
    with mscli.MediaElement(mscli.Blob(film(10.0, "audio"))) as element, mscli.MediaDevices() as devices:
        chosen = next(info for info in devices.enumerate_devices() if info.path == "garage")
        element.loop = True
        element.set_sink_id(devices.select_audio_output({"deviceId": chosen.device_id}).device_id)
        element.volume = 16384 / LEVEL * math.pi / 4  # of the square wave's first harmonic
        element.play()
        source, collector = record(microphone("garage.monitor"))
        collector.wait_for_tone(TONE_HZ)
        element.set_sink_id("")
        other, there = record(microphone("studio.monitor"))
        there.wait_for_tone(TONE_HZ)
        for one in (source, other):
            one.stop()


def test_a_speaker_takes_what_it_has_of_the_settings(pulse: PrivatePulse) -> None:
    device = PortAudioBackend().devices([AUDIO_OUTPUT])[0]
    speaker = PortAudioBackend().open_speaker(device, Request({"sampleRate": 45_000, "channelCount": 30}))
    assert (speaker.settings["sampleRate"], speaker.settings["channelCount"]) == (48_000, 2)
    speaker.stop()


def test_a_microphone_plays_nothing(pulse: PrivatePulse) -> None:
    with pytest.raises(NotSupportedError, match="“Monitor of Studio one” is a microphone, which plays no sound"):
        PortAudioBackend().open_speaker(microphone(), Request({}))


def test_a_speaker_that_is_removed_ends_although_the_server_goes_on_with_another(doomed: PrivatePulse) -> None:
    speaker, sine = play("studio")
    device = next(one for one in PortAudioBackend().devices([AUDIO_OUTPUT]) if one.path == "studio")
    doomed.remove("studio")
    sine.wait_for_end()
    speaker.stop()
    assert [str(error) for error in sine.errors] == ["“Studio one” was unplugged or removed"]
    with pytest.raises(NotFoundError, match="“Studio one” is no longer there"):
        PortAudioBackend().open_speaker(device, Request({}))


def test_a_server_that_hangs_does_not_hold_up_the_end_of_a_speaker(doomed: PrivatePulse) -> None:
    speaker, sine = play("studio")
    doomed.send(signal.SIGSTOP)
    speaker.stop()
    doomed.send(signal.SIGCONT)
    assert sine.errors == []


def test_a_process_ends_well_while_a_speaker_plays(pulse: PrivatePulse) -> None:
    code = """
    import mscli
    class Silence:
        def take(self, samples): return bytes(4 * samples)
        def on_speaker_ended(self, error): pass
    devices = mscli.MediaDevices()
    speaker = devices.machine.open_speaker("")
    speaker.start(Silence())
    print(speaker.settings["sampleRate"])
    """
    assert run_python(textwrap.dedent(code)) == ("48000\n", "")


def test_a_rate_that_cannot_be_is_refused_with_the_name_of_the_device(pulse: PrivatePulse) -> None:
    with pytest.raises(NotReadableError, match="“Monitor of Studio one” does not have this sample rate"):
        PortAudioBackend().open(microphone(), Request({"sampleRate": 7}))


def test_opening_and_closing_leaves_no_descriptor_and_no_thread(pulse: PrivatePulse) -> None:
    device = microphone()

    def cycle() -> int:
        source, collector = record(device)
        collector.wait(0.05)
        source.stop()
        source.stop()
        return len(os.listdir("/proc/self/fd"))

    cycle()
    assert [cycle() for _ in range(8)] == [cycle()] * 8
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("mscli-")]


def test_a_source_that_is_removed_ends_although_the_server_goes_on_with_another(doomed: PrivatePulse) -> None:
    device = microphone()
    source, collector = record(device)
    collector.wait(0.2)
    began = time.monotonic()
    doomed.remove("studio")
    collector.wait(ended=True)
    assert time.monotonic() - began < 10
    source.stop()
    assert [str(error) for error in collector.errors] == ["“Monitor of Studio one” was unplugged or removed"]
    with pytest.raises(NotFoundError, match="“Monitor of Studio one” is no longer there"):
        PortAudioBackend().open(device, STEREO)


def test_the_end_of_the_server_ends_the_source_and_nothing_is_printed(
    doomed: PrivatePulse, capfd: pytest.CaptureFixture[str]
) -> None:
    source, collector = record(microphone())
    collector.wait(0.2)
    doomed.send(signal.SIGKILL)
    collector.wait(ended=True)
    source.stop()
    assert [type(error) for error in collector.errors] == [NotReadableError]
    assert capfd.readouterr() == ("", "")


def test_a_server_that_hangs_holds_up_neither_stop_nor_open_nor_devices(doomed: PrivatePulse) -> None:
    device = microphone()
    source, collector = record(device)
    collector.wait(0.2)
    doomed.send(signal.SIGSTOP)
    began = time.monotonic()
    source.stop()
    PortAudioBackend().devices([AUDIO_INPUT])
    with pytest.raises(NotReadableError, match="“Monitor of Studio one” does not answer"):
        PortAudioBackend().open(device, STEREO)
    took = time.monotonic() - began
    doomed.send(signal.SIGCONT)
    assert took < 15
    assert collector.errors == []


def test_a_server_that_hangs_while_a_device_is_asked_what_it_can_do_is_said(doomed: PrivatePulse) -> None:
    device = microphone()
    find = LIBRARY.find

    def find_and_freeze(handle: PortAudioHandle) -> Listed | None:
        found = find(handle)
        doomed.send(signal.SIGSTOP)  # after the look whether the device is there
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LIBRARY, "find", find_and_freeze)
        values = PortAudioBackend().abilities(device).values
    doomed.send(signal.SIGCONT)
    assert values["channelCount"] == (1, 2)


def test_a_stream_that_opens_too_late_is_closed(doomed: PrivatePulse, monkeypatch: pytest.MonkeyPatch) -> None:
    device = microphone()
    free, closed = threading.Event(), threading.Event()

    class Late(PulseSource):
        def __init__(self, *given: Any) -> None:
            assert free.wait(TIMEOUT_S)
            super().__init__(*given)

        def stop(self) -> None:
            super().stop()
            closed.set()

    monkeypatch.setattr(pulse_stream, "PulseSource", Late)
    monkeypatch.setattr(portaudio, "SOUND_ASKED_S", 0.5)
    with pytest.raises(NotReadableError, match="“Monitor of Studio one” does not answer"):
        PortAudioBackend().open(device, STEREO)
    free.set()
    assert closed.wait(TIMEOUT_S)


def test_a_process_ends_although_the_server_hangs(doomed: PrivatePulse) -> None:
    code = """if True:
        import signal
        from tests.backends.test_portaudio import *
        source, collector = record(microphone())
        collector.wait(0.2)
        print("frozen" if os.kill(int(os.environ["SERVER"]), signal.SIGSTOP) is None else "")
        source.stop()
        print("stopped")"""
    out, err = run_python(code, SERVER=str(doomed.pid))
    assert (out, err) == ("frozen\nstopped\n", "")


LEFT = """if True:
    import signal
    from contextlib import suppress
    from tests.backends.test_portaudio import *
    source, collector = record(microphone())
    collector.wait(0.2)
"""


def test_a_process_ends_although_nobody_stopped_what_hangs(doomed: PrivatePulse) -> None:
    code = LEFT + '    os.kill(int(os.environ["SERVER"]), signal.SIGSTOP)'
    assert run_python(code, SERVER=str(doomed.pid)) == ("", "")


@pytest.mark.parametrize("under_way", ["threading.Event().wait", "LIBRARY.unchanged().__enter__() or threading.Event().wait"])
def test_a_process_ends_well_while_a_microphone_runs_and_a_call_is_left_behind(pulse: PrivatePulse, under_way: str) -> None:
    code = f"""
    def hang():
        ({under_way})()
    with suppress(NotReadableError):
        LIBRARY.bounded(hang, 0.1, "left behind")"""
    for _ in range(6):  # what kills a process at its end does so in one of two
        assert run_python(LEFT + code) == ("", "")


def test_a_process_ends_well_while_it_opens_and_closes_microphones(pulse: PrivatePulse) -> None:
    code = """
    def again_and_again():
        while True:
            record(microphone())[0].stop()
    threading.Thread(target=again_and_again, daemon=True).start()
    time.sleep(0.3)  # so that the process ends in the middle of it"""
    for _ in range(6):
        assert run_python(LEFT + code) == ("", "")


def test_a_server_that_hangs_from_the_start_is_given_up_after_a_second(doomed: PrivatePulse) -> None:
    doomed.send(signal.SIGSTOP)
    code = """if True:
        import time
        from mscli.sources.sound.portaudio import PortAudioBackend
        began = time.monotonic()
        PortAudioBackend().devices()
        print(time.monotonic() - began < 15)"""
    assert run_python(code) == ("True\n", "")


def test_a_card_that_changes_while_it_is_asked_keeps_what_it_took_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """The other end of a loopback card is opened, with which it takes nothing else."""
    answers = iter([True])
    monkeypatch.setattr(LIBRARY, "accepts", lambda *_, **__: next(answers, False))
    device = Device("1", AUDIO_INPUT, "Loopback", "", "portaudio", handle=PortAudioHandle(("hw:99,0",), "input"))
    values = portaudio._values_of(device, Listed(0, "hw:99,0", 2, 48_000, 0.01, 0.03, False), None)
    assert (values["sampleRate"], values["sampleSize"]) == ((48_000,), (16,))


NO_SERVER = {"PULSE_SERVER": "unix:/nonexistent"}

MISSING = """if True:
    from mscli.core.errors import NotFoundError
    from mscli.sources.base import Device, Request
    from mscli.sources.sound.portaudio import PortAudioBackend
    from mscli.sources.sound.portaudio_library import PortAudioHandle
    backend = PortAudioBackend()
    print(backend.devices(), backend.problem)
    device = Device("1", "audioinput", "Old", "", "portaudio", handle=PortAudioHandle(("pulse",), "input", "old"))
    for call in (backend.abilities, lambda device: backend.open(device, Request({}))):
        try:
            call(device)
        except NotFoundError as error:
            print(error.message, *error.hints)"""


@pytest.mark.parametrize("environment", [{}, NO_SERVER], ids=["served", "without a server"])
def test_where_portaudio_cannot_be_loaded_the_package_is_named(
    pulse: PrivatePulse, tmp_path: Path, environment: dict[str, str]
) -> None:
    (tmp_path / "libportaudio.so.2").touch()  # the loader finds this, which is no library
    out, err = run_python(MISSING, LD_LIBRARY_PATH=str(tmp_path), **environment)
    listed, *raised = out.splitlines()
    sentence, _, remedy = listed.partition(": ")
    assert sentence == "[] PortAudio is not installed"
    assert remedy.startswith("install ")
    assert "portaudio" in remedy
    assert raised == [f"PortAudio is not installed {remedy}"] * 2
    assert err == ""


PRINTING = """if True:
    import sys, threading
    from mscli.sources.sound.portaudio_library import LIBRARY
    done, lines = threading.Event(), 0
    def start_and_renew():
        LIBRARY.load()
        for _ in range(20):
            LIBRARY.renew()
        done.set()
    threading.Thread(target=start_and_renew).start()
    while not done.wait(0.001):
        print("line", lines, file=sys.stderr)
        lines += 1
    print(lines)"""


def test_nothing_that_is_printed_while_portaudio_starts_or_is_renewed_is_lost() -> None:
    require("libportaudio.so.2")
    out, err = run_python(PRINTING, **NO_SERVER)
    assert int(out) > 20
    assert err.splitlines() == [f"line {number}" for number in range(int(out))]


def test_a_machine_without_sound_has_no_devices_and_a_problem_only_if_there_is_a_remedy() -> None:
    require("libportaudio.so.2")
    demand(["this machine has a sound card" if Path("/proc/asound/pcm").exists() else ""])
    code = "from mscli.sources.sound.portaudio import PortAudioBackend as P; p = P(); print(p.devices(), [p.problem])"
    assert run_python(code, **NO_SERVER) == (f"[] {[why_no_sound()]}\n", "")
