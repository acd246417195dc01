"""MediaStream: a group of tracks. https://www.w3.org/TR/mediacapture-streams/#mediastream"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from mscli.api.mediastreamtrack import MediaStreamTrack
from mscli.core.errors import ArgumentError
from mscli.core.events import EventTarget
from mscli.core.ids import random_uuid
from mscli.core.readonly import ReadOnly


class MediaStream(EventTarget):
    """A group of tracks, empty, of another stream, or of a list of tracks; the same track is in it once.

    Events: ``addtrack``, ``removetrack``; not for changes that the program makes by itself.
    """

    EVENTS = ("addtrack", "removetrack")

    id = ReadOnly[str]()

    def __init__(self, tracks: MediaStream | Iterable[MediaStreamTrack] = ()) -> None:
        super().__init__()
        self._id = random_uuid()
        given = tracks.get_tracks() if isinstance(tracks, MediaStream) else tracks
        self._tracks = {track.id: track for track in map(_checked, given)}
        self.watchers: set[Callable[[], object]] = set()  # called when a track has joined or left: recorders

    @property
    def active(self) -> bool:
        """Whether at least one track has not ended."""
        return any(track.ready_state == "live" for track in self.get_tracks())

    def get_audio_tracks(self) -> list[MediaStreamTrack]:
        """The tracks of kind audio, in the order they joined."""
        return [track for track in self.get_tracks() if track.kind == "audio"]

    def get_video_tracks(self) -> list[MediaStreamTrack]:
        """The tracks of kind video, in the order they joined."""
        return [track for track in self.get_tracks() if track.kind == "video"]

    def get_tracks(self) -> list[MediaStreamTrack]:
        """All tracks, in the order they joined."""
        return list(self._tracks.values())

    def get_track_by_id(self, track_id: str) -> MediaStreamTrack | None:
        """The track with that id, or None."""
        return self._tracks.get(track_id)

    def add_track(self, track: MediaStreamTrack) -> None:
        """Take a track in; one that is in already changes nothing."""
        if _checked(track).id not in self._tracks:
            self._tracks[track.id] = track
            self._tell_watchers()

    def remove_track(self, track: MediaStreamTrack) -> None:
        """Take a track out; one that is not in changes nothing."""
        if self._tracks.pop(_checked(track).id, None) is not None:
            self._tell_watchers()

    def clone(self) -> MediaStream:
        """A stream of clones of all tracks."""
        return MediaStream([track.clone() for track in self.get_tracks()])

    def _tell_watchers(self) -> None:
        for watcher in tuple(self.watchers):
            watcher()


def _checked(track: MediaStreamTrack) -> MediaStreamTrack:
    """The track, if it is one: callers without types may hand over anything. Raises TypeError."""
    if not isinstance(track, MediaStreamTrack):
        raise ArgumentError("MediaStream: a MediaStreamTrack is needed")
    return track
