"""What is planted in a folder of files is found, counted and shown, in this process and in several."""

from __future__ import annotations

import json
import random
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from domain_adapt.corpora import corpus_plan
from domain_adapt.corpus.documents import Documents
from domain_adapt.corpus.preparing import prepare_documents
from domain_adapt.corpus.scale import Executor, SlurmOptions, prepare_at_scale
from domain_adapt.errors import DomainAdaptError
from domain_adapt.recipes import DomainRecipe, Recipe
from domain_adapt.workspace import Workspace

# Sentences of English whose gaps are filled at random: thousands of documents of which no two are alike.
FRAMES = (
    "The {} of the {} was followed for {} weeks by the {} nurse.",
    "In most cases a {} {} is treated with {} before any {} is tried.",
    "Patients who have {} and {} should be asked about {} in the {}.",
    "It is not known why the {} becomes {} when {} is given with {}.",
    "A {} test of the {} shows whether {} has reached the {}.",
)
WORDS = [a + b for a in ("cardio", "neuro", "hepa", "nephro", "dermo", "osteo", "pulmo", "gastro", "myo", "hemo")
         for b in ("vin", "tal", "rex", "lon", "mide", "pathy", "gram", "cyte", "plex", "zol", "stat", "tone")]  # fmt: skip  # noqa: E501
FOREIGN = (
    "Die Patientin wurde wegen starker Schmerzen in der Brust in das Krankenhaus gebracht und dort behandelt.",
    "Le patient a été admis à l'hôpital avec de fortes douleurs et une fièvre qui durait depuis trois jours.",
    "El paciente ingresó en el hospital con dolores muy fuertes y fiebre desde hacía más de tres días.",
    "Il paziente è stato ricoverato in ospedale con forti dolori e febbre che durava da più di tre giorni.",
    "De patiënt werd met hevige pijn en koorts naar het ziekenhuis gebracht en daar een week lang behandeld.",
    "Pacjent został przyjęty do szpitala z silnym bólem i gorączką, która trwała już ponad trzy dni.",
    "Пациент был доставлен в больницу с сильными болями и высокой температурой, которая держалась три дня.",  # noqa: RUF001
    "Patienten kom till sjukhuset med svåra smärtor och hög feber som hade varat i mer än tre dagar.",
    "患者因剧烈疼痛和持续三天的高烧被送往医院,在那里接受了一个星期的治疗。",
    "患者は激しい痛みと三日間続く高熱のために病院に運ばれ、そこで一週間の治療を受けました。",
)
PERSONAL = {
    "email": ["a.jones@clinic.org", "ward7@hospital.co.uk", "m_lee+lab@uni.edu", "info@praxis.de", "x.y@nhs.net"],
    "phone": ["+44 20 7946 0958", "(202) 555-0143", "202-555-0172", "+49 30 901820", "phone 555 0199 22"],
    "ssn": ["536-22-1734", "401-33-9087", "256-18-4410", "212-45-6789"],
    "mrn": ["MRN 00482913", "MRN: 7731905", "medical record number 558120", "patient ID 9930112"],
    "iban": ["DE89 3704 0044 0532 0130 00", "GB82 WEST 1234 5698 7654 32", "FR14 2004 1010 0505 0001 3M02 606",
             "NL91 ABNA 0417 1643 00"],
    "card": ["4111 1111 1111 1111", "5500 0055 5555 5559", "3782 822463 10005", "6011 1111 1111 1117"],
    "ip": ["192.168.12.41", "203.0.113.77", "2001:db8:85a3::8a2e:370:7334", "172.16.254.1"],
}  # fmt: skip


