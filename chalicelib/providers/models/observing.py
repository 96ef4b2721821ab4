"""Observes the calls of models: their time and tokens as metrics, and each call as a span."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Literal

from chalicelib.errors import CollectionsError
from chalicelib.metrics import process
from chalicelib.metrics.declared import MODEL_CALL_DURATION, MODEL_TOKENS
from chalicelib.providers import Spend, Usage
from chalicelib.tracing import names, spans
from chalicelib.tracing.spans import Span

Operation = Literal["chat", "embeddings", "rerank"]


class ObservedCall:
    """One call. `note` takes its usage and hands it on; `tell` takes what was said, for traces that may have it."""

    def __init__(self, span: Span, spend: Spend | None) -> None:
        self._span, self._spend = span, spend

    def note(self, usage: Usage) -> None:
        written = usage.cache_write_tokens + usage.cache_write_1h_tokens
        counts = {
            "input": usage.input_tokens,
            "cached": usage.cached_tokens,
            "cache_write": written,
            "output": usage.output_tokens,
        }
        for type_, tokens in counts.items():
            if tokens:
                process.observe(MODEL_TOKENS, tokens, Provider=usage.provider, Model=usage.model, Type=type_)
        self._span.attributes |= {
            names.INPUT_TOKENS: usage.prompt_tokens,
            names.CACHED_TOKENS: usage.cached_tokens,
            names.CACHE_WRITE_TOKENS: written,
            names.OUTPUT_TOKENS: usage.output_tokens,
        }
        if self._spend:
            self._spend(usage)

    def tell(self, *, system: str, prompt: str, answer: str) -> None:
        self._span.content = {
            names.SYSTEM_INSTRUCTIONS: json.dumps([_part(system)]),
            names.INPUT_MESSAGES: json.dumps([{"role": "user", "parts": [_part(prompt)]}]),
            names.OUTPUT_MESSAGES: json.dumps([{"role": "assistant", "parts": [_part(answer)]}]),
        }


@contextmanager
def observed_call(
    operation: Operation, provider: str, model: str, spend: Spend | None
) -> Iterator[ObservedCall]:
    """Observe the one call that the block makes."""
    outcome, began = "internal", monotonic()
    about = {
        names.OPERATION: operation,
        names.PROVIDER: names.PROVIDERS.get(provider, provider),
        names.MODEL: model,
    }
    try:
        with spans.span(f"{operation} {model}", kind="client", attributes=about) as span:
            yield ObservedCall(span, spend)
        outcome = "ok"
    except CollectionsError as error:
        outcome = error.code
        raise
    finally:
        labels = {"Operation": operation, "Provider": provider, "Model": model, "Outcome": outcome}
        process.observe(MODEL_CALL_DURATION, monotonic() - began, **labels)


def _part(content: str) -> dict[str, str]:
    return {"type": "text", "content": content}
