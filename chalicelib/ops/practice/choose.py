"""Choose drafts that pass the gate: those of a chat model first where there is one, then keyless ones."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice

from chalicelib.model.practice.drafting import Drafting, ordered_drafts
from chalicelib.model.practice.exercises import Draft, Excerpt, Kind, Seen
from chalicelib.model.practice.gate import find_fault
from chalicelib.model.practice.picturing import labels_to_embed, picture_drafts
from chalicelib.model.practice.sentence_choice import choose_sentences
from chalicelib.ops.practice.wishes import Wish

MAX_DRAFTS = 60  # of each kind, and as many more for each exercise; reading and comparing one takes about a millisecond
Vectors = Mapping[str, Sequence[float]]
Embed = Callable[[Sequence[str]], Vectors]


class Chosen:
    """Drafts that passed the gate, and how many were refused, by reason."""

    def __init__(self) -> None:
        self.drafts: list[Draft] = []
        self.refused = Counter[str]()

    def consider(self, draft: Draft, others: Sequence[Seen]) -> bool:
        """Take the draft, unless the gate refuses it. It must differ from `others` and from those taken before."""
        fault = find_fault(draft, others=[*others, *map(_seen, self.drafts)])
        if fault is None:
            self.drafts.append(draft)
            return True
        self.refused[fault] += 1
        return False


def choose_keyless(
    wish: Wish,
    excerpts: Sequence[Excerpt],
    *,
    chosen: Chosen,
    others: Sequence[Seen],
    embed: Embed,
    seed: str,
) -> None:
    """Add keyless drafts to the chosen ones until there are as many as wished, or no more drafts.

    The kinds take turns, and no two drafts are about one sentence.
    """
    sentences = choose_sentences(wish.phrase, excerpts, wish.wanted.interests)
    drafting = Drafting(sentences, concept=wish.phrase, language=wish.wanted.language, seed=seed)
    most = MAX_DRAFTS + 20 * wish.count
    drafts: dict[Kind, Iterator[Draft]] = {
        kind: islice(_drafts(kind, drafting, wish, excerpts, embed, seed), most) for kind in wish.kinds
    }
    _take_turns(drafts, wish, chosen, others)
    if len(chosen.drafts) < wish.count:
        _take_turns(_less_safe(drafting, wish, embed, most), wish, chosen, others)


def _take_turns(
    drafts: dict[Kind, Iterator[Draft]], wish: Wish, chosen: Chosen, others: Sequence[Seen]
) -> None:
    turn = len(chosen.drafts)
    while len(chosen.drafts) < wish.count and drafts:
        kinds = [kind for kind in wish.kinds if kind in drafts]
        kind = kinds[turn % len(kinds)] if wish.count > 1 else kinds[0]
        if _take_next(drafts[kind], chosen, others):
            turn += 1
        else:
            del drafts[kind]


def _less_safe(drafting: Drafting, wish: Wish, embed: Embed, most: int) -> dict[Kind, Iterator[Draft]]:
    """Return gaps for words that others may fit as well; choices of words only where nothing else is wished for."""
    found: dict[Kind, Iterator[Draft]] = {}
    if "cloze" in wish.kinds:
        found["cloze"] = islice(drafting.drafts("cloze", {}, safe=False), most)
    if wish.wanted.kind == "multiple_choice":
        vectors = embed(drafting.terms_to_embed())
        found["multiple_choice"] = islice(drafting.drafts("multiple_choice", vectors, safe=False), most)
    return found


def _take_next(drafts: Iterator[Draft], chosen: Chosen, others: Sequence[Seen]) -> bool:
    used = {draft.quote for draft in chosen.drafts}
    return any(draft.quote not in used and chosen.consider(draft, others) for draft in drafts)


def _drafts(
    kind: Kind, drafting: Drafting, wish: Wish, excerpts: Sequence[Excerpt], embed: Embed, seed: str
) -> Iterator[Draft]:
    if kind == "image_question":
        vectors = embed(labels_to_embed([each for each in excerpts if each.labels], wish.labels)[:256])
        language = wish.wanted.language
        yield from picture_drafts(excerpts, labels=wish.labels, vectors=vectors, language=language, seed=seed)
    elif kind == "ordered_steps":
        for excerpt in excerpts:
            yield from ordered_drafts(excerpt, language=wish.wanted.language, seed=seed)
    else:
        vectors = embed(drafting.terms_to_embed()) if kind == "multiple_choice" else {}
        yield from drafting.drafts(kind, vectors, safe=True)


def _seen(draft: Draft) -> Seen:
    return Seen(question=draft.question, key=draft.key, quote=draft.quote)
