"""What learning terms as tokens saves, and that it does no harm to other words.

For each domain and tokenizer: tokens a word before and after; how many of 10,000 sentences come back from their tokens
as they did before; how many words of general English (wordfreq's list, some 290,000) have an added token inside, and
how many that are no terms are cut differently. Sentences are shorter by the factor "text a token", so at the same
tokens a second stage 1 reads as much more text.

    python benchmarks/vocabulary.py
    python benchmarks/vocabulary.py --tokenizer path/to/roberta-base --add 2000
"""

from __future__ import annotations

import argparse
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import common
from rich.table import Table

from domain_adapt.bases import load_tokenizer, resolve_base
from domain_adapt.corpora import open_documents
from domain_adapt.corpus_show import general_counts
from domain_adapt.recipes import VocabularySettings
from domain_adapt.vocabulary.growing import grow_vocabulary
from domain_adapt.workspace import Workspace

ROOT = Path(__file__).resolve().parents[1]
SENTENCES = 10_000
HEADINGS = ("domain", "tokenizer", "terms", "tokens a word before", "after", "text a token", "sentences", "come back")


def sentences_of(texts: Sequence[str]) -> list[str]:
    """Returns sentences spread evenly over the texts."""
    found = [sentence for text in texts for sentence in re.split(r"(?<=[.!?])\s+", text) if sentence.strip()]
    step = max(1, len(found) // SENTENCES)
    return found[::step][:SENTENCES]


def measure(domain: str, tokenizer: Any, name: str, add: int, general: dict[str, float], cache: Path) -> dict[str, Any]:
    """Returns the figures of one domain and tokenizer."""
    texts = list(open_documents(domain, workspace=Workspace(ROOT)).texts())
    learnt = grow_vocabulary(lambda: texts, f"{domain}/{name}", tokenizer, VocabularySettings(add=add), general, cache)
    grown = load_tokenizer(learnt.folder)
    sentences = sentences_of(texts)
    before, after = (one(sentences, add_special_tokens=False)["input_ids"] for one in (tokenizer, grown))
    pairs = zip(before, after, strict=True)
    same = sum(tokenizer.decode(old) == grown.decode(new) for old, new in pairs)
    terms = {term.form.strip().lower() for term in learnt.terms}
    added = set(range(learnt.first, learnt.first + len(learnt.terms)))
    words = [word for word in general if word.isalpha()]
    inside = changed = 0
    for space in ("", " "):
        old_ids, new_ids = (
            one([space + word for word in words], add_special_tokens=False)["input_ids"] for one in (tokenizer, grown)
        )
        for word, old, new in zip(words, old_ids, new_ids, strict=True):
            inside += len(new) > 1 and not added.isdisjoint(new)
            changed += old != new and word not in terms and len(new) > 1
    figures = learnt.figures()
    return {
        "domain": domain,
        "tokenizer": name,
        "terms": len(learnt.terms),
        "before": figures["vocabulary/tokens_per_word_before"],
        "after": figures["vocabulary/tokens_per_word"],
        "tokens of the sentences": [sum(map(len, before)), sum(map(len, after))],
        "sentences": len(sentences),
        "come back": same,
        "general words": len(words),
        "with a token inside": inside,
        "cut differently": changed,
    }


def main() -> None:
    """Prints a row for each domain and tokenizer."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokenizer", type=Path, nargs="*", default=[], help="folders of further tokenizers")
    parser.add_argument("--domains", nargs="+", default=["medical", "financial"])
    parser.add_argument("--add", type=int, default=2000)
    arguments = parser.parse_args()
    tokenizers = {"mini": load_tokenizer(resolve_base("mini", workspace=Workspace(ROOT)).folder)}
    tokenizers |= {folder.name: load_tokenizer(folder) for folder in arguments.tokenizer}
    general = dict(general_counts())
    table = Table()
    for heading in (*HEADINGS, "general words with one inside", "cut differently"):
        table.add_column(heading, justify="left" if heading in HEADINGS[:2] else "right")
    rows = []
    with tempfile.TemporaryDirectory() as cache:
        for domain in arguments.domains:
            for name, tokenizer in tokenizers.items():
                row = measure(domain, tokenizer, name, arguments.add, general, Path(cache))
                old, new = row["tokens of the sentences"]
                table.add_row(
                    domain,
                    name,
                    f"{row['terms']:,}",
                    f"{row['before']:.3f}",
                    f"{row['after']:.3f}",
                    f"{old / new:.3f} x",
                    f"{row['sentences']:,}",
                    f"{row['come back']:,}",
                    f"{row['with a token inside']:,} of {row['general words']:,}",
                    f"{row['cut differently']:,}",
                )
                rows.append(row)
    common.report("vocabulary", table, {"rows": rows}, None)


if __name__ == "__main__":
    main()
