"""Runs nginx, with the files of docs/proxies, as this user and in a folder of its own."""

from __future__ import annotations

import getpass
import os
import re
import shutil
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import anyio
import pytest
import trustme

from tests.integrations.clients import TIMEOUT, Client
from tests.integrations.servers import listen

CONFIGURATIONS = Path(__file__).resolve().parents[2] / "docs" / "proxies"

MAIN = """\
pid {folder}/nginx.pid;
error_log {folder}/error.log info;
worker_processes 1;
daemon off;
{user}
events {{ worker_connections 1024; }}
http {{
    access_log {folder}/access.log;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {http}
    {site}
}}
"""

VERSION = "proxy_http_version 1.1;"
UPGRADE = "proxy_set_header Upgrade $http_upgrade;"
CONNECTION = "proxy_set_header Connection $connection_upgrade;"
HOST = "proxy_set_header Host $http_host;"
PROTO = "proxy_set_header X-Forwarded-Proto $scheme;"
READ_TIMEOUT = "proxy_read_timeout 60s;"
"""Statements of nginx.conf, for ``change``."""


class Proxy(Client):
    """A client of the running nginx: over plain HTTP, on a port beside that for TLS."""

    def __init__(self, port: int, tls_port: int) -> None:
        super().__init__(port)
        self.tls_port = tls_port


@asynccontextmanager
async def nginx(
    *ports: int, change: Mapping[str, str] | None = None, http: Sequence[str] = (), sticky: bool = False
) -> AsyncIterator[Proxy]:
    """Run nginx before the servers on these ports.

    :param change: statements of docs/proxies/nginx.conf and what stands in their place (nothing: ``""``).
    :param http: statements beside it, as an administrator's nginx.conf may have them.
    :param sticky: with the files for several processes.
    """
    plain, port = listen()
    tls, tls_port = listen()
    listeners = {f"listen 127.0.0.1:{port};": plain, f"listen 127.0.0.1:{tls_port} ssl;": tls}
    with TemporaryDirectory(prefix="eio-nginx-") as name:
        folder = Path(name)
        certificate(folder)
        changes = {"listen 443 ssl;": " ".join(listeners), **(change or {})}
        text = site_of(ports, changes, folder, sticky=sticky)
        user = f"user {getpass.getuser()};" if os.geteuid() == 0 else ""
        text = MAIN.format(folder=folder, user=user, http=" ".join(http), site=text)
        (folder / "nginx.conf").write_text(text, "utf-8")
        command = [program(), "-p", name, "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log")]
        # As when nginx replaces itself by a newer one, it takes over sockets that listen already: nobody else can take
        # their ports meanwhile, and clients may connect at once.
        files = [listener.fileno() for listener in listeners.values()]
        environment = {**os.environ, "NGINX": "".join(f"{file};" for file in files)}
        async with await anyio.open_process(command, env=environment, pass_fds=files) as process:
            for listener in listeners.values():
                listener.close()
            proxy = Proxy(port, tls_port)
            try:
                yield proxy
                assert process.returncode is None, (folder / "error.log").read_text("utf-8")
            finally:
                proxy.close()
                if process.returncode is None:
                    process.terminate()
                with anyio.fail_after(TIMEOUT, shield=True):
                    await process.wait()


def site_of(ports: Sequence[int], changes: Mapping[str, str], folder: Path, *, sticky: bool) -> str:
    """The documented configuration, with changes: each replaces what occurs exactly once."""
    text = configuration("nginx.conf")
    names = ["127.0.0.1:8000"]
    if sticky:
        (one,) = re.findall(r"(?ms)^upstream eio \{.*?^\}\n", text)
        text = replaced(text, one, configuration("sticky-upstream.conf"))
        text = replaced(text, f"{READ_TIMEOUT}\n", f"{READ_TIMEOUT}\n{configuration('sticky-location.conf')}")
        names = ["127.0.0.1:8001", "127.0.0.1:8002"]
    for name, port in zip(names, ports, strict=True):
        text = replaced(text, name, f"127.0.0.1:{port}")
    text = replaced(text, "/etc/ssl/certs/realtime.example.com.pem", str(folder / "certificate.pem"))
    text = replaced(text, "/etc/ssl/private/realtime.example.com.key", str(folder / "key.pem"))
    for old, new in changes.items():
        text = replaced(text, old, new)
    return text


def configuration(name: str) -> str:
    return (CONFIGURATIONS / name).read_text("utf-8")


def replaced(text: str, old: str, new: str) -> str:
    assert text.count(old) == 1, f"{old!r} occurs {text.count(old)} times"
    return text.replace(old, new)


@cache
def authority() -> trustme.CA:
    return trustme.CA()


def certificate(folder: Path) -> None:
    """Write a certificate for 127.0.0.1 and its key."""
    issued = authority().issue_cert("127.0.0.1")
    issued.private_key_and_cert_chain_pem.write_to_path(folder / "key.pem")
    issued.private_key_and_cert_chain_pem.write_to_path(folder / "certificate.pem")


def trusted() -> str:
    """The certificate of the authority behind that one, as PEM."""
    return authority().cert_pem.bytes().decode()


def program() -> str:
    """The path of nginx; a missing one fails the test: it must not pass for lack of it."""
    found = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if found is None:
        pytest.fail("nginx is missing: install it, on Debian by 'apt-get install nginx'", pytrace=False)
    return found
