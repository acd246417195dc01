"""What holds for every backend: the contract of ``mscli.sources.base``, run against all of them.

A backend that needs nothing but its hardware is tried through the registry, and skipped where there is none; tests/vm brings
cameras and sound cards. One that can be tried anywhere has a line in ``RIGS``.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from mscli.core.blobs import address_of_bytes
from mscli.core.boxes import Mode, Span
from mscli.core.codecs import CAMERA_CODECS, VIDEO_CODECS
from mscli.core.errors import NotReadableError
from mscli.core.frames import FORMATS, SAMPLE_FORMATS, AudioData, EncodedVideoChunk, VideoFrame, frame_bytes
from mscli.core.properties import PROPERTIES
from mscli.sources import BACKENDS, load_backend
from mscli.sources.base import AUDIO_INPUT, DEVICE_KINDS, VIDEO_INPUT, Backend, Device, Source
from mscli.sources.fake.backend import FakeBackend
from mscli.sources.fake.description import ENCODERS
from mscli.sources.file.backend import BlobBackend, FileBackend
from mscli.sources.opencv import OpenCVBackend
from mscli.sources.screen.backend import ScreenBackend
from tests.backends.clips import clip, film
from tests.backends.rig import Collector, first_request
from tests.backends.test_desktops import on_mac, on_windows
from tests.media_files import make
from tests.screens import shared_screen

pytestmark = pytest.mark.usefixtures("no_descriptor_is_left")

FRAMES = 5  # that a stream is watched for


Make = Callable[[Path], Backend]


def fake_with(pixel_format: str) -> Make:
    """Makes a fake camera of one mode."""
    mode = {"width": 320, "height": 240, "pixelFormat": pixel_format}
    return lambda _: FakeBackend({"devices": [{"kind": VIDEO_INPUT, "modes": [mode]}]})


RIGS: dict[str, tuple[tuple[str, ...], Make]] = {  # name → kinds of device, and how to make the backend in a folder
    **{f"fake-{name.lower()}": ((VIDEO_INPUT,), fake_with(name)) for name in ENCODERS},
    "opencv": ((VIDEO_INPUT,), lambda folder: OpenCVBackend([str(clip(folder))])),
    "blob": ((VIDEO_INPUT, AUDIO_INPUT), lambda _: BlobBackend(address_of_bytes(film(0.4, "video", "audio")))),
    "file": ((VIDEO_INPUT, AUDIO_INPUT), lambda folder: FileBackend(str(make(folder / "clip.mp4")))),
    "avfoundation": ((VIDEO_INPUT,), lambda _: on_mac("screen:")),
    "gdigrab": ((VIDEO_INPUT,), lambda _: on_windows("screen:")),
    "screen": ((VIDEO_INPUT,), lambda _: ScreenBackend("screen:", display=shared_screen().name)),
}

ELSEWHERE = {  # backends whose devices are made by a rig of their own → the file that holds them to this contract
    "v4l2": "tests/vm/guest/test_contract.py",
    "portaudio": "tests/backends/test_portaudio_contract.py",
    "pipe": "tests/backends/test_pipes.py",
    "monitor": "tests/backends/test_portaudio_contract.py",
    "network": "tests/backends/test_network_contract.py",
    "wayland": "tests/backends/test_wayland_contract.py",
}


def rigs() -> Iterator[Any]:
    """Every backend whose devices can be made here, with every kind of device that gives frames."""
    for name in sorted((BACKENDS.keys() | RIGS.keys()) - ELSEWHERE.keys()):
        kinds, make = RIGS[name] if name in RIGS else (BACKENDS[name].kinds, None)
        for kind in sorted({VIDEO_INPUT, AUDIO_INPUT} & set(kinds)):
            yield pytest.param((name, kind, make), id=f"{name}-{kind}")


@pytest.fixture(params=rigs())
def rig(request: pytest.FixtureRequest) -> tuple[str, str, Make | None]:
    """Name, kind of device and maker of every backend in turn."""
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
def backend(rig: tuple[str, str, Make | None], tmp_path: Path) -> Iterator[Backend]:
    """The backend."""
    name, _, make = rig
    backend = make(tmp_path) if make else load_backend(name)
    yield backend
    backend.close()


@pytest.fixture
def devices(backend: Backend) -> list[Device]:
    """All its devices."""
    found = backend.devices()
    assert found, f"the {backend.name} backend lists nothing: {backend.problem}"
    return found


@pytest.fixture
def device(rig: tuple[str, str, Make | None], devices: list[Device]) -> Device:
    """Its first device of the kind."""
    return next(device for device in devices if device.kind == rig[1] and not device.problem)


@pytest.fixture
def source(backend: Backend, device: Device) -> Iterator[Source]:
    """The device, opened in its first mode."""
    source = backend.open(device, first_request(backend, device))
    yield source
    source.stop()


def threads() -> set[threading.Thread]:
    """The program's own threads."""
    return {thread for thread in threading.enumerate() if thread.name.startswith("mscli-")}


def test_ids_are_strings_and_unique_within_their_kind(devices: list[Device]) -> None:
    ids = [(device.kind, device.device_id) for device in devices]
    assert len(set(ids)) == len(ids)
    assert all(isinstance(device.device_id, str) and device.device_id for device in devices)


def test_devices_have_a_kind_a_label_and_the_name_of_their_backend(backend: Backend, devices: list[Device]) -> None:
    assert {device.kind for device in devices} <= set(DEVICE_KINDS)
    assert {device.backend for device in devices} == {backend.name}
    assert all(device.label for device in devices)


