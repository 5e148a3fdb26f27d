"""An export that says something else is found out, whatever stands in the columns that nobody reads."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from lifelong_kd.core.errors import RunFailed
from lifelong_kd.export.compared import compare
from lifelong_kd.model.build import build_network
from lifelong_kd.model.multihead import ABSENT


def test_absent_columns_do_not_hide_a_wrong_logit() -> None:
    network: Any = build_network((3,), 6, model=("mlp", {"hidden": []}), head=("multihead", {}))
    network.grow([0, 5], 0)
    assert network(torch.zeros(1, 3))[0, 1] == ABSENT

    def off(by: float, column: int = 5) -> Any:
        def theirs(x: Tensor) -> Tensor:
            logits: Tensor = network(x)
            logits[:, column] += by
            return logits

        return theirs

    assert compare(network, off(0), [3]).difference == 0
    assert compare(network, off(1e-4), [3]).difference == pytest.approx(1e-4, rel=0.01)
    for by in (5.0, 0.01):
        with pytest.raises(RunFailed, match="says something else than the network"):
            compare(network, off(by), [3])
    # That a column is absent is something that is said, too.
    with pytest.raises(RunFailed, match="differs by 1"):
        compare(network, off(1.0, column=1), [3])
