"""No case has a deadline."""

from __future__ import annotations

import tests.untimed  # noqa: F401
