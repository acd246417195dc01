"""The commands of --exec."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from time import monotonic

from mscli.core.limits import HOOK_S

_LOOK_S = 0.05  # how often to look for a signal while a command runs
MOST_HOOKS = 4  # commands that run at the same time; while this number runs, no other is started


class Hooks:
    """The commands that are run for pictures, without a shell: the same arguments, in which ``{}`` stands for the file.

    Each is a process group, which Ctrl-C does not interrupt, and which is terminated with all that it has started.
    ``silent``: what they print is dropped. If not, it goes to stderr.
    """

    def __init__(self, command: Sequence[str], warn: Callable[[str], object], *, silent: bool = False) -> None:
        self.failed = 0
        self._arguments = list(command)
        self._warn = warn
        self._output = (subprocess.DEVNULL, subprocess.DEVNULL) if silent else (sys.stderr.fileno(), None)
        self._running: list[tuple[str, subprocess.Popen[bytes]]] = []

    def start(self, name: str) -> None:
        """Run the command for a file, and go on."""
        self._reap()
        if len(self._running) >= MOST_HOOKS:
            self._fail(f"--exec was skipped for {name}, because {MOST_HOOKS} commands are still running")
            return
        arguments = [argument.replace("{}", name) for argument in self._arguments]
        if arguments == self._arguments:
            arguments.append(name)
        try:
            stdout, stderr = self._output
            running = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, process_group=0)
        except OSError as error:
            self._fail(f"--exec cannot run “{arguments[0]}”: {os.strerror(error.errno or 0).lower()}")
        else:
            self._running.append((name, running))

    def finish(self, abandoned: Callable[[], bool] = lambda: False) -> None:
        """Wait for the commands, and terminate those that do not end. ``abandoned``: whether nobody wants to wait any more."""
        begin_s = monotonic()
        for name, running in self._running:
            while running.poll() is None and monotonic() < begin_s + HOOK_S and not abandoned():
                with suppress(subprocess.TimeoutExpired):
                    running.wait(min(_LOOK_S, HOOK_S))
            if running.poll() is None:
                limit = f" within {HOOK_S:g} s" if monotonic() >= begin_s + HOOK_S else ""
                self._fail(f"--exec did not end{limit} for {name} and was terminated")
                with suppress(OSError):  # it has just ended
                    os.killpg(running.pid, signal.SIGKILL)
                running.wait()
            else:
                self._check(name, running)
        self._running = []

    def _reap(self) -> None:
        ended = [one for one in self._running if one[1].poll() is not None]
        self._running = [one for one in self._running if one not in ended]
        for one in ended:
            self._check(*one)

    def _check(self, name: str, running: subprocess.Popen[bytes]) -> None:
        if running.returncode:
            self._fail(f"--exec failed for {name} with exit code {running.returncode}")

    def _fail(self, sentence: str) -> None:
        self.failed += 1
        self._warn(sentence)
