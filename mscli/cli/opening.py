"""The devices that a command line means: this machine's, or fake ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mscli.api.mediadevices import MediaDevices
from mscli.cli.shared import Shared, fake_description
from mscli.sources import load_backend

if TYPE_CHECKING:
    from mscli.core.mailbox import Mailbox


def open_devices(shared: Shared, tasks: Mailbox | None = None) -> MediaDevices:
    """The devices, to be closed by the caller; none is opened yet. ``tasks``: where the caller runs events."""
    description = fake_description(shared)
    return MediaDevices(None if description is None else [load_backend("fake", description)], tasks=tasks)
