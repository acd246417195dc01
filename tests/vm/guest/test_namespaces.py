"""Whether devices are watched in network namespaces of one's own, which a host may forbid even to root.

https://man7.org/linux/man-pages/man7/user_namespaces.7.html
"""

from __future__ import annotations

import sys

import pytest

from tests.vm.guest.conftest import run

WATCHES = """if True:
    from mscli.sources import load_backend
    watches = [load_backend(name).watch(print) for name in ("v4l2", "portaudio")]
    print([watch is not None for watch in watches])
    for watch in filter(None, watches):
        watch.close()"""


@pytest.mark.parametrize(("namespaces", "heard"), [("-n", True), ("-Urn", False)], ids=["root's", "the user's own"])
def test_a_network_namespace_that_gets_no_events_has_no_watch_and_is_polled(namespaces: str, heard: bool) -> None:
    """The kernel tells devices only where the first user namespace owns the network namespace; others may listen in vain."""
    assert run("unshare", namespaces, sys.executable, "-c", WATCHES) == f"{[heard, heard]}\n"
