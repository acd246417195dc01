"""Channels of a device, picked by number or name and mixed: the option, and what a track makes of it."""

from __future__ import annotations

from array import array
from collections.abc import Iterator

import pytest

import mscli
from mscli.core.channels import ChannelPlan, parse_channels, plan_channels
from mscli.core.errors import InvalidStateError, OverconstrainedError
from mscli.core.frames import AudioData, with_channels
from mscli.media.downmix import ChannelMapper
from tests.unit.stage import TIMEOUT_S
from tests.untyped import untyped

SURROUND = ("FL", "FR", "FC", "LFE", "BL", "BR")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [("3,4", (3, 4)), ("fl,FR", ("FL", "FR")), (" 1 , aux0", (1, "AUX0")), ("1,1", (1, 1)), ("10000", (10000,))],
)
def test_channels_are_numbers_or_names(text: str, wanted: tuple[int | str, ...]) -> None:
    assert parse_channels(text) == wanted


@pytest.mark.parametrize("text", ["", "0", "1,0", "-1", "1,,2", "1.5", "1-4", "²", "9" * 10, ",".join(["1"] * 65), "F L"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"channel"):
        parse_channels(text)


@pytest.mark.parametrize(
    ("names", "channels", "mix_down", "wanted"),
    [
        (SURROUND, ("FC", 1), "", ChannelPlan((3, 1), 0)),
        (SURROUND, ("RL", "RR"), "mono", ChannelPlan((5, 6), 1)),
        ((), (6,), "", ChannelPlan((6,), 0)),
        (SURROUND, (), "stereo", ChannelPlan((), 2)),
        (SURROUND, (), "", None),
    ],
)
def test_names_are_those_of_the_device(
    names: tuple[str, ...], channels: tuple[int | str, ...], mix_down: str, wanted: ChannelPlan | None
) -> None:
    assert plan_channels("Desk", 6, names, channels, mix_down) == wanted


@pytest.mark.parametrize(
    ("available", "names", "channel", "message"),
    [
        (2, (), 3, "“Desk” has no channel 3, only 2 channels"),
        (1, (), 10_000, "“Desk” has no channel 10000, only 1 channel"),
        (2, (), "FC", "“Desk” has no channel “FC”; its channels are FL, FR"),
        (6, SURROUND, "LFE1", "“Desk” has no channel “LFE1” (did you mean “LFE”?); its channels are FL, FR, FC, LFE, BL, BR"),
        (4, (), "FL", "“Desk” has no channel “FL”; its channels have numbers only"),
        (32, tuple(f"AUX{n}" for n in range(32)), "FL", "“Desk” has no channel “FL”; its channels are AUX0 to AUX31"),
    ],
)
def test_a_channel_that_is_not_there_is_named(available: int, names: tuple[str, ...], channel: int | str, message: str) -> None:
    with pytest.raises(OverconstrainedError) as caught:
        plan_channels("Desk", available, names, [channel], "")
    assert (str(caught.value), caught.value.constraint) == (message, "channelCount")


def block(*values: int, form: str = "s16", code: str = "h") -> AudioData:
    """Two samples of each channel: its value, and the next one."""
    samples = array(code, [*values, *(value + 1 for value in values)])
    return AudioData(form, 48_000, 2, len(values), 1_000_000, memoryview(samples).cast("B"), 7)


@pytest.mark.parametrize(("form", "code"), [("u8", "B"), ("s16", "h"), ("s32", "i"), ("f32", "f")])
def test_picked_channels_are_copied(form: str, code: str) -> None:
    picked = with_channels(block(10, 20, 30, form=form, code=code), [2, 0])
    assert (picked.format, picked.number_of_channels, picked.number_of_frames, picked.sequence) == (form, 2, 2, 7)
    assert list(array(code, bytes(picked.data))) == [30, 10, 31, 11]


def test_a_channel_that_a_block_lacks_is_silent() -> None:
    assert list(array("h", bytes(with_channels(block(10), [0, 5]).data))) == [10, 0, 11, 0]


@pytest.mark.parametrize(
    ("plan", "given", "wanted"),
    [
        (ChannelPlan((), 1), (100, 300), [200]),
        (ChannelPlan((), 2), (100, 200, 300, 400, 500), [300, 300]),  # the odd ones on the left, the even ones on the right
        (ChannelPlan((), 2), (100,), [100, 100]),
        (ChannelPlan((2, 4), 1), (100, 200, 300, 400), [300]),
        (ChannelPlan((3,), 2), (100, 200, 300), [300, 300]),
        (ChannelPlan((1, 2), 0), (100, 200), [100, 200]),
    ],
)
def test_channels_are_picked_before_they_are_mixed(plan: ChannelPlan, given: tuple[int, ...], wanted: list[int]) -> None:
    mapped = ChannelMapper(plan).map(block(*given))
    assert mapped.number_of_channels == plan.channels
    assert list(array("h", bytes(mapped.data)))[: plan.channels] == pytest.approx(wanted, abs=1)


@pytest.fixture
def track() -> Iterator[mscli.MediaStreamTrack]:
    """The sound of a fake microphone with four channels."""
    described = {"kind": "audioinput", "deviceId": "desk", "label": "Desk", "channelCounts": [1, 4], "sampleSizes": [16, 32]}
    with mscli.MediaDevices(backends=[mscli.FakeBackend({"devices": [described]})]) as devices:
        (track,) = devices.get_user_media({"audio": {"channelCount": 4}}).get_audio_tracks()
        yield track


def first_block(track: mscli.MediaStreamTrack) -> AudioData:
    """The next block of the track that begins after the call: one may be on its way, with the channels of before."""
    from mscli.core.eventloop import EventLoop

    loop = EventLoop()
    queue = track.open_queue(loop)
    loop.take(TIMEOUT_S)
    taken = loop.take(TIMEOUT_S)
    track.close_queue(queue)
    assert taken is not None
    assert isinstance(taken.frame, AudioData)
    return taken.frame


def test_a_track_has_the_channels_that_were_selected(track: mscli.MediaStreamTrack) -> None:
    track.select_channels([4, 2, 1])
    assert (track.channels, track.get_settings()["channelCount"]) == ((4, 2, 1), 3)
    assert first_block(track).number_of_channels == 3
    twin = track.clone()
    assert (twin.channels, twin.get_settings()["channelCount"]) == ((4, 2, 1), 3)
    track.select_channels(mix_down="stereo")
    assert (track.channels, track.get_settings()["channelCount"]) == ((), 2)
    assert first_block(track).number_of_channels == 2
    track.select_channels()
    assert (track.channels, track.get_settings()["channelCount"]) == ((), 4)
    assert first_block(track).number_of_channels == 4


def test_other_constraints_leave_the_selected_channels_alone(track: mscli.MediaStreamTrack) -> None:
    track.select_channels([3])
    track.apply_constraints({"sampleRate": {"exact": 44_100}})
    assert (track.get_settings()["sampleRate"], track.get_settings()["channelCount"]) == (44_100, 1)
    found = first_block(track)
    assert (found.sample_rate, found.number_of_channels) == (44_100, 1)


def test_a_selection_that_fails_changes_nothing(track: mscli.MediaStreamTrack) -> None:
    track.select_channels([2])
    with pytest.raises(OverconstrainedError, match="has no channel 5, only 4 channels"):
        track.select_channels([5])
    with pytest.raises(TypeError, match="numbered from 1"):
        track.select_channels([0])
    with pytest.raises(TypeError, match="quadro"):
        track.select_channels(mix_down="quadro")
    with pytest.raises(TypeError, match="not a channel"):
        untyped(track).select_channels([1.5])
    assert track.channels == (2,)


def test_a_track_of_video_has_no_channels() -> None:
    with mscli.MediaDevices(backends=[mscli.FakeBackend({})]) as devices:
        (track,) = devices.get_user_media({"video": True}).get_video_tracks()
        with pytest.raises(InvalidStateError, match="no channels"):
            track.select_channels([1])
