"""Regular expressions that are compiled when they are first used: compiling all of them would take 25 ms of a start."""

import re
from typing import Any, AnyStr, cast


def pattern(source: AnyStr, flags: int = 0) -> "re.Pattern[AnyStr]":
    """Return what `re.compile` returns, as far as methods go. A wrong pattern raises re.error at its first use."""
    return cast("re.Pattern[AnyStr]", _Pattern(source, flags))


class _Pattern:
    def __init__(self, source: Any, flags: int) -> None:
        self._source, self._flags = source, flags

    def __getattr__(self, name: str) -> Any:
        """Compile, and keep the method: the next call finds it in the instance and does not come here."""
        found = getattr(re.compile(self._source, self._flags), name)
        setattr(self, name, found)
        return found
