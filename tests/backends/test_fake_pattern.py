"""What the fake devices show and play, read back: frame numbers, flashes, beeps, and the times of all of them."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mscli.core.clock import MICROSECONDS
from mscli.core.errors import NotReadableError
from mscli.core.frames import PIXEL_FORMATS, black, frame_bytes
from mscli.sources.base import AUDIO_INPUT, VIDEO_INPUT, Request
from mscli.sources.fake.backend import FakeBackend
from mscli.sources.fake.video import BARS, EDGE_STEPS, UNITS, Appearance, Painter
from tests.backends.fakes import VGA, camera, codes, heard, microphone
from tests.backends.rig import Collector, ManualClock, first_request
from tests.conftest import require
from tests.pattern import Code, Picture, av_offsets, beeps, luma_of, pictures, read_code

pytestmark = pytest.mark.usefixtures("no_descriptor_is_left")

# ── picture ──


@pytest.mark.parametrize("name", UNITS)
@pytest.mark.parametrize("size", [(640, 480), (160, 120), (177, 99), (120, 160)])
def test_the_frame_number_can_be_read_in_every_raw_format_and_size(name: str, size: tuple[int, int]) -> None:
    bench = camera({"width": size[0], "height": size[1], "pixelFormat": name})
    frames = bench.run(0.1).frames
    assert codes(frames) == [Code(n, False) for n in range(4)]
    assert [frame.nbytes for frame in frames] == [frame_bytes(name, *size)] * 4
    assert all(frame.packed for frame in frames)


def test_every_raw_pixel_format_can_be_painted() -> None:
    assert set(UNITS) == set(PIXEL_FORMATS)


def test_the_bars_have_the_colours_of_75_percent() -> None:
    rgb = camera({"pixelFormat": "RGB24"}).run(0).frames[0]
    row = np.frombuffer(rgb.planes[0], np.uint8).reshape(480, 640, 3)[10, 40::80]
    assert row.tolist() == [
        [191, 191, 191], [191, 191, 0], [0, 191, 191], [0, 191, 0], [191, 0, 191], [191, 0, 0], [0, 0, 191], [0, 0, 0],
    ]  # fmt: skip


def test_the_same_colours_in_yuv_are_those_of_bt601() -> None:
    y, u, v = (plane[0] for plane in camera().run(0).frames[0].planes)
    assert (y, u, v) == (180, 128, 128)
    y, u, v = (plane[at] for plane, at in zip(camera().run(0).frames[0].planes, (450, 225, 225), strict=True))
    assert (y, u, v) == (65, 100, 212)


def test_two_cameras_paint_the_same_picture() -> None:
    one, two = camera().run(0.1).frames[2], camera().run(0.1).frames[2]
    assert [bytes(p) for p in one.planes] == [bytes(p) for p in two.planes]


def test_something_moves_from_frame_to_frame_besides_the_code() -> None:
    first, second = (luma_of(frame)[int(480 * 0.8)] for frame in camera().run(0.1).frames[:2])
    assert (first != second).any()


@pytest.mark.parametrize("blur", [0.01, 0.1, 0.25, 1.0])
@pytest.mark.parametrize(("zoom", "shift"), [(1.0, 0.0), (3.0, 0.2)])
def test_a_blurred_picture_has_the_mean_colour_of_what_surrounds_each_pixel(blur: float, zoom: float, shift: float) -> None:
    appearance = Appearance(blur=blur, zoom=zoom, shift=shift)
    (plane,) = Painter("RGB24", 640, 480).paint(0, 0, False, appearance)
    seen = np.frombuffer(plane, np.uint8).reshape(480, 640, 3)[10]
    places = (np.arange(640) + 0.5 - 320 + shift * 640) / zoom + 320  # where in the plain picture
    half = blur * 640 / zoom / 2
    around = places[:, None] + np.linspace(-half, half, 401)
    wanted = np.array(BARS)[np.clip(around // 80, 0, 7).astype(int)].mean(1)
    assert np.abs(seen - wanted).max() <= 191 / EDGE_STEPS + 191 * 2 / (blur * 640 / 2) + 1  # steps, and even pixels
    assert np.abs(seen - wanted).mean() < 16


def test_a_black_picture_has_no_valid_code() -> None:
    assert read_code(luma_of(black(camera().run(0).frames[0]))) is None


def test_the_number_survives_scaling_to_160_by_120_and_a_central_crop() -> None:
    luma = luma_of(camera({"width": 1280, "height": 720}).run(0.1).frames[3])
    cropped = luma[:, 160:-160]
    scaled = cropped.reshape(120, 6, 160, 6).mean((1, 3)).astype(np.uint8)
    assert read_code(scaled, native=(1280, 720)) == Code(3, False)


@pytest.mark.parametrize("rate", [10, 30, 60])
def test_the_picture_flashes_at_every_whole_second_but_the_first(rate: int) -> None:
    bench = camera({"frameRate": rate, "width": 160, "height": 120})
    frames = bench.run(2.5).frames
    flashing = [n for n, frame in enumerate(frames) if Picture(0, luma_of(frame)).flash]
    assert flashing == [rate, 2 * rate]
    assert [n for n, code in enumerate(codes(frames)) if code and code.flash] == flashing
    assert [bench.times()[n] for n in flashing] == [MICROSECONDS, 2 * MICROSECONDS]


def test_at_a_rate_that_is_no_integer_the_first_picture_of_the_second_flashes() -> None:
    bench = camera({"frameRate": 30000 / 1001, "width": 160, "height": 120})
    bench.run(3.5)
    flashing = [t for t, code in zip(bench.times(), codes(bench.got.frames), strict=True) if code and code.flash]
    assert flashing == [1001000, 2002000, 3003000]


def test_mjpeg_chunks_are_jpeg_files_with_the_picture() -> None:
    frame = camera({"pixelFormat": "MJPEG"}).run(0.1).frames[3]
    assert read_code(decoded([frame], "mjpeg")[0]) == Code(3, False)
    assert (frame.type, frame.codec, frame.color_space.full_range) == ("key", "mjpeg", True)


def test_h264_chunks_are_annex_b_with_a_key_frame_every_second() -> None:
    frames = camera({"pixelFormat": "H264"}).run(1.2).frames
    assert [n for n, frame in enumerate(frames) if frame.type == "key"] == [0, 30]
    assert all(bytes(frame.data[:4]) == b"\0\0\0\1" for frame in frames)
    assert [read_code(luma) for luma in decoded(frames, "h264")] == [Code(n, n == 30) for n in range(37)]


def test_encoded_pictures_may_have_any_even_width() -> None:
    frame = camera({"pixelFormat": "MJPEG", "width": 178, "height": 130}).run(0).frames[0]
    assert read_code(decoded([frame], "mjpeg")[0]) == Code(0, False)


def test_a_size_that_the_encoder_does_not_take_is_said_when_opening() -> None:
    with pytest.raises(NotReadableError, match="cannot encode 641×480 frames with libx264"):
        camera({"pixelFormat": "H264", "width": 641}).open()


def decoded(frames: list[Any], codec: str) -> list[Any]:
    """The brightness of encoded pictures, decoded by FFmpeg."""
    import av

    decoder: Any = av.CodecContext.create(codec, "r")
    packets = [av.Packet(bytes(frame.data)) for frame in frames]
    pictures: list[Any] = [picture for packet in [*packets, None] for picture in decoder.decode(packet)]
    return [picture.to_ndarray(format="gray") for picture in pictures]


# ── time ──


def test_frames_stand_exactly_on_the_grid_of_their_rate() -> None:
    bench = camera()
    bench.run(1.0)
    assert bench.times() == [n * MICROSECONDS // 30 for n in range(31)]


def test_the_first_frame_comes_at_once() -> None:
    assert len(camera().run(0).frames) == 1


def test_sequence_numbers_count_frames_from_zero_at_every_start() -> None:
    bench = camera()
    bench.run(0.1)
    bench.run(0.1)
    assert [frame.sequence for frame in bench.got.frames] == [0, 1, 2, 3, 0, 1, 2, 3]
    assert [code.number for code in codes(bench.got.frames) if code] == [0, 1, 2, 3, 0, 1, 2, 3]


def test_sources_of_a_backend_share_the_epoch_of_the_first_start() -> None:
    clock = ManualClock()
    backend, began_us = FakeBackend(clock=clock), clock.now_us()
    eyes, ears = Collector(), Collector()
    video, audio, _ = (d for d in backend.devices())
    seeing = backend.open(video, Request(VGA, "I420"))
    hearing = backend.open(audio, first_request(backend, audio))
    seeing.start(eyes)
    clock.run(0.123)
    hearing.start(ears)
    clock.run(2.0, sources=2)
    seeing.stop()
    hearing.stop()
    starts = [frame.timestamp - began_us for frame in (eyes.frames[0], ears.frames[0])]
    assert starts == [0, 130_000]
    flashes = [f.timestamp - began_us for f, code in zip(eyes.frames, codes(eyes.frames), strict=True) if code and code.flash]
    assert flashes == [MICROSECONDS, 2 * MICROSECONDS]
    assert beeps(heard(ears.frames), 44100) == pytest.approx([0.87, 1.87], abs=0.0002)


def test_a_first_frame_on_a_whole_second_does_not_flash() -> None:
    bench = camera()
    bench.run(1.0)
    bench.clock.jump(1.0)
    assert codes(bench.run(0).frames)[-1] == Code(0, False)


def test_a_source_that_was_held_up_for_half_a_second_delivers_everything_with_true_times() -> None:
    bench = camera()
    source = bench.open()
    source.start(bench.got)
    bench.clock.run(0)
    bench.clock.jump(0.5)
    bench.got.wait_for(frames=16)
    source.stop()
    assert bench.times() == [n * MICROSECONDS // 30 for n in range(16)]


def test_a_source_that_was_held_up_for_longer_reports_what_it_leaves_out() -> None:
    bench = camera()
    source = bench.open()
    source.start(bench.got)
    bench.clock.run(0)
    bench.clock.jump(3)
    bench.got.wait_for(frames=32)
    source.stop()
    assert sum(bench.got.lost) == 59
    assert [frame.sequence for frame in bench.got.frames] == [0, *range(60, 91)]
    assert codes(bench.got.frames)[1] == Code(60, True)


# ── sound ──


@pytest.mark.parametrize("rate", [8000, 44100, 48000, 11025])
def test_a_beep_starts_exactly_at_every_whole_second_but_the_first(rate: int) -> None:
    frames = microphone(sampleRates=[rate]).run(2.5).frames
    assert beeps(heard(frames), rate) == pytest.approx([1, 2], abs=2 / rate + 0.0001)


def test_a_beep_is_1000_hz_for_50_ms_over_a_quiet_tone_of_440_hz() -> None:
    sound = heard(microphone(sampleRates=[48000]).run(1.5).frames)
    loudest = [
        int(np.argmax(np.abs(np.fft.rfft(part)))) * 20 for part in (sound[48000:50400], sound[50400:52800], sound[:2400])
    ]
    assert loudest == [1000, 440, 440]
    assert np.abs(sound[:48000]).max() == pytest.approx(10 ** (-30 / 20), abs=0.001)
    assert np.abs(sound).max() == pytest.approx(0.53, abs=0.01)


def test_blocks_last_10_ms_and_count_their_samples() -> None:
    bench = microphone(sampleRates=[44100], channelCounts=[2])
    frames = bench.run(1.0).frames
    assert len(frames) == 100
    assert [(f.number_of_frames, f.sequence, f.nbytes) for f in frames[:2]] == [(441, 0, 1764), (441, 441, 1764)]
    assert bench.times() == [10_000 * n for n in range(100)]


def test_a_block_comes_when_its_last_sample_was_captured() -> None:
    assert microphone().run(0.009).frames == []
    assert len(microphone().run(0.010).frames) == 1


@pytest.mark.parametrize(
    ("size", "name", "dtype"), [(8, "u8", np.uint8), (16, "s16", np.int16), (24, "s32", np.int32), (32, "s32", np.int32)]
)
def test_the_sample_size_chooses_the_format_and_channels_are_alike(size: int, name: str, dtype: Any) -> None:
    frame = microphone(sampleSizes=[size], channelCounts=[3]).run(0.01).frames[0]
    channels = np.frombuffer(frame.data, dtype).reshape(-1, 3)
    assert frame.format == name
    assert channels.shape == (441, 3)
    assert (channels[:, 0] == channels.T).all()


def test_a_sound_clock_that_runs_fast_gives_more_samples_in_a_second_and_beeps_with_the_others() -> None:
    bench = microphone(sampleRates=[48000], clockDriftPpm=2000)
    frames = bench.run(2.1).frames
    assert beeps(heard(frames), 48000) == pytest.approx([1.002, 2.004], abs=0.0002)
    assert bench.times()[100] == pytest.approx(998_004, abs=1)


def test_settings_are_what_was_asked_and_the_first_of_what_was_not() -> None:
    source = microphone(sampleRates=[8000, 48000]).open(sampleRate=48000)
    assert source.settings == {
        "sampleRate": 48000, "channelCount": 1, "sampleSize": 16, "latency": 0.01,
        "echoCancellation": False, "autoGainControl": False, "noiseSuppression": False,
    }  # fmt: skip


# ── in a file ──


def test_all_can_be_read_back_from_a_file_of_small_lossy_pictures(tmp_path: Path) -> None:
    require("ffmpeg", "ffprobe")
    clock, film = ManualClock(), tmp_path / "film.mkv"
    backend, eyes, ears = FakeBackend(clock=clock), Collector(), Collector()
    devices = backend.devices([VIDEO_INPUT, AUDIO_INPUT])
    sources = [backend.open(devices[0], Request(VGA, "I420")), backend.open(devices[1], first_request(backend, devices[1]))]
    for source, got in zip(sources, (eyes, ears), strict=True):
        source.start(got)
    clock.run(2.5, sources=2)
    for source in sources:
        source.stop()
    (tmp_path / "i420").write_bytes(b"".join(plane for frame in eyes.frames for plane in frame.planes))
    (tmp_path / "s16").write_bytes(b"".join(block.data for block in ears.frames))
    video = ["-f", "rawvideo", "-pixel_format", "yuv420p", "-video_size", "640x480", "-framerate", "30", "-i", "i420"]
    audio = ["-f", "s16le", "-sample_rate", "44100", "-i", "s16"]
    lossy = ["-threads", "1"]  # else what is lost depends on the machine's cores
    lossy += ["-s", "160x120", "-c:v", "libx264", "-crf", "38", "-c:a", "libopus", "-b:a", "24k", film.name]
    subprocess.run(["ffmpeg", "-v", "error", *video, *audio, *lossy], check=True, cwd=tmp_path, stdin=subprocess.DEVNULL)
    assert [read_code(picture.luma) for picture in pictures(film)] == [Code(n, n in (30, 60)) for n in range(76)]
    assert av_offsets(film) == pytest.approx([0, 0], abs=0.01)  # ffmpeg's muxer puts pictures 7 ms late: Opus' delay
