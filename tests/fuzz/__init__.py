"""Fuzzing of the core that follows coverage, with atheris: ``python3 noxfile.py -s fuzz``.

``targets.py`` makes arguments of bytes, and hands them to the functions of ``tests/core/outcomes.py``; what was found
worth keeping is in ``corpus/``, and every run of the tests replays it.
"""
