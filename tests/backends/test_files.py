"""Media files as cameras and microphones: every container, exact starts, loops without a seam, and their own pace."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from mscli.core.addresses import file_path
from mscli.core.boxes import Mode
from mscli.core.clock import MICROSECONDS, now_us
from mscli.core.errors import ArgumentError, NotFoundError, NotReadableError, NotSupportedError
from mscli.core.frames import AudioData, EncodedVideoChunk, VideoFrame, packed_planes
from mscli.sources.base import AUDIO_INPUT, VIDEO_INPUT, Device, InputOptions
from mscli.sources.file.backend import FileBackend
from tests.backends.rig import Collector, mode_request
from tests.media_files import BOTH, PICTURE, PICTURES, RATE, SECONDS, SIZE, SOUNDS, digests, ffmpeg, make, samples

pytestmark = pytest.mark.usefixtures("no_descriptor_is_left")

STEP_US = MICROSECONDS // RATE
AT_ONCE = InputOptions(paced=False)
BIT_EXACT = ("mp4", "mov", "mkv", "ts", "flv", "webm", "avi", "nut", "y4m", "m4v")  # decoders that agree in all versions


class Timed(Collector):
    """A receiver that also notes when each frame arrives."""

    def __init__(self) -> None:
        super().__init__()
        self.arrived_us: list[int] = []

    def on_frame(self, frame: Any) -> None:
        self.arrived_us.append(now_us())
        super().on_frame(frame)


class Reading:
    """A file that is read by a receiver for each of its kinds."""

    def __init__(self, path: Path, options: InputOptions = AT_ONCE, codec: bool = False, kinds: tuple[str, ...] = ()) -> None:
        self.backend = FileBackend(str(path), options)
        devices = [one for one in self.backend.devices() if not kinds or one.kind in kinds]
        self.receivers = {device.kind: Timed() for device in devices}
        self._sources = {device.kind: self.backend.open(device, self._request(device, codec)) for device in devices}

    def _request(self, device: Device, codec: bool) -> Any:
        abilities = self.backend.abilities(device)
        settings = {name: values[0] for name, values in abilities.values.items()}
        return mode_request(abilities.modes[codec], settings) if abilities.modes else mode_request_of_sound(settings)

    def start(self) -> None:
        for kind, source in self._sources.items():
            source.start(self.receivers[kind])

    def stop(self) -> None:
        for source in self._sources.values():
            source.stop()
        self.backend.close()

    def to_its_end(self) -> dict[str, list[Any]]:
        """Read all of it. Return what came, by kind."""
        self.start()
        for receiver in self.receivers.values():
            receiver.wait_for(ends=1)
            assert receiver.ends == [None]
        self.stop()
        return {kind: receiver.frames for kind, receiver in self.receivers.items()}


def mode_request_of_sound(settings: dict[str, Any]) -> Any:
    from mscli.sources.base import Request

    return Request(settings)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return a function that makes a file with this suffix, once."""
    folder = tmp_path_factory.mktemp("files")

    def of(suffix: str) -> Path:
        path = folder / f"clip.{suffix}"
        return path if path.exists() else make(path)

    return of


def digest(frame: VideoFrame) -> str:
    return hashlib.md5(b"".join(packed_planes(frame))).hexdigest()


@pytest.mark.parametrize("suffix", [*BOTH, *PICTURES])
def test_all_pictures_of_a_file_come_as_ffmpeg_decodes_them(suffix: str, made: Callable[[str], Path]) -> None:
    pictures = Reading(made(suffix)).to_its_end()[VIDEO_INPUT]
    assert all((one.coded_width, one.coded_height) == SIZE for one in pictures)
    assert [one.sequence for one in pictures] == list(range(RATE * SECONDS))
    assert all(abs(after.timestamp - before.timestamp - STEP_US) <= 2000 for before, after in pairwise(pictures))
    if suffix in BIT_EXACT:
        assert list(map(digest, pictures)) == digests(made(suffix))


