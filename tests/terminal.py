"""The picture in the README: a terminal in which the program has run. ``python -m tests.terminal`` draws it again.

The commands of ``SESSION`` run with fake devices in tmux, and rich draws what the terminal shows at the end.
"""

from __future__ import annotations

import io
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

from tests.conftest import ROOT, clean_environment

PICTURE = ROOT / ".github" / "terminal.svg"
COLUMNS, ROWS = 80, 40
SESSION = (
    "mscli devices",
    "mscli snapshot --size 1280x720 picture.jpg",
    "mscli record --duration 3 clip.mp4",
    "mscli snapshot --size exact:4000x3000 large.png",
)
_WEB_FONTS = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)  # GitHub loads none for a picture


def screen() -> Text:
    """Run the session. Return what the terminal shows."""
    with tempfile.TemporaryDirectory() as folder:
        tmux = ["tmux", "-S", f"{folder}/tmux", "-f", "/dev/null"]
        script = Path(folder) / "session"
        script.write_text(
            f'mscli() {{ {sys.executable} -m mscli "$@"; }}\n'
            + "".join(f"printf '\\033[1;32m$\\033[m %s\\n' {shlex.quote(line)}; {line}\n" for line in SESSION)
            + f"{shlex.join(tmux)} wait-for -S done; sleep 60\n"
        )
        environment = clean_environment() | {"PYTHONPATH": str(ROOT), "MSCLI_FAKE_DEVICES": "1", "LC_ALL": "C.UTF-8"}
        size = ["-x", str(COLUMNS), "-y", str(ROWS)]
        subprocess.run([*tmux, "new-session", "-d", *size, "-c", folder, "bash", str(script)], check=True, env=environment)
        try:
            subprocess.run([*tmux, "wait-for", "done"], check=True, timeout=60)
            shown = subprocess.run([*tmux, "capture-pane", "-p", "-e"], check=True, capture_output=True).stdout.decode()
        finally:
            subprocess.run([*tmux, "kill-server"], check=False)
    return Text("\n").join(line for line in Text.from_ansi(shown).split() if line.plain.strip())


def drawn(text: Text) -> str:
    """Return the picture of a terminal that shows this text."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), highlight=False)
    console.print(text)
    return _WEB_FONTS.sub("", console.export_svg(title="mscli", unique_id="terminal"))


if __name__ == "__main__":
    PICTURE.write_text(drawn(screen()))
