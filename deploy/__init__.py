"""Builds and deploys the Lambda package. This code is never part of it."""
