"""Fixtures for the tests of backends."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

import tests.untimed  # noqa: F401

FOLDER = "/proc/self/fd"
KEPT = os.devnull  # where C libraries' output goes: opened once and kept open


def descriptors() -> dict[str, str]:
    """Return the open file descriptors and their targets, if the system reveals them."""
    links = {fd: os.path.join(FOLDER, fd) for fd in (os.listdir(FOLDER) if os.path.isdir(FOLDER) else ())}
    return {fd: os.readlink(link) for fd, link in links.items() if os.path.lexists(link)}


@pytest.fixture
def no_descriptor_is_left() -> Iterator[None]:
    """Fail the test if a file descriptor that it opened outlives it."""
    before = descriptors()
    yield
    left = {what for fd, what in descriptors().items() if before.get(fd) != what} - {KEPT}
    assert not left, "file descriptors were left"
