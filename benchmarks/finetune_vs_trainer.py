"""Stage 2 here against ``transformers.Trainer``: questions a second in training and in scoring, and the F1 of both.

Question answering with the base ``mini``; by default on the medical questions that ship with the project. Same starting
weights, same head, batch, learning rate, epochs and AdamW settings; the sides alternate, each in a process of its own.
Trainer is set up as the common question-answering script does it: windows padded to 384 tokens that share 128, fp32,
the model's own dropout, answers found by loops over the 20 best starts and ends. Ours is what ``domain-adapt finetune
qa`` does; the F1 of both models is measured by its metric. A side's speed is that of its steps, the first ones left
out; ours are weighed by their tokens, as its rows have no fixed length.

    python benchmarks/finetune_vs_trainer.py
    python benchmarks/finetune_vs_trainer.py --train my-train.jsonl --test my-dev.jsonl
    python benchmarks/finetune_vs_trainer.py --freeze 4     # also ours with the lowest four of six layers frozen
    python benchmarks/finetune_vs_trainer.py --epochs 4 --rounds 1     # also the F1 after equal epochs
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import time
from pathlib import Path
from typing import Any

import common

BATCH, LEARNING_RATE, WARMUP = 8, 2e-4, 0.1
PADDED, PADDED_STRIDE = 384, 128
WARM_STEPS = 2  # the first steps allocate memory and are not counted
FROZEN = "frozen"  # our side with the embeddings and the lowest layers frozen
MOST_SCORED = 128  # questions; scoring is timed on so many where no F1 is wanted


def load(paths: list[str]) -> Any:
    """Returns the examples of some files."""
    from domain_adapt.recipes import load_task
    from domain_adapt.tasks import task_type
    from domain_adapt.workspace import Workspace

    recipe = load_task("qa", workspace=Workspace(common.HERE.parent)).values
    kind = task_type("question-answering")
    return kind, recipe, kind.load([Path(path) for path in paths], recipe).examples


def start_model(folder: Path) -> Any:
    """Returns ``mini`` with the same new head on every side."""
    from domain_adapt.bases import load_question_answering

    return load_question_answering(folder, seed=0)


def ours(arguments: argparse.Namespace, examples: list[Any], kind: Any, recipe: Any) -> tuple[Any, float]:
    """Trains with our loop and returns the model and questions a second."""
    from domain_adapt.training.memory import tune_allocator
    from domain_adapt.training.runtime import detect

    tune_allocator()
    from domain_adapt.bases import load_tokenizer
    from domain_adapt.recipes import Budget, Freeze, RuntimeSettings
    from domain_adapt.training.freezing import freeze, parameter_groups, set_dropout
    from domain_adapt.training.loop import TrainingLoop
    from domain_adapt.training.plan import make_plan

    model = start_model(arguments.base)
    tokenizer = load_tokenizer(arguments.base)
    settings = recipe.finetune.model_copy(
        update={"batch_size": BATCH, "learning_rate": LEARNING_RATE, "warmup_ratio": WARMUP}
    )
    features = kind.featurise(examples, tokenizer, recipe.question_answering)
    objective = kind.objective(features, tokenizer.pad_token_id, settings)
    set_dropout(model, settings.dropout)
    if arguments.side == FROZEN:
        freeze(model, Freeze(embeddings=True, layers=arguments.freeze), "finetune")
    runs = RuntimeSettings(save_seconds=1e9)
    moments: list[tuple[float, int]] = []

    class Timed:
        weights, batch = objective.weights, objective.batch

        def loss(self, model: Any, inputs: Any) -> Any:
            moments.append((time.perf_counter(), int(inputs["attention_mask"].sum())))
            return objective.loss(model, inputs)

    epochs = arguments.epochs or arguments.steps * BATCH / len(features)
    TrainingLoop(
        model,
        Timed(),
        make_plan(objective.lengths, settings, budget=Budget(epochs=epochs), seed=0, group_by_length=True),
        settings,
        groups=parameter_groups(model, learning_rate=LEARNING_RATE, weight_decay=settings.weight_decay),
        run_folder=arguments.folder,
        runtime=detect(runs),
        runtime_settings=runs,
        micro_batch_rows=BATCH,
        label="ours",
    ).run()
    timed = moments[WARM_STEPS:]
    tokens = sum(count for _, count in timed[:-1])
    per_question = int(objective.lengths.sum()) / len(examples)
    return model, tokens / (timed[-1][0] - timed[0][0]) / per_question


def windows(examples: list[Any], tokenizer: Any) -> tuple[list[dict[str, Any]], Any]:
    """Returns padded rows as Trainer takes them, and the windows that they were made of."""
    import numpy as np

    from domain_adapt.recipes import QuestionAnsweringSettings
    from domain_adapt.tasks.question_answering.windows import featurise

    features = featurise(examples, tokenizer, QuestionAnsweringSettings(max_length=PADDED, stride=PADDED_STRIDE))
    rows = []
    for number in range(len(features)):
        inputs = features.inputs(np.array([number]), tokenizer.pad_token_id)
        row = {key: np.pad(value[0].numpy(), (0, PADDED - value.shape[1])) for key, value in inputs.items()}
        row["start_positions"] = int(features.start_labels[number])
        row["end_positions"] = int(features.end_labels[number])
        rows.append(row)
    return rows, features


def trainer(arguments: argparse.Namespace, examples: list[Any], recipe: Any) -> tuple[Any, float, Any]:
    """Trains with Trainer and returns the model, questions a second, and the Trainer."""
    from transformers import Trainer, TrainingArguments, default_data_collator

    from domain_adapt.bases import load_tokenizer

    rows, _ = windows(examples, load_tokenizer(arguments.base))
    moments: list[float] = []

    settings = recipe.finetune
    steps = -(-len(rows) // BATCH) * arguments.epochs if arguments.epochs else arguments.steps
    options = common.trainer_options(
        arguments.folder, settings, batch=BATCH, steps=steps, rate=LEARNING_RATE, warmup=WARMUP
    )
    model = start_model(arguments.base)
    side = Trainer(
        model=model,
        args=TrainingArguments(**options, per_device_eval_batch_size=BATCH),
        data_collator=default_data_collator,
        train_dataset=rows,
        callbacks=[common.clock(moments)],
    )
    side.train()
    seconds = [after - before for before, after in itertools.pairwise(moments)][WARM_STEPS:]
    return model, BATCH / statistics.mean(seconds) * len(examples) / len(rows), side


def score_ours(model: Any, arguments: argparse.Namespace, examples: list[Any], kind: Any, recipe: Any) -> float:
    """Returns the F1."""
    from domain_adapt.bases import load_tokenizer

    tokenizer = load_tokenizer(arguments.base)
    features = kind.featurise(examples, tokenizer, recipe.question_answering)
    logits = kind.logits(
        model.eval(), features, batch_size=32, device="cpu", pad_token_id=tokenizer.pad_token_id, dtype=None
    )
    predictions = kind.decode(logits, features, examples, recipe.question_answering)
    return float(kind.metric(examples, predictions)["f1"])


def score_trainer(side: Any, arguments: argparse.Namespace, examples: list[Any]) -> None:
    """Finds the answers as Trainer's users do; what they are worth is not asked here."""
    import span_decoding

    from domain_adapt.bases import load_tokenizer

    rows, features = windows(examples, load_tokenizer(arguments.base))
    start, end = side.predict(rows).predictions
    span_decoding.by_loops(examples, features, start, end)


