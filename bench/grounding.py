"""Measures the check of a sentence against its quotes (model/chat/grounding.py).

python -m bench.grounding FOLDER

The folder holds claims.jsonl: "claim", "question", "evidence" (a list of texts), "support" (complete, or anything
else). Claims whose evidence is no more than a link are left out: nobody could compare them. Then come the sentences
of bench.grounding_cases. Beside the rule stands what the check was without it: a true quote carries every sentence.
"""

import argparse
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from bench.grounding_cases import Case, cases
from chalicelib.model.chat.grounding import LEAST_SHARE, share_of_words, strays

_LINK = re.compile(r"\[\d+\]|https?://\S+")
_LEAST_WORDS = 8


def read_claims(path: Path) -> list[tuple[Case, str]]:
    """Return the claims with evidence in words, each with its question."""
    found = []
    for line in path.read_text().splitlines():
        row = json.loads(line)
        evidence = _LINK.sub("", "\n".join(row["evidence"]))
        if len(evidence.split()) >= _LEAST_WORDS:
            supported = row["support"] == "complete"
            case = Case(quote=evidence, sentence=row["claim"], kind=row["support"], is_supported=supported)
            found.append((case, row["question"]))
    return found


def auc(better: Sequence[float], worse: Sequence[float]) -> float:
    """Return how often one of the first is higher than one of the second; a tie counts half."""
    wins = sum((a > b) + (a == b) / 2 for a in better for b in worse)
    return wins / (len(better) * len(worse))


def report(name: str, given: Sequence[tuple[Case, str]]) -> None:
    def shares(*, supported: bool) -> list[float]:
        chosen = (case for case, _ in given if case.is_supported == supported)
        return [share_of_words(case.sentence, case.quote) for case in chosen]

    order = auc(shares(supported=True), shares(supported=False))
    print(f"{name}: {len(given)} sentences, AUC of the share of words {order:.3f}")
    rules: dict[str, Callable[[Case, str], bool]] = {
        "quote exists": lambda case, question: True,
        f"share of words >= {LEAST_SHARE}": lambda case, _: (
            share_of_words(case.sentence, case.quote) >= LEAST_SHARE
        ),
        "the rule": lambda case, question: not strays(case.sentence, [case.quote], known=[question]),
    }
    for rule, keeps in rules.items():
        kept = {True: 0, False: 0}
        for case, question in given:
            kept[case.is_supported] += keeps(case, question)
        supported = sum(case.is_supported for case, _ in given)
        print(
            f"  {rule:24} false-drop {1 - kept[True] / supported:.3f}"
            f"  false-keep {kept[False] / (len(given) - supported):.3f}"
        )
    for kind in dict.fromkeys(case.kind for case, _ in given):
        of_kind = [(case, question) for case, question in given if case.kind == kind]
        dropped = sum(strays(case.sentence, [case.quote], known=[question]) for case, question in of_kind)
        print(f"    {kind:20} {dropped} of {len(of_kind)} dropped")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    folder: Path = parser.parse_args().folder
    report("claims.jsonl", read_claims(folder / "claims.jsonl"))
    report("bench/grounding_cases.py", [(case, "") for case in cases()])


if __name__ == "__main__":
    main()
