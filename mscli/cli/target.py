"""What a recording is written into: a file, a pipe or stdout, and in which container."""

from __future__ import annotations

import os
import stat
import sys
from typing import NamedTuple

import click

from mscli.core.errors import OperationError
from mscli.sinks import SINKS, SinkRow, sink_row

CONTAINERS = tuple(row.suffix for row in SINKS.values() if row.audio and row.suffix != "raw")
STREAMED = "mkv"  # into a pipe whose name says nothing: it holds every codec, and needs no way back

STDOUT_NAMES = ("-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1")


class RecordTarget(NamedTuple):
    """Where to, and how."""

    name: str  # as it was given
    row: SinkRow

    @property
    def to_stdout(self) -> bool:
        """Whether stdout carries the recording, and nothing else then."""
        return self.name in STDOUT_NAMES

    @property
    def output(self) -> str | int:
        """What the sink takes: a path or a descriptor."""
        return sys.stdout.fileno() if self.to_stdout else self.name

    @property
    def files(self) -> list[str]:
        """For the report."""
        return [] if self.to_stdout else [self.name]


def refuse_folder(name: str, suffix: str) -> None:
    """Raise OperationError for the name of a folder, which would be found to lack a suffix otherwise."""
    if os.path.isdir(name) or name.endswith("/"):
        hints = [f"add a file name: {os.path.join(name, f'NAME.{suffix}')}"]
        raise OperationError(f"“{name}” cannot be written: it is a folder", hints=hints)


def refuse_events_within(output: str, events: str | None) -> None:
    """Raise click.UsageError if the file for events is the output itself, by whatever name."""
    if events is not None and _are_one(output, events):
        raise click.UsageError(f"--events and the output would be one: “{events}”; give them different files")


def _are_one(output: str, events: str) -> bool:
    if output in STDOUT_NAMES and events in STDOUT_NAMES:
        return True
    place = _place(output)
    return place is not None and place == _place(events)


def _place(name: str) -> tuple[int, int] | str | None:
    """What a name stands for: device and inode, or the path of a file to be made. None for a device, which many may share."""
    try:
        found = os.fstat(sys.stdout.fileno()) if name == "-" else os.stat(name)
    except OSError:
        return os.path.realpath(name)
    return None if stat.S_ISCHR(found.st_mode) else (found.st_dev, found.st_ino)


def record_target(name: str, container: str | None) -> RecordTarget:
    """What the command line says: the container by ``--format``, else by the suffix.

    Raises NotSupportedError, and OperationError for a folder.
    """
    refuse_folder(name, STREAMED)
    suffix = os.path.splitext(name)[1].lstrip(".").lower()
    if container is None and suffix not in CONTAINERS and (name == "-" or _is_stream(name)):
        container = STREAMED
    return RecordTarget(name, SINKS[container] if container else sink_row(name, "audio"))


def _is_stream(name: str) -> bool:
    """Whether something is there that is no file: a pipe, a device, a descriptor of ours."""
    try:
        kind = os.stat(name).st_mode
    except OSError:
        return False
    return name in STDOUT_NAMES or not (stat.S_ISREG(kind) or stat.S_ISDIR(kind))
