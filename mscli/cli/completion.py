"""What TAB offers: the devices that are there now, what they can be set to, constraint names, formats and files.

https://click.palletsprojects.com/en/stable/shell-completion/. Click's part of it is imported when a shell asks, not before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import click

from mscli.core.errors import ArgumentError, DOMException
from mscli.core.properties import AUDIO, KINDS, PROPERTIES, VIDEO, Property

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from mscli.api.mediadeviceinfo import InputDeviceInfo, MediaDeviceInfo
    from mscli.api.mediadevices import MediaDevices

Items = list["CompletionItem[str]"]
Complete = Callable[[click.Context, click.Parameter, str], Items]
Offer = Callable[["MediaDevices", click.Context, str], Items]

_CHOSEN_BY = {VIDEO: "camera", AUDIO: "microphone"}  # track kind → the parameter that names the device


def _of_devices(offer: Offer) -> Complete:
    """A completion that asks the devices. Where they cannot be asked it offers nothing: TAB is no place for an error."""

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
    """The values that begin as typed, in any case."""
    from click.shell_completion import CompletionItem

    return [CompletionItem(value, help=help) for value in values if value.casefold().startswith(typed.casefold())]


def complete_device(*kinds: str) -> Complete:
    """Offers the devices of those kinds by name; by path or id what begins as typed; else by a part of the name."""

    def offer(devices: MediaDevices, _ctx: click.Context, typed: str) -> Items:
        infos = devices.enumerate_devices(kinds)
        labels = [info.label for info in infos]
        names = [info.label if labels.count(info.label) == 1 else _exact_name(info) for info in infos]
        for called in (names, [info.path or "" for info in infos], [info.device_id for info in infos]):
            found = [item for name, info in zip(called, infos, strict=True) for item in _items([name], typed, _about(info))]
            if found:
                return found
        parts = [(name, info) for name, info in zip(names, infos, strict=True) if typed.casefold() in info.label.casefold()]
        return [item for name, info in parts for item in _items([name], "", _about(info))]

    return _of_devices(offer)


def _exact_name(info: MediaDeviceInfo) -> str:
    return info.path or info.device_id


def _about(info: MediaDeviceInfo) -> str:
    return f"{info.label}, {_exact_name(info)}"


def complete_value(row: Property) -> Complete:
    """Offers the values of a constraint that the chosen device, or the default one, can be set to."""
    return _of_devices(lambda devices, ctx, typed: _items(_values(devices, ctx, row), typed))


def complete_constraint(ctx: click.Context, parameter: click.Parameter, typed: str) -> Items:
    """Offers constraint names; behind the equals sign, values."""
    name, sign, _ = typed.partition("=")
    if not sign:
        return [item for row in PROPERTIES.values() for item in _items([f"{row.name}="], typed, row.help)]
    if name not in PROPERTIES:
        return []

    def offer(devices: MediaDevices, ctx: click.Context, typed: str) -> Items:
        return _items([f"{name}={value}" for value in _values(devices, ctx, PROPERTIES[name])], typed)

    return _of_devices(offer)(ctx, parameter, typed)


def _offer_sizes(devices: MediaDevices, ctx: click.Context, typed: str) -> Items:
    """The sizes of the chosen camera's native modes."""
    modes = [mode for info in _chosen(devices, ctx, (VIDEO,)) for mode in info.get_modes()]
    sizes = {(mode["width"], mode["height"]) for mode in modes if not isinstance(mode["width"], dict)}
    return _items([f"{width}x{height}" for width, height in sorted(sizes)], typed)


complete_size = _of_devices(_offer_sizes)


def complete_raw_format(_ctx: click.Context, _parameter: click.Parameter, typed: str) -> Items:
    """Offers what raw output can be."""
    from mscli.core.frames import PIXEL_FORMATS, SAMPLE_FORMATS

    return _items([*PIXEL_FORMATS, *SAMPLE_FORMATS, "y4m", "native"], typed)


def complete_codec(kind: str) -> Complete:
    """Offers the codecs of a kind of track."""

    def complete(_ctx: click.Context, _parameter: click.Parameter, typed: str) -> Items:
        from mscli.sinks import codec_names

        return _items(codec_names(kind), typed)

    return complete


def complete_file(_ctx: click.Context, _parameter: click.Parameter, typed: str) -> Items:
    """Has the shell offer files."""
    from click.shell_completion import CompletionItem

    return [CompletionItem(typed, type="file")]


def _values(devices: MediaDevices, ctx: click.Context, row: Property) -> list[str]:
    """What the devices that the command line means so far can be set to, without repetitions."""
    values = [value for info in _chosen(devices, ctx, row.kinds) for value in _values_of(info, row.name)]
    distinct = list(dict.fromkeys(values))
    return [_written(value) for value in (sorted(distinct) if row.numeric else distinct)]


def _chosen(devices: MediaDevices, ctx: click.Context, kinds: Iterable[str]) -> list[InputDeviceInfo]:
    """One device of each kind of track: the one that is named on the command line, else the default."""
    from mscli.cli.resolve import resolve_device

    found: list[Any] = []
    for kind in kinds:
        infos, name = devices.enumerate_devices([KINDS[kind]]), ctx.params.get(_CHOSEN_BY[kind])
        found += [resolve_device(name, infos)] if name else infos[:1]
    return found


def _values_of(info: InputDeviceInfo, name: str) -> list[Any]:
    """What the native modes have, else what the capability lists; of a range its two ends."""
    native = [mode[name] for mode in info.get_modes() if name in mode and not isinstance(mode[name], dict)]
    offered = native or info.get_capabilities().get(name, [])
    if isinstance(offered, dict):
        return [offered["min"], offered["max"]]
    return offered if isinstance(offered, list) else [offered]


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.10g}" if isinstance(value, float) else str(value)
