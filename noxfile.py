"""All that can be done with this repository, one session each: ``python3 noxfile.py -l`` lists them.

``python3 noxfile.py -s demo`` runs the demo server, ``python3 noxfile.py -s tests`` the tests; what stands after ``--``
goes to the session. It takes a Python from 3.11 with pip, and keeps everything else in .nox/. Whoever has nox: ``nox -s
demo`` is the same.
"""

import os
import re
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parent
NOX = "2026.8.10"

if __name__ == "__main__":  # not called by nox: go on in an environment of our own that has it
    _home = ROOT / ".nox" / f"_nox-{NOX}-{sys.implementation.cache_tag}"
    _bin = _home / ("Scripts" if os.name == "nt" else "bin")
    if not list(_bin.glob("nox*")):
        print("Preparing .nox/ (once) ...", flush=True)
        # This Python's pip fills it, for Debian leaves out ensurepip, which would give it a pip of its own.
        venv.create(_home, clear=True, with_pip=False)
        _pip = [sys.executable, "-m", "pip", "--python", str(_bin / "python")]
        subprocess.run([*_pip, "install", "--quiet", f"nox[uv]>={NOX}"], check=True)
    _command = [str(_bin / "python"), "-m", "nox", "-f", __file__, *sys.argv[1:]]
    if os.name == "nt":  # has no exec that keeps the console
        sys.exit(subprocess.run(_command, check=False).returncode)
    os.execv(_command[0], _command)  # noqa: S606

import nox

nox.needs_version = f">={NOX}"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.reuse_venv = "yes"
nox.options.download_python = "never"
nox.options.error_on_missing_interpreters = False

# uv trusts the certificates that pip trusts, and asks the index that pip was told to ask.
os.environ.setdefault("UV_SYSTEM_CERTS", "1")
if _index := os.environ.get("PIP_INDEX_URL"):
    os.environ.setdefault("UV_DEFAULT_INDEX", _index)

# What Python compiles is kept, whatever containers set: else each worker and each server of a test compiles all anew,
# which is a third of the time that the tests take.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
os.environ.setdefault("PYTHONPYCACHEPREFIX", str(ROOT / ".nox" / "pycache"))

# pyenv puts only the versions that are switched on within reach: "tests" wants all there are.
_pyenv = Path(os.environ.get("PYENV_ROOT", "~/.pyenv")).expanduser()
for _version in sorted(_pyenv.glob("versions/3.1[1-9].*/bin")):
    os.environ["PATH"] = f"{_version}{os.pathsep}{os.environ['PATH']}"

# Most tests wait for sockets: more of them at a time than there are cores. Who has none left takes some of another's:
# those of one server stand together, and may all be slow. What stands after "--" comes later and wins (``-n0`` for one
# at a time, as --pdb wants it).
PYTEST = ("pytest", "-n6", "--dist=worksteal")
DIST = ROOT / "dist"
PYPROJECT = nox.project.load_toml(ROOT / "pyproject.toml")
PROJECTS = {
    path.parent.name: nox.project.load_toml(path)["project"] for path in sorted(ROOT.glob("packages/*/pyproject.toml"))
}
INTEGRATIONS = [
    name.removeprefix("eio-")
    for name, project in PROJECTS.items()
    if "eio_server.integrations" in project.get("entry-points", {})
]
each_integration = nox.parametrize("integration", INTEGRATIONS, ids=INTEGRATIONS)
SELECTION = [f"tests/integrations/test_{name}.py" for name in ("handshake", "upgrade", "websocket")]
PYTHONS = nox.project.python_versions({"project": PROJECTS["eio-core"]})
if (_running := f"3.{sys.version_info.minor}") not in PYTHONS:  # newer than what we know
    PYTHONS.append(_running)


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Run the tests on every Python that is installed (``-- tests/core -k probe`` some of them).

    The integrations on all servers with the oldest Python; on one for each, and without hostile clients, with others.
    """
    install(session, "test")
    elsewhere = ("interop", "socketio", "browser", "proxy", "frozen")
    again = older(session)
    env = {"EIO_SERVERS": "few"} if again else {}
    ignored = (*elsewhere, "hostile") if again and not session.posargs else elsewhere
    session.run(*PYTEST, *(f"--ignore=tests/{name}" for name in ignored), *session.posargs, env=env)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, formatting and the import contracts (``-- --fix`` repairs the first two)."""
    install(session, "lint")
    fix = "--fix" in session.posargs
    session.run("ruff", "check", *(["--fix"] if fix else []))
    session.run("ruff", "format", *([] if fix else ["--check"]))
    session.run("lint-imports", "--no-logo")


