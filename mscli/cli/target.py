"""The target of a recording (a file, pipe, stdout or address) and its container."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from mscli.core.addresses import is_url, masked, suffix_of
from mscli.core.errors import OperationError
from mscli.core.tuples import NamedTuple
from mscli.encode.options import SinkOptions, TrackFormat
from mscli.sinks import SINKS, SinkRow, address_row, are_one, describe_output, in_place_of, in_series, own_options, sink_row

if TYPE_CHECKING:
    from mscli.cli.options import Options

CONTAINERS = tuple(row.suffix for row in SINKS.values() if row.splits)
STREAMED = "mkv"  # for a pipe whose name has no suffix: holds every codec and needs no seeking

DESCRIPTORS = ("/dev/fd/", "/proc/self/fd/")  # their names begin like this
_TERMINALS = (4, 5, *range(136, 144))  # https://docs.kernel.org/admin-guide/devices.html
STDOUT_NAMES = ("-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1")


class RecordTarget(NamedTuple):
    """The target of a recording and how to write it."""

    name: str  # as given
    row: SinkRow

    @property
    def is_address(self) -> bool:
        """Return whether the target is an address, not a file."""
        return self.row.writes_to(self.name)

    def options(self, options: SinkOptions) -> SinkOptions:
        """Return the options of this output, with the settings behind its address. Raises TypeError for wrong settings."""
        return own_options(self.row, self.name, options)

    @property
    def to_stdout(self) -> bool:
        """Return whether the recording goes to stdout, which then carries nothing else."""
        return self.name in STDOUT_NAMES

    @property
    def output(self) -> str | int:
        """Return the target for the sink: a path, an address or a descriptor."""
        return sys.stdout.fileno() if self.to_stdout else self.name

    @property
    def files(self) -> list[str]:
        """Return the file for the report, if the target is a file."""
        return [] if self.to_stdout or self.is_address else [self.name]

    @property
    def unnamed(self) -> str:
        """Return the name in the report of a target that is not a file."""
        return "stdout" if self.to_stdout else masked(self.name) if self.is_address else ""


def refuse_folder(name: str, suffix: str) -> None:
    """Raise OperationError for a folder. Otherwise the error would be about its missing suffix."""
    if is_url(name):
        return
    if os.path.isdir(name) or name.endswith("/"):
        hints = [f"add a file name: {os.path.join(name, f'NAME.{suffix}')}"]
        raise OperationError(f"cannot write {name}: it is a folder", hints=hints)


def contradiction(name: str, row: SinkRow) -> str:
    """Return a sentence if the suffix of a file's name stands for another format than the file will have, or ""."""
    suffix = suffix_of(name)
    known = SINKS.get(suffix)
    if known is None or known.mime_type == row.mime_type or row.writes_to(name):
        return ""
    return f"“{masked(name)}” will hold {row.suffix}, as --format says, although its name ends in .{suffix}"


Contents = Callable[[Sequence[TrackFormat]], list[tuple[str, str]]]  # returns the name of each output, and what it will hold


def contents_of(outputs: Sequence[Any], options: SinkOptions) -> Contents:
    """Return a function that describes what outputs will hold of some tracks.

    ``outputs``: tuples that begin with a name and a row. Those of ``mscli capture`` also choose tracks and options.
    """

    def describe(tracks: Sequence[TrackFormat]) -> list[tuple[str, str]]:
        return [("stdout" if one[0] in STDOUT_NAMES else masked(one[0]), _content(one, options, tracks)) for one in outputs]

    return describe


def _content(output: Any, options: SinkOptions, tracks: Sequence[TrackFormat]) -> str:
    holds = getattr(output, "holds", lambda _: True)
    own = output.options(options) if hasattr(output, "options") else options
    return describe_output(output[1], own, [track for track in tracks if holds(track.kind)])


def refuse_terminal(names: Sequence[str], instead: str) -> None:
    """Raise click.UsageError if an output is a terminal, which would show the data as rubbish. ``instead``: what to do."""
    for name in names:
        if _is_terminal(name):
            where = "the terminal" if name in STDOUT_NAMES else f"“{name}”, a terminal"
            raise click.UsageError(f"binary data is not written to {where}: {instead}")


def _is_terminal(name: str) -> bool:
    """Return whether an output is a terminal. Nothing is opened."""
    if name in STDOUT_NAMES:
        return os.isatty(sys.stdout.fileno())
    try:
        status = os.stat(name)
    except OSError:
        return False
    return stat.S_ISCHR(status.st_mode) and os.major(status.st_rdev) in _TERMINALS


