"""What it costs to start at all, beside an interpreter that does nothing."""

from __future__ import annotations

from collections.abc import Iterator

from tests.bench.measure import MODULE, PYTHON, SCRIPT, Row, versus

FLOOR = [*PYTHON, "-c", "pass"]
TARGETS = {"--version": 3.5, "--help": 4.0, "-h": 4.0, "": 5.0}  # arguments → CPU, in starts of the interpreter
FORMS = {"mscli": SCRIPT, "python -m mscli": MODULE}


def rows(runs: int) -> Iterator[Row]:
    for arguments, target in TARGETS.items():
        for name, start in FORMS.items():
            yield versus(f"{name} {arguments}".rstrip(), [*start, *arguments.split()], "python -c pass", FLOOR, target, runs)
