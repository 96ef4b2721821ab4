"""Gets vectors from /embeddings of OpenAI, or of another server that speaks it: Ollama, vLLM, the local models."""

from collections.abc import Callable, Sequence
from typing import Any

from chalicelib.providers import Purpose, Spend
from chalicelib.providers.models.embedder import MAX_ANSWER_BYTES, EmbeddingApi, vectors_of_rows
from chalicelib.providers.models.openai_completions import OPENAI_URL
from chalicelib.providers.models.provider_http import JsonApi

# Models of the local server, which tells queries from documents by Voyage's field. OpenAI refuses unknown fields.
TELL_PURPOSE = frozenset({"minilm-e5-small"})


class OpenAIEmbeddings(EmbeddingApi):
    """`base_url` ends before /embeddings. `dimensions`: to be asked for, where it is not the model's own number."""

    provider = "openai"
    max_texts, max_tokens = 256, 300_000  # OpenAI itself takes 2,048 texts; other servers less

    def __init__(
        self,
        *,
        base_url: str = OPENAI_URL,
        api_key: str | None,
        model: str,
        dimensions: int | None = None,
        on_key_refused: Callable[[], None] = lambda: None,
    ) -> None:
        self.model = model
        self._dimensions = dimensions
        self.is_local = api_key is None
        self._api = JsonApi(
            name="The embedding provider",
            base_url=base_url,
            api_key=api_key,
            max_answer_bytes=MAX_ANSWER_BYTES,
            on_key_refused=on_key_refused,
        )

    def fetch(
        self, texts: Sequence[str], *, purpose: Purpose, timeout_s: float, spend: Spend | None
    ) -> list[Sequence[float]]:
        """Make one call. Only models of TELL_PURPOSE tell queries from documents."""
        payload: dict[str, Any] = {"model": self.model, "input": list(texts), "encoding_format": "base64"}
        if self._dimensions is not None:
            payload["dimensions"] = self._dimensions
        if self.model in TELL_PURPOSE:
            payload["input_type"] = purpose
        answer = self._api.post("/embeddings", payload, timeout_s=timeout_s).body
        try:
            vectors = vectors_of_rows(answer, len(texts))
            usage = answer.get("usage") or {}
            used = self.usage(input_tokens=usage.get("prompt_tokens"))
        except AttributeError:
            raise self._api.unusable("something that is not a list of embeddings") from None
        except ValueError as error:
            raise self._api.unusable(str(error)) from None
        if spend:
            spend(used)
        return vectors
