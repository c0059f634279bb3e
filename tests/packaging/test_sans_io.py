"""eio_core does no I/O, knows no clock and starts no task: it imports nothing that could."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import eio_core
import pytest

ALLOWED = {
    "__future__",
    "base64",
    "binascii",
    "collections",
    "dataclasses",
    "enum",
    "functools",
    "itertools",
    "json",
    "math",
    "re",
    "struct",
    "types",
    "typing",
    "urllib.parse",
    "zlib",
}
FORBIDDEN = {"asyncio", "logging", "random", "select", "selectors", "socket", "ssl", "subprocess", "threading"}

FOLDER = Path(eio_core.__file__).parent
MODULES = {path.relative_to(FOLDER).as_posix(): path for path in sorted(FOLDER.rglob("*.py"))}


@pytest.mark.parametrize("name", MODULES)
def test_imports_only_what_is_allowed(name: str) -> None:
    allowed = ALLOWED | {"eio_core"} | ({"random"} if name.startswith("testing") else set())
    assert {module for module in imports(MODULES[name]) if not within(module, allowed)} == set()


def test_loads_nothing_that_does_io_and_no_test_helpers() -> None:
    code = "import sys, json; sys.path.insert(0, sys.argv[1]); import eio_core; print(json.dumps([*sys.modules]))"
    run = [sys.executable, "-I", "-S", "-c", code, str(FOLDER.parent)]
    loaded = json.loads(subprocess.run(run, check=True, capture_output=True, text=True).stdout)
    assert "eio_core.session" in loaded
    assert {module for module in loaded if within(module, FORBIDDEN | {"eio_core.testing"})} == set()


def within(module: str, packages: set[str]) -> bool:
    """Whether a module is one of these, or below one."""
    parts = module.split(".")
    return any(".".join(parts[:length]) in packages for length in range(1, len(parts) + 1))


def imports(path: Path) -> set[str]:
    """The modules that a file imports, wherever in it; imports from its own package are left out."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"), str(path))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.add(node.module or "")
    return found
