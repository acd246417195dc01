"""Which tests run in one worker, which side by side, and which only in the whole run."""

from __future__ import annotations

import os

from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

# What shares an expensive set-up runs in one worker, in its order. Every other test runs in the next worker that is free.
VM = "tests/vm/"
TOGETHER = (
    VM,  # one boot for all
    "tests/backends/test_portaudio.py",  # a sound server
    "tests/cli/test_preview.py",  # a display
    "tests/integration/test_soak.py",  # two long recordings, made at the same time
    "tests/sinks/test_browser.py",  # a browser that looks at all recordings
)

# What starts programs, records in real time, encodes or tries much is slow, by its folder, apart from some files.
SLOW = (
    "tests/backends/test_portaudio.py",
    "tests/backends/test_pulse_stream.py",
    "tests/camera/",
    "tests/cli/",
    "tests/integration/",
    "tests/property/",
    "tests/sinks/",
    VM,
)
QUICK = tuple(
    f"tests/{folder}/test_{name}.py"
    for folder, names in (("cli", "capture devices record snapshot"), ("sinks", "codecs contract drift image raw timeline"))
    for name in names.split()
)

# What only computes: no test waits in it, for a thread or a process, longer than it has work for a processor itself. So it can
# have what the virtual machine leaves of the processors, however little that is for a while.
PATIENT = tuple(
    f"tests/{folder}/test_{name}.py"
    for folder, names in (("integration", "soak day"), ("property", "fuzz select webidl stamps"))
    for name in names.split()
)


def is_quick(path: str) -> bool:
    return path.startswith(QUICK) or not path.startswith(SLOW)


def is_patient(path: str) -> bool:
    return path.startswith(PATIENT)


def is_other(path: str) -> bool:
    return not path.startswith((VM, *PATIENT))


# The parts of a run that tests/run asks for with --part. A part takes files whole: those of other parts are not even imported.
PARTS = {"quick": is_quick, "patient": is_patient, "others": is_other}


# The virtual machine begins first, and beside it what mostly waits: programs, devices, real time. What computes follows, and
# makes way for what is still under way. A new test goes by its folder, and anywhere else among those that compute.
WAITING = ("tests/cli/", "tests/backends/", "tests/camera/", "tests/integration/")
COMPUTING = tuple(f"tests/integration/test_{name}.py" for name in ("day", "gaps", "leaks", "soak"))
MAKES_WAY = 5  # is added to the niceness of its worker


def number_of_workers() -> int:
    """Return more than there are processors: most of the tests that come first use a third of one."""
    return (os.cpu_count() or 1) + 4


def is_computing(nodeid: str) -> bool:
    """Return whether the test needs a processor more than it needs to be in time."""
    return nodeid.startswith(COMPUTING) or not nodeid.startswith((VM, *WAITING))


def turn(nodeid: str) -> tuple[bool, bool]:
    """Return the key by which tests are sorted."""
    return is_computing(nodeid), not nodeid.startswith(VM)


class Groups(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    """Hand out groups and single tests in their order. If a worker dies, hand out what it has not begun."""

    def _split_scope(self, nodeid: str) -> str:
        return next((group for group in TOGETHER if nodeid.startswith(group)), nodeid)

    def remove_node(self, node: WorkerController) -> str | None:
        """Return the test at which a worker has died, if any. That test is not tried again.

        Without this, xdist hands out everything the worker has ever had. A worker that gets only tests that have ended waits
        for ever.
        """
        units = self.assigned_work[node]
        died_at = next(((unit, nodeid) for unit in units.values() for nodeid, ended in unit.items() if not ended), None)
        if died_at is not None:
            unit, nodeid = died_at
            unit[nodeid] = True
        self.assigned_work[node] = {scope: unit for scope, unit in units.items() if not all(unit.values())}
        super().remove_node(node)
        return died_at and died_at[1]

    def _reschedule(self, node: WorkerController) -> None:
        """Give a worker two tests, or the notice that there are no more.

        A worker begins a test only when it knows what follows. Without this, one that replaces a dead worker gets a single
        test and waits for ever.
        """
        super()._reschedule(node)
        if self._pending_of(self.assigned_work[node]) < 2:
            super()._reschedule(node)
