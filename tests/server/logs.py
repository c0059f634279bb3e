"""What the server logs, to be looked at."""

from __future__ import annotations

import itertools
import logging

__all__ = ["Logs", "new_logger"]

_numbers = itertools.count()


def new_logger(level: int) -> logging.Logger:
    """A logger that nobody else knows."""
    logger = logging.getLogger(f"{__name__}.{next(_numbers)}")
    logger.setLevel(level)
    logger.propagate = False
    return logger


class Logs(logging.Handler):
    """Collects the records of the logger it is added to."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep it."""
        self.records.append(record)

    @property
    def lines(self) -> list[str]:
        """The messages, with their levels."""
        return [f"{record.levelname} {record.getMessage()}" for record in self.records]

    def take(self, text: str) -> logging.LogRecord:
        """The one record with this text in its message; it counts as expected from now on."""
        found = [record for record in self.records if text in record.getMessage()]
        assert len(found) == 1, f"{text!r} is in {len(found)} of {self.lines}"
        self.records.remove(found[0])
        return found[0]

    def verify(self) -> None:
        """See that no exception was logged that nobody expected."""
        for record in self.records:
            if record.exc_info:
                raise AssertionError(f"logged: {record.getMessage()}") from record.exc_info[1]
