"""Drivers that answer nonsense or fail at a request: that costs the mode or the camera, and nobody else."""

from __future__ import annotations

import errno
import json
import re
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import av
import pytest

from mscli.v4l2 import abi
from tests.camera.driver import Camera, Listed, Shot
from tests.camera.rig import cameras
from tests.camera.streams import HEIGHT, WIDTH, number_in, picture

PICTURES = 30
GOOD = Camera(tuple(Shot(picture(number), 0.002) for number in range(PICTURES)), width=WIDTH, height=HEIGHT, patient=True)
EMPTY = replace(GOOD, shots=[Shot(bytes(10), 0.002)] * PICTURES, row_bytes=WIDTH)  # of which none can be used
HUGE = 1 << 31  # a negative number to a driver that thinks so


def failing(request: int, number: int) -> Camera:
    """A good camera whose driver answers that request with that error."""
    return replace(GOOD, errors={request: number})


def listing(*modes: Listed) -> Camera:
    """A good camera that lists these modes, too."""
    return replace(GOOD, listed=modes)


class Odd(NamedTuple):
    """A camera, and the exit code of a picture from it. ``said``: what --verbose says of it."""

    name: str
    camera: Camera
    code: int = 0
    said: str = ""


ODD = (
    *(Odd(f"S_PARM {errno.errorcode[number]}", failing(abi.S_PARM, number))
      for number in (errno.EINVAL, errno.EIO, errno.ENOTTY, errno.EOPNOTSUPP, errno.EBUSY, errno.EPERM, errno.ETIMEDOUT)),
    *(Odd(f"{name} fails", failing(getattr(abi, name), number))
      for number in (errno.EIO, errno.EOPNOTSUPP)
      for name in ("G_PARM", "G_FMT", "ENUM_FRAMESIZES", "ENUM_FRAMEINTERVALS", "G_INPUT", "QUERY_EXT_CTRL", "SUBSCRIBE_EVENT",
                   "QUERY_DV_TIMINGS", "QUERYSTD", "DQEVENT")),
    Odd("a size of 0×0 beside a good one", listing(Listed("GREY", 0, 0)), said="GREY 0×0 at 30 fps"),
    Odd("a width of 0", listing(Listed("GREY", 0, 32)), said="impossible size"),
    Odd("a negative size", listing(Listed("GREY", HUGE, HUGE)), said="impossible size"),
    Odd("an absurd rate", listing(Listed("GREY", WIDTH, HEIGHT, Fraction(4_000_000_000))), said="impossible frame rate"),
    Odd("an absurd interval", listing(Listed("GREY", WIDTH, HEIGHT, Fraction(1, 1_000_000))), said="impossible frame rate"),
    Odd("an unknown format beside", listing(Listed("WXYZ", 64, 32)), said="cannot use WXYZ of"),
    Odd("only a size of 0×0", replace(GOOD, width=0, height=0, row_bytes=0), 7, "GREY 0×0"),
    Odd("only an absurd interval", replace(GOOD, rate=Fraction(1, 1_000_000)), 7, "impossible frame rate"),
    Odd("only an unknown format", replace(GOOD, fourcc="WXYZ"), 7, "WXYZ: mscli does not support this pixel format"),
    Odd("no format at all", failing(abi.ENUM_FMT, errno.EIO), 5, "reports no modes"),
    Odd("S_FMT fails", failing(abi.S_FMT, errno.EIO), 5, "cannot be set to 64×32 GREY: Input/output error"),
)  # fmt: skip


def test_a_driver_that_fails_or_lies_costs_what_it_lies_about(tmp_path: Path) -> None:
    with cameras(tmp_path, *(row.camera for row in ODD)) as machine:
        commands = [
            ["capture", "-v", "--camera", f"/dev/video{at}", "--frames", "1", "--format", "GREY", "-o", f"{at}.grey"]
            for at in range(len(ODD))
        ]
        done = machine.each(commands)
    for at, (row, one) in enumerate(zip(ODD, done, strict=True)):
        said = one.stderr.decode()
        assert (row.name, one.returncode) == (row.name, row.code), said
        assert row.said in said, row.name
        if row.code == 0:
            assert number_in((tmp_path / f"{at}.grey").read_bytes(), WIDTH) < PICTURES


