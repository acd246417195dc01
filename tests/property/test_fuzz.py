"""Whatever is fed to what reads strangers' data: it is taken or refused, and nothing else comes of it.

Each reader gets a few cases, the same ones every time. In CI, new ones follow for five minutes in all, and elsewhere for
``MSCLI_FUZZ_SECONDS``. A failure shows the smallest input that fails, and the line that repeats it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from time import monotonic
from typing import Any, NamedTuple

import click
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import mscli
from mscli.cli.paramtypes import (
    BitRateType,
    ByteCountType,
    ClockIntervalType,
    DurationType,
    FractionType,
    NamedValueType,
    ParsedType,
    SizeType,
    TimeoutType,
    ValueType,
)
from mscli.cli.printable import json_text, printable
from mscli.cli.series import RetentionType
from mscli.core import jpeg
from mscli.core.addresses import is_url, masked, scheme_of, suffix_of
from mscli.core.annexb import H264, HEVC
from mscli.core.errors import ArgumentError, DOMException
from mscli.core.properties import PROPERTIES
from mscli.core.webidl import unknown_names
from mscli.sinks.files.series import candidates, is_counted, may_make
from mscli.sources.fake.description import parse_description
from tests.backends.rig import ManualClock
from tests.untyped import untyped

SECONDS = float(os.environ.get("MSCLI_FUZZ_SECONDS", "300" if os.environ.get("CI") == "true" else "0"))
pytestmark = pytest.mark.timeout(600 + SECONDS)

FEW = 60  # cases of each reader in a usual run
ROUND = 200  # cases of a reader between two looks at the clock
SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]

NUMBERS = (
    st.sampled_from([0, 1, -1, 2, 30, 640, 2**31, 2**53, 10**400, 1e-300, 1e308, -1e308, 0.1]) | st.integers() | st.floats()
)
SCALARS = st.none() | st.booleans() | NUMBERS | st.text(max_size=8)


def objects(names: list[str], values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """JSON objects whose members mostly have those names."""
    return st.dictionaries(st.sampled_from(names) | st.text(max_size=4), values, max_size=6)


RANGES = objects(
    ["min", "max", "step", "exact", "ideal", "value", "default", "values"], SCALARS | st.lists(SCALARS, max_size=3)
)
VALUES = SCALARS | RANGES | st.lists(SCALARS, max_size=3)
SETS = objects([*PROPERTIES], VALUES)
TRACKS = st.booleans() | SETS | st.builds(lambda one, more: {**one, "advanced": more}, SETS, st.lists(SETS, max_size=3))
CONSTRAINTS = objects(["audio", "video"], TRACKS) | VALUES

MODES = objects(["width", "height", "frameRate", "pixelFormat"], VALUES | st.sampled_from(["MJPEG", "I420", "H264"]))
USUAL_MODES = st.builds(
    lambda one, more: {"width": 64, "height": 48, **more, **one}, NUMBERS.map(lambda n: {"frameRate": n}), MODES
)
FAULTS = objects(
    ["vanishAfterFrames", "stallAfterFrames", "stallSeconds", "dropEvery", "jitterMs", "appearAfterSeconds"], VALUES
)
MEMBERS = {
    "kind": st.sampled_from(["videoinput", "audioinput", "audiooutput"]),
    "deviceId": st.text(max_size=4),
    "label": SCALARS,
    "modes": st.lists(MODES | USUAL_MODES, max_size=3),
    "controls": objects(["zoom", "pan", "torch", "exposureMode", "whiteBalanceMode"], VALUES),
    "faults": FAULTS,
    **{name: st.lists(NUMBERS, max_size=3) for name in ("sampleRates", "channelCounts", "sampleSizes", "latency")},
    "clockDriftPpm": NUMBERS,
}
DEVICES = st.fixed_dictionaries({"kind": MEMBERS["kind"]}, optional={name: MEMBERS[name] for name in MEMBERS if name != "kind"})
DESCRIPTIONS = st.builds(lambda devices: {"devices": devices}, st.lists(DEVICES, max_size=3)) | VALUES

MARKERS = st.sampled_from([b"\xff\xd8", b"\xff\xd9", b"\xff\xda", b"\xff\xc0", b"\xff\xc2", b"\xff\xc4", b"\xff", b"\x00"])
LENGTHS = st.integers(0, 2**16 - 1).map(lambda number: number.to_bytes(2, "big")) | st.sampled_from([b"\x00\x02", b"\x00\x11"])
JPEGS = st.lists(MARKERS | LENGTHS | st.binary(max_size=20), max_size=12).map(lambda parts: b"\xff\xd8" + b"".join(parts))
UNITS = st.lists(st.sampled_from([b"\0\0\1", b"\0\0\0\1", b"\0"]) | st.binary(max_size=12), max_size=12).map(b"".join)

DIGITS = "0123456789.:,-+x×/|eEhmsdkKMGiB%=" + "٣"
TEXTS = (
    st.text(DIGITS, max_size=12)
    | st.text(max_size=12)
    | st.sampled_from(["nan", "inf", "1e999", "exact:", "min:1,max:", "9" * 5000])
)
NAMES = st.lists(
    st.sampled_from(["%d", "%03d", "%Y", "%%", "%", "%Q", ".", "/", "..", "é", "\udc80", "\u202e"]) | st.text(max_size=4),
    max_size=6,
)


def read_constraints(given: Any) -> None:
    """Negotiate with the built-in devices."""
    unknown_names(given)
    mscli.MediaDevices(backends=[mscli.FakeBackend({}, clock=ManualClock())]).negotiate(given)


def read_description(given: Any) -> None:
    """Make fake devices, and choose one of each kind."""
    parse_description(given)
    devices = mscli.MediaDevices(backends=[mscli.FakeBackend(given, clock=ManualClock())])
    for info in devices.enumerate_devices():
        json.dumps(info.to_json())
    for kind in ("audio", "video"):
        with suppress(DOMException):
            devices.negotiate(untyped({kind: {"frameRate": 30, "width": 100, "zoom": 1, "sampleRate": 8000, "latency": 0}}))


def read_jpeg(data: bytes) -> None:
    """Check a JPEG, and make a file of it."""
    view = memoryview(data)
    jpeg.check(view)
    jpeg.size(view)
    whole = jpeg.picture(view)
    assert bytes(whole[:2]) == b"\xff\xd8"
    assert b"".join(jpeg.file_parts(whole)).endswith(b"\xff\xd9")


def read_units(data: bytes) -> None:
    """Read H.264 and HEVC."""
    for standard in (H264, HEVC):
        standard.is_start(memoryview(data))
        standard.content(memoryview(data))


TYPES: list[ParsedType] = [
    *(DurationType(), TimeoutType(), FractionType(), SizeType(), NamedValueType(), BitRateType()),
    *(ByteCountType(), ClockIntervalType(), RetentionType(), *map(ValueType, PROPERTIES.values())),
]


def read_option(text: str) -> None:
    """Read the values of options, each of which may refuse it in words for people."""
    refused: list[str] = []
    for option in TYPES:
        try:
            option.read(text)
        except (ValueError, click.UsageError) as error:
            refused.append(str(error))
    assert [sentence for sentence in refused if "sys." in sentence.replace(text, "")] == []


def read_name(parts: list[str]) -> None:
    """Make the names of a series, and show them."""
    name = "".join(parts)
    first = next(candidates(name, datetime(2024, 2, 29, tzinfo=UTC), 1))[0]
    assert printable(first).isprintable() or set(printable(first)).isdisjoint("\x1b\x9b\u202e\n")
    json.loads(json_text([name]))
    if "\0" not in name:
        may_make(name, first)
    for look in (is_counted, is_url, masked, scheme_of, suffix_of):
        look(name)


class Reader(NamedTuple):
    """Something that reads strangers' data: with what it is fed, and how it refuses that."""

    read: Callable[[Any], None]
    fed: st.SearchStrategy[Any]
    refusals: tuple[type[Exception], ...] = ()


READERS = {
    "constraints": Reader(read_constraints, CONSTRAINTS, (ArgumentError, DOMException)),
    "fake devices": Reader(read_description, DESCRIPTIONS, (ArgumentError,)),
    "JPEG": Reader(read_jpeg, JPEGS, (jpeg.BrokenJpegError,)),
    "H.264": Reader(read_units, UNITS),
    "options": Reader(read_option, TEXTS),
    "names": Reader(read_name, NAMES),
}


@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
def test_what_strangers_send_is_taken_or_refused(reader: Reader) -> None:
    def feed(data: Any) -> None:
        with suppress(*reader.refusals):
            reader.read(data)

    settled = settings(deadline=None, database=None, suppress_health_check=SLOW, print_blob=True)
    settings(settled, max_examples=FEW, derandomize=True)(given(reader.fed)(feed))()
    until_s = monotonic() + SECONDS / len(READERS)
    while SECONDS and monotonic() < until_s:
        settings(settled, max_examples=ROUND)(given(reader.fed)(feed))()
