"""All tracks of a recording, each with its encoder: frames in, pieces for files out, in their places on one clock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mscli.core.frames import Frame
from mscli.sinks.audioencoder import AudioEncoder
from mscli.sinks.base import COPY, PATIENCE_US, SinkOptions, TrackFormat
from mscli.sinks.codecs import Container, codec_for
from mscli.sinks.copying import copied_formats
from mscli.sinks.videocopier import VideoCopier
from mscli.sinks.videoencoder import VideoEncoder

if TYPE_CHECKING:
    from mscli.sinks.filetracks import Piece

    Pieces = Sequence[tuple[int, Piece]]  # each with its track's place in the recording

_ENCODERS: Mapping[str, Any] = {"video": VideoEncoder, "audio": AudioEncoder}


class Encoders:
    """The encoders of a recording, which begins when all tracks have, or one has kept the others waiting too long."""

    def __init__(self, container: Container, tracks: Sequence[TrackFormat], options: SinkOptions) -> None:
        self.tracks = tracks
        self.origin_us: int | None = None  # when the recording begins, once it has begun
        self._newest_us = 0  # the latest of what came before that
        self._all = [_encoder(container, track, options) for track in tracks]

    def __getitem__(self, track: int) -> Any:
        """The encoder of a track."""
        return self._all[track]

    def write(self, track: int, frame: Frame) -> Pieces:
        """Take a frame; the pieces that it completes, of other tracks too if they have fallen far behind."""
        if self.origin_us is None:
            return self._hold(track, frame)
        pieces = [(track, piece) for piece in self._all[track].encode(frame)]
        return pieces + [  # or a file would hold everything else back until the frames of a late track come
            (index, piece) for index, one in enumerate(self._all) for piece in one.keep_up(frame.timestamp - PATIENCE_US)
        ]

    def finish(self) -> Pieces:
        """What the encoders still hold; nothing if no frame has come."""
        begun = self._begun()
        if self.origin_us is None and not begun:
            return []
        held = self._start(min(begun)) if self.origin_us is None else []
        return [*held, *((index, piece) for index, one in enumerate(self._all) for piece in one.finish())]

    def _hold(self, track: int, frame: Frame) -> Pieces:
        self._all[track].hold(frame)
        self._newest_us = frame.timestamp
        begun = self._begun()
        patience_us = max((one.patience_us for one in self._all if one.first_us is None), default=0)
        if len(begun) == len(self._all) or (begun and frame.timestamp - min(begun) > patience_us):
            return self._start(min(begun))
        return []

    def _begun(self) -> list[int]:
        return [one.first_us for one in self._all if one.first_us is not None]

    def _start(self, origin_us: int) -> Pieces:
        self.origin_us = origin_us
        for one in self._all:
            one.start(origin_us, self._newest_us)
        return [(index, piece) for index, one in enumerate(self._all) for piece in one.held()]


def _encoder(container: Container, track: TrackFormat, options: SinkOptions) -> Any:
    if track.kind == "video" and options.video_codec == COPY:
        return VideoCopier(copied_formats(container.suffix), track)
    return _ENCODERS[track.kind](codec_for(track.kind, container, options), track, options)
