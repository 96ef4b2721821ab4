"""The variables that a deployment has to set."""

SETTINGS = {
    "DATABASE_URL": "postgresql://app:hunter2@db/collections",
    "IMAGES_BUCKET": "collections-images-dev-1",
    "SESSION_SECRET": "hunter2-hunter2-hunter2-hunter2-hunter2",
}
