"""What other programs write into a pipe: every format by its first bytes, writers that die, stall or write nonsense."""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
import sys
import termios
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

import mscli
from mscli.core.errors import NotFoundError, NotReadableError, NotSupportedError
from mscli.core.frames import AudioData, EncodedVideoChunk, Media, VideoFrame, packed_planes
from mscli.media import load_converter
from mscli.sources import demux
from mscli.sources.base import AUDIO_INPUT, VIDEO_INPUT, InputOptions, Request
from mscli.sources.pipe import feeds as feeds_module
from mscli.sources.pipe.backend import PipeBackend, PipeReader
from mscli.sources.pipe.feeds import _Replayed, sound_by_arrival
from mscli.sources.pipe.formats import format_of
from tests.backends.rig import TIMEOUT_S, Collector, mode_request
from tests.media_files import RATE, SECONDS, SIZE, digests, ffmpeg, make, samples

pytestmark = pytest.mark.usefixtures("no_descriptor_is_left")

AT_ONCE = InputOptions(paced=False, timeout_s=20)
I420_BYTES = SIZE[0] * SIZE[1] * 3 // 2
IMAGES = ["mjpeg", "png", "ppm", "pgm", "pam"]
Y4M_HEAD = f"YUV4MPEG2 W{SIZE[0]} H{SIZE[1]} F25:1 Ip A1:1 C420jpeg\n".encode()


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a film."""
    return make(tmp_path_factory.mktemp("films") / "clip.mkv")


def written(clip: Path, *how: str) -> bytes:
    """Return what ffmpeg writes of the film into a pipe."""
    return ffmpeg("-i", clip, *how, "-")


class Writer:
    """A thread that writes data into a pipe and, if it ``ends``, closes it. Otherwise it waits until it is told to end."""

    def __init__(self, data: bytes, *, ends: bool = True) -> None:
        self.read, self._write = os.pipe()
        self._data, self._ends = data, ends
        self._told = Event()
        self._thread = Thread(target=self._run, name="writer")
        self._thread.start()

    def _run(self) -> None:
        try:
            with open(self._write, "wb", buffering=0) as pipe:
                pipe.write(self._data)
                if not self._ends:
                    self._told.wait()
        except BrokenPipeError:
            pass

    def close(self) -> None:
        os.close(self.read)
        self._told.set()
        self._thread.join()


@contextmanager
def piped(data: bytes, options: InputOptions = AT_ONCE, *, ends: bool = True) -> Iterator[PipeBackend]:
    """Open a pipe into which these bytes are written. ``ends``: whether the pipe then ends."""
    writer = Writer(data, ends=ends)
    try:
        backend = PipeBackend(f"fd:{writer.read}", options)
        try:
            yield backend
        finally:
            backend.close()
    finally:
        writer.close()


def all_of(backend: PipeBackend, codec: bool = False) -> dict[str, Collector]:
    """Read all that comes, of every kind."""
    sources, receivers = [], {}
    for device in backend.devices():
        abilities = backend.abilities(device)
        settings: dict[str, Any] = {name: values[0] for name, values in abilities.values.items()}
        request = mode_request(abilities.modes[codec], settings) if abilities.modes else Request(settings)
        sources.append(backend.open(device, request))
        receivers[device.kind] = Collector()
    for source, receiver in zip(sources, receivers.values(), strict=True):
        source.start(receiver)
    for receiver in receivers.values():
        receiver.wait_for(ends=1)
    for source in sources:
        source.stop()
    return receivers


def digest(frame: VideoFrame) -> str:
    return hashlib.md5(b"".join(packed_planes(frame))).hexdigest()


RAW = InputOptions(paced=False, format="rawvideo", size=SIZE, pixel_format="yuv420p")
EXACT = [  # what ffmpeg writes, how it is read
    pytest.param(("-an", "-f", "yuv4mpegpipe"), AT_ONCE, id="y4m"),
    pytest.param(("-an", "-f", "rawvideo", "-pix_fmt", "yuv420p"), RAW, id="raw"),
    pytest.param(("-c", "copy", "-f", "matroska"), AT_ONCE, id="matroska"),
    pytest.param(("-c:v", "copy", "-c:a", "aac", "-f", "mpegts"), AT_ONCE, id="mpegts"),
    pytest.param(("-c:v", "copy", "-c:a", "aac", "-f", "mp4", "-movflags", "frag_keyframe+empty_moov"), AT_ONCE, id="fmp4"),
    pytest.param(("-c:v", "rawvideo", "-c:a", "pcm_s16le", "-f", "nut"), AT_ONCE, id="nut"),
    pytest.param(("-c:v", "copy", "-c:a", "aac", "-f", "flv"), AT_ONCE, id="flv"),
]


@pytest.mark.parametrize(("how", "options"), EXACT)
def test_all_pictures_of_a_pipe_come_exactly_as_they_were_written(
    how: tuple[str, ...], options: InputOptions, clip: Path
) -> None:
    with piped(written(clip, *how), options) as backend:
        pictures = all_of(backend)[VIDEO_INPUT].frames
    assert list(map(digest, pictures)) == digests(clip)
    assert [one.sequence for one in pictures] == list(range(RATE * SECONDS))


@pytest.mark.parametrize(
    ("codec", "form"), [("mjpeg", "MJPEG"), ("png", "RGB24"), ("ppm", "RGB24"), ("pgm", "GREY"), ("pam", "RGB24")]
)
def test_images_come_one_by_one(codec: str, form: str, clip: Path) -> None:
    with piped(written(clip, "-an", "-c:v", codec, "-f", "image2pipe")) as backend:
        (device,) = backend.devices()
        assert [mode.pixel_format for mode in backend.abilities(device).modes] == [form]
        frames = all_of(backend)[VIDEO_INPUT].frames
    assert len(frames) == RATE * SECONDS
    assert all((one.coded_width, one.coded_height) == SIZE for one in frames)
    convert = load_converter("RGB24").convert
    pictures: list[Any] = [convert(one) if isinstance(one, EncodedVideoChunk) else one for one in frames]
    assert len(set(map(digest, pictures))) > RATE


@pytest.mark.parametrize(
    "how",
    [("-f", "yuv4mpegpipe"), *(("-c:v", codec, "-f", "image2pipe") for codec in IMAGES)],
    ids=lambda how: how[1],
)
def test_pictures_come_whole_in_whatever_pieces_they_are_read(
    how: tuple[str, ...], clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = written(clip, "-an", "-s", "16x16", "-frames:v", "3", *how)
    with piped(data) as backend:
        at_once = all_of(backend)[VIDEO_INPUT].frames
    some = PipeReader._some
    monkeypatch.setattr(PipeReader, "_some", lambda reader, _count: some(reader, 1))
    with piped(data) as backend:
        one_by_one = all_of(backend)[VIDEO_INPUT].frames
    assert len(one_by_one) == 3
    assert list(map(content, one_by_one)) == list(map(content, at_once))


def content(frame: Media) -> str | bytes:
    """Return what a frame holds, to compare."""
    return digest(frame) if isinstance(frame, VideoFrame) else bytes(frame.data)


@pytest.mark.parametrize(
    ("first", "rest", "name"),
    [
        (b"Y", b"UV4MPEG2 W2 H2\n", "y4m"),
        (b"\xff\xd8", b"\xff\xe0", "mjpeg"),
        (b"P", b"7\nWIDTH", "pnm"),
        (b"\xff", b"\xfb", ""),
    ],
)
def test_the_format_is_known_although_its_first_bytes_come_apart(first: bytes, rest: bytes, name: str) -> None:
    read, write = os.pipe()

    def write_apart() -> None:
        with open(write, "wb", buffering=0) as pipe:
            pipe.write(first)
            while unread(read):
                Event().wait(0.001)
            pipe.write(rest)

    writer = Thread(target=write_apart, name="writer")
    writer.start()
    try:
        assert format_of(PipeReader(f"fd:{read}")) == name
    finally:
        writer.join()
        os.close(read)


def unread(descriptor: int) -> int:
    """Return how many bytes are in a pipe."""
    return int.from_bytes(fcntl.ioctl(descriptor, termios.FIONREAD, bytes(4)), sys.byteorder)


@pytest.mark.parametrize(
    ("how", "options"),
    [
        pytest.param(("-f", "s16le"), InputOptions(paced=False, format="s16", rate=48000), id="pcm"),
        pytest.param(("-f", "wav"), AT_ONCE, id="wav"),
        pytest.param(("-f", "flac"), AT_ONCE, id="flac"),
        pytest.param(("-c:a", "libopus", "-f", "ogg"), AT_ONCE, id="ogg"),
    ],
)
def test_all_sound_of_a_pipe_comes(how: tuple[str, ...], options: InputOptions, clip: Path) -> None:
    with piped(written(clip, "-vn", *how), options) as backend:
        blocks: list[AudioData] = all_of(backend)[AUDIO_INPUT].frames
    assert sum(block.number_of_frames for block in blocks) == samples(clip)


def test_a_stream_of_a_container_that_cannot_be_used_leaves_the_other_usable(clip: Path) -> None:
    data = written(clip, "-c:v", "copy", "-c:a", "flac", "-f", "matroska").replace(b"A_FLAC", b"A_NONE")
    with piped(data) as backend:
        sound, pictures = sorted(backend.devices(), key=lambda device: device.kind)
        with pytest.raises(NotSupportedError, match=r"the codec of the sound in fd:\d+ is unknown"):
            backend.abilities(sound)
        source = backend.open(pictures, mode_request(backend.abilities(pictures).modes[0]))
        receiver = Collector()
        source.start(receiver)
        receiver.wait_for(ends=1)
        source.stop()
    assert list(map(digest, receiver.frames)) == digests(clip)


@pytest.mark.parametrize("cut", [1, I420_BYTES // 2, I420_BYTES + 5])
def test_a_writer_that_dies_within_a_picture_costs_that_picture(cut: int, clip: Path) -> None:
    with piped(written(clip, "-an", "-f", "yuv4mpegpipe")[:-cut]) as backend:
        receiver = all_of(backend)[VIDEO_INPUT]
    assert (len(receiver.frames), receiver.lost, receiver.ends) == (RATE * SECONDS - 1, [1], [None])


@pytest.mark.parametrize("codec", ["mjpeg", "png", "ppm"])
def test_half_an_image_is_lost_and_not_shown(codec: str, clip: Path) -> None:
    with piped(written(clip, "-an", "-c:v", codec, "-f", "image2pipe")[:-20]) as backend:
        receiver = all_of(backend)[VIDEO_INPUT]
    assert (len(receiver.frames), receiver.lost) == (RATE * SECONDS - 1, [1])


@pytest.fixture(scope="session")
def images(clip: Path) -> dict[str, bytes]:
    """Return an image file of each format."""
    how = ("-an", "-s", "16x16", "-frames:v", "1", "-f", "image2pipe", "-c:v")
    return {codec: written(clip, *how, codec) for codec in IMAGES}


@pytest.mark.parametrize("codec", IMAGES)
@pytest.mark.parametrize("between", [b"\n", bytes(4096), b"\xff\xd8P" * 99])
def test_what_is_between_images_is_skipped_with_one_warning(codec: str, between: bytes, images: dict[str, bytes]) -> None:
    image = images[codec]
    with piped(image + (between + image) * 2) as backend:
        receiver = all_of(backend)[VIDEO_INPUT]
    assert (len(receiver.frames), receiver.lost, receiver.ends) == (3, [], [None])
    assert len({content(frame) for frame in receiver.frames}) == 1
    (warning,) = receiver.warnings
    assert "has bytes that belong to no image, which are skipped" in warning


@pytest.mark.parametrize("codec", IMAGES)
def test_what_follows_the_last_image_is_its_end(codec: str, images: dict[str, bytes]) -> None:
    with piped(images[codec] * 2 + b"\n\0\0") as backend:
        receiver = all_of(backend)[VIDEO_INPUT]
    assert (len(receiver.frames), receiver.lost, receiver.ends, receiver.warnings) == (2, [], [None], [])


@pytest.mark.parametrize("codec", IMAGES)
def test_much_that_is_no_image_is_an_error(codec: str, images: dict[str, bytes]) -> None:
    with piped(images[codec] + bytes(2 << 20)) as backend:
        receiver = all_of(backend)[VIDEO_INPUT]
    assert len(receiver.frames) == 1
    (error,) = receiver.ends
    assert "does not go on as" in str(error)


def test_frames_of_a_live_pipe_are_stamped_when_they_arrive() -> None:
    read, write = os.pipe()
    backend, receiver = None, Collector()
    try:
        os.write(write, Y4M_HEAD)
        backend = PipeBackend(f"fd:{read}")
        (device,) = backend.devices()
        source = backend.open(device, mode_request(backend.abilities(device).modes[0]))
        source.start(receiver)
        for number in (1, 2):
            Thread(target=os.write, args=(write, b"FRAME\n" + bytes(I420_BYTES)), daemon=True).start()
            receiver.wait_for(frames=number)
        source.stop()
    finally:
        if backend is not None:
            backend.close()
        os.close(read)
        os.close(write)
    first, second = receiver.frames
    assert second.timestamp > first.timestamp
    assert receiver.ends == []


BLOCK_US, BEGIN_US = 10_000, 1_000_000_000


def arrived(*arrivals: tuple[int, int]) -> list[AudioData]:
    """Return blocks that arrived so: when, and how many at once."""
    block = AudioData("s16", 48_000, 480, 1, 0, memoryview(bytes(960)))
    return list(sound_by_arrival(((BEGIN_US + at, block) for at, count in arrivals for _ in range(count)), "stdin"))


@pytest.mark.parametrize("at_once", [1, 4, 10, 40])
def test_samples_that_are_written_many_at_once_follow_each_other(at_once: int) -> None:
    blocks = arrived(*((number * at_once * BLOCK_US, at_once) for number in range(1, 400 // at_once)))
    assert len(blocks) == at_once * (400 // at_once - 1)
    assert [block.timestamp for block in blocks] == [BEGIN_US + number * BLOCK_US for number in range(len(blocks))]


def test_samples_after_a_stall_get_the_time_of_their_arrival() -> None:
    before, stall_us = 50, 3_000_000
    blocks = arrived(*((number * BLOCK_US + (stall_us if number > before else 0), 1) for number in range(1, 2 * before + 1)))
    assert blocks[before - 1].timestamp == BEGIN_US + (before - 1) * BLOCK_US
    assert [block.timestamp for block in blocks[before:]] == [
        BEGIN_US + stall_us + number * BLOCK_US for number in range(before, 2 * before)
    ]


def test_the_sound_of_a_live_pipe_is_there_to_its_last_sample() -> None:
    with piped(bytes(2 * 4321), InputOptions(format="s16")) as backend:
        blocks = all_of(backend)[AUDIO_INPUT].frames
    assert sum(block.number_of_frames for block in blocks) == 4321


def test_a_reader_that_waits_for_its_writer_can_be_stopped() -> None:
    read, write = os.pipe()
    os.write(write, Y4M_HEAD)
    backend = PipeBackend(f"fd:{read}")
    (device,) = backend.devices()
    source, receiver = backend.open(device, mode_request(backend.abilities(device).modes[0])), Collector()
    source.start(receiver)
    source.stop()
    backend.close()
    os.close(read)
    os.close(write)
    assert (receiver.frames, receiver.ends) == ([], [])


SMALL = (16, 16)
GREY = InputOptions(paced=False, format="rawvideo", size=SMALL, pixel_format="gray")
PICTURES = [bytes([shade] * 256) for shade in (10, 20, 30)]
STOPPED = [  # parts that each begin with a frame, how they are read, what the frames hold
    pytest.param([b"YUV4MPEG2 W16 H16 Cmono\n", *(b"FRAME\n" + one for one in PICTURES)], AT_ONCE, id="y4m"),
    pytest.param([b"YUV4MPEG2 W16 H16 Cmono\n", *(b"FRAME Ip Xlong\n" + one for one in PICTURES)], AT_ONCE, id="y4m-long"),
    pytest.param([b"", *PICTURES], GREY, id="raw"),
    pytest.param([b"", *(b"P5 16 16 255\n" + one for one in PICTURES)], AT_ONCE, id="pgm"),
]


@pytest.fixture
def starved(monkeypatch: pytest.MonkeyPatch) -> Event:
    """Return what is set when a reader has read all that was written, and waits."""
    waits, comes = Event(), PipeReader._comes

    def watched(reader: PipeReader) -> bool:
        if not reader._poll.poll(0):
            waits.set()
        return comes(reader)

    monkeypatch.setattr(PipeReader, "_comes", watched)
    return waits


@contextmanager
def stopped(data: bytes, rest: bytes, options: InputOptions, starved: Event) -> Iterator[tuple[Collector, Collector]]:
    """Read a pipe until the writer pauses after ``data``, stop, and read on. Yield what came before and after."""
    read, write = os.pipe()
    before, after = Collector(), Collector()
    with open(write, "wb", buffering=0) as pipe:
        pipe.write(data)
        backend = PipeBackend(f"fd:{read}", options)
        (device,) = backend.devices()
        modes = backend.abilities(device).modes
        for receiver in (before, after):
            source = backend.open(device, mode_request(modes[0]) if modes else Request({}))
            starved.clear()
            source.start(receiver)
            if receiver is before:
                assert starved.wait(TIMEOUT_S)
            else:
                pipe.write(rest)
                pipe.close()
                receiver.wait_for(ends=1)
            source.stop()
    backend.close()
    os.close(read)
    yield before, after


@pytest.mark.parametrize("taken", [1, 8, 100, 257])
@pytest.mark.parametrize(("parts", "options"), STOPPED)
def test_a_pipe_that_is_stopped_within_a_picture_goes_on_with_that_picture(
    parts: list[bytes], options: InputOptions, taken: int, starved: Event
) -> None:
    data, cut = b"".join(parts), len(parts[0] + parts[1]) + min(taken, len(parts[2]) - 1)
    with stopped(data[:cut], data[cut:], options, starved) as (before, after):
        frames = before.frames + after.frames
    assert [b"".join(packed_planes(frame)) for frame in frames] == PICTURES
    assert (before.ends, after.ends, after.lost) == ([], [None], [])


def test_sound_that_is_stopped_within_a_sample_goes_on_with_that_block(starved: Event) -> None:
    data = bytes(range(240)) * 12  # three blocks
    with stopped(data[:1061], data[1061:], InputOptions(paced=False, format="s16"), starved) as (before, after):
        blocks = before.frames + after.frames
    assert b"".join(bytes(block.data) for block in blocks) == data


def test_a_container_that_was_stopped_while_ffmpeg_read_it_is_refused(clip: Path, starved: Event) -> None:
    data = written(clip, "-an", "-c", "copy", "-f", "matroska")
    with stopped(data[:-1000], data[-1000:], AT_ONCE, starved) as (_, after):
        (error,) = after.ends
    assert "was stopped within its container, so it cannot be read on" in str(error)


def test_a_fifo_is_read_once_its_writer_opens_it(clip: Path, tmp_path: Path) -> None:
    fifo = tmp_path / "frames"
    os.mkfifo(fifo)
    command = ["ffmpeg", "-v", "error", "-y", "-i", str(clip), "-an", "-f", "yuv4mpegpipe", str(fifo)]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL):
        backend = PipeBackend(str(fifo), AT_ONCE)
        pictures = all_of(backend)[VIDEO_INPUT].frames
        backend.close()
    assert list(map(digest, pictures)) == digests(clip)


def test_a_writer_that_stalls_mutes_its_track_and_one_that_ends_ends_it() -> None:
    read, write = os.pipe()
    muted, ended = Event(), Event()
    with mscli.MediaDevices(backends=[]) as devices:
        os.write(write, Y4M_HEAD + b"FRAME\n" + bytes(I420_BYTES))
        (info,) = devices.add_address(f"fd:{read}")
        stream = devices.get_user_media({"video": {"deviceId": {"exact": info.device_id}}}, timeout_s=(60, 60))
        (track,) = stream.get_video_tracks()
        track.add_event_listener("mute", lambda _: muted.set())
        track.add_event_listener("ended", lambda _: ended.set())
        assert muted.wait(TIMEOUT_S)
        assert not ended.is_set()
        os.close(write)
        assert ended.wait(TIMEOUT_S)
        assert track.ended_error is None
    os.close(read)


def test_a_container_that_was_probed_keeps_nothing_of_what_is_read_later() -> None:
    begin, rest = bytes(range(256)) * 256, bytes(1 << 20)
    writer = Writer(begin + rest)
    reader = PipeReader(f"fd:{writer.read}")
    file = _Replayed(reader)
    try:
        seen = file.read(200)
        file.rewind()
        assert file.read(100) == seen[:100]
        file.forget_read()
        read = seen[:100]
        while len(read) < len(begin):
            read += file.read(len(begin) - len(read))
        assert read == begin
        tracemalloc.start()
        left = len(rest)
        while data := file.read(1 << 14):
            left -= len(data)
        kept, _ = tracemalloc.get_traced_memory()
        assert left == 0
        assert kept < len(rest) // 4
    finally:
        tracemalloc.stop()
        reader.close()
        writer.close()


def test_a_container_that_was_opened_with_too_little_is_closed(monkeypatch: pytest.MonkeyPatch, clip: Path) -> None:
    opened: list[Any] = []

    def remembered(*arguments: Any, **how: Any) -> Any:
        opened.append(demux.open_container(*arguments, **how))
        return opened[-1]

    monkeypatch.setattr(feeds_module, "open_container", remembered)
    with piped(written(clip, "-c:v", "copy", "-c:a", "aac", "-f", "mpegts")):
        rejected, used = opened
        assert list(used.streams)
        with pytest.raises(AssertionError, match="not open"):
            rejected.seek(0)


@pytest.mark.parametrize("form", ["h264", "hevc"])
@pytest.mark.parametrize("copied", [False, True], ids=["decoded", "copied"])
def test_an_elementary_stream_is_passed_on_while_it_is_written(form: str, copied: bool, clip: Path) -> None:
    data = written(clip, "-an", "-c:v", {"h264": "libx264", "hevc": "libx265"}[form], "-bf", "0", "-r", "50", "-f", form)
    with piped(data, ends=False) as backend:
        (device,) = backend.devices()
        modes = backend.abilities(device).modes
        assert modes[0].frame_rate == 50
        source, receiver = backend.open(device, mode_request(modes[copied])), Collector()
        source.start(receiver)
        try:
            receiver.wait_for(frames=RATE)
        finally:
            source.stop()
    assert [frame.timestamp for frame in receiver.frames] == [20_000 * number for number in range(len(receiver.frames))]


@pytest.mark.parametrize("how", [("-an", "-f", "yuv4mpegpipe"), ("-c", "copy", "-f", "matroska")], ids=["y4m", "matroska"])
@pytest.mark.parametrize("paced", [False, True])
def test_the_tracks_of_a_pipe_that_waits_for_its_readers_may_be_silent(paced: bool, how: tuple[str, ...], clip: Path) -> None:
    with piped(written(clip, *how), InputOptions(paced=paced, timeout_s=20)) as backend:
        for device in backend.devices():
            abilities = backend.abilities(device)
            settings = {name: values[0] for name, values in abilities.values.items()}
            request = mode_request(abilities.modes[0], settings) if abilities.modes else Request(settings)
            assert backend.open(device, request).irregular is not paced


BAD: list[tuple[bytes, InputOptions, type[Exception], str]] = [
    (b"", AT_ONCE, NotReadableError, "is empty: its writer has ended"),
    (b"no media at all " * 100, AT_ONCE, NotReadableError, "is damaged, or holds no media"),
    (b"YUV4MPEG2 W16 H16 F25:1 C420p10\n", AT_ONCE, NotSupportedError, "YUV4MPEG2 with 420p10"),
    (b"YUV4MPEG2 W16 F25:1\n", AT_ONCE, NotReadableError, "its header is damaged"),
    (b"YUV4MPEG2 W16 F25:1\n", AT_ONCE, NotReadableError, "it tells no height"),
    (b"YUV4MPEG2 Wide H16 F25:1\n", AT_ONCE, NotReadableError, "its width is “ide”"),
    (b"YUV4MPEG2 W16 H16 F25\n", AT_ONCE, NotReadableError, "its rate is “25”"),
    (b"YUV4MPEG2\n", AT_ONCE, NotReadableError, "it tells no width"),
    (b"YUV4MPEG2 W100000 H100000\n", AT_ONCE, NotReadableError, "pictures of 100000×100000 pixels"),
    (b"YUV4MPEG2 W-16 H16\n", AT_ONCE, NotReadableError, "pictures of -16×16 pixels"),
    (b"YUV4MPEG2 W16 H0\n", AT_ONCE, NotReadableError, "pictures of 16×0 pixels"),
    (b"YUV4MPEG2 W16 H16 F" + b"9" * 400 + b":1\n", AT_ONCE, NotReadableError, "its header is damaged"),
    (b"P5 100000 100000 255\n", AT_ONCE, NotReadableError, "pictures of 100000×100000 pixels"),
    (b"P5 0 16 255\n", AT_ONCE, NotReadableError, "pictures of 0×16 pixels"),
    (b"P7\nWIDTH abc\nHEIGHT 2\nDEPTH 1\nMAXVAL 255\nENDHDR\n", AT_ONCE, NotReadableError, "pictures of 0×2 pixels"),
    (b"P7\nWIDTH 2\nHEIGHT 2\nDEPTH \nMAXVAL 255\nENDHDR\n", AT_ONCE, NotSupportedError, "PNM with 0 channels"),
    (b"P5\n" + b"#" * 2000, AT_ONCE, NotReadableError, "whose header is damaged"),
    (b"P6 2 2 1023 ", AT_ONCE, NotSupportedError, "PNM with 3 channels up to 1023"),
    (b"\xff\xd8\xff\xe0", AT_ONCE, NotReadableError, "ended before its first frame was complete"),
    (b"no image", InputOptions(format="png"), NotReadableError, "ended before its first frame was complete"),
    (
        bytes(99),
        InputOptions(format="rawvideo", size=(100_000, 100_000), pixel_format="rgb24"),
        NotReadableError,
        "pictures of 100000×100000 pixels",
    ),
    (bytes(99), InputOptions(format="rawvideo"), NotSupportedError, "the size and the pixel format"),
]


@pytest.mark.parametrize(("data", "options", "kind", "why"), BAD)
def test_what_cannot_be_read_is_an_error_that_says_why(
    data: bytes, options: InputOptions, kind: type[Exception], why: str
) -> None:
    with pytest.raises(kind, match=why), piped(data, options):
        pass


def test_what_goes_on_without_end_and_holds_no_media_is_not_read_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeds_module, "_PROBED_BYTES", 1 << 20)
    endless = b"\xff\xd8" + bytes(4 << 20)  # FFmpeg looks for the end of this image
    with pytest.raises(NotReadableError, match="hold no media"), piped(endless, ends=False):
        pass


def test_a_writer_that_writes_nothing_is_an_error_in_time() -> None:
    read, write = os.pipe()
    with pytest.raises(NotReadableError, match=rf"nothing comes from fd:{read}"):
        PipeBackend(f"fd:{read}", InputOptions(timeout_s=0.2))
    os.close(read)
    os.close(write)


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("fd:999", "is not open"),
        ("fd:99999999999", "is not open"),
        (f"fd:{'9' * 5000}", "is not open"),
        ("fd:x", "is not the number of a descriptor"),
    ],
)
def test_a_descriptor_that_is_not_there_is_not_found(address: str, why: str) -> None:
    with pytest.raises(NotFoundError, match=why):
        PipeBackend(address)


@pytest.mark.parametrize(
    ("what", "how", "why"),
    [
        pytest.param("a file", os.O_WRONLY | os.O_CREAT, "is open only for writing", id="file"),
        pytest.param("", os.O_RDONLY, "cannot read fd:[0-9]+: is a directory", id="folder"),
    ],
)
@pytest.mark.parametrize("options", [AT_ONCE, InputOptions(paced=False, format="s16")], ids=["container", "raw"])
def test_a_descriptor_that_cannot_be_read_is_an_error_that_names_it(
    what: str, how: int, why: str, options: InputOptions, tmp_path: Path
) -> None:
    descriptor = os.open(tmp_path / what, how)
    try:
        with pytest.raises(NotReadableError, match=why):
            PipeBackend(f"fd:{descriptor}", options)
    finally:
        os.close(descriptor)


def test_pictures_that_stop_being_pictures_end_the_input_with_an_error(clip: Path) -> None:
    good = written(clip, "-an", "-f", "yuv4mpegpipe")
    with piped(good[: len(Y4M_HEAD) + 3 * (I420_BYTES + 6)] + b"nonsense" * I420_BYTES) as backend:
        receiver = all_of_failing(backend)
    (error,) = receiver.ends
    assert "does not go on as YUV4MPEG2" in str(error)


def all_of_failing(backend: PipeBackend) -> Collector:
    """Read the pictures until the input ends."""
    (device,) = backend.devices()
    source, receiver = backend.open(device, mode_request(backend.abilities(device).modes[0])), Collector()
    source.start(receiver)
    receiver.wait_for(ends=1)
    source.stop()
    return receiver
