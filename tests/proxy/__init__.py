"""Behind nginx, with the configuration that docs/proxies.md shows: ``nox -s proxy``.

By hand: install nginx, run ``npm ci`` in tests/interop, then ``pytest tests/proxy``. aiohttp and uvicorn stand behind
the proxy, and every server of tests/integrations/servers/ with ``--every-server``.
"""
