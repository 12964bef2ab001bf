"""Loads a published masked LM and a QA model as any Hugging Face code would: no weight missing, none unexpected.

Run by hand and by CI, with transformers 4.57 and 5 alike: ``python load_checkpoints.py MASKED_LM QA_MODEL``. Imports
nothing of domain_adapt, so that an environment with only torch and transformers is enough.
"""

import sys

import torch
import transformers
from transformers import AutoModel, AutoModelForMaskedLM, AutoModelForQuestionAnswering, AutoTokenizer, pipeline

# An encoder class drops the head of the file and draws a pooler that masked LMs do not have; stock roberta-base, too.
OF_THE_HEAD, POOLER = ("lm_head.", "qa_outputs."), "pooler."


def load(auto, folder, ours=()):
    """Loads ``folder`` and fails on any key that neither class nor file explains."""
    model, report = auto.from_pretrained(folder, output_loading_info=True)
    missing = [key for key in report["missing_keys"] if not key.startswith(ours)]
    unexpected = [key for key in report["unexpected_keys"] if not key.startswith(ours)]
    print(f"{auto.__name__:<30} {folder}: missing {missing}, unexpected {unexpected}")
    if missing or unexpected:
        sys.exit(1)
    return model.eval()


def main(masked_lm, qa):
    """Runs every check."""
    print(f"transformers {transformers.__version__}, torch {torch.__version__}")
    tokenizer = AutoTokenizer.from_pretrained(masked_lm)
    model = load(AutoModelForMaskedLM, masked_lm)
    load(AutoModel, masked_lm, ours=(*OF_THE_HEAD, POOLER))
    fill = pipeline("fill-mask", model=model, tokenizer=tokenizer)
    print(
        "fill-mask:", [guess["token_str"] for guess in fill(f"The patient has a {tokenizer.mask_token} of the heart.")]
    )
    answerer = load(AutoModelForQuestionAnswering, qa)
    tokenizer = AutoTokenizer.from_pretrained(qa)
    pair = tokenizer("Who signed?", "The director signed the report in May.", return_tensors="pt")
    if "token_type_ids" in pair:
        sys.exit("the tokenizer emits segment ids, which a table of one row cannot look up")
    with torch.no_grad():
        output = answerer(**pair)
    start, end = int(output.start_logits.argmax()), int(output.end_logits.argmax())
    print("qa span:", start, end, "of", pair["input_ids"].shape[1], "tokens")
    if not transformers.__version__.startswith("5"):
        print(
            "qa pipeline:", pipeline("question-answering", model=answerer, tokenizer=tokenizer)("Who?", "The director.")
        )


if __name__ == "__main__":
    main(*sys.argv[1:3])
