"""Mix a device's channels into fewer channels.

Channels with loudspeaker positions are mixed as FFmpeg does it (https://ffmpeg.org/ffmpeg-resampler.html). Other channels are
averaged into one, so that no input is lost, or else the first ones are taken. ``ChannelMapper`` does what was asked for: it
picks channels, and mixes so that each is heard.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import av
import av.filter

from mscli.core.channels import ChannelPlan
from mscli.core.frames import SAMPLE_FORMATS, AudioData, with_channels
from mscli.media import load_gain
from mscli.media.sound import as_samples, labelled, layout_name


class Mixer:
    """A mixer of blocks to ``channels`` channels. The blocks may change their shape: rate, format, channel count, layout.

    ``whole``: whether all channels without a position are heard in two: the odd ones on the left, the even ones on the right.
    """

    def __init__(self, channels: int, *, whole: bool = False) -> None:
        self._channels = channels
        self._whole = whole
        self._graph: av.filter.Graph | None = None
        self._shape: tuple[str, int, str] = ("", 0, "")  # format, rate and layout that the graph takes

    def mix(self, block: AudioData) -> AudioData:
        """Return the block with the mixer's channel count, or unchanged if it has that already."""
        if block.number_of_channels == self._channels:
            return block
        layout = block.layout or f"{block.number_of_channels} channels"
        shape = block.format, block.sample_rate, layout
        if self._graph is None or shape != self._shape:
            self._graph, self._shape = self._build_graph(block, layout), shape
        frame = as_samples(block)
        frame.pts, frame.time_base = block.sequence, Fraction(1, block.sample_rate)
        self._graph.push(labelled(frame, layout))
        mixed = self._graph.pull()
        assert isinstance(mixed, av.AudioFrame), "sound went in"
        size = block.number_of_frames * self._channels * SAMPLE_FORMATS[block.format].bits // 8
        data = memoryview(bytes(mixed.planes[0])[:size])
        return replace(block, number_of_channels=self._channels, data=data, layout="")

    def _build_graph(self, block: AudioData, layout: str) -> av.filter.Graph:
        graph = av.filter.Graph()
        form = SAMPLE_FORMATS[block.format].ffmpeg
        source = graph.add_abuffer(
            sample_rate=block.sample_rate, format=form, layout=layout, time_base=Fraction(1, block.sample_rate)
        )  # fmt: skip
        target = layout_name(self._channels)
        filters = [] if block.layout else [graph.add("pan", self._pan_arguments(block.number_of_channels))]
        filters += [graph.add("aformat", sample_fmts=form, channel_layouts=target), graph.add("abuffersink")]
        graph.link_nodes(source, *filters).configure()
        return graph

    def _pan_arguments(self, given: int) -> str:
        """Return the mapping of channels in the syntax of FFmpeg's ``pan`` filter."""
        if self._channels == 1 or self._whole:
            sides = (_mean(range(side, given, self._channels)) for side in range(self._channels))
            return "|".join([layout_name(self._channels), *(f"c{side}={mean}" for side, mean in enumerate(sides))])
        return "|".join([layout_name(self._channels), *(f"c{channel}=c{channel}" for channel in range(self._channels))])


def _mean(channels: range) -> str:
    return "+".join(f"{1 / len(channels):.9f}*c{channel}" for channel in channels)


class ChannelMapper:
    """A filter that gives blocks the channels of a plan. Picked channels are copied bit by bit."""

    def __init__(self, plan: ChannelPlan) -> None:
        self._picked = [number - 1 for number in plan.picked]
        self._mixed = plan.mixed
        self._mixer = Mixer(plan.mixed, whole=True) if plan.mixed else None
        self._amplify = load_gain(plan.gain) if plan.gain != 1 else None

    def map(self, block: AudioData) -> AudioData:
        """Return the block with the plan's channels, amplified."""
        found = self._mapped(block)
        return found if self._amplify is None else self._amplify(found)

    def _mapped(self, block: AudioData) -> AudioData:
        if self._picked and self._picked != list(range(block.number_of_channels)):
            block = with_channels(block, self._picked)
        if self._mixer is None:
            return block
        if block.number_of_channels < self._mixed:
            return with_channels(block, [0] * self._mixed)
        return self._mixer.mix(block)
