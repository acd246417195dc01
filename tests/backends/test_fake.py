"""The fake devices: the meaning of a description, and every fault."""

from __future__ import annotations

import re
import threading
import time
from typing import Any

import pytest

from mscli.core.boxes import Mode, Span
from mscli.core.calls import Call
from mscli.core.clock import MICROSECONDS
from mscli.core.controls import Control
from mscli.core.errors import DOMException, NotAllowedError, NotReadableError, NotSupportedError
from mscli.sources import load_backend
from mscli.sources.base import AUDIO_INPUT, AUDIO_OUTPUT, VIDEO_INPUT, Request
from mscli.sources.fake import backend as fake
from mscli.sources.fake.backend import FakeBackend
from tests.backends.fakes import VGA, Bench, camera, codes, microphone
from tests.backends.rig import TIMEOUT_S, Collector, first_request

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


def test_controls_have_ranges_or_lists_with_a_value_and_a_default() -> None:
    described = {
        "zoom": {"min": 100, "max": 400, "step": 10},
        "brightness": {"min": -64, "max": 64, "value": 5},
        "exposureMode": ["continuous", "manual"],
        "torch": {"values": [False, True], "value": True},
        "width": {"min": 1, "max": 2},
        "sparkle": 3,
    }
    bench = camera(controls=described)
    assert bench.backend.abilities(bench.device).controls == {
        "zoom": Control(Span(100, 400, 10), 100, 100),
        "brightness": Control(Span(-64, 64, 1), 5, 0),
        "exposureMode": Control(("continuous", "manual"), "continuous", "continuous"),
        "torch": Control((False, True), True, False),
    }


def test_controls_take_the_nearest_value_and_keep_it_when_the_camera_is_closed() -> None:
    bench = camera(controls={"zoom": {"min": 100, "max": 400, "step": 10}, "torch": [False, True]})
    source = bench.open(zoom=9999)
    assert source.settings["zoom"] == 400
    assert source.set({"zoom": 127, "torch": True, "pan": 3}) == {"zoom": 130, "torch": True}
    source.stop()
    assert bench.open().settings["zoom"] == 130
    assert bench.backend.abilities(bench.device).controls["zoom"].value == 130


def test_brightness_is_seen_from_the_next_frame_on_and_leaves_the_code_readable() -> None:
    bench = camera({"pixelFormat": "GREY"}, controls={"brightness": {"min": 0, "max": 100, "value": 50, "default": 50}})
    source = bench.open()
    source.start(bench.got)
    levels = []
    for value in (50, 100, 0):
        source.set({"brightness": value})
        bench.clock.run(0.2)
        levels.append(sum(bytes(bench.got.frames[-1].planes[0][:640])) / 640)
    source.stop()
    assert levels[2] < levels[0] - 50 < levels[0] + 50 < levels[1]
    assert [frame.sequence for frame in bench.got.frames] == list(range(len(bench.got.frames)))
    assert [code and code.number for code in codes(bench.got.frames)] == list(range(len(bench.got.frames)))


def test_a_microphones_lists_become_sets_and_two_latencies_a_range() -> None:
    bench = microphone(sampleRates=[8000], latency=[0.01, 0.5], echoCancellation=[True, False])
    values = bench.backend.abilities(bench.device).values
    assert values["sampleRate"] == (8000,)
    assert values["latency"] == Span(0.01, 0.5)
    assert values["echoCancellation"] == (True, False)
    assert values["channelCount"] == (1, 2)


def of_camera(**members: Any) -> dict[str, Any]:
    """Return the description of a machine with one camera."""
    return {"devices": [{"kind": VIDEO_INPUT, **members}]}


@pytest.mark.parametrize(
    ("desc", "unknown"),
    [
        ({}, []),
        ({"devices": []}, []),
        ({"device": [], "devices": []}, ["device"]),
        ({"devices": [{"kind": AUDIO_INPUT, "label": "x", "modes": [VGA]}]}, ["devices[0].modes"]),
        ({"devices": [{"kind": VIDEO_INPUT}, {"kind": VIDEO_INPUT, "deviceId": "b", "mode": VGA}]}, ["devices[1].mode"]),
        (of_camera(modes=[{**VGA, "frameRat": 30}]), ["devices[0].modes[0].frameRat"]),
        (of_camera(modes=[{**VGA, "width": {"min": 1, "max": 9, "stp": 1}}]), ["devices[0].modes[0].width.stp"]),
        (of_camera(faults={"dropEvry": 7}), ["devices[0].faults.dropEvry"]),
        (of_camera(controls={"zooom": [1]}), ["devices[0].controls.zooom"]),
        (of_camera(controls={"zoom": {"min": 1, "max": 2, "stp": 1}}), ["devices[0].controls.zoom.stp"]),
    ],
)
def test_members_that_mean_nothing_are_found(desc: Any, unknown: list[str]) -> None:
    assert FakeBackend(desc).unknown == unknown


