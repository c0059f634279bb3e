"""Servers, harness and rules are those of tests/integrations: a server registered there is tested here as well."""

from tests.integrations.conftest import anyio_backend, logs, pytest_configure, pytest_generate_tests, serve, thaw

__all__ = ["anyio_backend", "logs", "pytest_configure", "pytest_generate_tests", "serve", "thaw"]
