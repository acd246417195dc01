"""Media elements: what is captured of them, and how they play a stream."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

import mscli
from tests.backends.clips import film
from tests.conformance.checklist import Room, check
from tests.conformance.recorded import EVERY_KIND
from tests.unit.stage import Moments, picture
from tests.untyped import untyped

HAVE_NOTHING, HAVE_ENOUGH_DATA = 0, 4


@contextmanager
def element(room: Room) -> Iterator[tuple[mscli.MediaElement, Moments]]:
    """An element that plays nothing yet, and its events."""
    with mscli.MediaElement(devices=room.devices()) as made:
        yield made, Moments(made)


@contextmanager
def address(*kinds: str) -> Iterator[str]:
    """The address of a film with these tracks."""
    made = mscli.URL.create_object_url(mscli.Blob(film(0.4, *kinds)))
    yield made
    mscli.URL.revoke_object_url(made)


@check("W438")
def what_a_film_plays_is_recorded(room: Room) -> None:
    for kinds in EVERY_KIND:
        with element(room) as (player, heard), address(*kinds) as film_address:
            stream = player.capture_stream()
            added = Moments(stream)
            player.src = film_address
            for _ in kinds:
                added.wait("addtrack")
            recorder = mscli.MediaRecorder(stream)
            recorded = Moments(recorder)
            recorder.start()
            player.play()
            heard.wait("ended")
            recorded.wait("stop")  # by itself, with its tracks
            assert recorded.types[-2:] == ["dataavailable", "stop"]
            assert "error" not in recorded.types
            assert recorded.wait("dataavailable").data.size > 0


@check("W439")
def captured_tracks_are_added_with_an_event(room: Room) -> None:
    with element(room) as (player, _), address("video", "audio") as film_address:
        stream = player.capture_stream()
        added = Moments(stream)
        states: list[str] = []
        stream.add_event_listener("addtrack", lambda event: states.append(event.track.ready_state))
        assert len(stream) == 0
        player.src = film_address
        player.play()
        tracks = {added.wait("addtrack").track, added.wait("addtrack").track}
        assert tracks == set(stream.get_tracks())
        assert states == ["live", "live"]


@check("W440")
def captured_tracks_are_those_of_the_film(room: Room) -> None:
    for kinds in EVERY_KIND:
        with element(room) as (player, heard), address(*kinds) as film_address:
            player.src = film_address
            heard.wait("loadedmetadata")
            assert sorted(track.kind for track in player.capture_stream()) == sorted(kinds)


@check("W442")
def captured_tracks_leave_the_stream_at_the_end(room: Room) -> None:
    for kinds in EVERY_KIND:
        with element(room) as (player, _), address(*kinds) as film_address:
            stream = player.capture_stream()
            moments = Moments(stream)
            player.src = film_address
            player.play()
            removed = [moments.wait("removetrack").track for _ in kinds]
            assert sorted(track.kind for track in removed) == sorted(kinds)
            assert all(track.ready_state == "ended" for track in removed)
            assert stream.get_tracks() == []
            assert not stream.active


# A stream as a medium


@check("W148")
def the_first_frame_of_a_stream_is_the_end_of_loading(room: Room) -> None:
    canvas = mscli.Canvas(64, 48)
    with canvas.capture_stream() as stream, element(room) as (player, heard):
        player.src_object = stream
        heard.wait("loadedmetadata")
        player.play()
        assert player.current_time == 0
        canvas.draw(picture(level=90))
        heard.wait("playing")
        assert heard.types.index("loadedmetadata") < heard.types.index("play") < heard.types.index("playing")


@check("W150")
def a_stream_has_no_positions_and_no_end(room: Room) -> None:
    with element(room) as (player, heard), room.stream(video={}, audio={}) as stream:
        assert math.isnan(player.duration)
        assert player.ready_state == HAVE_NOTHING
        with pytest.raises(TypeError):
            player.src_object = untyped("a stream")
        player.playback_rate = 2
        player.src_object = stream
        assert player.src_object is stream
        assert (player.ready_state, player.duration, player.paused) == (HAVE_ENOUGH_DATA, math.inf, True)
        player.play()
        heard.wait("timeupdate")
        assert (player.ready_state, player.duration, player.paused) == (HAVE_ENOUGH_DATA, math.inf, False)
        player.current_time = 30
        player.playback_rate = 4
        player.loop = True
        assert player.current_time < 30
        assert not player.seeking
        assert player.playback_rate == 2
        assert "seeking" not in heard.types
        player.pause()
        stood = player.current_time
        assert player.current_time == stood
        player.src_object = None
        assert (player.paused, player.current_time, player.ready_state) == (True, 0, HAVE_NOTHING)
        with pytest.raises(mscli.NotSupportedError):
            player.play()


@check("W159")
def an_element_ends_with_its_stream(room: Room) -> None:
    def stop(stream: mscli.MediaStream) -> None:
        for track in stream.get_tracks():
            track.stop()

    def empty(stream: mscli.MediaStream) -> None:
        for track in stream.get_tracks():
            stream.remove_track(track)

    ways: Any = (stop, empty)
    for way in ways:
        with element(room) as (player, heard), room.stream(video={}, audio={}) as stream:
            player.src_object = stream
            player.play()
            heard.wait("playing")
            kept = stream.get_tracks()
            way(stream)
            heard.wait("ended")
            assert player.ended
            assert player.paused
            for track in kept:
                track.stop()
