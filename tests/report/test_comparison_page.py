import os
import re
import subprocess
import sys
from dataclasses import replace
from html import unescape

import pytest

from domain_adapt.report.comparison_examples import AROUND, passage
from domain_adapt.report.comparison_page import render_page
from domain_adapt.report.page_parts import table, text
from domain_adapt.report.page_style import STYLE

EVIL = '<script>alert("x")</script><img src=http://e.example/x onerror=a()>\'"&amp; $a$ #010101 style="fill: #020202"'


@pytest.fixture(scope="module")
def page(comparison_of):
    return render_page(comparison_of())


def hostile(comparison):
    """Returns it with markup in every text that a user, a corpus or a model may give."""
    systems = [
        replace(system, label=EVIL + system.label, name=EVIL, manifest=_poisoned(system.manifest))
        for system in comparison.systems
    ]
    renamed = {"system": lambda one: EVIL + one.system, "task": lambda one: EVIL + one.task}

    def change(one, **fields):
        return replace(one, **{key: value(one) for key, value in renamed.items()}, **fields)

    return replace(
        comparison,
        tasks=[EVIL + task for task in comparison.tasks],
        reference=EVIL + comparison.reference,
        domain=EVIL,
        systems=systems,
        scores=[change(one) for one in comparison.scores],
        contrasts=[change(one, reference=EVIL + one.reference, verdict=EVIL) for one in comparison.contrasts],
        changes=[
            change(
                one, text=EVIL, context=f"{EVIL} {one.right} {EVIL}", reference_answer=EVIL, system_answer=EVIL, id=EVIL
            )
            for one in comparison.changes
        ],
        recipes={EVIL + task: {EVIL: EVIL, "type": "question-answering"} for task in comparison.tasks},
        command=EVIL,
        created=EVIL,
    )


