"""A picture in a terminal: what each protocol is sent, and what a real terminal shows of it."""

from __future__ import annotations

import io
import re
from base64 import b64decode
from pathlib import Path

import av
import pytest

from mscli.cli.draw import GREYS, ITERM, KITTY, KITTY_LIVE, PALETTE, SIXEL, TRUE_COLOUR, drawn, protocol
from mscli.media.pictures import as_picture
from tests.cli.program import output_of
from tests.conftest import require
from tests.sinks.synth import BLUE, RED, halves


def picture() -> av.VideoFrame:
    """64 × 48, red on the left, blue on the right."""
    return as_picture(halves("RGB24", RED, BLUE))


@pytest.mark.parametrize(
    ("environment", "answer", "how"),
    [
        ({}, b"\x1b_Gi=31;OK\x1b\\\x1b[?62;c", KITTY),
        ({"TERM_PROGRAM": "WezTerm"}, b"\x1b[?62;c", ITERM),
        ({"LC_TERMINAL": "iTerm2"}, b"", ITERM),
        ({"COLORTERM": "truecolor"}, b"\x1b[?62;c", TRUE_COLOUR),
        ({"TERM": "xterm-256color"}, b"\x1b[?63;1;4;22c", SIXEL),
        ({"TERM": "xterm-256color"}, b"\x1b[?64;14c", PALETTE),
        ({"TERM": "xterm-256color"}, b"", PALETTE),
    ],
)
def test_the_terminal_decides_how_pictures_are_drawn(environment: dict[str, str], answer: bytes, how: str) -> None:
    assert protocol(environment, answer) == how


@pytest.mark.parametrize(("columns", "rows", "wide", "high"), [(80, 24, 64, 24), (20, 24, 20, 8), (80, 5, 13, 5)])
def test_half_blocks_keep_the_shape_of_the_picture(columns: int, rows: int, wide: int, high: int) -> None:
    lines = drawn(picture(), TRUE_COLOUR, columns, rows).decode().splitlines()
    assert [line.count("▀") for line in lines] == [wide] * high


def test_half_blocks_have_the_colours_of_the_picture() -> None:
    line, *_ = drawn(picture(), TRUE_COLOUR, 80, 24).decode().splitlines()
    first, *_, last = re.findall(r"\x1b\[38;2;(\d+);(\d+);(\d+)m", line)
    for found, wanted in ((first, RED), (last, BLUE)):
        assert all(abs(int(part) - level) <= 3 for part, level in zip(found, wanted, strict=True))


def test_a_terminal_of_256_colours_gets_the_nearest() -> None:
    line, *_ = drawn(as_picture(halves("RGB24", (255, 0, 0), (128, 128, 128))), PALETTE, 80, 24).decode().splitlines()
    first, *_, last = re.findall(r"\x1b\[38;5;(\d+)m", line)
    assert (first, last) == ("196", "244")


def test_a_live_picture_of_kitty_takes_the_place_of_the_one_before() -> None:
    first, second = drawn(picture(), KITTY_LIVE, 80, 24), drawn(picture(), KITTY_LIVE, 80, 24)
    assert first == second
    assert first.startswith(b"\x1b_Ga=T,f=100,i=4711,q=2,")


def test_without_colours_characters_cover_more_or_less_of_a_cell() -> None:
    lines = drawn(picture(), GREYS, 40, 12).splitlines()
    assert len(lines) <= 12
    assert {len(line) for line in lines} == {len(lines[0])}
    assert set(b"".join(lines)) <= set(b" .:-=+*#%@")


@pytest.mark.parametrize("given", [{"NO_COLOR": "1"}, {"TERM": "vt220"}, {"TERM": "xterm-mono"}])
def test_a_terminal_may_have_no_colours(given: dict[str, str]) -> None:
    assert protocol({"TERM": "xterm", "COLORTERM": "truecolor"} | given, b"") == GREYS


def test_kitty_gets_a_png_in_chunks() -> None:
    data = drawn(picture(), KITTY, 80, 24)
    parts = re.findall(rb"\x1b_G([^;]*);([^\x1b]*)\x1b\\", data)
    assert parts[0][0].startswith(b"a=T,f=100,m=")
    assert [head.rsplit(b"m=")[1] for head, _ in parts] == [b"1"] * (len(parts) - 1) + [b"0"]
    assert all(len(chunk) <= 4096 for _, chunk in parts)
    with av.open(io.BytesIO(b64decode(b"".join(chunk for _, chunk in parts))), "r") as file:
        shown = next(file.decode(video=0))
    assert (shown.width, shown.height) == (512, 384)


def test_iterm_gets_a_jpeg() -> None:
    found = re.fullmatch(rb"\x1b\]1337;File=inline=1;size=(\d+):(.*)\x07\n", drawn(picture(), ITERM, 40, 12), re.DOTALL)
    assert found is not None
    jpeg = b64decode(found[2])
    assert len(jpeg) == int(found[1])
    with av.open(io.BytesIO(jpeg), "r") as file:
        assert next(file.decode(video=0)).height == 192


def test_sixels_are_read_back_by_imagemagick(tmp_path: Path) -> None:
    require("convert")
    file = tmp_path / "a.six"
    data = drawn(picture(), SIXEL, 40, 12)
    assert data.startswith(b"\x1bPq")
    assert data.endswith(b"\x1b\\\n")
    file.write_bytes(data)
    output_of("convert", f"sixel:{file}", tmp_path / "a.png")
    with av.open(tmp_path / "a.png", "r") as read:
        pixels = next(read.decode(video=0)).to_ndarray(format="rgb24")
    assert pixels.shape == (192, 256, 3)
    for half, wanted in ((pixels[:, :100], RED), (pixels[:, 150:], BLUE)):  # of 256 colours, mixed to the right one
        assert all(abs(part - level) <= 12 for part, level in zip(half.mean(axis=(0, 1)), wanted, strict=True))
