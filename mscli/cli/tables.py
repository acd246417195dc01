"""Tables for people, made with rich: devices, capabilities, candidates, choices."""

from __future__ import annotations

import errno
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TextIO

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from mscli.cli.forgiving import forgiving_stderr
from mscli.cli.printable import printable
from mscli.cli.say import warning_line
from mscli.core.boxes import Span
from mscli.core.controls import switch_of
from mscli.core.derived import mode_behind
from mscli.core.properties import PROPERTIES
from mscli.core.selection import describe_reshaping, describe_settings
from mscli.core.trouble import WITHOUT_HARDWARE
from mscli.sources.base import device_noun, noun_of

if TYPE_CHECKING:
    from mscli.api.getusermedia import Choice
    from mscli.api.mediadeviceinfo import DisplayInfo, MediaDeviceInfo
    from mscli.core.boxes import Mode
    from mscli.core.selection import Candidate

NARROW = 60  # a terminal with fewer columns has no room for paths and ids
PIPE_WIDTH = 500  # columns in a pipe, where nothing has to fit a screen
AS_GOOD_AS_NONE = 1e-4  # relative to a range's maximum: a minimum below that means nothing to people
MOST_CANDIDATES = 24  # the rows of an explanation; the rest is counted by what excluded it

MARKS = {"": "", "+": "bold green", "-": "red strike", "~": "yellow"}  # styles of devices that came, went, or changed


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Raise BrokenPipeError: rich would exit with code 1."""
        raise BrokenPipeError(errno.EPIPE, "")


def console(file: TextIO) -> Console:
    """Return a console that is as wide as the terminal, or unlimited in a pipe. Names are plain text to it, not markup."""
    return _Console(file=file, width=None if file.isatty() else PIPE_WIDTH, highlight=False, markup=False, emoji=False)


def _table(*columns: str, file: TextIO) -> Table:
    table = Table(box=box.SIMPLE_HEAD if file.isatty() else None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column.lstrip(">"), justify="right" if column.startswith(">") else "left", overflow="fold")
    return table


Marked = Sequence[tuple[str, "MediaDeviceInfo"]]  # devices, each with a key of ``MARKS``


def show_devices(marked: Marked, problems: Iterable[str], *, verbose: bool) -> None:
    """Print the devices, and their problems below, or beside them with -v."""
    out = console(sys.stdout)
    if marked:
        out.print(devices_table(marked, verbose=verbose))
    else:
        out.print(f"No devices found; {WITHOUT_HARDWARE}.")
    with forgiving_stderr():
        for problem in troubles(marked, problems, verbose=verbose):
            print(warning_line(problem), file=sys.stderr)  # noqa: T201


def show_displays(displays: Sequence[DisplayInfo], problems: Iterable[str]) -> None:
    """Print the monitors and windows, and below why there may be none."""
    out = console(sys.stdout)
    if displays:
        table = _table("kind", "name", ">size", "place", "address", file=sys.stdout)
        for info in displays:
            size, place = f"{info.width}×{info.height}", f"{info.x},{info.y}"
            table.add_row(info.display_surface, _name(info), size, place, Text(printable(info.path or "")))
        out.print(table)
    else:
        out.print("No displays found.")
    with forgiving_stderr():
        for problem in map(printable, problems):
            print(warning_line(problem), file=sys.stderr)  # noqa: T201


def devices_table(marked: Marked, *, verbose: bool, lines: bool = False) -> Table:
    """Return a table with a row per device, and marks in front if there are any.

    ``lines``: cut each row to one line of the terminal. In a narrow terminal, show only the names.
    """
    marks = [""] if any(mark for mark, _ in marked) else []
    wrong = _WRONG if any(info.problem for _, info in marked) else {}
    columns = _COLUMNS | (_MORE | wrong if verbose else {})
    if lines and console(sys.stdout).width < NARROW:
        columns = {name: columns[name] for name in ("kind", "name")}
    table = _table(*marks, *columns, file=sys.stdout)
    if lines:
        _cut_to_lines(table)
    for mark, info in marked:
        cells = (cell(info) for cell in columns.values())
        table.add_row(*([mark] if marks else []), *cells, style=MARKS[mark])
    return table


def _cut_to_lines(table: Table) -> None:
    for column in table.columns:
        column.no_wrap, column.overflow = True, "ellipsis"
        column.min_width = len("microphone") if column.header == "kind" and len(table.columns) > 3 else None


def troubles(marked: Marked, problems: Iterable[str], *, verbose: bool) -> list[str]:
    """Return a printable line per problem. With -v, the table already has those of single devices."""
    infos = (info for mark, info in marked if info.problem and mark != "-" and not verbose)
    return list(map(printable, [*problems, *(f"{info.problem}; {info.remedy}".removesuffix("; ") for info in infos)]))


def _name(info: MediaDeviceInfo) -> Text:
    name = Text(printable(info.label), style="cyan" if not info.problem else "yellow")
    marks = ["default"] * info.default + ["monitor"] * bool(info.monitor_of)
    return name + Text(f" ({', '.join(marks)})", style="dim") if marks else name


Columns = dict[str, Callable[["MediaDeviceInfo"], Text]]

_COLUMNS: Columns = {
    "kind": lambda info: Text(device_noun(info.kind)),
    "name": _name,
    "path": lambda info: Text(printable(info.path or "")),
    "deviceId": lambda info: Text(printable(info.device_id), style="dim"),
}
_MORE: Columns = {"groupId": lambda info: Text(printable(info.group_id)), "backend": lambda info: Text(info.backend)}
_WRONG: Columns = {
    "problem": lambda info: Text(printable(info.problem)),
    "remedy": lambda info: Text(printable(info.remedy)),
}


def show_capabilities(
    info: MediaDeviceInfo,
    capabilities: Mapping[str, Any],
    modes: Sequence[Mapping[str, Any]],
    unusable: Sequence[Mapping[str, str]],
    controls: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
) -> None:
    """Print the settings of a device, its native modes with one row per size, and its unusable formats and modes.

    ``controls``: the current and default values of its controls.
    """
    out = console(sys.stdout)
    called = [Text(info.called)] if info.called else []
    out.print(*called, _name(info), Text(printable(info.path or info.device_id), style="dim"))
    more = ("now", "default", "") if controls else ()
    table = _table("property", "values", *more, file=sys.stdout)
    # the standard does not list any points, nor the driver's own controls that can only be read
    others = {name: "" if "readOnly" in one else "any" for name, one in controls.items() if name not in capabilities}
    for name, value in {**capabilities, **others}.items():
        row = _control_row(name, controls, capabilities) if controls else ()
        table.add_row(name, printable(f"{_values(value)} {PROPERTIES[name].unit}".rstrip()), *row)
    out.print(table)
    if modes:
        out.print(_modes_table(modes))
    for one in unusable:
        out.print(printable(f"cannot use {one['what']}: {one['why']}"), style="dim", markup=False)


def _control_row(name: str, controls: Mapping[str, Mapping[str, Any]], capabilities: Mapping[str, Any]) -> tuple[str, str, str]:
    """Return a control's value, its default, and why it cannot be set now."""
    control = controls.get(name)
    if control is None:
        return "", "", ""
    default = _word(control["default"]) if "default" in control else ""
    why = "read-only" if "readOnly" in control else ""
    if "inactive" in control and not why:
        why = " ".join(filter(None, ("inactive", _remedy(name, controls, capabilities))))
    return _word(control["value"]), default, why


