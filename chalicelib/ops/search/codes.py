"""Makes codes for the vectors of owners who have many of them; a search scans the codes (stores/search/lookup.sql)."""

from typing import TYPE_CHECKING

from chalicelib.stores.search import codes

if TYPE_CHECKING:
    from chalicelib.stores.postgres.postgres import Database

EXACT_UP_TO = 20_000  # vectors of an owner that are searched without codes
BATCH = 5_000
BATCHES = 40  # of one call


def code_vectors(*, db: "Database") -> int:
    """Go on making codes, for at most 200,000 vectors; return the number of steps that were made.

    Several may run at once, and each may be cut off: a step is one transaction.
    """
    for done in range(BATCHES):
        if not db.transact_as_system(lambda tx: codes.code_next(tx, bound=EXACT_UP_TO, at_most=BATCH)):
            return done
    return BATCHES
