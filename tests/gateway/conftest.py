"""Fixtures of the gateway's tests."""

from collections.abc import Iterator

import pytest

from tests.support.upstreams import RawUpstream, raw_upstream


@pytest.fixture
def there() -> Iterator[RawUpstream]:
    with raw_upstream() as found:
        yield found
