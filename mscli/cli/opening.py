"""Open the devices that a command line asks for: this machine's, or fake ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mscli.api.mediadevices import MediaDevices
from mscli.cli.say import warn_of_unknown
from mscli.cli.shared import Shared, fake_description
from mscli.sources import load_backend

if TYPE_CHECKING:
    from collections.abc import Callable

    from mscli.core.eventloop import EventLoop


def open_devices(
    shared: Shared, tasks: EventLoop | None = None, *, warn: Callable[[str], object] = lambda _: None
) -> MediaDevices:
    """Return the devices, which the caller must close. Warn of unknown members in the description of fake devices.

    ``tasks``: the event loop on which the caller runs events.
    """
    description = fake_description(shared)
    if description is None:
        return MediaDevices(tasks=tasks)
    backend = load_backend("fake", description)
    warn_of_unknown(backend.unknown, _unknown, warn)
    return MediaDevices([backend], tasks=tasks)


def _unknown(path: str) -> str:
    return f"ignoring unknown member “{path}” of the fake devices"
