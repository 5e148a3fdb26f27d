"""Runs of the command line in processes of their own, forked from one that has imported everything."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from harness import Nursery


@pytest.fixture(scope="session")
def nursery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    nursery = Nursery(tmp_path_factory.mktemp("nursery"))
    yield nursery
    nursery.close()