@nox.session
def typecheck(session: nox.Session) -> None:
    """Check all types strictly."""
    install(session, "typecheck")
    session.run("mypy", *session.posargs)


@nox.session
def coverage(session: nox.Session) -> None:
    """See that the tests of the core, which need no socket, take every branch of it."""
    install(session, "test")
    session.run("coverage", "erase")
    session.run("coverage", "run", "-m", *PYTEST, "tests/core", *session.posargs)
    session.run("coverage", "combine", "--quiet")
    session.run(
        "coverage", "report", "--include=packages/eio-core/*", "--omit=*/eio_core/testing/*", "--fail-under=100"
    )


@nox.session
def simulate(session: nox.Session) -> None:
    """Simulate clients and an engine, with all that goes wrong between them (``-- --seeds 100000``: more of it)."""
    install(session, "test", packages=["eio-core"])
    session.run("python", "-m", "tests.core.simulate", *session.posargs)


@nox.session(python=PYTHONS[0], default=False)
def fuzz(session: nox.Session) -> None:
    """Fuzz the core with atheris, a minute for each target (``-- decoders --minutes 30``: one of them for longer)."""
    install(session, "fuzz", packages=["eio-core"])
    session.run("python", "-m", "tests.fuzz", *session.posargs)


@nox.session
def interop(session: nox.Session) -> None:
    """Run the tests against clients that were written elsewhere, in Node.js and in Python."""
    install(session, "interop")
    install_client(session)
    session.run(*PYTEST, "tests/interop", *session.posargs)


@nox.session
@nox.parametrize("version", ["newest", "oldest"], ids=["newest", "oldest"])
def socketio(session: nox.Session, version: str) -> None:
    """Run the tests of eio-socketio, with the newest and the oldest python-socketio that it claims."""
    if shutil.which("redis-server") is None:
        install_from_debian(session, "redis-server", "put it on PATH")
    install(session, "socketio")
    if version == "oldest":
        _, (needed,) = requirements("eio-socketio")
        session.install(needed.partition(",")[0].replace(">=", "=="))
    install_client(session, "tests/socketio")
    session.run(*PYTEST, "tests/socketio", *session.posargs)


