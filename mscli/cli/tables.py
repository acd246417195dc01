"""The tables that people read, made with rich: devices, capabilities, candidates, choices."""

from __future__ import annotations

import errno
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TextIO

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from mscli.api.mediadeviceinfo import device_noun
from mscli.cli.forgiving import forgiving_stderr
from mscli.cli.printable import printable
from mscli.core.boxes import Span
from mscli.core.derived import mode_behind
from mscli.core.properties import PROPERTIES
from mscli.core.selection import describe_settings

if TYPE_CHECKING:
    from mscli.api.getusermedia import Choice
    from mscli.api.mediadeviceinfo import MediaDeviceInfo
    from mscli.core.boxes import Mode
    from mscli.core.selection import Candidate

NARROW = 60  # columns of a terminal: fewer have no room for paths and ids beside the names
PIPE_WIDTH = 500  # columns in a pipe, where nothing needs to be folded to a screen
AS_GOOD_AS_NONE = 1e-4  # of a range's greatest value: a lower end below that says nothing to people
MOST_CANDIDATES = 24  # rows of an explanation; the rest is counted by what excluded it

MARKS = {"": "", "+": "bold green", "-": "red strike", "~": "yellow"}  # how devices look that came, went, or changed


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Let it through: rich would end the program with exit code 1."""
        raise BrokenPipeError(errno.EPIPE, "")


def console(file: TextIO) -> Console:
    """A console as wide as the terminal, or as wide as it likes in a pipe. What names hold is text to it, not markup."""
    return _Console(file=file, width=None if file.isatty() else PIPE_WIDTH, highlight=False, markup=False, emoji=False)


def _table(*columns: str, file: TextIO) -> Table:
    table = Table(box=box.SIMPLE_HEAD if file.isatty() else None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column.lstrip(">"), justify="right" if column.startswith(">") else "left", overflow="fold")
    return table


Marked = Sequence[tuple[str, "MediaDeviceInfo"]]  # devices, each with a key of ``MARKS``


def show_devices(marked: Marked, problems: Iterable[str], *, verbose: bool) -> None:
    """The devices, and below them, or beside them with -v, what is wrong."""
    out = console(sys.stdout)
    if marked:
        out.print(devices_table(marked, verbose=verbose))
    else:
        out.print("no devices found")
    with forgiving_stderr():
        for problem in troubles(marked, problems, verbose=verbose):
            console(sys.stderr).print(f"mscli: {problem}", style="yellow", soft_wrap=True)


def devices_table(marked: Marked, *, verbose: bool, lines: bool = False) -> Table:
    """A row for each device, with its mark in front if any has one.

    ``lines``: each row is one line, cut to the terminal, and of a narrow terminal only what people call a device by.
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
    """What is wrong, a printable line for each; with -v that of single devices is in the table."""
    infos = (info for mark, info in marked if info.problem and mark != "-" and not verbose)
    return list(map(printable, [*problems, *(f"{info.problem}: {info.remedy}".removesuffix(": ") for info in infos)]))


def _name(info: MediaDeviceInfo) -> Text:
    name = Text(printable(info.label), style="cyan" if not info.problem else "yellow")
    return name + Text(" (default)", style="dim") if info.default else name


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


def show_capabilities(info: MediaDeviceInfo, capabilities: Mapping[str, Any], modes: Sequence[Mapping[str, Any]]) -> None:
    """What a device can be set to, and its native modes, one row for each size."""
    out = console(sys.stdout)
    out.print(_name(info), Text(printable(info.path or info.device_id), style="dim"))
    table = _table("property", "values", file=sys.stdout)
    for name, value in capabilities.items():
        table.add_row(name, printable(f"{_values(value)} {PROPERTIES[name].unit}".rstrip()))
    out.print(table)
    if modes:
        out.print(_modes_table(modes))


def _values(value: Any) -> str:
    if isinstance(value, Mapping):
        low, high = _number(value["min"]), _number(value["max"])
        if value["min"] < value["max"] * AS_GOOD_AS_NONE:
            return f"up to {high}"
        return low if low == high else f"{low} – {high}"
    return ", ".join(map(_word, value)) if isinstance(value, list) else _word(value)


def _word(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _number(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"{_number(value['min'])}–{_number(value['max'])}"
    return str(value) if isinstance(value, int) else f"{value:.5g}"


def _modes_table(modes: Sequence[Mapping[str, Any]]) -> Table:
    measured = any("measuredFrameRate" in mode for mode in modes)
    table = _table("format", ">size", "frames/s", *(["measured"] if measured else []), file=sys.stdout)
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
    """What a dry run would use."""
    out = console(sys.stderr)
    for choice in choices:
        native = f", {choice.mode.pixel_format}" if choice.mode else ""
        out.print(f"{device_noun(choice.device.kind)} “{printable(choice.device.label)}”: ", style="bold", end="")
        out.print(printable(f"{describe_settings(choice.selection.settings)}{native}"))


@forgiving_stderr()
def show_candidates(candidates: Sequence[Candidate], choice: Choice | None) -> None:
    """Every candidate with its distance or what excluded it, the best first; many of them are cut short and counted."""
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
            out.print(f"advanced set {number}: {'kept' if kept else 'skipped, no candidate satisfies it'}")
        if choice.selection.decided_by:
            out.print(f"among equally near ones: {choice.selection.decided_by}", markup=False)


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
    return f"{_size(one.settings)} out of {native}" if one.settings else f"any out of {native}"


def _size(shown: Mapping[str, Any]) -> str:
    return f"{_number(shown['width'])}×{_number(shown['height'])} {_number(shown['frameRate'])}/s"


def _open_ended(mode: Mode) -> bool:
    return any(isinstance(side, Span) for side in mode[1:])


def _counted(rest: Sequence[Candidate]) -> str:
    excluded: dict[str, int] = {}
    for one in rest:
        excluded[one.excluded_by] = excluded.get(one.excluded_by, 0) + 1
    told = [f"{count} excluded by {name}" if name else f"{count} farther away" for name, count in excluded.items()]
    return f"and {len(rest)} more: {', '.join(told)}"
