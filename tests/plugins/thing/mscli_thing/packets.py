"""A list of the packets of a recording, in a file of text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import mscli

from .source import fail


class PacketsSink(mscli.PacketSink):
    """Writes a line of its track, its codec, its type, its time and its size for each packet."""

    bytes_written = 0
    readable = True

    def __init__(self, row: mscli.SinkRow, target: str, options: mscli.SinkOptions) -> None:
        path, _, fails = target.removeprefix("packets://").partition("?fail=")
        self._path, self._fails = Path(path), fails.removesuffix(".packets")
        self._sizes: Counter[int] = Counter()
        fail(self._fails, "constructor")

    def begin(self, tracks: Sequence[mscli.EncodedTrack], origin_us: int) -> None:
        """Create the file."""
        fail(self._fails, "begin")
        self._path.touch()
        self._write(" ".join(["tracks", *(track.kind for track in tracks)]))

    def put(self, track: int, piece: mscli.Piece) -> None:
        """Write a line."""
        fail(self._fails, "put")
        assert not isinstance(piece, mscli.AudioData), "opus"
        self._sizes[track] += piece.byte_length
        self._write(f"{track} {piece.codec} {piece.type} {piece.timestamp} {piece.byte_length}")

    def end(self) -> None:
        """Do nothing more: every line is written."""
        fail(self._fails, "end")

    def abort(self) -> None:
        """Keep what there is."""

    def track_bytes(self, track: int) -> int:
        """Return the size of the packets."""
        return self._sizes[track]

    def left_out(self, track: int) -> Mapping[str, int]:
        """Return nothing: all packets are listed."""
        return {}

    def _write(self, line: str) -> None:
        with self._path.open("a", encoding="utf-8") as file:
            self.bytes_written += file.write(line + "\n")
