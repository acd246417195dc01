"""What the manual says of all commands that capture: see ``mscli.cli.manual``."""

from __future__ import annotations

CAPTURING = """
Constraints say which device is used and how it is set. See DEVICES, CONSTRAINTS and HOW SETTINGS ARE CHOSEN in `mscli`(1).
"""

FILES = """
# FILES

._FILE_.xxxxxx.part
: what is written while it cannot be read yet, beside _FILE_. It gets the name of _FILE_ as soon as it can; if that never
happens it is removed.
"""
