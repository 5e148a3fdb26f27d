"""The word pieces of a pretrained language model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from lifelong_kd.core.errors import BadCall, DataMissing
from lifelong_kd.stream.encode.base import Encoder

__all__ = ["Pretrained"]


class Pretrained(Encoder):
    """The word pieces of a text as the tokenizer of a pretrained language model numbers them; then filling.

    For the model ``transformers`` with the same ``pretrained``. Needs ``pip install 'lifelong_kd[text]'``.

    Args:
        pretrained: a folder with the model, or its name on the Hugging Face hub, such as ``prajjwal1/bert-tiny``.
        length: pieces of a text, marks of beginning and end included; what is beyond is cut off.

    Raises:
        BadCall: without the package, for a length below 3, or a tokenizer that has no piece for filling.
        DataMissing: if there is no such model in reach.
    """

    def __init__(self, *, pretrained: str, length: int = 48) -> None:
        if length < 3:
            raise BadCall(f"length must be at least 3, got {length}")
        try:
            from transformers import AutoTokenizer
        except ImportError as error:
            raise BadCall(
                "the features 'transformers' need the package transformers: pip install 'lifelong_kd[text]'"
            ) from error
        try:
            self._tokenizer: Any = AutoTokenizer.from_pretrained(pretrained)
        except (OSError, ValueError) as error:
            reason = " ".join(str(error).split())[:200]
            raise DataMissing(f"the tokenizer of {pretrained!r} cannot be loaded: {reason}") from error
        if self._tokenizer.pad_token_id is None:
            raise BadCall(f"the tokenizer of {pretrained!r} has no piece for filling; take another model")
        self.tokenizer = pretrained
        self.length = length
        self.vocabulary = len(self._tokenizer)
        self.filling = int(self._tokenizer.pad_token_id)

    def encode(self, texts: Sequence[str]) -> Tensor:
        said = self._tokenizer(list(texts), padding="max_length", truncation=True, max_length=self.length)
        return torch.tensor(said["input_ids"], dtype=torch.int64)
