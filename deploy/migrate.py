"""Migrates a stage's database to this release's schema, and lets the app's role log in.

MIGRATION_DATABASE_URL=postgresql://owner:…@host/collections python -m deploy.migrate

Run this before each deployment. If APP_DATABASE_PASSWORD is set, the role collections_app gets that password.
DATABASE_URL of the functions is then postgresql://collections_app:<password>@host/collections.
"""

import argparse
import os
import sys

from chalicelib.stores.postgres.migrate import migrate, set_app_password


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m deploy.migrate",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.parse_args()
    url = os.environ.get("MIGRATION_DATABASE_URL")
    if not url:
        print("MIGRATION_DATABASE_URL: must be set", file=sys.stderr)
        return 2
    print("applied:", ", ".join(migrate(url)) or "nothing, the schema is up to date")
    if password := os.environ.get("APP_DATABASE_PASSWORD"):
        set_app_password(url, password)
        print("collections_app may log in")
    return 0


if __name__ == "__main__":
    sys.exit(main())
