"""Run by the Python that has Anki: imports packages into one collection, and prints what then is in it, as JSON."""

import json
import sys
import tempfile
from pathlib import Path

from anki.collection import (
    Collection,
    DeckIdLimit,
    ExportAnkiPackageOptions,
    ImportAnkiPackageOptions,
    ImportAnkiPackageRequest,
)


def main(*packages: str) -> None:
    folder = Path(tempfile.mkdtemp())
    collection = Collection(str(folder / "c.anki2"))
    imports = []
    for package in packages:
        request = ImportAnkiPackageRequest(package_path=package, options=ImportAnkiPackageOptions())
        log = collection.import_anki_package(request).log
        imports.append(
            {name: len(getattr(log, name)) for name in ("new", "updated", "duplicate", "conflicting")}
        )
    cards = [collection.get_card(card_id) for card_id in collection.find_cards("")]
    found = {
        "imports": imports,
        "notes": collection.note_count(),
        "cards": {card.note().guid: [card.question(), card.answer()] for card in cards},
        "missing_media": list(collection.media.check().missing),
        "media": sorted(path.name for path in Path(collection.media.dir()).iterdir()),
    }
    deck = next(each.id for each in collection.decks.all_names_and_ids() if each.name != "Default")
    for name, is_old in (("new", False), ("old", True)):
        collection.export_anki_package(
            out_path=f"{packages[0]}.{name}",
            options=ExportAnkiPackageOptions(with_media=True, legacy=is_old),
            limit=DeckIdLimit(deck),
        )
    collection.close()
    print(json.dumps(found))


main(*sys.argv[1:])
