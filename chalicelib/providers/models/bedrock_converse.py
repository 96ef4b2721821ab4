"""Asks Amazon Bedrock's Converse. The schema is that of a tool which the model must call; nothing runs it.

Claude 5 and later refuse to be forced. They are offered the tool, and text instead of a call is read as the answer.
"""

import json
import re
from base64 import b64encode
from collections.abc import Mapping
from typing import Any

from chalicelib.errors import ModelRefused, Unavailable
from chalicelib.providers import Spend
from chalicelib.providers.models.bedrock import FindCredentials, bedrock_api, path_of
from chalicelib.providers.models.writing import MAX_ANSWER_BYTES, Prompt, Writer

_UNFORCED = re.compile(r"anthropic\.claude-[a-z]+-[5-9]")
_REFUSALS = ("content_filtered", "guardrail_intervened", "refusal")


class BedrockConverse(Writer):
    """`model` is the id of a model or of an inference profile, or an ARN."""

    provider = "bedrock"
    max_px, max_pixels = 1568, 1568 * 1568

    def __init__(
        self, *, region: str, find_credentials: FindCredentials, model: str, base_url: str | None = None
    ) -> None:
        self.model = model
        self._api = bedrock_api(
            region=region,
            find_credentials=find_credentials,
            base_url=base_url,
            max_answer_bytes=MAX_ANSWER_BYTES,
        )

    def write(self, prompt: Prompt, *, timeout_s: float, spend: Spend | None) -> str:
        """Make one call; see Writer, and JsonApi.post for what else is raised."""
        path = path_of(self.model, "converse")
        answer = self._api.post(path, _payload(self.model, prompt), timeout_s=timeout_s).body
        try:
            reason, usage = answer["stopReason"], answer["usage"]
            blocks = answer["output"]["message"]["content"]
            said = [block["toolUse"]["input"] for block in blocks if "toolUse" in block]
            texts = [block["text"] for block in blocks if "text" in block]
            used = self.usage(
                input_tokens=usage["inputTokens"],
                cached_tokens=usage.get("cacheReadInputTokens"),
                cache_write_tokens=usage.get("cacheWriteInputTokens"),
                output_tokens=usage["outputTokens"],
            )
        except (LookupError, TypeError, AttributeError, ValueError):
            raise self._api.unusable("something that is not a message") from None
        if spend:
            spend(used)
        if reason in _REFUSALS:
            raise ModelRefused("The model declines to answer this.")
        if reason in ("max_tokens", "model_context_window_exceeded"):
            raise Unavailable("The model's answer was cut off.", code="model_cut_off")
        return json.dumps(said[0]) if said else "\n".join(map(str, texts))


def _payload(model: str, prompt: Prompt) -> dict[str, Any]:
    name = prompt.schema["title"]
    content: list[dict[str, Any]] = [{"text": prompt.text}]
    if prompt.jpeg is not None:
        source = {"bytes": b64encode(prompt.jpeg).decode()}
        content.insert(0, {"image": {"format": "jpeg", "source": source}})
    tool = {"name": name, "description": "Give the answer.", "inputSchema": {"json": _plain(prompt.schema)}}
    choice: dict[str, Any] = {"auto": {}} if _UNFORCED.search(model) else {"tool": {"name": name}}
    return {
        "messages": [{"role": "user", "content": content}],
        "system": [{"text": prompt.system}],
        "inferenceConfig": {"maxTokens": prompt.max_tokens},
        "toolConfig": {"tools": [{"toolSpec": tool}], "toolChoice": choice},
    }


def _plain(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema with what Nova takes of one: no titles, and nothing of other members."""
    plain = {name: schema[name] for name in ("type", "required") if name in schema}
    if "properties" in schema:
        plain["properties"] = {name: _plain(each) for name, each in schema["properties"].items()}
    return plain | ({"items": _plain(schema["items"])} if "items" in schema else {})
