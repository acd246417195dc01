"""MediaStream: its tracks, its clones, and when it is active."""

from __future__ import annotations

import re
from itertools import combinations

import mscli
from tests.conformance.checklist import Room, check


def both(room: Room) -> mscli.MediaStream:
    """A stream with a track of sound and one of pictures."""
    return room.stream(audio=True, video=True)


def parts(stream: mscli.MediaStream) -> tuple[mscli.MediaStreamTrack, mscli.MediaStreamTrack]:
    """The one audio track and the one video track."""
    (audio,), (video,) = stream.get_audio_tracks(), stream.get_video_tracks()
    return audio, video


def states(stream: mscli.MediaStream) -> tuple[bool, str, str]:
    """Whether the stream is active, and the state of its audio and its video track."""
    audio, video = parts(stream)
    return stream.active, audio.ready_state, video.ready_state


def stop_all(stream: mscli.MediaStream) -> None:
    """Stop every track."""
    for track in stream.get_tracks():
        track.stop()


@check("W095", "W096", "W097", "W098")
def an_audio_track_is_added(room: Room) -> None:
    devices = room.devices()
    stream = devices.get_user_media({"video": True})
    (track,) = devices.get_user_media({"audio": True}).get_audio_tracks()
    fired: list[mscli.Event] = []
    stream.add_event_listener("addtrack", fired.append)
    assert len(stream.get_audio_tracks()) == 0
    stream.add_track(track)
    assert len(stream.get_audio_tracks()) == 1
    stream.add_track(track)
    assert len(stream.get_audio_tracks()) == 1
    devices.close()
    assert fired == []


@check("W099", "W100")
def a_video_track_is_added(room: Room) -> None:
    devices = room.devices()
    stream = devices.get_user_media({"audio": True})
    (track,) = devices.get_user_media({"video": True}).get_video_tracks()
    assert len(stream.get_video_tracks()) == 0
    stream.add_track(track)
    assert len(stream.get_video_tracks()) == 1


@check("W101", "W102", "W103", "W104")
def only_sound(room: Room) -> None:
    stream = room.stream(audio=True)
    assert isinstance(stream, mscli.MediaStream)
    assert [track.kind for track in stream.get_audio_tracks()] == ["audio"]
    assert stream.get_video_tracks() == []


@check("W105", "W106", "W107", "W108")
def only_pictures(room: Room) -> None:
    stream = room.stream(video=True)
    assert isinstance(stream, mscli.MediaStream)
    assert [track.kind for track in stream.get_video_tracks()] == ["video"]
    assert stream.get_audio_tracks() == []


@check("W109", "W110", "W111")
def a_clone_has_tracks_of_its_own(room: Room) -> None:
    stream = both(room)
    clone = stream.clone()
    assert len(clone.get_tracks()) == 2
    for ours, theirs in zip(parts(stream), parts(clone), strict=True):
        assert (ours.kind, ours is theirs, ours.id == theirs.id) == (theirs.kind, False, False)


@check("W112", "W113", "W114", "W115")
def a_clone_outlives_the_original(room: Room) -> None:
    stream = both(room)
    clone = stream.clone()
    stop_all(stream)
    assert states(stream) == (False, "ended", "ended")
    assert states(clone) == (True, "live", "live")


@check("W116", "W117")
def half_of_a_clone_is_stopped(room: Room) -> None:
    clone = both(room).clone()
    parts(clone)[0].stop()
    assert states(clone) == (True, "ended", "live")


@check("W118", "W119")
def a_clone_of_a_half_ended_stream(room: Room) -> None:
    stream = both(room)
    parts(stream)[0].stop()
    assert states(stream.clone()) == (True, "ended", "live")


@check("W120", "W121")
def a_clone_of_an_ended_stream(room: Room) -> None:
    stream = both(room)
    stop_all(stream)
    assert states(stream.clone()) == (False, "ended", "ended")


@check("W122")
def all_clones_have_different_tracks(room: Room) -> None:
    stream = both(room)
    streams = [stream, stream.clone(), stream.clone(), stream.clone()]
    for one, other in combinations(streams, 2):
        assert not {track.id for track in one.get_tracks()} & {track.id for track in other.get_tracks()}