def test_members_that_are_not_known_are_ignored() -> None:
    assert FakeBackend({"x": 1, "devices": [{"kind": VIDEO_INPUT, "y": 2, "faults": {"z": 3}}]}).devices()


MALFORMED: list[tuple[Any, str]] = [
    ([], "the description of fake devices must be an object"),
    ({"devices": {}}, "devices must be a list with at least one item"),
    ({"devices": [3]}, "devices[0] must be an object"),
    ({"devices": [{}]}, "devices[0] needs the member “kind”"),
    ({"devices": [{"kind": "camera"}]}, "devices[0].kind must be one of audioinput, videoinput, audiooutput, display"),
    ({"devices": [{"kind": VIDEO_INPUT, "deviceId": ""}]}, "devices[0].deviceId must not be empty"),
    ({"devices": [{"kind": VIDEO_INPUT, "label": 3}]}, "devices[0].label must be a string"),
    ({"devices": [{"kind": VIDEO_INPUT, "modes": []}]}, "devices[0].modes must be a list with at least one item"),
    ({"devices": [{"kind": VIDEO_INPUT, "faults": {"busy": 1}}]}, "devices[0].faults.busy must be true or false"),
    (
        {"devices": [{"kind": VIDEO_INPUT, "faults": {"jitterMs": -1}}]},
        "devices[0].faults.jitterMs must be a number, 0 or more",
    ),
    ({"devices": [{"kind": VIDEO_INPUT, "controls": []}]}, "devices[0].controls must be an object"),
    ({"devices": [{"kind": VIDEO_INPUT, "controls": {"pan": []}}]}, "devices[0].controls.pan must be an object"),
    (
        {"devices": [{"kind": VIDEO_INPUT, "controls": {"pan": {"min": 1, "max": 0}}}]},
        "devices[0].controls.pan has a min above its max",
    ),
    (
        {"devices": [{"kind": VIDEO_INPUT, "controls": {"pan": {"min": 0, "max": 9, "value": 10}}}]},
        "devices[0].controls.pan.value must be from 0 to 9, in steps",
    ),
    (
        {"devices": [{"kind": VIDEO_INPUT, "controls": {"torch": {"values": [True], "default": False}}}]},
        "devices[0].controls.torch.default must be one of True",
    ),
    ({"devices": [{"kind": AUDIO_INPUT, "sampleRates": [1, "a"]}]}, "devices[0].sampleRates[1] must be a positive integer"),
    ({"devices": [{"kind": AUDIO_INPUT, "clockDriftPpm": 1e9}]}, "devices[0].clockDriftPpm must be within ±10000"),
]
MALFORMED_MODES: list[tuple[Any, str]] = [
    ({"width": 0, "height": 3}, "width must be a positive integer"),
    ({"width": True, "height": 3}, "width must be a positive integer"),
    ({"width": 3.5, "height": 3}, "width must be a positive integer"),
    ({"width": {"min": 4, "max": 3}, "height": 3}, "width has a min above its max"),
    ({"width": 3, "height": 3, "frameRate": 0}, "frameRate must be a positive number"),
    ({"width": 3, "height": 3, "frameRate": float("nan")}, "frameRate must be a positive number"),
    ({"width": 3, "height": 3, "pixelFormat": "QQ"}, "pixelFormat is wrong: unknown pixel format “QQ”"),
]


@pytest.mark.parametrize(("desc", "sentence"), MALFORMED)
def test_a_malformed_description_is_a_type_error_that_names_the_place(desc: Any, sentence: str) -> None:
    with pytest.raises(TypeError, match=f"^{re.escape(sentence)}$"):
        FakeBackend(desc)


