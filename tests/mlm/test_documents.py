import numpy as np
import pytest
import torch

from domain_adapt.adapt import adapt
from domain_adapt.corpus.packing import pack
from domain_adapt.errors import DomainAdaptError
from domain_adapt.mlm.documents import document_attention
from domain_adapt.mlm.masking import MaskingVocabulary
from domain_adapt.mlm.objective import MaskedLMObjective
from domain_adapt.mlm.sparse_head import SparseHead
from domain_adapt.mlm.sparse_layer import Selection
from domain_adapt.recipes import MlmSettings

CLS, SEP, PAD = 2, 3, 0
ARCHITECTURES = ["albert", "bert", "camembert", "distilbert", "electra", "modernbert", "roberta", "xlm-roberta"]


def documents(*lengths):
    generator = np.random.Generator(np.random.Philox(3))
    return [generator.integers(5, 90, length).astype(np.int32) for length in lengths]


def test_documents_and_positions_by_hand(build):
    blocks = np.array([[CLS, 7, 8, SEP, 9, SEP, 10, SEP], [CLS, 11, SEP, 12, 13, SEP, PAD, PAD]])
    attention = document_attention(build("roberta"), sep_id=SEP, pad_id=PAD)
    numbers = attention.documents(blocks)
    assert numbers.tolist() == [[0, 0, 0, 0, 1, 1, 2, 2], [0, 0, 0, 1, 1, 1, -1, -1]]
    assert (attention.position_ids(numbers) - 1).tolist()[0] == [0, 1, 2, 3, 1, 2, 1, 2]
    assert (attention.position_ids(numbers) - 1).tolist()[1][:6] == [0, 1, 2, 1, 2, 3]
    sees = attention.mask(torch.from_numpy(numbers))[0, 0]
    assert sees[4].tolist() == [False] * 4 + [True, True] + [False] * 2
    assert sees.any(dim=1).all()  # a row that sees nothing would be NaN


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_a_packed_block_gives_the_logits_of_its_documents_alone(kind, build):
    model = build(kind)
    attention = document_attention(model, sep_id=SEP, pad_id=PAD)
    texts = documents(9, 4, 12)
    (block,) = pack(texts, block_size=32, cls_id=CLS, sep_id=SEP, pad_id=PAD)
    numbers = attention.documents(block[None])
    with torch.no_grad():
        packed = model(
            input_ids=torch.from_numpy(block[None]).long(),
            attention_mask=attention.mask(torch.from_numpy(numbers)),
            position_ids=torch.from_numpy(attention.position_ids(numbers)),
        ).logits[0]
        start = 1
        for number, text in enumerate(texts):
            # A later document has no [CLS] before it; it is then read alone from the second position on.
            alone = np.concatenate([[CLS] if number == 0 else [], text, [SEP]]).astype(np.int64)
            first = 0 if number == 0 else 1
            positions = torch.arange(first, first + len(alone)) + attention.first_position
            expected = model(input_ids=torch.from_numpy(alone)[None], position_ids=positions[None]).logits[0]
            begin = start - (number == 0)
            torch.testing.assert_close(packed[begin : begin + len(alone)], expected, rtol=0, atol=2e-5)
            start += len(text) + 1


def test_other_architectures_are_refused_by_name(build):
    with pytest.raises(DomainAdaptError, match=r"mlm.document_attention: .*'deberta-v2'; expected one of albert, bert"):
        document_attention(build("deberta-v2"), sep_id=SEP, pad_id=PAD)


@pytest.mark.parametrize("distill_weight", [0.0, 10.0])
def test_what_another_document_says_changes_neither_loss_nor_distance(build, distill_weight):
    """The same first documents, followed by different ones: with document attention nobody can tell."""
    vocabulary = MaskingVocabulary(4, np.arange(5, 90), np.arange(90) >= 5)
    first, *others = documents(12, 16, 16)
    blocks = [pack([first, other], block_size=31, cls_id=CLS, sep_id=SEP, pad_id=PAD) for other in others]
    assert all(len(block) == 1 for block in blocks) and not np.array_equal(*blocks)

    def loss(block, apart):
        model = build("roberta")
        objective = MaskedLMObjective(
            block,
            vocabulary,
            MlmSettings(distill_weight=distill_weight, probability=0.5),
            seed=0,
            pad_id=PAD,
            head=SparseHead(model),
            teacher=build("roberta").base_model if distill_weight else None,
            documents=document_attention(model, sep_id=SEP, pad_id=PAD) if apart else None,
        )
        inputs = objective.batch(np.array([0]), 0).inputs
        first = inputs["positions"] < 14  # look at the first document only
        inputs["labels"] = inputs["labels"][first]
        near = inputs["kept"][inputs["kept"] < 14]
        inputs |= Selection.of(inputs["positions"][first].numpy(), near.numpy(), 1, 31).tensors()
        if distill_weight:
            inputs["distill_positions"] = near
        with torch.no_grad():  # so that the model is not its own base
            model.base_model.embeddings.word_embeddings.weight.mul_(1.5)
        return {term: value.item() for term, value in objective.loss(model, inputs).items()}

    apart, again = (loss(block, True) for block in blocks)
    together, other = (loss(block, False) for block in blocks)
    assert apart == pytest.approx(again, abs=1e-5)
    for term in apart:
        assert abs(together[term] - other[term]) > 1e-4, term


def test_a_recipe_asks_for_it(project):
    checkpoint = adapt("heart", overrides=["mlm.document_attention=true"], workspace=project.workspace)
    plain = adapt("heart", workspace=project.workspace)
    losses = [one.manifest.metrics["heldout/mlm_loss"] for one in (checkpoint, plain)]
    assert losses[0] != losses[1] and abs(losses[0] - losses[1]) < 0.5
