"""Recordings, read back by ffprobe and ffmpeg: times as captured, sound in its place, codecs and colours as asked."""

from __future__ import annotations

import io
import os
import random
import struct
from array import array
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest

from mscli.core.clock import wall_clock
from mscli.core.codecs import AUDIO_CODECS, VIDEO_CODECS, AudioCodec
from mscli.core.errors import NotSupportedError
from mscli.core.frames import (
    BT601,
    BT709,
    JPEG_COLOR,
    PIXEL_FORMATS,
    AudioData,
    EncodedVideoChunk,
    Media,
    VideoColorSpace,
    VideoFrame,
    frame_bytes,
    split_planes,
)
from mscli.encode.audio import SoundPackets
from mscli.encode.chunks import SoundShape
from mscli.encode.codecs import CONTAINERS
from mscli.encode.options import Series, SinkOptions, TrackFormat
from mscli.sinks import SINKS, SinkRow, load_sink
from mscli.sinks.base import Sink
from tests.backends.pulse_rig import amplitude
from tests.sinks.synth import (
    BLUE,
    CONTAINER_ROWS,
    GREEN,
    RED,
    T0,
    WHITE,
    close_to,
    feed_and_close,
    frame_times,
    frames_for,
    h264,
    jpeg,
    kinds_of,
    matroska_blocks,
    mean_rgb,
    noise,
    opened,
    pcm,
    picture,
    probe,
    run,
    tone,
)

BLACK = (0, 0, 0)
JITTER_US = (0, 3_000, -2_000, 11_000, 7_000)

video_containers = pytest.mark.parametrize("suffix", ["mp4", "webm", "mkv", "mov"])


def test_only_files_wait_for_light_frames_to_gather(tmp_path: Path) -> None:
    name = str(tmp_path / "a.mkv")
    read, write = os.pipe()
    try:
        targets: list[Any] = [name, write, io.BytesIO()]
        assert [load_sink(SINKS["mkv"], target, SinkOptions()).gather_s > 0 for target in targets] == [True, False, False]
    finally:
        os.close(read)
        os.close(write)
    assert load_sink(SINKS["mkv"], name, SinkOptions(series=Series(duration_s=1))).gather_s > 0


@pytest.mark.parametrize(("microphones", "piped"), [(1, False), (2, True)])
@pytest.mark.parametrize(
    ("suffix", "video", "audio"),
    [("webm", "vp8", "opus"), ("webm", "vp9", "opus"), ("mkv", "h264", "aac"), ("mkv", "mjpeg", "mp3")],
)
def test_matroska_blocks_come_in_the_order_of_their_times(
    suffix: str, video: str, audio: str, microphones: int, piped: bool, tmp_path: Path
) -> None:
    path, pipe = tmp_path / f"a.{suffix}", io.BytesIO()
    kinds = ["video", *["audio"] * microphones]
    sink = opened(SINKS[suffix], pipe if piped else str(path), kinds, video_codec=video, audio_codec=audio)
    frames: list[tuple[int, Media]] = [(0, noise(64, 48, T0 + n * 33_333, n)) for n in range(40)]
    frames += [(1 + track, tone(n * 480, 480)) for n in range(130) for track in range(microphones)]
    feed_and_close(sink, sorted(frames, key=lambda entry: entry[1].timestamp))
    blocks = matroska_blocks(pipe.getvalue() if piped else path.read_bytes())
    times = [time for _, time in blocks]
    assert times == sorted(times)
    assert {track for track, _ in blocks} == set(range(1, len(kinds) + 1))
    assert [time for track, time in blocks if track == 1][:3] == [0, 33, 67]


@pytest.mark.parametrize("codec", AUDIO_CODECS.values(), ids=lambda codec: codec.name)
def test_the_delay_of_a_codec_is_what_its_encoder_counts_below_zero(codec: AudioCodec) -> None:
    options = SinkOptions(audio_codec=codec.name)
    encoder = SoundPackets(codec, SoundShape(48000, 1, 16), options, T0)
    chunks = encoder.encode(tone(0, 4800)) + encoder.finish()
    assert -chunks[0].sequence == codec.delay


