"""Imported by the conftest.py of folders whose tests use Hypothesis: no case has a deadline, for a busy machine may be slow."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("untimed", settings.default, deadline=None)
settings.load_profile("untimed")
