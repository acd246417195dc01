"""Every pixel format: its bytes are handed on as they came, without the padding of rows, whatever is done with them then."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np

from mscli.core.frames import FORMATS
from mscli.v4l2 import abi
from tests.camera.driver import Camera, Shot
from tests.camera.formats import BAND, COLOURS, HEIGHT, ROWS, WIDTH, Row, made
from tests.camera.rig import cameras

PICTURES = 60


def camera_of(rows: list[Row]) -> Camera:
    """A camera with a mode for each format, all with padding at the end of each row."""
    first, *further = (_mode(row) for row in rows)
    return replace(first, further=further)


def _mode(row: Row) -> Camera:
    data, stride = made(row).padded()
    return Camera([Shot(data, 0.001)] * PICTURES, row.fourcc, WIDTH, HEIGHT, row_bytes=stride, said=row.said, patient=True)


def apart() -> list[list[Row]]:
    """The rows in lists, none of which has a format twice by our name."""
    seen: Counter[str] = Counter()
    lists: list[list[Row]] = []
    for row in ROWS:
        if seen[row.name] == len(lists):
            lists.append([])
        lists[seen[row.name]].append(row)
        seen[row.name] += 1
    return lists


def test_a_picture_of_every_format_is_captured_as_it_is(tmp_path: Path) -> None:
    lists = apart()
    with cameras(tmp_path, *map(camera_of, lists)) as machine:
        machine.run("native", str(tmp_path))
    for number, rows in enumerate(lists):
        for row in rows:
            assert (row, (tmp_path / f"{number}-{row.name}").read_bytes()) == (row, made(row).packed)


def test_commands_take_a_format_that_few_cameras_have(tmp_path: Path) -> None:
    rows = [row for row in ROWS if row.name in ("NV61", "VYUY", "RGB565BE", "SRGGB10", "Y16BE", "HSV32")]
    with cameras(tmp_path, *(camera_of([row]) for row in rows)) as machine:
        camera = [["--camera", f"/dev/video{at}", "--frames", "1", "-o", f"{at}.raw"] for at in range(len(rows))]
        done = machine.each([["capture", "--format", "RGB24", *one] for one in camera])
    assert [one.stderr for one in done if one.returncode] == []
    for at, row in enumerate(rows):
        pixels = np.frombuffer((tmp_path / f"{at}.raw").read_bytes(), np.uint8).reshape(HEIGHT, WIDTH, 3)
        shown = pixels[HEIGHT // 2, BAND // 2 :: BAND].astype(int)
        assert np.abs(shown - made(row).shown).max() <= 1, (row.fourcc, shown)


def test_every_format_that_the_program_knows_has_a_row() -> None:
    single = {row.fourcc for row in abi.LAYOUTS if not row.split and row.name in FORMATS}
    assert {row.fourcc for row in ROWS} == single
    assert {(row.fourcc, row.name) for row in ROWS} <= {(row.fourcc, row.name) for row in abi.LAYOUTS}
    assert len(COLOURS) * BAND == WIDTH
