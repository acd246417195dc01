"""Sound is encoded once for all outputs of a recording, whatever their video codec, and no output is harmed by another."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from types import MappingProxyType
from typing import Any

import av
import numpy as np
import pytest

import mscli as library
from mscli.api.mediarecorder import RecorderOutput
from mscli.core.boxes import Mode, Span
from mscli.core.codecs import AUDIO_CODECS, AudioCodec
from mscli.core.frames import AudioData, EncodedAudioChunk
from mscli.encode.audio import SoundPackets
from mscli.encode.options import SinkOptions, TrackFormat
from mscli.encode.shared import PacketReader, SharedMedia, SharedSoundReader
from mscli.sinks import SINKS
from mscli.sinks.recording.onefile import SoundTrack
from mscli.sources.base import Abilities
from mscli.sources.fake.video import VideoFeed
from tests.sinks.synth import T0, tone

BLOCK = 480  # samples: 10 ms
TIMEOUT_S = 60.0
LOSSY = [codec for codec in AUDIO_CODECS.values() if codec.lossy]


def block(number: int, samples: int = BLOCK) -> AudioData:
    """The block of a tone that begins so many blocks after T0."""
    return tone(number * BLOCK, samples, sequence=number * BLOCK)


class Taker:
    """An encoding's sound, and its packets of one codec."""

    def __init__(self, media: SharedMedia, codec: AudioCodec, *, begin: int = 0) -> None:
        self.reader: SharedSoundReader = media.reader(0, TrackFormat("audio", {"sampleRate": 48_000, "channelCount": 1}))
        self.codec, self.begin = codec, begin
        self.chunks: list[EncodedAudioChunk] = []
        self.samples = 0
        self._packets: PacketReader | None = None

    def take(self, *numbers: int) -> None:
        """Take these blocks."""
        for number in numbers:
            if self._packets is None:
                self.reader.hold(block(number))
                self.reader.start(T0 + number * 10_000, 0)
                self._packets = self.reader.packets(self.codec, SinkOptions(), T0 + number * 10_000)
                pieces = self.reader.held()
            else:
                pieces = self.reader.encode(block(number))
            for piece in pieces:
                self.samples += piece.count
                self.chunks += self._packets.encode(piece) if piece.count else []

    def finish(self) -> None:
        """Take the last chunks, and leave."""
        assert self._packets is not None
        self.chunks += self._packets.finish()
        self._packets.close()
        self.reader.close()

    @property
    def data(self) -> list[tuple[int, bytes]]:
        """The place and the bytes of each packet."""
        return [(chunk.sequence, bytes(chunk.data)) for chunk in self.chunks]


def alone(codec: AudioCodec, numbers: Sequence[int]) -> Taker:
    """What an encoding takes that shares nothing."""
    taker = Taker(SharedMedia(), codec)
    taker.take(*numbers)
    taker.finish()
    return taker


def decoded(codec: AudioCodec, chunks: Sequence[EncodedAudioChunk]) -> Any:
    """The samples of the chunks from sample 0 on."""
    context: Any = av.CodecContext.create(codec.decoder, "r")
    context.extradata = chunks[0].description
    context.sample_rate = 48_000
    context.layout = "mono"
    frames = [frame for chunk in chunks for frame in context.decode(av.Packet(bytes(chunk.data)))]
    frames += context.decode(None)
    sound = np.concatenate([frame.to_ndarray()[0] for frame in frames])
    skipped = int(getattr(frames[0], "pts", 0) or 0)
    return sound[-chunks[0].sequence - skipped :].astype(float) / (1 if frames[0].format.name.startswith("flt") else 32_768)


@pytest.mark.parametrize("codec", LOSSY, ids=lambda codec: codec.name)
def test_the_encoding_that_is_ahead_encodes_for_all(codec: AudioCodec, monkeypatch: pytest.MonkeyPatch) -> None:
    made = counted(monkeypatch)
    media = SharedMedia()
    one, other = Taker(media, codec), Taker(media, codec)
    one.take(*range(40))
    other.take(*range(60))  # now this one is ahead
    one.take(*range(40, 100))
    other.take(*range(60, 100))
    for taker in (one, other):
        taker.reader.end_us = T0 + 1_000_000  # nobody takes more
    one.finish()
    other.finish()
    assert made == [codec.name]
    assert one.data == other.data == alone(codec, range(100)).data
    assert sum(chunk.count for chunk in one.chunks) == 100 * BLOCK


