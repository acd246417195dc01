"""The chunks that an encoding hands to packet sinks: of the types that cameras give, at their times, ready to be decoded."""

from __future__ import annotations

import io
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import av
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mscli.core.codecs import AUDIO_CODECS, VIDEO_CODECS
from mscli.core.frames import AudioData, EncodedAudioChunk, EncodedVideoChunk, between
from mscli.encode.codecs import CONTAINERS
from mscli.encode.encoding import EncodedTrack, Encoding, Outlet
from mscli.encode.options import SinkOptions, TrackFormat
from mscli.media.pictures import PictureReader
from mscli.sinks.recording.onefile import packet_of
from tests.sinks.serial import numbered
from tests.sinks.synth import GREEN, RED, T0, NoFile, close_to, h264, picture, tone, yuv


class Kept(NoFile):
    """Keeps what it is given."""

    def __init__(self, suffix: str = "mkv", *, shares_sound: bool = False) -> None:
        self.takes = CONTAINERS[suffix]
        self.pieces: dict[int, list[Any]] = {}
        self.tracks: Sequence[EncodedTrack] = ()
        self.shares_sound = shares_sound

    def begin(self, tracks: Sequence[EncodedTrack], origin_us: int) -> None:
        self.tracks = tracks
        assert origin_us == T0

    def put(self, track: int, piece: object) -> None:
        self.pieces.setdefault(track, []).append(piece)


def encoded(sink: Kept, frames: Sequence[tuple[int, Any]], **options: Any) -> Kept:
    """The sink, after an encoding of the frames."""
    kinds = ["audio" if isinstance(frame, AudioData) else "video" for _, frame in sorted(frames, key=lambda one: one[0])]
    tracks = [TrackFormat(kind, {"frameRate": 25.0}) for kind in dict.fromkeys(kinds)]
    how = SinkOptions(**options)
    encoding = Encoding(tracks, sink.takes, how)
    encoding.add(Outlet("kept", sink, how))
    for track, frame in frames:
        encoding.write(track, frame)
    encoding.end()
    return sink


def pictures(count: int) -> list[tuple[int, Any]]:
    return [(0, picture(rgb=GREEN if n % 2 else RED, at_us=T0 + n * 40_000 + n % 3)) for n in range(count)]


@pytest.mark.parametrize("codec", ["h264", "hevc", "vp8", "vp9", "mjpeg", "ffv1"])
def test_an_encoders_chunks_are_decoded_by_the_reader_of_a_cameras(codec: str) -> None:
    frames = pictures(6)
    chunks = encoded(Kept(), frames, video_codec=codec).pieces[0]
    assert all(isinstance(chunk, EncodedVideoChunk) and chunk.codec == codec for chunk in chunks)
    assert [chunk.timestamp for chunk in chunks] == [frame.timestamp for _, frame in frames]
    assert chunks[0].key
    assert all(chunk.key for chunk in chunks) or not VIDEO_CODECS[codec].intra
    reader = PictureReader()
    shown = [one for chunk in chunks for one in reader.read(chunk)] + reader.rest()
    assert (len(shown), reader.faults.left_out) == (6, 0)
    for one, rgb in zip(shown, (RED, GREEN), strict=False):
        color = VIDEO_CODECS[codec].encoded_color(frames[0][1].color_space)
        assert close_to([bytes(plane)[0] for plane in one.planes[:3]], yuv(rgb, color), 6)


def test_an_encoders_packet_is_not_copied_for_its_chunk() -> None:
    for chunk in encoded(Kept(), pictures(3)).pieces[0]:
        assert isinstance(chunk.data.obj, av.Packet)


def test_each_output_has_a_packet_of_its_own_with_all_that_the_encoder_has_said() -> None:
    """Outputs write at once, on threads of their own, and a packet gets another time in each."""
    frames = [(0, tone(n * 480, 480)) for n in range(9)]
    for chunk in encoded(Kept(shares_sound=True), frames, audio_codec="opus").pieces[0]:
        owner, one, other = chunk.data.obj, packet_of(chunk.data), packet_of(chunk.data)
        assert len({id(owner), id(one), id(other)}) == 3
        assert bytes(one) == bytes(other) == bytes(owner)
        said = [bytes(data) for data in owner.iter_sidedata()]
        assert [bytes(data) for data in one.iter_sidedata()] == said
    assert said, "the last one says how many samples are too many"


@pytest.mark.parametrize("form", ["MJPEG", "H264"])
def test_copied_chunks_are_a_cameras_with_memory_of_their_own(form: str) -> None:
    camera = numbered(4, form)
    kept = encoded(Kept(), [(0, chunk) for chunk in camera], video_codec="copy").pieces[0]
    assert [bytes(chunk.data) for chunk in kept] == [bytes(chunk.data) for chunk in camera]
    assert [(one.type, one.timestamp, one.codec) for one in kept] == [(one.type, one.timestamp, one.codec) for one in camera]
    assert all(one.data.obj is not given.data.obj for one, given in zip(kept, camera, strict=True))


