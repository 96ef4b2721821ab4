"""Rates that a test reaches in a moment, and the settings around them."""

RATES = {
    "address": ((4, 2), (40, 60)),
    "login": ((3, 60), (9, 3600)),
    "account": ((2, 60), (8, 3600)),
    "user.free": ((5, 1), (50, 60)),
    "user.team": ((50, 1), (500, 60)),
    "costly.free": ((2, 10), (6, 60)),
    "costly.team": ((20, 10), (60, 60)),
}
ENVIRONMENT = {
    "DATABASE_URL": "postgresql://none",
    "IMAGES_BUCKET": "none",
    "SESSION_SECRET": "of-the-tests-and-known-to-everybody",
}
