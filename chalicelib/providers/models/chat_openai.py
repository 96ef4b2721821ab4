"""Answers from any server that speaks OpenAI's /chat/completions: OpenAI, Ollama, vLLM."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from chalicelib.errors import InvalidInput, ModelRefused, Unavailable
from chalicelib.providers import ChatAnswer
from chalicelib.providers.models.provider_http import JsonApi, token_count

OPENAI_URL = "https://api.openai.com/v1"
_MAX_ANSWER_BYTES = 4 * 1024 * 1024


class OpenAIChat:
    """`base_url` ends before /chat/completions."""

    provider = "openai"

    def __init__(
        self,
        *,
        base_url: str,
        api_key: str | None,
        model: str,
        on_key_refused: Callable[[], None] = lambda: None,
    ) -> None:
        self.model = model
        # OpenAI's reasoning models refuse the old name; Ollama does not know the new one, and goes on for ever.
        self._limit = "max_completion_tokens" if base_url == OPENAI_URL else "max_tokens"
        self._api = JsonApi(
            name="The chat model",
            base_url=base_url,
            api_key=api_key,
            max_answer_bytes=_MAX_ANSWER_BYTES,
            on_key_refused=on_key_refused,
        )

    def complete(
        self, system: str, prompt: str, *, schema: Mapping[str, Any], max_tokens: int, timeout_s: float
    ) -> ChatAnswer:
        """One answer; see ChatModel, and JsonApi.post for what else is raised."""
        payload = {
            "model": self.model,
            "messages": [{"role": "system", "content": system}, {"role": "user", "content": prompt}],
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": schema["title"], "strict": True, "schema": schema},
            },
            self._limit: max_tokens,
        }
        try:
            answer = self._api.post("/chat/completions", payload, timeout_s=timeout_s)
        except InvalidInput as error:  # what we sent is wrong, not what the user asked
            raise Unavailable(error.message, code="model_rejected") from error
        try:
            choice, usage = answer["choices"][0], answer.get("usage") or {}
            message, reason = choice["message"], choice.get("finish_reason")
            refused = message.get("refusal") or reason == "content_filter"
            counts = token_count(usage.get("prompt_tokens")), token_count(usage.get("completion_tokens"))
        except (LookupError, TypeError, AttributeError, ValueError):
            raise self._api.unusable("something that is not a completion") from None
        if refused:
            raise ModelRefused("The model declines to answer this.")
        if reason == "length":
            raise Unavailable("The model's answer was cut off.", code="model_cut_off")
        return ChatAnswer(
            value=self._parsed(message.get("content")), input_tokens=counts[0], output_tokens=counts[1]
        )

    def _parsed(self, content: Any) -> Any:
        try:
            return json.loads(content)
        except (TypeError, ValueError, RecursionError):
            raise self._api.unusable("text that is not JSON") from None
