"""Media files in place of devices, on the command line."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import numpy
import pytest

from tests.cli.program import FakeMachine, error_line
from tests.media_files import RATE, SECONDS, SIZE, digests, ffmpeg, make


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a film of two seconds, with sound."""
    return make(tmp_path_factory.mktemp("films") / "clip.mp4")


@pytest.fixture(scope="session")
def keyless(clip: Path) -> Path:
    """Return the film without its key frames, so that its sound can be decoded, and none of its pictures."""
    film = clip.with_name("keyless.mkv")
    ffmpeg("-i", clip, "-c", "copy", "-bsf:v", "noise=drop=key", film)
    return film


def report(done: Any) -> Any:
    return json.loads(done.stdout)


def track(found: Any, kind: str) -> Any:
    return next(one for one in found["tracks"] if one["kind"] == kind)


def test_picture_and_sound_of_a_file_are_recorded_to_their_end(fake: FakeMachine, clip: Path) -> None:
    found = report(fake("record", "-i", clip, "--no-pace", "--json", "x.mkv", code=0))
    assert (track(found, "video")["frames"], found["reason"]) == (RATE * SECONDS, "ended")
    assert track(found, "audio")["label"] == "clip.mp4"
    assert all(one["lost"] == one["dropped"] == 0 for one in found["tracks"])


def test_a_film_plays_beside_a_microphone(fake: FakeMachine, clip: Path) -> None:
    found = report(fake("record", "--camera", clip, "--start", "1.5", "--json", "x.mkv", code=0))
    assert track(found, "audio")["label"] == "Fake microphone"
    assert track(found, "video")["frames"] + track(found, "video")["dropped"] >= RATE // 2
    assert found["reason"] == "ended"


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "mov"])
def test_packets_are_copied_untouched(suffix: str, fake: FakeMachine, clip: Path) -> None:
    copy = fake.folder / f"copy.{suffix}"
    fake("record", "-i", clip, "--no-pace", "--video-codec", "copy", copy, code=0)
    assert digests(copy) == digests(clip)


def test_a_film_is_cropped_and_thinned_out_like_a_camera(fake: FakeMachine, clip: Path) -> None:
    constraints = ("--size", "exact:100x100", "--frame-rate", "exact:5", "--sample-rate", "exact:16000")
    found = report(fake("record", "-i", clip, "--no-pace", *constraints, "--json", "x.mkv", code=0))
    settings = track(found, "video")["settings"]
    assert (settings["width"], settings["height"], settings["frameRate"]) == (100, 100, 5)
    assert track(found, "video")["frames"] == 5 * SECONDS
    assert track(found, "audio")["settings"]["sampleRate"] == 16000


def test_raw_frames_of_a_file_are_those_that_ffmpeg_decodes(fake: FakeMachine, clip: Path) -> None:
    raw = fake("capture", "-i", clip, "--no-pace", "--format", "I420", code=0).stdout
    assert raw == ffmpeg("-i", clip, "-f", "rawvideo", "-pix_fmt", "yuv420p", "-")


