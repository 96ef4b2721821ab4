"""Parses and builds the JSON of the models' server: OpenAI's for /v1/embeddings, our own for /analyze and /read."""

from base64 import b64decode, b64encode
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from msgspec.structs import asdict
from numpy.typing import NDArray

from chalicelib.providers import Analysis, AnalysisRequest, Purpose

_MAX_INPUTS = 2048


class Refused(Exception):
    """A request that is refused with `status` and an error in OpenAI's format."""

    def __init__(
        self, status: int, message: str, *, param: str | None = None, code: str | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.body = error_body(message, kind="invalid_request_error", param=param, code=code)


def error_body(
    message: str, *, kind: str, param: str | None = None, code: str | None = None
) -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def parse_embedding(body: Any, *, models: Collection[str]) -> tuple[str, list[str], Purpose]:
    """Return model, texts and purpose of an embeddings request. Raise Refused if it is malformed.

    `input_type` is Voyage's field, "query" or "document"; OpenAI has none.
    """
    if not isinstance(body, dict):
        raise Refused(400, "The body must be a JSON object.")
    model = body.get("model")
    if not isinstance(model, str) or model not in models:
        message = f"This server has the models {' and '.join(models)}."
        raise Refused(404, message, param="model", code="model_not_found")
    if body.get("encoding_format", "float") not in ("float", "base64"):
        raise Refused(400, "encoding_format must be float or base64.", param="encoding_format")
    purpose = body.get("input_type", "document")
    if purpose not in ("query", "document"):
        raise Refused(400, "input_type must be query or document.", param="input_type")
    given = body.get("input")
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or not 1 <= len(texts) <= _MAX_INPUTS or not all(map(_is_text, texts)):
        message = f"input must be a text or a list of 1 to {_MAX_INPUTS} texts, none empty."
        raise Refused(400, message, param="input")
    return model, texts, purpose


def embeddings_answer(
    vectors: NDArray[np.float32], *, as_base64: bool, model: str, token_counts: Sequence[int]
) -> dict[str, Any]:
    rows = vectors.astype("<f4")
    data = [
        {
            "object": "embedding",
            "index": index,
            "embedding": b64encode(row.tobytes()).decode() if as_base64 else row.tolist(),
        }
        for index, row in enumerate(rows)
    ]
    total = sum(token_counts)
    usage = {"prompt_tokens": total, "total_tokens": total}
    return {"object": "list", "data": data, "model": model, "usage": usage}


def parse_analysis_request(body: Any) -> AnalysisRequest:
    """Return the AnalysisRequest of a JSON body. Raise Refused if a field is wrong."""
    if not isinstance(body, dict):
        raise Refused(400, "The body must be a JSON object.")
    kind, preview = body.get("kind"), body.get("preview_jpeg")
    if kind not in ("image", "pdf"):
        raise Refused(400, "kind must be image or pdf.", param="kind")
    texts = {name: body.get(name, "") for name in ("name", "media_type", "text")}
    for name, value in texts.items():
        if not isinstance(value, str):
            raise Refused(400, f"{name} must be a text.", param=name)
    preview_jpeg = None if preview is None else _decoded(preview, "preview_jpeg")
    if preview_jpeg is None and kind == "image":
        raise Refused(400, "An image needs its preview.", param="preview_jpeg")
    hint = body.get("language_hint")
    return AnalysisRequest(
        kind=kind, preview_jpeg=preview_jpeg, language_hint=hint if isinstance(hint, str) else None, **texts
    )


def parse_page(body: Any) -> bytes:
    """Return the JPEG of a request to read a page. Raise Refused if there is none."""
    if not isinstance(body, dict):
        raise Refused(400, "The body must be a JSON object.")
    return _decoded(body.get("page_jpeg"), "page_jpeg")


def _decoded(value: Any, name: str) -> bytes:
    try:
        return b64decode(value, validate=True)
    except (ValueError, TypeError) as error:
        raise Refused(400, f"{name} must be base64.", param=name) from error


def analysis_answer(analysis: Analysis) -> dict[str, Any]:
    return asdict(analysis)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value != ""
