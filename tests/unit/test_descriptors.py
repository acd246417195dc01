"""Open descriptors: a full pipe accepts nothing more, a file always does, and a redirected one accepts everything."""

from __future__ import annotations

import fcntl
import os
import resource
from contextlib import suppress
from pathlib import Path

import pytest

from mscli.core import descriptors
from mscli.core.descriptors import OutputReader, point_nowhere, takes_more
from mscli.core.limits import SLEEPS_S
from mscli.sinks.files.output import Descriptor, NamedFile


def fill(writing: int) -> None:
    os.set_blocking(writing, False)
    with suppress(BlockingIOError):
        while True:
            os.write(writing, bytes(4096))


def test_a_full_pipe_takes_no_more_until_it_points_nowhere() -> None:
    reading, writing = os.pipe()
    assert takes_more(writing)
    fill(writing)
    assert not takes_more(writing)
    point_nowhere(writing)
    assert takes_more(writing)
    assert os.write(writing, b"gone") == 4
    os.close(reading)
    os.close(writing)


def test_a_descriptor_above_a_thousand_is_asked_too() -> None:
    reading, writing = os.pipe()
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(limits[0], 1100), limits[1]))
    try:
        far = fcntl.fcntl(writing, fcntl.F_DUPFD, 1024)
        assert takes_more(far)
        fill(far)
        assert not takes_more(far)
        os.close(far)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        os.close(reading)
        os.close(writing)


def test_a_pipe_without_a_reader_is_ready_for_a_write_that_fails() -> None:
    reading, writing = os.pipe()
    fill(writing)
    os.close(reading)
    assert takes_more(writing, None)
    os.close(writing)


def test_only_a_reader_that_sleeps_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(descriptors, "SLEEPS_S", 0.0)
    reading, writing = os.pipe()
    output = Descriptor(writing)
    output.open()
    assert not output.abandon_reader()
    fill(writing)
    assert output.abandon_reader()
    assert takes_more(writing)
    assert not output.abandon_reader()  # that is done
    os.close(reading)
    os.close(writing)


def test_a_reader_that_still_takes_something_does_not_sleep(monkeypatch: pytest.MonkeyPatch) -> None:
    at_s = 0.0
    monkeypatch.setattr(descriptors, "monotonic", lambda: at_s)
    reading, writing = os.pipe()
    fill(writing)
    reader = OutputReader()
    for taken in range(10):
        assert not reader.sleeps(writing, taken)
        assert reader.kept_waiting
        at_s += SLEEPS_S * 0.9
    at_s += SLEEPS_S * 0.2
    assert reader.sleeps(writing, taken)
    os.close(reading)
    os.close(writing)


def test_a_file_is_never_given_up(tmp_path: Path) -> None:
    file = NamedFile(str(tmp_path / "file"), overwrite=False)
    file.open()
    file.write(b"kept")
    assert not file.abandon_reader()
    file.mark()
    file.commit()
    assert (tmp_path / "file").read_bytes() == b"kept"
