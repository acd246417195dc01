"""Measure the levels of sound: loudness and true peak by EBU R 128, with FFmpeg's filter, and peaks of samples.

https://tech.ebu.ch/docs/r/r128.pdf, https://ffmpeg.org/ffmpeg-filters.html#ebur128. The filter needs 0.3 % of a core for stereo
at 48 kHz. It knows how much each loudspeaker counts, so more than two channels are only measured if they have loudspeakers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction

import av
import av.filter

from mscli.core.frames import SAMPLE_FORMATS, AudioData
from mscli.core.level import CLIPPED, SILENT_DB, Levels, clipped_samples, peak, ratio
from mscli.core.log import Log
from mscli.media.sound import as_samples, labelled

_log = Log("media")

_GATE = -70.0  # LUFS: quieter sound does not count
_USUAL = {1: "mono", 2: "stereo"}
_MOST_CHANNELS = 8  # of which peaks are measured: each costs 0.2 % of a core
_SILENT = ratio(SILENT_DB)


class LevelMeter:
    """A meter of one track's blocks. ``levels`` is what it has found so far, None if nothing can be measured."""

    levels: Levels | None = None

    def __init__(self) -> None:
        self._graph: av.filter.Graph | None = None
        self._shape: tuple[str, int, str] = ("", 0, "")  # format, rate and layout that the graph takes
        self._taken = 0  # samples
        self._broken = False  # whether the filter has refused the sound

    def note(self, block: AudioData) -> Levels | None:
        """Take the next block, and return the levels. Silence in place of missing sound does not count."""
        layout = block.layout or _USUAL.get(block.number_of_channels, "")
        if not block.blank and block.number_of_channels <= _MOST_CHANNELS:
            self._note_samples(block)
            if layout and not self._broken:
                self._try_loudness(block, layout)
        return self.levels

    def _note_samples(self, block: AudioData) -> None:
        before, level = self.levels or Levels(), peak(block)
        silent_s = block.number_of_frames / block.sample_rate if level < _SILENT else 0.0
        self.levels = before._replace(
            peak=max(before.peak, level),
            clipped=before.clipped + (clipped_samples(block) if level >= CLIPPED else 0),
            silent_s=before.silent_s + silent_s,
        )

    def _try_loudness(self, block: AudioData, layout: str) -> None:
        """Measure the loudness, which must not be in the way of a recording."""
        try:
            self._note_loudness(block, layout)
        except av.FFmpegError as error:
            self._broken = True
            _log.warning("the loudness of %s is not measured: %s", layout, error)

    def _note_loudness(self, block: AudioData, layout: str) -> None:
        shape = block.format, block.sample_rate, layout
        if self._graph is None or shape != self._shape:  # the measurement begins again with another shape
            self._graph, self._shape, self._taken = _build_graph(block, layout), shape, 0
        frame = as_samples(block)
        frame.pts, frame.time_base = self._taken, Fraction(1, block.sample_rate)
        self._taken += block.number_of_frames
        self._graph.push(labelled(frame, layout))
        while True:
            try:
                measured = self._graph.pull()
            except (av.BlockingIOError, av.EOFError):
                return
            self._read(measured.metadata)

    def _read(self, found: Mapping[str, str]) -> None:
        """Take what the filter says of a tenth of a second."""
        assert self.levels is not None, "its samples were noted"
        momentary, integrated = _loudness(found, "M"), _loudness(found, "I")
        loudest = max(filter(None, (momentary, self.levels.loudest)), default=None)
        true = float(found.get("lavfi.r128.true_peak", 0))
        true_peak = round(20 * math.log10(true), 2) if true > 0 else None
        self.levels = self.levels._replace(momentary=momentary, loudest=loudest, integrated=integrated, true_peak=true_peak)


def _loudness(found: Mapping[str, str], name: str) -> float | None:
    """Return a loudness in LUFS, or None if it is below the gate."""
    value = float(found.get(f"lavfi.r128.{name}", _GATE))
    return round(value, 2) if value > _GATE else None


def _build_graph(block: AudioData, layout: str) -> av.filter.Graph:
    graph = av.filter.Graph()
    source = graph.add_abuffer(
        sample_rate=block.sample_rate,
        format=SAMPLE_FORMATS[block.format].ffmpeg,
        layout=layout,
        time_base=Fraction(1, block.sample_rate),
    )
    graph.link_nodes(source, graph.add("ebur128", "metadata=1:peak=true"), graph.add("abuffersink")).configure()
    return graph
