"""The cost of a call is right to the last digit, as each provider counts its tokens.

The examples of cached tokens are those of public issues where they were counted twice, or not at all. Each is sent by a
server in its provider's wire format and read by the provider's client, so that the whole way from its JSON to dollars
is tested.
"""

from collections.abc import Callable, Iterator
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from chalicelib.model.usage.costs import cost_of, find_price
from chalicelib.model.usage.prices import PRICES, Price
from chalicelib.model.usage.usage import Usage
from chalicelib.providers.models.anthropic_messages import AnthropicMessages
from chalicelib.providers.models.openai_completions import OpenAICompletions
from tests.models.making import KEY, ask, providers
from tests.support.model_server import ModelServer, Reply, anthropic_message, model_server, openai_completion

DAY = date(2026, 11, 26)
OLD = date(2024, 1, 1)


def price(provider: str, **dollars: str) -> Price:
    given: dict[str, Any] = {name: Decimal(text) for name, text in dollars.items()}
    return Price(provider=provider, models=("m",), since=OLD, source="the issue", **given)


SONNET = price("anthropic", input="3", cache_write_5m="3.75", cache_write_1h="6", cached="0.30", output="15")
OPUS_1H = price("anthropic", input="5", cache_write_5m="6.25", cache_write_1h="10", cached="0.5", output="25")
GPT_4O = price("openai", input="2.5", cached="1.25", output="10")
GPT_5 = price("openai", input="1.25", cached="0.125", output="10")
GEMINI = price("openai", input="1.25", cached="0.625", output="10")
FIREWORKS = price("openai", input="1.4", cached="0.26", output="4.4")


@pytest.fixture(scope="module")
def server() -> Iterator[ModelServer]:
    with model_server() as server:
        server.value = lambda asked: {"question": "Is it so?"}
        yield server


def anthropic_usage(**usage: Any) -> tuple[Any, Callable[[str], Any]]:
    def make(url: str) -> AnthropicMessages:
        return AnthropicMessages(base_url=url, api_key=KEY, model="m")

    return anthropic_message({"question": "Is it so?"}, usage=usage), make


def openai_usage(**usage: Any) -> tuple[Any, Callable[[str], Any]]:
    def make(url: str) -> OpenAICompletions:
        return OpenAICompletions(base_url=f"{url}/v1", api_key=KEY, model="m")

    return {**openai_completion({"question": "Is it so?"}), "usage": usage}, make


def cached(count: int) -> dict[str, int]:
    return {"cached_tokens": count}


EXAMPLES = {
    # The bill was 0.05439; the tokens written to the cache had been charged twice: 0.091311.
    "BerriAI/litellm#9812": (
        anthropic_usage(
            input_tokens=3, cache_creation_input_tokens=12304, cache_read_input_tokens=0, output_tokens=550
        ),
        SONNET,
        "0.054399",
    ),
    # 100 uncached, 700 written and 200 read had been charged as 1,000 uncached.
    "BerriAI/litellm#31282": (
        anthropic_usage(
            input_tokens=100, cache_creation_input_tokens=700, cache_read_input_tokens=200, output_tokens=0
        ),
        SONNET,
        "0.002985",
    ),
    # `input_tokens` of 5 had become 130,213, and then 260,421.
    "langfuse/langfuse#12306": (
        anthropic_usage(
            input_tokens=5, cache_creation_input_tokens=1253, cache_read_input_tokens=128955, output_tokens=0
        ),
        SONNET,
        "0.04340025",
    ),
    # 98,805 tokens, of which 10 were neither read from the cache nor written to it.
    "BerriAI/litellm#11364": (
        anthropic_usage(
            input_tokens=10,
            cache_creation_input_tokens=32435,
            cache_read_input_tokens=66360,
            output_tokens=5120,
        ),
        SONNET,
        "0.21836925",
    ),
    # What is written for an hour costs twice the input: 3.44139, not 2.15086875.
    "can1357/oh-my-pi#6876": (
        anthropic_usage(
            input_tokens=0,
            cache_creation_input_tokens=344139,
            cache_creation={"ephemeral_1h_input_tokens": 344139, "ephemeral_5m_input_tokens": 0},
            output_tokens=0,
        ),
        OPUS_1H,
        "3.44139",
    ),
    # Both at once: 600,000 for five minutes and 400,000 for an hour are 7.75, not 6.25.
    "earendil-works/pi#5738": (
        anthropic_usage(
            input_tokens=0,
            cache_creation_input_tokens=1_000_000,
            cache_creation={"ephemeral_5m_input_tokens": 600_000, "ephemeral_1h_input_tokens": 400_000},
            output_tokens=0,
        ),
        OPUS_1H,
        "7.75",
    ),
    # `prompt_tokens` includes the cached ones.
    "BerriAI/litellm#6215": (
        openai_usage(prompt_tokens=2006, completion_tokens=300, prompt_tokens_details=cached(1920)),
        GPT_4O,
        "0.005615",
    ),
    "BerriAI/litellm#15945": (
        openai_usage(prompt_tokens=9126, completion_tokens=3197, prompt_tokens_details=cached(4864)),
        GPT_5,
        "0.0379055",
    ),
    # 0.7642 had been said.
    "BerriAI/litellm#14849": (
        openai_usage(prompt_tokens=262960, completion_tokens=1744, prompt_tokens_details=cached(257955)),
        GEMINI,
        "0.184918125",
    ),
    "BerriAI/litellm#31714": (
        openai_usage(prompt_tokens=27147, completion_tokens=351, prompt_tokens_details=cached(27146)),
        FIREWORKS,
        "0.00860376",
    ),
    # 17,903 and 17,817 had been added up to 35,720.
    "langfuse/langfuse#10592": (
        openai_usage(prompt_tokens=17903, completion_tokens=0, prompt_tokens_details=cached(17817)),
        GPT_5,
        "0.002334625",
    ),
    "langfuse/langfuse#4590": (
        openai_usage(prompt_tokens=62394, completion_tokens=214, prompt_tokens_details=cached(60024)),
        GPT_4O,
        "0.083095",
    ),
}


