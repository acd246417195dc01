"""Backends whose calls hang until the test releases them."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Event as Flag
from typing import Any

import mscli
from mscli.sources.base import DEVICE_KINDS, Abilities, Device
from tests.unit.stage import TIMEOUT_S


class Hanging(mscli.FakeBackend):
    """Devices whose calls named in ``hangs_in`` hang. ``asked`` counts the calls that hang."""

    name = "hanging"

    def __init__(self, *described: dict[str, Any], hangs_in: str = "devices") -> None:
        super().__init__({"devices": list(described)})
        self.hangs_in = hangs_in
        self.asked = 0
        self.free = Flag()

    def devices(self, kinds: Sequence[str] = DEVICE_KINDS) -> list[Device]:
        self._pass("devices")
        return super().devices(kinds)

    def abilities(self, device: Device) -> Abilities:
        self._pass("abilities")
        return super().abilities(device)

    def _pass(self, call: str) -> None:
        if call == self.hangs_in and not self.free.is_set():
            self.asked += 1
            assert self.free.wait(TIMEOUT_S)
