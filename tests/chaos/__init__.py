"""The pipeline under kills, freezes, crashes of Postgres, lost and doubled events, and poisonous files."""