@pytest.mark.parametrize("suffix", [*BOTH, *SOUNDS])
def test_all_sound_of_a_file_comes_without_a_gap(suffix: str, made: Callable[[str], Path]) -> None:
    blocks: list[AudioData] = Reading(made(suffix)).to_its_end()[AUDIO_INPUT]
    assert sum(block.number_of_frames for block in blocks) == samples(made(suffix))
    assert {block.sample_rate for block in blocks} == {48000}
    for before, after in pairwise(blocks):
        assert after.sequence == before.sequence + before.number_of_frames
        assert abs(after.timestamp - before.timestamp - before.duration) <= 1000  # as exact as the container's times


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts", "webm"])
def test_packets_come_in_the_order_of_decoding_with_the_times_of_their_pictures(
    suffix: str, made: Callable[[str], Path]
) -> None:
    chunks: list[EncodedVideoChunk] = Reading(made(suffix), codec=True).to_its_end()[VIDEO_INPUT]
    assert len(chunks) == RATE * SECONDS
    assert chunks[0].key
    assert all(after.order_us > before.order_us for before, after in pairwise(chunks))
    shown = sorted(chunk.timestamp for chunk in chunks)
    assert all(abs(after - before - STEP_US) <= 2000 for before, after in pairwise(shown))


@pytest.mark.parametrize("channels", [(1, 2), (2, 1)])
def test_sound_whose_channels_change_keeps_the_first_ones(channels: tuple[int, int], tmp_path: Path) -> None:
    path = tmp_path / "clip.aac"
    path.write_bytes(b"".join(make(tmp_path / f"{count}.aac", "-ac", str(count)).read_bytes() for count in channels))
    blocks = Reading(path).to_its_end()[AUDIO_INPUT]
    assert {block.number_of_channels for block in blocks} == {channels[0]}
    assert sum(block.number_of_frames for block in blocks) >= 2 * SECONDS * 48_000


@pytest.mark.parametrize("start_s", [0.0, 0.63])
def test_an_elementary_stream_has_the_times_of_its_rate(start_s: float, made: Callable[[str], Path], tmp_path: Path) -> None:
    path = tmp_path / "clip.h264"
    ffmpeg("-i", made("mp4"), "-an", "-c:v", "libx264", "-bf", "2", "-r", "50", path)
    reading = Reading(path, InputOptions(start_s, paced=False))
    (device,) = reading.backend.devices()
    abilities = reading.backend.abilities(device)
    assert [mode.frame_rate for mode in abilities.modes] == [50]
    assert "do not say when to show" in abilities.unusable[0].why
    pictures = reading.to_its_end()[VIDEO_INPUT]
    first = int(start_s * 50)
    assert list(map(digest, pictures)) == digests(path)[first:]
    assert [one.timestamp for one in pictures] == [
        max(0, 20_000 * n - round(start_s * MICROSECONDS)) for n in range(first, 100)
    ]


def test_an_elementary_stream_without_reordered_pictures_can_be_copied(made: Callable[[str], Path], tmp_path: Path) -> None:
    path = tmp_path / "clip.h264"
    ffmpeg("-i", made("mp4"), "-an", "-c:v", "libx264", "-bf", "0", "-r", "50", path)
    chunks = Reading(path, codec=True).to_its_end()[VIDEO_INPUT]
    assert [chunk.order_us for chunk in chunks] == [20_000 * number for number in range(100)]


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts", "webm"])
@pytest.mark.parametrize("start_s", [0.4, 0.63, 1.92])
def test_a_start_is_exact(suffix: str, start_s: float, made: Callable[[str], Path]) -> None:
    whole = Reading(made(suffix)).to_its_end()
    late = Reading(made(suffix), InputOptions(start_s, paced=False)).to_its_end()
    start_us = round(start_s * MICROSECONDS)
    shown = [one for one in whole[VIDEO_INPUT] if one.timestamp + one.duration > start_us]
    assert list(map(digest, late[VIDEO_INPUT])) == list(map(digest, shown))
    assert late[VIDEO_INPUT][0].timestamp == max(0, shown[0].timestamp - start_us)
    sound = [sum(block.number_of_frames for block in one[AUDIO_INPUT]) for one in (late, whole)]
    assert abs(sound[1] - sound[0] - start_s * 48000) <= 1200  # the stream itself may begin up to 25 ms after the file


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
def test_a_loop_has_no_seam(suffix: str, made: Callable[[str], Path]) -> None:
    reading = Reading(made(suffix), InputOptions(loop=True, paced=False))
    reading.start()
    reading.receivers[VIDEO_INPUT].wait_for(frames=3 * RATE * SECONDS + 1)
    reading.receivers[AUDIO_INPUT].wait_for(frames=3 * 96)
    reading.stop()
    blocks, pictures = (list(reading.receivers[kind].frames) for kind in (AUDIO_INPUT, VIDEO_INPUT))
    assert all(after.sequence == before.sequence + before.number_of_frames for before, after in pairwise(blocks))
    assert all(abs(after.timestamp - before.timestamp - before.duration) <= 1000 for before, after in pairwise(blocks))
    once, again, third = (pictures[number * RATE * SECONDS] for number in range(3))
    assert digest(once) == digest(again) == digest(third)
    assert again.timestamp - once.timestamp == third.timestamp - again.timestamp  # so nothing drifts


