"""Fixtures of the gateway's tests."""

from collections.abc import Iterator

import pytest

from tests.gateway.counting import Counting
from tests.support.upstreams import RawUpstream, raw_upstream


@pytest.fixture
def there() -> Iterator[RawUpstream]:
    with raw_upstream() as found:
        yield found


@pytest.fixture
def counting() -> Iterator[Counting]:
    with raw_upstream() as upstream:
        yield Counting(upstream)
