import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional
from transformers import AutoModelForMaskedLM, AutoTokenizer, RobertaConfig, RobertaForMaskedLM

from domain_adapt.mlm.masking import WholeWords, mask_blocks, masking_key, masking_vocabulary, word_table
from domain_adapt.mlm.objective import MaskedLMObjective
from domain_adapt.mlm.sparse_head import SparseHead
from domain_adapt.recipes import MlmSettings

PAD = 0


@pytest.fixture(scope="module")
def vocabulary(tiny_wordpiece):
    return masking_vocabulary(AutoTokenizer.from_pretrained(tiny_wordpiece))


@pytest.fixture(scope="module")
def blocks(vocabulary):
    drawn = np.random.Generator(np.random.Philox(1)).integers(5, len(vocabulary.is_ordinary), (40, 16))
    blocks = drawn.astype(np.int32)
    blocks[:, 0], blocks[:, 7], blocks[-1, 10:] = 2, 3, PAD
    return blocks


def objective(blocks, vocabulary, model, *, teacher=True, share=0.5, seed=0, strategy=None, **keys):
    weight = 10.0 if teacher else 0.0
    return MaskedLMObjective(
        blocks,
        vocabulary,
        MlmSettings(distill_weight=weight, distill_share=share, **keys),
        seed=seed,
        pad_id=PAD,
        head=SparseHead(model),
        teacher=AutoModelForMaskedLM.from_pretrained(model.name_or_path).base_model.eval() if teacher else None,
        strategy=strategy,
    )


@pytest.fixture
def model(tiny_model_folder):
    return AutoModelForMaskedLM.from_pretrained(tiny_model_folder).eval()


@pytest.fixture(scope="module")
def shared(blocks, vocabulary, tiny_model_folder):
    return objective(blocks, vocabulary, AutoModelForMaskedLM.from_pretrained(tiny_model_folder).eval())


@settings(deadline=None, max_examples=25)
@given(indices=st.lists(st.integers(0, 39), min_size=1, max_size=6), epoch=st.integers(0, 5))
def test_a_batch_is_a_pure_function_of_rows_and_epoch(shared, indices, epoch):
    rows = np.array(indices)
    first = shared.batch(rows, epoch)
    shared.batch(rows[::-1], epoch + 1)  # what came between leaves no trace
    again = shared.batch(rows, epoch)
    assert first.targets == again.targets and first.tokens == again.tokens
    assert first.inputs.keys() == again.inputs.keys()
    for key, value in first.inputs.items():
        assert torch.equal(value, again.inputs[key]), key
    # and of each row alone: its company in the micro-batch plays no part
    alone = shared.batch(rows[-1:], epoch)
    assert torch.equal(first.inputs["input_ids"][-1:], alone.inputs["input_ids"])
    near = first.inputs["distill_positions"].numpy()
    assert sum(shared.batch(rows[n : n + 1], epoch).targets["distill"] for n in range(len(rows))) == len(near)


def test_epochs_and_seeds_have_masks_of_their_own(blocks, vocabulary, model):
    rows = np.arange(40)
    drawn = [
        objective(blocks, vocabulary, model, seed=seed).batch(rows, epoch).inputs
        for seed, epoch in ((0, 0), (0, 1), (1, 0))
    ]
    for key in ("positions", "distill_rows"):
        assert len({tuple(inputs[key].tolist()) for inputs in drawn}) == 3, key


def test_targets_labels_and_tokens(blocks, vocabulary, model):
    rows = np.array([39, 3, 8])
    batch = objective(blocks, vocabulary, model).batch(rows, 2)
    input_ids, chosen = mask_blocks(blocks[rows], rows, vocabulary, key=masking_key(0, 2), probability=0.15)
    assert np.array_equal(batch.inputs["input_ids"].numpy(), input_ids)
    assert np.array_equal(batch.inputs["positions"].numpy(), np.flatnonzero(chosen))
    assert np.array_equal(batch.inputs["labels"].numpy(), blocks[rows][chosen])
    assert batch.targets["mlm"] == chosen.sum() == len(batch.inputs["labels"])
    assert batch.tokens == 16 * 3 - 6
    assert np.array_equal(batch.inputs["attention_mask"].numpy(), blocks[rows] != PAD)
    assert "attention_mask" not in objective(blocks, vocabulary, model).batch(np.array([3, 8]), 2).inputs


def test_the_share_of_targets_follows_progress(blocks, vocabulary, model):
    measured = objective(blocks, vocabulary, model, probability=0.6, probability_end=0.1)
    rows = np.arange(39)
    for progress, share in ((0.0, 0.6), (0.5, 0.35), (0.9, 0.15)):
        expected = mask_blocks(blocks[rows], rows, vocabulary, key=masking_key(0, 2), probability=share)[1]
        assert measured.batch(rows, 2, progress).inputs["positions"].tolist() == np.flatnonzero(expected).tolist()


def test_with_mask_sets_later_epochs_use_the_masks_again(blocks, vocabulary, model):
    measured = objective(blocks, vocabulary, model, mask_sets=2, probability=0.6, probability_end=0.1)
    first, second, third = (measured.batch(np.arange(39), epoch, 0.4).inputs for epoch in range(3))
    assert torch.equal(first["input_ids"], third["input_ids"])
    assert not torch.equal(first["input_ids"], second["input_ids"])
    later = measured.batch(np.arange(39), 2, 0.8).inputs  # the same draws, at the share of that moment
    assert set(later["positions"].tolist()) < set(third["positions"].tolist())