NUMBERS = [  # kind, path, and its limits
    (VIDEO_INPUT, "modes[0].width", "1 to 16384"),
    (VIDEO_INPUT, "modes[0].frameRate", "0.001 to 1000"),
    (VIDEO_INPUT, "modes[0].frameRate.max", "0.001 to 1000"),
    (VIDEO_INPUT, "modes[0].frameRate.step", "0 to 1e+12"),
    (VIDEO_INPUT, "controls.zoom.max", "-1e+12 to 1e+12"),
    (VIDEO_INPUT, "controls.zoom.step", "0 to 1e+12"),
    (AUDIO_INPUT, "sampleRates[0]", "1 to 1000000"),
    (AUDIO_INPUT, "channelCounts[0]", "1 to 64"),
    (AUDIO_INPUT, "sampleSizes[0]", "1 to 64"),
    (AUDIO_INPUT, "latency[0]", "0 to 1000000000"),
    *((VIDEO_INPUT, f"faults.{name}Seconds", "0 to 1000000000") for name in ("stall", "appearAfter", "returnAfter")),
    *((VIDEO_INPUT, f"faults.{name}AfterFrames", "0 to 1e+12") for name in ("vanish", "stall", "change", "hang")),
    (VIDEO_INPUT, "faults.dropEvery", "0 to 1e+12"),
    (VIDEO_INPUT, "faults.jitterMs", "0 to 10000"),
]


@pytest.mark.parametrize("number", [1e300, 10**400], ids=["1e300", "10^400"])
@pytest.mark.parametrize(("kind", "path", "limits"), NUMBERS)
def test_a_number_that_no_device_has_is_a_type_error_with_its_limits(kind: str, path: str, limits: str, number: float) -> None:
    value: Any = number
    for name in reversed(re.findall(r"\w+|\[0\]", path)):
        value = [value] if name == "[0]" else {name: value}
        if name in ("max", "step"):
            value = {"min": 1, "max": 100, **value}
        if name in ("width", "frameRate"):
            value = {"width": 320, "height": 240, **value}
    with pytest.raises(TypeError, match=f"^{re.escape(f'devices[0].{path} must be from {limits}')}$"):
        FakeBackend({"devices": [{"kind": kind, **value}]})


def test_a_step_is_none_or_one_that_can_be_counted_in() -> None:
    zoom = {"min": 0, "max": 1, "step": 1e-300}
    with pytest.raises(TypeError, match="must be 0, or at least 1e-06"):
        FakeBackend({"devices": [{"kind": VIDEO_INPUT, "controls": {"zoom": zoom}}]})


@pytest.mark.parametrize("rate", [2**31, 1e-300])
def test_a_rate_that_no_camera_has_is_a_type_error(rate: float) -> None:
    with pytest.raises(TypeError, match=r"must be from 0\.001 to 1000"):
        FakeBackend({"devices": [{"kind": VIDEO_INPUT, "modes": [{"width": 320, "height": 240, "frameRate": rate}]}]})


@pytest.mark.parametrize(("mode", "sentence"), MALFORMED_MODES)
def test_a_malformed_mode_is_a_type_error_that_names_the_place(mode: Any, sentence: str) -> None:
    with pytest.raises(TypeError, match=f"^{re.escape('devices[1].modes[1].' + sentence)}$"):
        FakeBackend({"devices": [{"kind": AUDIO_INPUT}, {"kind": VIDEO_INPUT, "modes": [VGA, mode]}]})


def test_two_devices_of_a_kind_cannot_have_the_same_id() -> None:
    twins = [{"kind": VIDEO_INPUT, "deviceId": "a"}] * 2
    with pytest.raises(TypeError, match="has the same deviceId, “a”, as another videoinput"):
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
    with pytest.raises(NotReadableError, match="cannot start “Fake camera”: the driver reports an input/output error"):
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
    with pytest.raises(NotSupportedError, match="“Fake speaker” is a speaker, which cannot be captured"):
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
    assert told.wait(TIMEOUT_S)
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
        """A thread before whose start another thread stops the source, as far as it can."""

        def start(self) -> None:
            stopping.append(Call(source.stop, "stop"))
            stopping[0].wait(0.1)
            super().start()

    monkeypatch.setattr(fake, "Thread", Overtaken)
    source.start(bench.got)
    assert stopping[0].wait(TIMEOUT_S)
    stopping[0].result()
    assert "mscli-fake" not in " ".join(thread.name for thread in threading.enumerate())
    assert bench.got.ends == []
    bench.open().stop()
