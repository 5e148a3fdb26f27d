"""Pretrained language models of the package transformers."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from lifelong_kd.core.errors import BadCall, DataMissing
from lifelong_kd.model.backbone import Backbone
from lifelong_kd.model.words import masked_mean, text_length

__all__ = ["PretrainedText", "transformers_model"]


def transformers_model(input_shape: tuple[int, ...], *, pretrained: str) -> PretrainedText:
    """Any encoder of the package transformers: a pretrained language model, the mean over the pieces of a text.

    For texts with ``stream.features={name: transformers, pretrained: ...}`` of the same model. All of it is trained.
    Needs ``pip install 'lifelong_kd[text]'``.

    Args:
        pretrained: a folder with the model, or its name on the Hugging Face hub, such as ``prajjwal1/bert-tiny``.

    Raises:
        BadCall: without the package, if the input is no row of numbers of pieces, or longer than the model reads.
        DataMissing: if there is no such model in reach.
    """
    length = text_length("transformers", input_shape)
    try:
        from transformers import AutoModel
    except ImportError as error:
        raise BadCall(
            "the model 'transformers' needs the package transformers: pip install 'lifelong_kd[text]'"
        ) from error
    try:
        network = AutoModel.from_pretrained(pretrained)
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise DataMissing(f"the model {pretrained!r} cannot be loaded: {reason}") from error
    longest = getattr(network.config, "max_position_embeddings", None)
    if longest is not None and length > longest:
        raise BadCall(f"{pretrained!r} reads at most {longest} pieces, the stream's texts have {length}.")
    return PretrainedText(pretrained, network)


class PretrainedText(Backbone):
    """Numbers of pieces (B, L) through a pretrained encoder to features (B, feature_size)."""

    def __init__(self, pretrained: str, network: Any) -> None:
        super().__init__()
        size = getattr(network.config, "hidden_size", None)
        if not isinstance(size, int) or getattr(network.config, "is_encoder_decoder", False):
            raise BadCall(f"{pretrained!r} is no encoder of texts that gives a vector for each piece.")
        self.tokenizer = pretrained
        self.vocabulary = int(network.config.vocab_size)
        self.filling = int(network.config.pad_token_id or 0)
        # Its own pooler is made for one sentence after another, and would be left without a gradient.
        if isinstance(getattr(network, "pooler", None), nn.Module):
            network.pooler = None
        self.network: nn.Module = network
        self.feature_size = size

    def forward(self, x: Tensor) -> Tensor:
        numbers = x.long()
        words = numbers != self.filling
        # A text of filling alone is read as it is: a softmax over no place would not be finite.
        seen = words | ~words.any(dim=1, keepdim=True)
        said = self.network(input_ids=numbers, attention_mask=seen.long())
        return masked_mean(said.last_hidden_state, words)
