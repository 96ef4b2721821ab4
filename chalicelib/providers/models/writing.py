"""Asks a model for JSON that fits a schema, checks it, and has it repaired once.

A Writer is one provider's way to ask for it. The repair sends the last bad output, what is wrong with it and the
schema: not the prompt, and no picture.
"""

import json
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.errors import Unavailable
from chalicelib.model.prompts import REPAIRING
from chalicelib.model.schemas import find_mistake
from chalicelib.providers import Spend
from chalicelib.providers.models.attempts import Calls
from chalicelib.providers.models.model_client import ModelClient
from chalicelib.providers.models.observing import observed_call

MAX_ANSWER_BYTES = 4 * 1024 * 1024
MAX_REPAIRED_CHARS = 100_000


class Prompt(Struct, frozen=True, kw_only=True):
    """A question to a model. `jpeg` is a picture to look at; `schema` is one of model/prompts.py."""

    system: str
    text: str
    schema: Mapping[str, Any]
    max_tokens: int
    jpeg: bytes | None = None


class Writer(ModelClient):
    """A provider's model that writes. What of a picture is over `max_px` or `max_pixels`, it would shrink itself."""

    max_px: int
    max_pixels: int

    @abstractmethod
    def write(self, prompt: Prompt, *, timeout_s: float, spend: Spend | None) -> str:
        """Make one call; return what the model wrote, meant to be JSON.

        Raises ModelRefused; InvalidInput when it cannot be asked so; Unavailable.
        """


def write_checked(writer: Writer, prompt: Prompt, calls: Calls, spend: Spend | None) -> Any:
    """Return JSON that fits the prompt's schema. Raise Unavailable, coded "model_unusable", if the repair does not."""
    text = _write(writer, prompt, calls, spend)
    value, mistake = _parse(text, prompt.schema)
    if mistake is None:
        return value
    told = {"answer": text[:MAX_REPAIRED_CHARS], "mistake": mistake, "schema": prompt.schema}
    repair = Prompt(
        system=REPAIRING,
        text=json.dumps(told, ensure_ascii=False),
        schema=prompt.schema,
        max_tokens=prompt.max_tokens,
    )
    text = _write(writer, repair, calls, _as_repair(spend))
    value, mistake = _parse(text, prompt.schema)
    if mistake is None:
        return value
    raise Unavailable(
        f"The model did not answer in the form it was asked for: {mistake}.", code="model_unusable"
    )


def _write(writer: Writer, prompt: Prompt, calls: Calls, spend: Spend | None) -> str:
    left_s = calls.begin()
    with observed_call("chat", writer.provider, writer.model, spend) as call:
        text = writer.write(prompt, timeout_s=left_s, spend=call.note)
        call.tell(system=prompt.system, prompt=prompt.text, answer=text)
        return text


def _as_repair(spend: Spend | None) -> Spend | None:
    return spend and (lambda usage: spend(replace(usage, is_repair=True)))


def _parse(text: str, schema: Mapping[str, Any]) -> tuple[Any, str | None]:
    """Return the value, and what is wrong with it."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None, "it is not JSON"
    return value, find_mistake(value, schema)
