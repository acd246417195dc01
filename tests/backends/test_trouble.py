"""Why a device cannot be used: who uses it, who may open it, and why there may be none."""

from __future__ import annotations

import grp
import os
import pwd
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mscli.core import trouble
from mscli.core.trouble import holders, in_container, permission_remedy, process_holders, why_no_camera, why_no_sound
from tests.conftest import require_root

HOLD = "import sys; file = open(sys.argv[1]); print(flush=True); sys.stdin.read()"


@pytest.fixture
def node(tmp_path: Path) -> str:
    """Create a file that stands for a device."""
    path = tmp_path / "video7"
    path.touch()
    return str(path)


@contextmanager
def held(path: str) -> Iterator[int]:
    """Open the file in another process. Return its pid."""
    with subprocess.Popen([sys.executable, "-c", HOLD, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        yield other.pid
        other.communicate()


def name_of(pid: int) -> str:
    return Path(f"/proc/{pid}/comm").read_text().strip()


def test_the_process_that_holds_a_node_is_named(node: str) -> None:
    with held(node) as pid:
        assert holders(node)[:2] == ((pid,), f"{name_of(pid)} (pid {pid})")


def test_several_processes_are_all_named(node: str) -> None:
    with held(node) as first, held(node) as second:
        assert set(holders(node).pids) == {first, second}
        assert holders(node).who.count("(pid ") == 2


def test_this_program_is_told_as_such_and_whoever_asks_does_not_count(node: str) -> None:
    with open(node):
        assert not holders(node).pids
        with open(node):
            assert holders(node).ours
            assert holders(node).who == "this program"


def test_a_node_that_nobody_is_seen_to_hold_is_held_by_someone_out_of_sight(node: str) -> None:
    told = holders(node)
    if os.geteuid() == 0:
        assert told.who == "another program"
    else:
        assert "a program of another user" in told.who
        assert f"sudo fuser -v {node}" in told.remedy


def test_the_program_of_another_user_is_said_to_be_out_of_sight(node: str) -> None:
    require_root("only root may become someone else")
    code = "import os, sys; sys.path.insert(0, sys.argv[2]); from mscli.core.trouble import holders; os.setuid(65534); "
    code += "print(*holders(sys.argv[1])[1:], sep='\\n')"
    with held(node):
        root = str(Path(trouble.__file__).parents[2])
        done = subprocess.run([sys.executable, "-c", code, node, root], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        "a program of another user",
        f"find it with `sudo fuser -v {node}`, and close it",
    ]


def test_a_thread_that_a_driver_names_is_told_by_its_process() -> None:
    assert process_holders([os.getpid()]).ours
    thread = next(int(name) for name in os.listdir("/proc/self/task"))
    assert process_holders([thread, thread]).ours


def test_a_process_that_is_gone_is_still_told_by_its_number() -> None:
    with subprocess.Popen(["true"]) as ended:
        ended.wait()
    assert process_holders([ended.pid]).who == f"a program (pid {ended.pid})"


def test_the_group_that_has_access_is_the_remedy(node: str) -> None:
    group = next(group for group in grp.getgrall() if group.gr_gid and not group.gr_mem)
    require_root("only root may give a file to any group")
    os.chmod(node, 0o660)
    os.chown(node, -1, group.gr_gid)
    assert f"usermod -aG {group.gr_name} $USER" in permission_remedy(node)


def test_who_joined_the_group_since_logging_in_only_logs_in_again(node: str, monkeypatch: pytest.MonkeyPatch) -> None:
    os.chmod(node, 0o660)
    me = pwd.getpwuid(os.geteuid()).pw_name
    monkeypatch.setattr(grp, "getgrgid", lambda gid: grp.struct_group(("video", "x", gid or 44, [me])))
    monkeypatch.setattr(os, "stat", lambda path, real=os.stat: os.stat_result((0o660, *real(path)[1:5], 44, *real(path)[6:])))
    assert "log out and in again" in permission_remedy(node)


def test_a_node_that_no_group_may_use_has_another_remedy(node: str) -> None:
    os.chmod(node, 0o600)
    assert f"setfacl -m u:$USER:rw {node}" in permission_remedy(node)


@pytest.fixture
def system(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Replace the files that identify the system, by path. There are none at first."""
    files: dict[str, str] = {}
    monkeypatch.setattr(trouble, "CONTAINER_MARKS", ())
    monkeypatch.setattr(trouble, "read_text", lambda path: files.get(path, ""))
    return files


def test_an_ordinary_machine_without_devices_has_no_problem(system: dict[str, str]) -> None:
    system["/proc/version"] = "Linux version 6.12.0-amd64 (debian-kernel@lists.debian.org)"
    system["/proc/1/cgroup"] = "0::/init.scope\n"
    assert why_no_camera() == why_no_sound() == ""


def test_a_container_is_known_by_its_marks_or_its_control_group(
    system: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert not in_container()
    system["/proc/1/cgroup"] = "12:devices:/docker/3f4a\n0::/\n"
    assert in_container()
    system.clear()
    monkeypatch.setattr(trouble, "CONTAINER_MARKS", (str(tmp_path),))
    assert in_container()


def test_a_container_is_told_what_it_was_not_given(system: dict[str, str]) -> None:
    system["/proc/1/cgroup"] = "0::/kubepods/pod1\n"
    assert why_no_camera() == "this container has no camera; start it with --device /dev/video0"
    assert "--device /dev/snd" in why_no_sound()


def test_wsl_is_told_how_to_get_a_camera_and_sound(system: dict[str, str]) -> None:
    system["/proc/version"] = "Linux version 5.15.153.1-microsoft-standard-WSL2"
    assert "usbipd attach --wsl" in why_no_camera()
    assert "PULSE_SERVER=/mnt/wslg/PulseServer" in why_no_sound()
