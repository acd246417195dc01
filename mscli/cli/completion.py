"""Shell completion of devices, their possible settings, constraint names, formats and files.

https://click.palletsprojects.com/en/stable/shell-completion/. Click's completion module is imported only when a shell asks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import click

from mscli.cli.printable import printable
from mscli.core.errors import ArgumentError, DOMException
from mscli.core.properties import AUDIO, KINDS, NATIVE, PROPERTIES, VIDEO, Property

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from mscli.api.mediadeviceinfo import InputDeviceInfo, MediaDeviceInfo
    from mscli.api.mediadevices import MediaDevices

Items = list["CompletionItem[str]"]
Complete = Callable[[click.Context, click.Parameter, str], Items]
Offer = Callable[["MediaDevices", click.Context, str], Items]

_CHOSEN_BY = {VIDEO: "camera", AUDIO: "microphone"}  # track kind → the parameter that names the device


def _of_devices(offer: Offer) -> Complete:
    """Return a completion that queries the devices. If that fails it offers nothing, because TAB must not print errors."""

    def complete(ctx: click.Context, _parameter: click.Parameter, typed: str) -> Items:
        from mscli.cli.opening import open_devices
        from mscli.cli.shared import Shared

        fakes = {name: ctx.params[name] for name in ("fake_devices", "fake_devices_from") if ctx.params.get(name)}
        try:
            with open_devices(Shared(**fakes)) as devices:
                return offer(devices, ctx, typed)
        except (DOMException, ArgumentError, click.ClickException):
            return []

    return complete


def _items(values: Iterable[str], typed: str, help: str = "") -> Items:  # noqa: A002 (Click's name)
    """Return the values that begin with the typed text, ignoring case, without those that cannot be typed."""
    from click.shell_completion import CompletionItem

    begun = (value for value in values if value.casefold().startswith(typed.casefold()))
    return [CompletionItem(value, help=printable(help)) for value in begun if _can_be_typed(value)]


def _can_be_typed(value: str) -> bool:
    """Return whether a value fits on a command line: it is not empty and has no line breaks or control characters."""
    return bool(value) and printable(value) == value


def complete_device(*kinds: str, none: bool = False) -> Complete:
    """Complete devices by name, then by path or id, then by any part of the name.

    ``none``: also complete the word “none”.
    """

    def offer(devices: MediaDevices, _ctx: click.Context, typed: str) -> Items:
        infos = devices.enumerate_devices(kinds)
        labels = [info.label for info in infos]
        names = [
            info.label if labels.count(info.label) == 1 and _can_be_typed(info.label) else _exact_name(info) for info in infos
        ]
        for called in (names, [info.path or "" for info in infos], [info.device_id for info in infos]):
            found = [item for name, info in zip(called, infos, strict=True) for item in _items([name], typed, _about(info))]
            if found:
                return found
        if none and typed and "none".startswith(typed):
            return _items(["none"], typed, "no such track")
        parts = [(name, info) for name, info in zip(names, infos, strict=True) if typed.casefold() in info.label.casefold()]
        return [item for name, info in parts for item in _items([name], "", _about(info))]

    return _of_devices(offer)


def _exact_name(info: MediaDeviceInfo) -> str:
    return info.path or info.device_id


def _about(info: MediaDeviceInfo) -> str:
    return f"{info.label}, {_exact_name(info)}"


def complete_value(row: Property) -> Complete:
    """Complete the values of a constraint that the chosen device, or the default one, supports."""
    return _of_devices(lambda devices, ctx, typed: _items(_values(devices, ctx, row), typed))


def complete_constraint(kinds: Iterable[str]) -> Complete:
    """Complete constraint names, and values after the equals sign. ``kinds``: the tracks that the command can have."""

    def complete(ctx: click.Context, parameter: click.Parameter, typed: str) -> Items:
        present = {kind for kind in kinds if not _is_off(ctx, kind)}
        name, sign, _ = typed.partition("=")
        if not sign and VIDEO in present and typed and (typed.startswith(NATIVE) or NATIVE.startswith(typed)):
            return _of_devices(_offer_native)(ctx, parameter, typed)
        if not sign:
            rows = (row for row in PROPERTIES.values() if present.intersection(row.kinds))
            return [item for row in rows for item in _items([f"{row.name}="], typed, row.help)]
        if name not in PROPERTIES or not present.intersection(PROPERTIES[name].kinds):
            return []

        def offer(devices: MediaDevices, ctx: click.Context, typed: str) -> Items:
            return _items([f"{name}={value}" for value in _values(devices, ctx, PROPERTIES[name])], typed)

        return _of_devices(offer)(ctx, parameter, typed)

    return complete


def _offer_native(devices: MediaDevices, ctx: click.Context, typed: str) -> Items:
    """Complete the names of the chosen camera's own controls."""
    names = {name for info in _chosen(devices, ctx, (VIDEO,)) for name in info.get_capabilities() if name.startswith(NATIVE)}
    return _items([f"{name}=" for name in sorted(names)], typed, "a control of the driver")


