"""Gets descriptions and pages' texts from a server with POST /analyze and /read, such as the keyless models.

An AnalysisRequest's fields, the preview as base64, go to /analyze, which answers an Analysis's fields; a page's
picture goes to /read as {"page_jpeg": base64}, which answers {"text": what is written on it, in reading order}.
"""

from base64 import b64encode
from typing import Any

from chalicelib.errors import BadFile, InvalidInput
from chalicelib.providers import Analysis, AnalysisRequest, Asked, Spend
from chalicelib.providers.models.analyses import bounded_analysis, bounded_page
from chalicelib.providers.models.provider_http import JsonApi

_MAX_ANSWER_BYTES = 8 * 1024 * 1024


class LocalAnalyzer:
    """BadFile when the server refuses what it is sent; see JsonApi.post for the rest. It charges nothing."""

    asked: Asked = ()

    def __init__(self, *, base_url: str) -> None:
        self._api = JsonApi(
            name="The analyzer", base_url=base_url, api_key=None, max_answer_bytes=_MAX_ANSWER_BYTES
        )

    def analyze(self, request: AnalysisRequest, *, timeout_s: float, spend: Spend | None = None) -> Analysis:
        """Describes one item. What is too long is cut."""
        preview = request.preview_jpeg
        payload = {
            "kind": request.kind,
            "name": request.name,
            "media_type": request.media_type,
            "preview_jpeg": None if preview is None else b64encode(preview).decode(),
            "text": request.text,
            "language_hint": request.language_hint,
        }
        answer = self._ask("/analyze", payload, timeout_s)
        try:
            return bounded_analysis(answer, provider=answer.get("provider"), model=answer.get("model"))
        except ValueError as error:
            raise self._api.unusable(str(error)) from None

    def read_page(self, page_jpeg: bytes, *, timeout_s: float, spend: Spend | None = None) -> str:
        """Return the text on a page, cut to 100,000 characters."""
        try:
            return bounded_page(self._ask("/read", {"page_jpeg": b64encode(page_jpeg).decode()}, timeout_s))
        except ValueError as error:
            raise self._api.unusable(str(error)) from None

    def _ask(self, path: str, payload: dict[str, Any], timeout_s: float) -> dict[str, Any]:
        try:
            answer = self._api.post(path, payload, timeout_s=timeout_s).body
        except InvalidInput as error:
            raise BadFile("The analyzer cannot read this file.", code="analyzer_refused") from error
        if not isinstance(answer, dict):
            raise self._api.unusable("something that is not an object")
        return answer
