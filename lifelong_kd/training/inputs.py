"""Whether a model can read what a stream gives it, and a generator make such, told before anything is trained."""

from __future__ import annotations

from torch import nn

from lifelong_kd.core.errors import BadCall
from lifelong_kd.model.freeze import unwrapped
from lifelong_kd.model.network import Network
from lifelong_kd.strategy.base import Strategy
from lifelong_kd.stream.stream import Stream

__all__ = ["check_generator", "check_input"]


def check_input(stream: Stream, network: nn.Module) -> None:
    """Refuse a model of word numbers where the stream gives none, one that reads none where it does, or others.

    Of a network that is not ours, and of a benchmark that was brought along, nothing is known.

    Raises:
        BadCall: saying what would fit.
    """
    network = unwrapped(network)
    if stream.transforms is None or not isinstance(network, Network):
        return
    encoder = stream.transforms.encoder
    given = None if encoder is None else encoder.vocabulary
    read = getattr(network.backbone, "vocabulary", None)
    if given is None and read is None:
        return
    model = type(network.backbone).__name__
    if given is None or encoder is None:
        raise BadCall(
            f"the model {model} reads word numbers, and stream {stream.name!r} does not give any: take a stream of"
            " texts with stream.features=tokens, or another model such as mlp"
        )
    if read is None:
        raise BadCall(
            f"the stream's features are word numbers, which the model {model} cannot read: take a model that has a"
            " vector for each, such as embedding_bag or text_transformer, or stream.features=hashing"
        )
    made_with, known = encoder.tokenizer, getattr(network.backbone, "tokenizer", None)
    if made_with != known:
        raise BadCall(
            f"the stream's features number words as {made_with or 'their hash says'}, the model {model} as"
            f" {known or 'their hash says'}: give stream.features and model the same 'pretrained', or neither any"
        )
    if given > read or encoder.filling != getattr(network.backbone, "filling", 0):
        raise BadCall(
            f"the stream's features have word numbers up to {given - 1} with {encoder.filling} for filling, the model"
            f" {model} knows those up to {read - 1} with {getattr(network.backbone, 'filling', 0)}: set"
            f" model.vocabulary={given}"
        )


def check_generator(stream: Stream, strategy: Strategy) -> None:
    """Refuse a generator of samples where these are texts: it makes measurements, of which no text can be read.

    One that works inside the network, at a ``level``, makes its features, whatever they are of.

    Raises:
        BadCall: naming the generator.
    """
    generator = strategy.generator
    if generator is not None and generator.level is None and stream.kind == "texts":
        raise BadCall(
            f"the generator {type(generator).__name__} makes measurements such as images, and stream {stream.name!r}"
            " has texts: take one that works inside the network, or a memory, which keeps texts"
        )
