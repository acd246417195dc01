"""The formats of ``capture``: byte-exact, whatever the size, and read by other programs as the program says."""

from __future__ import annotations

import io
import json
import subprocess
import wave
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from mscli.core.frames import PIXEL_FORMATS, frame_bytes
from tests.cli.program import FakeMachine, camera, error_line, microphone, streams
from tests.conftest import require
from tests.pattern import read_code

SIZES = ["322x242", "321x241"]


def plug(fake: FakeMachine, size: str, pixels: str = "I420") -> tuple[int, int]:
    """Plug in a camera with one mode, and a microphone."""
    width, height = map(int, size.split("x"))
    fake.plug(camera(modes=[{"width": width, "height": height, "frameRate": 30, "pixelFormat": pixels}]), microphone())
    return width, height


def numbers(luma: npt.NDArray[np.uint8]) -> list[int | None]:
    """The numbers in pictures."""
    return [code.number if (code := read_code(one)) is not None else None for one in luma]


def consecutive(found: list[int | None]) -> bool:
    """Whether frames are whole and in order. On a busy machine some may be missing."""
    known = [number for number in found if number is not None]
    return len(known) == len(found) > 0 and known == sorted(set(known))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("pixels", PIXEL_FORMATS)
def test_rawvideo_holds_the_pixels_of_the_camera(pixels: str, size: str, fake: FakeMachine) -> None:
    width, height = plug(fake, size, pixels)
    both = ("--frames", "2", "--format", "rawvideo", "--pixel-format")
    data = fake("capture", "--quiet", *both, pixels, code=0).stdout
    assert len(data) == 2 * frame_bytes(pixels, width, height)
    assert data[: len(data) // 2] != data[len(data) // 2 :]
    assert data == fake("capture", "--quiet", *both, "native", code=0).stdout


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("pixels", ["I420", "I422", "I444"])
def test_y4m_carries_planar_pictures(pixels: str, size: str, fake: FakeMachine) -> None:
    width, height = plug(fake, size, pixels)
    fake("capture", "--quiet", "--frames", "3", "--pixel-format", pixels, "-o", "x.y4m", code=0)
    head, *frames = (fake.folder / "x.y4m").read_bytes().split(b"FRAME\n")
    assert head.startswith(f"YUV4MPEG2 W{width} H{height} F30:1 ".encode())
    assert {len(frame) for frame in frames} == {frame_bytes(pixels, width, height)}
    luma = b"".join(frame[: width * height] for frame in frames)
    assert consecutive(numbers(np.frombuffer(luma, np.uint8).reshape(-1, height, width)))
    require("ffprobe")
    video = streams(fake.folder / "x.y4m")["video"]
    assert video["pix_fmt"] == PIXEL_FORMATS[pixels].ffmpeg
    assert video["nb_read_packets"] == "3"


SHAPES: dict[str, Any] = {
    "I420": (363, 322), "NV12": (363, 322), "I422": (484, 322), "I444": (726, 322), "YUYV": (242, 322, 2),
    "UYVY": (242, 322, 2),
    "RGB24": (242, 322, 3), "BGR24": (242, 322, 3), "RGBA": (242, 322, 4), "RGBX": (242, 322, 4), "BGRA": (242, 322, 4),
    "BGRX": (242, 322, 4), "GREY": (242, 322),
}  # fmt: skip


@pytest.mark.parametrize("pixels", PIXEL_FORMATS)
def test_numpy_loads_pictures(pixels: str, fake: FakeMachine) -> None:
    plug(fake, "322x242", pixels)
    arguments = ("capture", "--quiet", "--frames", "3")
    raw = fake(*arguments, code=0).stdout
    fake(*arguments, "-o", "x.npy", code=0)
    found = np.load(fake.folder / "x.npy")
    assert (found.shape, found.dtype) == ((3, *SHAPES[pixels]), np.uint8)
    assert found.tobytes() == raw
    piped = np.load(io.BytesIO(fake(*arguments, "--format", "npy", code=0).stdout))
    assert piped.tobytes() == raw


def test_numpy_loads_pictures_of_an_odd_size(fake: FakeMachine) -> None:
    width, height = plug(fake, "321x241")
    fake("capture", "--quiet", "--frames", "3", "-o", "x.npy", code=0)
    fake("capture", "--quiet", "--frames", "3", "--pixel-format", "RGB24", "-o", "y.npy", code=0)
    flat = np.load(fake.folder / "x.npy")
    assert flat.shape == (3, frame_bytes("I420", width, height))
    assert consecutive(numbers(flat[:, : width * height].reshape(-1, height, width)))
    found = np.load(fake.folder / "y.npy")
    assert found.shape == (3, height, width, 3)
    assert consecutive(numbers(found[..., 1]))


def test_an_array_can_be_read_while_it_grows(fake: FakeMachine) -> None:
    plug(fake, "64x48")
    with fake.running("capture", "-o", "x.npy", "--frame-log", "log") as running:
        log, file = fake.folder / "log", fake.folder / "x.npy"
        while not (file.exists() and len(np.load(file)) >= 3):
            assert running.process.poll() is None
        assert np.load(file).shape[1:] == (72, 64)
        running.process.terminate()
        running.end()
    assert len(np.load(file)) == len(log.read_text().splitlines())


@pytest.mark.parametrize(("name", "kind"), [("s16le", "<i2"), ("s32le", "<i4"), ("f32le", "<f4"), ("s24le", "")])
def test_samples_have_the_format_that_is_asked_for(name: str, kind: str, fake: FakeMachine) -> None:
    fake.plug(microphone())
    data = fake("capture", "--quiet", "--frames", "1000", "--format", name, code=0).stdout
    plain = np.frombuffer(fake("capture", "--quiet", "--frames", "1000", "--format", "pcm", code=0).stdout, "<i2")
    if kind:
        scale = {"<i2": 1, "<i4": 65536, "<f4": 1 / 32768}[kind]
        assert np.array_equal(np.frombuffer(data, kind), (plain * np.float64(scale)).astype(kind))
    else:
        packed = np.frombuffer(data, np.uint8).reshape(-1, 3)
        assert np.array_equal(packed[:, 1:].copy().view("<i2").ravel(), plain)
        assert not packed[:, 0].any()


def test_the_suffix_of_a_wav_file_asks_for_sound(fake: FakeMachine) -> None:
    fake("capture", "--quiet", "--frames", "4800", "-o", "x.wav", code=0)
    with wave.open(str(fake.folder / "x.wav")) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth(), file.getnframes()) == (48000, 1, 2, 4800)
        data = file.readframes(4800)
    assert data == fake("capture", "--quiet", "--frames", "4800", "--format", "s16le", code=0).stdout
    fake("capture", "--quiet", "--frames", "4800", "-o", "x.npy", "--no-video", "--audio", code=0)
    assert np.load(fake.folder / "x.npy").tobytes() == data


