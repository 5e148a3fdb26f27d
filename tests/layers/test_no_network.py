"""The watch over the network sees what it should."""

from __future__ import annotations

import socket

import pytest

from tests import no_network


@pytest.mark.parametrize("address", ["192.0.2.1", "2001:db8::1"])
def test_an_address_outside_is_refused_and_noted(address: str) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with (
        socket.socket(family, socket.SOCK_DGRAM) as outside,
        pytest.raises(PermissionError, match="tried to reach"),
    ):
        outside.connect((address, 9))
    assert len(no_network.REACHED) == 1
    no_network.REACHED.clear()


def test_this_machine_is_not() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname(), timeout=5).close()
    assert no_network.REACHED == []
