"""A camera whose driver hangs: the others are listed and can be used.

The nodes are replacements, because no driver hangs on demand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event as Flag

import pytest

from mscli.core.calls import Round
from mscli.core.errors import DOMException, NotReadableError
from mscli.sources.base import Device, Request
from mscli.sources.v4l2 import backend as v4l2
from mscli.v4l2 import abi as v4l2_abi
from mscli.v4l2.node import Node
from tests.unit.stage import TIMEOUT_S


class StandIn(Node):
    """A node that claims to be a camera. Some hang when they are opened."""

    hanging: tuple[str, ...] = ()
    free = Flag()

    def __init__(self, path: str, label: str = "") -> None:
        self.path, self.label, self.fd = path, label, -1
        if path in self.hanging:
            assert self.free.wait(TIMEOUT_S)

    def capability(self) -> tuple[str, int]:
        return "", v4l2_abi.CAP_CAPTURE

    def in_use(self, buffer_type: int) -> DOMException | None:
        return None


Plug = Callable[..., v4l2.V4L2Backend]


@pytest.fixture
def plug(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Plug]:
    """Create a backend with a camera behind each node, some of which hang. ``-meta`` is a camera's second node."""

    def make(*names: str, hanging: tuple[str, ...]) -> v4l2.V4L2Backend:
        for number, name in enumerate(names):
            folder = tmp_path / f"video{number}"
            folder.mkdir()
            (folder / "name").write_text(name)
            (folder / "index").write_text("1" if name.endswith("-meta") else "0")
        monkeypatch.setattr(v4l2, "SYSFS", str(tmp_path))
        monkeypatch.setattr(v4l2, "Node", StandIn)
        monkeypatch.setattr(StandIn, "hanging", hanging)
        monkeypatch.setattr(StandIn, "free", Flag())
        backend = v4l2.V4L2Backend()
        monkeypatch.setattr(backend, "_round", Round(0.5, "node"))
        return backend

    yield make
    StandIn.free.set()


def test_a_driver_that_hangs_hides_no_other_camera(plug: Plug) -> None:
    backend = plug("One", "Two", "Three", hanging=("/dev/video1",))
    one, two, three = backend.devices()
    assert [device.label for device in (one, two, three)] == ["One", "Two", "Three"]
    assert (one.problem, three.problem) == ("", "")
    assert (two.problem, two.remedy, two.busy) == (
        "camera “Two” (/dev/video1) did not answer within 2 s, because its driver hangs",
        "replug it and try again",
        False,
    )


def test_further_nodes_that_hang_are_taken_for_metadata(plug: Plug) -> None:
    found = plug("One", "Two", "Two-meta", hanging=("/dev/video1", "/dev/video2")).devices()
    assert [device.label for device in found] == ["One", "Two"]


def test_who_hangs_is_neither_waited_for_nor_asked_until_it_has_answered(plug: Plug) -> None:
    backend = plug("One", "Two", hanging=("/dev/video0",))
    hanging, _ = backend.devices()
    uses: list[Callable[[Device], object]] = [backend.abilities, lambda device: backend.open(device, Request({}))]
    for use in uses:
        with pytest.raises(NotReadableError, match=r"“One” .* its driver hangs"):
            use(hanging)
    StandIn.free.set()
    while backend.devices()[0].problem:
        pass  # wait until the hanging call has ended
    assert [device.default for device in backend.devices()] == [True, False]
