"""How a program of a test gets its port."""

import socket

import pytest

from tests.programs import SHARES, free_port


def test_the_system_gives_the_port_of_a_program_to_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks for any port gets one of another range, and another worker those of another share."""
    ours: set[int] = set()
    for worker in range(SHARES - 8, SHARES):  # who hardly exist, for others have programs that start just now
        monkeypatch.setenv("PYTEST_XDIST_WORKER", f"gw{worker}")
        share = {free_port() for _ in range(20)}
        assert not share & ours
        ours |= share
    for _ in range(20):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            assert listener.getsockname()[1] > max(ours)


def test_a_port_that_is_taken_is_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another run of the tests may have it, or anybody else."""
    port = free_port()
    with socket.create_server(("127.0.0.1", port)):
        other = free_port()
        answers = iter([port, port, other])
        monkeypatch.setattr("tests.programs.random.choice", lambda ports: next(answers))
        assert free_port() == other
