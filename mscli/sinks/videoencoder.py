"""The picture's way into packets: every one at the time of its capture, whatever files the packets go into.

The encoder is opened by the first picture.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import TYPE_CHECKING

import av
from av.video.frame import PictureType

from mscli.core.clock import MICROSECONDS
from mscli.core.frames import VideoColorSpace, VideoFrame, black, outline
from mscli.sinks.base import SinkOptions, TrackFormat
from mscli.sinks.codecs import VideoCodec
from mscli.sinks.convert import PictureReader, Reshaper, color_of, cropped_even
from mscli.sinks.filetracks import Chunk, PictureTrack
from mscli.sinks.home import EncoderHome
from mscli.sinks.muxer import TIME_BASE
from mscli.sinks.pictures import Pictures
from mscli.sinks.videosetup import Shape, encoder_for, even, set_up

if TYPE_CHECKING:
    from mscli.sinks.muxer import Muxer, Packet

_REPEAT_US = 500_000


class VideoEncoder(Pictures):
    """A video track. Pictures of another size than the first are scaled to it; damaged ones are left out and counted."""

    forces_keys = True
    patience_us = MICROSECONDS  # how long other tracks wait for its first picture

    def __init__(self, codec: VideoCodec, track: TrackFormat, options: SinkOptions) -> None:
        super().__init__()
        self._codec = codec
        self._options = options
        self._expected = Shape.of(track)
        self._pixel_format = track.pixel_format or "I420"  # of the pictures that are expected
        self._encoder = encoder_for(codec, self._expected, options)
        self._home = EncoderHome(self._encoder.name, Fraction(self._expected.rate).limit_denominator(1001))
        self._reader = PictureReader(one_at_a_time=True)
        self._reshape: Reshaper | None = None
        self._last: VideoFrame | None = None
        self._shown: av.VideoFrame | None = None  # the picture before
        self._shown_us = 0
        self._repeated = 0
        self._forced = False  # whether the next picture has to be a key frame
        self._key_every_us = None if options.key_frame_s is None else options.key_frame_s * MICROSECONDS
        self._jitter_us = MICROSECONDS / self._expected.rate / 4  # by which a picture may come early
        self._keyed_us = 0  # when the latest key frame that was asked for was captured
        self._inside: dict[int, int] = {}  # ticks of the pictures that the encoder holds, and when they were captured

    @property
    def waiting(self) -> int:
        """Pictures that the encoder holds back."""
        return len(self._inside)

    def start(self, origin_us: int, now_us: int) -> None:  # noqa: ARG002 (whatever has come by now)
        """The recording begins. A track without a picture is black until one comes, in the size that its settings say."""
        if self.first_us is None:
            self._repeated += 1
            self.hold(self._black(origin_us))

    def encode(self, frame: VideoFrame) -> list[Chunk]:
        """The packets that the frame completes."""
        chunks: list[Chunk] = []
        self._last = outline(frame)  # the driver gets its memory back
        for picture in self._reader.read(frame):
            chunks += self._encode_picture(picture, frame)
        return chunks

    def force_key(self) -> None:
        """Have decoding be able to start with the next picture."""
        self._forced = True

    def keep_up(self, until_us: int) -> list[Chunk]:
        """The last picture once more, if none has come for long and the muxer would wait for it; else it stands longer."""
        return self.repeat(until_us, _REPEAT_US) if self._codec.awaited else []

    def repeat(self, at_us: int, after_us: int = 0) -> list[Chunk]:
        """The last picture once more at that instant, if it is so much later."""
        if self._shown is None or at_us < self._shown_us + after_us:
            return []
        self._repeated += 1
        return self._send(self._shown, at_us)

    def finish(self) -> list[Chunk]:
        """What decoder and encoder still hold."""
        chunks = []
        if self._last is not None:
            for picture in self._reader.rest(self._last):
                chunks += self._encode_picture(picture, self._last)
        return chunks + self._chunks(self._home.stream.encode(None))

    def track_in(self, muxer: Muxer, begin_us: int) -> PictureTrack:
        """A place for its packets in a file that begins at that instant."""
        return PictureTrack(muxer, muxer.add_video(self._home.stream, self._codec.name), begin_us)

    def corrections(self) -> Mapping[str, int]:
        """For the report."""
        return {"decodeErrors": self._reader.damaged, "duplicated": self._repeated}

    def _black(self, at_us: int) -> VideoFrame:
        """A black picture like those that are expected: a file whose track holds none cannot be played."""
        return black(VideoFrame(self._pixel_format, self._expected.width, self._expected.height, at_us, (), ()))

    def _encode_picture(self, picture: av.VideoFrame, frame: VideoFrame) -> list[Chunk]:
        at_us = picture.pts if picture.pts is not None else frame.timestamp
        if self._reshape is None:
            size = frame.display_size or (picture.width, picture.height)
            self._open(*size, picture.format.name, color_of(picture))
        if self.first_us is None:
            self.first_us = self._keyed_us = at_us
        assert self._reshape is not None, "opened above"
        shaped = self._reshape(picture)
        if self._codec.even:
            shaped = cropped_even(shaped, frame)
        return self._send(shaped, at_us)

    def _send(self, picture: av.VideoFrame, at_us: int) -> list[Chunk]:
        picture.pts, picture.time_base = self._next_ticks(at_us), TIME_BASE
        self._inside[picture.pts] = at_us
        picture.pict_type = PictureType.I if self._key_due(at_us) else PictureType.NONE  # not what the camera's decoder said
        self._shown, self._shown_us = picture, at_us
        return self._chunks(self._home.stream.encode(picture))

    def _key_due(self, at_us: int) -> bool:
        """Whether the picture of that instant has to be a key frame."""
        every_us = self._key_every_us
        due = self._forced or (every_us is not None and at_us + self._jitter_us >= self._keyed_us + every_us)
        if due:
            self._forced, self._keyed_us = False, at_us
        return due

    def _chunks(self, packets: list[Packet]) -> list[Chunk]:
        return [self._chunk(packet, packet.pts or 0) for packet in packets]

    def _chunk(self, packet: Packet, ticks: int) -> Chunk:
        assert self.first_us is not None, "a picture has come"
        dts = ticks if packet.dts is None else packet.dts
        return Chunk(packet, ticks, dts, packet.duration or 0, self.first_us, self._inside.pop(ticks), packet.is_keyframe)

    def _open(self, width: int, height: int, pixels: str, color: VideoColorSpace) -> None:
        """Open the encoder for pictures of that size, pixel format (FFmpeg's name; "" unknown) and colour."""
        shape = Shape(*(even(width, height) if self._codec.even else (width, height)), self._expected.rate)
        encoded = self._codec.color(color)
        context = self._home.context
        options = set_up(context, self._encoder, shape, self._options, pixels, encoded)
        self._reshape = Reshaper(context.pix_fmt or "", encoded, width, height)
        self._home.open(options, self._codec.title, f"pictures of {width}×{height}")
