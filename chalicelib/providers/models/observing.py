"""Counts the calls of models, their time and their tokens."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Literal

from chalicelib.errors import CollectionsError
from chalicelib.metrics import process
from chalicelib.metrics.declared import MODEL_CALL_DURATION, MODEL_TOKENS
from chalicelib.providers import Spend, Usage

Operation = Literal["chat", "embeddings", "rerank"]


@contextmanager
def observed_call(operation: Operation, provider: str, model: str, spend: Spend | None) -> Iterator[Spend]:
    """Observe the one call that the block makes. Yield the function that takes its usage and hands it to `spend`."""
    outcome, began = "internal", monotonic()

    def note(usage: Usage) -> None:
        _count_tokens(usage)
        if spend:
            spend(usage)

    try:
        yield note
        outcome = "ok"
    except CollectionsError as error:
        outcome = error.code
        raise
    finally:
        labels = {"Operation": operation, "Provider": provider, "Model": model, "Outcome": outcome}
        process.observe(MODEL_CALL_DURATION, monotonic() - began, **labels)


def _count_tokens(usage: Usage) -> None:
    counts = {
        "input": usage.input_tokens,
        "cached": usage.cached_tokens,
        "cache_write": usage.cache_write_tokens + usage.cache_write_1h_tokens,
        "output": usage.output_tokens,
    }
    for type_, tokens in counts.items():
        if tokens:
            process.observe(MODEL_TOKENS, tokens, Provider=usage.provider, Model=usage.model, Type=type_)