def test_the_strategy_chooses(blocks, vocabulary, model, tiny_wordpiece):
    words = WholeWords(word_table(AutoTokenizer.from_pretrained(tiny_wordpiece)))
    with pytest.raises(ValueError, match="whole-word"):
        objective(blocks, vocabulary, model, masking="whole-word")
    rows = np.array([39, 3, 8])
    batch = objective(blocks, vocabulary, model, masking="whole-word", strategy=words).batch(rows, 2)
    chosen = mask_blocks(blocks[rows], rows, vocabulary, key=masking_key(0, 2), probability=0.15, strategy=words)[1]
    assert np.array_equal(batch.inputs["positions"].numpy(), np.flatnonzero(chosen))


@pytest.mark.parametrize("share", [0.3, 1.0])
def test_distillation_leaves_chosen_and_padding_positions_out(blocks, vocabulary, model, share):
    rows = np.arange(40)
    inputs = objective(blocks, vocabulary, model, share=share).batch(rows, 0).inputs
    picked = inputs["distill_rows"].numpy()
    assert (len(picked) == 40) == (share == 1.0) and len(picked) > 0
    near = np.zeros((len(picked), 16), dtype=bool)
    near.reshape(-1)[inputs["distill_positions"].numpy()] = True
    chosen = np.zeros(blocks.shape, dtype=bool)
    chosen.reshape(-1)[inputs["positions"].numpy()] = True
    assert np.array_equal(near, ~chosen[picked] & (blocks[picked] != PAD))  # the rest is all there, and only the rest
    assert np.array_equal(inputs["kept"], (picked[:, None] * 16 + np.arange(16))[near])


def test_without_distillation_there_is_one_term(blocks, vocabulary, model):
    plain = objective(blocks, vocabulary, model, teacher=False)
    batch = plain.batch(np.arange(4), 0)
    assert plain.weights == {"mlm": 1.0} and set(batch.targets) == {"mlm"}
    assert set(plain.loss(model, batch.inputs)) == {"mlm"}
    assert objective(blocks, vocabulary, model).weights == {"mlm": 1.0, "distill": 10.0}


def test_the_sums_are_the_stock_cross_entropy_and_the_cosines_by_hand(blocks, vocabulary, model):
    rows = np.array([2, 39, 17])
    measured = objective(blocks, vocabulary, model, share=1.0)
    batch = measured.batch(rows, 0)
    with torch.no_grad():  # a student that differs from its teacher
        for parameter in model.roberta.encoder.layer[1].parameters():
            parameter.mul_(-3.0)
        losses = measured.loss(model, batch.inputs)
        passed = {key: batch.inputs[key] for key in ("input_ids", "attention_mask")}
        logits = model(**passed).logits.reshape(-1, model.config.vocab_size)
        adapted = model.roberta(**passed).last_hidden_state.numpy()
        base = AutoModelForMaskedLM.from_pretrained(model.name_or_path).roberta.eval()
        original = base(**passed).last_hidden_state.numpy()
    expected = functional.cross_entropy(logits[batch.inputs["positions"]], batch.inputs["labels"], reduction="sum")
    assert losses["mlm"].item() == pytest.approx(expected.item(), rel=1e-5)
    chosen = set(batch.inputs["positions"].tolist())
    distance = 0.0
    for row in range(3):
        for column in range(16):
            if row * 16 + column not in chosen and blocks[rows[row], column] != PAD:
                one, other = adapted[row, column].astype(float), original[row, column].astype(float)
                distance += 1 - one @ other / np.sqrt(one @ one * (other @ other))
    assert distance > 0.1
    assert losses["distill"].item() == pytest.approx(distance, rel=1e-4)


def test_the_untouched_student_is_no_distance_from_its_base(blocks, vocabulary, model):
    measured = objective(blocks, vocabulary, model, share=1.0)
    batch = measured.batch(np.arange(36, 40), 0)
    losses = measured.loss(model, batch.inputs)
    assert losses["distill"].item() == pytest.approx(0.0, abs=1e-4) and batch.targets["distill"] > 40
    assert losses["mlm"].item() > 0


def test_a_micro_batch_without_distilled_rows_keeps_the_term_in_the_graph(blocks, vocabulary, model):
    measured = objective(blocks, vocabulary, model, share=1e-9)
    batch = measured.batch(np.arange(4), 0)
    assert batch.targets["distill"] == 0
    loss = measured.loss(model, batch.inputs)["distill"]
    assert loss.item() == 0.0 and loss.requires_grad
    loss.backward()


def test_gradients_reach_the_student_and_not_the_teacher(vocabulary, blocks):
    config = RobertaConfig(
        vocab_size=len(vocabulary.is_ordinary),
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=1,
        intermediate_size=8,
        max_position_embeddings=20,
        pad_token_id=PAD,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        student, teacher = RobertaForMaskedLM(config).eval(), RobertaForMaskedLM(config).eval()
    measured = MaskedLMObjective(
        blocks,
        vocabulary,
        MlmSettings(distill_weight=1.0),
        seed=0,
        pad_id=PAD,
        head=SparseHead(student),
        teacher=teacher.roberta,
    )
    measured.loss(student, measured.batch(np.arange(4), 0).inputs)["distill"].backward()
    assert student.roberta.encoder.layer[0].output.dense.weight.grad.abs().sum() > 0
    assert all(parameter.grad is None for parameter in teacher.parameters())
