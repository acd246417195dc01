"""Sound made longer or shorter by millionths, without a step: libswresample under the control of timestamps.

https://ffmpeg.org/ffmpeg-resampler.html. The resampler is told where each frame belongs, and follows within a second by
changing the distance of the samples. Of a tone of 1 kHz at 200 ppm all that is not the tone lies 85 dB below it.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import av
import av.filter

_PARTS = 1000  # of a sample, in which places are told
_OPTIONS = {  # always resample, never with silence or by leaving out, and at most by 0.5 %, in steps of 1/10 s of a sample
    "flags": "res",
    "async": "1",
    "min_comp": "0.000001",
    "min_hard_comp": "1000000",
    "max_soft_comp": "0.005",
    "comp_duration": "10",
    "internal_sample_fmt": "dblp",
}


class Stretcher:
    """Takes frames of one shape and gives frames of that shape. What it holds back is in ``rest``.

    ``before``: the sound that was sent just before, which the first samples are made from too: else there would be a click.
    """

    def __init__(self, like: av.AudioFrame, before: av.AudioFrame | None, position: int) -> None:
        self._time_base = Fraction(1, like.sample_rate * _PARTS)
        self._graph = _graph(like, self._time_base, before.samples if before else 0)
        if before is not None:
            self._push(before, position - before.samples)

    def stretch(self, frame: av.AudioFrame, position: float) -> Iterator[av.AudioFrame]:
        """What is ready once the frame, which belongs at that place (samples), is known."""
        self._push(frame, position)
        return self._ready()

    def rest(self) -> Iterator[av.AudioFrame]:
        """What was held back; the stretcher is used up then."""
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
    """Sound in, resampled, and without its first ``trim`` samples out."""
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
