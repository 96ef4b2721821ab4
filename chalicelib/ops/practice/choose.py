"""Choose drafts that pass the gate: those of a chat model first where there is one, then keyless ones."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice

from msgspec.structs import replace

from chalicelib.model.practice.drafting import Drafting, Rated
from chalicelib.model.practice.exercises import Draft, Excerpt, Kind, Seen
from chalicelib.model.practice.gate import find_fault
from chalicelib.model.practice.ordering import ordered_drafts
from chalicelib.model.practice.picturing import labels_to_embed, picture_drafts
from chalicelib.model.practice.sentence_choice import choose_sentences
from chalicelib.ops.practice.wishes import Wish

MAX_DRAFTS = 60  # of each kind, and as many more for each exercise; reading and comparing one takes about a millisecond
Vectors = Mapping[str, Sequence[float]]
KIND_TURN = 0.4  # what each further exercise of a kind loses
SURE = 5.0  # how good a list of steps and a question about a picture are
Drafts = Iterator[Rated]
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

    No two drafts are about one sentence.
    """
    sentences = choose_sentences(wish.phrase, excerpts, wish.wanted.interests)
    drafting = Drafting(sentences, concept=wish.phrase, language=wish.wanted.language, seed=seed)
    most = MAX_DRAFTS + 20 * wish.count
    drafts: dict[Kind, Drafts] = {
        kind: islice(_drafts(kind, drafting, wish, excerpts, embed, seed), most) for kind in wish.kinds
    }
    _take_best(drafts, wish, chosen, others)
    if len(chosen.drafts) < wish.count and (wish.wanted.kind or not chosen.drafts):
        least = wish if wish.wanted.kind else replace(wish, count=1)
        _take_best(_less_safe(drafting, wish, embed, most), least, chosen, others)


def _take_best(drafts: dict[Kind, Drafts], wish: Wish, chosen: Chosen, others: Sequence[Seen]) -> None:
    """Take the best drafts; for one exercise the kinds one after the other, for more each that is taken loses some."""
    taken = Counter(draft.kind for draft in chosen.drafts)
    waiting = dict[Kind, Rated]()
    while len(chosen.drafts) < wish.count:
        used = {draft.quote for draft in chosen.drafts}
        for kind, more in drafts.items():
            if kind not in waiting or waiting[kind][1].quote in used:
                found = next((rated for rated in more if rated[1].quote not in used), None)
                waiting.pop(kind, None)
                waiting |= {kind: found} if found else {}
        if not waiting:
            return
        worth = {kind: rated[0] - KIND_TURN * taken[kind] for kind, rated in waiting.items()}
        kind = max(worth, key=lambda kind: worth[kind]) if wish.count > 1 else next(iter(waiting))
        if chosen.consider(waiting.pop(kind)[1], others):
            taken[kind] += 1


def _less_safe(drafting: Drafting, wish: Wish, embed: Embed, most: int) -> dict[Kind, Drafts]:
    """Return drafts that are less clear, or ask for what other words say as well: of a kind that is wished for, or one.

    Choices of names and words are made only where choices are wished for.
    """
    kinds: list[Kind] = ["cloze", "short_answer"]
    if wish.wanted.kind:
        kinds = [kind for kind in (*kinds, "multiple_choice") if kind == wish.wanted.kind]
    vectors = embed(drafting.terms_to_embed()) if "multiple_choice" in kinds else {}
    return {kind: islice(drafting.drafts(kind, vectors, safe=False), most) for kind in kinds}


def _drafts(
    kind: Kind, drafting: Drafting, wish: Wish, excerpts: Sequence[Excerpt], embed: Embed, seed: str
) -> Drafts:
    if kind == "image_question":
        vectors = embed(labels_to_embed([each for each in excerpts if each.labels], wish.labels)[:256])
        language = wish.wanted.language
        for draft in picture_drafts(
            excerpts, labels=wish.labels, vectors=vectors, language=language, seed=seed
        ):
            yield SURE, draft
    elif kind == "ordered_steps":
        for excerpt in excerpts:
            for draft in ordered_drafts(excerpt, language=wish.wanted.language, seed=seed):
                yield SURE, draft
    else:
        yield from drafting.drafts(kind, {}, safe=True)


def _seen(draft: Draft) -> Seen:
    return Seen(question=draft.question, key=draft.key, quote=draft.quote)
