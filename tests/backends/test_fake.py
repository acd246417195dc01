"""The fake devices: what a description means, the picture and sound that can be read back, and every fault."""

from __future__ import annotations

import re
import threading
import time
from typing import Any

import numpy as np
import pytest

from mscli.core.boxes import Mode, Span
from mscli.core.clock import MICROSECONDS
from mscli.core.errors import DOMException, NotAllowedError, NotReadableError, NotSupportedError
from mscli.core.frames import PIXEL_FORMATS, VideoFrame, black, frame_bytes
from mscli.sources import load_backend
from mscli.sources.base import AUDIO_INPUT, AUDIO_OUTPUT, VIDEO_INPUT, Device, Request, Source
from mscli.sources.fake import FakeBackend
from mscli.sources.fake_picture import UNITS
from tests.backends.rig import Collector, ManualClock, first_request
from tests.pattern import Code, Picture, Sound, beeps, luma_of, read_code

pytestmark = pytest.mark.usefixtures("no_leaks")

VGA = {"width": 640, "height": 480, "frameRate": 30}


class Bench:
    """A backend on a clock moved by hand, with one device and what it delivers."""

    def __init__(self, **device: Any) -> None:
        self.clock = ManualClock()
        self.backend = FakeBackend({"devices": [{"kind": VIDEO_INPUT, **device}]}, clock=self.clock)
        self.began_us = self.clock.now_us()
        self.got = Collector()

    @property
    def device(self) -> Device:
        """The device, found now."""
        (device,) = self.backend.devices()
        return device

    def open(self, **settings: Any) -> Source:
        """The device, opened in its first mode but for these settings."""
        request = first_request(self.backend, self.device)
        return self.backend.open(self.device, Request({**request.settings, **settings}, request.pixel_format))

    def run(self, seconds: float, **settings: Any) -> Collector:
        """What the device delivers from its start to so many seconds later."""
        source = self.open(**settings)
        source.start(self.got)
        self.clock.run(seconds)
        source.stop()
        return self.got

    def times(self) -> list[int]:
        """The timestamps, in microseconds from the beginning."""
        return [frame.timestamp - self.began_us for frame in self.got.frames]


def camera(mode: dict[str, Any] | None = None, **device: Any) -> Bench:
    """A bench with a camera of one mode."""
    return Bench(modes=[{**VGA, **(mode or {})}], **device)


def microphone(**device: Any) -> Bench:
    """A bench with a microphone."""
    return Bench(kind=AUDIO_INPUT, **device)


def codes(frames: list[VideoFrame]) -> list[Code | None]:
    """What the cells of raw frames say."""
    return [read_code(luma_of(frame)) for frame in frames]


def heard(frames: list[Any]) -> Sound:
    """The first channel of 16-bit blocks, one after the other."""
    joined = np.concatenate([np.frombuffer(f.data, np.int16)[:: f.number_of_channels] for f in frames])
    return (joined / 2**15).astype(np.float32)


# ── descriptions ──


def test_without_a_description_there_is_a_camera_a_microphone_and_a_speaker() -> None:
    devices = load_backend("fake").devices()
    assert [(d.kind, d.label, d.default) for d in devices] == [
        (VIDEO_INPUT, "Fake camera", True),
        (AUDIO_INPUT, "Fake microphone", True),
        (AUDIO_OUTPUT, "Fake speaker", True),
    ]


def test_an_empty_object_is_the_defaults_with_the_same_ids_every_time() -> None:
    assert [d.device_id for d in FakeBackend({}).devices()] == [d.device_id for d in FakeBackend().devices()]


def test_an_empty_list_is_a_machine_without_devices() -> None:
    assert FakeBackend({"devices": []}).devices() == []


def test_the_default_camera_has_modes_of_both_shapes_in_i420() -> None:
    backend = FakeBackend()
    abilities = backend.abilities(backend.devices([VIDEO_INPUT])[0])
    assert {(m.width, m.height) for m in abilities.modes} == {(320, 240), (640, 480), (1280, 720), (1920, 1080)}
    assert {m.pixel_format for m in abilities.modes} == {"I420"}
    assert abilities.values == {"facingMode": ("user",)}


