"""Characters that cannot be stored."""

import re

UNSTORABLE = re.compile(r"[\x00\ud800-\udfff]")  # Postgres' text cannot hold NUL, UTF-8 no lone surrogate
