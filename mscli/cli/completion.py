"""Shell completion of devices that are there now: by name, by path and by id."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click
from click.shell_completion import CompletionItem

from mscli.core.errors import ArgumentError, DOMException

Complete = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def complete_device(*kinds: str) -> Complete:
    """A completion that offers the devices of those kinds whose name, path or id begins as typed, in any case."""

    def complete(ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
        typed = incomplete.casefold()
        names = [(name, info.label) for info in _devices(ctx, kinds) for name in _names(info)]
        return [CompletionItem(name, help=label) for name, label in names if name.casefold().startswith(typed)]

    return complete


def _names(info: Any) -> list[str]:
    return [name for name in (info.label, info.path, info.device_id) if name]


def _devices(ctx: click.Context, kinds: tuple[str, ...]) -> list[Any]:
    """The devices; none where they cannot be listed: a completion is no place for an error."""
    from mscli.cli.options import Shared
    from mscli.cli.session import open_devices

    given = {name: ctx.params.get(name) for name in ("fake_devices", "fake_devices_from")}
    try:
        with open_devices(Shared(**{name: value for name, value in given.items() if value})) as devices:
            return list(devices.enumerate_devices(kinds))
    except (DOMException, ArgumentError, click.ClickException):
        return []
