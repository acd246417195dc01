"""Which tests run in one worker, which side by side, and which only in the whole run."""

from __future__ import annotations

import os

from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController


def files(**folders: str) -> tuple[str, ...]:
    """Return the paths of test files, of which each argument has the names for a folder."""
    return tuple(f"tests/{folder}/test_{name}.py" for folder, names in folders.items() for name in names.split())


# What shares an expensive set-up runs in one worker, in its order, and so does a file of many small tests. Every other test
# runs in the next worker that is free.
VM = "tests/vm/"
TOGETHER = (
    VM,  # one boot for all
    "tests/backends/test_files.py",  # films
    "tests/backends/test_pipe_images.py",  # pictures
    "tests/backends/test_portaudio.py",  # a sound server
    "tests/backends/test_sound_channels.py",  # two of them
    "tests/camera/test_invented.py",  # encoded pictures
    "tests/cli/test_contributing.py",  # a copy of the program, which is compiled anew
    "tests/cli/test_plugins.py",  # packages, which pip installs
    "tests/cli/test_preview.py",  # a display
    "tests/cli/test_reference.py",  # the reference
    "tests/integration/test_soak.py",  # two long recordings, made at the same time
    "tests/sinks/test_browser.py",  # a browser that looks at all recordings
)
SMALL = ("tests/unit/", "tests/conformance/")  # folders of such files

# What starts programs, records in real time, encodes or tries much is slow, by its folder, apart from some files.
SLOW = (
    "tests/backends/test_network_relay.py",
    "tests/backends/test_portaudio.py",
    "tests/backends/test_pulse_stream.py",
    "tests/backends/test_sound_channels.py",
    "tests/camera/",
    "tests/cli/",
    "tests/integration/",
    "tests/property/",
    "tests/sinks/",
    VM,
)
QUICK = files(cli="capture devices record snapshot", sinks="codecs contract drift image raw timeline")

# What only computes: no test waits in it for a thread or a process with a limit of time that matters. So it can have what the
# virtual machine leaves of the processors, however little that is for a while.
PATIENT = files(
    integration="day gaps soak",
    property="fuzz select stamps webidl",
    sinks="blobs chunkfilter codecs colour container copy deinterlace exif filters image index key_frames long memory shape",
)


def is_quick(path: str) -> bool:
    return path.startswith(QUICK) or not path.startswith(SLOW)


def is_patient(path: str) -> bool:
    return path.startswith(PATIENT)


def is_other(path: str) -> bool:
    return not path.startswith((VM, *PATIENT))


# The parts of a run that tests/run asks for with --part. A part takes files whole: those of other parts are not even imported.
PARTS = {"quick": is_quick, "patient": is_patient, "others": is_other}


# Most workers begin with what mostly waits: for programs, devices, real time. The others begin with what computes, and make way
# for them. What waits goes in the order of the list of tests, what computes in the reverse order, and the workers meet in the
# middle. Long tests are at both ends, so that no worker is alone with one when the others have ended. A new test goes by its
# folder, and anywhere else among those that compute.
WAITING = ("tests/cli/", "tests/backends/", "tests/camera/", "tests/integration/")
COMPUTING = files(integration="day gaps leaks soak")
LONG = files(
    backends="files portaudio sound_channels",
    camera="invented",
    cli="contributing plugins preview reference",
    integration="leaks limits overload soak",
    property="failing_looks fuzz lifecycle select",
    sinks="browser key_frames",
)
PROCESSORS = os.cpu_count() or 1
WAITERS = PROCESSORS + 3  # workers: most of the tests that wait use a third of a processor
MAKES_WAY = 5  # is added to the niceness of a worker that computes


def number_of_workers() -> int:
    return WAITERS + PROCESSORS


def begins_with_computing(worker: str) -> bool:
    """Return whether the worker of this name, as in gw7, is one of the others."""
    return int(worker.removeprefix("gw")) >= WAITERS


def is_computing(nodeid: str) -> bool:
    """Return whether the test needs a processor more than it needs to be in time."""
    return nodeid.startswith(COMPUTING) or not nodeid.startswith((VM, *WAITING))


def turn(nodeid: str) -> tuple[bool, bool]:
    """Return the key by which tests are sorted."""
    computes = is_computing(nodeid)
    return computes, nodeid.startswith((VM, *LONG)) == computes


class Groups(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    """Hand out groups and single tests, from both ends. If a worker dies, hand out what it has not begun."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return next((group for group in TOGETHER if file.startswith(group)), file if file.startswith(SMALL) else nodeid)

    def _assign_work_unit(self, node: WorkerController) -> None:
        """Hand out the first group if it waits, and otherwise the last one."""
        if begins_with_computing(node.gateway.id) or is_computing(next(iter(self.workqueue))):
            self.workqueue.move_to_end(next(reversed(self.workqueue)), last=False)
        super()._assign_work_unit(node)

    def mark_test_complete(self, node: WorkerController, item_index: int, duration: float = 0) -> None:
        """Forget a group that has ended. Without this, xdist counts all that a worker has ever had, at each test."""
        super().mark_test_complete(node, item_index, duration)
        scope = self._split_scope(self.registered_collections[node][item_index])
        if all(self.assigned_work[node][scope].values()):
            del self.assigned_work[node][scope]

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
