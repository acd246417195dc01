"""A list of what came, in a file of text: a line for each picture and each block of sound."""

from __future__ import annotations

import mscli

from .source import fail


class ThingSink(mscli.OutputSink):
    """Writes a line of its track, its time, its size and its first byte for each frame."""

    def __init__(self, row: mscli.SinkRow, target: str, options: mscli.SinkOptions) -> None:
        path, _, self._fails = target.removeprefix("thing://").partition("?fail=")
        fail(self._fails, "constructor")
        super().__init__(row, path, options)

    def open(self, tracks: list[mscli.TrackFormat]) -> None:
        """Check that the file can be made."""
        fail(self._fails, "open")
        self.output.open()

    def write(self, track: int, frame: mscli.VideoFrame | mscli.AudioData) -> None:
        """Write a line."""
        fail(self._fails, "write")
        first = frame.planes[0][0] if isinstance(frame, mscli.VideoFrame) else 0
        line = f"{track} {frame.timestamp} {frame.nbytes} {first}\n"
        self.output.write_all([memoryview(line.encode())])

    @property
    def bytes_written(self) -> int:
        """Return the size."""
        fail(self._fails, "bytes")
        return "many" if self._fails == "nonsense" else super().bytes_written  # type: ignore[return-value]

    def abort(self) -> None:
        """Give up."""
        fail(self._fails, "abort")
        super().abort()

    def close(self) -> None:
        """Finish the file."""
        super().close()
        fail(self._fails, "close")
