"""Memory that is lent, and used again."""

from __future__ import annotations

import pytest

from mscli.core.loans import FrameMemory, Loan


def test_a_loan_ends_with_the_last_view_of_its_memory() -> None:
    ended: list[str] = []
    loan = Loan(lambda: ended.append("ended"))
    first, second = (loan.view(bytearray(b"abc"))[1:] for _ in range(2))
    del loan
    part = first[:1]
    del first, second
    assert (bytes(part), ended) == (b"b", [])
    del part
    assert ended == ["ended"]


def test_lent_memory_is_read_only_and_not_copied() -> None:
    memory = FrameMemory(3)
    filled = memory.take()
    view = memory.lend(filled)
    filled[0] = 7
    assert view[0] == 7
    with pytest.raises(TypeError):
        view[0] = 1


def test_memory_is_used_again_only_once_no_view_of_it_is_left() -> None:
    memory = FrameMemory(3)
    first = memory.take()
    view = memory.lend(first)
    part = view[1:]
    second = memory.take()
    assert second is not first
    del view
    assert memory.take() is not first, "a part of it is still in use"
    del part
    assert memory.take() is first


def test_no_more_memory_is_kept_than_a_few_pieces() -> None:
    memory = FrameMemory(3)
    pieces = [memory.take() for _ in range(20)]
    views = [memory.lend(piece) for piece in pieces]
    del views
    known = {id(piece) for piece in pieces}
    assert sum(id(memory.take()) in known for _ in pieces) == 4
