"""What eio costs over the bare framework, measured: ``nox -s bench`` (``-- --quick``: one integration, in a minute).

Absolute figures mean nothing outside the machine they were taken on. What counts is the **ratio in one run**: for each
stack (a framework and the server under it) the framework's plainest program, ours and python-engineio's run side by
side, take turns for several rounds, and the medians are compared.

- :mod:`benchmarks.apps`: the programs, one module for each framework; ``raw`` is the framework alone.
- :mod:`benchmarks.stacks`: which command serves them.
- :mod:`benchmarks.processes`: a server in a process of its own on one core, and what it used.
- :mod:`benchmarks.clients`: the load, on the other core: raw asyncio protocols with frames made beforehand.
- :mod:`benchmarks.measures`: what is measured, one function for each; :mod:`benchmarks.in_process` has those that need
  no socket.
- :mod:`benchmarks.goals`: what is to be reached.
- :mod:`benchmarks.report`: the table, the JSON and the charts.
"""
