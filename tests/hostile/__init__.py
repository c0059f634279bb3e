"""Hostile clients, faults and load: against every integration and server, over real sockets.

Whatever a case does, afterwards the server serves a fresh client, knows exactly the sessions that are open, and has no
task, no connection and no traceback left over: the fixture ``serve`` of conftest.py sees to it. A server that makes a
case impossible has a Gap (tests/integrations/servers), and the case asserts what happens instead.

=============  =========================================================================================================
H1 to H11      test_requests.py: too much, too little, nonsense; each also in tests/core, where the rule is
H12            tests/asgi/test_application.py and test_static_files of tests/integrations/test_integration_asgi.py
H3, H4, H13    test_connections.py: what stalls, breaks, or does what no client does; upgrades, frames, origins. The
to H18, H24    broken frames one by one are in tests/integrations/test_websocket.py, ten thousand sessions at once (H25)
to H26         in tests/core/test_heartbeat.py
H19, H20       test_load.py: clients that read nothing and clients that flood, beside a crowd whose latency is shown
               (``-rP``); drain() and buffered() are in tests/integrations/test_flush.py
H21 to H23     test_handlers.py; more shapes of handlers in test_handshake.py, test_close.py and test_handlers.py of
               tests/integrations
H27, H29,      test_faults.py: a loop that stalls, clients that leave at every step, responses that cannot be written
H31, H32
H28            test_signals.py: real processes; the examples' in tests/examples
H30            test_soak.py, for some seconds; ``python3 noxfile.py -s soak`` for minutes, with a chart
H33            tests/core/test_fuzz.py and tests/fuzz
H34            tests/core/test_simulation.py, and ``python3 noxfile.py -s simulate``
=============  =========================================================================================================
"""