@pytest.mark.parametrize("row", CONTAINER_ROWS, ids=lambda row: row.suffix)
def test_a_file_says_when_it_was_recorded_and_on_which_devices_unless_it_is_not_to(row: SinkRow, tmp_path: Path) -> None:
    kinds = kinds_of(row)
    told = {}
    for metadata in (True, False):
        path = tmp_path / f"{metadata}.{row.suffix}"
        sink = load_sink(row, str(path), SinkOptions(metadata=metadata))
        sink.open([TrackFormat(kind, {"frameRate": 25.0}, label=f"Anna's {kind}") for kind in kinds])
        before = wall_clock(T0)
        feed_and_close(sink, frames_for(row, 5))
        after = wall_clock(T0)  # the same, as far as two clocks agree
        found = probe(path, "-show_entries", "format_tags:stream_tags")
        tags = [found["format"].get("tags", {}), *(one.get("tags", {}) for one in found["streams"])]
        told[metadata] = {key.lower(): value for one in tags for key, value in one.items()}
        if metadata:
            date = told[True]["date"] if row.suffix == "wav" else told[True].get("creation_time") or told[True]["date"]
            assert before - timedelta(seconds=1) <= datetime.fromisoformat(date) <= after
        names = row.suffix == "wav" or bool(CONTAINERS[row.suffix].title)  # a WAV has them in its chunk of broadcasters
        assert (b"Anna" in path.read_bytes()) is (metadata and names)
    assert not {"creation_time", "date"} & set(told[False])


def channel_tones(path: Path, channels: int) -> list[int]:
    """Of each channel the number of the tone that is loudest in it: tone n is n × 300 Hz. 0: it is silent."""
    data = array("h", run("ffmpeg", "-v", "error", "-i", path, "-f", "s16le", "-c:a", "pcm_s16le", "-"))
    found = []
    for channel in range(channels):
        heard = data[channel::channels][24_000:28_800]
        levels = {n: amplitude(heard, 300 * n) for n in range(1, channels + 1)}
        loudest = max(levels, key=lambda n: levels[n])
        found.append(loudest if levels[loudest] > 4_000 else 0)
    return found


@pytest.mark.parametrize(
    ("suffix", "channels", "layout", "labelled", "tones"),
    [
        ("m4a", 4, "", "quad", [1, 2, 3, 4]),
        ("m4a", 6, "", "", [1, 2, 3, 4, 5, 6]),
        ("m4a", 8, "", "", [1, 2, 3, 4, 5, 6, 7, 8]),
        ("m4a", 6, "5.1", "5.1", [1, 2, 3, 0, 5, 6]),  # which really is a loudspeaker for low frequencies alone
        ("m4a", 5, "", "", [1, 2, 3, 4, 5]),
        ("m4a", 7, "", "", [1, 2, 3, 4, 5, 6, 7]),
        ("ogg", 3, "", "", [1, 2, 3]),
        ("ogg", 5, "5.0", "5.0", [1, 2, 3, 4, 5]),
        ("ogg", 6, "", "", [1, 2, 3, 4, 5, 6]),
        ("ogg", 7, "6.1", "6.1", [1, 2, 3, 4, 5, 6, 7]),
        ("ogg", 7, "", "", [1, 2, 3, 4, 5, 6, 7]),
        ("ogg", 8, "7.1", "7.1", [1, 2, 3, 4, 5, 6, 7, 8]),
        ("flac", 5, "", "5.0", [1, 2, 3, 4, 5]),
        ("flac", 7, "", "6.1", [1, 2, 3, 4, 5, 6, 7]),
        ("flac", 6, "", "5.1", [1, 2, 3, 4, 5, 6]),
        ("wav", 6, "", "", [1, 2, 3, 4, 5, 6]),
        ("wav", 6, "5.1", "5.1", [1, 2, 3, 4, 5, 6]),
        ("mkv", 8, "", "", [1, 2, 3, 4, 5, 6, 7, 8]),
    ],
)
def test_every_channel_is_kept_in_its_place(
    suffix: str, channels: int, layout: str, labelled: str, tones: list[int], tmp_path: Path
) -> None:
    path = tmp_path / f"a.{suffix}"
    data = array("h", bytes(48_000 * 2 * channels))
    for channel in range(channels):
        data[channel::channels] = array("h", tone(0, 48_000, hz=300 * (channel + 1)).data.tobytes())
    block = AudioData("s16", 48_000, 48_000, channels, T0, memoryview(data).cast("B"), layout=layout)
    codec = {"mkv": "pcm"}.get(suffix, "")
    sink = load_sink(SINKS[suffix], str(path), SinkOptions(audio_codec=codec))
    sink.open([TrackFormat("audio", {"channelCount": channels})])
    feed_and_close(sink, [(0, block)])
    assert channel_tones(path, channels) == tones
    if suffix != "mkv":
        assert probe(path)["streams"][0].get("channel_layout", "").replace("unknown", "") == labelled


