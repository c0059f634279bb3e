"""The servers, the harness and its rules are those of tests/integrations: a server registered there is tested here too."""

from tests.integrations.conftest import anyio_backend, logs, pytest_configure, pytest_generate_tests, serve

__all__ = ["anyio_backend", "logs", "pytest_configure", "pytest_generate_tests", "serve"]