def test_a_snapshot_shows_the_picture_at_the_start(fake: FakeMachine, clip: Path) -> None:
    fake("snapshot", "-i", clip, "--start", "1.2", "--no-metadata", "at.ppm", code=0)
    shape = SIZE[1], SIZE[0], 3
    all_pictures = numpy.frombuffer(ffmpeg("-i", clip, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"), numpy.uint8)
    ours = numpy.frombuffer((fake.folder / "at.ppm").read_bytes()[-math.prod(shape) :], numpy.uint8).reshape(shape)
    apart = numpy.abs(all_pictures.reshape(-1, *shape).astype(int) - ours).mean(axis=(1, 2, 3))
    assert apart.argmin() == 1.2 * RATE


def test_the_end_of_a_file_before_the_requested_one_is_exit_code_8(fake: FakeMachine, clip: Path) -> None:
    done = fake("record", "-i", clip, "--no-pace", "--duration", "3", "x.mkv", code=8)
    assert b"stopped early, because a source ended" in done.stderr
    fake("record", "-i", clip, "--no-pace", "--loop", "--duration", "3", "y.mkv", code=0)
    assert len(digests(fake.folder / "y.mkv")) == 3 * RATE


@pytest.mark.parametrize(
    ("command", "files"),
    [
        (["record", "--no-audio", "x.mkv"], []),
        (["record", "--no-audio", "--video-codec", "copy", "x.mkv"], []),
        (["record", "--no-audio", "--time-lapse", "1", "x.mkv"], []),
        (["record", "x.mkv"], ["x.mkv"]),
        (["capture", "-o", "x.y4m"], []),
        (["capture", "-o", "x.y4m", "-o", "y.y4m"], []),
        (["snapshot", "x.png"], []),
    ],
)
def test_a_run_that_could_use_no_picture_of_a_file_fails(
    command: list[str], files: list[str], fake: FakeMachine, keyless: Path
) -> None:
    done = fake(*command, "-i", keyless, "--no-pace", code=8 if files else 5)
    assert b"no picture came from " in done.stderr
    assert fake.files == files


def test_a_file_that_ends_before_all_pictures_were_taken_is_no_success(fake: FakeMachine, clip: Path) -> None:
    done = fake("snapshot", "-i", clip, "--no-pace", "--settle", "500", "x.png", code=5)
    assert error_line(done) == "mscli: error: video of “clip.mp4” ended before the first picture (NotReadableError)"
    assert fake.files == []
    fake("snapshot", "-i", clip, "--no-pace", "--start", "1.9", "--count", "100", "x-%d.png", code=8)
    assert fake.files


def test_dry_run_and_capabilities_describe_a_file(fake: FakeMachine, clip: Path) -> None:
    tracks = report(fake("record", "-i", clip, "--dry-run", "--json", "x.mkv", code=0))["tracks"]
    assert {one["kind"]: one["label"] for one in tracks} == {"audio": "clip.mp4", "video": "clip.mp4"}
    known = report(fake("capabilities", clip, "--json", code=0))
    assert [mode["pixelFormat"] for mode in known["modes"]] == ["I420", "H264"]
    assert (known["kind"], known["sound"]["kind"]) == ("videoinput", "audioinput")
    assert known["sound"]["capabilities"]["channelCount"]["max"] >= 1
    assert report(fake("capabilities", "--input", clip, "--json", code=0)) == known
    shown = fake("capabilities", clip, code=0).stdout.decode()
    assert "video of clip.mp4" in shown
    assert "sound of clip.mp4" in shown
    assert not (fake.folder / "x.mkv").exists()


def test_a_file_without_a_suffix_is_found_by_its_path(fake: FakeMachine, clip: Path) -> None:
    (fake.folder / "film").write_bytes(clip.read_bytes())
    found = report(fake("record", "-i", "film", "--no-pace", "--json", "x.mkv", code=0))
    assert track(found, "video")["frames"] == RATE * SECONDS


def test_only_what_a_file_holds_is_recorded(fake: FakeMachine, clip: Path) -> None:
    silent, song = fake.folder / "silent.mp4", fake.folder / "song.flac"
    ffmpeg("-i", clip, "-c", "copy", "-an", silent)
    ffmpeg("-i", clip, "-vn", song)
    for path, kind in ((silent, "video"), (song, "audio")):
        found = report(fake("record", "-i", path, "--no-pace", "--force", "--json", "x.mkv", code=0))
        assert [one["kind"] for one in found["tracks"]] == [kind]


def test_a_film_whose_sound_is_shorter_or_has_a_gap_is_recorded_whole(fake: FakeMachine, clip: Path) -> None:
    film = fake.folder / "film.mkv"
    sound = ("-f", "lavfi", "-i", "sine=duration=0.2", "-itsoffset", "4", "-f", "lavfi", "-i", "sine=duration=0.2")
    ffmpeg("-stream_loop", "3", "-i", clip, *sound, "-map", "0:v", "-map", "1:a", "-c:v", "copy", "-c:a", "flac", film)
    found = report(fake("record", "-i", film, "--no-pace", "--json", "x.mkv", code=0))
    assert track(found, "video")["frames"] == 4 * RATE * SECONDS
    ffmpeg("-i", film, "-f", "lavfi", "-i", "sine=duration=8", "-map", "0:v", "-map", "1:a", "-vf", "select='not(mod(n,90))'",
           "-vsync", "vfr", "-c:a", "flac", fake.folder / "slides.mkv")  # fmt: skip
    found = report(fake("record", "-i", "slides.mkv", "--no-pace", "--json", "y.mkv", code=0))
    assert (track(found, "video")["frames"], track(found, "audio")["frames"] >= 8 * 44100) == (3, True)


@pytest.mark.parametrize("streams", ["a", "v", "both"])
def test_no_silence_fills_a_jump_of_days(streams: str, fake: FakeMachine, clip: Path) -> None:
    later = "setts=pts=PTS+gt(N\\,20)*172800/TB:dts=DTS+gt(N\\,20)*172800/TB"  # with the time base of the clip or the film
    flags = [flag for one in ("a", "v") if streams in (one, "both") for flag in (f"-bsf:{one}", later)]
    ffmpeg("-i", clip, "-c", "copy", *flags, fake.folder / "film.mkv")
    done = fake("record", "-i", "film.mkv", "--no-pace", "--json", "x.mkv", code=0)
    assert len(done.stderr.splitlines()) == 1
    assert re.search(r"the times of film\.mkv jump ahead by [\d.]+ days; going on without the gap", done.stderr.decode())
    assert track(report(done), "video")["frames"] == RATE * SECONDS
    assert SECONDS <= report(done)["duration"] < 3 * SECONDS


BAD = [
    (("--camera", "holidy.mp4"), 3, "holidy.mp4 does not exist (did you mean “holiday.mp4”?)"),
    (("--camera", "song.flac"), 3, "no video at song.flac"),
    (("-i", "holiday.mp4", "--width", "exact:9999"), 6, "video of “holiday.mp4” does not offer width = 9999 px"),
    (("-i", "song.flac", "--channel-count", "exact:32"), 6, "sound of “song.flac” does not offer channelCount = 32"),
    (("--camera", "text.mp4"), 5, "text.mp4 is damaged, or holds no media that mscli can read"),
    (("-i", "half.jpg"), 5, "no picture came from half.jpg: 1 packet could not be decoded"),
    (("-i", "half-a-jpeg"), 5, "no picture came from half-a-jpeg: 1 packet could not be decoded"),
    (("--camera", "secret.mp4"), 7, "the video in secret.mp4 is encrypted"),
    (("-i", "holiday.mp4", "--start", "9"), 2, "cannot start at 9 s: holiday.mp4 lasts 2"),
    (("--loop",), 2, "--loop has no effect: no file is read"),
    (("--camera", "holiday.mp4", "--microphone", "fake", "--no-pace"), 7, "cannot be in one recording"),
    (("-i", "holiday.mp4", "--video-codec", "copy", "--size", "exact:100x100"), 6, "100"),
]


@pytest.mark.parametrize(("arguments", "code", "why"), BAD)
def test_a_file_that_cannot_be_used_is_an_error_that_says_why(
    arguments: tuple[str, ...], code: int, why: str, fake: FakeMachine, clip: Path
) -> None:
    (fake.folder / "holiday.mp4").write_bytes(clip.read_bytes())
    (fake.folder / "text.mp4").write_text("no film " * 100)
    image = ffmpeg("-i", clip, "-frames:v", "1", "-f", "image2pipe", "-c:v", "mjpeg", "-")
    for name in ("half.jpg", "half-a-jpeg"):
        (fake.folder / name).write_bytes(image[: len(image) // 2])
    ffmpeg("-i", clip, "-vn", fake.folder / "song.flac")
    scheme = ("-encryption_scheme", "cenc-aes-ctr", "-encryption_key", "0" * 32, "-encryption_kid", "1" * 32)
    ffmpeg("-i", clip, "-c", "copy", *scheme, fake.folder / "secret.mp4")
    done = fake("record", *arguments, "x.mkv", code=code)
    assert why in error_line(done)
    assert not (fake.folder / "x.mkv").exists()