def pictures(count: int, start_us: int = 0, *, flash: int = -1) -> list[tuple[int, Media]]:
    """Pictures about 40 ms apart, not evenly; one of them white."""
    return [
        (0, picture(rgb=WHITE if index == flash else BLACK, at_us=T0 + start_us + moment(index), sequence=index))
        for index in range(count)
    ]


def moment(index: int) -> int:
    return index * 40_000 + JITTER_US[index % len(JITTER_US)]


def sound(
    seconds: float, start_us: int = 0, *, track: int = 1, rate: int = 48_000, beep_us: int = -1
) -> list[tuple[int, Media]]:
    """Blocks of 20 ms; a tone throughout, or 100 ms of it at one place (from T0) and silence else."""
    size = rate // 50
    blocks: list[tuple[int, Media]] = []
    for index in range(round(seconds * 50)):
        at_us = start_us + index * 20_000
        block = tone(index * size, size, rate=rate, hz=1000, at_us=T0 + at_us)
        if beep_us >= 0 and not beep_us <= at_us < beep_us + 100_000:
            block = replace(block, data=memoryview(bytes(size * 2)))
        blocks.append((track, block))
    return blocks


def in_time(*tracks: Sequence[tuple[int, Media]]) -> list[tuple[int, Media]]:
    """All frames in the order in which they come: sound when its block is complete."""
    return sorted((entry for track in tracks for entry in track), key=lambda entry: ends(entry[1]))


def ends(frame: Media) -> int:
    return frame.timestamp + (frame.duration or 0)


def recorded(
    path: Path, frames: Sequence[tuple[int, Media]], kinds: Sequence[str] = ("video", "audio"), **options: Any
) -> Sink:
    sink = opened(SINKS[path.suffix[1:]], str(path), kinds, **options)
    feed_and_close(sink, frames)
    return sink


def flash_at(path: Path) -> float:
    """When the white picture is shown (seconds)."""
    found = probe(
        f"movie={path},signalstats", "-f", "lavfi", "-show_entries", "frame=pts_time:frame_tags=lavfi.signalstats.YAVG"
    )
    return next(float(f["pts_time"]) for f in found["frames"] if float(f["tags"]["lavfi.signalstats.YAVG"]) > 120)


def first_sound_at(path: Path) -> float:
    """When the sound begins (seconds)."""
    return next(index for index, value in enumerate(pcm(path)) if abs(value) > 3000) / rate_of(path)


def rate_of(path: Path) -> int:
    (stream,) = probe(path, "-select_streams", "a", "-show_streams")["streams"]
    return int(stream["sample_rate"])