@check("W123", "W124", "W125")
def clones_of_tracks_live_on(room: Room) -> None:
    stream = both(room)
    clones = [track.clone() for track in stream.get_tracks()]
    assert [clone.ready_state for clone in clones] == ["live", "live"]
    assert all(clone.id != track.id for clone, track in zip(clones, stream.get_tracks(), strict=True))
    stop_all(stream)
    assert [clone.ready_state for clone in clones] == ["live", "live"]


@check("W126", "W127")
def live_clones_make_a_stream_active_again(room: Room) -> None:
    stream = both(room)
    clones = [track.clone() for track in stream.get_tracks()]
    stop_all(stream)
    for clone in clones:
        stream.add_track(clone)
    before = stream.active
    stop_all(stream)
    assert (before, stream.active) == (True, False)
    assert [clone.ready_state for clone in clones] == ["ended", "ended"]


@check("W129", "W130", "W131", "W132")
def tracks_join_and_leave_an_inactive_stream(room: Room) -> None:
    devices = room.devices()
    stream, other = devices.get_user_media({"audio": True}), devices.get_user_media({"video": True})
    stop_all(stream)
    assert (stream.active, other.active) == (False, True)
    (track,) = other.get_tracks()
    stream.add_track(track)
    assert track in stream.get_tracks()
    stream.remove_track(track)
    assert track not in stream.get_tracks()


@check("W133", "W134")
def tracks_by_id(room: Room) -> None:
    stream = both(room)
    for track in stream.get_tracks():
        assert stream.get_track_by_id(track.id) is track
    assert stream.get_track_by_id("nonexistent") is None


@check("W135", "W136")
def the_id_of_a_stream(room: Room) -> None:
    assert re.fullmatch(r"[!#-'*+\-.0-9A-Z^-~]{36}", room.stream(video=True).id)


@check("W137", "W138", "W139", "W140")
def a_stream_of_a_stream_shares_its_tracks(room: Room) -> None:
    devices = room.devices()
    stream, other = devices.get_user_media({"audio": True, "video": True}), devices.get_user_media({"video": True})
    same = mscli.MediaStream(stream)
    assert len({stream.id, other.id, same.id}) == 3
    assert parts(same)[0] is parts(stream)[0]
    assert parts(same)[1] is parts(stream)[1]


@check("W141", "W144", "W145", "W146", "W147")
def a_stream_of_tracks_has_them_in_any_state(room: Room) -> None:
    audio, video = parts(both(room))
    audio.stop()
    only_ended = mscli.MediaStream([audio])
    assert only_ended.get_track_by_id(audio.id) is audio
    mixed = mscli.MediaStream([audio, video])
    assert mixed.get_tracks() == [audio, video]
    assert (only_ended.active, mixed.active) == (False, True)


@check("W142", "W143")
def stop_fires_nothing(room: Room) -> None:
    devices = room.devices()
    (track,) = devices.get_user_media({"video": True}).get_tracks()
    fired: list[mscli.Event] = []
    track.add_event_listener("ended", fired.append)
    track.stop()
    assert track.ready_state == "ended"
    devices.close()  # what was to be fired has been fired
    assert fired == []


@check("W151", "W152")
def active_until_the_last_track_ends(room: Room) -> None:
    stream = both(room)
    audio, video = parts(stream)
    audio.stop()
    before = stream.active
    video.stop()
    assert (before, stream.active) == (True, False)


@check("W153")
def active_until_the_last_track_is_removed(room: Room) -> None:
    stream = both(room)
    for track in stream.get_tracks():
        assert stream.active
        stream.remove_track(track)
    assert not stream.active


@check("W154", "W155", "W156", "W157", "W158")
def tracks_are_removed(room: Room) -> None:
    devices = room.devices()
    stream = devices.get_user_media({"audio": True, "video": True})
    fired: list[mscli.Event] = []
    stream.add_event_listener("removetrack", fired.append)
    audio, video = parts(stream)
    assert len(stream.get_tracks()) == 2
    stream.remove_track(audio)
    assert len(stream.get_tracks()) == 1
    stream.remove_track(audio)
    assert len(stream.get_tracks()) == 1
    stream.remove_track(video)
    assert len(stream.get_tracks()) == 0
    devices.close()
    assert fired == []
