"""Every channel of an interface, and its samples bit by bit, from a real sound server into files that sox and FFmpeg read."""

from __future__ import annotations

import math
import os
import random
import subprocess
from array import array
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import av
import pytest

from tests.backends.pulse_rig import RATE, PrivatePulse, amplitude, private_pulse
from tests.cli.program import error_line
from tests.conftest import Program, require
from tests.media_files import ffmpeg

LEVEL = 8000
STEP_HZ = 100  # channel n has n × 100 Hz
SECONDS = 0.4
COUNTS = (1, 2, 4, 6, 8, 18, 32)
WINDOW = RATE // 10
TAKEN = ("--no-video", "--force", "--duration", str(SECONDS))


def aux(channels: int) -> str:
    return ",".join(f"aux{n}" for n in range(channels))


@contextmanager
def played(server: PrivatePulse, sink: str, form: str, data: bytes, *spec: str) -> Iterator[None]:
    """Make a sink with this format and channels, and play the sound into it, again and again."""
    server.control(
        "load-module", "module-null-sink", f"sink_name={sink}", f"format={form}", f"rate={RATE}", *spec, "norewinds=1"
    )
    (server.folder / sink).write_bytes(data)
    asked = [f"--{one.replace('_', '-')}" for one in spec]
    command = ["pacat", "--raw", f"--format={form}", f"--rate={RATE}", *asked, "-d", sink]
    player = subprocess.Popen(command, stdin=subprocess.PIPE, env=os.environ | server.environment)
    feeder = subprocess.Popen(["bash", "-c", 'while cat "$0"; do :; done', str(server.folder / sink)], stdout=player.stdin)
    try:
        yield
    finally:
        for process in (player, feeder):
            process.kill()
            process.wait()
        assert player.stdin is not None
        player.stdin.close()


@contextmanager
def desks(folder: Path, maps: Mapping[str, str]) -> Iterator[PrivatePulse]:
    """Run a server with an interface of each name and channel map, with a tone of its own in each channel."""
    with private_pulse(folder, {}) as server, ExitStack() as playing:
        for name, positions in maps.items():
            channels = positions.count(",") + 1
            second = array("h", bytes(RATE * 2 * channels))
            for channel in range(channels):
                step = 2 * math.pi * STEP_HZ * (channel + 1) / RATE
                second[channel::channels] = array("h", (round(LEVEL * math.sin(step * i)) for i in range(RATE)))
            spec = f"channels={channels}", f"channel_map={positions}"
            playing.enter_context(played(server, name, "s16le", second.tobytes(), *spec))
        yield server


@pytest.fixture(scope="module")
def interfaces(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivatePulse]:
    """A server with an interface of each count of channels."""
    require("sox")
    with desks(tmp_path_factory.mktemp("interfaces"), {f"desk{count}": aux(count) for count in COUNTS}) as server:
        yield server


def tones(path: Path) -> list[int]:
    """The number of the loudest tone in each channel of a file, by sox; 0 for silence."""
    rows = subprocess.run(["soxi", "-c", path], check=True, capture_output=True).stdout
    decoded = subprocess.run(
        ["sox", path, "-t", "raw", "-e", "signed", "-b", "16", "-"], check=True, capture_output=True
    ).stdout
    samples, channels = array("h", decoded), int(rows)
    found = []
    for channel in range(channels):
        heard = samples[channel::channels][-WINDOW:]
        levels = {number: amplitude(heard, STEP_HZ * number) for number in range(1, max(COUNTS) + 1)}
        loudest = max(levels, key=lambda number: levels[number])
        found.append(loudest if levels[loudest] == pytest.approx(LEVEL, rel=0.05) else 0)
    return found


def recorded(mscli: Program, server: PrivatePulse, name: str, *options: str) -> Path:
    """Record once the tones are there, which a player begins when it can."""
    for _ in range(10):
        mscli("record", *TAKEN, *options, name, env=server.environment, code=0)
        if all(tones(mscli.folder / name)):
            break
    return mscli.folder / name


