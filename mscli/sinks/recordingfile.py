"""One file of a recording: the pieces of all its tracks from an instant on."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import av

from mscli.core.errors import OperationError
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
        self.output = output
        self.begin_us = begin_us
        self._muxer = Muxer(container, output)
        order = sorted(range(len(encoders.tracks)), key=lambda index: encoders.tracks[index].kind != "video")
        self.tracks = {index: encoders[index].track_in(self._muxer, begin_us) for index in order}
        self._muxer.start()

    @property
    def begun(self) -> bool:
        """Whether anything was written."""
        return any(self._muxer.bytes.values())

    @property
    def most_bytes(self) -> int:
        """More than that the file cannot have if it is finished now."""
        return self._muxer.bound.bytes + int(sum(track.rest for track in self.tracks.values()))

    def cost(self, track: int, piece: Piece) -> int:
        """The most bytes that it can grow by with that piece."""
        return int(self.tracks[track].cost(piece))

    def write(self, track: int, piece: Piece) -> None:
        """Take a piece of that track. Raises OperationError, BrokenPipeError."""
        self.tracks[track].write(piece)

    def close(self) -> None:
        """Finish the file, or keep what was readable before its output failed. Raises OperationError, BrokenPipeError."""
        if self.output.failed:
            self.salvage()
            return
        try:
            for track in self.tracks.values():
                track.finish()
            self._muxer.close()
        except BaseException:
            with suppress(OperationError):
                self.salvage()
            raise

    def abort(self) -> None:
        """Finish what can be read already; nothing is left of what cannot. Nothing is raised that the output or FFmpeg says."""
        with suppress(av.FFmpegError, OperationError, BrokenPipeError):
            if self.output.readable:
                self.close()
            else:
                self.salvage()

    def salvage(self) -> None:
        """Keep what can be read already, as it is, or nothing. Raises OperationError."""
        self._muxer.salvage()

    def track_bytes(self, track: int) -> int:
        """Of the packets of that track."""
        return int(self.tracks[track].bytes)
