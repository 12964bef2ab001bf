"""A corpus as one HTML page: tables, plots, and examples of what was kept, dropped and merged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from domain_adapt.report.corpus_plots import bar_plot, length_plot
from domain_adapt.report.corpus_tables import length_range, tokens_heading
from domain_adapt.report.page_parts import cards, code, details, long_text, page, table

_SHOWN = 1_500  # characters of a document: enough to judge it by

Row = Mapping[str, Any]


def corpus_page(
    profile: Mapping[str, Any],
    *,
    samples: Sequence[Sequence[Row]],
    dropped: Mapping[str, Sequence[Row]],
    clusters: Sequence[Row],
) -> str:
    """Returns the page; nothing in it is loaded from elsewhere, and every text in it is escaped.

    Args:
        profile: ``CorpusProfile.as_json()`` with ``domain``, ``base`` and ``folder``.
        samples: Documents (id, source, text) of each source.
        dropped: Reason -> documents (id, source, detail, text).
        clusters: Near duplicates: ``kept`` (id), ``dropped`` (ids), ``texts``.
    """
    sections = [
        ("Size", "size", _size(profile)),
        ("Length", "length", _lengths(profile)),
        ("Dropped", "dropped", _dropped(profile, dropped)),
        ("Near duplicates", "duplicates", _clusters(clusters)),
        ("Nearness", "nearness", _nearness(profile)),
        ("Typical words", "words", _terms(profile)),
        ("Documents", "documents", _samples(profile, samples)),
    ]
    footer = (
        f"Prepared documents: {code(profile['folder'])}. Tokens are those of the base {code(profile['base'])}. "
        f"{_sample_note(profile)}"
    )
    return page(f"Corpus {profile['domain']}", sections, lead=_cards(profile), footer=footer)


def _sample_note(profile: Mapping[str, Any]) -> str:
    if not profile["is_estimated"]:
        return "Everything was counted."
    return (
        "Tokens, lengths and subwords a word are estimated from an even sample of "
        f"{profile['sampled_characters']:,} characters; the rest was counted."
    )


def _cards(profile: Mapping[str, Any]) -> str:
    figures = [
        (f"{profile['documents']:,}", "documents"),
        (f"{profile['characters'] / 1e6:,.2f} M", "characters"),
        (f"{profile['words']:,}", "words"),
        (f"{profile['tokens']:,}", tokens_heading(profile)),
        (f"{profile['fertility']:.3f}", "subwords a word"),
        (f"{profile['overlaps'][0]['share']:.1%}", "frequent words in common with general English"),
    ]
    return cards(figures)


def _size(profile: Mapping[str, Any]) -> str:
    heads = ["source", "#documents", "#characters", "#words", f"#{tokens_heading(profile)}", "licence"]
    names = ("documents", "characters", "words", "tokens")
    rows = [[entry["name"], *(f"{entry[name]:,}" for name in names), entry["licence"]] for entry in profile["sources"]]
    total = ["all", *(f"{profile[name]:,}" for name in names), ""]
    return table(heads, rows, total if len(rows) > 1 else None)


def _lengths(profile: Mapping[str, Any]) -> str:
    if not profile["lengths"]:
        return "<p>There are no documents.</p>"
    rows = [[length_range(entry), f"{entry['documents']:,}"] for entry in profile["lengths"]]
    plot = f"<figure>{length_plot(profile)}</figure>"
    return plot + details("The same as a table", table(["#tokens in a document", "#documents"], rows))


def _dropped(profile: Mapping[str, Any], dropped: Mapping[str, Sequence[Row]]) -> str:
    read, counts = profile["documents_read"], profile["dropped"]
    pieces = [f"<p>Of {read:,} documents read, {profile['documents']:,} stayed.</p>"]
    if counts:
        bars = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        pieces.append(f"<figure>{bar_plot('dropped', bars, 'documents dropped')}</figure>")
        rows = [[reason, f"{count:,}", f"{count / max(1, read):.2%}"] for reason, count in bars]
        pieces.append(table(["reason", "#documents", "#of those read"], rows))
    if profile["scrubbed"]:
        pieces.append("<h3>Replaced in the text</h3>")
        rows = [[kind, f"{count:,}"] for kind, count in profile["scrubbed"].items()]
        pieces.append(table(["kind", "#replacements"], rows))
    for reason, documents in dropped.items():
        pieces.append(f"<h3>{escape(reason)}: examples</h3>")
        pieces += [_document(row, row.get("detail", "")) for row in documents]
    return "".join(pieces)


def _clusters(clusters: Sequence[Row]) -> str:
    if not clusters:
        return "<p>No near duplicates were merged; <code>corpus.deduplicate.near</code> of the recipe decides that.</p>"
    pieces = ["<p>Of each group the first document stayed; the others were dropped.</p>"]
    for cluster in clusters:
        identifiers = [cluster["kept"], *cluster["dropped"]]
        texts = "".join(
            f'<p class="soft">{"kept" if number == 0 else "dropped"}: <code>{escape(str(identifier))}</code></p>'
            f"{long_text(text, _SHOWN)}"
            for number, (identifier, text) in enumerate(zip(identifiers, cluster["texts"], strict=False))
        )
        pieces.append(details(f"{cluster['kept']}: {len(identifiers):,} documents", texts))
    return "".join(pieces)


def _nearness(profile: Mapping[str, Any]) -> str:
    overlaps = profile["overlaps"]
    bars = [(_named(entry), entry["share"]) for entry in overlaps]
    rows = [[_named(entry), f"{entry['share']:.1%}", f"{entry['words']:,}"] for entry in overlaps]
    general = profile["general_fertility"]
    compared = "" if general is None else f"; entries of a general dictionary, {general:.3f}"
    return (
        "<p>The share that the most frequent words of this corpus, without stop words, have in common with those of "
        "general English and of each task&#8217;s text (Gururangan et al. 2020, figure 2: in common with the text that "
        "RoBERTa was trained on, news have 54&nbsp;%, reviews 35&nbsp;%, biomedical papers 27&nbsp;%, computer science "
        "papers 19&nbsp;%).</p>"
        f"<figure>{bar_plot('overlap', bars, 'most frequent words in common', percent=True)}</figure>"
        + table(["text", "#in common", "#of so many words each"], rows)
        + f"<h3>Subwords a word</h3><p>The base splits a word of this corpus into {profile['fertility']:.3f} subwords"
        f"{compared}. Punctuation marks count as words (Rust et al. 2021).</p>"
    )


def _named(entry: Row) -> str:
    return str(entry["name"]) if entry["name"] == "general English" else f"task {entry['name']}"


def _terms(profile: Mapping[str, Any]) -> str:
    heads = ["word", "#z-score", "#occurrences", "#per million words", "#in general English"]
    rows = [
        [
            term["word"],
            f"{term['score']:,.1f}",
            f"{term['count']:,}",
            f"{term['per_million']:,.1f}",
            f"{term['general_per_million']:,.2f}",
        ]
        for term in profile["terms"]
    ]
    return (
        "<p>Words that are more frequent here than in general English, by the z-score of their log-odds ratio "
        "(Monroe et al. 2008).</p>" + table(heads, rows)
    )


def _samples(profile: Mapping[str, Any], samples: Sequence[Sequence[Row]]) -> str:
    pieces = ["<p>Some documents of each source, evenly spread, as they will be trained on.</p>"]
    for entry, documents in zip(profile["sources"], samples, strict=True):
        pieces.append(f"<h3>{escape(entry['name'])}</h3>")
        pieces += [_document(row, "", is_open=number == 0) for number, row in enumerate(documents)]
    return "".join(pieces)


def _document(row: Row, detail: str, *, is_open: bool = False) -> str:
    heading = f"{row['id']} ({row['source']})" + (f": {detail}" if detail else "")
    return details(heading, long_text(row.get("text") or "", _SHOWN), is_open=is_open)
