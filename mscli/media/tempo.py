"""Sound that is played faster or slower at the same pitch: https://ffmpeg.org/ffmpeg-filters.html#atempo."""

from __future__ import annotations

from fractions import Fraction

import av
import av.filter

from mscli.core.frames import SAMPLE_FORMATS, AudioData
from mscli.media.sound import as_block, as_samples, labelled, layout_name

_LEAST = 0.5  # the slowest that one filter does


class Tempo:
    """A filter for blocks of sound, in order. The blocks may change their shape."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._graph: av.filter.Graph | None = None
        self._shape: tuple[str, int, str] = ("", 0, "")  # format, sample rate and layout that the graph takes
        self._taken = 0  # samples

    def play(self, block: AudioData) -> list[AudioData]:
        """Return the sound that is ready, without meaningful times."""
        layout = block.layout or layout_name(block.number_of_channels)
        shape = block.format, block.sample_rate, layout
        if self._graph is None or shape != self._shape:
            self._graph, self._shape, self._taken = _tempo_graph(shape, self._rate), shape, 0
        frame = as_samples(block)
        frame.pts, frame.time_base = self._taken, Fraction(1, block.sample_rate)
        self._taken += block.number_of_frames
        self._graph.push(labelled(frame, layout))
        found: list[AudioData] = []
        while True:
            try:
                ready = self._graph.pull()
            except (av.BlockingIOError, av.EOFError):
                return found
            assert isinstance(ready, av.AudioFrame), "sound went in"
            found.append(as_block(ready, block.format))


def _tempo_graph(shape: tuple[str, int, str], rate: float) -> av.filter.Graph:
    name, sample_rate, layout = shape
    form, graph = SAMPLE_FORMATS[name].ffmpeg, av.filter.Graph()
    source = graph.add_abuffer(sample_rate=sample_rate, format=form, layout=layout, time_base=Fraction(1, sample_rate))
    steps = []
    while rate < _LEAST:
        steps.append(_LEAST)
        rate /= _LEAST
    filters = [graph.add("atempo", f"{step:.9f}") for step in (*steps, rate)]
    graph.link_nodes(source, *filters, graph.add("aformat", sample_fmts=form), graph.add("abuffersink")).configure()
    return graph
