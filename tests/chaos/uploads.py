"""Makes uploads: small pictures and documents of several users, some twice, some of them garbage."""

import hashlib
import io
import random
from dataclasses import dataclass

from PIL import Image

USERS = ("alice", "bob", "carol", "dave")
WORDS = (
    "apple",
    "river",
    "stone",
    "cloud",
    "window",
    "paper",
    "garden",
    "silver",
    "morning",
    "engine",
    "letter",
)
GARBAGE = (b"", b"<html>not a picture</html>", b"\xff\xd8\xff\xe0 cut off", b"%PDF-1.4 and nothing more")


@dataclass(frozen=True, kw_only=True, slots=True)
class Upload:
    key: str
    body: bytes
    ends: str  # the status its item is to end in

    @property
    def piece(self) -> str:
        """Same for the same bytes of the same user: they are to be one item."""
        return f"{self.key.partition('/')[0]} {hashlib.sha256(self.body).hexdigest()}"


def make_uploads(rng: random.Random, size: int) -> list[Upload]:
    """Return uploads: a tenth are copies of another's bytes, one in thirty is garbage, a quarter are documents."""
    made: list[Upload] = []
    for number in range(size):
        chance = rng.random()
        if made and chance < 0.1:
            twin = rng.choice(made)
            user = twin.key.partition("/")[0]
            name = f"copy {number}.{twin.key.rpartition('.')[2]}"
            made.append(Upload(key=f"{user}/{number:04d}/{name}", body=twin.body, ends=twin.ends))
            continue
        user = rng.choice(USERS)
        # Names come again in other folders: the items' ids are to differ all the same.
        stem = f"{user}/{number:04d}/{rng.choice(WORDS)} {rng.randrange(20)}"
        if chance < 0.14:
            body = rng.choice(GARBAGE)
            body += body and rng.randbytes(8).hex().encode()
            made.append(Upload(key=f"{stem}.jpg", body=body, ends="FAILED"))
        elif chance < 0.4:
            made.append(Upload(key=f"{stem}.pdf", body=make_pdf(rng), ends="READY"))
        else:
            made.append(Upload(key=f"{stem}.jpg", body=make_jpeg(rng), ends="READY"))
    return made


def make_jpeg(rng: random.Random) -> bytes:
    width, height = rng.randint(16, 64), rng.randint(16, 64)
    out = io.BytesIO()
    Image.frombytes("RGB", (width, height), rng.randbytes(3 * width * height)).save(out, "JPEG")
    return out.getvalue()


def make_pdf(rng: random.Random) -> bytes:
    """Return one to three pages of one to thirty lines."""
    pages = [[sentence(rng) for _ in range(rng.randint(1, 30))] for _ in range(rng.randint(1, 3))]
    objects = ["<</Type/Catalog/Pages 2 0 R>>", ""]
    objects.append("<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>")
    kids = []
    for lines in pages:
        shown = "BT /F 9 Tf 20 780 Td 12 TL " + " ".join(f"({line}) Tj T*" for line in lines) + " ET"
        objects.append(f"<</Length {len(shown)}>>\nstream\n{shown}\nendstream")
        contents = len(objects)
        objects.append(
            f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Contents {contents} 0 R/Resources<</Font<</F 3 0 R>>>>>>"
        )
        kids.append(f"{len(objects)} 0 R")
    objects[1] = f"<</Type/Pages/Count {len(kids)}/Kids[{' '.join(kids)}]>>"
    numbered = "\n".join(f"{number} 0 obj {body} endobj" for number, body in enumerate(objects, 1))
    return f"%PDF-1.4\n{numbered}\ntrailer <</Root 1 0 R>>\n%%EOF".encode()


def sentence(rng: random.Random) -> str:
    return f"{' '.join(rng.choices(WORDS, k=rng.randint(4, 12))).capitalize()} {rng.randrange(10**6)}."
