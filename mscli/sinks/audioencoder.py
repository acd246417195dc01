"""The sound's way to its encoders: samples in their places, counted from the recording's origin, on the clock of the pictures.

There is silence where none came, and the drift of the device's clock is taken out. Each file encodes the samples for itself
(``SoundTrack``). Until the recording starts blocks wait as they came, for the origin of time is not known before.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import TYPE_CHECKING

from mscli.core.clock import MICROSECONDS
from mscli.core.errors import NotSupportedError
from mscli.core.frames import AudioData, without_first
from mscli.sinks.base import SinkOptions, TrackFormat
from mscli.sinks.codecs import AudioCodec
from mscli.sinks.convert import silence_av, sound_to_av
from mscli.sinks.filetracks import Sound, SoundShape, SoundTrack
from mscli.sinks.stretch import Stretcher
from mscli.sinks.timeline import AudioTimeline, silent_pieces

if TYPE_CHECKING:
    from mscli.sinks.muxer import Muxer


class AudioEncoder:
    """An audio track: gaps and late starts become silence, so that every sample stands where it was heard."""

    patience_us = MICROSECONDS  # how long other tracks wait for its first block

    def __init__(self, codec: AudioCodec, track: TrackFormat, options: SinkOptions) -> None:
        self._codec = codec
        self._options = options
        self._settings = track.settings
        self._check_channels(int(track.settings.get("channelCount") or 1))
        self._early: list[AudioData] = []
        self._format, self._rate, self._channels = "", 0, 0
        self._timeline: AudioTimeline | None = None
        self._sent = 0  # samples
        self._stretcher: Stretcher | None = None  # while drift is corrected
        self._before: Sound | None = None  # what was sent last, if sound follows without a gap
        self._origin_us = 0

    @property
    def first_us(self) -> int | None:
        """When the track's first sample was captured, if it came before the start (microseconds)."""
        return self._early[0].timestamp if self._early else None

    def hold(self, block: AudioData) -> None:
        """Take a block before the start."""
        if not self._rate:
            self._open(block.format, block.sample_rate, block.number_of_channels)
        self._early.append(block)

    def start(self, origin_us: int, now_us: int) -> None:  # noqa: ARG002 (whatever has come by now)
        """From now on time counts from ``origin_us``. A track without sound gets the rate that its settings say."""
        if not self._rate:
            rate = int(self._settings.get("sampleRate") or 48_000)
            self._open("s16", rate, int(self._settings.get("channelCount") or 1))
        self._origin_us = origin_us
        self._timeline = AudioTimeline(self._rate, origin_us)

    def held(self) -> list[Sound]:
        """What waited for the start."""
        blocks, self._early = self._early, []
        return [sound for block in blocks for sound in self.encode(block)]

    def encode(self, block: AudioData) -> list[Sound]:
        """The block's samples that have a place, with the silence before them."""
        assert self._timeline is not None, "started"
        self._check_shape(block)
        silence, skip, position = self._timeline.place(block.timestamp, block.number_of_frames, block.sequence)
        sounds = self._fill_to(position) if silence or skip else []
        if skip < block.number_of_frames:
            sounds += self._sound(sound_to_av(without_first(block, skip)), position)
        return sounds

    def keep_up(self, until_us: int) -> list[Sound]:
        """Silence up to there, if no sound has come."""
        assert self._timeline is not None, "started"
        return self._fill_to(self._timeline.position) if self._timeline.advance(until_us) else []

    def finish(self) -> list[Sound]:
        """What is still held back."""
        return self._settle()

    def track_in(self, muxer: Muxer, begin_us: int) -> SoundTrack:
        """A place for its sound in a file that begins at that instant, with an encoder of the file's own."""
        bits = int(self._settings.get("sampleSize") or 16)
        shape = SoundShape(self._rate, self._channels, bits)
        return SoundTrack(muxer, self._codec, shape, self._options, self.position(begin_us))

    def position(self, at_us: int) -> int:
        """The sample at an instant, counted from the recording's origin."""
        return round((at_us - self._origin_us) * self._rate / MICROSECONDS)

    def instant_us(self, position: int) -> int:
        """The instant of a sample: ``position`` gives it back."""
        return self._origin_us + round(position * MICROSECONDS / self._rate)

    def corrections(self) -> Mapping[str, int]:
        """For the report."""
        timeline = self._timeline
        if timeline is None:
            return {}
        return {"silence": timeline.silence, "skipped": timeline.skipped, "driftPpm": timeline.drift_ppm}

    def _check_shape(self, block: AudioData) -> None:
        if (block.format, block.sample_rate, block.number_of_channels) != (self._format, self._rate, self._channels):
            now = f"{block.number_of_channels} channels at {block.sample_rate} Hz ({block.format})"
            raise NotSupportedError(f"the sound changed to {now} while it was recorded", hints=["start another recording"])

    def _check_channels(self, channels: int) -> None:
        most, title = self._codec.most_channels, self._codec.title
        if channels > most:
            hints = [f"choose another codec, or --channel-count exact:{most}"]
            raise NotSupportedError(f"{title} holds {most} channels at most, not {channels}", hints=hints)

    def _sound(self, frame: Sound, position: float) -> list[Sound]:
        """The device's sound, which belongs there: as it came, or corrected for drift once that has begun."""
        assert self._timeline is not None, "started"
        if not self._timeline.stretching:
            self._before = frame
            return [self._sent_on(frame)]
        if self._stretcher is None:
            self._stretcher = Stretcher(frame, self._before, self._sent)
        return [self._sent_on(part) for part in self._stretcher.stretch(frame, position)]

    def _settle(self) -> list[Sound]:
        """What the correction of drift holds back, for no sound follows without a gap."""
        stretcher, self._stretcher, self._before = self._stretcher, None, None
        return [self._sent_on(part) for part in stretcher.rest()] if stretcher else []

    def _fill_to(self, position: float) -> list[Sound]:
        """Silence up to there (samples), in pieces."""
        sounds = self._settle()
        for count in silent_pieces(round(position) - self._sent, self._rate):
            sounds.append(self._sent_on(silence_av(self._format, self._rate, self._channels, count)))
        return sounds

    def _sent_on(self, frame: Sound) -> Sound:
        """The frame, in its place."""
        frame.pts, frame.time_base = self._sent, Fraction(1, self._rate)
        self._sent += frame.samples
        return frame

    def _open(self, sample_format: str, rate: int, channels: int) -> None:
        self._check_channels(channels)
        self._format, self._rate, self._channels = sample_format, rate, channels
