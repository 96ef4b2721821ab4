"""Asks the chat model within the time that an answer has, or gives what it wrote to the same question before."""

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from chalicelib.errors import Unavailable
from chalicelib.model import prompts
from chalicelib.model.chat.answers import Draft
from chalicelib.ops.usage.memory import Memory
from chalicelib.providers import ChatAnswer, ChatModel, Usage

T = TypeVar("T")
MODEL_LEAST_S = 2.0  # the model is not asked with less time than this


class ModelCalls:
    """Asks the model within the time left, and sums up the tokens used. `memory` has the user's earlier drafts."""

    def __init__(
        self, chat: ChatModel, time_left_s: Callable[[], float], *, memory: Memory | None = None
    ) -> None:
        self._chat, self._time_left_s, self._memory = chat, time_left_s, memory
        self._drafted: tuple[str, Draft] | None = None
        self.provider, self.model = chat.provider, chat.model
        self.input_tokens = self.output_tokens = 0
        self.is_cached = False

    def draft(self, prompt: str, *, max_tokens: int) -> Draft:
        """Return the answer to a prompt, the kept one if it was asked before. Raise as `ask` does."""
        known = self._recall(_request(prompt))
        if known:
            self.provider, self.model, self.is_cached = known["provider"], known["model"], True
            return msgspec.convert(known["draft"], Draft)
        draft = self.ask(prompts.ANSWERING, prompt, prompts.ANSWER, Draft, max_tokens)
        self._drafted = prompt, draft
        return draft

    def judge(self, prompt: str, shape: type[T], *, max_tokens: int) -> T:
        """Return the verdicts on an answer, the kept ones if they were asked for before. Raise as `ask` does."""
        request = (prompts.JUDGING, prompts.VERDICTS, prompt)
        known = self._recall(request)
        if known:
            return msgspec.convert(known, shape)
        verdicts = self.ask(prompts.JUDGING, prompt, prompts.VERDICTS, shape, max_tokens)
        if self._memory:
            self._memory.remember(self._chat.asked, request, verdicts)
        return verdicts

    def _recall(self, request: tuple[object, ...]) -> Any:
        return self._memory.recall(self._chat.asked, request) if self._memory else None

    def keep_draft(self) -> None:
        """Give the draft again to who asks the same. Nothing is kept of one that was kept already."""
        if self._memory and self._drafted:
            prompt, draft = self._drafted
            written = {"draft": draft, "provider": self.provider, "model": self.model}
            self._memory.remember(self._chat.asked, _request(prompt), written)

    def ask(self, system: str, prompt: str, schema: dict[str, object], shape: type[T], max_tokens: int) -> T:
        """Return the model's answer as a `shape`. Raise Unavailable when it does not fit, or no time is left."""
        left_s = self._time_left_s()
        if left_s < MODEL_LEAST_S:
            raise Unavailable("There is no time left to ask the model.", code="no_time_left")
        answer: ChatAnswer = self._chat.complete(
            system,
            prompt,
            schema=schema,
            max_tokens=max_tokens,
            timeout_s=left_s,
            spend=self._spend,
        )
        self.provider, self.model = answer.provider, answer.model
        try:
            return msgspec.convert(answer.value, shape)
        except (msgspec.ValidationError, RecursionError) as error:
            raise Unavailable(
                "The model did not answer in the form it was asked for.", code="model_unusable"
            ) from error

    def _spend(self, usage: Usage) -> None:
        self.input_tokens += usage.prompt_tokens
        self.output_tokens += usage.output_tokens


def _request(prompt: str) -> tuple[object, ...]:
    return prompts.ANSWERING, prompts.ANSWER, prompt