def test_a_camera_of_any_size_within_bounds_is_used_like_one_that_lists_its_sizes(tmp_path: Path) -> None:
    kinds = (2, 3)  # V4L2_FRMSIZE_TYPE_CONTINUOUS, V4L2_FRMSIZE_TYPE_STEPWISE
    flags = ("--size", f"exact:{WIDTH}x{HEIGHT}", "--frame-rate", "exact:30", "--json")
    with cameras(tmp_path, *(replace(GOOD, kind=kind) for kind in kinds)) as machine:
        commands = [["snapshot", "--settle", "off", "--camera", f"/dev/video{at}", *flags, f"{at}.png"] for at in range(2)]
        commands += [["record", "--frames", "9", "--camera", f"/dev/video{at}", *flags, f"{at}.mkv"] for at in range(2)]
        done = machine.each(commands)
    for one in done:
        assert one.returncode == 0, one.stderr.decode()
        settings = json.loads(one.stdout)["tracks"][0]["settings"]
        assert (settings["width"], settings["height"], settings["frameRate"]) == (WIDTH, HEIGHT, 30)


def test_a_rate_that_no_camera_can_have_is_not_believed_when_it_is_set_either(tmp_path: Path) -> None:
    odd = [Fraction(4_000_000_000), Fraction(1, 4_000_000_000)]
    with cameras(tmp_path, *(replace(GOOD, rate=rate, listed=[Listed("GREY", WIDTH, HEIGHT)]) for rate in odd)) as machine:
        commands = [["record", "--frames", "9", "--json", "--camera", f"/dev/video{at}", f"{at}.mkv"] for at in range(len(odd))]
        for done in machine.each(commands):
            assert done.returncode == 0, done.stderr.decode()
            assert json.loads(done.stdout)["tracks"][0]["settings"]["frameRate"] == 30


def short_by(missing: int, *, padding: int = 0, count: int = PICTURES) -> Camera:
    """A camera that leaves out the end of its first ``count`` pictures."""
    whole = [b"".join(row + bytes(padding) for row in rows_of(picture(number + 1))) for number in range(PICTURES)]
    shots = [Shot(data[:-missing] if number < count else data, 0.002) for number, data in enumerate(whole)]
    return replace(GOOD, shots=shots, row_bytes=WIDTH + padding)


def rows_of(data: bytes) -> list[bytes]:
    """The rows of a picture."""
    return [data[at : at + WIDTH] for at in range(0, len(data), WIDTH)]


def test_buffers_that_are_a_little_too_short_give_pictures_without_their_end(tmp_path: Path) -> None:
    with cameras(tmp_path, short_by(16, padding=16), short_by(WIDTH + 1), short_by(1, count=3)) as machine:
        commands = [["capture", "--camera", f"/dev/video{n}", "--frames", "9", "--json", "-o", f"{n}.grey"] for n in range(3)]
        unpadded, habit, once = machine.each(commands)
    reports = [json.loads(one.stdout) for one in (unpadded, habit, once)]
    assert [report["tracks"][0]["frames"] for report in reports] == [9, 9, 9]
    assert [b"leaves out the end" in one.stderr for one in (unpadded, habit, once)] == [False, True, False]
    first = [(tmp_path / f"{n}.grey").read_bytes()[: WIDTH * HEIGHT] for n in range(3)]
    assert [number_in(data, WIDTH) for data in first] == [1, 6, 4], "the sixth is the first that is taken as it is"
    assert first[1][-WIDTH:] == bytes(WIDTH)


def test_buffers_that_are_far_too_short_are_told_of(tmp_path: Path) -> None:
    with cameras(tmp_path, EMPTY) as machine:
        (done,) = machine.each([["snapshot", "--timeout", "1", "a.png"]])
    assert done.returncode == 5
    assert b"were lost, damaged or too short)" in done.stderr
    assert b"lost, damaged or too short" in done.stderr


