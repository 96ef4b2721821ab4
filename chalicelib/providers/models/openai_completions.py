"""Asks /chat/completions of OpenAI, or of another server that speaks it: Ollama, vLLM."""

from base64 import b64encode
from collections.abc import Callable
from typing import Any

from chalicelib.errors import ModelRefused, Unavailable
from chalicelib.providers import Spend
from chalicelib.providers.models.provider_http import JsonApi
from chalicelib.providers.models.writing import MAX_ANSWER_BYTES, Prompt, Writer

OPENAI_URL = "https://api.openai.com/v1"
_REASONING_TOKENS = 8_192  # room for OpenAI's models that reason, which counts as output


class OpenAICompletions(Writer):
    """`base_url` ends before /chat/completions."""

    provider = "openai"
    max_px, max_pixels = 2048, 2048 * 2048  # what detail "high" shrinks a picture to first

    def __init__(
        self,
        *,
        base_url: str = OPENAI_URL,
        api_key: str | None,
        model: str,
        on_key_refused: Callable[[], None] = lambda: None,
    ) -> None:
        self.model = model
        self._is_openai = base_url == OPENAI_URL
        self.is_local = api_key is None
        self._api = JsonApi(
            name="The model",
            base_url=base_url,
            api_key=api_key,
            max_answer_bytes=MAX_ANSWER_BYTES,
            on_key_refused=on_key_refused,
        )

    def write(self, prompt: Prompt, *, timeout_s: float, spend: Spend | None) -> str:
        """Make one call; see Writer, and JsonApi.post for what else is raised."""
        answer = self._api.post("/chat/completions", self._payload(prompt), timeout_s=timeout_s).body
        try:
            choice, usage = answer["choices"][0], answer.get("usage") or {}
            message, reason = choice["message"], choice.get("finish_reason")
            refused = message.get("refusal") or reason == "content_filter"
            details = usage.get("prompt_tokens_details") or {}
            cached, cache_write = details.get("cached_tokens") or 0, details.get("cache_write_tokens") or 0
            used = self.usage(
                input_tokens=(usage.get("prompt_tokens") or 0) - cached - cache_write,
                cached_tokens=cached,
                cache_write_tokens=cache_write,
                output_tokens=usage.get("completion_tokens"),
            )
        except (LookupError, TypeError, AttributeError, ValueError):
            raise self._api.unusable("something that is not a completion") from None
        if spend:
            spend(used)
        if refused:
            raise ModelRefused("The model declines to answer this.")
        if reason == "length":
            raise Unavailable("The model's answer was cut off.", code="model_cut_off")
        return str(message.get("content") or "")

    def _payload(self, prompt: Prompt) -> dict[str, Any]:
        content: str | list[dict[str, Any]] = prompt.text
        if prompt.jpeg is not None:
            url = f"data:image/jpeg;base64,{b64encode(prompt.jpeg).decode()}"
            picture = {"type": "image_url", "image_url": {"url": url, "detail": "high"}}
            content = [picture, {"type": "text", "text": prompt.text}]
        return {
            "model": self.model,
            "messages": [{"role": "system", "content": prompt.system}, {"role": "user", "content": content}],
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": prompt.schema["title"], "strict": True, "schema": prompt.schema},
            },
            **self._limit(prompt.max_tokens),
        }

    def _limit(self, max_tokens: int) -> dict[str, int]:
        """OpenAI's reasoning models refuse the old name; Ollama does not know the new one, and goes on for ever."""
        if self._is_openai:
            return {"max_completion_tokens": max_tokens + _REASONING_TOKENS}
        return {"max_tokens": max_tokens}
