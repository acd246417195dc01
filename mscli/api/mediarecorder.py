"""MediaRecorder: a stream into a container. https://www.w3.org/TR/mediastream-recording/#mediarecorder-api

Where the standard says UnknownError, the error is the one that happened, such as OperationError when the disk is full.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, BinaryIO, cast

from mscli.api.blob import Blob
from mscli.api.blobevent import BlobEvent
from mscli.api.diskspace import check_room
from mscli.api.errorevent import ErrorEvent
from mscli.api.mediastream import MediaStream
from mscli.api.mediastreamtrack import MediaStreamTrack
from mscli.api.pieces import Pieces
from mscli.api.recorderoptions import RecorderOptions
from mscli.api.recording import Plan, Recording
from mscli.core.clock import now_us
from mscli.core.errors import ArgumentError, InvalidModificationError, InvalidStateError, NotSupportedError
from mscli.core.events import Event, EventTarget
from mscli.core.readonly import ReadOnly
from mscli.core.webidl import to_string, unsigned_long
from mscli.sinks import SinkRow, load_sink, mime_supported, row_for_mime, spell_mime
from mscli.sinks.base import SinkOptions, TrackFormat

_DEFAULT_TYPES = {True: "video/webm", False: "audio/webm"}  # by whether there is a video track


class MediaRecorder(EventTarget):
    """Records the tracks that a stream has at ``start``, on a thread of its own.

    ``options``: a ``MediaRecorderOptions`` dictionary. Beyond the standard: ``file`` (a path or a descriptor) takes the
    recording in place of the ``dataavailable`` events, whose data are empty then; ``row`` says the container;
    ``sink_options`` say how it is written; ``window`` (seconds, frames) ends it; a ``segment`` event tells of each file of a
    series that is finished. Raises TypeError, and NotSupportedError for a type that cannot be recorded.
    """

    EVENTS = ("start", "stop", "dataavailable", "pause", "resume", "error")

    stream = ReadOnly[MediaStream]()
    mime_type = ReadOnly[str]()
    state = ReadOnly[str]()
    video_bits_per_second = ReadOnly[int]()
    audio_bits_per_second = ReadOnly[int]()
    audio_bitrate_mode = ReadOnly[str]()

    def __init__(
        self,
        stream: MediaStream,
        options: Mapping[str, Any] | None = None,
        *,
        file: str | int | None = None,
        row: SinkRow | None = None,
        sink_options: SinkOptions | None = None,
        window: tuple[float | None, int | None] = (None, None),
    ) -> None:
        super().__init__()
        if not isinstance(stream, MediaStream):
            raise ArgumentError("MediaRecorder: a MediaStream is needed")
        self._options = RecorderOptions.convert(options)
        if not self.is_type_supported(self._options.mime_type):
            raise NotSupportedError(f"“{self._options.mime_type}” cannot be recorded here")
        self._stream = stream
        self._mime_type = self._options.mime_type
        self._state = "inactive"
        self._audio_bits_per_second, self._video_bits_per_second = self._options.bit_rates()
        self._audio_bitrate_mode = "variable"  # all that the encoders do: the standard leaves it at that
        self._file = file
        self._row = row
        self._sink_options = sink_options or SinkOptions()
        self._window = window
        self.recording: Recording | None = None  # the latest: what it has counted, and how it ended

    @staticmethod
    def is_type_supported(type: str) -> bool:  # noqa: A002 (the standard's name)
        """Whether recordings of that MIME type, with its ``codecs``, can be made; the empty string always can."""
        text = to_string(type)
        return not text or mime_supported(text)

    def start(self, timeslice: int | None = None) -> None:
        """Begin. ``timeslice``: a ``dataavailable`` comes for so many milliseconds of recording each time.

        Raises InvalidStateError unless inactive, NotSupportedError when there is no live track or the type does not hold them,
        OperationError when the file cannot be made.
        """
        if self._state != "inactive":
            raise InvalidStateError(f"the recorder is {self._state}")
        tracks = [track for track in self._stream.get_tracks() if track.ready_state == "live"]
        if not tracks:
            raise NotSupportedError("the stream has no live track to record")
        if self._options.key_frame_duration_ms is not None and self._options.key_frame_count is not None:
            raise NotSupportedError("key frames cannot come both after a time and after a number of frames")
        self.join()  # a recording that was stopped may still be written
        self.recording = self._prepare(tracks, None if timeslice is None else max(1, unsigned_long(timeslice)) * 1000)
        self._audio_bits_per_second, self._video_bits_per_second = self._options.bit_rates(_kinds(tracks))
        self._state = "recording"
        self._stream.watchers.add(self._on_tracks_changed)
        self._post(self.recording, self._tell_start)
        self.recording.start()

    def stop(self) -> None:
        """End: what was captured before is written, then ``dataavailable`` and ``stop`` come. Nothing if inactive."""
        if self._state != "inactive" and self.recording is not None:
            self.recording.finish()
            self._inactivate()

    def abandon(self) -> None:
        """End at once: what was captured but not written yet is given up. The file is finished all the same."""
        if self.recording is not None:
            self.recording.abandon()
        self._inactivate()

    def pause(self) -> None:
        """Leave out what comes until ``resume``. Raises InvalidStateError if inactive."""
        recording = self._active
        if self._state == "recording":
            self._state = "paused"
            recording.pauses.begin(now_us())
            self._post(recording, lambda _: self.dispatch_event(Event("pause")))

    def resume(self) -> None:
        """Go on, without a gap in the recording's time. Raises InvalidStateError if inactive."""
        recording = self._active
        if self._state == "paused":
            self._state = "recording"
            recording.pauses.end(now_us())
            self._post(recording, lambda _: self.dispatch_event(Event("resume")))

    def request_data(self) -> None:
        """Have what was recorded since the last time come as ``dataavailable``. Raises InvalidStateError if inactive."""
        self._on_piece(self._active)

    def join(self, timeout_s: float | None = None) -> bool:
        """Wait until the recording is written after ``stop`` or by itself, and inactive; False if it is not in time."""
        if self.recording is None:
            return True
        written = self.recording.join(timeout_s)
        if written:
            self._inactivate()
        return written

    @property
    def _active(self) -> Recording:
        """The recording that goes on. Raises InvalidStateError if there is none."""
        if self._state == "inactive" or self.recording is None:
            raise InvalidStateError("the recorder is inactive")
        return self.recording

    def _inactivate(self) -> None:
        """https://www.w3.org/TR/mediastream-recording/#abstract-opdef-inactivate-the-recorder"""
        self._stream.watchers.discard(self._on_tracks_changed)
        self._mime_type = self._options.mime_type
        self._state = "inactive"
        self._audio_bits_per_second, self._video_bits_per_second = self._options.bit_rates()

    def _prepare(self, tracks: list[MediaStreamTrack], slice_us: int | None) -> Recording:
        """A recording of these tracks, its sink open. Raises NotSupportedError, OperationError."""
        kinds = _kinds(tracks)
        asked = self._options.mime_type or _DEFAULT_TYPES["video" in kinds]
        if "video" in kinds and asked.lower().startswith("audio/"):
            raise NotSupportedError(f"“{asked}” holds no picture", hints=["record into video/webm, or only audio tracks"])
        row, *codecs = (self._row, "", "") if self._row is not None else row_for_mime(asked)
        options = self._options.applied_to(self._sink_options, kinds, *codecs)
        mime_type = spell_mime(row, self._options.mime_type, options, kinds)
        pieces = Pieces()
        sink = load_sink(row, cast(BinaryIO, pieces) if self._file is None else self._file, options)
        try:
            sink.open([TrackFormat(track.kind, track.get_settings(), track.pixel_format) for track in tracks])
            check_room(sink)
        except BaseException:
            sink.abort()
            raise
        plan = Plan(*self._window, slice_us)
        return Recording(tracks, sink, pieces, mime_type, plan, self._on_piece, self._on_file, self._on_end)

    def _on_tracks_changed(self) -> None:
        self._active.finish(InvalidModificationError("a track joined or left the stream while it was recorded"))

    # From the recorder's thread to the one that runs events

    def _post(self, recording: Recording, task: Callable[[Recording], None]) -> None:
        recording.tracks[0].live.post(partial(task, recording))

    def _on_piece(self, recording: Recording) -> None:
        recording.pieces.cut()
        self._post(recording, self._tell_piece)

    def _on_file(self, recording: Recording, name: str) -> None:
        self._post(recording, lambda _: self.dispatch_event(Event("segment", file=name)))

    def _on_end(self, recording: Recording) -> None:
        recording.pieces.cut()
        self._post(recording, self._tell_end)

    def _tell_start(self, recording: Recording) -> None:
        self._mime_type = recording.mime_type
        self.dispatch_event(Event("start"))

    def _tell_piece(self, recording: Recording) -> None:
        data, timecode = recording.pieces.take()
        self.dispatch_event(BlobEvent("dataavailable", {"data": Blob(data, recording.mime_type), "timecode": timecode}))

    def _tell_end(self, recording: Recording) -> None:
        if recording is self.recording:  # and not the next one, started by now
            self._inactivate()
        if recording.error is not None:
            self.dispatch_event(ErrorEvent("error", {"error": recording.error, "message": str(recording.error)}))
        self._tell_piece(recording)
        self.dispatch_event(Event("stop"))


def _kinds(tracks: list[MediaStreamTrack]) -> list[str]:
    return [track.kind for track in tracks]