@nox.session
def browser(session: nox.Session) -> None:
    """Run the tests in a real browser, Chromium (``-- --servers all``: against every server, not just two)."""
    if chromium() is None:
        install_from_debian(session, "chromium", "put Chromium on PATH or name it in EIO_CHROMIUM")
    install(session, "browser")
    # Not as many at a time as elsewhere: each starts a browser.
    session.run("pytest", "-n2", "tests/browser", *session.posargs, env={"EIO_CHROMIUM": chromium()})


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation into .nox/docs-html/; a warning is an error."""
    install(session, "docs")
    session.run("sphinx-build", "-W", "--keep-going", "--fresh-env", "docs", str(ROOT / ".nox" / "docs-html"))


@nox.session
def proxy(session: nox.Session) -> None:
    """Run the tests behind nginx (``-- --every-server`` those of every server)."""
    if not nginx_is_here():
        install_from_debian(session, "nginx", "put nginx on PATH")
    install(session, "interop")
    install_client(session)
    session.run(*PYTEST, "tests/proxy", *session.posargs)


@nox.session(default=False)
def build(session: nox.Session) -> None:
    """Build every sdist, and from it the wheel, into dist/."""
    session.install(*group("build"))
    shutil.rmtree(DIST, ignore_errors=True)
    for name in PROJECTS:
        session.run("uv", "build", "--quiet", f"--out-dir={DIST}", f"packages/{name}")
    session.run("twine", "check", "--strict", *map(str, DIST.glob("eio_*")))
    session.run("check-wheel-contents", *map(str, DIST.glob("*.whl")))


@nox.session(python=PYTHONS, requires=["build"], reuse_venv=False)
@each_integration
def wheels(session: nox.Session, integration: str) -> None:
    """Install one integration from its built wheel, see what comes with it, and run its part of the tests.

    With ``-- --quick`` a selection of them shows that the integration finds what it needs, on a newer Python a smaller
    one: enough where "tests" has run all of them already.
    """
    options = [option for option in session.posargs if option != "--quick"]
    chosen = ["tests/integrations"]
    if len(options) < len(session.posargs):
        chosen = SELECTION[:1] if older(session) else SELECTION
    ours, framework = requirements(f"eio-{integration}")
    session.install(*framework)
    before = installed(session)
    session.install(*(str(wheel) for name in ours for wheel in DIST.glob(f"{name.replace('-', '_')}-*.whl")))
    if (new := installed(session) - before) != set(ours):
        session.error(f"the wheels of {', '.join(ours)} bring more than {', '.join(framework)}: {', '.join(new)}")
    session.run("python", "-I", "-W", "error", "-c", f"import eio_{integration}")
    find = f"import eio_server; assert eio_server.AsyncServer().async_mode == {integration!r}"
    session.run("python", "-I", "-W", "error", "-c", find)
    (wheel,) = DIST.glob("eio_socketio-*.whl")
    session.install(f"{wheel}[{integration}]")
    find = f"import eio_socketio; assert eio_socketio.AsyncServer().async_mode == {integration!r}"
    session.run("python", "-I", "-W", "error", "-c", find)
    session.install(*group("test"))
    session.run(*PYTEST, *chosen, *options, env={"EIO_SUITE": integration})


@nox.session(python=PYTHONS[0], reuse_venv=False)
@each_integration
def minimums(session: nox.Session, integration: str) -> None:
    """Run one integration's part of the tests with the lowest versions that are claimed, of its framework and servers.

    They are the lower bounds of its pyproject.toml, and those of the dependency group "test".
    """
    ours, _ = requirements(f"eio-{integration}")
    editable = [arg for name in ours for arg in ("-e", f"packages/{name}")]
    session.install("--resolution=lowest-direct", *editable, *group("test"))
    old = ("-W", "default::DeprecationWarning")  # what they import of others has been deprecated since
    session.run(*PYTEST, *old, "tests/integrations", *session.posargs, env={"EIO_SUITE": integration})


@nox.session
def frozen(session: nox.Session) -> None:
    """Make one executable of a program with PyInstaller, and see that it serves (``-- -k asgi`` for one)."""
    install(session, "frozen")
    session.run("pytest", "-n2", "tests/frozen", *session.posargs)


@nox.session(default=False)
def bench(session: nox.Session) -> None:
    """Measure what eio costs over each bare framework (``-- --quick``: one of them, in a minute; ``-- --help``)."""
    install(session, "bench")
    if node_is_here():
        with session.chdir("benchmarks/node"):
            session.run("npm", "ci", "--silent", external=True)
    session.run("python", "-m", "benchmarks", *session.posargs)


@nox.session(default=False)
def soak(session: nox.Session) -> None:
    """Keep a server of each integration at full load with faults (``-- aiohttp --minutes 30``; ``-- --help``)."""
    install(session, "bench")
    session.run("python", "-m", "tests.hostile.soak", *session.posargs)


@nox.session(default=False)
def demo(session: nox.Session) -> None:
    """Run the demo on http://127.0.0.1:8000/ until Ctrl-C (``-- asgi``: another integration; ``--port 8001``)."""
    options = list(session.posargs)
    integration = options.pop(0) if options and not options[0].startswith("-") else "aiohttp"
    if integration not in INTEGRATIONS:
        session.error(f"there is no integration {integration!r}, but: {', '.join(INTEGRATIONS)}")
    ours, _ = requirements(f"eio-{integration}")
    install(session, *{f"demo-{integration}"}.intersection(PYPROJECT["dependency-groups"]), packages=ours)
    session.run("python", "examples/demo/server.py", integration, *options, interrupt_timeout=10)


