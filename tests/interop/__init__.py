"""Clients that nobody here wrote, against every server: ``nox -s interop``.

By hand: ``npm ci`` in this folder, then ``pytest tests/interop``. ``EIO_NODE`` names a Node.js that is not on PATH.
The servers are those of tests/integrations/servers/. What a JavaScript test does in Node.js is in scenarios/;
run.mjs runs one of them, and says why it failed.
"""
