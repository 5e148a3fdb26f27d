"""No test reaches for the network: whatever Python connects to has to be on this machine.

Other programs that a test starts are watched by ``strace`` where a test says so (``tests/end_to_end``).
"""

from __future__ import annotations

import ipaddress
import sys
from collections.abc import Iterator

import pytest

REACHED: list[str] = []


def at_home(host: object) -> bool:
    """Whether an address is this machine's own.

    >>> at_home("127.0.0.1"), at_home("localhost"), at_home("::1"), at_home("8.8.8.8"), at_home("example.org")
    (True, True, True, False, False)
    """
    name = host.decode() if isinstance(host, bytes) else host
    if not isinstance(name, str) or name in ("", "localhost", "0.0.0.0", "::"):
        return True
    try:
        return ipaddress.ip_address(name.partition("%")[0]).is_loopback
    except ValueError:
        return False


def _watch(event: str, arguments: tuple[object, ...]) -> None:
    if event in ("socket.connect", "socket.sendto"):
        address = arguments[1]
        # A path is a socket of this machine.
        if isinstance(address, tuple) and address and not at_home(address[0]):
            REACHED.append(f"{event} {address}")
            raise PermissionError(f"a test tried to reach {address}")


sys.addaudithook(_watch)


@pytest.fixture(autouse=True)
def no_network() -> Iterator[None]:
    """Fail the test that reached for anything outside, also where the error was caught."""
    REACHED.clear()
    yield
    reached, REACHED[:] = list(REACHED), []
    assert not reached, f"the test tried the network: {reached}"
