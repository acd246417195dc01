"""The control channel without a process: how bytes become lines, and how each line is answered."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mscli.api.commands import Run
from mscli.cli import control
from mscli.cli.control import LINE_BYTES, ControlSocket, LineSplitter, perform_line
from mscli.core import limits
from mscli.core.errors import OperationError
from tests.unit.test_folders import OTHER, sticky

__all__ = ["sticky"]  # a fixture


class Paused(Run):
    """A run that records the commands it gets."""

    def __init__(self) -> None:
        super().__init__([])
        self.done: list[str] = []

    def pause(self) -> None:
        self.done.append("pause")

    def resume(self) -> None:
        raise RuntimeError("a defect")


def lines_of(*chunks: bytes) -> list[bytes | None]:
    cutter = LineSplitter()
    return [line for chunk in chunks for line in cutter.feed(chunk)] + list(cutter.rest())


@given(st.lists(st.binary(max_size=20).map(lambda data: data.replace(b"\n", b""))), st.data())
def test_lines_are_the_same_however_they_come(lines: list[bytes], data: Any) -> None:
    text = b"".join(line + b"\n" for line in lines)

    def chunks() -> Iterator[bytes]:
        rest = text
        while rest:
            size = data.draw(st.integers(1, len(rest)))
            yield rest[:size]
            rest = rest[size:]

    assert lines_of(*chunks()) == lines


def test_the_last_line_needs_no_end() -> None:
    assert lines_of(b"a\nb") == [b"a", b"b"]


@pytest.mark.parametrize("chunk", [LINE_BYTES // 3, LINE_BYTES + 10])
@pytest.mark.parametrize("end", [b"\nafter\n", b""])
def test_a_line_that_is_too_long_is_skipped_and_the_next_is_not(chunk: int, end: bytes) -> None:
    text = b"before\n" + b"x" * (LINE_BYTES + 1) + end
    chunks = [text[at : at + chunk] for at in range(0, len(text), chunk)]
    assert lines_of(*chunks) == [b"before", None, *([b"after"] if end else [])]


def test_a_line_of_the_greatest_length_is_none_too_long() -> None:
    assert lines_of(b"x" * LINE_BYTES + b"\n") == [b"x" * LINE_BYTES]


def answer(line: bytes | None, run: Run | None = None) -> dict[str, Any]:
    return perform_line(line, 3, run or Paused())


def test_a_command_is_performed_and_answered_with_its_id() -> None:
    run = Paused()
    assert answer(b'{"pause": true, "id": {"n": 1}}', run) == {"type": "answer", "id": {"n": 1}, "command": "pause", "ok": True}
    assert run.done == ["pause"]


BAD_LINES = {
    b"pause": "control line 3 is not valid JSON: line 1, column 1: Expecting value",
    b'{"pause": true': "control line 3 is not valid JSON: line 1, column 15: Expecting ',' delimiter",
    b'{"pause": NaN}': "control line 3 is not valid JSON: NaN is not a JSON number",
    b"\xff": "control line 3 is not UTF-8 text",
    b"3": 'control line 3 is not an object such as {"pause": true}',
    None: "control line 3 is longer than 1048576 bytes",
    b'{"puase": true}': "unknown command “puase” (did you mean “pause”?)",
}


@pytest.mark.parametrize("line", BAD_LINES, ids=repr)
def test_a_bad_line_is_answered_by_an_error(line: bytes | None) -> None:
    told = answer(line)
    assert (told["type"], told["ok"]) == ("error", False)
    assert told["error"] == {"name": "TypeError", "message": BAD_LINES[line]}


def test_a_line_that_is_nested_too_deeply_is_an_error() -> None:
    assert answer(b"[" * 100_000)["error"]["name"] == "TypeError"


def test_an_error_keeps_the_id() -> None:
    told = answer(b'{"id": "a", "trigger": true}')
    assert (told["id"], told["command"], told["error"]["name"]) == ("a", "trigger", "InvalidStateError")
    assert answer(b'{"id": "a"}')["id"] == "a"


def test_a_defect_is_reported_and_answered(reports: list[BaseException]) -> None:
    told = answer(b'{"resume": true}')
    assert told["error"] == {"name": "UnknownError", "message": "internal error, a bug in mscli: RuntimeError: a defect"}
    assert [type(error) for error in reports] == [RuntimeError]
    assert json.dumps(told)


def test_bounds_are_what_the_manual_says() -> None:
    assert (control.LINE_BYTES, control.MOST_CLIENTS, limits.CLIENT_SLEEPS_S) == (1 << 20, 16, 5.0)


@pytest.mark.parametrize("number", ["1e999", "-1e999", "Infinity", "NaN"])
def test_a_number_that_json_cannot_hold_is_refused(number: str) -> None:
    run = Paused()
    answer = perform_line(f'{{"pause": true, "id": {number}}}'.encode(), 1, run)
    assert (answer["ok"], run.done) == (False, [])
    json.dumps(answer, allow_nan=False)


# A socket in a folder in which everyone may create files


def test_a_socket_is_created_behind_no_link_of_another_user(sticky: Path) -> None:
    (sticky.parent / "other").mkdir()
    (sticky / "link").symlink_to(sticky.parent / "other")
    os.lchown(sticky / "link", OTHER, OTHER)
    with pytest.raises(OperationError, match="a link of another user has this name"):
        ControlSocket(str(sticky / "link" / "socket"))
    assert list((sticky.parent / "other").iterdir()) == []
    os.lchown(sticky / "link", 0, 0)
    made = ControlSocket(str(sticky / "link" / "socket"))
    assert (sticky.parent / "other" / "socket").is_socket()
    made.close()
    assert list((sticky.parent / "other").iterdir()) == []


def test_a_socket_of_another_user_is_not_replaced(sticky: Path) -> None:
    path = sticky / "socket"
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(path))
    os.chown(path, OTHER, OTHER)
    with pytest.raises(OperationError, match="a socket of another user has this name"):
        ControlSocket(str(path))
    assert path.lstat().st_uid == OTHER
    os.chown(path, 0, 0)
    ControlSocket(str(path)).close()
    assert not path.exists()


def test_a_socket_stays_in_its_folder(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    made = ControlSocket(str(tmp_path / "folder" / "socket"))
    (tmp_path / "folder").rename(tmp_path / "moved")
    assert (tmp_path / "moved" / "socket").is_socket()
    made.close()
    assert list((tmp_path / "moved").iterdir()) == []
