"""At the end: what ran where. Here, because pytest-xdist's controller reads no conftest below the first folder."""

from .integrations.matrix import pytest_terminal_summary

__all__ = ["pytest_terminal_summary"]
