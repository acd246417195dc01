"""Programs of Python that start at once: each is forked from a process that has imported what they need.

The imports of mscli take an emulated processor ten seconds, and elsewhere they are most of what a short command costs. The fork
has the arguments, environment, folder, descriptors, limits and signals of a process of its own, and is a child of who asked for
it. What runs is the package's ``__main__``, as with ``python -m``. `Server` is the side of the tests. This file run as a module
is the process that forks.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import json
import os
import pkgutil
import resource
import runpy
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from io import TextIOWrapper
from pathlib import Path
from typing import Any, TextIO

import mscli

ROOT = Path(__file__).parent.parent

IMPORTED = ("_sounddevice", "av", "ctypes.util", "numpy", "tests.vm.rig.usb.camera", "tests.vm.rig.usb.microphone")
LONGEST = 1 << 18  # bytes of a request
SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER
LIMITS = (resource.RLIMIT_FSIZE, resource.RLIMIT_NOFILE, resource.RLIMIT_AS)
READ_LATE = ("MSCLI_", "COLUMNS", "LINES", "TERM", "NO_COLOR", "FORCE_COLOR", "CLICOLOR", "TTY_", "XDG_", "PATH", "DISPLAY")


def can_be_forked(command: Sequence[str], environment: Mapping[str, str]) -> bool:
    """Return whether a fork is as a start: of a module, with differing variables that are read after its imports only.

    So is what PYTHONPATH has after ``ROOT``: folders of other packages.
    """
    server = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"} | {"PYTHONPATH": str(ROOT)}
    first = environment.get("PYTHONPATH", "").split(os.pathsep)[0]
    differing = dict(({**environment, "PYTHONPATH": first}).items() ^ server.items())
    return [*command[:2]] == [sys.executable, "-m"] and all(name.startswith(READ_LATE) for name in differing)


@contextlib.contextmanager
def adopting() -> Iterator[None]:
    """Let a fork become this process's child while it loses its parent. Other orphans go to init, which reaps them."""
    prctl = ctypes.CDLL(None).prctl
    prctl(SUBREAPER, 1, 0, 0, 0)
    try:
        yield
    finally:
        prctl(SUBREAPER, 0, 0, 0, 0)


class Server:
    """The process that forks, from ``start`` or the first ``fork`` until ``close``."""

    _asking: socket.socket | None = None
    _turn = threading.Lock()  # of the threads that ask
    _is_ready = False

    def start(self) -> None:
        """Start it, and let it import beside what follows."""
        assert self._asking is None, "it has been started"
        self._asking, asked = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with asked:
            command = [sys.executable, "-m", "tests.starts", str(asked.fileno())]
            alone = {"OPENBLAS_NUM_THREADS": "1"}  # a process of several threads forks only the one
            inherited = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
            self._process = subprocess.Popen(command, cwd=ROOT, env=inherited | alone, pass_fds=[asked.fileno()])

    def wait(self) -> None:
        """Wait until it has imported everything, which takes all of a processor."""
        if self._asking is None:
            self.start()
        assert self._asking is not None
        if not self._is_ready:
            self._asking.recv(32)
            self._is_ready = True

    def fork(self, command: Sequence[str], folder: str, environment: dict[str, str], streams: Sequence[int]) -> int:
        """Return the pid of a new child of this process. ``command``: a package and its arguments."""
        self.wait()
        assert self._asking is not None
        limits = {number: resource.getrlimit(number) for number in LIMITS}
        mask = os.umask(0)
        os.umask(mask)
        request = {"command": list(command), "folder": folder, "environment": environment, "limits": limits, "umask": mask}
        with self._turn, adopting():
            socket.send_fds(self._asking, [json.dumps(request).encode()], streams)
            return int(self._asking.recv(32))

    def close(self) -> None:
        """End it, if it was started."""
        if self._asking is not None:
            self._asking.close()
            self._process.wait()
        self._asking, self._is_ready = None, False


SERVER = Server()


class Forked(subprocess.Popen[bytes]):
    """``Popen`` of ``python -m PACKAGE ARGUMENT...``, forked by the server."""

    def _execute_child(self, args: Sequence[str], *rest: Any) -> None:
        """Do what ``Popen`` does here: start the child, close its ends of the pipes. ``rest``: in the order of ``Popen``."""
        folder, environment, pipes = rest[4], rest[5], rest[9:15]
        python, module, *command = map(str, args)
        assert (python, module) == (sys.executable, "-m"), args
        child_ends = (pipes[0], pipes[3], pipes[5])
        streams = [number if end < 0 else end for number, end in enumerate(child_ends)]
        self.pid = SERVER.fork(command, os.fspath(folder or os.getcwd()), dict(environment or os.environ), streams)
        self._child_created = True
        self._close_pipe_fds(*pipes)  # type: ignore[attr-defined]  # Popen's own


def serve(asked: socket.socket) -> list[str]:
    """Fork for every request. Return the command, in the fork; exit when no more requests come."""
    while True:
        data, streams, *_ = socket.recv_fds(asked, LONGEST, 3)
        if not data:
            os._exit(0)
        told, telling = os.pipe()
        if middle := os.fork():
            os.waitpid(middle, 0)
            os.close(telling)
            asked.send(os.read(told, 32))
            for number in (told, *streams):
                os.close(number)
            continue
        between = os.getpid()
        if pid := os.fork():
            os.write(telling, str(pid).encode())
            os._exit(0)
        while os.getppid() == between:  # from its end on, this is a child of who asked
            time.sleep(0.001)
        asked.close()
        return become(json.loads(data), streams)


def become(request: dict[str, Any], streams: Sequence[int]) -> list[str]:
    """Take the folder, environment and streams of the request. Return its command."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    os.closerange(3, 1 << 16)
    os.chdir(request["folder"])
    os.umask(request["umask"])
    for limit, values in request["limits"].items():
        resource.setrlimit(int(limit), values)
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.stdin = again(sys.stdin, "rb")
    sys.stdout = again(sys.stdout, "wb")
    sys.stderr = again(sys.stderr, "wb")
    sys.path[0] = request["folder"]  # as with -m
    named = [one for one in os.environ.get("PYTHONPATH", "").split(os.pathsep) if one]  # an installed mscli has ROOT at the end
    sys.path[1:] = [*named, *(one for one in sys.path[1:] if one not in named)]
    command: list[str] = request["command"]
    return command


def again(stream: TextIO, mode: str) -> TextIO:
    """Return a stream like this one, of the same descriptor, with nothing buffered."""
    assert isinstance(stream, TextIOWrapper)
    file = open(stream.fileno(), mode, closefd=False)  # noqa: SIM115
    return TextIOWrapper(file, stream.encoding, stream.errors, line_buffering=stream.line_buffering)


def main() -> None:
    """Import, serve, and in a fork run the program to its end."""
    asked = socket.socket(fileno=int(sys.argv[1]))
    ours = (module.name for module in pkgutil.walk_packages(mscli.__path__, "mscli.") if not module.name.endswith("__main__"))
    for name in (*IMPORTED, *ours):
        importlib.import_module(name)
    gc.collect()
    gc.freeze()  # the forks share what is there
    asked.send(b"ready")
    package, *arguments = serve(asked)
    sys.argv = [package, *arguments]
    runpy.run_module(package, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
