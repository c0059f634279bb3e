"""The packages are released together: one version, exact pins between them, and nothing more than they need."""

import re

import pytest

from .projects import ENTRY_POINTS, INTEGRATIONS, PROJECTS, ROOT, load, module

VERSION = PROJECTS["eio-core"]["version"]
CORE, SERVER = f"eio-core=={VERSION}", f"eio-server=={VERSION}"

each_package = pytest.mark.parametrize("name", PROJECTS)
each_integration = pytest.mark.parametrize("name", INTEGRATIONS)


@each_package
def test_is_named_after_its_folder(name: str) -> None:
    assert PROJECTS[name]["name"] == name
    assert (ROOT / "packages" / name / "src" / module(name) / "__init__.py").is_file()


@pytest.mark.parametrize("field", ["version", "license", "license-files", "requires-python", "authors"])
def test_all_packages_agree(field: str) -> None:
    values = {name: project[field] for name, project in PROJECTS.items()}
    assert all(value == values["eio-core"] for value in values.values()), values


def test_the_core_needs_nothing() -> None:
    assert PROJECTS["eio-core"]["dependencies"] == []


def test_the_server_needs_the_core_alone() -> None:
    assert PROJECTS["eio-server"]["dependencies"] == [CORE]


@each_integration
def test_an_integration_needs_the_server_and_one_thing_more(name: str) -> None:
    dependencies = PROJECTS[name]["dependencies"]
    assert dependencies[:2] == [CORE, SERVER]
    (other,) = dependencies[2:]
    assert re.fullmatch(r"[a-z]+>=[\d.]+,<\d+", other), f"{other}: a lower bound, and below the next major version"


@each_integration
def test_an_integration_announces_itself(name: str) -> None:
    mode = name.removeprefix("eio-")
    assert ENTRY_POINTS[name] == {"eio_server.integrations": {mode: f"{module(name)}:integration"}}


def test_socketio_needs_the_server_and_python_socketio_and_takes_any_integration() -> None:
    dependencies = PROJECTS["eio-socketio"]["dependencies"]
    assert dependencies[:2] == [CORE, SERVER]
    (other,) = dependencies[2:]
    assert re.fullmatch(r"python-socketio>=[\d.]+,<6", other)
    extras = {name.removeprefix("eio-"): [f"{name}=={VERSION}"] for name in INTEGRATIONS}
    assert PROJECTS["eio-socketio"]["optional-dependencies"] == extras


@each_package
def test_has_the_licence(name: str) -> None:
    assert (ROOT / "packages" / name / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()


@each_package
def test_is_typed(name: str) -> None:
    assert (ROOT / "packages" / name / "src" / module(name) / "py.typed").is_file()


def test_the_import_contracts_know_every_package() -> None:
    linter = load(ROOT / "pyproject.toml")["tool"]["importlinter"]
    assert set(linter["root_packages"]) == {module(name) for name in PROJECTS}
    layers = next(contract["layers"] for contract in linter["contracts"] if contract["id"] == "layers")
    assert [set(layer.split(" | ")) for layer in layers] == [
        {"eio_socketio"},
        {module(name) for name in INTEGRATIONS},
        {"eio_server"},
        {"eio_core"},
    ]


def test_lock_files_name_no_registry() -> None:
    locks = [path for path in ROOT.glob("*/*/package-lock.json") if "node_modules" not in path.parts]
    assert [str(path) for path in locks if '"resolved"' in path.read_text("utf-8")] == []
