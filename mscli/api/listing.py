"""List a backend's devices within a time limit. A backend that hangs hides no other, and only ever blocks one thread.

https://www.w3.org/TR/mediacapture-streams/#dom-mediadevices-enumeratedevices
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from mscli.core.calls import Partner
from mscli.core.errors import DOMException
from mscli.core.limits import USUAL_TIMEOUTS
from mscli.sources.base import DEVICE_KINDS, Backend, Device

REMEDY = "unplug the device that you plugged in last, and try again"


class Listing:
    """One backend, and the outcome of its last listing.

    ``problem``: a sentence about why it lists nothing. ``silent``: whether that is because nobody could answer.
    """

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.problem = ""
        self.silent = False
        self._partner = Partner()
        self._hung = False

    def list_devices(
        self, kinds: Sequence[str] = DEVICE_KINDS, timeout_s: float = USUAL_TIMEOUTS.first_s
    ) -> list[Device] | None:
        """Return the current devices of these kinds, or None if the backend fails or does not answer in time."""
        try:
            found = self._ask(kinds, timeout_s)
        except TimeoutError:
            sentence = f"{self.backend.name} did not list its devices within {timeout_s:g} s, because a driver hangs"
            self.problem, self.silent = f"{sentence}; {REMEDY}", True
            return None
        except OSError as error:  # TimeoutError is an OSError too; the next listing may succeed
            self.problem, self.silent = f"{self.backend.name} cannot list its devices: {_reason(error)}", True
            return None
        except DOMException as error:  # the system interface fails as a whole
            self.problem, self.silent = str(error), False
            return []
        self.problem, self.silent = self.backend.problem, self.backend.silent
        return None if self.silent else found

    def _ask(self, kinds: Sequence[str], timeout_s: float) -> list[Device]:
        if self._hung and self._partner.owes:
            raise TimeoutError("it still hangs")
        self._hung = False
        try:
            return self._partner.ask(partial(self.backend.devices, kinds), timeout_s, "mscli-list")
        except TimeoutError:
            self._hung = True
            raise


def _reason(error: OSError) -> str:
    place = f": {error.filename}" if error.filename else ""
    return f"{error.strerror or error}{place}"
