"""One file of a recording: the pieces of all its tracks from an instant on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mscli.sinks.codecs import Container
from mscli.sinks.encoders import Encoders
from mscli.sinks.muxer import Muxer
from mscli.sinks.outputs import Output

if TYPE_CHECKING:
    from mscli.sinks.filetracks import Piece


class RecordingFile:
    """A file that begins at ``begin_us``, with a track for each of the ``encoders``, pictures first. It is ``close``d, or given
    up by ``salvage``."""

    def __init__(self, container: Container, output: Output, encoders: Encoders, begin_us: int) -> None:
        self.begin_us = begin_us
        self._muxer = Muxer(container, output)
        order = sorted(range(len(encoders.tracks)), key=lambda index: encoders.tracks[index].kind != "video")
        self._tracks = {index: encoders[index].track_in(self._muxer, begin_us) for index in order}
        self._muxer.start()

    def write(self, track: int, piece: Piece) -> None:
        """Take a piece of that track. Raises OperationError, BrokenPipeError."""
        self._tracks[track].write(piece)

    def close(self) -> None:
        """Finish the file. Raises OperationError, BrokenPipeError."""
        for track in self._tracks.values():
            track.finish()
        self._muxer.close()

    def salvage(self) -> None:
        """Keep what can be read already, or nothing."""
        self._muxer.salvage()

    def track_bytes(self, track: int) -> int:
        """Of the packets of that track."""
        return int(self._tracks[track].bytes)