def document(chance: random.Random, sentences: int = 12) -> str:
    return " ".join(
        frame.format(*(chance.choice(WORDS) for _ in range(frame.count("{}"))))
        # A made word in each sentence: else thirteen words in a row are shared by chance.
        + " "
        + "".join(chance.choices("aeioulnrst", k=9)).capitalize()
        for frame in (chance.choice(FRAMES) for _ in range(sentences))
    )


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of text with everything in it that a corpus should not have."""
    chance = random.Random(6)
    root = tmp_path_factory.mktemp("planted")
    texts = root / "texts"
    texts.mkdir()
    clean = [document(chance) for _ in range(400)]
    rows = [{"id": f"clean-{number}", "text": text} for number, text in enumerate(clean)]
    for number in range(50):
        rows.append({"id": f"exact-{number}", "text": clean[number].upper().replace(" ", "  ")})
        words = clean[100 + number].split()
        for place in chance.sample(range(len(words)), len(words) // 10):
            words[place] = chance.choice(WORDS)
        rows.append({"id": f"near-{number}", "text": " ".join(words)})
    passages = [document(chance, 5) for _ in range(20)]
    (root / "test.jsonl").write_text("".join(json.dumps({"context": passage}) + "\n" for passage in passages))
    for number, passage in enumerate(passages):
        rows.append({"id": f"leak-{number}", "text": f"{document(chance, 6)} {passage} {document(chance, 6)}"})
    for kind, values in PERSONAL.items():
        for number, value in enumerate(values):
            text = f"{document(chance, 8)} Please use {value} only. {document(chance, 3)}"
            rows.append({"id": f"{kind}-{number}", "text": text})
    rows += [{"id": f"foreign-{number}", "text": f"{text} {text[:-1]}!"} for number, text in enumerate(FOREIGN)]
    rows.append(
        {"id": "mojibake", "text": document(chance) + " The na\u00c3\u00afve patient\u00e2\u20ac\u2122s fever."}
    )
    rows.append({"id": "nul", "text": document(chance) + " Fever\u0000less."})
    (texts / "rows.jsonl").write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    (texts / "binary.txt").write_bytes(b"a\0b" * 100)
    (texts / "dangling.txt").symlink_to(root / "nowhere")
    (texts / "loop").symlink_to(texts)
    with zipfile.ZipFile(texts / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros.txt", b"\0" * 30_000_000)
    with zipfile.ZipFile(texts / "escape.zip", "w") as archive:
        archive.writestr("../outside.txt", document(chance))
        archive.writestr("inside.txt", document(chance))
    return root


SETTINGS: dict[str, Any] = {
    "scrub": True,
    "filters": {"languages": ["en"]},
    "deduplicate": {"near": 0.5, "ngram": 2},
    "decontaminate": {"against": ["test.jsonl"]},
}


@pytest.fixture(scope="module")
def prepared(planted: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Documents]:
    def run(home: str, **keys: Any) -> Documents:
        recipe = DomainRecipe(name="x", sources=[{"kind": "files", "path": "texts"}], corpus=SETTINGS)
        workspace = Workspace(tmp_path_factory.getbasetemp() / home)
        return prepare_documents(corpus_plan(Recipe(recipe, planted, "quick"), workspace), workspace, **keys)

    return run


def dropped_ids(documents: Documents, reason: str) -> set[str]:
    lines = (documents.folder / "dropped" / f"{reason}.jsonl").read_text().splitlines()
    return {json.loads(line)["id"] for line in lines}


def test_everything_planted_is_found_and_counted(prepared: Callable[..., Documents]) -> None:
    documents = prepared("one")
    statistics = documents.statistics
    assert statistics["dropped"] == {
        "archive bomb": 1,
        "cannot be read": 2,
        "contaminated": 20,
        "duplicate": 50,
        "near duplicate": 50,
        "not text": 1,
        "unsafe path": 1,
    } | {reason: count for reason, count in statistics["dropped"].items() if reason.startswith("language")}
    assert sum(count for reason, count in statistics["dropped"].items() if reason.startswith("language")) == 10
    assert statistics["scrubbed"] == {kind: len(values) for kind, values in PERSONAL.items()}
    assert dropped_ids(documents, "duplicate") == {f"exact-{number}" for number in range(50)}
    assert dropped_ids(documents, "contaminated") == {f"leak-{number}" for number in range(20)}
    pairs = {tuple(sorted(json.loads(line)["dropped"] + [json.loads(line)["kept"]]))
             for line in (documents.folder / "clusters.jsonl").read_text().splitlines()}  # fmt: skip
    assert pairs == {(f"clean-{100 + number}", f"near-{number}") for number in range(50)}
    kept = {identifier for batch in documents.batches() for identifier in batch.column("id").to_pylist()}
    assert "escape.zip/inside.txt" in kept and len(kept) == statistics["documents"] == 400 + 30 + 3
    joined = " ".join(documents.texts())
    assert "naïve patient’s fever" in joined and "Feverless" in joined  # noqa: RUF001
    assert not any(value in joined for values in PERSONAL.values() for value in values)


def test_the_documents_open_as_a_data_set(prepared: Callable[..., Documents]) -> None:
    import datasets

    documents = prepared("one")
    opened = datasets.load_from_disk(str(documents.folder / "documents"))
    assert opened.column_names == ["id", "text", "source"] and list(opened["text"]) == list(documents.texts())


def test_several_processes_give_the_same_documents(
    prepared: Callable[..., Documents], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("domain_adapt.corpus.workers._WORTHWHILE_BYTES", 0)
    monkeypatch.setattr("domain_adapt.corpus.sources.file_parts.RANGE_BYTES", 100_000)
    monkeypatch.setattr("domain_adapt.corpus.sources.file_parts._CHUNK", 50_000)
    seen: list[int] = []
    many = prepared("many", processes=2, on_progress=lambda progress: seen.append(progress.parts_done))
    one = prepared("one")
    assert len(seen) > 7, "the large file is read in several parts"
    assert {**many.statistics, "sources": 0} == {**one.statistics, "sources": 0}
    assert list(many.texts()) == list(one.texts())


@pytest.mark.parametrize("executor", ["local", pytest.param("ray", marks=pytest.mark.many_processes)])
def test_an_executor_gives_the_same_documents(
    planted: Path,
    prepared: Callable[..., Documents],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    executor: Executor,
) -> None:
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    recipe = DomainRecipe(name="x", sources=[{"kind": "files", "path": "texts"}], corpus=SETTINGS)
    workspace = Workspace(tmp_path)
    plan = corpus_plan(Recipe(recipe, planted, "quick"), workspace)
    found, one = prepare_at_scale(plan, workspace, executor=executor, tasks=2), prepared("one")
    assert found is not None and found.folder.name == one.folder.name
    assert found.statistics == one.statistics
    assert ids(found) == ids(one)
    assert prepare_at_scale(plan, workspace, executor=executor, tasks=2) == found


def ids(documents: Documents) -> list[str]:
    return [identifier for batch in documents.batches() for identifier in batch.column("id").to_pylist()]


def test_slurm_needs_a_partition_and_sbatch(planted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = DomainRecipe(name="x", sources=[{"kind": "files", "path": "texts"}], corpus=SETTINGS)
    plan = corpus_plan(Recipe(recipe, planted, "quick"), Workspace(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DomainAdaptError, match="expected --slurm-partition"):
        prepare_at_scale(plan, Workspace(tmp_path), executor="slurm", tasks=2)
    with pytest.raises(DomainAdaptError, match="there is no sbatch here"):
        prepare_at_scale(plan, Workspace(tmp_path), executor="slurm", tasks=2, slurm=SlurmOptions("short"))
