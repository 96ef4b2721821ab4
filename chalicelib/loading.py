"""Lets the app be loaded without a look for garbage: there is none, and looking takes a fourteenth of a start's CPU.

app.py imports this first, and calls `end` last.
"""

import gc

gc.disable()


def end() -> None:
    """Let Python look for garbage from now on, but not among what is loaded: that stays."""
    gc.freeze()
    gc.enable()
