"""Tracks of a program's frames, what reads them, what they count, and the extensions of tracks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

import mscli
from mscli.core.clock import now_us
from mscli.core.eventloop import VIDEO_QUEUE_BYTES
from tests.conformance.checklist import Room, check
from tests.conformance.checks.idl import check_read_only
from tests.unit.stage import device, picture
from tests.untyped import untyped

PICTURE = np.zeros((48, 64, 3), np.uint8)
SILENT: Any = {"kind": "videoinput", "deviceId": "s", "groupId": "s", "label": "Silent", "faults": {"stallAfterFrames": 0}}


def all_of(track: mscli.MediaStreamTrack) -> mscli.FrameReader[Any]:
    """A reader for which all frames wait."""
    return mscli.MediaStreamTrackProcessor({"track": track, "maxBufferBytes": VIDEO_QUEUE_BYTES}).readable


def waiting(reader: mscli.FrameReader[Any]) -> list[Any]:
    """The frames that wait."""
    return list(iter(lambda: reader.read(0), None))


def silent_track(room: Room, **constraints: Any) -> mscli.MediaStreamTrack:
    """A track of a camera whose frames the check makes."""
    modes = [{"width": 64, "height": 48, "pixelFormat": "GREY"}]
    (track,) = room.devices({**SILENT, "modes": modes}).get_user_media(untyped({"video": constraints})).get_tracks()
    return track


def give(track: mscli.MediaStreamTrack, count: int) -> None:
    """Frames of the camera, at 30 a second."""
    start_us = now_us()
    for number in range(count):
        device(track).on_frame(picture(start_us + number * 33_333))


# A canvas


@contextmanager
def captured(rate: float | None = None) -> Iterator[tuple[mscli.Canvas, mscli.CanvasCaptureMediaStreamTrack]]:
    """A canvas and the track of its stream."""
    canvas = mscli.Canvas(64, 48)
    (track,) = canvas.capture_stream(rate)
    assert isinstance(track, mscli.CanvasCaptureMediaStreamTrack)
    yield canvas, track
    track.stop()


@check("W437")
def looking_at_a_canvas_makes_no_frame(room: Room) -> None:
    with captured() as (canvas, track), all_of(track) as reader:
        assert (canvas.width, canvas.height) == (64, 48)
        assert waiting(reader) == []


@check("W443")
def a_stream_has_no_onactive(room: Room) -> None:
    assert not hasattr(mscli.MediaStream, "onactive")
    assert not hasattr(mscli.MediaStream(), "onactive")


@check("W444")
def the_members_of_a_canvas_track(room: Room) -> None:
    with captured(0) as (canvas, track), all_of(track) as reader:
        check_read_only(track, "canvas")
        assert track.canvas is canvas
        canvas.draw(PICTURE)
        canvas.draw(PICTURE)
        assert len(waiting(reader)) == 1
        track.request_frame()
        assert len(waiting(reader)) == 1


# Readers


@check("W518")
def a_reader_gives_pictures(room: Room) -> None:
    with all_of(room.track()) as reader:
        assert isinstance(next(reader), mscli.VideoFrame)


@check("W519")
def a_reader_of_pictures_ends_with_its_track(room: Room) -> None:
    reader_ends(room.track())


@check("W522")
def a_reader_gives_sound(room: Room) -> None:
    with all_of(room.track("audio")) as reader:
        assert isinstance(next(reader), mscli.AudioData)


@check("W523")
def a_reader_of_sound_ends_with_its_track(room: Room) -> None:
    reader_ends(room.track("audio"))


def reader_ends(track: mscli.MediaStreamTrack) -> None:
    """A reader ends with its track."""
    with all_of(track) as reader:
        next(reader)
        track.stop()
        list(reader)


@check("W520")
def frames_are_read_in_order(room: Room) -> None:
    with all_of(room.track()) as reader:
        assert all(earlier.timestamp < later.timestamp for earlier, later in pairwise([next(reader) for _ in range(5)]))


@check("W525")
def the_first_frame_is_the_first(room: Room) -> None:
    generator = mscli.VideoTrackGenerator()
    with mscli.MediaStreamTrackProcessor({"track": generator.track}).readable as reader:
        generator.writable.write(picture(7))
        assert [frame.timestamp for frame in waiting(reader)] == [7]
    generator.track.stop()


@check("W526")
def a_slow_reader_skips_frames(room: Room) -> None:
    generator = mscli.VideoTrackGenerator()
    with mscli.MediaStreamTrackProcessor({"track": generator.track}).readable as reader:
        times = []
        for number in range(9):
            generator.writable.write(picture(number))
            if number % 3 == 0:
                times += [frame.timestamp for frame in waiting(reader)]
        assert times == [0, 3, 6]
    generator.track.stop()


# Generators


@check("W527")
def a_generator_that_is_a_track_changes_no_frame(room: Room) -> None:
    track = mscli.MediaStreamTrackGenerator({"kind": "video"})
    frames_pass(track, track.writable)


@check("W537")
def a_generator_changes_no_frame(room: Room) -> None:
    generator = mscli.VideoTrackGenerator()
    frames_pass(generator.track, generator.writable)


def frames_pass(track: mscli.MediaStreamTrack, writable: Any) -> None:
    """What is written comes out, with size and timestamp."""
    with all_of(track) as reader:
        writable.write(picture(5, 128, 72))
        (frame,) = waiting(reader)
        assert (frame.timestamp, frame.coded_width, frame.coded_height) == (5, 128, 72)
    track.stop()


@check("W528")
def the_kind_of_a_generator_that_is_a_track(room: Room) -> None:
    is_live(mscli.MediaStreamTrackGenerator({"kind": "video"}), "video")


@check("W532")
def the_kind_of_a_generator_of_sound(room: Room) -> None:
    is_live(mscli.MediaStreamTrackGenerator({"kind": "audio"}), "audio")


@check("W538")
def the_kind_of_a_generator(room: Room) -> None:
    is_live(mscli.VideoTrackGenerator().track, "video")


def is_live(track: mscli.MediaStreamTrack, kind: str) -> None:
    """A new track."""
    assert (track.kind, track.ready_state) == (kind, "live")
    track.stop()


@check("W529")
def a_frame_is_closed_by_a_generator_that_is_a_track(room: Room) -> None:
    track = mscli.MediaStreamTrackGenerator({"kind": "video"})
    closes(track, track.writable)


@check("W539")
def a_frame_is_closed_by_a_generator(room: Room) -> None:
    generator = mscli.VideoTrackGenerator()
    closes(generator.track, generator.writable)


def closes(track: mscli.MediaStreamTrack, writable: Any) -> None:
    """A frame is closed after writing."""
    frame = picture(1)
    writable.write(frame)
    assert frame.closed
    track.stop()


SOUND = mscli.AudioData("s16", 48_000, 480, 1, 0, memoryview(bytes(960)))


@check("W530")
def the_wrong_kind_for_a_generator_of_pictures_that_is_a_track(room: Room) -> None:
    refuses(mscli.MediaStreamTrackGenerator({"kind": "video"}), SOUND)


@check("W535")
def the_wrong_kind_for_a_generator_of_sound(room: Room) -> None:
    refuses(mscli.MediaStreamTrackGenerator({"kind": "audio"}), picture(1))


@check("W540")
def the_wrong_kind_for_a_generator(room: Room) -> None:
    generator = mscli.VideoTrackGenerator()
    with pytest.raises(TypeError):
        untyped(generator.writable).write(SOUND)
    generator.track.stop()


def refuses(track: mscli.MediaStreamTrackGenerator, frame: Any) -> None:
    """Writing is a TypeError."""
    with pytest.raises(TypeError):
        track.writable.write(frame)
    track.stop()


@check("W533")
def an_invalid_kind_of_generator(room: Room) -> None:
    with pytest.raises(TypeError):
        mscli.MediaStreamTrackGenerator({"kind": "invalid kind"})


@check("W534")
def a_generator_without_a_kind(room: Room) -> None:
    with pytest.raises(TypeError):
        mscli.MediaStreamTrackGenerator({})


@check("W541")
def frames_of_a_muted_generator_are_discarded(room: Room) -> None:
    generator = mscli.VideoTrackGenerator()
    with all_of(generator.track) as reader:
        for number, muted in enumerate((False, True, True, False, False)):
            generator.muted = muted
            generator.writable.write(picture(number))
        assert [frame.timestamp for frame in waiting(reader)] == [0, 3, 4]
    generator.track.stop()


# Background blur, as an example of an effect


@check("W504")
def no_capability_of_a_camera_without_it(room: Room) -> None:
    assert "backgroundBlur" not in room.track().get_capabilities()


@check("W505")
def no_setting_of_a_camera_without_it(room: Room) -> None:
    assert "backgroundBlur" not in room.track().get_settings()


@check("W506")
def an_effect_in_an_advanced_set_is_ignored(room: Room) -> None:
    room.track().apply_constraints({"advanced": [{"backgroundBlur": True}]})


@check("W508")
def an_effect_that_is_not_there_changes_no_setting(room: Room) -> None:
    track = room.track()
    before = track.get_settings()
    track.apply_constraints({"advanced": [{"backgroundBlur": True}]})
    assert track.get_settings() == before


def blurring(room: Room, *values: bool) -> mscli.MediaStreamTrack:
    """A track of a camera that can blur the background."""
    devices = room.devices({**SILENT, "controls": {"backgroundBlur": list(values)}})
    (track,) = devices.get_user_media({"video": True}).get_tracks()
    return track


@check("W509")
def the_capability_of_a_camera_with_the_effect(room: Room) -> None:
    assert blurring(room, False, True).get_capabilities()["backgroundBlur"] == [False, True]


@check("W510")
def the_setting_of_a_camera_with_the_effect(room: Room) -> None:
    assert blurring(room, False, True).get_settings()["backgroundBlur"] in (False, True)


@check("W511")
def an_effect_is_applied(room: Room) -> None:
    track = blurring(room, False, True)
    for blurred in (True, False):
        track.apply_constraints({"backgroundBlur": blurred})
        assert track.get_settings()["backgroundBlur"] is blurred
        assert track.get_constraints() == {"backgroundBlur": blurred}


# Stats


def video_stats(track: mscli.MediaStreamTrack) -> mscli.MediaStreamTrackVideoStats:
    """The stats of a video track, the same each time."""
    stats = track.stats
    assert isinstance(stats, mscli.MediaStreamTrackVideoStats)
    assert track.stats is stats
    return stats


@check("W512")
def the_total_increases(room: Room) -> None:
    track = silent_track(room)
    give(track, 2)
    assert video_stats(track).total_frames == 2


@check("W513")
def delivered_frames_increase_without_a_sink(room: Room) -> None:
    track = silent_track(room)
    give(track, 2)
    assert video_stats(track).delivered_frames == 2


@check("W514")
def nothing_is_discarded_at_first(room: Room) -> None:
    assert video_stats(silent_track(room)).discarded_frames == 0


@check("W515")
def a_lower_rate_discards_frames(room: Room) -> None:
    track = silent_track(room, frameRate={"exact": 10})
    give(track, 30)
    assert video_stats(track).discarded_frames == 20


@check("W516")
def the_total_is_the_sum(room: Room) -> None:
    track = silent_track(room, frameRate={"exact": 10})
    give(track, 30)
    stats = video_stats(track)
    assert stats.total_frames == stats.delivered_frames + stats.discarded_frames == 30


@check("W502")
def get_display_media_is_not_on_a_navigator(room: Room) -> None:
    assert not hasattr(mscli.legacy.NavigatorUserMedia, "get_display_media")