def test_ids_and_labels_are_taken_verbatim() -> None:
    device = Bench(deviceId=" ü/0", groupId="g 1", label="Kamera “A”").device
    assert (device.device_id, device.group_id, device.label) == (" ü/0", "g 1", "Kamera “A”")


def test_the_first_device_of_each_kind_is_its_default() -> None:
    kinds = [VIDEO_INPUT, AUDIO_INPUT, VIDEO_INPUT, AUDIO_OUTPUT, AUDIO_INPUT]
    devices = FakeBackend({"devices": [{"kind": kind} for kind in kinds]}).devices()
    assert [d.default for d in devices] == [True, True, False, True, False]


def test_only_the_kinds_that_are_asked_for_are_listed() -> None:
    assert [d.kind for d in FakeBackend().devices([AUDIO_INPUT])] == [AUDIO_INPUT]


def test_a_mode_may_be_a_range_of_sizes_and_rates() -> None:
    bench = camera(
        {"width": {"min": 16, "max": 64, "step": 4}, "height": {"min": 16, "max": 48}, "frameRate": {"min": 1, "max": 30}}
    )
    assert bench.backend.abilities(bench.device).modes == (Mode("I420", Span(16, 64, 4), Span(16, 48, 1), Span(1, 30, 0)),)


def test_pixel_formats_are_known_by_all_their_names() -> None:
    bench = camera({"pixelFormat": "yuyv422"})
    assert bench.backend.abilities(bench.device).modes[0].pixel_format == "YUYV"


def test_controls_are_passed_on_as_they_are() -> None:
    controls = {"zoom": {"min": 100, "max": 400, "step": 1}}
    bench = camera(controls=controls)
    assert bench.backend.abilities(bench.device).controls == controls


def test_a_microphones_lists_become_sets_and_two_latencies_a_range() -> None:
    bench = microphone(sampleRates=[8000], latency=[0.01, 0.5], echoCancellation=[True, False])
    values = bench.backend.abilities(bench.device).values
    assert values["sampleRate"] == (8000,)
    assert values["latency"] == Span(0.01, 0.5)
    assert values["echoCancellation"] == (True, False)
    assert values["channelCount"] == (1, 2)


def test_members_that_are_not_known_are_ignored() -> None:
    assert FakeBackend({"x": 1, "devices": [{"kind": VIDEO_INPUT, "y": 2, "faults": {"z": 3}}]}).devices()


MALFORMED: list[tuple[Any, str]] = [
    ([], "the description of fake devices must be an object"),
    ({"devices": {}}, "devices must be a list with at least one item"),
    ({"devices": [3]}, "devices[0] must be an object"),
    ({"devices": [{}]}, "devices[0] needs the member “kind”"),
    ({"devices": [{"kind": "camera"}]}, "devices[0].kind must be one of audioinput, videoinput, audiooutput"),
    ({"devices": [{"kind": VIDEO_INPUT, "deviceId": ""}]}, "devices[0].deviceId must not be empty"),
    ({"devices": [{"kind": VIDEO_INPUT, "label": 3}]}, "devices[0].label must be a string"),
    ({"devices": [{"kind": VIDEO_INPUT, "modes": []}]}, "devices[0].modes must be a list with at least one item"),
    ({"devices": [{"kind": VIDEO_INPUT, "faults": {"busy": 1}}]}, "devices[0].faults.busy must be true or false"),
    (
        {"devices": [{"kind": VIDEO_INPUT, "faults": {"jitterMs": -1}}]},
        "devices[0].faults.jitterMs must be a number, 0 or more",
    ),
    ({"devices": [{"kind": VIDEO_INPUT, "controls": []}]}, "devices[0].controls must be an object"),
    ({"devices": [{"kind": AUDIO_INPUT, "sampleRates": [1, "a"]}]}, "devices[0].sampleRates[1] must be a positive integer"),
    ({"devices": [{"kind": AUDIO_INPUT, "clockDriftPpm": 1e9}]}, "devices[0].clockDriftPpm must lie within ±10000"),
]
MALFORMED_MODES: list[tuple[Any, str]] = [
    ({"width": 0, "height": 3}, "width must be a positive integer"),
    ({"width": True, "height": 3}, "width must be a positive integer"),
    ({"width": 3.5, "height": 3}, "width must be a positive integer"),
    ({"width": {"min": 4, "max": 3}, "height": 3}, "width has its min above its max"),
    ({"width": 3, "height": 3, "frameRate": 0}, "frameRate must be a positive number"),
    ({"width": 3, "height": 3, "frameRate": float("nan")}, "frameRate must be a positive number"),
    ({"width": 3, "height": 3, "pixelFormat": "QQ"}, "pixelFormat is wrong: there is no pixel format “QQ”"),
]


