"""Asks the chat models in the order of the setting, until one answers."""

from collections.abc import Mapping
from typing import Any

from chalicelib.errors import InvalidInput, Unavailable
from chalicelib.providers import ChatAnswer, Spend
from chalicelib.providers.models.attempts import Calls, Providers
from chalicelib.providers.models.writing import Prompt, Writer, write_checked


class HostedChat:
    def __init__(self, writers: Providers[Writer]) -> None:
        self.asked = tuple(each.usage() for each in writers.clients)
        self._writers = writers
        self.provider, self.model = writers.first.provider, writers.first.model

    def complete(
        self,
        system: str,
        prompt: str,
        *,
        schema: Mapping[str, Any],
        max_tokens: int,
        timeout_s: float,
        spend: Spend | None = None,
    ) -> ChatAnswer:
        """One answer; see ChatModel, and JsonApi.post for what else is raised."""
        asked = Prompt(system=system, text=prompt, schema=schema, max_tokens=max_tokens)

        def ask(writer: Writer, calls: Calls) -> ChatAnswer:
            value = write_checked(writer, asked, calls, spend)
            return ChatAnswer(value=value, provider=writer.provider, model=writer.model)

        try:
            return self._writers.ask(ask, timeout_s=timeout_s)
        except InvalidInput as error:  # what we sent is wrong, not what the user asked
            raise Unavailable(error.message, code="model_rejected") from error