@pytest.mark.parametrize("issue", EXAMPLES)
def test_cached_tokens_cost_what_the_provider_charges(server: ModelServer, issue: str) -> None:
    (answer, make), held, expected = EXAMPLES[issue]
    spent = list[Usage]()
    server.script.append(Reply(body=answer))
    ask("writer", providers(make(server.url)), spend=spent.append)
    cost = cost_of(spent[0], find_price(spent[0], DAY, [held]))
    assert cost is not None and abs(cost - Decimal(expected)) < Decimal("1e-9")


def test_the_counts_of_input_do_not_overlap(server: ModelServer) -> None:
    (answer, make), _, _ = EXAMPLES["langfuse/langfuse#10592"]
    spent = list[Usage]()
    server.script.append(Reply(body=answer))
    ask("writer", providers(make(server.url)), spend=spent.append)
    assert (spent[0].input_tokens, spent[0].cached_tokens, spent[0].prompt_tokens) == (86, 17817, 17903)


def cost(on: date = DAY, **used: Any) -> Decimal | None:
    usage = Usage(**{"provider": "anthropic", "model": "claude-haiku-5-5", **used})
    return cost_of(usage, find_price(usage, on))


def test_a_longer_prompt_has_the_price_of_its_band() -> None:
    """Cache reads and writes count as prompt; the output costs more too."""
    short = {"input_tokens": 60_000, "cached_tokens": 40_000, "output_tokens": 1_000}
    assert cost(**short) == Decimal("0.0069")
    assert cost(**{**short, "input_tokens": 60_001}) == Decimal("0.0345005")


def test_a_price_holds_from_its_day() -> None:
    read = {"model": "claude-sonnet-5-5", "cached_tokens": 1_000_000}
    assert cost(date(2026, 10, 6), **read) == Decimal("0.20")
    assert cost(date(2026, 10, 7), **read) == Decimal("0.10")
    assert cost(date(2026, 9, 27), **read) is None, "there was no such model"


@pytest.mark.parametrize(
    "used",
    [
        {"model": "claude-of-the-tests", "input_tokens": 1},
        {"provider": "bedrock", "input_tokens": 1},
        {"provider": "openai", "model": "text-embedding-3-small", "output_tokens": 1},
        {"provider": "bedrock", "model": "amazon.nova-2-lite-v1:0", "cache_write_tokens": 1},
    ],
    ids=["unknown model", "of another provider", "no price for output", "no price for the cache"],
)
def test_what_has_no_price_is_not_free(used: dict[str, Any]) -> None:
    assert cost(**used) is None


def test_what_is_local_is_free() -> None:
    assert cost(provider="openai", model="llama", input_tokens=10**6, is_local=True) == 0


@pytest.mark.parametrize(
    ("used", "expected"),
    [
        ({"model": "claude-haiku-4-5-20251001", "input_tokens": 10**6}, "1"),
        ({"provider": "openai", "model": "gpt-4o-2024-08-06", "input_tokens": 10**6}, "2.5"),
        (
            {
                "provider": "bedrock",
                "model": "arn:aws:bedrock:eu-west-1:1:inference-profile/eu.amazon.nova-2-lite-v1:0",
                "output_tokens": 10**6,
            },
            "2.75",
        ),
        ({"provider": "cohere", "model": "rerank-v3.5"}, "0.002"),
        (
            {
                "provider": "voyage",
                "model": "voyage-multimodal-3.5",
                "input_tokens": 1000,
                "pixels": 2_000_000,
            },
            "0.00132",
        ),
        (
            {
                "provider": "bedrock",
                "model": "amazon.titan-embed-image-v1",
                "input_tokens": 10,
                "pictures": 2,
                "pixels": 2_000_000,  # reserved before it is known how it is charged
            },
            "0.000128",
        ),
    ],
)
def test_names_and_units(used: dict[str, Any], expected: str) -> None:
    assert cost(**used) == Decimal(expected)


def test_every_default_model_has_a_price() -> None:
    from chalicelib.settings.roles import NOVA, ROLES

    regions = ["", "us.", "eu.", "jp.", "global."]
    for role in ROLES:
        for provider, model in role.defaults.items():
            names = [region + model for region in regions] if model == NOVA else [model]
            for name in [] if provider in ("local", "none") else names:
                assert find_price(Usage(provider=provider, model=name), DAY), (provider, name)


def test_the_prices_can_be_told_apart() -> None:
    """A model has one price a day and a band, each says where it is from, and some price a unit."""
    keys = [(each.provider, name, each.since, each.up_to) for each in PRICES for name in each.models]
    assert len(keys) == len(set(keys))
    for each in PRICES:
        assert each.source.startswith("https://") and (each.input or each.call)
        longer = [other for other in PRICES if other.models == each.models and other.since == each.since]
        assert any(other.up_to is None for other in longer), "no length is without a price"


def test_no_rounding_is_lost() -> None:
    one = Usage(provider="anthropic", model="claude-haiku-5-5", cached_tokens=1)
    assert cost_of(one, find_price(one, DAY)) == Decimal("0.00000001")
    many = replace(one, cached_tokens=10**9, output_tokens=10**9)
    assert cost_of(many, find_price(many, DAY)) == Decimal("2550")
