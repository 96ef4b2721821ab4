"""Gets embeddings and scores from Amazon Bedrock's InvokeModel, in the form of each model's maker."""

from abc import abstractmethod
from base64 import b64encode
from collections.abc import Sequence
from typing import Any

from chalicelib.providers import Pictured, Purpose, Spend
from chalicelib.providers.models.bedrock import FindCredentials, bedrock_api, path_of
from chalicelib.providers.models.embedder import MAX_ANSWER_BYTES, EmbeddingApi, floats
from chalicelib.providers.models.pictures import fit_picture
from chalicelib.providers.models.provider_http import Answer
from chalicelib.providers.models.rerankers import RerankApi, scores_of_rows

INPUT_TOKENS = "x-amzn-bedrock-input-token-count"
_TITAN_PX = 2048  # the most of a side that Titan takes


class _BedrockEmbeddings(EmbeddingApi):
    provider = "bedrock"

    def __init__(
        self,
        *,
        region: str,
        find_credentials: FindCredentials,
        model: str,
        dimensions: int,
        base_url: str | None = None,
    ) -> None:
        self.model = model
        self._dimensions = dimensions
        self._api = bedrock_api(
            region=region,
            find_credentials=find_credentials,
            base_url=base_url,
            max_answer_bytes=MAX_ANSWER_BYTES,
        )

    def fetch(
        self, texts: Sequence[Any], *, purpose: Purpose, timeout_s: float, spend: Spend | None
    ) -> list[Sequence[float]]:
        """Make one call."""
        payload = self._payload(texts, purpose)
        answer = self._api.post(path_of(self.model, "invoke"), payload, timeout_s=timeout_s)
        try:
            vectors = self._vectors(answer.body)
            used = self.usage(**self._used(texts, answer))
        except (LookupError, TypeError, AttributeError, ValueError, OverflowError):
            raise self._api.unusable("something that is not a list of embeddings") from None
        if len(vectors) != len(texts):
            raise self._api.unusable(f"{len(vectors)} embeddings for {len(texts)} texts")
        if spend:
            spend(used)
        return vectors

    def _used(self, texts: Sequence[Any], answer: Answer) -> dict[str, Any]:
        return {"input_tokens": answer.headers.get(INPUT_TOKENS)}

    @abstractmethod
    def _payload(self, texts: Sequence[Any], purpose: Purpose) -> dict[str, Any]: ...

    @abstractmethod
    def _vectors(self, body: Any) -> list[Sequence[float]]: ...


class TitanEmbeddings(_BedrockEmbeddings):
    """amazon.titan-embed-text-v2:0. It takes one text a call and does not tell queries from documents."""

    max_texts, max_tokens = 1, 8_192

    def _payload(self, texts: Sequence[Any], purpose: Purpose) -> dict[str, Any]:
        return {"inputText": texts[0], "dimensions": self._dimensions, "normalize": True}

    def _vectors(self, body: Any) -> list[Sequence[float]]:
        return [floats(body["embedding"])]

    def _used(self, texts: Sequence[Any], answer: Answer) -> dict[str, Any]:
        return {"input_tokens": answer.body["inputTextTokenCount"]}


class TitanMultimodal(TitanEmbeddings):
    """amazon.titan-embed-image-v1: a picture, or a text of at most 256 tokens. It reads English."""

    sees_pictures = True

    def _payload(self, texts: Sequence[Any], purpose: Purpose) -> dict[str, Any]:
        (given,) = texts
        return {**_titan_input(given), "embeddingConfig": {"outputEmbeddingLength": self._dimensions}}

    def _used(self, texts: Sequence[Any], answer: Answer) -> dict[str, Any]:
        pictures = sum(isinstance(given, Pictured) for given in texts)
        return {**super()._used(texts, answer), "pictures": pictures}


def _titan_input(given: str | Pictured) -> dict[str, str]:
    if isinstance(given, str):
        return {"inputText": given}
    jpeg = fit_picture(given.jpeg, max_px=_TITAN_PX, max_pixels=_TITAN_PX**2)
    text = {"inputText": given.text} if given.text else {}
    return {**text, "inputImage": b64encode(jpeg).decode()}


class CohereEmbeddings(_BedrockEmbeddings):
    """cohere.embed-v4:0 and cohere.embed-multilingual-v3 on Bedrock. What is too long they cut at its end."""

    max_texts, max_tokens = 96, 120_000

    def _payload(self, texts: Sequence[Any], purpose: Purpose) -> dict[str, Any]:
        payload = {"texts": list(texts), "input_type": f"search_{purpose}", "embedding_types": ["float"]}
        if "embed-v4" in self.model:
            return payload | {"truncate": "RIGHT", "output_dimension": self._dimensions}
        return payload | {"truncate": "END"}

    def _vectors(self, body: Any) -> list[Sequence[float]]:
        return [floats(vector) for vector in body["embeddings"]["float"]]


class BedrockRerank(RerankApi):
    """cohere.rerank-v3-5:0, or amazon.rerank-v1:0 in the regions that have it."""

    provider = "bedrock"

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

    def fetch(
        self, query: str, documents: Sequence[str], *, timeout_s: float, spend: Spend | None
    ) -> list[float]:
        """Make one call."""
        payload: dict[str, Any] = {"query": query, "documents": list(documents)}
        if self.model.startswith("cohere."):
            payload["api_version"] = 2
        answer = self._api.post(path_of(self.model, "invoke"), payload, timeout_s=timeout_s)
        try:
            scores = scores_of_rows(answer.body["results"], len(documents))
            used = self.usage(input_tokens=answer.headers.get(INPUT_TOKENS))
        except (LookupError, TypeError):
            raise self._api.unusable("something that is not a list of scores") from None
        except ValueError as error:
            raise self._api.unusable(str(error)) from None
        if spend:
            spend(used)
        return scores