def test_a_file_plays_at_its_own_pace_on_our_clock(made: Callable[[str], Path]) -> None:
    begin_us = now_us()
    reading = Reading(made("mp4"), InputOptions(start_s=1.5))
    reading.to_its_end()
    pictures = reading.receivers[VIDEO_INPUT]
    assert len(pictures.frames) == RATE // 2 + 1
    assert all(begin_us <= one.timestamp <= at_us for one, at_us in zip(pictures.frames, pictures.arrived_us, strict=True))
    assert all(after.timestamp - before.timestamp == STEP_US for before, after in pairwise(pictures.frames[1:]))
    sound = reading.receivers[AUDIO_INPUT]
    ends_us = [block.timestamp + block.duration for block in sound.frames]
    assert all(end_us <= at_us for end_us, at_us in zip(ends_us, sound.arrived_us, strict=True))


def test_a_paused_file_stands_still_and_goes_on_where_it_was(made: Callable[[str], Path]) -> None:
    reading = Reading(made("mp4"), kinds=(VIDEO_INPUT,))
    reading.backend.player.pause()
    reading.start()
    reading.receivers[VIDEO_INPUT].expect_nothing_more(0.1)
    reading.backend.player.resume()
    reading.receivers[VIDEO_INPUT].wait_for(ends=1)
    reading.stop()
    assert list(map(digest, reading.receivers[VIDEO_INPUT].frames)) == digests(made("mp4"))


def test_a_file_that_is_opened_again_goes_on_where_it_was_stopped(made: Callable[[str], Path]) -> None:
    backend = FileBackend(str(made("mp4")), AT_ONCE)
    (device,) = backend.devices([VIDEO_INPUT])
    request = mode_request(backend.abilities(device).modes[0])
    came: list[VideoFrame] = []
    for ends in (0, 1):
        source, receiver = backend.open(device, request), Collector()
        source.start(receiver)
        receiver.wait_for(frames=1, ends=ends)
        source.stop()
        came += receiver.frames
    backend.close()
    assert list(map(digest, came)) == digests(made("mp4"))


def test_a_rotated_picture_is_turned_upright_and_not_copied(made: Callable[[str], Path], tmp_path: Path) -> None:
    rotated = tmp_path / "rotated.mp4"
    ffmpeg("-i", made("mp4"), "-c", "copy", "-metadata:s:v", "rotate=90", rotated)
    reading = Reading(rotated, kinds=(VIDEO_INPUT,))
    (device,) = reading.backend.devices([VIDEO_INPUT])
    abilities = reading.backend.abilities(device)
    assert abilities.modes == [Mode("I420", SIZE[1], SIZE[0], RATE)]
    assert [one.what for one in abilities.unusable] == ["H264"]
    assert [digest(one) for one in reading.to_its_end()[VIDEO_INPUT]] == digests(rotated)


def test_a_rate_that_varies_is_kept(made: Callable[[str], Path], tmp_path: Path) -> None:
    varying = tmp_path / "varying.mkv"
    ffmpeg("-i", made("mp4"), "-an", "-vf", "select='not(between(n,10,30))'", "-vsync", "vfr", varying)
    pictures = Reading(varying).to_its_end()[VIDEO_INPUT]
    steps = [after.timestamp - before.timestamp for before, after in pairwise(pictures)]
    assert [round(step / STEP_US) for step in steps].count(22) == 1
    assert [one.sequence for one in pictures] == list(range(len(pictures)))


