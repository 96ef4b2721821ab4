"""Building and deploying the Lambda package; never part of it."""