@pytest.mark.parametrize("codec", LOSSY, ids=lambda codec: codec.name)
def test_one_that_ends_early_has_all_its_sound_and_changes_nothing_for_the_others(codec: AudioCodec) -> None:
    media = SharedMedia()
    early, same, late = (Taker(media, codec) for _ in range(3))
    for number in range(73):
        for taker in (early, same, late):
            taker.take(number)
    early.finish()
    same.finish()  # at the same sample
    late.take(*range(73, 120))
    late.finish()
    assert late.data == alone(codec, range(120)).data
    assert early.data == same.data
    assert sum(chunk.count for chunk in early.chunks) == early.samples == 73 * BLOCK
    whole, cut = decoded(codec, late.chunks), decoded(codec, early.chunks)
    last = 73 * BLOCK - codec.delay  # what follows overlaps with silence
    off = whole[last - 1440 : last] - cut[last - 1440 : last]
    assert np.array_equal(whole[:-9600][: last - 4800], cut[: last - 4800])
    assert np.sqrt((off**2).mean()) < 0.03  # the tone has 0.25


def test_one_that_ends_behind_the_others_ends_with_its_own_last_sample() -> None:
    media, codec = SharedMedia(), AUDIO_CODECS["aac"]
    ahead, behind = Taker(media, codec), Taker(media, codec)
    behind.take(0)
    ahead.take(*range(100))
    behind.take(*range(1, 50))
    behind.finish()
    ahead.finish()
    assert sum(chunk.count for chunk in behind.chunks) == 50 * BLOCK
    assert behind.data == ahead.data[: len(behind.data)]


def test_one_that_is_added_takes_packets_from_where_its_decoder_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    made = counted(monkeypatch)
    media, codec = SharedMedia(), AUDIO_CODECS["aac"]
    first = Taker(media, codec)
    first.take(*range(50))
    added = Taker(media, codec)
    first.take(*range(50, 80))
    added.take(*range(50, 80))
    first.reader.end_us = added.reader.end_us = T0 + 800_000
    first.finish()
    added.finish()
    assert made == ["aac"]
    assert added.samples == 30 * BLOCK
    assert added.data == first.data[-len(added.data) :]
    assert 0 <= added.chunks[0].sequence + codec.delay - 50 * BLOCK < 1024


def test_one_that_is_added_while_the_others_are_far_behind_has_sound_of_its_own() -> None:
    media, codec = SharedMedia(), AUDIO_CODECS["opus"]
    slow = Taker(media, codec)
    slow.take(*range(10))
    added = Taker(media, codec)
    assert not added.reader.follows or not added.reader.first_us
    added.take(*range(50, 60))
    slow.take(*range(10, 60))
    slow.finish()
    added.finish()
    assert slow.data == alone(codec, range(60)).data
    assert slow.reader.corrections()["silence"] == 0
    assert added.samples == 10 * BLOCK


def test_a_block_that_ends_one_output_is_whole_for_another() -> None:
    media, codec = SharedMedia(), AUDIO_CODECS["aac"]
    one, other = Taker(media, codec), Taker(media, codec)
    one.take(*range(10))
    one.reader.encode(block(10, 100))  # its end is within this block
    other.take(*range(20))
    assert other.samples == 20 * BLOCK
    assert other.reader.corrections() == {"silence": 0, "skipped": 0, "driftPpm": 0}


def test_a_reader_that_hangs_does_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    from mscli.encode import shared

    monkeypatch.setattr(shared, "AUDIO_QUEUE_SECONDS", 1)
    media, codec = SharedMedia(), AUDIO_CODECS["opus"]
    hanging, going = Taker(media, codec), Taker(media, codec)
    hanging.take(0)
    going.take(*range(500))
    sound = going.reader.sound
    assert len(sound.steps) <= 201
    (packets,) = sound.packets.values()
    assert len(packets.kept) <= 102


class Paced(library.TrackSource):
    """A source that gives a frame when the test says so, and waits for its readers."""

    live = False

    def __init__(self, kind: str) -> None:
        super().__init__(kind, kind)
        self._feed = VideoFeed("I420", {"width": 64, "height": 48, "frameRate": 100})

    def capabilities(self) -> Abilities:
        if self.kind == "video":
            return Abilities([Mode("I420", 64, 48, 100)])
        return Abilities(values={"sampleRate": Span(48_000, 48_000), "channelCount": Span(1, 1)})

    def give(self, number: int) -> None:
        """Give the frame with this number: 10 ms."""
        self.deliver(self._feed.frame(number, number, T0 + number * 10_000) if self.kind == "video" else block(number))


