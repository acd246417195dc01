"""Sources that encode, and who takes their chunks: sinks that take a codec or do not, and tracks that are derived from them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

import mscli
from mscli.api.elementmedia import FrameDecoder
from mscli.api.recording import Delivery
from mscli.core.boxes import Mode
from mscli.core.codecs import AUDIO_CODECS, VIDEO_CODECS
from mscli.core.frames import AudioData, EncodedAudioChunk, EncodedVideoChunk, Media, VideoFrame
from mscli.core.window import Window
from mscli.encode.audio import SoundPackets
from mscli.encode.chunks import SoundShape
from mscli.encode.options import SinkOptions
from mscli.media import load_sound_decoder
from mscli.sinks.base import Sink
from tests.camera.test_reordered import HEIGHT, KEY_EVERY, SHAPES, SHAPES_OF_HEVC, STEP_US, WIDTH, stream
from tests.sinks.serial import CAMERA, numbered
from tests.sinks.synth import T0, tone
from tests.unit.stage import TIMEOUT_S
from tests.untyped import untyped


class Encoder(mscli.TrackSource):
    """A paced source of chunks. It gives them from a thread of the test."""

    live = False

    def __init__(self, kind: str, form: str = "") -> None:
        super().__init__(kind, "Encoder")
        self._form = form

    def capabilities(self) -> mscli.Abilities:
        if self.kind == "video":
            return mscli.Abilities([Mode(self._form, int(CAMERA["width"]), int(CAMERA["height"]), 30.0)])
        return mscli.Abilities(values={"sampleRate": (48_000,), "channelCount": (1,), "sampleSize": (16,)})


def frames_of(source: Encoder, given: Sequence[Media], init: dict[str, Any], constraints: dict[str, Any]) -> list[Any]:
    """What a reader of the source gets."""
    with mscli.MediaDevices(backends=[]) as devices:
        track = devices.add_source(source)
        track.apply_constraints(untyped(constraints))
        with mscli.MediaStreamTrackProcessor({"track": track, **init}).readable as frames:
            got = []
            for media in given:
                source.deliver(media)
                frame = frames.read(0)
                got += [frame] if frame is not None else []
            source.end()
            return got + list(frames)


@pytest.mark.parametrize("form", ["MJPEG", "H264", "HEVC", "VP8", "VP9"])
def test_a_reader_gets_pictures_of_a_source_that_encodes_or_its_chunks(form: str) -> None:
    chunks = numbered(4, form)
    pictures = frames_of(Encoder("video", form), chunks, {}, {})
    assert all(isinstance(frame, VideoFrame) for frame in pictures)
    assert [frame.timestamp for frame in pictures] == [chunk.timestamp for chunk in chunks]
    assert frames_of(Encoder("video", form), chunks, {"encoded": True}, {}) == chunks


@pytest.mark.parametrize("form", ["H264", "VP8"])
def test_chunks_that_others_build_on_are_decoded_before_some_are_left_out(form: str) -> None:
    chunks = numbered(12, form)
    for init in ({}, {"encoded": True}):
        got = frames_of(Encoder("video", form), chunks, init, {"frameRate": {"exact": 10}})
        assert all(isinstance(frame, VideoFrame) for frame in got)
        assert [frame.timestamp for frame in got] == [chunk.timestamp for chunk in chunks[::3]]


def test_chunks_that_build_on_none_are_left_out_undecoded() -> None:
    chunks = numbered(12, "MJPEG")
    got = frames_of(Encoder("video", "MJPEG"), chunks, {"encoded": True}, {"frameRate": {"exact": 10}})
    assert [(chunk.timestamp, bytes(chunk.data)) for chunk in got] == [(one.timestamp, bytes(one.data)) for one in chunks[::3]]


def opus(count: int) -> list[EncodedAudioChunk]:
    """Blocks of 10 ms of a tone, encoded."""
    encoder = SoundPackets(AUDIO_CODECS["opus"], SoundShape(48_000, 1, 16), SinkOptions(), T0)
    return [chunk for n in range(count) for chunk in encoder.encode(tone(n * 480, 480))] + encoder.finish()


def test_a_track_gives_the_sound_of_a_source_that_encodes_it() -> None:
    chunks = opus(20)
    blocks = frames_of(Encoder("audio"), chunks, {}, {})
    assert all(isinstance(block, AudioData) for block in blocks)
    assert sum(block.number_of_frames for block in blocks) >= 20 * 480
    loud = max(abs(sample) for block in blocks for sample in block.data.cast("B").cast("f" if block.format == "f32" else "h"))
    assert loud > (0.2 if blocks[0].format == "f32" else 6_000)


def test_a_chunk_of_sound_that_is_damaged_is_left_out() -> None:
    decode, chunk = load_sound_decoder(), opus(2)[0]
    broken = EncodedAudioChunk("key", 0, memoryview(b"\xff" * 3), "opus", 48_000, 1, 960, description=chunk.description)
    assert decode(broken) is None
    assert decode(chunk) is not None


class Taking(Sink):
    """Keeps what it is given."""

    def __init__(self, codecs: Sequence[str]) -> None:
        self.codecs, self.got = codecs, list[Media]()

    def open(self, tracks: object) -> None: ...

    def write(self, track: int, frame: Media) -> None:
        self.got.append(frame)

    def close(self) -> None: ...

    def abort(self) -> None: ...

    @property
    def bytes_written(self) -> int:
        return 0


class Named:
    """A track, as far as a delivery knows it."""

    kind, source_name, ended_error, overconstrained, ready_state, paced = "video", "Encoder", None, None, "live", False

    class timeouts:  # noqa: N801
        first_s = TIMEOUT_S


@pytest.mark.parametrize("form", ["MJPEG", "H264"])
def test_a_sink_gets_the_chunks_that_it_takes_and_pictures_of_all_others(form: str) -> None:
    chunks: list[EncodedVideoChunk] = numbered(5, form)
    for codecs, kind in ((VIDEO_CODECS, EncodedVideoChunk), ((), VideoFrame), (("av1",), VideoFrame)):
        sink = Taking([*codecs])
        delivery = Delivery(sink, [Named()], Window(["video"]))  # type: ignore[list-item]
        for chunk in chunks:
            delivery.put(0, chunk)
        assert [type(frame) for frame in sink.got] == [kind] * 5
        assert (delivery.complete_counts(complete=True), delivery.counts[0].frames) == (None, 5)


def test_damage_is_counted_for_a_sink_that_gets_pictures() -> None:
    chunks = numbered(5, "MJPEG")
    sink = Taking([])
    delivery = Delivery(sink, [Named()], Window(["video"]))  # type: ignore[list-item]
    for number, chunk in enumerate(chunks):
        data = chunk.data[:100] if number == 2 else chunk.data
        delivery.put(0, EncodedVideoChunk("key", chunk.timestamp, data, "mjpeg", chunk.coded_width, chunk.coded_height))
    assert len(sink.got) == 4
    assert delivery.complete_counts(complete=True) is None
    assert (delivery.counts[0].frames, delivery.counts[0].damaged, delivery.counts[0].lost) == (4, 1, 1)


def reordered(form: str, count: int = 12, step_us: int = STEP_US) -> list[EncodedVideoChunk]:
    """Pictures of a camera that shows them in another order than it encodes them."""
    parameters, most = (SHAPES if form == "h264" else SHAPES_OF_HEVC)["pyramid"]
    encoded = stream(parameters, {"h264": "libx264", "hevc": "libx265"}[form])[:count]
    return [
        EncodedVideoChunk(
            "delta" if number % KEY_EVERY else "key",
            T0 + place * step_us, memoryview(data), form, WIDTH, HEIGHT, step_us, number,
            reorder_us=max(0, (place - number + most) * step_us),
        )
        for number, (data, place) in enumerate(encoded)
    ]  # fmt: skip


@pytest.mark.parametrize("form", ["h264", "hevc"])
def test_the_last_pictures_that_a_decoder_holds_come_at_the_end_with_their_own_times_and_numbers(form: str) -> None:
    chunks = reordered(form)
    told = sorted((chunk.timestamp, chunk.sequence) for chunk in chunks)

    read = frames_of(Encoder("video", form.upper()), chunks, {}, {})
    assert [(frame.timestamp, frame.sequence) for frame in read] == told

    sink = Taking([])
    delivery = Delivery(sink, [Named()], Window(["video"]))  # type: ignore[list-item]
    for chunk in chunks:
        delivery.take(0, chunk)
    delivery.finish()
    assert delivery.complete_counts(complete=True) is None
    assert [(frame.timestamp, frame.sequence) for frame in sink.got] == told
    assert (delivery.counts[0].frames, delivery.counts[0].damaged) == (12, 0)

    element = FrameDecoder()
    shown = [frame for chunk in chunks for frame in element.decoded(chunk)] + [*element.rest()]
    assert [(frame.timestamp, frame.sequence) for frame in shown] == told


def test_a_time_lapse_has_the_picture_of_its_last_tick_although_a_decoder_holds_it() -> None:
    sink = Taking([])
    delivery = Delivery(sink, [Named()], Window(["video"]), lapse_us=4 * STEP_US)  # type: ignore[list-item]
    for chunk in reordered("h264")[:9]:  # the last is shown after those that follow, and so is in the decoder
        delivery.take(0, chunk)
    delivery.finish()
    assert len(sink.got) == 3


class Hurried(Named):
    """A track with which there is no patience."""

    class timeouts:  # noqa: N801
        first_s = 0.0


def test_a_camera_whose_frames_all_get_lost_is_given_up_unless_one_could_be_used() -> None:
    lossy, good = (Delivery(Taking([]), [Hurried()], Window(["video"])) for _ in range(2))  # type: ignore[list-item]
    lossy.note_missing([29])
    assert not lossy.over
    lossy.note_missing([30])
    assert lossy.gave_up.startswith("none of the last 30 frames from Encoder could be used; the last one was lost, or dropped")
    good.put(0, numbered(1, "MJPEG")[0])
    assert not good.awaited
    good.note_missing([30])
    assert not good.over
