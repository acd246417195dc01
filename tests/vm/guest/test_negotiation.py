"""Sizes and rates that a real driver has, and ones that it does not have: asked for, and measured in the frames."""

from __future__ import annotations

from fractions import Fraction
from itertools import islice, pairwise
from pathlib import Path
from statistics import median
from typing import Any

import pytest

import mscli
from mscli import MediaDevices, MediaElement
from mscli.core.frames import VideoFrame
from mscli.sources.base import Device
from tests.conftest import Program
from tests.untyped import untyped
from tests.vm.guest.conftest import run, wait_until
from tests.vm.guest.pictures import assert_colour_bars
from tests.vm.guest.test_cli import TONE_HZ, assert_tone, streams, tone

TIMEOUT_S = 60.0
NATIVE: list[dict[str, Any]] = [
    {"width": {"exact": 320}, "height": {"exact": 180}, "frameRate": {"exact": 15}},
    {"width": {"exact": 640}, "height": {"exact": 360}, "frameRate": {"exact": 10}},
]
DERIVED: list[dict[str, Any]] = [
    {"width": {"exact": 300}, "height": {"exact": 100}, "frameRate": {"exact": 15}},
    {"width": {"exact": 200}, "frameRate": {"max": 7.5}},
    {"aspectRatio": {"exact": 1}, "width": {"max": 180}, "frameRate": {"exact": 5}},
]


def frames_of(track: mscli.MediaStreamTrack, count: int) -> list[VideoFrame]:
    """So many frames of a track."""
    with mscli.MediaStreamTrackProcessor({"track": track}).readable as readable:
        return [frame for frame in islice(readable, count) if isinstance(frame, VideoFrame)]


def measured_rate(frames: list[VideoFrame]) -> float:
    """Frames per second, by the times between them: their median, for a busy machine loses some."""
    return 1_000_000 / median(after.timestamp - before.timestamp for before, after in pairwise(frames))


def check(asked: dict[str, Any], resize_mode: str) -> None:
    """What is asked for is settled, and the frames have it."""
    with mscli.MediaDevices() as devices:
        (track,) = devices.get_user_media(untyped({"video": asked})).get_tracks()
        settings: dict[str, Any] = dict(track.get_settings())
        frames = frames_of(track, 12)
        track.stop()
    assert settings["resizeMode"] == resize_mode
    for name, range_ in asked.items():
        low, high = range_.get("exact", 0), range_.get("exact", range_.get("max"))
        assert low <= settings[name] <= high, name
    shown = frames[-1]
    assert (shown.coded_width, shown.coded_height) == (settings["width"], settings["height"])
    assert {(frame.display_width, frame.display_height) for frame in frames} == {(settings["width"], settings["height"])}
    assert measured_rate(frames) == pytest.approx(settings["frameRate"], rel=0.15)


@pytest.mark.parametrize("asked", NATIVE)
def test_a_native_size_and_rate_is_what_the_frames_have(webcam: Device, asked: dict[str, Any]) -> None:
    check(asked, "none")


@pytest.mark.parametrize("asked", DERIVED)
def test_a_derived_size_and_rate_is_what_the_frames_have(webcam: Device, asked: dict[str, Any]) -> None:
    check(asked, "crop-and-scale")


def test_two_tracks_of_one_camera_both_get_their_size_and_new_constraints_change_one(webcam: Device) -> None:
    with mscli.MediaDevices() as devices:
        large = devices.get_user_media({"video": {"width": {"exact": 640}, "height": {"exact": 360}}}).get_tracks()[0]
        small = devices.get_user_media({"video": {"width": {"exact": 160}, "height": {"exact": 90}}}).get_tracks()[0]
        assert [frame.display_width for frame in (*frames_of(large, 2), *frames_of(small, 2))] == [640, 640, 160, 160]
        small.apply_constraints({"width": {"exact": 320}, "height": {"exact": 180}})
        frames = frames_of(small, 2)
        assert all(frame.timestamp >= small.settings_timestamp for frame in frames)
        assert [frame.display_width for frame in (*frames_of(large, 2), *frames)] == [640, 640, 320, 320]
        with pytest.raises(mscli.OverconstrainedError) as caught:
            small.apply_constraints({"width": {"exact": 50_000}})
        assert frames_of(small, 1)[0].display_width == 320
    assert (caught.value.constraint, caught.value.conflict) == ("width", ("width",))


def test_cropping_takes_the_middle_of_the_picture(webcam: Device) -> None:
    with mscli.MediaDevices() as devices:
        (track,) = devices.get_user_media({"video": {"width": {"exact": 320}, "height": {"exact": 90}}}).get_tracks()
        shown = frames_of(track, 1)[0]
    assert (shown.coded_width, shown.coded_height) == (320, 90)
    assert_colour_bars(shown)


@pytest.mark.parametrize(("rate", "channels"), [(16000, 1), (12345, 2)])
def test_sound_that_the_card_does_not_have_is_made_of_what_it_has(mscli: Program, rate: int, channels: int) -> None:
    asked = ["--sample-rate", f"exact:{rate}", "--channel-count", f"exact:{channels}"]
    with tone(mscli.folder):
        report = mscli.json("record", "--duration", "2", "--microphone", "hw:0,0", *asked, "--json", "x.wav")
    (track,) = report["tracks"]
    assert (track["settings"]["sampleRate"], track["settings"]["channelCount"]) == (rate, channels)
    found = streams(mscli.folder / "x.wav")["audio"]
    assert (int(found["sample_rate"]), found["channels"]) == (rate, channels)
    assert 1.5 < Fraction(found["duration"]) < 2.01  # a busy machine may lose the end
    assert rate / 2 > TONE_HZ
    assert_tone(mscli.folder / "x.wav")
    assert run("soxi", "-b", str(Path(mscli.folder) / "x.wav")).strip() == "16"


def test_one_channel_is_a_mix_of_all_inputs_of_the_card(mscli: Program) -> None:
    with tone(mscli.folder, "remix", "0", "1"):  # on the right input alone
        mscli("record", "--duration", "2", "--microphone", "hw:0,0", "--channel-count", "exact:1", "x.wav")
    assert streams(mscli.folder / "x.wav")["audio"]["channels"] == 1
    assert_tone(mscli.folder / "x.wav")


def test_a_media_element_plays_on_a_card_without_a_sound_server(mscli: Program) -> None:
    """The loopback card records what is played on its other device."""
    wav = mscli.folder / "tone.wav"
    run("sox", "-n", "-r", "48000", "-c", "2", "-b", "16", str(wav), "synth", "60", "sine", str(TONE_HZ), "vol", "0.5")
    with MediaDevices() as devices, MediaElement(wav, devices=devices) as element:
        speaker = next(info for info in devices.enumerate_devices(["audiooutput"]) if info.path == "hw:0,1")
        element.set_sink_id(speaker.device_id)
        element.loop = True
        element.play()
        wait_until(lambda: "RUNNING" in Path("/proc/asound/card0/pcm1p/sub0/status").read_text(), "sound of the speaker")
        mscli("record", "--duration", "2", "--microphone", "hw:0,0", "x.wav", code=0)
        assert (element.error, element.paused) == (None, False)
    assert_tone(mscli.folder / "x.wav")