def refuse_written_within(outputs: Sequence[str], options: Options, more: Mapping[str, str | None] = {}) -> None:
    """Raise click.UsageError if a file that is written beside the outputs is one of them or an input, under any name.

    ``more``: further options with such files.
    """
    given = {"--events": options.events, "--save-settings": options.save_settings, **more}
    beside = [(flag, file) for flag, file in given.items() if file is not None]
    inputs = [name for name in (*options.input, *options.camera, *options.microphone) if name and os.path.exists(name)]
    for place, (flag, file) in enumerate(beside):
        for what, names in (("output", outputs), ("input", inputs)):
            if any(_are_one(name, file) for name in names):
                raise click.UsageError(f"{flag} and the {what} are the same file, {file}; use different files")
        for other, earlier in beside[:place]:
            if file and earlier and _are_one(earlier, file):
                raise click.UsageError(f"{other} and {flag} are the same file, {earlier}; use different files")


def refuse_link(link: str, output: str, options: Options, *, series: bool, replaces: bool) -> None:
    """Raise click.UsageError if a picture or a log may have the name of the link to the newest picture.

    Raises OperationError if a file has it. ``replaces``: whether that file may be lost.
    """
    for flag, file in (("--events", options.events), ("--save-settings", options.save_settings)):
        if file and _in_its_folder(link) == _in_its_folder(file):
            raise click.UsageError(f"--latest and {flag} have the same name, {link}; use different names")
    if in_place_of(link, output, series=series):
        raise click.UsageError(f"--latest {link} may be the name of a picture itself; use another name")
    if os.path.islink(link) or os.path.isdir(link) or not os.path.lexists(link):
        return
    if not os.path.isfile(link):
        raise OperationError(f"{link} is a pipe or a device, which --latest must not replace", hints=["use another name"])
    if not replaces:
        raise OperationError(f"{link} already exists, and is no link; use --force to replace it")


def _in_its_folder(path: str) -> str:
    """Return the real path of a name. A link with that name is not followed."""
    folder, name = os.path.split(path)
    return os.path.join(os.path.realpath(folder or "."), name)


def refuse_shared(names: Sequence[str], *, series: bool) -> None:
    """Raise click.UsageError if two outputs are the same, under any names, or if one's series includes the other.

    ``series``: each output is a series of files.
    """
    for index, name in enumerate(names):
        for other in names[:index]:
            if _are_one(name, other):
                raise click.UsageError(f"{masked(other)} and {masked(name)} are the same output; name each output once")
            if series and (in_series(other, name) or in_series(name, other)):
                raise click.UsageError(f"{other} and {name} may name the same file; use different names")


def refuse_added(name: str, outputs: Sequence[str], options: Options, instead: str, *, series: bool) -> None:
    """Raise click.UsageError for what is added to a run, as for an output at its start. ``outputs``: those that are written."""
    refuse_terminal([name], instead)
    refuse_shared([*outputs, name], series=series)
    refuse_written_within([name], options)
    if _are_one(name, "-"):
        raise click.UsageError(f"{name}: stdout is only an output if it is named at the start")


def _are_one(output: str, beside: str) -> bool:
    if output in STDOUT_NAMES and beside in STDOUT_NAMES:
        return True
    one, other = (sys.stdout.fileno() if name == "-" else name for name in (output, beside))
    return are_one(one, other)


def record_target(name: str, container: str | None) -> RecordTarget:
    """Return the target: the row of an address, or else the container by ``--format`` or suffix.

    Raises NotSupportedError, and OperationError for a folder.
    """
    if address_row(name) is not None:
        return RecordTarget(name, sink_row(name, "audio", "video"))
    refuse_folder(name, container or STREAMED)
    if container is None and name.startswith(DESCRIPTORS):
        behind = suffix_of(os.path.realpath(name))  # the file behind a descriptor
        container = behind if behind in CONTAINERS else STREAMED
    elif container is None and suffix_of(name) not in CONTAINERS and (name == "-" or _is_stream(name)):
        container = STREAMED
    return RecordTarget(name, SINKS[container] if container else sink_row(name, "audio", "video"))


def _is_stream(name: str) -> bool:
    """Return whether the name exists but is not a file or folder: a pipe, a device, or one of our descriptors."""
    try:
        kind = os.stat(name).st_mode
    except OSError:
        return False
    return name in STDOUT_NAMES or not (stat.S_ISREG(kind) or stat.S_ISDIR(kind))
