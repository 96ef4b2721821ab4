"""Mutants: take one protection out of a copy of the project and see that a test notices. See `__main__.py`."""
