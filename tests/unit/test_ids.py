"""Ids of streams and tracks."""

from __future__ import annotations

import uuid

from mscli.core.ids import random_uuid


def test_an_id_is_a_random_uuid() -> None:
    ids = {random_uuid() for _ in range(100)}
    assert len(ids) == 100
    assert {(uuid.UUID(one).version, uuid.UUID(one).variant, str(uuid.UUID(one)) == one) for one in ids} == {
        (4, uuid.RFC_4122, True)
    }
