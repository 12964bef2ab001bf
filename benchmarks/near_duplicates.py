"""Near duplicates: seconds, MB/s and memory of ours, of rensa alone and of datatrove's MinHash on the same documents.

Each side runs in a process of its own, on one core, from the file to which documents stay; sides alternate, and the
seconds begin after the imports.

- ours: `signatures`, then `near_duplicates` on what they left in a file, as the corpus engine does.
- rensa: its own MinHash of the n-grams as strings, its own LSH, one document after the other; a document is dropped
  where an earlier one is as similar as the threshold demands.
- datatrove: its four MinHash steps with one local task; 14 buckets of 8 hashes, its defaults, which stand for a
  threshold of 0.72. Its tokenizer for English needs spaCy; here it has the same words as the others, which is faster.

The file has one JSON object a line with the text under `text`. Without a file there are generated documents, a
tenth of them copies, and a tenth copies in which one word in fifty has changed places with the next.

    python benchmarks/near_duplicates.py texts.jsonl --clusters 3
    python benchmarks/near_duplicates.py --documents 20000 --rounds 1
"""

from __future__ import annotations

import argparse
import json
import re
import resource
import statistics
import sys
import time
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import common
import numpy as np

SIDES = ("ours", "rensa", "datatrove")
PERMUTATIONS, RENSA_BANDS = 128, 32
BUCKETS, HASHES = 14, 8  # datatrove's defaults
WORD = re.compile(r"\w+")


