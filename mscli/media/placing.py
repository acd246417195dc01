"""Place sound on the common clock: silence replaces missing sound, and the drift of the device is corrected."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import av

from mscli.core.boxes import Scalar
from mscli.core.clock import MICROSECONDS
from mscli.core.errors import NotSupportedError
from mscli.core.frames import AudioData, silence, without_first
from mscli.core.log import Burst, Log
from mscli.media.sound import as_block, as_samples
from mscli.media.stretch import Stretcher
from mscli.media.timeline import AudioTimeline, silent_pieces

_log = Log("encode")


class Placer:
    """A placer of a track's sound. It fills gaps and late starts with silence, so that every sample is at its capture time."""

    def __init__(self, settings: Mapping[str, Scalar]) -> None:
        self._settings = settings
        self._format, self._rate, self._channels, self._layout = "", 0, 0, ""
        self._timeline: AudioTimeline | None = None
        self.sent = 0  # the number of the next sample
        self._stretcher: Stretcher | None = None  # while drift is corrected
        self._before: AudioData | None = None  # the previous block, unless there is a gap after it
        self.origin_us = 0
        self._filled = Burst(_log, "sound: %d sample(s) of silence put in for a gap, up to %.3f s")
        self._left_out = Burst(_log, "sound: %d sample(s) left out that came twice, at %.3f s")

    def start(self, origin_us: int, first: AudioData | None) -> None:
        """Count time from ``origin_us``. A track whose ``first`` block is not known has the rate of its settings."""
        if first is not None:
            self._format, self._rate, self._channels = first.format, first.sample_rate, first.number_of_channels
            self._layout = first.layout
        else:
            self._format, self._rate = "s16", int(self._settings.get("sampleRate") or 48_000)
            self._channels = int(self._settings.get("channelCount") or 1)
        self.origin_us = origin_us
        self._timeline = AudioTimeline(self._rate, origin_us)

    def encode(self, block: AudioData) -> list[AudioData]:
        """Return the silence before the block, and the block without samples that overlap earlier ones."""
        assert self._timeline is not None, "started"
        self._check_shape(block)
        silence, skip, position = self._timeline.place(block.timestamp, block.number_of_frames, block.sequence)
        if silence or skip:
            self._filled.note(silence, block.timestamp / MICROSECONDS)
            self._left_out.note(skip, block.timestamp / MICROSECONDS)
            sounds = self._fill_to(position)
        else:
            self._filled.end()
            self._left_out.end()
            sounds = []
        if skip < block.number_of_frames:
            sounds += self._sound(without_first(block, skip), position)
        return sounds

    def keep_up(self, until_us: int) -> list[AudioData]:
        """Return silence up to ``until_us`` if no sound has come."""
        assert self._timeline is not None, "started"
        return self._fill_to(self._timeline.position) if self._timeline.advance(until_us) else []

    def finish(self) -> list[AudioData]:
        """Return the sound that is still held back."""
        return self._settle()

    def close(self) -> None:
        """Free the sound that is still held back."""
        self._stretcher, self._before = None, None

    def position(self, at_us: int) -> int:
        """Return the sample number at an instant, counted from the recording's origin."""
        return round((at_us - self.origin_us) * self._rate / MICROSECONDS)

    def instant_us(self, position: int) -> int:
        """Return the instant of a sample, the inverse of ``position``."""
        return self.origin_us + round(position * MICROSECONDS / self._rate)

    def corrections(self) -> Mapping[str, int]:
        """Return the corrections of the sound for the report."""
        timeline = self._timeline
        if timeline is None:
            return {}
        return {"silence": timeline.silence, "skipped": timeline.skipped, "driftPpm": timeline.drift_ppm}

    def _check_shape(self, block: AudioData) -> None:
        if (block.format, block.sample_rate, block.number_of_channels) != (self._format, self._rate, self._channels):
            now = f"{block.number_of_channels} channels at {block.sample_rate} Hz ({block.format})"
            raise NotSupportedError(f"the sound changed to {now} during the recording", hints=["start a new recording"])

    def _sound(self, block: AudioData, position: float) -> list[AudioData]:
        """Return the device's sound for this position: unchanged, or corrected for drift once the correction has begun."""
        assert self._timeline is not None, "started"
        if not self._timeline.stretching:
            self._before = block
            return [self._sent_on(block)]
        frame = as_samples(block)
        if self._stretcher is None:
            before = as_samples(self._before) if self._before is not None else None
            self._stretcher = Stretcher(frame, before, self.sent)
        return [self._stretched(part) for part in self._stretcher.stretch(frame, position)]

    def _settle(self) -> list[AudioData]:
        """Return the sound that the drift correction holds back, because a gap follows."""
        stretcher, self._stretcher, self._before = self._stretcher, None, None
        return [self._stretched(part) for part in stretcher.rest()] if stretcher else []

    def _stretched(self, part: av.AudioFrame) -> AudioData:
        return self._sent_on(as_block(part, self._format))

    def _fill_to(self, position: float) -> list[AudioData]:
        """Return silence up to a position (samples), in pieces."""
        sounds = self._settle()
        for count in silent_pieces(round(position) - self.sent, self._rate):
            shape = AudioData(self._format, self._rate, count, self._channels, 0, memoryview(b""))
            sounds.append(self._sent_on(silence(shape)))
        return sounds

    def _sent_on(self, block: AudioData) -> AudioData:
        """Return the block in its place. ``sequence`` counts from the recording's origin."""
        placed = replace(block, sequence=self.sent, timestamp=self.instant_us(self.sent))
        self.sent += block.number_of_frames
        return placed
