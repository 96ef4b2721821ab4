"""A document about tomatoes that conversations are about."""

from tests.support.talking import document

PAGES = (
    "Tomatoes on a balcony need a pot of forty litres.\nWater them every morning in summer, and twice in a heat wave.",
    "Frost kills tomato plants within one night.\nBring the pots inside before the first frost of October.",
)
TOMATOES = document(*PAGES)