def generate(path: Path, documents: int) -> list[int]:
    """Writes generated documents, the copies last, and returns which document each of the copies is a copy of."""
    generator = np.random.default_rng(0)
    weights = 1 / np.arange(1, 14_401)  # as often as in language (Zipf)
    cumulated = np.cumsum(weights) / weights.sum()
    # Of letters: to datatrove all numbers are one.
    vocabulary = ["".join(letters) for letters in product("bdfgklmn", "aeiou", "prstvz", "aeiou", "bdfgklmnprst")]
    generator.shuffle(vocabulary)
    own = [
        [vocabulary[number] for number in np.searchsorted(cumulated, generator.random(generator.integers(60, 200)))]
        for _ in range(documents * 4 // 5)
    ]
    originals = generator.choice(len(own), size=documents - len(own), replace=False).tolist()
    copies = [list(own[original]) for original in originals]
    for copy in copies[: len(copies) // 2]:
        for place in generator.choice(len(copy) - 1, size=max(1, len(copy) // 50), replace=False):
            copy[place], copy[place + 1] = copy[place + 1], copy[place]
    with path.open("w", encoding="utf-8") as file:
        for words in [*own, *copies]:
            file.write(json.dumps({"text": " ".join(words)}) + "\n")
    return originals


def read(path: Path) -> Iterator[str]:
    """Yields the texts of the file."""
    with path.open(encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)["text"]


def by_ours(path: Path, ngram: int, threshold: float, folder: Path) -> tuple[list[int], dict[str, Any]]:
    """Returns the documents dropped, what took how long, and the document that stays for each."""
    from domain_adapt.corpus.near_duplicates import near_duplicates, signatures
    from domain_adapt.recipes.corpus_tables import DeduplicationSettings

    begin = time.perf_counter()
    texts = list(read(path))
    settings = DeduplicationSettings(near=threshold, ngram=ngram, permutations=PERMUTATIONS)
    np.save(folder / "signatures.npy", signatures(texts, settings))
    middle = time.perf_counter()
    mapped = np.load(folder / "signatures.npy", mmap_mode="r")
    keep = near_duplicates([mapped], np.array([len(text) for text in texts]), threshold)
    end = time.perf_counter()
    parts = {"signatures": middle - begin, "deciding": end - middle, "keep": keep.tolist()}
    return np.flatnonzero(keep != np.arange(len(keep))).tolist(), parts


def by_rensa(path: Path, ngram: int, threshold: float, folder: Path) -> tuple[list[int], dict[str, Any]]:
    """Returns the documents dropped."""
    from rensa import RMinHash, RMinHashLSH

    index = RMinHashLSH(threshold=threshold, num_perm=PERMUTATIONS, num_bands=RENSA_BANDS)
    kept, dropped = {}, []
    for number, text in enumerate(read(path)):
        words = WORD.findall(text.casefold())
        sketch = RMinHash(num_perm=PERMUTATIONS, seed=1)
        sketch.update([" ".join(words[start : start + ngram]) for start in range(max(1, len(words) - ngram + 1))])
        if any(sketch.jaccard(kept[other]) >= threshold for other in index.query(sketch)):
            dropped.append(number)
        else:
            kept[number] = sketch
            index.insert(number, sketch)
    return dropped, {}


def by_datatrove(path: Path, ngram: int, threshold: float, folder: Path) -> tuple[list[int], dict[str, Any]]:
    """Returns the documents dropped."""
    import xxhash
    from datatrove.data import Document
    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline.dedup import minhash
    from datatrove.utils.word_tokenizers import WordTokenizer

    class Words(WordTokenizer):
        def word_tokenize(self, text: str) -> list[str]:
            return WORD.findall(text)

        def sent_tokenize(self, text: str) -> list[str]:
            return [text]

        def span_tokenize(self, text: str) -> list[tuple[int, int]]:
            return [(0, len(text))]

    def reader(data: Any, rank: int, world_size: int) -> Iterator[Any]:
        for number, text in enumerate(read(path)):
            yield Document(text=text, id=str(number))

    stays: set[int] = set()

    def collector(data: Any, rank: int, world_size: int) -> None:
        stays.update(int(document.id) for document in data)

    def xxhash64(gram: str) -> int:
        return xxhash.xxh64_intdigest(gram.encode())

    config = minhash.MinhashConfig(n_grams=ngram, num_buckets=BUCKETS, hashes_per_bucket=HASHES)
    places = [str(folder / name) for name in ("signatures", "buckets", "removed")]
    first = minhash.MinhashDedupSignature(places[0], config=config, language=Words())
    first._hash_func = xxhash64  # its own gives strings to xxhash, which from version 4 takes bytes only
    steps: list[tuple[list[Any], int]] = [
        ([reader, first], 1),
        ([minhash.MinhashDedupBuckets(places[0], places[1], config=config)], BUCKETS),
        ([minhash.MinhashDedupCluster(places[1], places[2], config=config)], 1),
        ([reader, minhash.MinhashDedupFilter(places[2]), collector], 1),
    ]
    for number, (pipeline, tasks) in enumerate(steps):
        LocalPipelineExecutor(pipeline, tasks=tasks, workers=1, logging_dir=str(folder / f"log{number}")).run()
    return sorted(set(range(sum(1 for _ in read(path)))) - stays), {}


def run_side(arguments: argparse.Namespace) -> None:
    """Runs one side and prints what it found as JSON."""
    side = {"ours": by_ours, "rensa": by_rensa, "datatrove": by_datatrove}[arguments.side]
    with common.scratch() as scratch:
        (Path(scratch) / "warm").mkdir()
        warm = Path(scratch) / "warm.jsonl"
        warm.write_text(2 * (json.dumps({"text": "a few words that are here for the imports alone"}) + "\n"))
        side(warm, arguments.ngram, arguments.threshold, Path(scratch) / "warm")
        begin = time.perf_counter()
        dropped, parts = side(arguments.file, arguments.ngram, arguments.threshold, Path(scratch))
        seconds = time.perf_counter() - begin
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6  # kB on Linux
    print(json.dumps({"seconds": seconds, "dropped": dropped, "peak_rss_gb": peak, **parts}))


def show_clusters(path: Path, keep: list[int], limit: int) -> None:
    """Prints the beginnings of the texts of the first clusters, three of each."""
    from domain_adapt.corpus.near_duplicates import clusters

    texts = list(read(path))
    for kept, others in clusters(np.array(keep), limit):
        print(f"\ndocument {kept} stays for {len(others)} others:")
        for number in [kept, *others[:2]]:
            print(f"  {number:>7}  {texts[number][:160]!r}")


def main() -> None:
    """Prints a table of the sides."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("file", type=Path, nargs="?")
    parser.add_argument("--documents", type=int, default=20_000, help="generated where there is no file")
    parser.add_argument("--ngram", type=int, default=5)
    parser.add_argument("--threshold", type=float, default=0.7)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--clusters", type=int, default=0, help="show so many of ours")
    parser.add_argument("--output", type=Path)
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.side:
        return run_side(arguments)
    with common.scratch() as scratch:
        originals: list[int] = []
        if arguments.file is None:
            arguments.file = Path(scratch) / "generated.jsonl"
            originals = generate(arguments.file, arguments.documents)
        found: dict[str, list[dict[str, Any]]] = {side: [] for side in SIDES}
        options = ["--ngram", str(arguments.ngram), "--threshold", str(arguments.threshold)]
        for _ in range(arguments.rounds):
            for side in SIDES:
                answer = common.run_side(Path(__file__).name, str(arguments.file), *options, "--side", side)
                found[side].append(answer)
                print(f"{side}: {answer['seconds']:.1f} s", file=sys.stderr)
        summarise(arguments, found, originals)
        show_clusters(arguments.file, found["ours"][0]["keep"], arguments.clusters)


def summarise(arguments: argparse.Namespace, found: dict[str, list[dict[str, Any]]], originals: list[int]) -> None:
    """Prints the table and writes the figures."""
    from rich.table import Table

    documents = sum(1 for _ in read(arguments.file))
    megabytes = sum(len(text.encode()) for text in read(arguments.file)) / 1e6
    planted = documents - len(originals)
    ours = set(found["ours"][0]["dropped"])
    title = f"{documents:,} documents, {megabytes:.1f} MB of text, {arguments.ngram}-grams, {arguments.threshold}"
    table = Table("side", "seconds", "MB/s", "ours is faster by", "peak RSS, GB", "dropped", "ours too", title=title)
    results: dict[str, Any] = {"documents": documents, "megabytes": megabytes, "sides": {}}
    for side, rounds in found.items():
        seconds = statistics.median(one["seconds"] for one in rounds)
        ratios = [other["seconds"] / mine["seconds"] for mine, other in zip(found["ours"], rounds, strict=True)]
        dropped = set(rounds[0]["dropped"])
        row = {
            "seconds": seconds,
            "megabytes_per_second": megabytes / seconds,
            "ratio": statistics.median(ratios),
            "peak_rss_gb": max(one["peak_rss_gb"] for one in rounds),
            "dropped": len(dropped),
            "dropped_by_ours_too": len(dropped & ours),
        }
        for part in ("signatures", "deciding"):
            if part in rounds[0]:
                row[part] = statistics.median(one[part] for one in rounds)
        if originals:  # a copy, or what it is a copy of, has to go
            gone = [place + planted in dropped or original in dropped for place, original in enumerate(originals)]
            row["planted"], row["planted_found"] = len(gone), sum(gone)
        results["sides"][side] = row
        table.add_row(
            side,
            f"{seconds:.2f}",
            f"{row['megabytes_per_second']:.1f}",
            f"{row['ratio']:.1f} x",
            f"{row['peak_rss_gb']:.2f}",
            f"{len(dropped):,}" + (f", {row['planted_found']:,} of {row['planted']:,} planted" if originals else ""),
            f"{row['dropped_by_ours_too']:,}",
        )
    common.report("near-duplicates", table, results, arguments.output)
    mine = results["sides"]["ours"]
    print(f"ours: {mine['signatures']:.2f} s for reading and signatures, {mine['deciding']:.2f} s for deciding")


if __name__ == "__main__":
    main()