@pytest.mark.parametrize("channels", COUNTS)
def test_every_channel_comes_in_order(mscli: Program, interfaces: PrivatePulse, channels: int) -> None:
    named = "--microphone", f"desk{channels}.monitor", "--channel-count", f"exact:{channels}"
    suffix = "flac" if channels <= 8 else "wav"
    assert tones(recorded(mscli, interfaces, f"all.{suffix}", *named)) == list(range(1, channels + 1))


@pytest.mark.parametrize(
    ("microphone", "options", "wanted"),
    [
        ("desk18.monitor", ["--channels", "3,4"], [3, 4]),
        ("desk18.monitor", ["--channels", "18,AUX0,1"], [18, 1, 1]),
        ("desk32.monitor", ["--channels", ",".join(str(n) for n in range(32, 0, -1))], list(range(32, 0, -1))),
        ("desk2.monitor", ["--channels", "2"], [2]),
    ],
)
def test_chosen_channels_are_recorded_in_their_order(
    mscli: Program, interfaces: PrivatePulse, microphone: str, options: list[str], wanted: list[int]
) -> None:
    assert tones(recorded(mscli, interfaces, "some.wav", "--microphone", microphone, *options)) == wanted


@pytest.mark.parametrize(("mix", "sides"), [("mono", [[1, 2, 3, 4]]), ("stereo", [[1, 3], [2, 4]])])
def test_all_channels_are_heard_in_a_mix(mscli: Program, interfaces: PrivatePulse, mix: str, sides: list[list[int]]) -> None:
    recorded(mscli, interfaces, "some.wav", "--microphone", "desk4.monitor", "--channels", "1,2,3,4")
    mscli("record", *TAKEN, "--microphone", "desk4.monitor", "--mix-down", mix, "mix.wav", env=interfaces.environment, code=0)
    raw = subprocess.run(["sox", mscli.folder / "mix.wav", "-t", "raw", "-"], check=True, capture_output=True).stdout
    samples = array("h", raw)
    for side, heard in enumerate(sides):
        part = samples[side :: len(sides)][-WINDOW:]
        levels = [round(amplitude(part, STEP_HZ * number)) for number in range(1, 5)]
        assert levels == [pytest.approx(LEVEL / len(heard) if n in heard else 0, abs=80) for n in range(1, 5)]


@pytest.mark.parametrize("suffix", ["mkv", "mp4"])
def test_opus_holds_more_than_eight_channels(mscli: Program, interfaces: PrivatePulse, suffix: str) -> None:
    name = f"wide.{suffix}"
    options = "--microphone", "desk18.monitor", "--channel-count", "exact:18", "--audio-codec", "opus"
    for _ in range(10):
        mscli("record", *TAKEN, *options, name, env=interfaces.environment, code=0)
        samples = array("h", ffmpeg("-i", mscli.folder / name, "-f", "s16le", "-"))
        found = [_loudest(samples[channel::18][-WINDOW - 2000 : -2000]) for channel in range(18)]
        if found == list(range(1, 19)):
            break
    assert found == list(range(1, 19))


# Channels for loudspeakers: put in the order of FFmpeg's layout, and named as what they are

MAPS = {  # as a server says it → FFmpeg's name, and where each of its channels is in the map
    "front-center,front-left,front-right,lfe": ("3.1", [2, 3, 1, 4]),
    "front-right,front-left,lfe": ("2.1", [2, 1, 3]),
    "front-left,front-right,front-center,lfe,rear-center": ("4.1", [1, 2, 3, 4, 5]),
    "front-left,rear-left,front-right,rear-right,front-center,lfe": ("5.1", [1, 3, 5, 6, 2, 4]),
    "front-left,rear-left,front-right,rear-right,front-center,side-left,side-right": ("7.0", [1, 3, 5, 2, 4, 6, 7]),
}
NAMED = {"flac": set[str](), "ogg": {"5.1"}, "mkv": {"5.1"}, "m4a": {"2.1", "5.1"}}  # what a codec can name; FLAC: all


