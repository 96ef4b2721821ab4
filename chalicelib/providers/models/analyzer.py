"""Has a model that can see describe items and read pages."""

import json
from typing import Any

from msgspec import structs

from chalicelib.errors import BadFile, InvalidInput, ModelRefused, Unavailable
from chalicelib.model import prompts
from chalicelib.providers import Analysis, AnalysisRequest, Spend
from chalicelib.providers.models.analyses import bounded_analysis, bounded_page
from chalicelib.providers.models.attempts import Calls, Providers
from chalicelib.providers.models.pictures import fit_picture
from chalicelib.providers.models.writing import Prompt, Writer, write_checked

ANALYSIS_TOKENS = 16_384  # an image may be of a page
PAGE_TOKENS = 16_384  # a newspaper's page has 30,000 characters
# A document whose beginning has this many characters is described by them; its picture would add cost alone.
ENOUGH_TEXT_CHARS = 500


class HostedAnalyzer:
    def __init__(self, writers: Providers[Writer]) -> None:
        self.asked = tuple(each.usage() for each in writers.clients)
        self._writers = writers

    def analyze(self, request: AnalysisRequest, *, timeout_s: float, spend: Spend | None = None) -> Analysis:
        """Describe one item; see Analyzer, and JsonApi.post for what else is raised."""
        is_image = request.kind == "image"
        told = {"name": request.name} if is_image else {"name": request.name, "text": request.text}
        needs_picture = is_image or len(request.text.strip()) < ENOUGH_TEXT_CHARS
        prompt = Prompt(
            system=prompts.ANALYZING_IMAGE if is_image else prompts.ANALYZING_DOCUMENT,
            text=json.dumps(told, ensure_ascii=False),
            schema=prompts.ANALYSIS,
            max_tokens=ANALYSIS_TOKENS,
            jpeg=request.preview_jpeg if needs_picture else None,
        )
        value, writer = self._ask(prompt, timeout_s, spend)
        return bounded_analysis(value, provider=writer.provider, model=writer.model)

    def read_page(self, page_jpeg: bytes, *, timeout_s: float, spend: Spend | None = None) -> str:
        """Return the text on a page, cut to 100,000 characters."""
        prompt = Prompt(
            system=prompts.READING_PAGE,
            text="Read this page.",
            schema=prompts.PAGE,
            max_tokens=PAGE_TOKENS,
            jpeg=page_jpeg,
        )
        return bounded_page(self._ask(prompt, timeout_s, spend)[0])

    def _ask(self, prompt: Prompt, timeout_s: float, spend: Spend | None) -> tuple[dict[str, Any], Writer]:
        def ask(writer: Writer, calls: Calls) -> tuple[dict[str, Any], Writer]:
            return write_checked(writer, _fitted(prompt, writer), calls, spend), writer

        try:
            return self._writers.ask(ask, timeout_s=timeout_s)
        except (InvalidInput, ModelRefused) as error:
            raise BadFile("The analyzer cannot read this file.", code="analyzer_refused") from error
        except Unavailable as error:
            if error.code == "model_cut_off":  # so it would be the next time, for the same money
                raise BadFile(
                    "There is too much in this file for the analyzer.", code="analyzer_cut_off"
                ) from error
            raise


def _fitted(prompt: Prompt, writer: Writer) -> Prompt:
    if prompt.jpeg is None:
        return prompt
    jpeg = fit_picture(prompt.jpeg, max_px=writer.max_px, max_pixels=writer.max_pixels)
    return structs.replace(prompt, jpeg=jpeg)