def one_side(arguments: argparse.Namespace) -> dict[str, Any]:
    """Runs one side in this process."""
    kind, recipe, examples = load(arguments.train)
    scored = load(arguments.test)[2]
    scored = scored if arguments.epochs else scored[:MOST_SCORED]
    if arguments.side != "Trainer":
        model, rate = ours(arguments, examples, kind, recipe)
        started = time.perf_counter()
        f1 = score_ours(model, arguments, scored, kind, recipe)
        seconds = time.perf_counter() - started
    else:
        model, rate, side = trainer(arguments, examples, recipe)
        started = time.perf_counter()
        score_trainer(side, arguments, scored)
        seconds = time.perf_counter() - started
        f1 = score_ours(model, arguments, scored, kind, recipe)
    return {"training": rate, "scoring": len(scored) / seconds, "f1": f1}


def main() -> None:
    """Compares and reports."""
    data = common.HERE.parent / "tasks" / "qa" / "data" / "medical"
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", nargs="+", default=[str(data / "train.jsonl")], help="labelled questions")
    parser.add_argument("--test", nargs="+", default=[str(data / "test.jsonl")], help="labelled questions to score")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=10, help="steps a side and round, the first two not counted")
    parser.add_argument("--epochs", type=int, default=0, help="train so long instead, and compare the F1")
    parser.add_argument("--freeze", type=int, default=0, help="a third side, ours with so many layers frozen")
    parser.add_argument("--output", type=Path, help="JSON file; default: benchmarks/results/")
    parser.add_argument("--side", help=argparse.SUPPRESS)
    for hidden in ("--folder", "--base"):
        parser.add_argument(hidden, help=argparse.SUPPRESS, type=Path)
    arguments = parser.parse_args()
    if arguments.side:
        print(json.dumps(one_side(arguments)))
        return
    from rich.table import Table

    from domain_adapt.bases import resolve_base
    from domain_adapt.workspace import Workspace

    base = resolve_base("mini", workspace=Workspace(common.HERE.parent)).folder
    found: dict[str, list[dict[str, float]]] = {"ours": [], "Trainer": []}
    if arguments.freeze:
        found[FROZEN] = []
    for number in range(arguments.rounds):
        for side in found:
            with common.scratch() as scratch:
                call = ["--side", side, "--folder", scratch, "--base", str(base), "--steps", str(arguments.steps)]
                call += [
                    "--epochs",
                    str(arguments.epochs),
                    "--freeze",
                    str(arguments.freeze),
                    "--train",
                    *arguments.train,
                    "--test",
                    *arguments.test,
                ]
                found[side].append(common.run_side("finetune_vs_trainer.py", *call))
            print(f"round {number + 1}, {side}: {found[side][-1]}", flush=True)
    table = Table(
        "questions a second", "training", "ours is faster by", "of each round", "scoring", "ours is faster by", "F1"
    )
    results: dict[str, Any] = {"rounds": found, "ratios": {}}
    for side, rounds in found.items():
        row = [side]
        for what in ("training", "scoring"):
            ratios = [mine[what] / other[what] for mine, other in zip(found["ours"], rounds, strict=True)]
            results["ratios"][f"{what}, {side}"] = statistics.median(ratios)
            row += [f"{statistics.median(one[what] for one in rounds):.2f}", f"{statistics.median(ratios):.2f} x"]
            if what == "training":
                row.append(" ".join(f"{ratio:.2f}" for ratio in ratios))
        table.add_row(*row, f"{statistics.median(one['f1'] for one in rounds):.1f}" if arguments.epochs else "")
    common.report("finetune-vs-trainer" + ("-f1" if arguments.epochs else ""), table, results, arguments.output)


if __name__ == "__main__":
    main()
