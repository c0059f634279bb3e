"""That the client of a waiting request has left, told once: what integrations share of ``Exchange.watch``."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType

__all__ = ["Watch"]


class Watch:
    """An asynchronous context manager that calls ``lost`` when its integration calls :meth:`tell`, and only once.

    To inherit from: for an exchange that is its own watch, or for a class of which there is one for each.
    """

    _lost: Callable[[], None] | None

    @property
    def gone(self) -> bool:
        """Whether the client has left already."""
        raise NotImplementedError

    def watch(self, lost: Callable[[], None]) -> Watch:
        """See :class:`eio_server.integration.Exchange`."""
        self._lost = lost
        return self

    def tell(self) -> bool:
        """The client has left.

        :returns: whether anybody wanted to know.
        """
        lost, self._lost = self._lost, None
        if lost is not None:
            lost()
        return lost is not None

    async def __aenter__(self) -> None:
        if self.gone:
            self.tell()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._lost = None