def test_cover_pictures_and_subtitles_are_left_alone(made: Callable[[str], Path], tmp_path: Path) -> None:
    cover, song = tmp_path / "cover.png", tmp_path / "song.m4a"
    ffmpeg("-f", "lavfi", "-i", "color=red:size=16x16", "-frames:v", "1", cover)
    ffmpeg("-i", made("m4a"), "-i", cover, "-map", "0", "-map", "1", "-c", "copy", "-disposition:v", "attached_pic", song)
    assert [device.kind for device in FileBackend(str(song)).devices()] == [AUDIO_INPUT]
    text, film = tmp_path / "text.srt", tmp_path / "film.mkv"
    text.write_text("1\n00:00:00,000 --> 00:00:01,000\nHello\n")
    ffmpeg("-i", made("mkv"), "-i", text, "-c", "copy", "-c:s", "srt", film)
    assert list(map(digest, Reading(film).to_its_end()[VIDEO_INPUT])) == digests(film)


_FORMATS = [("yuv422p10le", "I422"), ("gbrp10le", "RGB24"), ("gray16le", "Y16"), ("bgra", "BGRA"), ("yuva420p", "RGBA")]


@pytest.mark.parametrize(("pixels", "ours"), _FORMATS)
def test_pictures_of_other_formats_become_the_nearest_of_ours(pixels: str, ours: str, tmp_path: Path) -> None:
    path = tmp_path / "clip.nut"
    ffmpeg("-f", "lavfi", "-i", "testsrc2=size=64x48:rate=5:duration=1", "-c:v", "ffv1", "-pix_fmt", pixels, path)
    assert [one.format for one in Reading(path).to_its_end()[VIDEO_INPUT]] == [ours] * 5