@pytest.fixture(scope="module")
def loudspeakers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivatePulse]:
    """A server with an interface of each map."""
    require("sox")
    with desks(tmp_path_factory.mktemp("loudspeakers"), {f"map{number}": one for number, one in enumerate(MAPS)}) as server:
        yield server


@pytest.mark.parametrize("positions", MAPS)
def test_channels_are_named_as_what_they_are_or_not_at_all(mscli: Program, loudspeakers: PrivatePulse, positions: str) -> None:
    layout, places = MAPS[positions]
    source = "--microphone", f"map{[*MAPS].index(positions)}.monitor", "--channel-count", f"exact:{len(places)}"
    assert tones(recorded(mscli, loudspeakers, "all.wav", *source)) == places
    assert _layout(mscli.folder / "all.wav") == layout
    for suffix, named in NAMED.items():
        mscli("record", *TAKEN, *source, f"all.{suffix}", env=loudspeakers.environment, code=0)
        expected = layout if layout in named or suffix == "flac" else f"{len(places)} channels"
        assert _layout(mscli.folder / f"all.{suffix}") == expected, suffix
        samples = array("h", ffmpeg("-i", mscli.folder / f"all.{suffix}", "-f", "s16le", "-"))
        heard = [_loudest(samples[channel :: len(places)][-WINDOW - 2000 : -2000]) for channel in range(len(places))]
        low = {"LFE"} if suffix == "m4a" and layout in ("2.1", "3.1", "5.1") else set()  # AAC keeps only what is low in it
        names = [channel.name for channel in av.AudioLayout(layout).channels]
        kept = [at for at, name in enumerate(names) if name not in low]
        assert [heard[at] for at in kept] == [places[at] for at in kept], suffix


def _layout(path: Path) -> str:
    with av.open(path) as file:
        return next(file.decode(audio=0)).layout.name


def _loudest(heard: array[int]) -> int:
    levels = {number: amplitude(heard, STEP_HZ * number) for number in range(1, 19)}
    return max(levels, key=lambda number: levels[number])


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--channels", "0"], 2, "there is no channel 0"),
        (["--channels", "FL,,FR"], 2, "neither the number of a channel nor a name"),
        (["--channels", "3"], 6, "channelCount ≥ 3"),
        (["--channels", "10000"], 6, "channelCount ≥ 10000"),
        (["--channels", "FL"], 6, "has no channel “FL”; its channels are AUX0, AUX1"),
        (["--channel-count", "exact:0"], 6, "channelCount = 0"),
        (["--channel-count", "exact:10000"], 6, "channelCount = 10000"),
        (["--channels", "1", "--channel-count", "2"], 2, "--channels and --channel-count cannot be combined"),
        (["--mix-down", "quadro"], 2, "“quadro” is not one of mono, stereo"),
    ],
)
def test_channels_that_are_not_there_end_with_one_line(
    mscli: Program, interfaces: PrivatePulse, options: list[str], code: int, message: str
) -> None:
    named = () if options[1] == "10000" else ("--microphone", "desk2.monitor")
    done = mscli("record", *TAKEN, *named, *options, "none.wav", env=interfaces.environment, code=code)
    assert message in error_line(done)
    assert not (mscli.folder / "none.wav").exists()


def test_a_file_that_cannot_hold_the_channels_says_how_many_it_holds(mscli: Program, interfaces: PrivatePulse) -> None:
    named = "--microphone", "desk18.monitor", "--channel-count", "exact:18"
    done = mscli("record", *TAKEN, *named, "none.flac", env=interfaces.environment, code=7)
    assert error_line(done).endswith("FLAC holds at most 8 channels, not 18")


# Samples without a detour

FORMATS = {"s16le": ("h", 16), "s24-32le": ("i", 24), "s32le": ("i", 32), "float32le": ("f", 32)}  # → code, bits


