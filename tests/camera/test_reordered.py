"""H.264 and HEVC with B frames: pictures are shown in order, at their times, copied and encoded, whatever the driver stamps."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from tests.camera.driver import Camera, Shot
from tests.camera.rig import cameras

WIDTH, HEIGHT, PICTURES, STEP_US, KEY_EVERY = 64, 48, 60, 33_333, 20
LEVELS = 7  # by so much each picture is lighter than the one before
SHAPES = {
    "none": ("bframes=0", 0),
    "one": ("bframes=1", 1),
    "two": ("bframes=2:b-pyramid=none", 1),
    "pyramid": ("bframes=3", 2),
}


SHAPES_OF_HEVC = {
    "none": ("bframes=0", 0),
    "two": ("bframes=2:b-pyramid=0", 1),
    "pyramid": ("bframes=3:open-gop=1", 2),
}


def stream(parameters: str, encoder: str = "libx264") -> list[tuple[bytes, int]]:
    """The chunks of pictures that get lighter, in the order of decoding, each with its place in the order of display."""
    context = av.CodecContext.create(encoder, "w")
    assert isinstance(context, av.VideoCodecContext)
    context.width, context.height, context.pix_fmt, context.framerate = WIDTH, HEIGHT, "yuv420p", Fraction(30)
    context.time_base = Fraction(1, 30)
    common = f"{parameters}:b-adapt=0:keyint={KEY_EVERY}:scenecut=0:repeat-headers=1"
    context.options = {
        "libx264": {"x264-params": f"{common}:annexb=1", "crf": "10"},
        "libx265": {"x265-params": f"{common}:min-keyint={KEY_EVERY}:log-level=none:pools=none:frame-threads=1", "crf": "10"},
    }[encoder]
    packets = []
    for number in range(PICTURES):
        grey = np.full((HEIGHT * 3 // 2, WIDTH), 128, np.uint8)
        grey[:HEIGHT] = 20 + number * LEVELS % 200
        frame = av.VideoFrame.from_ndarray(grey, "yuv420p")
        frame.pts, frame.time_base = number, Fraction(1, 30)
        packets += context.encode(frame)
    return [(bytes(packet), packet.pts or 0) for packet in packets + context.encode(None)]


def shots(chunks: list[tuple[bytes, int]], late: int | None) -> list[Shot]:
    """The buffers, stamped evenly however slow the machine is.

    ``late``: how many pictures after its capture each is encoded, if stamps are capture times.
    """
    begun_us: dict[str, int] = {}

    def shot(number: int, data: bytes, place: int) -> Shot:
        step = number if late is None else place - late

        def stamp(at_us: int) -> int:
            if number == 0:
                begun_us["at"] = at_us
            return begun_us["at"] + step * STEP_US

        return Shot(data, 1 / 30, stamp)

    return [shot(number, *chunk) for number, chunk in enumerate(chunks)]


@pytest.mark.parametrize(
    ("fourcc", "shape"), [*(("H264", shape) for shape in SHAPES), *(("HEVC", shape) for shape in SHAPES_OF_HEVC)]
)
@pytest.mark.parametrize("by_capture", [False, True])
def test_reordered_pictures_are_shown_in_order_at_their_times(
    fourcc: str, shape: str, by_capture: bool, tmp_path: Path
) -> None:
    encoder, shapes = ("libx264", SHAPES) if fourcc == "H264" else ("libx265", SHAPES_OF_HEVC)
    parameters, most = shapes[shape]
    chunks = stream(parameters, encoder)
    given = shots(chunks, most if by_capture else None)
    with cameras(tmp_path, Camera(given, fourcc, WIDTH, HEIGHT, patient=True, steady=True)) as machine:
        record = ["record", "--no-audio", "--frames", "40", "--json"]
        commands = [
            [*record, "--video-codec", "copy", "a.mkv"],
            [*record, "--video-codec", "copy", "b.mp4"],
            [*record, "c.mkv"],
        ]
        if not by_capture:
            commands.append(["capture", "--frames", "40", "--json", "--frame-log", "d.log", "-o", "d.y4m"])
        done = machine.each(commands)
    tracks = [json.loads(one.stdout.splitlines()[-1])["tracks"][0] for one in done]
    assert [(one.returncode, track["retimed"], track["damaged"]) for one, track in zip(done, tracks, strict=True)] == [
        (0, 0, 0)
    ] * len(commands)
    if not by_capture:
        _, *raw = (tmp_path / "d.y4m").read_bytes().split(b"FRAME\n")
        assert (len(raw), tracks[3]["frames"]) == (40, 40)
        logged = [json.loads(line) for line in (tmp_path / "d.log").read_text().splitlines()]
        assert [line["timestamp"] for line in logged] == sorted(line["timestamp"] for line in logged)
        places = [chunks[line["sequence"] - logged[0]["sequence"]][1] for line in logged]
        assert places == list(range(40)), "the first ones in the order of display"
        assert sum(line["dropped"] for line in logged) == 0
    for name in ("a.mkv", "b.mp4", "c.mkv"):
        with av.open(str(tmp_path / name)) as container:
            packets = [packet for packet in container.demux(video=0) if packet.size]
        if name.endswith("mp4"):  # Matroska does not tell when packets are decoded
            decoded = [packet.dts or 0 for packet in packets]
            assert decoded == sorted(set(decoded))
            assert all((packet.dts or 0) <= (packet.pts or 0) for packet in packets)
        with av.open(str(tmp_path / name)) as container:
            shown = [(float(one.time or 0), bytes(one.planes[0])[0]) for one in container.decode(video=0)]
        levels = [level - shown[0][1] for _, level in shown]
        wrong = [n for n, level in enumerate(levels[:36]) if abs((level - n * LEVELS + 100) % 200 - 100) > 3]
        late = [at - shown[0][0] - n / 30 for n, (at, _) in enumerate(shown[:36])]
        assert (len(shown), wrong) == (40, []), (name, levels)
        assert max(map(abs, late)) < 0.01, name
        times = [at for at, _ in shown]
        assert times == sorted(set(times)), name
