"""A comparison of starting points as one HTML page: verdicts, plots, tables, examples, how to do it again."""

from __future__ import annotations

from collections.abc import Iterable

from domain_adapt.report import comparison_facts as facts
from domain_adapt.report import comparison_making as making
from domain_adapt.report.comparison import Comparison, Contrast, Score
from domain_adapt.report.comparison_examples import example_parts
from domain_adapt.report.comparison_plots import (
    Ability,
    Numbers,
    ability_plot,
    difference_plot,
    learning_plot,
    loss_plot,
    score_plot,
)
from domain_adapt.report.page_parts import cards, code, details, page, paragraph, table, text
from domain_adapt.report.svg import plain, shorten

_SENTENCES = 12  # verdicts that are read one by one; more of them are opened task by task below the table


def render_page(comparison: Comparison) -> str:
    """Returns the page; nothing in it is loaded from elsewhere, and the same comparison gives the same page."""
    numbers = colour_numbers(comparison)
    sections = [
        ("Verdict", "verdict", _verdict(comparison)),
        ("What was compared", "systems", _systems(comparison)),
        ("Scores", "scores", _scores(comparison, numbers)),
        ("Learning curves", "learning", _learning(comparison, numbers)),
        ("Loss of stage 1", "loss", _losses(comparison, numbers)),
        ("What was forgotten", "forgetting", _forgetting(comparison, numbers)),
        ("Examples won and lost", "examples", example_parts(comparison)),
        ("Text", "text", _corpora(comparison)),
        ("Recipes", "recipes", "".join(details(name, _block(toml)) for name, toml in making.recipes(comparison))),
        ("Do it again", "again", _again(comparison)),
    ]
    shown = [section for section in sections if section[2]]
    return page(facts.title(comparison), shown, lead=_lead(comparison), footer=_footer(comparison))


def colour_numbers(comparison: Comparison) -> dict[str, int]:
    """Returns a number for each system: 0 for the reference, then 1, 2, ... in their order."""
    others = [system.label for system in comparison.systems if system.label != comparison.reference]
    return {comparison.reference: 0} | {label: number for number, label in enumerate(others, start=1)}


def _lead(comparison: Comparison) -> str:
    seeds = len(comparison.seeds)
    figures = [
        (f"{len(comparison.systems):,}", "start" if len(comparison.systems) == 1 else "starts"),
        (f"{len(comparison.tasks):,}", "task" if len(comparison.tasks) == 1 else "tasks"),
        (f"{seeds:,}", "seed of fine-tuning" if seeds == 1 else "seeds of fine-tuning"),
        (comparison.domain or "none named", "domain of the labelled data"),
        (_duration(comparison.seconds), "of training and scoring"),
    ]
    return cards(figures)


def _footer(comparison: Comparison) -> str:
    return f"Compared {text(comparison.created)} (UTC) by domain-adapt. This page loads nothing from elsewhere."


def _verdict(comparison: Comparison) -> str:
    if not comparison.contrasts:
        return paragraph(f"Only {comparison.reference} was measured: there is nothing to compare it with.")
    pieces = [
        f'<p class="headline {_kind(outcome)}"><span aria-hidden="true">{facts.SIGNS[outcome]}</span> '
        f"<b>{text(label)}</b> {text(sentence)}.</p>"
        for label, outcome, sentence in facts.headline(comparison)
    ]
    pieces.append(paragraph(facts.HOW, soft=True))
    heads, rows = facts.overview(comparison)
    if len(rows) > 1:
        pieces.append(_coloured(table(heads, rows, label="differences by task and start")))
    is_long = sum(len(_verdicts(comparison, task)) for task in comparison.tasks) > _SENTENCES
    for task in comparison.tasks:
        found = _verdicts(comparison, task)
        if found:
            boxes = f'<div class="verdicts">{"".join(_sentence(comparison, one) for one in found)}</div>'
            pieces.append(details(task, boxes) if is_long else f"<h3>{text(task)}</h3>{boxes}")
    return "".join(pieces)


