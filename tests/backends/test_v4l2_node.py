"""Errors of the V4L2 backend for unusable cameras. No camera is needed."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from mscli.core.errors import DOMException, NotAllowedError, NotReadableError
from mscli.sources.v4l2.backend import V4L2Backend, is_camera
from mscli.v4l2 import abi
from mscli.v4l2.node import Node


@pytest.fixture
def node(tmp_path: Path) -> Node:
    """Create a node that exists but is not a camera."""
    path = tmp_path / "video7"
    path.touch()
    node = Node(str(path), "Attic")
    node.close()
    return node


@pytest.mark.parametrize(
    ("number", "kind", "sentence"),
    [
        (errno.ENODEV, NotReadableError, "{camera} was unplugged, or its driver was removed"),
        (errno.EBUSY, NotReadableError, "{camera} is in use by another program"),
        (errno.EACCES, NotAllowedError, "no permission to use {camera}"),
        (errno.ENOSPC, NotReadableError, "{camera} cannot start: the USB bus has no bandwidth left"),
        (errno.EIO, NotReadableError, "{camera} cannot start: Input/output error"),
    ],
)
def test_an_error_names_the_camera_and_why(node: Node, number: int, kind: type[DOMException], sentence: str) -> None:
    error = node.failure(OSError(number, ""), "start")
    assert type(error) is kind
    assert error.message == sentence.format(camera=f"camera “Attic” ({node.path})")
    assert error.hints or number == errno.EIO


def test_a_node_that_is_gone_is_reported_as_unplugged(tmp_path: Path) -> None:
    with pytest.raises(NotReadableError, match=r"camera .*/video9 was unplugged"):
        Node(str(tmp_path / "video9"))


def test_a_file_that_is_no_camera_says_so(node: Node) -> None:
    with Node(node.path, "Attic") as opened, pytest.raises(NotReadableError, match="cannot report what it is"):
        opened.capability()


def test_a_node_may_be_closed_twice(node: Node) -> None:
    node.close()
    assert node.fd == -1


@pytest.mark.parametrize(
    ("caps", "camera"),
    [
        (abi.CAP_CAPTURE, True),
        (abi.CAP_CAPTURE_MPLANE, True),
        (abi.CAP_CAPTURE | 0x800000, True),  # also captures metadata, like multiplexed receivers
        (0x800000, False),  # metadata only
        (0x2, False),  # output
        (0x8000, False),  # memory to memory: a codec
        (abi.CAP_CAPTURE | 0x8000, False),
        (0x10, False),  # teletext
    ],
)
def test_only_nodes_that_capture_pictures_are_cameras(caps: int, camera: bool) -> None:
    assert is_camera(caps) is camera


def test_a_machine_without_cameras_has_an_empty_list() -> None:
    assert all(device.kind == "videoinput" for device in V4L2Backend().devices())
