"""How alike texts are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from lifelong_kd.core.errors import BadCall

__all__ = ["by_encoder", "by_words"]


def by_words(texts: Sequence[str]) -> Tensor:
    """The cosine of the texts' TF-IDF weights of words and pairs of words, (texts, texts), in [0, 1].

    A text without a word is alike to none, itself included.

    >>> by_words(["car hire", "car loan", "weather"])[0, 2]
    tensor(0.)
    """
    from sklearn.feature_extraction.text import TfidfVectorizer  # slow to import

    vectorizer = TfidfVectorizer(ngram_range=(1, 2), token_pattern=r"(?u)\b\w+\b", sublinear_tf=True)
    try:
        weights = vectorizer.fit_transform(texts)
    except ValueError:
        # No text has a word.
        return torch.zeros(len(texts), len(texts))
    return torch.from_numpy((weights @ weights.T).toarray()).float()


def by_encoder(texts: Sequence[str], encoder: str) -> Tensor:
    """The cosine of the texts' mean word vectors in an encoder of ``transformers``, (texts, texts).

    Args:
        texts: what is compared.
        encoder: a folder, or a name of Hugging Face.

    Raises:
        BadCall: if ``transformers`` is not installed, or the encoder cannot be loaded.
    """
    try:
        from transformers import AutoModel, AutoTokenizer  # slow to import
    except ImportError:
        raise BadCall(
            "a sentence encoder needs transformers: pip install 'lifelong_kd[text]', or leave out encoder"
        ) from None
    try:
        # A new layer of an incomplete model would draw its weights, which must not be missing elsewhere.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            tokenizer: Any = AutoTokenizer.from_pretrained(encoder)
            model: Any = AutoModel.from_pretrained(encoder).eval()
    except (OSError, ValueError) as error:
        raise BadCall(
            f"the encoder {encoder!r} cannot be loaded: {str(error).strip().splitlines()[0]}"
        ) from error
    words = tokenizer(list(texts), padding=True, truncation=True, return_tensors="pt")
    with torch.no_grad():
        said = model(**words).last_hidden_state
    mask = words["attention_mask"][:, :, None].to(said)
    vectors = F.normalize((said * mask).sum(dim=1) / mask.sum(dim=1).clamp(min=1), dim=1)
    return vectors @ vectors.T