@pytest.mark.parametrize("codec", ["opus", "aac", "mp3"])
def test_shared_sound_is_chunks_without_a_gap_that_count_all_samples(codec: str) -> None:
    blocks = [(0, tone(n * 480, 480)) for n in range(50)]
    sink = encoded(Kept(shares_sound=True), blocks, audio_codec=codec)
    chunks = sink.pieces[0]
    assert all(isinstance(chunk, EncodedAudioChunk) and chunk.codec == codec in AUDIO_CODECS for chunk in chunks)
    assert sum(chunk.count for chunk in chunks) == 50 * 480
    steps = {after.sequence - before.sequence for before, after in pairwise(chunks)}
    assert len(steps) == 1
    assert chunks[0].sequence <= 0
    assert sink.tracks[0].delay_us == round(-chunks[0].sequence * 1_000_000 / chunks[0].sample_rate)


def test_sound_for_a_file_of_its_own_is_blocks_in_their_places() -> None:
    blocks = [(0, tone(n * 480, 480, sequence=7_000 + n * 480)) for n in range(4)]
    placed = encoded(Kept("wav"), blocks).pieces[0]
    assert [(block.sequence, block.timestamp) for block in placed] == [(n * 480, T0 + n * 10_000) for n in range(4)]
    assert b"".join(bytes(block.data) for block in placed) == b"".join(bytes(block.data) for _, block in blocks)


@given(first=st.integers(-50, 150), last=st.integers(-50, 150), channels=st.integers(1, 3))
def test_a_cut_of_sound_has_just_the_samples_in_between(first: int, last: int, channels: int) -> None:
    unit = 2 * channels
    data = bytes(n % 251 for n in range(100 * unit))
    cut = between(AudioData("s16", 1000, 100, channels, 5_000, memoryview(data), 20), first, last)
    begin, end = max(first, 20), min(last, 120)
    assert cut.count == max(0, end - begin)
    if cut.count:
        assert bytes(cut.data) == data[(begin - 20) * unit : (end - 20) * unit]
        assert (cut.sequence, cut.timestamp) == (begin, 5_000 + (begin - 20) * 1000)


@settings(max_examples=30, deadline=None)
@given(steps=st.lists(st.integers(0, 100_000), min_size=1, max_size=8))
def test_a_file_holds_every_chunk_at_its_time_and_times_only_rise(steps: list[int]) -> None:
    from mscli.sinks import SINKS, load_sink

    file = io.BytesIO()
    sink = load_sink(SINKS["mkv"], file, SinkOptions(video_codec="copy"))
    sink.open([TrackFormat("video", {"frameRate": 25.0}, "MJPEG")])
    times = [sum(steps[:n]) for n in range(len(steps) + 1)]
    frame = numbered_jpeg()
    for at_us in times:
        sink.write(0, EncodedVideoChunk("key", T0 + at_us, frame.data, "mjpeg", frame.coded_width, frame.coded_height))
    sink.close()
    with av.open(io.BytesIO(file.getvalue()), "r") as container:
        found = [float((packet.pts or 0) * packet.time_base) * 1000 for packet in container.demux() if packet.size]
    assert len(found) == len(times)
    assert found == sorted(found)
    assert all(abs(ms - us / 1000) <= 1 for ms, us in zip(found, times, strict=True))  # Matroska counts milliseconds


def numbered_jpeg(made: list[Any] = []) -> Any:  # noqa: B006 (made once)
    """A camera's JPEG."""
    if not made:
        made.extend(numbered(1, "MJPEG"))
    return made[0]


def test_reordered_pictures_of_a_camera_stay_in_the_order_in_which_they_are_decoded() -> None:
    chunks = h264(5, reordered=2)
    reader = PictureReader()
    shown = [one for chunk in chunks for one in reader.read(chunk)] + reader.rest()
    assert len(shown) == 5


@pytest.mark.parametrize("form", ["", "MJPEG"])
def test_no_output_can_write_into_what_others_get(form: str) -> None:
    video = numbered(4, form) if form else [frame for _, frame in pictures(4)]
    frames = [*((0, one) for one in video), *((1, tone(n * 480, 480)) for n in range(50))]
    sink = encoded(Kept(shares_sound=True), frames, audio_codec="opus", **({"video_codec": "copy"} if form else {}))
    assert sink.pieces[0]
    assert sink.pieces[1]
    assert all(chunk.data.readonly for pieces in sink.pieces.values() for chunk in pieces)