def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the list of the codecs of all sound encoders from now on."""
    made: list[str] = []

    def note(cls: type, place: int) -> None:
        begin = cls.__init__  # type: ignore[misc]

        def noting(self: object, *given: Any) -> None:
            made.append((given[place][0] if place else given[0]).name)
            begin(self, *given)

        monkeypatch.setattr(cls, "__init__", noting)

    note(SoundPackets, 0)
    note(SoundTrack, 1)
    return made


@pytest.fixture
def sources() -> Iterator[tuple[Paced, Paced]]:
    """A camera and a microphone."""
    camera, microphone = Paced("video"), Paced("audio")
    yield camera, microphone
    camera.end()
    microphone.end()


@contextmanager
def giving(
    sources: Sequence[Paced], count: int, at: Mapping[int, Callable[[], object]] = MappingProxyType({})
) -> Iterator[None]:
    """Give this number of frames of each source meanwhile: they wait for a reader, and so for ever behind a recording's end.

    ``at``: what to do before the frames of a number.
    """

    def give() -> None:
        for number in range(count):
            at.get(number, lambda: None)()
            for source in sources:
                source.give(number)

    thread = Thread(target=give, name="giving")
    thread.start()
    try:
        yield
    finally:
        for source in sources:
            source.end()
        thread.join()


def sound_in(path: Path) -> list[bytes]:
    """The packets of a file's sound."""
    with av.open(str(path)) as file:
        return [bytes(packet) for packet in file.demux(file.streams.audio[0]) if packet.size]


def test_outputs_with_other_video_codecs_or_none_share_one_encoder_of_sound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sources: tuple[Paced, Paced]
) -> None:
    made = counted(monkeypatch)
    codecs = {"a.mp4": "h264", "b.mkv": "mjpeg", "c.m4a": ""}
    options = {name: SinkOptions(video_codec=codec, audio_codec="aac") for name, codec in codecs.items()}
    outputs = [RecorderOutput(str(tmp_path / name), SINKS[name[2:]], options[name]) for name in codecs]
    with library.MediaDevices(backends=[]) as devices:
        stream = library.MediaStream([devices.add_source(source) for source in sources])
        recorder = library.MediaRecorder(stream, outputs=outputs, window=(0.5, None))
        recorder.start()
        with giving(sources, 60):
            assert recorder.join(TIMEOUT_S)
        assert recorder.recording is not None
        assert len(recorder.recording.groups) == 3
        assert [one.counts[-1].frames for one in recorder.recording.outputs] == [24_000] * 3
    found = [sound_in(tmp_path / name) for name in codecs]
    assert found[0] == found[1] == found[2]
    assert made == ["aac"]


@pytest.mark.parametrize("name", ["same.mkv", "other.webm", "sound.ogg"])
def test_an_added_output_shares_the_encoder_of_sound(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sources: tuple[Paced, Paced]
) -> None:
    made = counted(monkeypatch)
    first, added = tmp_path / "first.mkv", tmp_path / name
    with library.MediaDevices(backends=[]) as devices:
        stream = library.MediaStream([devices.add_source(source) for source in sources])
        recorder = library.MediaRecorder(stream, file=str(first), window=(3.0, None))
        recorder.start()
        with giving(sources, 310, {100: lambda: recorder.add_output(str(added))}):
            assert recorder.join(TIMEOUT_S)
        recording = recorder.recording
        assert recording is not None
        assert recording.error is None
        whole, part = (one.counts[-1].frames for one in recording.outputs)
    one, other = sound_in(first), sound_in(added)
    assert made == ["opus"]
    assert other == one[-len(other) :]
    assert 0 < len(other) < len(one)
    assert whole == 144_000
    assert abs(part - len(other) * 960) < 3 * 960


def test_an_output_without_video_ends_with_the_counted_pictures_of_the_others(
    tmp_path: Path, sources: tuple[Paced, Paced]
) -> None:
    names = [str(tmp_path / name) for name in ("a.mkv", "b.ogg")]
    with library.MediaDevices(backends=[]) as devices:
        stream = library.MediaStream([devices.add_source(source) for source in sources])
        recorder = library.MediaRecorder(stream, outputs=names, window=(None, 50))
        recorder.start()
        with giving(sources, 60):
            assert recorder.join(TIMEOUT_S)
        assert recorder.recording is not None
        both, sound = recorder.recording.outputs
    assert (both.error, sound.error) == (None, None)
    assert [counts.frames for counts in both.counts] == [50, 24_000]
    assert 24_000 <= sound.counts[0].frames <= 60 * BLOCK
