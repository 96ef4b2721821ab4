"""Lets the app be loaded without a look for garbage: there is none, and looking takes a fourteenth of a start's CPU.

app.py imports this first, and calls `end` last.
"""

import gc

_was_enabled = gc.isenabled()
gc.disable()


def end() -> None:
    """Let Python look for garbage again if it did, but not among what is loaded: that stays."""
    gc.freeze()
    if _was_enabled:
        gc.enable()
