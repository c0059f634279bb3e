"""What ``send`` accepts and what a message handler gets besides text and bytes: JSON (rows PL-3, PL-17, AP-21)."""

from __future__ import annotations

import json as stdlib_json
from collections.abc import Callable
from typing import Any

__all__ = ["Json"]


class Json:
    """The JSON of one server.

    :param module: anything with ``dumps`` and ``loads``; ``dumps`` may return bytes and need not know ``separators``.
    """

    __slots__ = ("_dumps", "loads")

    def __init__(self, module: Any = None) -> None:
        module = stdlib_json if module is None else module
        self.loads: Callable[[str], Any] = module.loads
        dumps: Callable[..., str | bytes] = module.dumps
        self._dumps: Callable[[Any], str | bytes] = dumps
        try:  # tried once, here
            dumps({}, separators=(",", ":"))
        except TypeError:
            return
        self._dumps = lambda value: dumps(value, separators=(",", ":"))

    def dumps(self, value: Any) -> str:
        """Encode, compactly."""
        text = self._dumps(value)
        return text if isinstance(text, str) else bytes(text).decode()

    def outgoing(self, data: Any) -> Any:
        """What the core can send: a dict or a list becomes JSON, everything else stays what it is."""
        return self.dumps(data) if isinstance(data, dict | list) else data

    def incoming(self, data: str | bytes) -> Any:
        """What the handler gets: text that is a JSON object or array is decoded; all other text stays as it came."""
        if type(data) is not str or data[:1] not in ("{", "["):
            return data
        try:
            return self.loads(data)
        except Exception:
            return data