def _remedy(name: str, controls: Mapping[str, Mapping[str, Any]], capabilities: Mapping[str, Any]) -> str:
    """Return until when a control is inactive, or "" if nobody knows."""
    held, switch = PROPERTIES[name].only_while, switch_of(name, controls)
    if held is None:
        return f"until {switch} is 0" if switch else ""
    mode, (needed, *_) = held
    if needed in capabilities.get(mode, ()):
        return f"until {mode} is {needed}"
    return f"because {mode} is always {_word(controls[mode]['value'])}" if mode in controls else ""


def _values(value: Any) -> str:
    if isinstance(value, Mapping):
        low, high = _number(value["min"]), _number(value["max"])
        if "step" not in value and value["min"] < value["max"] * AS_GOOD_AS_NONE:
            return f"up to {high}"
        steps = f" in steps of {_number(value['step'])}" if value.get("step", 1) not in (0, 1) else ""
        return low if low == high else f"{low} – {high}{steps}"
    return ", ".join(map(_word, value)) if isinstance(value, list) else _word(value)


def _word(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _number(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"{_number(value['min'])}–{_number(value['max'])}"
    return str(value) if isinstance(value, int) else f"{value:.5g}"


def _modes_table(modes: Sequence[Mapping[str, Any]]) -> Table:
    measured = any("measuredFrameRate" in mode for mode in modes)
    table = _table("format", ">size", "fps", *(["measured"] if measured else []), file=sys.stdout)
    for (name, width, height), group in _by_size(modes).items():
        rates = ", ".join(_number(mode["frameRate"]) for mode in group)
        real = [", ".join(_number(mode.get("measuredFrameRate") or 0) for mode in group)] if measured else []
        table.add_row(name, f"{width}×{height}", rates, *real)
    return table


def _by_size(modes: Sequence[Mapping[str, Any]]) -> dict[tuple[str, str, str], list[Mapping[str, Any]]]:
    groups: dict[tuple[str, str, str], list[Mapping[str, Any]]] = {}
    for mode in modes:
        groups.setdefault((mode["pixelFormat"], _number(mode["width"]), _number(mode["height"])), []).append(mode)
    return groups


@forgiving_stderr()
def show_choices(choices: Iterable[Choice]) -> None:
    """Print what a dry run would use."""
    out = console(sys.stderr)
    for choice in choices:
        native = f", {choice.mode.pixel_format}" if choice.mode else ""
        out.print(f"{noun_of(choice.device)} “{printable(choice.device.label)}”: ", style="bold", end="")
        reshaped = _reshaped(choice)
        out.print(printable(f"{describe_settings(choice.selection.settings)}{native}{f', {reshaped}' if reshaped else ''}"))


def _reshaped(choice: Choice) -> str:
    """Return what the size of the picture would be made by, or ""."""
    if choice.mode is None or isinstance(choice.mode.width, Span) or isinstance(choice.mode.height, Span):
        return ""
    return describe_reshaping(choice.selection.settings, choice.mode.width, choice.mode.height)


@forgiving_stderr()
def show_candidates(candidates: Sequence[Candidate], choice: Choice | None) -> None:
    """Print every candidate with its distance or what excluded it, best first. A long list is cut and summarised."""
    out = console(sys.stderr)
    asked = list(dict.fromkeys(name for one in candidates for name in one.distances or {}))
    table = _table("", "device", "candidate", ">distance", *(f">{name}" for name in asked), "excluded by", file=sys.stderr)
    ranked = sorted(candidates, key=lambda one: one.distance)
    if choice is not None:
        ranked.sort(key=lambda one: one.box is not choice.selection.box)
    for one in ranked[:MOST_CANDIDATES]:
        chosen = choice is not None and one.box is choice.selection.box
        table.add_row(*_candidate_row(one, asked, chosen=chosen), style="bold green" if chosen else "")
    out.print(table)
    if len(ranked) > MOST_CANDIDATES:
        out.print(_counted(ranked[MOST_CANDIDATES:]))
    if choice is not None:
        for number, kept in enumerate(choice.selection.advanced, 1):
            out.print(f"advanced set {number}: {'satisfied' if kept else 'skipped, because no candidate satisfies it'}")
        if choice.selection.decided_by:
            out.print(f"tie broken: {choice.selection.decided_by}", markup=False)


def _candidate_row(one: Candidate, asked: list[str], *, chosen: bool) -> list[str]:
    distance = "" if one.settings is None else f"{one.distance:.4f}"
    parts = [f"{one.distances[name]:.4f}" if one.distances and name in one.distances else "" for name in asked]
    return ["→" if chosen else "", printable(one.box.device.label), _candidate_name(one), distance, *parts, one.excluded_by]


def _candidate_name(one: Candidate) -> str:
    mode = one.box.mode if one.settings is None else mode_behind(one.box, one.settings)
    if mode is None:
        return describe_settings(one.settings) if one.settings else "any"
    native = f"{mode.pixel_format} {_size(mode.to_json())}"
    if not one.box.backing:
        return native if one.settings is None or not _open_ended(mode) else f"{mode.pixel_format} {_size(one.settings)}"
    return f"{_size(one.settings)} from {native}" if one.settings else f"any size from {native}"


def _size(shown: Mapping[str, Any]) -> str:
    return f"{_number(shown['width'])}×{_number(shown['height'])} at {_number(shown['frameRate'])} fps"


def _open_ended(mode: Mode) -> bool:
    return any(isinstance(side, Span) for side in mode[1:])


def _counted(rest: Sequence[Candidate]) -> str:
    excluded: dict[str, int] = {}
    for one in rest:
        excluded[one.excluded_by] = excluded.get(one.excluded_by, 0) + 1
    parts = [f"{count} excluded by {name}" if name else f"{count} with a larger distance" for name, count in excluded.items()]
    return f"and {len(rest)} more: {', '.join(parts)}"