def _poisoned(value):
    if isinstance(value, dict):
        return {key: _poisoned(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_poisoned(one) for one in value]
    return EVIL if isinstance(value, str) else value


def test_the_page_is_whole_and_loads_nothing(page, read_page):
    reader = read_page(page)
    plots = reader.tags.count("svg")
    assert plots == reader.values("role").count("img") == reader.tags.count("figcaption")
    assert plots == 4 * 2 + 4 + 1 + 4  # scores and differences, learning curves, losses, what was forgotten
    assert page.count("aria-label=") >= plots and "Bars of F1, 632 labels: base 39.8" in page
    assert "prefers-color-scheme: dark" in page and "#0202" not in page and "metadata" not in page


def test_text_of_users_never_is_markup(comparison_of, read_page):
    comparison = hostile(comparison_of(("base", "other"), ("qa",), (50, 632), changes=1))
    page = render_page(comparison)
    reader = read_page(page)
    assert "<script" not in page and "<img" not in page
    assert EVIL in reader.text.replace("\n", " ")
    # What looks like a stand-in for a colour stays as it is where it is text.
    assert 'style="fill: #020202"' in reader.text and "var(--accent)&quot;" not in page


def test_what_html_does_not_allow_is_replaced():
    assert text("a\x00\x1b\ud800\x85b\r\n\tc") == "a\ufffd\ufffd\ufffd\ufffdb\n\tc"
    assert text("καρδιά 心臓 🫀") == "καρδιά 心臓 🫀"


def test_verdicts_are_said_in_words_with_their_intervals(page, comparison_of):
    comparison = comparison_of()
    shown = unescape(re.sub(r"<[^>]+>", "", page))
    first = next(one for one in comparison.contrasts if (one.system, one.task, one.labels) == ("medical@v1", "qa", 632))
    assert first.outcome == "helps"
    interval = f"95 % interval {first.low:+.1f} to {first.high:+.1f}"
    assert f"medical@v1 helps on qa ({first.difference:+.1f} F1, {interval}); shows no difference on terms (" in shown
    assert f"Helps: {first.difference:+.1f} f1, {interval}." in shown
    assert "medical@v2 hurts on qa (" in shown
    assert "No difference that 312 examples and 5 seeds can show" in shown
    means = {
        one.system: one.mean
        for one in comparison.scores
        if (one.task, one.labels) == ("qa", 632) and one.evaluation == "task"
    }
    assert (
        f"F1 {means['medical@v1']:.1f} instead of {means['base']:.1f}; 312 test examples, 5 seeds, 632 labels" in shown
    )


def test_all_sections_are_there(page):
    for heading in (
        *("Verdict", "What was compared", "Scores", "Learning curves", "Loss of stage 1", "What was forgotten"),
        *("Examples won and lost", "Text", "Recipes", "Do it again"),
    ):
        assert f"<h2>{heading}</h2>" in page
    assert "medical@v1, medical@v2</h3>" in page  # one corpus, two checkpoints
    for part in ("Human Phenotype Ontology 2025-01-16", "CC0-1.0", "890,182", "too short", "1.20%", "01" * 32):
        assert part in page, part
    assert "learning_rate = 0.0002" in page and "domain-adapt compare qa terms --from" in page
    assert "<mark>a mid-systolic click</mark>" in page and "no answer" in page
    assert "No masked-LM loss on general English is known of base" in page


def test_one_system_alone(comparison_of, read_page):
    page = render_page(comparison_of(("base",), ("qa",), (632,), general=False))
    reader = read_page(page)
    assert "nothing to compare it with" in page and "How well does base do?" in page
    assert reader.tags.count("svg") == 1  # its scores
    for heading in ("Learning curves", "Loss of stage 1", "Text"):
        assert f"<h2>{heading}</h2>" not in page


def test_without_manifests_seeds_and_changes(comparison_of, read_page):
    comparison = comparison_of(("base", "a/b"), ("qa",), (632,), seeds=1, general=False, manifests=False, changes=0)
    page = render_page(replace(comparison, domain=None, recipes={}, seconds=12.0))
    read_page(page)
    assert "one seed" in page and "none was recorded" in page and "none named" in page and ">12 s<" in page
    assert "<h2>Recipes</h2>" not in page and "<h2>Text</h2>" not in page


def test_nothing_at_all(comparison_of, read_page):
    comparison = replace(comparison_of(("base",), (), ()), systems=[], scores=[], seeds=[])
    assert "<h2>Verdict</h2>" in render_page(comparison) and read_page(render_page(comparison))


def test_ten_systems_and_many_tasks(comparison_of, read_page):
    labels = ["base", *(f"organisation/a-rather-long-name-of-a-model-{number}" for number in range(9))]
    page = render_page(comparison_of(labels, ("qa", "terms"), (632,), seeds=2, general=False, changes=0))
    read_page(page)
    assert all(f"fill: var(--series{number})" in page for number in range(10))
    assert "organisation/a-rather-long-name-of-a-model-8" in page
    assert "<summary>terms</summary>" in page  # 18 verdicts are not read one by one


SMALL = {"labels": ("base", "a"), "tasks": ("qa",), "counts": (632,), "seeds": 2, "general": False}
IN_ANOTHER_PROCESS = """
import importlib.util, sys
from domain_adapt.report.comparison_page import render_page
spec = importlib.util.spec_from_file_location("builder", sys.argv[1])
builder = importlib.util.module_from_spec(spec)
spec.loader.exec_module(builder)
sys.stdout.buffer.write(render_page(builder.build_comparison(**eval(sys.argv[2]))).encode())
"""


def test_the_same_comparison_gives_the_same_bytes(comparison_of):
    command = [sys.executable, "-c", IN_ANOTHER_PROCESS, comparison_of.__code__.co_filename, repr(SMALL)]
    other = subprocess.run(command, env=os.environ | {"PYTHONHASHSEED": "7"}, capture_output=True, check=True)
    assert render_page(comparison_of(**SMALL)).encode() == other.stdout


def test_the_passage_around_the_right_answer(comparison_of):
    comparison = comparison_of(changes=1)
    change = replace(comparison.changes[0], context="x" * 999 + "the answer" + "y" * 999, right="the answer")
    assert passage(comparison, change) == ("…" + "x" * AROUND, "the answer", "y" * AROUND + "…")
    assert passage(comparison, replace(change, right="not there")) == ("x" * 2 * AROUND + "…", "", "")
    assert passage(comparison, replace(change, right="", context="c")) == ("c", "", "")
    labelled = replace(comparison, recipes={change.task: {"type": "text-classification"}})
    assert passage(labelled, replace(change, context="a positive text", right="positive")) == (
        "a positive text",
        "",
        "",
    )


def test_long_answers_are_cut(comparison_of):
    comparison = comparison_of(("base", "a"), ("qa",), (632,), general=False, changes=1)
    long = [replace(one, text="q" * 9_999, system_answer="心" * 9_999, context="") for one in comparison.changes]
    page = render_page(replace(comparison, changes=long))
    assert max(map(len, re.findall("心+", page))) == 600 and max(map(len, re.findall("q+", page))) == 600


def test_a_head_may_begin_with_a_hash():
    assert "<th scope=col class=number>#1</th>" in table(["##1"], [["x"]])


def luminance(colour):
    """WCAG 2.1, relative luminance."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(first, second):
    low, high = sorted([luminance(first), luminance(second)])
    return (high + 0.05) / (low + 0.05)


def test_text_and_lines_can_be_read_in_both_themes():
    light, dark = (
        dict(re.findall(r"--([a-z0-9]+): (#[0-9a-f]{6})", part))
        for part in STYLE.split("@media (prefers-color-scheme")[:2]
    )
    assert light.keys() == dark.keys() and len(light) == 20
    for theme in (light, dark):
        for ground in ("paper", "card", "mark"):
            for name in ("ink", "soft", "accent", "helps", "hurts", *(f"series{number}" for number in range(10))):
                assert contrast(theme[ground], theme[name]) >= 4.5, (ground, name)
        assert contrast(theme["found"], theme["ink"]) >= 4.5