@pytest.mark.parametrize("pixels", ["I420", "MJPEG"])
@pytest.mark.parametrize(("form", "demuxer"), [("mjpeg", "mjpeg"), ("multipart", "mpjpeg")])
def test_jpegs_are_encoded_or_those_of_the_camera(form: str, demuxer: str, pixels: str, fake: FakeMachine) -> None:
    require("ffmpeg")
    width, height = plug(fake, "322x242", pixels)
    command = ("capture", "--quiet", "--frames", "5", "--frame-log", "log")
    data = fake(*command, "--format", form, code=0).stdout
    assert data.count(b"\xff\xd8\xff") == 5
    assert sum(json.loads(line)["bytes"] for line in (fake.folder / "log").read_text().splitlines()) == len(data)
    if form == "multipart":
        head, _, rest = data.partition(b"\r\n\r\n")
        length = int(head.rpartition(b" ")[2])
        assert head.startswith(b"--ffmpeg\r\nContent-Type: image/jpeg\r\n")
        assert rest[length : length + 12] == b"\r\n--ffmpeg\r\n"
    shown = ["ffmpeg", "-v", "error", "-f", demuxer, "-i", "-", "-pix_fmt", "gray", "-f", "rawvideo", "-"]
    grey = subprocess.run(shown, input=data, capture_output=True, check=True).stdout
    assert consecutive(numbers(np.frombuffer(grey, np.uint8).reshape(-1, height, width)))


