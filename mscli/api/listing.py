"""A backend's devices, asked for with a bound: one that hangs hides no other, and keeps one thread however often it is asked.

https://www.w3.org/TR/mediacapture-streams/#dom-mediadevices-enumeratedevices
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from mscli.api.care import USUAL
from mscli.core.bounded import Unanswered, bounded
from mscli.core.errors import DOMException
from mscli.sources.base import DEVICE_KINDS, Backend, Device

REMEDY = "unplug what was plugged in last, and try again"


class Listing:
    """One backend, and what became of the last look at its devices.

    ``problem``: why it lists nothing, in a sentence; ``silent``: whether that is because nobody can tell.
    """

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.problem = ""
        self.silent = False
        self._unanswered = Unanswered()
        self._hung = False

    def look(self, kinds: Sequence[str] = DEVICE_KINDS, timeout_s: float = USUAL.first_s) -> list[Device] | None:
        """The devices of those kinds that are there now; None if nobody can tell: no answer within ``timeout_s`` seconds, or a
        look that failed."""
        try:
            found = self._ask(kinds, timeout_s)
        except TimeoutError:
            sentence = f"{self.backend.name} did not list its devices within {timeout_s:g} s: a driver hangs"
            self.problem, self.silent = f"{sentence}: {REMEDY}", True
            return None
        except OSError as error:  # after TimeoutError, which is one; the next look may find what this one did not
            self.problem, self.silent = f"{self.backend.name} cannot list its devices: {_reason(error)}", True
            return None
        except DOMException as error:  # its system interface fails as a whole
            self.problem, self.silent = str(error), False
            return []
        self.problem, self.silent = self.backend.problem, self.backend.silent
        return None if self.silent else found

    def _ask(self, kinds: Sequence[str], timeout_s: float) -> list[Device]:
        if self._hung and self._unanswered:
            raise TimeoutError("it hangs still")
        self._hung = False
        ask = partial(self.backend.devices, kinds)
        try:
            return bounded(partial(self._unanswered.until_answered, ask), timeout_s, "mscli-list")
        except TimeoutError:
            self._hung = True
            raise


def _reason(error: OSError) -> str:
    place = f": {error.filename}" if error.filename else ""
    return f"{error.strerror or error}{place}"
