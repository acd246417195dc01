"""Keep the tokens by which a desktop restores what its user has chosen, in the folder for the state of programs.

https://specifications.freedesktop.org/basedir-spec/latest/. A token is used once: each use gives the next one.
"""

from __future__ import annotations

import errno
import json
import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

from mscli.core.folders import is_small_file
from mscli.core.log import Log

_log = Log("screen")


def _file() -> Path:
    folder = os.environ.get("XDG_STATE_HOME", "")
    state = Path(folder) if os.path.isabs(folder) else Path.home() / ".local/state"
    return state / "mscli" / "screens.json"


def _kept() -> dict[str, str]:
    try:
        file = _file()
        found = json.loads(file.read_text()) if is_small_file(str(file)) else {}
    except (OSError, ValueError, RuntimeError):  # there is none, it is damaged, or there is no home
        return {}
    return {name: token for name, token in found.items() if isinstance(token, str)} if isinstance(found, dict) else {}


def kept_token(address: str) -> str:
    """Return the token for what was chosen for an address, or ""."""
    return _kept().get(address, "")


def keep_token(address: str, token: str) -> None:
    """Keep a token, or forget the last one if it is "". Without room for it, the user is asked again the next time."""
    kept = _kept()
    if kept.get(address, "") == token:
        return
    others = {name: one for name, one in kept.items() if name != address}
    try:
        _write({**others, **({address: token} if token else {})})
    except (OSError, RuntimeError) as error:
        _log.info("the choice of %s cannot be kept: %s", address, error)


def _write(tokens: dict[str, str]) -> None:
    """Replace the file at once. Only its owner can read it."""
    file = _file().resolve()  # a link stays one
    file.parent.mkdir(0o700, parents=True, exist_ok=True)
    folder = file.parent.stat()
    if folder.st_uid != os.geteuid() or folder.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise PermissionError(errno.EACCES, f"others may write to {file.parent}")
    descriptor, name = tempfile.mkstemp(dir=file.parent)
    try:
        with open(descriptor, "w") as new:
            json.dump(tokens, new, indent=1)
        os.replace(name, file)
    except BaseException:
        with suppress(OSError):
            os.unlink(name)
        raise