def _verdicts(comparison: Comparison, task: str) -> list[Contrast]:
    return [one for evaluation in facts.EVALUATIONS for one in facts.contrasts_of(comparison, task, evaluation)]


def _sentence(comparison: Comparison, one: Contrast) -> str:
    where = " on general examples" if one.evaluation == "general" else ""
    return (
        f'<div class="verdict {_kind(one.outcome)}"><p class="what"><b>{text(one.system)}</b>{where} '
        f'<span class="badge">{facts.SIGNS[one.outcome]} {text(one.outcome)}</span></p>'
        f"<p>{text(one.verdict[:1].upper() + one.verdict[1:])}.</p>"
        f"{paragraph(facts.mean_of(comparison, one), soft=True)}</div>"
    )


def _coloured(cells: str) -> str:
    """Returns a table whose cells that begin with the sign of an outcome have its colour."""
    for outcome, sign in facts.SIGNS.items():
        cells = cells.replace(f"<td>{sign}", f'<td class="{_kind(outcome)}">{sign}')
    return cells


def _kind(outcome: str) -> str:
    return outcome if outcome in ("helps", "hurts") else "same"


def _systems(comparison: Comparison) -> str:
    pieces = [
        paragraph(f"The others are compared with {comparison.reference}."),
        table(*making.system_table(comparison), label="starts"),
        details("Whole hashes", table(*making.hash_table(comparison), label="hashes")),
    ]
    heads, rows = making.setting_table(comparison)
    if rows:
        pieces.append("<h3>Settings that matter</h3>")
        pieces.append(paragraph("Of stage 1; what no checkpoint uses is left out. The whole recipes stand below."))
        pieces.append(table(heads, rows, label="settings of stage 1"))
    return "".join(pieces)


def _scores(comparison: Comparison, numbers: Numbers) -> str:
    pieces = [
        paragraph(
            "A bar is the mean over the seeds, a ring one seed, the thin line the 95 % interval of the mean over "
            "seeds. The differences beside are paired by example and seed, and their intervals hold the luck of both: "
            "they decide, not whether the lines of two bars overlap."
        )
    ]
    for place, task in enumerate(comparison.tasks):
        for evaluation in facts.EVALUATIONS:
            scores = _drawn(facts.scores_of(comparison, task, evaluation), numbers)
            if not scores:
                continue
            heading, metric = facts.evaluation_name(task, evaluation), facts.metric_of(comparison, task)
            labels = f"{scores[0].labels:,} labels"
            panels = [
                _figure(
                    score_plot(f"score-{evaluation}-{place}", scores, numbers, f"{metric}, {labels}"),
                    "Means, seeds and intervals over the seeds",
                )
            ]
            contrasts = [one for one in facts.contrasts_of(comparison, task, evaluation) if one.system in numbers]
            if contrasts:
                label = f"{metric}, points more than {comparison.reference}"
                panels.append(
                    _figure(
                        difference_plot(f"difference-{evaluation}-{place}", contrasts, numbers, _short(label)),
                        "Difference and its 95 % interval; left of the line is worse",
                    )
                )
            pieces.append(f"<h3>{text(heading)}</h3>{_panels(panels)}")
            pieces.append(
                _coloured(table(*facts.score_table(comparison, task, evaluation), label=f"scores, {heading}"))
            )
    return "".join(pieces)


def _drawn(scores: Iterable[Score], numbers: Numbers) -> list[Score]:
    return [score for score in scores if score.values and score.system in numbers]