def noise(code: str, bits: int) -> bytes:
    """A second of two channels, no two samples of which are alike."""
    dice = random.Random(bits)
    if code == "f":
        return array("f", (dice.uniform(-1.5, 1.5) for _ in range(2 * RATE))).tobytes()  # above full scale, too
    most = 2 ** (bits - 1)
    return array(code, (dice.randrange(-most, most) for _ in range(2 * RATE))).tobytes()


@pytest.fixture(scope="module")
def noises(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[PrivatePulse, dict[str, bytes]]]:
    """A server with an interface of each sample format that plays noise, and the noise as it is to be recorded."""
    with private_pulse(tmp_path_factory.mktemp("noises"), {}) as server:
        playing, wanted = [], {}
        for form, (code, bits) in FORMATS.items():
            data = noise(code, bits)
            wanted[form] = data
            if bits == 24:  # they are stored in the lower bits, and recorded in the upper ones
                wanted[form] = array("i", (value << 8 for value in array("i", data))).tobytes()
            playing.append(played(server, form, form, data, "channels=2", "channel_map=front-left,front-right"))
            playing[-1].__enter__()
        yield server, wanted
        for one in playing:
            one.__exit__(None, None, None)


@pytest.mark.parametrize(
    ("form", "suffix", "codec"),
    [
        ("s16le", "wav", "pcm_s16le"), ("s16le", "flac", "flac"), ("s16le", "raw", ""),
        ("s24-32le", "wav", "pcm_s24le"), ("s24-32le", "flac", "flac"), ("s24-32le", "raw", ""),
        ("s32le", "wav", "pcm_s32le"), ("s32le", "flac", "flac"), ("s32le", "raw", ""),
        ("float32le", "wav", "pcm_f32le"), ("float32le", "raw", ""),
    ],
)  # fmt: skip
def test_samples_are_kept_bit_by_bit(
    mscli: Program, noises: tuple[PrivatePulse, dict[str, bytes]], form: str, suffix: str, codec: str
) -> None:
    server, wanted = noises
    code, bits = FORMATS[form]
    name = f"noise.{suffix}"
    options = "--microphone", f"{form}.monitor", "--sample-size", f"exact:{bits}", "--channel-count", "exact:2"
    for _ in range(10):
        if suffix == "raw":
            mscli("capture", *TAKEN, *options, "-o", name, env=server.environment, code=0)
            found = (mscli.folder / name).read_bytes()
        else:
            mscli("record", *TAKEN, *options, name, env=server.environment, code=0)
            found = decoded(mscli.folder / name, codec, code)
        if any(found[-4000:]):
            break
    part = found[-4000:]
    assert part in wanted[form] * 2


def decoded(path: Path, codec: str, code: str) -> bytes:
    """The samples of a file, interleaved, as they are stored or in 32 bits."""
    with av.open(path) as file:
        assert file.streams.audio[0].codec_context.codec.name == codec
        to = {"h": "s16", "i": "s32", "f": "flt"}[code]
        return b"".join(
            bytes(one.planes[0])[: one.samples * 2 * (2 if code == "h" else 4)]
            for frame in file.decode(audio=0)
            for one in av.AudioResampler(to).resample(frame)
        )


@pytest.mark.parametrize(
    ("form", "bits", "printed"), [("float32le", 32, "f32le"), ("s32le", 32, "s32le"), ("s16le", 16, "s16le")]
)
def test_readers_are_told_the_format_of_the_samples(
    mscli: Program, noises: tuple[PrivatePulse, dict[str, bytes]], form: str, bits: int, printed: str
) -> None:
    server, _ = noises
    options = "--audio", "--no-video", "--microphone", f"{form}.monitor", "--sample-size", f"exact:{bits}", "--print-ffmpeg"
    said = mscli("capture", *options, env=server.environment, code=0).stdout.decode()
    assert f"-f {printed} " in said
