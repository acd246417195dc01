"""Where the program starts, as ``mscli`` and as ``python -m mscli``."""

from __future__ import annotations

import sys

from mscli import __version__


def main() -> None:
    """Run the command line and exit with its code. ``--version`` alone is answered before anything is imported."""
    if sys.argv[1:] == ["--version"]:
        print(f"mscli {__version__}")  # noqa: T201 (the answer)
        return
    import gc

    gc.disable()  # a start makes many objects and drops none; a command that goes on enables it again
    from mscli.cli.main import run

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
