"""What keeping freed memory in the process is worth: training steps of ``mini``'s shape with and without it.

Both sides alternate in processes of their own (the setting is made once a process). Prints seconds a step and ratios.

    python benchmarks/allocator.py [--rounds 3] [--steps 8]
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time


def measure(tuned: bool, steps: int) -> float:
    """Returns the median seconds of a training step (16 rows of 128 tokens, 15 % of them predicted)."""
    if tuned:
        from domain_adapt.training.memory import tune_allocator

        tune_allocator()
    import torch
    from transformers import RobertaConfig, RobertaForMaskedLM

    torch.manual_seed(0)
    config = RobertaConfig(
        vocab_size=30522,
        hidden_size=384,
        num_hidden_layers=6,
        num_attention_heads=12,
        intermediate_size=1536,
        max_position_embeddings=513,
        type_vocab_size=1,
        pad_token_id=0,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    model = RobertaForMaskedLM(config).train()
    optimizer = torch.optim.AdamW(model.parameters(), fused=True)
    seconds = []
    for _ in range(steps + 2):
        started = time.perf_counter()
        input_ids = torch.randint(5, 30522, (16, 128))
        chosen = torch.rand(16, 128) < 0.15
        states = model.roberta(input_ids).last_hidden_state[chosen]
        torch.nn.functional.cross_entropy(model.lm_head(states), input_ids[chosen]).backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds[2:])


def main() -> None:
    """Runs both sides alternately and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--side", choices=["default", "tuned"], help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.side:
        print(measure(arguments.side == "tuned", arguments.steps))
        return
    ratios = []
    for number in range(arguments.rounds):
        found = {}
        for side in ("default", "tuned"):
            command = [sys.executable, __file__, "--side", side, "--steps", str(arguments.steps)]
            found[side] = float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        ratios.append(found["default"] / found["tuned"])
        print(
            f"round {number + 1}: default {found['default']:.3f} s, tuned {found['tuned']:.3f} s a step, "
            f"{ratios[-1]:.2f} x"
        )
    print(f"median: {statistics.median(ratios):.2f} x")


if __name__ == "__main__":
    main()
