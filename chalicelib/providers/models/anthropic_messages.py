"""Asks Anthropic's /v1/messages. The schema goes into output_config.format, which Claude 4.5 and later keep to.

A tool that must be called would do the same, but Claude 5.5 refuses a forced tool.
"""

from base64 import b64encode
from collections.abc import Callable
from typing import Any

from chalicelib.errors import ModelRefused, Unavailable
from chalicelib.providers import Spend
from chalicelib.providers.models.provider_http import JsonApi
from chalicelib.providers.models.writing import MAX_ANSWER_BYTES, Prompt, Writer

ANTHROPIC_URL = "https://api.anthropic.com"
VERSION = "2026-10-21"
# Claude 5 thinks unless it is told not to, each model in its own words. What is asked for here needs no thinking.
_LEAST_THINKING = {
    "claude-haiku-5-5": {"type": "disabled"},
    "claude-sonnet-5-5": {"type": "between_tools"},
}
_THINKING_TOKENS = 8_192  # room for the others, whose thinking counts as output


class AnthropicMessages(Writer):
    """`base_url` ends before /v1/messages."""

    provider = "anthropic"
    # What models before Claude 4.7 shrink a picture to. Later ones look at more, and charge for it.
    max_px, max_pixels = 1568, 1_150_000

    def __init__(
        self,
        *,
        base_url: str = ANTHROPIC_URL,
        api_key: str,
        model: str,
        on_key_refused: Callable[[], None] = lambda: None,
    ) -> None:
        self.model = model
        self._api = JsonApi(
            name="Anthropic",
            base_url=base_url,
            api_key=None,
            max_answer_bytes=MAX_ANSWER_BYTES,
            headers={"x-api-key": api_key, "anthropic-version": VERSION},
            on_key_refused=on_key_refused,
        )

    def write(self, prompt: Prompt, *, timeout_s: float, spend: Spend | None) -> str:
        """Make one call; see Writer, and JsonApi.post for what else is raised."""
        answer = self._api.post("/v1/messages", _payload(self.model, prompt), timeout_s=timeout_s).body
        try:
            reason, usage = answer["stop_reason"], answer.get("usage") or {}
            texts = [str(block["text"]) for block in answer["content"] if block["type"] == "text"]
            hour = (usage.get("cache_creation") or {}).get("ephemeral_1h_input_tokens") or 0
            used = self.usage(
                input_tokens=usage.get("input_tokens"),
                cached_tokens=usage.get("cache_read_input_tokens"),
                cache_write_tokens=int(usage.get("cache_creation_input_tokens") or 0) - hour,
                cache_write_1h_tokens=hour,
                output_tokens=usage.get("output_tokens"),
            )
        except (LookupError, TypeError, AttributeError, ValueError):
            raise self._api.unusable("something that is not a message") from None
        if spend:
            spend(used)
        if reason == "refusal":
            raise ModelRefused("The model declines to answer this.")
        if reason in ("max_tokens", "model_context_window_exceeded"):
            raise Unavailable("The model's answer was cut off.", code="model_cut_off")
        return "".join(texts)


def _payload(model: str, prompt: Prompt) -> dict[str, Any]:
    content: str | list[dict[str, Any]] = prompt.text
    if prompt.jpeg is not None:  # pictures come before the text, as Anthropic advises
        data = b64encode(prompt.jpeg).decode()
        source = {"type": "base64", "media_type": "image/jpeg", "data": data}
        content = [{"type": "image", "source": source}, {"type": "text", "text": prompt.text}]
    thinking = _LEAST_THINKING.get(model)
    payload = {
        "model": model,
        "max_tokens": prompt.max_tokens + (0 if thinking else _THINKING_TOKENS),
        "system": prompt.system,
        "messages": [{"role": "user", "content": content}],
        "output_config": {"format": {"type": "json_schema", "schema": prompt.schema}},
    }
    return payload | ({"thinking": thinking} if thinking else {})