def test_h264_is_annex_b_with_parameter_sets(fake: FakeMachine) -> None:
    require("ffmpeg")
    plug(fake, "320x240")
    data = fake("capture", "--quiet", "--frames", "40", "--format", "h264", "--frame-log", "log", code=0).stdout
    assert data.startswith(b"\0\0\0\1\x67")
    assert data.count(b"\0\0\0\1\x67") >= 2  # before each key frame
    log = [json.loads(line) for line in (fake.folder / "log").read_text().splitlines()]
    assert (len(log), sum(line["bytes"] for line in log)) == (40, len(data))
    shown = [
        "ffmpeg",
        "-v",
        "error",
        "-f",
        "h264",
        "-i",
        "-",
        "-fps_mode",
        "passthrough",
        "-pix_fmt",
        "gray",
        "-f",
        "rawvideo",
        "-",
    ]
    grey = subprocess.run(shown, input=data, capture_output=True, check=True).stdout
    found = numbers(np.frombuffer(grey, np.uint8).reshape(-1, 240, 320))
    assert len(found) == 40
    assert consecutive(found)
    assert found == [line["sequence"] for line in log]


@pytest.mark.parametrize(("form", "suffix"), [("matroska", "mkv")])
def test_a_container_holds_picture_and_sound_with_their_times(form: str, suffix: str, fake: FakeMachine) -> None:
    require("ffprobe")
    fake("capture", "--quiet", "--audio", "--duration", "1", "-o", f"x.{suffix}", code=0)
    (fake.folder / "piped").write_bytes(
        fake("capture", "--quiet", "--audio", "--duration", "1", "--format", form, code=0).stdout
    )
    for name in (f"x.{suffix}", "piped"):
        found = streams(fake.folder / name)
        assert int(found["video"]["nb_read_packets"]) == 30
        assert abs(float(found["video"]["start_time"]) - float(found["audio"]["start_time"])) < 0.04


def test_each_output_takes_the_tracks_that_it_holds(fake: FakeMachine) -> None:
    require("ffprobe")
    outputs = ("-o", "x.y4m", "-o", "x.wav", "-o", "x.mkv")
    fake("capture", "--quiet", "--audio", "--video", "--duration", "0.5", *outputs, code=0)
    found = {name: sorted(streams(fake.folder / name)) for name in fake.files}
    assert found == {"x.y4m": ["video"], "x.wav": ["audio"], "x.mkv": ["audio", "video"]}


READ = [
    *((SIZES[1], ("--format", "rawvideo", "--pixel-format", pixels)) for pixels in PIXEL_FORMATS),
    *((SIZES[1], ("--format", form)) for form in ("y4m", "mjpeg", "h264", "multipart", "npy", "matroska")),
]


@pytest.mark.parametrize(("size", "form"), READ, ids=lambda value: value if isinstance(value, str) else value[-1])
def test_ffmpeg_reads_what_is_printed(size: str, form: tuple[str, ...], fake: FakeMachine) -> None:
    require("ffmpeg")
    plug(fake, size)
    (printed,) = fake("capture", *form, "--print-ffmpeg", code=0).stdout.decode().splitlines()
    count = "-map 0:v -fps_mode passthrough -f framecrc -"
    done = fake.shell(f"mscli capture --quiet --frames 4 {' '.join(form)} | ffmpeg -v error {printed} {count}")
    lines = [line for line in done.stdout.decode().splitlines() if not line.startswith("#")]
    assert (len(lines), done.stderr) == (4, b"")


@pytest.mark.parametrize("form", ["s16le", "s24le", "s32le", "f32le", "pcm", "wav", "npy"])
def test_ffmpeg_reads_sound_as_it_is_printed(form: str, fake: FakeMachine) -> None:
    require("ffmpeg")
    fake.plug(microphone(channelCounts=[2]))
    sound = ("--no-video", "--audio", "--frames", "4800", "--format", form)
    (printed,) = fake("capture", *sound, "--print-ffmpeg", code=0).stdout.decode().splitlines()
    done = fake.shell(f"mscli capture --quiet {' '.join(sound)} | ffmpeg -v error {printed} -f s16le - | wc -c")
    assert (int(done.stdout), done.stderr) == (4800 * 4, b"")


