"""Static files for small applications and demos, by python-engineio's rules, but never out of a folder (row AP-22)."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from mimetypes import MimeTypes
from pathlib import Path
from typing import BinaryIO, NamedTuple, TypedDict

import anyio.to_thread

from .asgi import Scope, Send, path_below_mount

__all__ = ["FileName", "StaticFile", "StaticFiles"]

CHUNK = 256 * 1024
"""Bytes read and sent at a time."""

_types = MimeTypes()  # Python's own table: the system's differ, and Windows' may call JavaScript plain text


FileName = str | os.PathLike[str]


class StaticFile(TypedDict, total=False):
    """A file or folder, and the Content-Type to use instead of what its name suggests."""

    filename: FileName
    content_type: str


class Found(NamedTuple):
    """An open file to be sent."""

    file: BinaryIO
    size: int
    content_type: str


class StaticFiles:
    """The files of a mapping of URL paths to files and folders.

    :raises TypeError: no such mapping.
    """

    def __init__(self, mapping: Mapping[str, FileName | StaticFile]) -> None:
        if not isinstance(mapping, Mapping) or not all(map(_is_rule, mapping.values())):
            raise TypeError(
                "static_files maps URL paths to files and folders, each a name or a dict with a 'filename', "
                f"not {mapping!r}"
            )
        self._mapping = mapping

    async def serve(self, scope: Scope, send: Send) -> bool:
        """Send the file that is asked for; False if there is none."""
        if scope["method"] not in ("GET", "HEAD"):
            return False
        found = await anyio.to_thread.run_sync(self._find, scope["path"], path_below_mount(scope))
        if found is None:
            return False
        with found.file as file:
            headers = [
                (b"content-type", found.content_type.encode("latin-1")),
                (b"content-length", b"%d" % found.size),
            ]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            left = 0 if scope["method"] == "HEAD" else found.size
            while left:
                chunk = await anyio.to_thread.run_sync(file.read, min(left, CHUNK))
                if not chunk:
                    raise EOFError(f"{file.name} became shorter while it was sent")
                left -= len(chunk)
                await send({"type": "http.response.body", "body": chunk, "more_body": left > 0})
            if scope["method"] == "HEAD" or not found.size:
                await send({"type": "http.response.body", "body": b""})
        return True

    def _find(self, *paths: str) -> Found | None:
        """Open the file for the first path that leads to one. Asks the disk, so it runs in a thread."""
        return next(filter(None, map(self._open_path, paths)), None)

    def _open_path(self, path: str) -> Found | None:
        rule, rest = self._match(path)
        if rule is None:
            return None
        entry = _entry(rule)
        name, content_type = Path(entry["filename"]), entry.get("content_type")
        if rest or name.is_dir():
            if path.endswith("/"):
                default = _entry(self._mapping.get("", "index.html"))
                rest += os.fspath(default["filename"])
                content_type = default.get("content_type", content_type)
            located = _below(name, rest.removeprefix("/"))
            if located is None:
                return None
            name = located
        return _open(name, content_type or _guess(name))

    def _match(self, path: str) -> tuple[FileName | StaticFile | None, str]:
        """The rule with the longest path that leads to this one, and what is left of this one."""
        if path and path in self._mapping:
            return self._mapping[path], ""
        head = path
        while "/" in head:
            head = head.rpartition("/")[0]
            for key in (head, head + "/"):
                if key and key in self._mapping:
                    return self._mapping[key], path[len(head) :]
        return None, ""


def _is_rule(rule: object) -> bool:
    name = rule.get("filename") if isinstance(rule, Mapping) else rule
    return isinstance(name, str | os.PathLike)


def _entry(rule: FileName | StaticFile) -> StaticFile:
    return {"filename": rule} if isinstance(rule, str | os.PathLike) else rule


def _below(folder: Path, name: str) -> Path | None:
    """The file of a name below a folder, unless the name leads out of it in any way."""
    parts = name.split("/")
    if any(part in ("", ".", "..") or "\\" in part or "\0" in part for part in parts):
        return None
    root = os.path.realpath(folder)
    try:
        real = os.path.realpath(Path(root, *parts))
    except (OSError, ValueError):  # a name that no file can have
        return None
    return Path(real) if Path(real).is_relative_to(root) else None


def _open(name: Path, content_type: str) -> Found | None:
    try:
        if not name.is_file():  # before it is opened: a pipe would block
            return None
        file = name.open("rb")
    except (OSError, ValueError):
        return None
    info = os.fstat(file.fileno())
    if not stat.S_ISREG(info.st_mode):
        file.close()
        return None
    return Found(file, info.st_size, content_type)


def _guess(name: Path) -> str:
    kind, encoding = _types.guess_type(name.name, strict=False)
    if encoding is not None:  # we send it as it is, so it is no text or tar, but what is around it
        return f"application/{encoding}" if encoding == "gzip" else "application/octet-stream"
    if kind is None:
        return "application/octet-stream"
    return f"{kind}; charset=utf-8" if kind.startswith("text/") else kind
