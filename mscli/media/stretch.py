"""Stretch or shrink sound: by millionths without a jump, or at another tempo.

By millionths: libswresample, controlled by timestamps (https://ffmpeg.org/ffmpeg-resampler.html). It is given the target
position of each frame, and reaches it within a second by changing the distance between samples. For a tone of 1 kHz at 200 ppm,
all artefacts are 85 dB below the tone.

At another tempo, with the same pitch: https://ffmpeg.org/ffmpeg-filters.html#atempo.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import av
import av.filter

from mscli.core.frames import SAMPLE_FORMATS, AudioData
from mscli.media.sound import as_block, as_samples, labelled, layout_name

_PARTS = 1000  # the resolution of positions, per sample
_OPTIONS = {  # always resample, never insert silence or drop samples, and correct at most 0.5 %, in steps of 1/10 s of a sample
    "flags": "res",
    "async": "1",
    "min_comp": "0.000001",
    "min_hard_comp": "1000000",
    "max_soft_comp": "0.005",
    "comp_duration": "10",
    "internal_sample_fmt": "dblp",
}


class Stretcher:
    """A filter that takes frames of one shape and returns frames of the same shape. ``rest`` returns what it holds back.

    ``before``: the sound sent just before. The first samples are interpolated from it, because otherwise there would be a
    click.
    """

    def __init__(self, like: av.AudioFrame, before: av.AudioFrame | None, position: int) -> None:
        self._time_base = Fraction(1, like.sample_rate * _PARTS)
        self._graph = _graph(like, self._time_base, before.samples if before else 0)
        if before is not None:
            self._push(before, position - before.samples)

    def stretch(self, frame: av.AudioFrame, position: float) -> Iterator[av.AudioFrame]:
        """Return the sound that is ready after this frame, whose target position is given in samples."""
        self._push(frame, position)
        return self._ready()

    def rest(self) -> Iterator[av.AudioFrame]:
        """Return the sound that was held back. The stretcher cannot be used after that."""
        self._graph.push(None)
        return self._ready()

    def _push(self, frame: av.AudioFrame, position: float) -> None:
        frame.pts, frame.time_base = round(position * _PARTS), self._time_base
        self._graph.push(frame)

    def _ready(self) -> Iterator[av.AudioFrame]:
        while True:
            try:
                frame = self._graph.pull()
            except (av.BlockingIOError, av.EOFError):
                return
            assert isinstance(frame, av.AudioFrame), "sound went in"
            yield frame


def _graph(like: av.AudioFrame, time_base: Fraction, trim: int) -> av.filter.Graph:
    """Return a filter graph that resamples sound and drops the first ``trim`` samples of the result."""
    graph = av.filter.Graph()
    source = graph.add_abuffer(
        sample_rate=like.sample_rate, format=like.format.name, layout=like.layout.name, time_base=time_base
    )  # fmt: skip
    filters = [
        graph.add("aresample", sample_rate=str(like.sample_rate), **_OPTIONS),
        graph.add("aformat", sample_fmts=like.format.name),
        graph.add("atrim", start_sample=str(trim)),
        graph.add("abuffersink"),
    ]
    graph.link_nodes(source, *filters).configure()
    return graph


_LEAST_TEMPO = 0.5  # the slowest that one filter does


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
    while rate < _LEAST_TEMPO:
        steps.append(_LEAST_TEMPO)
        rate /= _LEAST_TEMPO
    filters = [graph.add("atempo", f"{step:.9f}") for step in (*steps, rate)]
    graph.link_nodes(source, *filters, graph.add("aformat", sample_fmts=form), graph.add("abuffersink")).configure()
    return graph
