"""Local models that need no API key, and the server that offers them over HTTP."""

import os

# OpenBLAS reads this when numpy is first imported, so it is set before any module here does that. Threads of
# OpenBLAS would compete with those of the models.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
