"""The fake devices: what a description means, and every fault."""

from __future__ import annotations

import re
import threading
import time
from typing import Any

import pytest

from mscli.core.bounded import Call
from mscli.core.boxes import Mode, Span
from mscli.core.clock import MICROSECONDS
from mscli.core.errors import DOMException, NotAllowedError, NotReadableError, NotSupportedError
from mscli.sources import fake, load_backend
from mscli.sources.base import AUDIO_INPUT, AUDIO_OUTPUT, VIDEO_INPUT, Request
from mscli.sources.fake import FakeBackend
from tests.backends.fakes import VGA, Bench, camera, codes, microphone
from tests.backends.rig import PATIENCE_S, Collector, first_request

pytestmark = pytest.mark.usefixtures("no_descriptor_is_left")

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


def test_a_camera_that_returns_can_be_opened_again_and_starts_anew() -> None:
    bench = camera(faults={"vanishAfterFrames": 3, "returnAfterSeconds": 2})
    for _ in range(2):
        source, got = bench.open(), Collector()
        source.start(got)
        bench.clock.jump(0.5)
        got.wait_for(ends=1)
        source.stop()
        assert [frame.sequence for frame in got.frames] == [0, 1, 2]
        assert bench.backend.devices() == []
        bench.clock.jump(2)
        assert bench.backend.devices() == [bench.device]


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


def test_who_watches_only_after_a_device_has_vanished_is_told_when_it_returns() -> None:
    here = camera(faults={"vanishAfterFrames": 0, "returnAfterSeconds": 5})
    device, told = here.device, threading.Event()
    source = here.backend.open(device, first_request(here.backend, device))
    source.start(here.got)
    here.got.wait_for(ends=1)
    watching = here.backend.watch(told.set)
    assert not told.is_set()
    here.clock.jump(5)
    assert told.wait(PATIENCE_S)
    assert here.device.device_id == device.device_id
    watching.close()
    source.stop()


def test_a_watch_may_be_closed_while_a_device_vanishes(monkeypatch: pytest.MonkeyPatch) -> None:
    here = camera(faults={"vanishAfterFrames": 0, "returnAfterSeconds": 5})
    watching = here.backend.watch(print)
    device = here.device

    class Overtaken(threading.Thread):
        """A thread before whose start the watch is closed."""

        def start(self) -> None:
            watching.close()
            super().start()

    monkeypatch.setattr(fake, "Thread", Overtaken)
    here.backend._vanish(device.handle)


def test_a_source_may_be_stopped_by_another_thread_while_it_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = camera()
    source = bench.open()
    stopping: list[Call[None]] = []

    class Overtaken(threading.Thread):
        """A thread before whose start the source is stopped, by one that gets as far as it can."""

        def start(self) -> None:
            stopping.append(Call(source.stop, "stop"))
            stopping[0].wait(0.1)
            super().start()

    monkeypatch.setattr(fake, "Thread", Overtaken)
    source.start(bench.got)
    assert stopping[0].wait(PATIENCE_S)
    stopping[0].result()
    assert "mscli-fake" not in " ".join(thread.name for thread in threading.enumerate())
    assert bench.got.ends == []
    bench.open().stop()
