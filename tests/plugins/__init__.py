"""Packages that bring sources and sinks of their own, and how they are installed: as wheels, by pip, without a network."""

from __future__ import annotations

import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

FOLDER = Path(__file__).parent


def install(package: Path, folder: Path) -> Path:
    """Have pip install a package from its folder into one for PYTHONPATH below the other, and return that."""
    wheel = _wheel(package, folder)
    target = folder / package.name
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--no-cache-dir"]
    subprocess.run([*command, "--disable-pip-version-check", "--target", target, wheel], check=True, capture_output=True)
    return target


def _wheel(package: Path, folder: Path) -> Path:
    """Build a wheel as the package's build backend would, which may not be here.

    https://packaging.python.org/en/latest/specifications/binary-distribution-format/
    """
    project = tomllib.loads((package / "pyproject.toml").read_text())["project"]
    stem = f"{project['name'].replace('-', '_')}-{project['version']}"
    path = folder / f"{stem}-py3-none-any.whl"
    groups = project["entry-points"].items()
    points = "".join(f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in rows.items()) for group, rows in groups)
    about = {
        "METADATA": f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n",
        "WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "entry_points.txt": points,
        "RECORD": "",
    }
    with zipfile.ZipFile(path, "w") as wheel:
        for file in sorted(package.rglob("*.py")):
            wheel.write(file, file.relative_to(package))
        for name, text in about.items():
            wheel.writestr(f"{stem}.dist-info/{name}", text)
    return path