@pytest.mark.parametrize("unit", [b"", b"\x07", b"\x41"], ids=["nothing", "parameter sets", "slices"])
def test_a_camera_whose_chunks_are_start_codes_is_given_up(unit: bytes, tmp_path: Path) -> None:
    data = (b"\0\0\1" + unit) * (3_000_000 // (3 + len(unit)))
    with cameras(tmp_path, Camera([Shot(data)] * 3000, "H264", 640, 480)) as machine:
        done = machine("snapshot", "--timeout", "1", "a.jpg", code=5)
    assert re.search(rb"error: none of the last \d+ frames from .* could be used; the last one holds no H.264", done.stderr)
    assert list(tmp_path.iterdir()) == []


def test_one_camera_that_lists_nonsense_breaks_no_command_that_names_none(tmp_path: Path) -> None:
    odd = [row for row in ODD if row.code]
    nonsense, unknown_at = [row.camera for row in odd], [row.name for row in odd].index("only an unknown format")
    with cameras(tmp_path, *nonsense, GOOD) as machine:
        taken, listed, told = machine.each(
            [
                ["snapshot", "--settle", "off", "a.png"],
                ["devices", "--json"],
                ["capabilities", f"/dev/video{unknown_at}", "--json"],
            ]
        )
    assert taken.returncode == listed.returncode == told.returncode == 0, taken.stderr.decode()
    assert f"(/dev/video{len(nonsense)}) instead" in taken.stderr.decode()
    assert (tmp_path / "a.png").exists()
    assert len([one for one in json.loads(listed.stdout) if one["kind"] == "videoinput"]) == len(nonsense) + 1
    unknown = {"what": "WXYZ", "why": "mscli does not support this pixel format"}
    assert json.loads(told.stdout)["unusable"] == [unknown]


def with_failures(at: Sequence[int], **how: Any) -> Camera:
    """A good camera whose driver fails to hand over the pictures of these numbers."""
    return replace(GOOD, shots=[Shot(picture(number), 1 / 30, **(how if number in at else {})) for number in range(80)])


FAILED = b"the driver has failed %d time(s) to hand over a frame (EIO)"


def test_a_driver_that_fails_for_a_moment_costs_a_picture_and_not_the_recording(tmp_path: Path) -> None:
    failing = [with_failures(at, error=errno.EIO) for at in ((5, 20, 21, 22), (0, 1))]
    with cameras(tmp_path, *failing) as machine:
        record = ["record", "--no-audio", "--frames", "40"]
        done = machine.each([[*record, "--debug", "--camera", f"/dev/video{at}", f"{at}.mkv"] for at in range(2)])
        told = machine.each([[*record, "--json", "--camera", f"/dev/video{at}", f"{at}-told.mkv"] for at in range(2)])
    assert [one.returncode for one in (*done, *told)] == [0] * 4
    assert [FAILED % count in one.stderr for one, count in zip(done, (3, 2), strict=True)] == [True, True]
    tracks = [json.loads(one.stdout.splitlines()[-1])["tracks"][0] for one in told]
    assert [track["frames"] for track in tracks] == [40, 40]
    assert [track["lost"] >= least for track, least in zip(tracks, (4, 2), strict=True)] == [True, True]
    numbers = [number for number in range(80) if number not in (5, 20, 21, 22)]
    with av.open(str(tmp_path / "0.mkv")) as container:
        shown = [picture.reformat(format="gray") for picture in container.decode(video=0)]
    assert [number_in(bytes(one.planes[0]), one.planes[0].line_size) for one in shown] == numbers[:40]


def test_a_driver_that_always_fails_is_given_up(tmp_path: Path) -> None:
    with cameras(tmp_path, with_failures((20,), stuck=True), with_failures(range(80), error=errno.EIO)) as machine:
        some, none = machine.each(
            [["record", "--no-audio", "--duration", "1m", "--camera", f"/dev/video{at}", f"{at}.mkv"] for at in range(2)]
        )
    assert (some.returncode, none.returncode) == (8, 5)
    assert b"cannot deliver frames: Input/output error" in some.stderr
    assert b"cannot deliver frames: Input/output error" in none.stderr
