"""Gets descriptions and pages' texts from a server with POST /analyze and POST /read, such as the local models.

/analyze takes an AnalysisRequest's fields, with the preview as base64, and returns an Analysis's fields. /read takes
{"page_jpeg": base64} and returns {"text": the page's text in reading order}.
"""

from base64 import b64encode
from typing import Any

from chalicelib.errors import BadFile, InvalidInput
from chalicelib.providers import Analysis, AnalysisRequest
from chalicelib.providers.models.provider_http import JsonApi

_MAX_ANSWER_BYTES = 8 * 1024 * 1024
_MAX_CATEGORY, _MAX_SUMMARY, _MAX_LABEL, _MAX_LABELS, _MAX_TEXT = 64, 2_000, 64, 32, 1_000_000
_MAX_PAGE_TEXT = 100_000  # a page of a newspaper has 30,000 characters


class HttpAnalyzer:
    """An analyzer over HTTP. It raises BadFile if the server refuses the request; see JsonApi.post for other errors."""

    def __init__(self, *, base_url: str, api_key: str | None) -> None:
        self._api = JsonApi(
            name="The analyzer", base_url=base_url, api_key=api_key, max_answer_bytes=_MAX_ANSWER_BYTES
        )

    def analyze(self, request: AnalysisRequest, *, timeout_s: float) -> Analysis:
        """Return the item's analysis. Texts that are too long are cut."""
        preview = request.preview_jpeg
        payload = {
            "kind": request.kind,
            "name": request.name,
            "media_type": request.media_type,
            "preview_jpeg": None if preview is None else b64encode(preview).decode(),
            "text": request.text,
            "language_hint": request.language_hint,
        }
        return self._analysis(self._ask("/analyze", payload, timeout_s))

    def read_page(self, page_jpeg: bytes, *, timeout_s: float) -> str:
        """Return the text on a page, cut to 100,000 characters."""
        answer = self._ask("/read", {"page_jpeg": b64encode(page_jpeg).decode()}, timeout_s)
        return self._text(answer.get("text"), "text", _MAX_PAGE_TEXT)

    def _ask(self, path: str, payload: dict[str, Any], timeout_s: float) -> dict[str, Any]:
        try:
            answer = self._api.post(path, payload, timeout_s=timeout_s)
        except InvalidInput as error:
            raise BadFile("The analyzer cannot read this file.", code="analyzer_refused") from error
        if not isinstance(answer, dict):
            raise self._api.unusable("something that is not an object")
        return answer

    def _analysis(self, answer: dict[str, Any]) -> Analysis:
        labels = answer.get("labels")
        if not isinstance(labels, list):
            raise self._api.unusable("an analysis without a list of labels")
        clean = (self._text(label, "label", _MAX_LABEL) for label in labels)
        language = answer.get("language")
        return Analysis(
            category=self._text(answer.get("category"), "category", _MAX_CATEGORY) or "other",
            summary=self._text(answer.get("summary"), "summary", _MAX_SUMMARY),
            labels=tuple(dict.fromkeys(label for label in clean if label))[:_MAX_LABELS],
            text_in_image=self._text(answer.get("text_in_image"), "text_in_image", _MAX_TEXT),
            language=None if language is None else self._text(language, "language", 16) or None,
            provider=self._text(answer.get("provider"), "provider", 64),
            model=self._text(answer.get("model"), "model", 128),
        )

    def _text(self, value: object, field: str, max_chars: int) -> str:
        """Return `value` without NULs and lone surrogates, which Postgres refuses, cut to `max_chars`."""
        if not isinstance(value, str):
            raise self._api.unusable(f"something whose {field} is not text")
        return value.replace("\0", "").encode("utf-8", "ignore").decode()[:max_chars].strip()
