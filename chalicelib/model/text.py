"""What text can be kept at all."""

import re

UNSTORABLE = re.compile(r"[\x00\ud800-\udfff]")  # Postgres' text takes no NUL, UTF-8 no lone surrogate
