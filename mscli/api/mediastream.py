"""MediaStream: a group of tracks. https://www.w3.org/TR/mediacapture-streams/#mediastream"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Self

from mscli.api.mediastreamtrack import MediaStreamTrack
from mscli.core.errors import ArgumentError
from mscli.core.events import EventTarget, Handler
from mscli.core.ids import random_uuid
from mscli.core.readonly import ReadOnly


class MediaStream(EventTarget):
    """A group of tracks: empty, or with the tracks of another stream or of a list. It holds each track once.

        import mscli

        with mscli.MediaDevices() as devices:
            with devices.get_user_media({"audio": True, "video": True}) as stream:
                only_sound = mscli.MediaStream(stream.get_audio_tracks())
                print([track.kind for track in stream], len(only_sound), only_sound.active)

    Events: ``addtrack``, ``removetrack``. Neither fires for changes that the program makes itself.

    In Python a stream is iterable, and a context manager that stops its tracks.

    See https://www.w3.org/TR/mediacapture-streams/#mediastream. Differs from the standard: it is iterable, has a length, and
    can be used in a ``with`` statement.
    """

    EVENTS = ("addtrack", "removetrack")

    onaddtrack: Handler
    onremovetrack: Handler

    id = ReadOnly[str]()

    def __init__(self, tracks: MediaStream | Iterable[MediaStreamTrack] = ()) -> None:
        super().__init__()
        self._id = random_uuid()
        given = tracks.get_tracks() if isinstance(tracks, MediaStream) else tracks
        self._tracks = {track.id: track for track in map(_checked, given)}
        self.watchers: set[Callable[[], object]] = set()  # recorders; called when a track was added or removed

    def __repr__(self) -> str:
        kinds = ", ".join(track.kind for track in self.get_tracks()) or "empty"
        return f"<MediaStream {self.id} {kinds}{'' if self.active else ' inactive'}>"

    def __iter__(self) -> Iterator[MediaStreamTrack]:
        return iter(self.get_tracks())

    def __len__(self) -> int:
        return len(self._tracks)

    def __bool__(self) -> bool:
        """Return True: a stream is an object, also without tracks."""
        return True

    def __contains__(self, track: object) -> bool:
        return isinstance(track, MediaStreamTrack) and self._tracks.get(track.id) is track

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Stop all tracks."""
        for track in self.get_tracks():
            track.stop()

    @property
    def active(self) -> bool:
        """Return whether at least one track has not ended."""
        return any(track.ready_state == "live" for track in self.get_tracks())

    def get_audio_tracks(self) -> list[MediaStreamTrack]:
        """Return the audio tracks, in the order in which they were added."""
        return [track for track in self.get_tracks() if track.kind == "audio"]

    def get_video_tracks(self) -> list[MediaStreamTrack]:
        """Return the video tracks, in the order in which they were added."""
        return [track for track in self.get_tracks() if track.kind == "video"]

    def get_tracks(self) -> list[MediaStreamTrack]:
        """Return all tracks, in the order in which they were added."""
        return list(self._tracks.values())

    def get_track_by_id(self, track_id: str) -> MediaStreamTrack | None:
        """Return the track with this id, or None."""
        return self._tracks.get(track_id)

    def add_track(self, track: MediaStreamTrack) -> None:
        """Add a track, unless the stream has it already."""
        if _checked(track).id not in self._tracks:
            self._tracks[track.id] = track
            self._notify_watchers()

    def remove_track(self, track: MediaStreamTrack) -> None:
        """Remove a track if the stream has it."""
        if self._tracks.pop(_checked(track).id, None) is not None:
            self._notify_watchers()

    def clone(self) -> MediaStream:
        """Return a new stream with a clone of every track."""
        return MediaStream([track.clone() for track in self.get_tracks()])

    def _notify_watchers(self) -> None:
        for watcher in tuple(self.watchers):
            watcher()


def _checked(track: MediaStreamTrack) -> MediaStreamTrack:
    """Return the track. Raises TypeError if it is something else, since callers may not check types."""
    if not isinstance(track, MediaStreamTrack):
        raise ArgumentError("MediaStream needs MediaStreamTracks")
    return track
