"""Serves the local models on 127.0.0.1: GET /health, POST /v1/embeddings, POST /analyze, POST /read.

    python -m local.models.server --port 8003

It is ready within a second. The image models load in the background, and the first /analyze waits for them.
If standard input is a pipe, the server ends with the process that holds the pipe's other end.
"""

import argparse
import contextlib
import ctypes
import os
import signal
import stat
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.server import ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from chalicelib.errors import BadFile
from chalicelib.providers import Analysis, AnalysisRequest
from local.models import minilm
from local.models.document_analyzer import DocumentAnalyzer
from local.models.handler import ModelsHandler
from local.models.text_models import load_text_models
from local.models.wire import (
    Refused,
    analysis_answer,
    embeddings_answer,
    parse_analysis_request,
    parse_embedding,
    parse_page,
)
from local.models.words import Words
from local.parent_watch import die_with_parent

if TYPE_CHECKING:
    from local.models.image_analyzer import ImageAnalyzer

T = TypeVar("T")
_AT_ONCE = 2
_SLICE_TEXTS = 16
_WAIT_S = 120.0
_M_ARENA_MAX = -8  # malloc.h


class Models:
    """All models of this process. At most _AT_ONCE requests use the embedder or the analyzers at a time."""

    def __init__(self) -> None:
        self._text_models = load_text_models()
        self._words = Words(minilm.model_folder())
        english = self._text_models[minilm.MODEL]
        self._documents = DocumentAnalyzer(embedder=english, words=self._words)
        self._image_analyzer: ImageAnalyzer
        self._images_loaded = threading.Event()
        self._load_error: Exception | None = None
        # These threads bound the work at a time, and keep its memory in few malloc arenas.
        self._analyses = ThreadPoolExecutor(_AT_ONCE, "analyze")
        self._embeddings = ThreadPoolExecutor(_AT_ONCE, "embed")
        threading.Thread(target=self._load_images, daemon=True, name="load-images").start()

    def health(self) -> dict[str, Any]:
        return {"status": "ok", "models": list(self._text_models), "images": self._images_loaded.is_set()}

    def embed(self, body: Any) -> dict[str, Any]:
        """Return the response to an embeddings request.

        Texts are embedded in slices of 16, so that a query need not wait for a whole batch.
        """
        name, texts, purpose = parse_embedding(body, models=self._text_models)
        model = self._text_models[name]
        parts = []
        for start in range(0, len(texts), _SLICE_TEXTS):
            task = self._embeddings.submit(model.encode, texts[start : start + _SLICE_TEXTS], purpose=purpose)
            parts.append(task.result(_WAIT_S))
        return embeddings_answer(
            np.concatenate(parts),
            as_base64=body.get("encoding_format") == "base64",
            model=name,
            token_counts=model.count_tokens(texts),
        )

    def analyze(self, body: Any) -> dict[str, Any]:
        """Return the response to an analysis request. Of a PDF without text the first page's picture is analyzed."""
        request = parse_analysis_request(body)
        return analysis_answer(self._look(lambda: self._analysis(request), param="preview_jpeg"))

    def read(self, body: Any) -> dict[str, Any]:
        """Return the response to a request to read a page."""
        page_jpeg = parse_page(body)
        return {"text": self._look(lambda: self._images().read_page(page_jpeg), param="page_jpeg")}

    def _look(self, work: Callable[[], T], *, param: str) -> T:
        task = self._analyses.submit(work)
        try:
            return task.result(_WAIT_S)
        except BadFile as error:
            raise Refused(422, error.message, param=param, code=error.code) from error
        finally:
            task.cancel()

    def _analysis(self, request: AnalysisRequest) -> Analysis:
        if request.kind == "pdf" and (request.text.strip() or request.preview_jpeg is None):
            return self._documents.analyze(request)
        return self._images().analyze(request)

    def _images(self) -> "ImageAnalyzer":
        """Return the image models, and wait until they are loaded. Raise TimeoutError after _WAIT_S."""
        if not self._images_loaded.wait(_WAIT_S):
            raise TimeoutError("the image models are still loading")
        if self._load_error is not None:
            raise self._load_error
        return self._image_analyzer

    def _load_images(self) -> None:
        # Imported here, as this takes a second and the server is to respond earlier.
        from local.models.classifier import ImageClassifier
        from local.models.image_analyzer import ImageAnalyzer
        from local.models.ocr import TextReader

        try:
            self._image_analyzer = ImageAnalyzer(
                reader=TextReader(), classifier=ImageClassifier(), words=self._words
            )
        except (OSError, ValueError, RuntimeError) as error:
            self._load_error = error
        finally:
            self._images_loaded.set()


class ModelsServer(ThreadingHTTPServer):
    """The HTTP server of the models, on 127.0.0.1:`port` (0 takes a free port)."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64

    def __init__(self, port: int, models: Models) -> None:
        super().__init__(("127.0.0.1", port), ModelsHandler)
        self.health = models.health
        self.posts = {"/v1/embeddings": models.embed, "/analyze": models.analyze, "/read": models.read}


def _share_malloc_arenas() -> None:
    """Make all threads share one glibc heap. With a heap per thread the process used twice the memory."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description="Serve the local models over HTTP on 127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    port = parser.parse_args().port
    _share_malloc_arenas()
    if stat.S_ISFIFO(os.fstat(0).st_mode):
        die_with_parent()
    server = ModelsServer(port, Models())
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    print(f"models on http://127.0.0.1:{server.server_port}", flush=True)
    with server, contextlib.suppress(KeyboardInterrupt):
        server.serve_forever(poll_interval=0.2)
    # Threads of the pools may still read a page, but no client waits for the result.
    os._exit(0)


if __name__ == "__main__":
    main()
