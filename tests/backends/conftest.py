"""Fixtures for the tests of backends."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator

import pytest

KEPT = os.devnull  # where the noise of C libraries goes is opened once and stays open


def _threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name.startswith("mscli-")}


def _descriptors() -> dict[str, str]:
    """The open file descriptors and what they are, where the system tells."""
    folder = "/proc/self/fd"
    if not os.path.isdir(folder):
        return {}
    links = {fd: os.path.join(folder, fd) for fd in os.listdir(folder)}
    return {fd: os.readlink(link) for fd, link in links.items() if os.path.lexists(link)}


@pytest.fixture
def no_leaks() -> Iterator[None]:
    """Fails a test that leaves threads of the program, or file descriptors."""
    threads, descriptors = _threads(), _descriptors()
    yield
    assert _threads() <= threads, "threads were left"
    left = {what for fd, what in _descriptors().items() if descriptors.get(fd) != what} - {KEPT}
    assert not left, "file descriptors were left"
