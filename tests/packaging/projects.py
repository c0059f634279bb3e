"""The packages of this repository, as their pyproject files describe them."""

import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


def load(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text("utf-8"))


PROJECTS: dict[str, dict[str, Any]] = {
    path.parent.name: load(path)["project"] for path in sorted(ROOT.glob("packages/*/pyproject.toml"))
}
ENTRY_POINTS = {name: project.get("entry-points", {}) for name, project in PROJECTS.items()}
INTEGRATIONS = [name for name in PROJECTS if "eio_server.integrations" in ENTRY_POINTS[name]]


def module(name: str) -> str:
    """The module that a package installs."""
    return name.replace("-", "_")
