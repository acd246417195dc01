"""MediaStream: a group of tracks, each of which it holds once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import mscli
from tests.unit.stage import Heard, Stage, camera, microphone

Setting = Callable[..., Stage]


@pytest.fixture
def tracks(stage: Setting) -> list[mscli.MediaStreamTrack]:
    """Create an audio track and two video tracks."""
    here = stage(camera(), microphone())
    return [here.track("audio"), here.track("video"), here.track("video")]


def test_tracks_come_in_the_order_in_which_they_joined(tracks: list[mscli.MediaStreamTrack]) -> None:
    stream = mscli.MediaStream(reversed(tracks))
    assert stream.get_tracks() == tracks[::-1]
    assert stream.get_video_tracks() == [tracks[2], tracks[1]]
    assert stream.get_audio_tracks() == [tracks[0]]


def test_a_track_is_in_a_stream_once(tracks: list[mscli.MediaStreamTrack]) -> None:
    stream = mscli.MediaStream([tracks[0], tracks[0]])
    stream.add_track(tracks[0])
    assert stream.get_tracks() == [tracks[0]]


def test_adding_again_does_not_change_the_order(tracks: list[mscli.MediaStreamTrack]) -> None:
    stream = mscli.MediaStream(tracks)
    stream.add_track(tracks[0])
    assert stream.get_tracks() == tracks


def test_a_getter_returns_a_copy(tracks: list[mscli.MediaStreamTrack]) -> None:
    stream = mscli.MediaStream(tracks)
    before = stream.get_tracks()
    before.clear()
    stream.remove_track(tracks[1])
    assert stream.get_tracks() == [tracks[0], tracks[2]]


def test_streams_that_share_tracks_are_independent_of_each_other(tracks: list[mscli.MediaStreamTrack]) -> None:
    first = mscli.MediaStream(tracks)
    second = mscli.MediaStream(first)
    first.remove_track(tracks[0])
    assert second.get_tracks() == tracks
    assert first.id != second.id


def test_an_empty_stream_is_inactive() -> None:
    assert not mscli.MediaStream().active


def test_a_clone_has_new_tracks_in_the_same_order(tracks: list[mscli.MediaStreamTrack]) -> None:
    stream = mscli.MediaStream(tracks)
    clone = stream.clone()
    assert [track.kind for track in clone.get_tracks()] == ["audio", "video", "video"]
    assert not {track.id for track in clone.get_tracks()} & {track.id for track in tracks}


def test_changes_by_the_program_fire_nothing(tracks: list[mscli.MediaStreamTrack]) -> None:
    stream = mscli.MediaStream(tracks[:1])
    heard = Heard(stream)
    stream.add_track(tracks[1])
    stream.remove_track(tracks[0])
    assert heard.types == []


@pytest.mark.parametrize("given", ["x", 5, [5], [None]])
def test_what_is_no_track_is_a_type_error(given: Any) -> None:
    with pytest.raises(TypeError):
        mscli.MediaStream(given)


@pytest.mark.parametrize("given", [None, "x", 5])
def test_adding_and_removing_what_is_no_track_is_a_type_error(given: Any) -> None:
    stream = mscli.MediaStream()
    with pytest.raises(TypeError):
        stream.add_track(given)
    with pytest.raises(TypeError):
        stream.remove_track(given)