def test_a_damaged_file_plays_to_where_it_ends(made: Callable[[str], Path], tmp_path: Path) -> None:
    cut = tmp_path / "cut.mkv"
    data = made("mkv").read_bytes()
    cut.write_bytes(data[: len(data) // 2])
    reading = Reading(cut)
    reading.start()
    reading.receivers[VIDEO_INPUT].wait_for(ends=1)
    reading.stop()
    pictures = list(map(digest, reading.receivers[VIDEO_INPUT].frames))
    assert 5 < len(pictures) < RATE * SECONDS
    assert pictures[:-1] == digests(made("mkv"))[: len(pictures) - 1]


def test_damaged_packets_are_counted_as_lost(made: Callable[[str], Path], tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.mkv"
    ffmpeg("-i", made("mkv"), "-c", "copy", "-an", "-bsf:v", "noise=drop=0:amount=200", damaged)
    reading = Reading(damaged)
    reading.start()
    reading.receivers[VIDEO_INPUT].wait_for(ends=1)
    reading.stop()
    receiver = reading.receivers[VIDEO_INPUT]
    assert sum(receiver.lost) > 0


def encrypted(made: Callable[[str], Path], path: Path) -> None:
    scheme = ("-encryption_scheme", "cenc-aes-ctr", "-encryption_key", "0" * 32, "-encryption_kid", "1" * 32)
    ffmpeg("-i", made("mp4"), "-c", "copy", *scheme, path)


def test_an_encrypted_file_is_refused(made: Callable[[str], Path], tmp_path: Path) -> None:
    encrypted(made, tmp_path / "secret.mp4")
    backend = FileBackend(str(tmp_path / "secret.mp4"))
    for device in backend.devices():
        with pytest.raises(NotSupportedError, match=r"the (video|sound) in .*secret\.mp4 is encrypted"):
            backend.abilities(device)


def test_what_cannot_be_read_is_an_error_that_says_why(made: Callable[[str], Path], tmp_path: Path) -> None:
    make(tmp_path / "holiday.mp4")
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("no film " * 100)
    data = made("mp4").read_bytes()
    (tmp_path / "headless.mp4").write_bytes(data[: len(data) // 2])  # its index is at the end
    for name, kind, why in (
        ("holidy.mp4", NotFoundError, r"does not exist \(did you mean “holiday\.mp4”\?\)"),
        ("empty.mp4", NotReadableError, "is empty"),
        (".", NotReadableError, "is a folder"),
        ("text.mp4", NotReadableError, "is damaged, or holds no media"),
        ("headless.mp4", NotReadableError, "is damaged, or holds no media"),
    ):
        with pytest.raises(kind, match=why):
            FileBackend(str(tmp_path / name))
    with pytest.raises(ArgumentError, match=r"cannot start at 3 s: .*holiday\.mp4 lasts 2"):
        FileBackend(str(tmp_path / "holiday.mp4"), InputOptions(start_s=3))


@pytest.mark.parametrize(
    ("header", "why"),
    [
        ("W0 H48 F25:1", "pictures of 0×48 pixels"),
        ("Wabc H48 F25:1", "its header is damaged: its width is “abc”"),
        ("W64 F25:1", "its header is damaged: it tells no height"),
        ("W99999999999 H48 F25:1", "pictures of 99999999999×48 pixels"),
        ("W64 H48 F25:1 C999", "YUV4MPEG2 with 999"),
        ("", "it tells no width"),
        ("W64 H48 F25:1" + " " * 2000, "it does not end"),
    ],
)
def test_a_damaged_header_of_yuv4mpeg2_is_an_error_that_names_its_fault(header: str, why: str, tmp_path: Path) -> None:
    path = tmp_path / "a.y4m"
    path.write_text(f"YUV4MPEG2 {header}\nFRAME\n")
    with pytest.raises((NotReadableError, NotSupportedError), match=why):
        FileBackend(str(path))


def test_an_address_is_a_path_or_the_url_of_a_file() -> None:
    assert file_path("clips/a b.mp4") == "clips/a b.mp4"
    assert file_path("file:clips/a%20b.mp4") == "clips/a%20b.mp4"
    assert file_path("file:///clips/a%20b.mp4") == "/clips/a b.mp4"


@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv", "webm", "ts"])
@pytest.mark.parametrize("codec", [False, True])
def test_the_last_picture_behind_a_gap_lasts_as_long_as_others(suffix: str, codec: bool, tmp_path: Path) -> None:
    path = tmp_path / f"a.{suffix}"
    how = ("-c:v", "libvpx") if suffix == "webm" else ("-c:v", "libx264", "-bf", "2", "-pix_fmt", "yuv420p")
    ffmpeg(*PICTURE, "-vf", "setpts='if(gt(N,9),PTS+60/TB,PTS)'", "-vsync", "passthrough", *how, path)
    reading = Reading(path, codec=codec)
    (device,) = reading.backend.devices()
    rates = {mode.frame_rate for mode in reading.backend.abilities(device).modes}
    frames = reading.to_its_end()[VIDEO_INPUT]
    last = max(frames, key=lambda frame: frame.timestamp)
    assert (rates, last.duration) == ({RATE}, STEP_US)
    assert last.timestamp - frames[0].timestamp == pytest.approx(
        60 * MICROSECONDS + (SECONDS * RATE - 1) * STEP_US, abs=STEP_US
    )
    assert max(frame.timestamp + frame.duration for frame in frames) == last.timestamp + last.duration


@pytest.mark.parametrize(("suffix", "offset_s"), [("ts", 0), ("ts", 95442), ("mkv", 0), ("mpg", 0), ("ogg", 0)])
def test_times_that_step_back_go_on_after_what_came_before(
    suffix: str, offset_s: int, made: Callable[[str], Path], tmp_path: Path
) -> None:
    clip, again, joined = made(suffix), tmp_path / f"again.{suffix}", tmp_path / f"joined.{suffix}"
    moved = ["-map", "0", "-c", "copy", "-f", "mpegts", "-output_ts_offset"]  # whose times begin again after 95443 s
    again.write_bytes(ffmpeg("-i", clip, *moved, str(offset_s), "-") if offset_s else clip.read_bytes())
    joined.write_bytes(clip.read_bytes() + again.read_bytes())
    once, twice = Reading(clip).to_its_end(), Reading(joined).to_its_end()
    for kind, media in twice.items():
        length_us = sum(one.lasts_us if kind == AUDIO_INPUT else STEP_US for one in once[kind])
        steps_us = [after.timestamp - before.timestamp for before, after in pairwise(media)]
        assert len(media) == 2 * len(once[kind]), kind
        assert min(steps_us) > 0, kind
        assert media[-1].timestamp - media[0].timestamp == pytest.approx(2 * length_us, abs=MICROSECONDS // 5), kind
    first, second = ([media[len(once[kind]) * part].timestamp for kind, media in twice.items()] for part in (0, 1))
    assert second[-1] - second[0] == pytest.approx(first[-1] - first[0], abs=2000), "they stay in step"


def patched(clip: Path, path: Path, stream: int, change: Callable[[float, int], float]) -> Path:
    """Write an MPEG-TS file again. ``change``: from a time in seconds and its number to what a stream's PES packets say."""
    data, number = bytearray(clip.read_bytes()), 0
    for packet in range(0, len(data), 188):
        begin = packet + 4 + (1 + data[packet + 4] if data[packet + 3] & 0x20 else 0)
        if not data[packet + 1] & 0x40 or data[begin : begin + 3] != b"\0\0\1" or data[begin + 3] != stream:
            continue
        for at in {2: (9,), 3: (9, 14)}.get(data[begin + 7] >> 6, ()):
            part = data[begin + at : begin + at + 5]
            ticks = (part[0] >> 1 & 7) << 30 | part[1] << 22 | part[2] >> 1 << 15 | part[3] << 7 | part[4] >> 1
            ticks = round(change(ticks / 90_000, number) * 90_000) % (1 << 33)
            high = part[0] & 0xF1 | ticks >> 30 << 1, ticks >> 22 & 255, (ticks >> 15 & 127) << 1 | 1
            data[begin + at : begin + at + 5] = bytes((*high, ticks >> 7 & 255, (ticks & 127) << 1 | 1))
        number += 1
    path.write_bytes(data)
    return path


WRONG: dict[str, Callable[[float, int], float]] = {
    "one ahead": lambda at, number: at + 5 * (number == 4),
    "one far ahead": lambda at, number: at + 1000 * (number == 4),
    "one zero": lambda at, number: at * (number != 4),
    "one behind": lambda at, number: at - 3 * (number == 4),
    "some ahead": lambda at, number: at + 60 * (3 <= number < 5),
    "all zero": lambda *_: 0,
    "constant": lambda *_: 50,
}


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("stream", [0xE0, 0xC0], ids=["picture", "sound"])
def test_wrong_times_of_a_file_change_nothing(stream: int, wrong: str, made: Callable[[str], Path], tmp_path: Path) -> None:
    later = tmp_path / "later.ts"
    ffmpeg("-i", made("ts"), "-c", "copy", "-output_ts_offset", "100", later)
    once = Reading(later).to_its_end()
    reading = Reading(patched(later, tmp_path / "wrong.ts", stream, WRONG[wrong]))
    found = reading.to_its_end()
    starts_us = min(media[0].timestamp for media in found.values())
    for kind, media in found.items():
        expected = [one.timestamp for one in once[kind]]
        whole = wrong in ("all zero", "constant")  # then only the other track tells when it begins
        times = [one.timestamp - starts_us for one in media]
        off = [time - then for time, then in zip(times, expected, strict=True)]
        assert max(map(abs, off)) <= (100_000 if whole else 1000), kind
        if kind == VIDEO_INPUT:
            assert list(map(digest, media)) == list(map(digest, once[kind]))
        counted = sum(reading.receivers[kind].retimed)
        assert bool(counted) == (kind == (VIDEO_INPUT if stream == 0xE0 else AUDIO_INPUT))
        if whole and counted:
            assert counted == sum(one.count for one in media)


@pytest.mark.parametrize("suffix", ["mkv", "ts"])
def test_pictures_that_begin_late_in_a_file_are_found(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"late.{suffix}"
    sound = ("-f", "lavfi", "-i", "sine=duration=62:sample_rate=8000")
    ffmpeg("-itsoffset", "60", *PICTURE, *sound, "-map", "1", "-map", "0", "-c:v", "libx264", "-c:a", "aac", path)
    found = Reading(path).to_its_end()
    assert len(found[VIDEO_INPUT]) == RATE * SECONDS
    assert found[VIDEO_INPUT][0].timestamp - found[AUDIO_INPUT][0].timestamp == pytest.approx(60 * MICROSECONDS, abs=200_000)


def test_pictures_that_are_decoded_in_another_order_do_not_step_back(tmp_path: Path) -> None:
    clip, joined = make(tmp_path / "clip.mkv", "-r", "8", "-bf", "3", "-g", "15"), tmp_path / "joined.mkv"
    joined.write_bytes(clip.read_bytes() * 2)  # FFmpeg takes decoding times in its second part from those of the pictures
    steps_us = [after.timestamp - before.timestamp for before, after in pairwise(Reading(joined).to_its_end()[VIDEO_INPUT])]
    assert steps_us == pytest.approx([MICROSECONDS // 8] * len(steps_us), abs=50_000)
