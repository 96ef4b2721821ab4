"""Common part of the clients of all models: the address and model they ask, and the reading of reported usage."""

from abc import ABC
from typing import Any

from chalicelib.providers import Usage
from chalicelib.providers.models.provider_http import token_count


class ModelClient(ABC):
    """A provider's model. `is_local`: it is asked without a key, at an address of one's own, and charges nobody."""

    provider: str
    model: str
    is_local = False

    def usage(self, **counts: Any) -> Usage:
        """Return what was used: counts by the names of Usage, as they are reported. Raise ValueError for no number."""
        numbers: dict[str, Any] = {name: token_count(count) for name, count in counts.items()}
        return Usage(provider=self.provider, model=self.model, is_local=self.is_local, **numbers)
