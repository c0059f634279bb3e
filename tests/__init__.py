"""The tests of all packages; what several suites share is in ``tests/integrations``."""

import pytest

# Before anybody imports them: their asserts explain themselves then as those of the tests do.
pytest.register_assert_rewrite(
    "tests.integrations.clients", "tests.integrations.harness", "tests.interop.exchange", "tests.proxy.nginx"
)
pytest.register_assert_rewrite(*(f"tests.server.{name}" for name in ("fakes", "logs", "loops", "runtime", "world")))