def test_at_most_one_device_of_a_kind_is_the_default(devices: list[Device]) -> None:
    kinds = [device.kind for device in devices if device.default]
    assert len(set(kinds)) == len(kinds)


def test_the_same_devices_are_listed_again(backend: Backend, devices: list[Device]) -> None:
    assert [d.device_id for d in backend.devices()] == [d.device_id for d in devices]


def test_no_kinds_are_no_devices(backend: Backend) -> None:
    assert backend.devices([]) == []


def test_only_the_kinds_that_are_asked_for_are_listed(backend: Backend, devices: list[Device]) -> None:
    for kind in DEVICE_KINDS:
        assert [d.device_id for d in backend.devices([kind])] == [d.device_id for d in devices if d.kind == kind]


def test_abilities_are_modes_of_known_formats_and_sets_for_known_properties(backend: Backend, device: Device) -> None:
    abilities = backend.abilities(device)
    assert all(isinstance(mode, Mode) and mode.pixel_format in {*FORMATS, *CAMERA_CODECS} for mode in abilities.modes)
    assert abilities.values.keys() <= PROPERTIES.keys()
    assert all(isinstance(values, Span) or values for values in abilities.values.values())
    if device.kind == VIDEO_INPUT:
        assert abilities.modes
    else:
        assert {"sampleRate", "channelCount", "sampleSize"} <= abilities.values.keys()


def test_a_source_has_the_settings_that_were_asked_for(backend: Backend, device: Device, source: Source) -> None:
    asked = dict(first_request(backend, device).settings)
    assert source.settings.keys() >= asked.keys()
    asked.pop("latency", None)  # is what the opened device has, not a choice that it must follow
    assert source.settings.items() >= asked.items()


def test_a_stream_gives_frames_of_the_right_size_in_the_order_of_time(source: Source, device: Device) -> None:
    got = Collector()
    source.start(got)
    got.wait_for(frames=FRAMES)
    source.stop()
    check = check_picture if device.kind == VIDEO_INPUT else check_sound
    for frame in got.frames:
        check(frame, source)
    times = [frame.timestamp for frame in got.frames]
    assert times == sorted(set(times))


def check_picture(frame: VideoFrame | EncodedVideoChunk, source: Source) -> None:
    """The picture has the settings' size; a frame has the planes of its format, a chunk the bytes of a known codec."""
    assert (frame.coded_width, frame.coded_height) == (source.settings["width"], source.settings["height"])
    if isinstance(frame, EncodedVideoChunk):
        check_chunk(frame)
        return
    assert len(frame.planes) == len(frame.strides) == len(FORMATS[frame.format].planes)
    assert all(view.readonly and view.format == "B" and view.ndim == 1 for view in frame.planes)
    assert frame.nbytes >= frame_bytes(frame.format, frame.coded_width, frame.coded_height)


def check_chunk(chunk: EncodedVideoChunk) -> None:
    """The chunk is a key chunk if its codec says so of its bytes, or of all."""
    codec = VIDEO_CODECS[chunk.codec]
    assert chunk.type in ("key", "delta")
    assert chunk.key or not (codec.intra or codec.starts(chunk.data))
    assert chunk.data.readonly
    assert (chunk.data.format, chunk.data.ndim) == ("B", 1)
    assert chunk.byte_length == chunk.nbytes == len(chunk.data) > 0


def check_sound(block: AudioData, source: Source) -> None:
    """The block has the settings' rate and channels, and as many bytes as its samples need."""
    assert (block.sample_rate, block.number_of_channels) == (source.settings["sampleRate"], source.settings["channelCount"])
    assert block.nbytes == block.number_of_frames * block.number_of_channels * SAMPLE_FORMATS[block.format].bits // 8


def test_sequence_numbers_leave_gaps_only_for_losses(source: Source) -> None:
    got = Collector()
    source.start(got)
    got.wait_for(frames=FRAMES)
    source.stop()
    sizes = [frame.number_of_frames if isinstance(frame, AudioData) else 1 for frame in got.frames]
    gaps = [
        after.sequence - frame.sequence - size for frame, after, size in zip(got.frames, got.frames[1:], sizes, strict=False)
    ]
    assert min(gaps) >= 0
    assert sum(gaps) <= sum(got.lost)


def test_stop_joins_the_thread_and_nothing_comes_after_it(source: Source) -> None:
    got, before = Collector(), threads()
    source.start(got)
    got.wait_for(frames=1)
    source.stop()
    assert threads() <= before
    got.expect_nothing_more(0.1)


def test_stopping_twice_is_harmless(source: Source) -> None:
    source.start(Collector())
    source.stop()
    source.stop()


def test_stopping_what_was_not_started_is_harmless(source: Source) -> None:
    source.stop()


def test_a_device_that_was_given_back_can_be_opened_again(backend: Backend, device: Device, source: Source) -> None:
    source.stop()
    again = backend.open(device, first_request(backend, device))
    got = Collector()
    again.start(got)
    got.wait_for(frames=1)
    again.stop()


def test_devices_are_listed_while_one_of_them_streams(backend: Backend, devices: list[Device], source: Source) -> None:
    got = Collector()
    source.start(got)
    got.wait_for(frames=1)
    assert [d.device_id for d in backend.devices()] == [d.device_id for d in devices]
    source.stop()


def test_opening_a_device_that_streams_works_or_is_not_readable(backend: Backend, device: Device, source: Source) -> None:
    got = Collector()
    source.start(got)
    got.wait_for(frames=1)
    with suppress(NotReadableError):
        backend.open(device, first_request(backend, device)).stop()
    source.stop()
