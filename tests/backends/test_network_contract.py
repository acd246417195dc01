"""The contract of all backends (test_contract.py), held by a stream of a web server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mscli.sources.base import AUDIO_INPUT, VIDEO_INPUT, Backend, InputOptions
from mscli.sources.network.backend import NetworkBackend
from tests.backends.servers import Web, paced
from tests.backends.test_contract import *  # noqa: F403
from tests.backends.test_contract import Make
from tests.media_files import RATE, SECONDS, make


@pytest.fixture(params=[VIDEO_INPUT, AUDIO_INPUT])  # type: ignore[no-redef]
def rig(request: pytest.FixtureRequest) -> tuple[str, str, Make | None]:
    """A live stream with picture and sound."""
    return "network", request.param, None


@pytest.fixture(scope="module")
def pieces(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """Return the pieces of a stream, each of about one frame."""
    data = make(tmp_path_factory.mktemp("films") / "clip.ts").read_bytes()
    size = len(data) // (RATE * SECONDS)
    return [data[at : at + size] for at in range(0, len(data), size)]


@pytest.fixture  # type: ignore[no-redef]
def backend(pieces: list[bytes], tmp_path: Path) -> Iterator[Backend]:
    """The backend of a server that sends the stream again and again."""
    with Web() as server:
        backend = NetworkBackend(server.page("/live", paced(pieces, "video/mp2t")), InputOptions(timeout_s=20))
        yield backend
        backend.close()