def _learning(comparison: Comparison, numbers: Numbers) -> str:
    panels = []
    for place, task in enumerate(comparison.tasks):
        for evaluation in facts.EVALUATIONS:
            if len(facts.label_counts(comparison, task, evaluation)) > 1:
                found = [one for one in comparison.scores if (one.task, one.evaluation) == (task, evaluation)]
                plot = learning_plot(
                    f"learning-{evaluation}-{place}",
                    _drawn(found, numbers),
                    numbers,
                    facts.metric_of(comparison, task),
                )
                panels.append(_figure(plot, facts.evaluation_name(task, evaluation)))
    if not panels:
        return ""
    note = (
        "Lines are means over the seeds, bands one standard deviation on each side; the axis of labels is logarithmic."
    )
    return paragraph(note) + _panels(panels)


def _losses(comparison: Comparison, numbers: Numbers) -> str:
    curves = {system.label: system.curve for system in comparison.systems if len(system.curve) > 1}
    if not curves:
        return ""
    note = "Losses of different tokenizers, and those of an LM head that began untrained, do not compare."
    return paragraph(note) + _panels([_figure(loss_plot("loss", curves, numbers), "Masked-LM loss while adapting")])


def _forgetting(comparison: Comparison, numbers: Numbers) -> str:
    panels: list[str] = []
    for place, task in enumerate(comparison.tasks):
        metric = facts.metric_of(comparison, task)
        domain = {one.system: one.mean for one in facts.scores_of(comparison, task, "task")}
        general = {one.system: one.mean for one in facts.scores_of(comparison, task, "general")}
        losses = {one.label: one.general_loss for one in comparison.systems if one.general_loss is not None}
        for kind, values, label, where in (
            ("loss", losses, "general masked-LM loss, nats", "further down"),
            ("metric", general, f"{metric} on general examples", "further up"),
        ):
            points = [Ability(one, domain[one], values[one]) for one in numbers if one in domain and one in values]
            if len(points) > 1:
                labels = (_short(f"{metric} on {task}"), label)
                plot = ability_plot(f"ability-{kind}-{place}", points, comparison.reference, numbers, labels)
                panels.append(_figure(plot, f"{task}: more learnt to the right, less forgotten {where}"))
    unknown = [one.label for one in comparison.systems if one.general_loss is None]
    pieces = [
        paragraph(
            "The masked-LM loss on general English, in nats a token, and scores on labelled data of no domain say what "
            "learning the domain has cost."
        ),
        _panels(panels),
        table(*facts.ability_table(comparison), label="general and domain ability"),
    ]
    if unknown:
        note = f"No masked-LM loss on general English is known of {', '.join(unknown)}: a loss needs a trained LM head."
        pieces.append(paragraph(note, soft=True))
    return "".join(pieces)


def _corpora(comparison: Comparison) -> str:
    pieces = []
    for found in making.corpora(comparison):
        pieces.append(f"<h3>{text(', '.join(found.labels))}</h3>")
        for cells, label in ((found.sources, "sources"), (found.figures, "size"), (found.dropped, "dropped documents")):
            if cells[1]:
                pieces.append(table(*cells, label=label))
    return "".join(pieces)


def _again(comparison: Comparison) -> str:
    commands = "\n".join(making.commands(comparison))
    seeds = ", ".join(map(str, comparison.seeds))
    return (
        paragraph("What is finished is kept and not trained again.")
        + _block(commands)
        + f"<p>Seeds of fine-tuning: {code(seeds)}</p>"
        + details("Versions", table(*making.version_table(comparison), label="versions"))
    )


def _block(value: str) -> str:
    return f'<pre class="text" tabindex="0">{text(value)}</pre>'


def _figure(plot: str, caption: str) -> str:
    return f"<figure>{plot}<figcaption>{text(caption)}</figcaption></figure>"


def _panels(panels: list[str]) -> str:
    return f'<div class="panels">{"".join(panels)}</div>' if panels else ""


def _short(label: str, length: int = 48) -> str:
    """Returns an axis label that fits below a panel."""
    return plain(shorten(label, length))


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    if minutes < 1:
        return f"{seconds:.0f} s"
    return f"{minutes // 60:,} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"