@pytest.mark.parametrize(("desc", "sentence"), MALFORMED)
def test_a_malformed_description_is_a_type_error_that_names_the_place(desc: Any, sentence: str) -> None:
    with pytest.raises(TypeError, match=f"^{re.escape(sentence)}$"):
        FakeBackend(desc)


@pytest.mark.parametrize(("mode", "sentence"), MALFORMED_MODES)
def test_a_malformed_mode_is_a_type_error_that_names_the_place(mode: Any, sentence: str) -> None:
    with pytest.raises(TypeError, match=f"^{re.escape('devices[1].modes[1].' + sentence)}$"):
        FakeBackend({"devices": [{"kind": AUDIO_INPUT}, {"kind": VIDEO_INPUT, "modes": [VGA, mode]}]})


def test_two_devices_of_a_kind_cannot_have_the_same_id() -> None:
    twins = [{"kind": VIDEO_INPUT, "deviceId": "a"}] * 2
    with pytest.raises(TypeError, match="has the deviceId “a” of another videoinput"):
        FakeBackend({"devices": twins})


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
    assert set(UNITS) == {name for name, row in PIXEL_FORMATS.items() if not row.encoded}


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


def test_mjpeg_frames_are_jpeg_files_with_the_picture() -> None:
    frame = camera({"pixelFormat": "MJPEG"}).run(0.1).frames[3]
    assert read_code(decoded([frame], "mjpeg")[0]) == Code(3, False)
    assert (frame.key, frame.strides, frame.color_space.full_range) == (True, (0,), True)


def test_h264_frames_are_annex_b_with_a_key_frame_every_second() -> None:
    frames = camera({"pixelFormat": "H264"}).run(1.2).frames
    assert [n for n, frame in enumerate(frames) if frame.key] == [0, 30]
    assert all(bytes(frame.planes[0][:4]) == b"\0\0\0\1" for frame in frames)
    assert [read_code(luma) for luma in decoded(frames, "h264")] == [Code(n, n == 30) for n in range(37)]


def test_encoded_pictures_may_have_any_even_width() -> None:
    frame = camera({"pixelFormat": "MJPEG", "width": 178, "height": 130}).run(0).frames[0]
    assert read_code(decoded([frame], "mjpeg")[0]) == Code(0, False)


def test_a_size_that_the_encoder_does_not_take_is_said_when_opening() -> None:
    with pytest.raises(NotReadableError, match="cannot encode pictures of 641 × 480 with libx264"):
        camera({"pixelFormat": "H264", "width": 641}).open()


def decoded(frames: list[VideoFrame], codec: str) -> list[Any]:
    """The brightness of encoded pictures, decoded by FFmpeg."""
    import av

    decoder: Any = av.CodecContext.create(codec, "r")
    packets = [av.Packet(bytes(frame.planes[0])) for frame in frames]
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


# ── faults ──


@pytest.mark.parametrize(("fault", "error"), [("busy", NotReadableError), ("denied", NotAllowedError)])
def test_a_device_that_is_busy_or_denied_cannot_be_opened_but_read(fault: str, error: type[DOMException]) -> None:
    bench = camera(label="Front", faults={fault: True})
    assert bench.backend.abilities(bench.device).modes
    with pytest.raises(error, match="“Front”"):
        bench.open()


def test_a_device_may_fail_to_start() -> None:
    source = camera(faults={"errorOnStart": True}).open()
    with pytest.raises(NotReadableError, match="does not start"):
        source.start(Collector())
    source.stop()


