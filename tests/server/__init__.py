"""The runner of effects and the API, without a socket and mostly without an event loop.

``runtime.py`` is a runtime that the tests drive by hand, ``fakes.py`` a web framework, ``world.py`` a server between
the two and its clients; ``loops.py`` has the event loops for what only a real one can show.
"""