@pytest.mark.parametrize("pixels", PIXEL_FORMATS)
def test_gstreamer_reads_what_is_printed(pixels: str, fake: FakeMachine) -> None:
    require("gst-launch-1.0")
    plug(fake, SIZES[1])
    form = f"--format rawvideo --pixel-format {pixels}"
    (printed,) = fake("capture", *form.split(), "--print-gst", code=0).stdout.decode().splitlines()
    script = (
        f"mscli capture --quiet --frames 4 {form} > x; cat x | gst-launch-1.0 -q {printed} ! identity ! filesink location=y"
    )
    done = fake.shell(script)
    assert done.returncode == 0, done.stderr
    y = (fake.folder / "y").read_bytes()
    assert y == (fake.folder / "x").read_bytes()


@pytest.mark.parametrize("form", ["y4m", "mjpeg", "multipart", "matroska", "h264"])
def test_gstreamer_reads_streams_as_it_is_printed(form: str, fake: FakeMachine) -> None:
    require("gst-launch-1.0")
    plug(fake, "320x240")
    (printed,) = fake("capture", "--format", form, "--print-gst", code=0).stdout.decode().splitlines()
    done = fake.shell(f"mscli capture --quiet --frames 4 --format {form} | gst-launch-1.0 -q {printed} ! filesink location=y")
    assert done.returncode == 0, done.stderr
    assert (fake.folder / "y").stat().st_size > 0


def test_a_file_is_printed_with_its_name(fake: FakeMachine) -> None:
    require("ffmpeg")
    fake("capture", "--quiet", "--frames", "3", "-o", "a b.raw", code=0)
    printed = fake("capture", "-o", "a b.raw", "--print-ffmpeg", "--print-gst", code=0).stdout.decode().splitlines()
    assert printed[1].startswith("filesrc location='a b.raw' ! rawvideoparse ")
    done = fake.shell(f"ffmpeg -v error {printed[0]} -f framecrc -")
    assert done.stdout.count(b"\n0,") == 3
    assert fake.files == ["a b.raw"]


def test_what_is_printed_steers_no_terminal_and_names_the_file(fake: FakeMachine) -> None:
    name = "a\x9b31m\033]0;x\007 'b'\\\u202e.raw"
    fake("capture", "--quiet", "--frames", "3", "-o", name, code=0)
    printed = fake("capture", "-o", name, "--print-ffmpeg", code=0).stdout.decode()
    assert printed.removesuffix("\n").isprintable()
    done = subprocess.run(["bash", "-c", f"printf %s {printed.rpartition(' -i ')[2]}"], capture_output=True, check=True)
    assert done.stdout.decode() == name


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("--format y4m --pixel-format RGB24", "y4m cannot carry RGB24"),
        ("--pixel-format BGR24 -o x.y4m", "y4m cannot carry BGR24"),
        ("--format h264 --pixel-format I420", "h264 has no pixel format to choose"),
        ("--format matroska --pixel-format I420", "matroska has no pixel format to choose"),
        ("--format rawvideo --pixel-format RGB25", "unknown pixel format “RGB25”"),
        ("--format wav --video --no-audio", "wav holds no video"),
        ("--format y4m --audio --no-video", "y4m holds no audio"),
        ("--audio --video", "raw output holds one track, either video or audio"),
        ("--format npy --print-gst", "GStreamer cannot read NumPy array"),
        ("--format matroska --frame-log log", "--frame-log cannot tell what a frame adds to matroska"),
    ],
)
def test_what_a_format_cannot_carry_is_refused(arguments: str, said: str, fake: FakeMachine) -> None:
    done = fake("capture", "--frames", "1", *arguments.split(), code=7)
    assert said in error_line(done)
    assert fake.files == []


def test_both_kinds_in_one_pipe_need_a_container_that_is_named(fake: FakeMachine) -> None:
    done = fake("capture", "--audio", "--video", code=7)
    assert b"--format matroska" in done.stderr


def test_a_wav_file_of_many_channels_and_depths_is_read_by_ffmpeg(fake: FakeMachine, tmp_path: Path) -> None:
    require("ffprobe")
    fake.plug(microphone(channelCounts=[2], sampleSizes=[32]))
    fake("capture", "--quiet", "--frames", "4800", "-o", "x.wav", code=0)
    found = streams(fake.folder / "x.wav")["audio"]
    assert (found["codec_name"], found["channels"], found["duration_ts"]) == ("pcm_s32le", 2, 4800)