def test_a_camera_that_vanishes_ends_with_the_reason_and_is_not_listed_again() -> None:
    bench = camera(label="Front", faults={"vanishAfterFrames": 3})
    source, device = bench.open(), bench.device
    source.start(bench.got)
    bench.clock.jump(0.5)
    bench.got.wait_for(frames=3, ends=1)
    source.stop()
    assert len(bench.got.frames) == 3
    assert isinstance(bench.got.ends[0], NotReadableError)
    assert bench.got.ends[0].message == "“Front” was unplugged"
    assert bench.backend.devices() == []
    with pytest.raises(NotReadableError, match="was unplugged"):
        bench.backend.abilities(device)


def test_after_a_stall_numbers_go_on_and_timestamps_show_the_gap() -> None:
    bench = camera(faults={"stallAfterFrames": 3, "stallSeconds": 1})
    bench.run(1.2)
    assert [code.number for code in codes(bench.got.frames) if code] == [0, 1, 2, 3, 4, 5, 6]
    assert bench.times()[2:4] == [66_666, 1_100_000]
    assert bench.got.lost == []


def test_a_stall_without_an_end_gives_nothing_more_and_can_be_stopped() -> None:
    bench = camera(faults={"stallAfterFrames": 0})
    source = bench.open()
    source.start(bench.got)
    bench.clock.jump(0.5)
    source.stop()
    assert (bench.got.frames, bench.got.ends) == ([], [])


def test_every_nth_frame_is_lost_and_leaves_a_gap_in_the_sequence() -> None:
    got = camera(faults={"dropEvery": 3}).run(0.2)
    assert [frame.sequence for frame in got.frames] == [0, 1, 3, 4, 6]
    assert [code.number for code in codes(got.frames) if code] == [0, 1, 3, 4, 6]
    assert got.lost == [1, 1]


def test_a_lost_block_of_sound_counts_its_samples() -> None:
    got = microphone(sampleRates=[48000], faults={"dropEvery": 2}).run(0.04)
    assert [frame.sequence for frame in got.frames] == [0, 960]
    assert got.lost == [480, 480]


def test_jitter_moves_the_timestamps_within_its_bounds_and_always_alike() -> None:
    bench, again = camera(faults={"jitterMs": 5}), camera(faults={"jitterMs": 5})
    bench.run(1.5)
    again.run(1.5)
    off = [at - n * MICROSECONDS // 30 for n, at in enumerate(bench.times())]
    assert max(map(abs, off)) <= 5000
    assert max(off) > 2500
    assert min(off) < -2500
    assert bench.times() == again.times()[: len(off)]


def test_jitter_never_turns_the_order_round() -> None:
    bench = camera(faults={"jitterMs": 500})
    bench.run(1.5)
    assert bench.times() == sorted(bench.times())


def test_a_device_may_appear_later() -> None:
    bench = camera(faults={"appearAfterSeconds": 1})
    bench.clock.jump(0.9)
    assert bench.backend.devices() == []
    bench.clock.jump(0.1)
    assert bench.device.default


def test_a_camera_is_opened_once_at_a_time() -> None:
    bench = camera(label="Front")
    source = bench.open()
    with pytest.raises(NotReadableError, match="“Front” is in use by this program"):
        bench.open()
    source.stop()
    bench.open().stop()


def test_a_microphone_can_be_opened_twice() -> None:
    bench = microphone()
    one, two = bench.open(), bench.open()
    one.stop()
    two.stop()


def test_a_speaker_cannot_be_opened() -> None:
    bench = Bench(kind=AUDIO_OUTPUT)
    with pytest.raises(NotSupportedError, match="plays sound"):
        bench.backend.open(bench.device, Request({}))


def test_the_thread_is_named_after_the_device() -> None:
    bench = camera(deviceId="v7")
    source = bench.open()
    source.start(bench.got)
    assert "mscli-fake-v7" in [thread.name for thread in threading.enumerate()]
    source.stop()


def test_on_the_systems_clock_frames_are_stamped_with_monotonic_time() -> None:
    backend = FakeBackend()
    source = backend.open(backend.devices()[0], Request(VGA, "I420"))
    got, before_us = Collector(), time.monotonic_ns() // 1000
    source.start(got)
    got.wait_for(frames=2)
    source.stop()
    assert before_us <= got.frames[0].timestamp <= time.monotonic_ns() // 1000
