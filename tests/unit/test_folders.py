"""Where names lead to: links, folders and what others have put into the way."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mscli.core.folders import DistrustedError, find_entry
from tests.conftest import require_root

OTHER = 65534  # a user that owns nothing here


@contextmanager
def acting_as(user: int) -> Iterator[None]:
    """Be another user."""
    os.setegid(user)
    os.seteuid(user)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)


@pytest.fixture
def sticky(tmp_path: Path) -> Path:
    """A folder in which everybody may make names, as /tmp."""
    require_root("only root makes files of other users")
    folder = tmp_path / "sticky"
    folder.mkdir()
    folder.chmod(0o1777)
    while not (folder := folder.parent).stat().st_mode & stat.S_ISVTX:
        folder.chmod(0o755)  # the other user has to come so far
    return tmp_path / "sticky"


def where(path: str | Path) -> str:
    """Return the path of the place that a path leads to."""
    with find_entry(str(path)) as place:
        return os.path.join(os.readlink(f"/proc/self/fd/{place.folder}"), place.name)


def test_a_path_leads_where_the_kernel_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "up").symlink_to("a/b")
    (tmp_path / "far").symlink_to(tmp_path / "up" / "x")
    (tmp_path / "lost").symlink_to("nowhere/x")
    monkeypatch.chdir(tmp_path / "a")
    for path in ("x", "./x", "b//x", "b/../x", "../up/x", "../up/../x", "../far", str(tmp_path / "far"), "/proc/self/cwd/x"):
        assert where(path) == os.path.realpath(path), path
    with pytest.raises(FileNotFoundError):
        find_entry("../lost")


def test_links_that_go_round_in_a_circle_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(OSError, match="symbolic links"):
        find_entry(str(tmp_path / "a"))


def test_nothing_is_left_open(tmp_path: Path) -> None:
    before = os.listdir("/proc/self/fd")
    for path in ("no/x", "", "a/b/c"):
        with pytest.raises(FileNotFoundError):
            find_entry(str(tmp_path / path) if path else "")
    assert os.listdir("/proc/self/fd") == before


def test_a_descriptor_of_a_process_is_what_the_kernel_says(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    with find_entry(f"/proc/{os.getpid()}/fd/{writing}") as place:
        found = place.stat()
        assert found is not None
        assert stat.S_ISFIFO(found.st_mode)
        os.close(place.open(os.O_WRONLY))
    with open(tmp_path / "x", "wb") as file:
        assert where(f"/proc/{os.getpid()}/fd/{file.fileno()}") == str(tmp_path / "x")
    os.close(reading)
    os.close(writing)


@pytest.mark.parametrize("path", ["link", "link/x", "../sticky/link"])
def test_a_link_of_another_user_is_followed_by_nobody(path: str, sticky: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir()
    (sticky / "link").symlink_to("../secret")
    os.lchown(sticky / "link", OTHER, OTHER)
    with pytest.raises(DistrustedError, match="a link of another user"):
        find_entry(str(sticky / path))
    sticky.chmod(0o777)  # and where anybody could replace anything it makes no difference
    assert where(sticky / path).startswith(str(tmp_path / "secret"))


def test_links_of_the_user_and_of_the_owner_of_the_folder_are_followed(sticky: Path, tmp_path: Path) -> None:
    (sticky / "of root").symlink_to(tmp_path / "x")
    (sticky / "own").symlink_to(tmp_path / "x")
    os.lchown(sticky / "own", OTHER, OTHER)
    with acting_as(OTHER):
        assert where(sticky / "of root") == where(sticky / "own") == str(tmp_path / "x")
    os.chown(sticky, 1, 1)
    with acting_as(OTHER), pytest.raises(DistrustedError):
        find_entry(str(sticky / "of root"))


def test_what_comes_into_the_way_later_is_not_followed(sticky: Path, tmp_path: Path) -> None:
    with find_entry(str(sticky / "x")) as place:
        (sticky / "x").symlink_to(tmp_path / "victim")
        with pytest.raises(OSError, match="symbolic links"):
            place.open(os.O_WRONLY | os.O_CREAT)
        sticky.rename(tmp_path / "moved")
        sticky.mkdir()
        place.unlink("x")
        os.close(place.open(os.O_WRONLY | os.O_CREAT))
    assert (list((tmp_path / "moved").iterdir()), list(sticky.iterdir())) == ([tmp_path / "moved" / "x"], [])
    assert not (tmp_path / "victim").exists()
