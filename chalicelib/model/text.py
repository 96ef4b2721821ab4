"""Characters that cannot be stored."""

from chalicelib.patterns import pattern

UNSTORABLE = pattern(r"[\x00\ud800-\udfff]")  # Postgres' text cannot hold NUL, UTF-8 no lone surrogate
