import copy

import numpy as np
import pytest
import torch
from transformers import AutoModelForQuestionAnswering, AutoModelForTokenClassification

from domain_adapt.training.freezing import embedding_parameters, layer_count, layer_of
from domain_adapt.training.mixture import Mixture, MixtureObjective, Part
from domain_adapt.training.objective import MicroBatch
from domain_adapt.training.state import model_tensors

KINDS = ["roberta", "xlm-roberta", "camembert", "bert", "deberta-v2", "electra", "albert", "distilbert", "modernbert"]


@pytest.fixture
def models(build, tmp_path):
    """A masked LM and two models with a head, loaded from one folder."""

    def make(kind):
        masked = build(kind)
        masked.save_pretrained(tmp_path)
        heads = (AutoModelForQuestionAnswering, AutoModelForTokenClassification)
        if kind == "modernbert":
            heads = (AutoModelForTokenClassification, AutoModelForTokenClassification)
        first, second = (auto.from_pretrained(tmp_path) for auto in heads)
        return {"mlm": masked, "qa.v2": first, "terms": second}

    return make


@pytest.mark.parametrize("kind", KINDS)
def test_heads_learn_one_encoder(models, kind):
    parts = models(kind)
    ids = torch.arange(5, 15)[None]
    alone = {name: copy.deepcopy(model).eval()(input_ids=ids)[0] for name, model in parts.items()}
    mixture = Mixture(parts).eval()
    # Nothing else than before comes out of any of them ...
    for name, expected in alone.items():
        torch.testing.assert_close(mixture(name, input_ids=ids)[0], expected)
    # ... every weight of the encoder is there once ...
    names = list(model_tensors(mixture))
    encoders = [name for name in names if layer_of(name) is not None]
    assert len({name.split(".")[1] for name in encoders}) == 1 and layer_count(mixture) == layer_count(parts["terms"])
    assert len(embedding_parameters(mixture)) == len(embedding_parameters(parts["terms"]))
    # ... and a step on one of them changes what the others say.
    mixture("terms", input_ids=ids).logits.square().sum().backward()
    with torch.no_grad():
        for parameter in mixture.parameters():
            if parameter.grad is not None:
                parameter -= parameter.grad
    assert all(not torch.equal(model(input_ids=ids)[0], alone[name]) for name, model in parts.items())


def test_models_of_different_encoders_do_not_mix(build):
    with pytest.raises(ValueError, match="DistilBertForMaskedLM has another encoder than RobertaForMaskedLM"):
        Mixture({"a": build("roberta"), "b": build("distilbert")})


class Counting:
    """An objective whose loss is the sum of its row numbers."""

    def __init__(self, term):
        self.weights = {term: 0.5}

    def batch(self, indices, epoch, progress=0.0):
        rows = torch.from_numpy(np.asarray(indices))
        return MicroBatch({"rows": rows}, dict.fromkeys(self.weights, len(rows)), 7)

    def loss(self, model, inputs):
        return dict.fromkeys(self.weights, model(rows=inputs["rows"]))


def test_a_batch_belongs_to_one_part_and_its_rows_are_numbered_from_0():
    parts = [Part("a", Counting("x"), np.ones(5), 1.0), Part("b/c", Counting("y"), np.ones(3), 0.2)]
    objective = MixtureObjective(parts)
    assert objective.weights == {"a/x": 0.5, "b/c/y": 0.1} and "a" in objective and "x" not in objective
    batch = objective.batch(np.array([5, 7]), 0)
    assert batch.inputs["b/c/rows"].tolist() == [0, 2] and batch.targets == {"a/x": 0, "b/c/y": 2} and batch.tokens == 7
    heard = []

    def model(part, rows):
        heard.append(part)
        return rows.sum()

    assert objective.loss(model, batch.inputs) == {"b/c/y": 2} and heard == ["b/c"]
    assert objective.batch(np.array([4]), 0).inputs["a/rows"].tolist() == [4]
