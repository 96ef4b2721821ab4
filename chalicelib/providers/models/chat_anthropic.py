"""Answers from Anthropic's /v1/messages. The schema is that of a tool which the model must call; nothing runs it."""

from collections.abc import Callable, Mapping
from typing import Any

from chalicelib.errors import InvalidInput, ModelRefused, Unavailable
from chalicelib.providers import ChatAnswer
from chalicelib.providers.models.provider_http import JsonApi, token_count

ANTHROPIC_URL = "https://api.anthropic.com"
VERSION = "2023-06-01"
_MAX_ANSWER_BYTES = 4 * 1024 * 1024
# Of what is sent, these are counted apart from `input_tokens`.
_INPUT_COUNTS = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")


class AnthropicChat:
    """`base_url` ends before /v1/messages."""

    provider = "anthropic"

    def __init__(
        self, *, base_url: str, api_key: str, model: str, on_key_refused: Callable[[], None] = lambda: None
    ) -> None:
        self.model = model
        self._api = JsonApi(
            name="The chat model",
            base_url=base_url,
            api_key=None,
            max_answer_bytes=_MAX_ANSWER_BYTES,
            headers={"x-api-key": api_key, "anthropic-version": VERSION},
            on_key_refused=on_key_refused,
        )

    def complete(
        self, system: str, prompt: str, *, schema: Mapping[str, Any], max_tokens: int, timeout_s: float
    ) -> ChatAnswer:
        """One answer; see ChatModel, and JsonApi.post for what else is raised."""
        name = schema["title"]
        payload = {
            "model": self.model,
            "max_tokens": max_tokens,
            "system": system,
            "messages": [{"role": "user", "content": prompt}],
            "tools": [{"name": name, "description": "Give the answer.", "input_schema": schema}],
            "tool_choice": {"type": "tool", "name": name, "disable_parallel_tool_use": True},
        }
        try:
            answer = self._api.post("/v1/messages", payload, timeout_s=timeout_s)
        except InvalidInput as error:  # what we sent is wrong, not what the user asked
            raise Unavailable(error.message, code="model_rejected") from error
        try:
            reason, usage = answer["stop_reason"], answer.get("usage") or {}
            called = [block["input"] for block in answer["content"] if block["type"] == "tool_use"]
            tokens = token_count(*(usage.get(name) for name in _INPUT_COUNTS))
            written = token_count(usage.get("output_tokens"))
        except (LookupError, TypeError, AttributeError, ValueError):
            raise self._api.unusable("something that is not a message") from None
        if reason == "refusal":
            raise ModelRefused("The model declines to answer this.")
        if reason in ("max_tokens", "model_context_window_exceeded"):
            raise Unavailable("The model's answer was cut off.", code="model_cut_off")
        if not called:
            raise self._api.unusable("text where an object was asked for")
        return ChatAnswer(value=called[0], input_tokens=tokens, output_tokens=written)