def _is_off(ctx: click.Context, kind: str) -> bool:
    """Return whether the command line so far asks for no track of this kind."""
    return ctx.params.get(kind) is False or "none" in (ctx.params.get(_CHOSEN_BY[kind]) or ())


def _offer_sizes(devices: MediaDevices, ctx: click.Context, typed: str) -> Items:
    """Complete the sizes of the chosen camera's native modes."""
    modes = [mode for info in _chosen(devices, ctx, (VIDEO,)) for mode in info.get_modes()]
    sizes = {(mode["width"], mode["height"]) for mode in modes if not isinstance(mode["width"], dict)}
    return _items([f"{width}x{height}" for width, height in sorted(sizes)], typed)


complete_size = _of_devices(_offer_sizes)


def complete_raw_format(_ctx: click.Context, _parameter: click.Parameter, typed: str) -> Items:
    """Complete the formats of raw output."""
    from mscli.core.frames import PIXEL_FORMATS, SAMPLE_FORMATS
    from mscli.core.outputformats import OUTPUT_FORMATS

    return _items([*OUTPUT_FORMATS, *PIXEL_FORMATS, *SAMPLE_FORMATS, "native"], typed)


def complete_pixel_format(_ctx: click.Context, _parameter: click.Parameter, typed: str) -> Items:
    """Complete pixel formats."""
    from mscli.core.frames import PIXEL_FORMATS

    return _items([*PIXEL_FORMATS, "native"], typed)


def complete_codec(kind: str) -> Complete:
    """Complete the codecs of one kind of track."""

    def complete(_ctx: click.Context, _parameter: click.Parameter, typed: str) -> Items:
        from mscli.sinks import codec_names

        return _items(codec_names(kind), typed)

    return complete


def complete_file(_ctx: click.Context, _parameter: click.Parameter, typed: str) -> Items:
    """Let the shell complete files."""
    from click.shell_completion import CompletionItem

    return [CompletionItem(typed, type="file")]


def _values(devices: MediaDevices, ctx: click.Context, row: Property) -> list[str]:
    """Return the distinct values that the devices chosen so far support."""
    values = [value for info in _chosen(devices, ctx, row.kinds) for value in _values_of(info, row.name)]
    distinct = list(dict.fromkeys(values))
    return [_written(value) for value in (sorted(distinct) if row.numeric else distinct)]


def _chosen(devices: MediaDevices, ctx: click.Context, kinds: Iterable[str]) -> list[InputDeviceInfo]:
    """Return the devices named on the command line for each kind of track, or else the default device."""
    from mscli.cli.resolve import find_device

    found: list[Any] = []
    for kind in kinds:
        names = [name for name in ctx.params.get(_CHOSEN_BY[kind]) or () if name != "none"]
        found += [find_device(devices, name, KINDS[kind]) for name in names] or devices.enumerate_devices([KINDS[kind]])[:1]
    return found


def _values_of(info: InputDeviceInfo, name: str) -> list[Any]:
    """Return the values in the native modes, or else in the capability. A range yields its two ends."""
    native = [mode[name] for mode in info.get_modes() if name in mode and not isinstance(mode[name], dict)]
    offered = native or info.get_capabilities().get(name, [])
    if isinstance(offered, dict):
        return [offered["min"], offered["max"]]
    return offered if isinstance(offered, list) else [offered]


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.10g}" if isinstance(value, float) else str(value)