def frequency(samples: Sequence[int], rate: int) -> float:
    """Of a tone, by its zero crossings (Hz)."""
    crossings = sum(a < 0 <= b for a, b in pairwise(samples))
    return crossings * rate / len(samples)


@video_containers
def test_pictures_keep_the_times_of_their_capture(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.{suffix}"
    recorded(path, pictures(40), ["video"])
    assert close_to(frame_times(path), [moment(index) / 1e6 for index in range(40)], 0.001)


@video_containers
@pytest.mark.parametrize(("picture_us", "sound_us"), [(0, 0), (0, 140_000), (140_000, 0), (0, 1_400_000), (1_400_000, 0)])
def test_picture_and_sound_meet_whichever_begins_first(suffix: str, picture_us: int, sound_us: int, tmp_path: Path) -> None:
    path = tmp_path / f"a.{suffix}"
    beep_us = 1_800_000
    flash = (beep_us - picture_us) // 40_000
    sink = recorded(path, in_time(pictures(60, picture_us, flash=flash), sound(3, sound_us, beep_us=beep_us)))
    shown_us = picture_us + moment(flash) - min(picture_us, sound_us)
    assert abs(flash_at(path) - shown_us / 1e6) < 0.002
    assert abs(first_sound_at(path) - beep_us / 1e6) < 0.012
    assert sink.corrections(1).get("silence", 0) >= sound_us * 48 // 1000


@pytest.mark.parametrize("suffix", list(CONTAINERS))
@pytest.mark.parametrize("rate", [16_000, 44_100, 48_000])
def test_a_tone_keeps_its_pitch_and_its_length(suffix: str, rate: int, tmp_path: Path) -> None:
    path = tmp_path / f"a.{suffix}"
    recorded(path, sound(2, track=0, rate=rate), ["audio"])
    samples, found = pcm(path), rate_of(path)
    assert abs(len(samples) / found - 2) < 0.05
    assert abs(frequency(samples[found // 2 : found * 3 // 2], found) - 1000) < 3
    assert max(samples) > 10_000


def test_lossless_sound_is_the_very_samples(tmp_path: Path) -> None:
    wanted = [value for _, block in sound(1) if isinstance(block, AudioData) for value in block.data.cast("h")]
    for suffix in ("wav", "flac"):
        recorded(tmp_path / f"a.{suffix}", sound(1, track=0), ["audio"])
        assert pcm(tmp_path / f"a.{suffix}") == wanted
    assert run("sox", tmp_path / "a.wav", "-t", "raw", "-") == struct.pack(f"<{len(wanted)}h", *wanted)


@pytest.mark.parametrize(
    ("suffix", "codec", "name"),
    [("wav", "pcm", "pcm_s24le"), ("mov", "pcm", "pcm_s24le"), ("mkv", "pcm", "pcm_s24le"), ("flac", "flac", "flac")],
)
def test_samples_of_24_bits_are_kept(suffix: str, codec: str, name: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.{suffix}"
    data = memoryview(struct.pack("=480i", *(index << 10 for index in range(480))))
    sink = load_sink(SINKS[suffix], str(path), SinkOptions(audio_codec=codec))
    sink.open([TrackFormat("audio", {"sampleSize": 24})])
    feed_and_close(sink, [(0, AudioData("s32", 48_000, 480, 1, T0, data))])
    assert probe(path)["streams"][0]["codec_name"] == name
    assert run("ffmpeg", "-v", "error", "-i", path, "-f", "s32le", "-") == bytes(data)


def test_lost_sound_is_silence_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    blocks = sound(1, track=0)
    sink = recorded(path, blocks[:20] + blocks[25:], ["audio"])
    samples = pcm(path)
    assert len(samples) == 48_000
    assert set(samples[19_200:24_000]) == {0}
    assert sink.corrections(0) == {"silence": 4800}


@video_containers
def test_sound_that_stops_keeps_up_with_silence(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.{suffix}"
    recorded(path, in_time(pictures(100), sound(0.5)))
    samples = pcm(path)
    assert 2.8 < len(samples) / 48_000 < 3.3
    assert max(map(abs, samples[48_000:])) < 300


@video_containers
def test_pictures_that_stop_do_not_hold_the_sound_back(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.{suffix}"
    sink = opened(SINKS[suffix], str(path))
    for track, frame in in_time(pictures(10), sound(5)):
        sink.write(track, frame)
    deadline = monotonic() + 30
    while path.stat().st_size <= 5000:  # writes are gathered for half a second
        assert monotonic() < deadline, "the sound is held back"
        sleep(0.05)
    sink.close()
    assert len(frame_times(path)) == 10 + sink.corrections(0).get("duplicated", 0) < 20
    assert abs(len(pcm(path)) / 48_000 - 5) < 0.1


@pytest.mark.parametrize(
    ("suffix", "codec"), [(row.suffix, codec) for row in CONTAINERS.values() for codec in row.video]
)  # fmt: skip
def test_every_video_codec_of_every_container_can_be_read(suffix: str, codec: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.{suffix}"
    frames: list[tuple[int, Media]] = [(0, picture("YUYV", 64, 64, GREEN, at_us=T0 + moment(index))) for index in range(30)]
    recorded(path, frames, ["video"], video_codec=codec)
    (stream,) = probe(path, "-count_frames", "-show_streams")["streams"]
    pixels = {"ffv1": "yuv422p", "mjpeg": "yuvj420p"}.get(codec, "yuv420p")
    assert (stream["codec_name"], stream["nb_read_frames"], stream["pix_fmt"]) == (codec, "30", pixels)
    assert close_to(mean_rgb(path), GREEN, 8)
    assert close_to(frame_times(path), [moment(index) / 1e6 for index in range(30)], 0.001)


@pytest.mark.parametrize("codec", VIDEO_CODECS)
def test_no_picture_shows_in_the_place_of_another(codec: str, tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    shown = [(RED, BLUE, GREEN)[index * index % 3 - index % 2] for index in range(20)]
    frames: list[tuple[int, Media]] = [(0, picture("I420", 64, 48, rgb, at_us=T0 + moment(i))) for i, rgb in enumerate(shown)]
    recorded(path, frames, ["video"], video_codec=codec, quality=1)
    pixels = run("ffmpeg", "-v", "error", "-i", path, "-vf", "scale=1:1", "-pix_fmt", "rgb24", "-f", "rawvideo", "-")
    assert close_to(pixels, [value for rgb in shown for value in rgb], 12)


@pytest.mark.parametrize("codec", ["av1", "h264"])
def test_an_encoder_does_not_put_the_process_above_all_others(codec: str, tmp_path: Path) -> None:
    sink = load_sink(SINKS["mkv"], str(tmp_path / "a.mkv"), SinkOptions(video_codec=codec))
    sink.open([TrackFormat("video", {"frameRate": 30})])
    for index in range(3):
        sink.write(0, picture("I420", 64, 64, GREEN, at_us=T0 + moment(index)))
    policies = {os.sched_getscheduler(int(thread)) for thread in os.listdir("/proc/self/task")}
    sink.close()
    assert policies == {os.SCHED_OTHER}


@pytest.mark.parametrize(
    ("suffix", "codec", "channels"),
    [
        (row.suffix, codec, channels)
        for row in CONTAINERS.values()
        for codec in row.audio
        for channels in (1, 2, 6)
        if channels <= AUDIO_CODECS[codec].most_channels
    ],
)
def test_every_audio_codec_of_every_container_can_be_read(suffix: str, codec: str, channels: int, tmp_path: Path) -> None:
    path = tmp_path / f"a.{suffix}"
    recorded(path, [(0, tone(index * 960, 960, channels=channels)) for index in range(25)], ["audio"], audio_codec=codec)
    (stream,) = probe(path)["streams"]
    assert (stream["codec_name"].partition("_")[0], stream["channels"]) == (codec, channels)
    assert abs(frequency(pcm(path)[4800:19_200], 48_000) - 440) < 10


def test_too_many_channels_are_refused() -> None:
    sink = opened(SINKS["flac"], io.BytesIO())
    with pytest.raises(NotSupportedError, match="at most 8 channels"):
        sink.write(0, tone(0, 960, channels=9))
    sink.abort()


def test_they_are_refused_before_the_first_sound_where_the_settings_tell_them() -> None:
    sink = load_sink(SINKS["mp3"], io.BytesIO(), SinkOptions())
    with pytest.raises(NotSupportedError, match="MP3 holds at most 2 channels, not 6") as caught:
        sink.open([TrackFormat("audio", {"channelCount": 6})])
    assert "--channel-count exact:2" in caught.value.hints[0]
    sink.abort()


@pytest.mark.parametrize(("suffix", "rate"), [("mp3", 96_000), ("mp3", 22_050), ("m4a", 192_000), ("ogg", 96_000)])
def test_a_rate_that_the_codec_lacks_becomes_the_nearest_that_it_has(suffix: str, rate: int, tmp_path: Path) -> None:
    path = tmp_path / f"a.{suffix}"
    recorded(path, sound(2, track=0, rate=rate), ["audio"])
    assert rate_of(path) == {"mp3": min(rate, 48_000), "m4a": 96_000, "ogg": 48_000}[suffix]
    samples = pcm(path)
    assert abs(frequency(samples[rate_of(path) // 2 : rate_of(path) * 3 // 2], rate_of(path)) - 1000) < 3


@pytest.mark.parametrize("codec", ["h264", "vp8", "vp9", "mjpeg", "ffv1"])
@pytest.mark.parametrize("color", [BT601, BT709, JPEG_COLOR, VideoColorSpace("bt709", True)])
@pytest.mark.parametrize("rgb", [RED, BLUE])
def test_colours_survive(rgb: tuple[int, int, int], color: VideoColorSpace, codec: str, tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    frames: list[tuple[int, Media]] = [(0, picture("NV12", 64, 64, rgb, color=color, at_us=T0 + moment(i))) for i in range(2)]
    recorded(path, frames, ["video"], video_codec=codec)
    assert close_to(mean_rgb(path), rgb, 8)


LOSSLESS = {  # what FFV1 keeps the pixels of each format in
    "I420": "yuv420p", "NV12": "yuv420p", "I422": "yuv422p", "YUYV": "yuv422p", "UYVY": "yuv422p", "I444": "yuv444p",
    "RGB24": "bgr0", "BGR24": "bgr0", "RGBA": "bgra", "BGRA": "bgra", "GREY": "gray",
}  # fmt: skip


@pytest.mark.parametrize("name", LOSSLESS)
def test_ffv1_keeps_every_pixel_in_its_format(name: str, tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    data = random.Random(name).randbytes(frame_bytes(name, 62, 46) * 3)
    size = len(data) // 3
    frames: list[tuple[int, Media]] = []
    for index in range(3):
        planes, strides = split_planes(name, 62, 46, memoryview(data)[index * size : (index + 1) * size])
        frames.append((0, VideoFrame(name, 62, 46, T0 + moment(index), planes, strides)))
    recorded(path, frames, ["video"], video_codec="ffv1")
    assert probe(path)["streams"][0]["pix_fmt"] == LOSSLESS[name]
    assert run("ffmpeg", "-v", "error", "-i", path, "-pix_fmt", PIXEL_FORMATS[name].ffmpeg, "-f", "rawvideo", "-") == data


@pytest.mark.parametrize("pixels", ["yuvj420p", "yuvj422p", "yuvj444p"])
def test_ffv1_keeps_every_pixel_of_a_cameras_jpeg(pixels: str, tmp_path: Path) -> None:
    path, picture_path = tmp_path / "a.mkv", tmp_path / "a.jpg"
    run("ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=62x46", "-frames:v", "1", "-pix_fmt", pixels, picture_path)
    data = memoryview(picture_path.read_bytes())
    recorded(path, [(0, EncodedVideoChunk("key", T0 + moment(i), data, "mjpeg", 62, 46)) for i in range(2)], ["video"],
             video_codec="ffv1")  # fmt: skip
    raw = ("-frames:v", "1", "-f", "rawvideo", "-")
    assert run("ffmpeg", "-v", "error", "-i", path, *raw) == run("ffmpeg", "-v", "error", "-i", picture_path, *raw)
    (stream,) = probe(path)["streams"]
    assert (stream["pix_fmt"], stream["color_range"]) == (pixels.replace("j", ""), "pc")


@video_containers
def test_frames_of_every_format_and_size_go_into_one_recording(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.{suffix}"
    shapes = [("YUYV", 64, 48), ("MJPEG", 64, 48), ("I420", 32, 24), ("RGB24", 63, 47), ("BGRX", 64, 48)]
    frames: list[tuple[int, Media]] = []
    for index, (name, width, height) in enumerate(shapes * 3):
        at_us = T0 + moment(index)
        frame = jpeg(rgb=GREEN, at_us=at_us) if name == "MJPEG" else picture(name, width, height, GREEN, at_us=at_us)
        frames.append((0, frame))
    recorded(path, frames, ["video"])
    (stream,) = probe(path, "-count_frames", "-show_streams")["streams"]
    assert (stream["width"], stream["height"], stream["nb_read_frames"]) == (64, 48, "15")
    assert close_to(mean_rgb(path), GREEN, 8)


@pytest.mark.parametrize(
    ("codec", "size"),
    [("h264", (62, 46)), ("hevc", (62, 46)), ("av1", (62, 46)), ("vp9", (63, 47)), ("vp8", (63, 47)), ("mjpeg", (63, 47)),
     ("ffv1", (63, 47))],
)  # fmt: skip
def test_an_odd_column_and_row_are_cut_where_the_codec_needs_it(codec: str, size: tuple[int, int], tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    frames: list[tuple[int, Media]] = [(0, picture("UYVY", 63, 47, RED, at_us=T0 + moment(index))) for index in range(3)]
    recorded(path, frames, ["video"], video_codec=codec)
    (stream,) = probe(path)["streams"]
    assert (stream["width"], stream["height"]) == size
    assert close_to(mean_rgb(path), RED, 8)


def test_a_size_that_no_encoder_takes_is_told() -> None:
    sink = opened(SINKS["mp4"], io.BytesIO(), ["video"])
    with pytest.raises(NotSupportedError, match=r"H\.264 cannot encode pictures of 1×1"):
        sink.write(0, picture("RGB24", 1, 1))
    sink.abort()


def test_damaged_pictures_are_left_out_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    frames: list[tuple[int, Media]] = [(0, jpeg(at_us=T0 + moment(index))) for index in range(10)]
    broken = frames[4][1]
    assert isinstance(broken, EncodedVideoChunk)
    frames[4] = (0, replace(broken, data=broken.data[:300]))
    sink = recorded(path, frames, ["video"])
    assert sink.corrections(0) == {"decodeErrors": 1}
    assert close_to(frame_times(path), [moment(index) / 1e6 for index in range(10) if index != 4], 0.001)


@video_containers
def test_a_cameras_h264_is_recorded_in_every_container(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.{suffix}"
    chunks = h264(20)
    recorded(path, [(0, replace(chunk, timestamp=T0 + moment(index))) for index, chunk in enumerate(chunks)], ["video"])
    assert close_to(frame_times(path), [moment(index) / 1e6 for index in range(20)], 0.001)
    assert close_to(mean_rgb(path), GREEN, 8)


@pytest.mark.parametrize("codec", ["h264", "hevc", "av1", "vp9", "vp8"])
def test_a_lower_bit_rate_makes_a_smaller_file(codec: str, tmp_path: Path) -> None:
    frames: list[tuple[int, Media]] = [(0, noise(160, 120, T0 + moment(index), index)) for index in range(25)]
    small, large = (
        recorded(tmp_path / "a.mkv", frames, ["video"], video_codec=codec, video_bits_per_second=bits).bytes_written
        for bits in (200_000, 4_000_000)
    )
    assert small < large * 3 / 4


@pytest.mark.parametrize(("suffix", "codec"), [("ogg", "opus"), ("m4a", "aac"), ("mp3", "mp3")])
def test_a_lower_bit_rate_makes_a_smaller_file_of_sound(suffix: str, codec: str, tmp_path: Path) -> None:
    small, large = (
        recorded(tmp_path / f"a.{suffix}", sound(2, track=0), ["audio"], audio_bits_per_second=bits).bytes_written
        for bits in (32_000, 128_000)
    )
    assert small < large / 2


def test_two_cameras_and_a_microphone_go_into_one_file(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    second = [(1, replace(frame, timestamp=frame.timestamp + 5_000)) for _, frame in pictures(30)]
    recorded(path, in_time(pictures(30), second, sound(1.2, track=2)), ["video", "video", "audio"])
    assert [stream["codec_type"] for stream in probe(path)["streams"]] == ["video", "video", "audio"]
    assert abs(frame_times(path, "v:1")[0] - 0.005) <= 0.001


def test_the_picture_is_the_first_stream_whatever_the_order_of_the_tracks(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    shown = [(1, frame) for _, frame in pictures(20)]
    recorded(path, in_time(shown, sound(0.8, track=0)), ["audio", "video"])
    assert [stream["codec_type"] for stream in probe(path)["streams"]] == ["video", "audio"]


@video_containers
def test_a_recording_can_be_streamed_to_where_there_is_no_way_back(suffix: str, tmp_path: Path) -> None:
    file = io.BytesIO()
    sink = opened(SINKS[suffix], file)
    feed_and_close(sink, in_time(pictures(60, flash=30), sound(2.4, beep_us=1_200_000)))
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(file.getvalue())
    assert len(frame_times(path)) == 60
    assert abs(flash_at(path) - moment(30) / 1e6) < 0.002


def test_an_mp4_ends_as_an_ordinary_one(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    recorded(path, in_time(pictures(60), sound(2.4)))
    data, boxes, at = path.read_bytes(), [], 0
    while at < len(data):
        size, name = struct.unpack(">I4s", data[at : at + 8])
        boxes.append(name.decode())
        at += size
    assert boxes[0] == "ftyp"
    assert boxes[-1] == "moov"
    assert "moof" not in boxes


def test_nothing_is_said_on_stderr(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for suffix, codec in (("mp4", "h264"), ("mkv", "hevc"), ("webm", "av1"), ("webm", "vp8")):
        recorded(tmp_path / f"a.{suffix}", pictures(5), ["video"], video_codec=codec)
    assert capfd.readouterr() == ("", "")


def test_sound_that_overlaps_does_not_reach_past_the_end(tmp_path: Path) -> None:
    blocks = [
        replace(frame, timestamp=frame.timestamp - min(number, 40) * 1000)  # stamped too late at first
        for number, (_, frame) in enumerate(sound(2.5))
        if isinstance(frame, AudioData)
    ]
    sink = opened(SINKS["wav"], str(tmp_path / "a.wav"), ["audio"])
    sink.end_us = blocks[0].timestamp + 2_000_000
    written = [block for block in blocks if block.timestamp + block.duration <= sink.end_us]
    for block in written:
        sink.write(0, block)
    sink.close()
    assert len(pcm(tmp_path / "a.wav")) == 2 * 48_000
    assert sink.corrections(0)["skipped"] == sum(block.number_of_frames for block in written) - 2 * 48_000 > 0
