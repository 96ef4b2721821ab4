"""The keyless models of a developer's machine, and the server that offers them over HTTP."""

import os

# Read by OpenBLAS when numpy is first imported, so before any module here does. Its threads
# would fight those of the models.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
