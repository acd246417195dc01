"""Where a video encoder lives: in a container of its own that goes nowhere, so that it outlives the files of its packets.

https://ffmpeg.org/ffmpeg-formats.html#null. What the header of a file has to tell of the encoder (its extradata) is known as
soon as the encoder is open; any number of files take it from here.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from fractions import Fraction

import av
from av.codec.context import Flags

from mscli.sinks.muxer import add_stream, open_encoder


class EncoderHome:
    """FFmpeg's video encoder of that name. Set its ``context`` up, ``open`` it, and give files its ``stream`` as a pattern."""

    def __init__(self, encoder: str, rate: Fraction) -> None:
        self._nowhere = av.open(os.devnull, "w", format="null")
        stream = add_stream(self._nowhere, encoder, rate)
        assert isinstance(stream, av.VideoStream), "a video encoder makes a video stream"
        self.stream = stream
        self.context.flags |= Flags.global_header

    @property
    def context(self) -> av.VideoCodecContext:
        """The encoder."""
        return self.stream.codec_context

    def open(self, options: Mapping[str, str], title: str, shape: str) -> None:
        """Open the encoder, its shape being set. Raises NotSupportedError as ``open_encoder`` does."""
        open_encoder(self.context, options, title, shape)
        self._nowhere.start_encoding()  # the stream learns now what its encoder is like