@nox.session(default=False, venv_backend="none")
def version(session: nox.Session) -> None:
    """Write a version, and the pins between the packages, everywhere (``-- 0.2.0``)."""
    (new,) = session.posargs
    for name in PROJECTS:
        path = ROOT / "packages" / name / "pyproject.toml"
        text = re.sub(r'(?m)^version = ".*"$', f'version = "{new}"', path.read_text("utf-8"))
        text = re.sub(rf'"({"|".join(PROJECTS)})==[^"]*"', rf'"\1=={new}"', text)
        path.write_text(text, "utf-8")


def older(session: nox.Session) -> list[str]:
    """The installed Pythons that are older than the session's."""
    return [python for python in PYTHONS[: PYTHONS.index(str(session.python))] if shutil.which(f"python{python}")]


def install(session: nox.Session, *groups: str, packages: Iterable[str] = PROJECTS) -> None:
    """Install packages of this repository, editable, and dependency groups."""
    session.install(*(arg for name in packages for arg in ("-e", f"packages/{name}")), *group(*groups))


def install_from_debian(session: nox.Session, package: str, otherwise: str) -> None:
    """Install a program that no Python package brings, where that can be done."""
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        session.error(f"{package} is missing: {otherwise} (on Debian: apt-get install {package})")
    apt = ("apt-get", "-qq", "-o", "DPkg::Lock::Timeout=300")
    env = {"DEBIAN_FRONTEND": "noninteractive"}
    session.run(*apt, "update", external=True, env=env)
    session.run(*apt, "install", "--yes", "--no-install-recommends", package, external=True, env=env)


def group(*names: str) -> tuple[str, ...]:
    """The requirements of dependency groups."""
    return nox.project.dependency_groups(PYPROJECT, *names)


def requirements(package: str) -> tuple[list[str], list[str]]:
    """What a package asks for: packages of this repository, itself first, and requirements of others."""
    names = {requirement: requirement.partition("==")[0] for requirement in PROJECTS[package]["dependencies"]}
    ours = [name for name in names.values() if name in PROJECTS]
    return [package, *ours], [requirement for requirement, name in names.items() if name not in PROJECTS]


def installed(session: nox.Session) -> set[str]:
    """The names of all distributions in the session's environment."""
    code = "import importlib.metadata as m; print(*(d.name for d in m.distributions()))"
    return set(str(session.run("python", "-I", "-c", code, silent=True)).split())


def install_client(session: nox.Session, folder: str = "tests/interop") -> None:
    """Install the official client that a folder's package.json names, and a Node.js where the machine has none."""
    if not node_is_here():
        session.install(*group("node"))
    with session.chdir(folder):
        session.run("npm", "ci", external=True)


def nginx_is_here() -> bool:
    """Whether the machine has nginx: Debian puts it where only root's PATH leads."""
    return shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") is not None


def node_is_here() -> bool:
    """Whether the machine has npm and a Node.js that is new enough."""
    node = shutil.which("node")
    if node is None or shutil.which("npm") is None:
        return False
    answer = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    major = re.match(r"v(\d+)", answer)
    return major is not None and int(major[1]) >= 18


def chromium() -> str | None:
    """The path of the browser."""
    names = [os.environ.get("EIO_CHROMIUM"), "chromium", "chromium-browser", "google-chrome"]
    return next((path for name in names if name and (path := shutil.which(name))), None)
