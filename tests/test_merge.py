import json

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    AutoModelForMaskedLM,
    AutoModelForQuestionAnswering,
    AutoTokenizer,
    BertConfig,
    BertForMaskedLM,
    RobertaConfig,
    RobertaForMaskedLM,
    RobertaForQuestionAnswering,
    RobertaModel,
)

from domain_adapt import merge
from domain_adapt.checkpoints import verify
from domain_adapt.errors import DomainAdaptError

HEAD = "lm_head."


def weights(folder):
    return load_file(folder / "model.safetensors")


def make(base, folder, cls=RobertaForMaskedLM, seed=1, kind=RobertaConfig, **changes):
    """A folder with another model beside the tiny tokenizer."""
    values = json.loads((base / "config.json").read_text()) | changes
    for key in ("architectures", "model_type", "dtype"):
        values.pop(key, None)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        cls(kind(**values)).save_pretrained(folder)
    AutoTokenizer.from_pretrained(base).save_pretrained(folder)
    return str(folder)


def headless(base, folder):
    """As mini is: a masked LM by its config, and no weights of the head."""
    name = make(base, folder)
    state = {key: tensor for key, tensor in weights(folder).items() if not key.startswith(HEAD)}
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    return name


def test_it_is_the_weighted_mean_and_a_checkpoint_with_both_parents(adapted, tiny_model_folder):
    found = merge("heart", str(tiny_model_folder), weights=[0.25, 0.75], name="mild", workspace=adapted.workspace)
    one, other, mean = (
        weights(folder) for folder in (adapted.workspace.checkpoints / "heart/v1", tiny_model_folder, found.folder)
    )
    assert mean.keys() == one.keys() == other.keys()
    for name, tensor in mean.items():
        assert torch.equal(tensor, (0.25 * one[name].double() + 0.75 * other[name].double()).float()), name
    assert verify(found) == []
    manifest = found.manifest
    assert (manifest.stage, manifest.domain, manifest.task) == ("merge", "heart", None)
    assert [parent.name for parent in manifest.parents] == ["heart@v1", str(tiny_model_folder)]
    assert manifest.parent == manifest.parents[0]
    assert [one.name for one in manifest.lineage] == ["heart@v1", str(tiny_model_folder)]
    assert manifest.recipe == {
        "type": "fill-mask",
        "operands": ["heart@v1", str(tiny_model_folder)],
        "weights": [0.25, 0.75],
    }
    assert manifest.corpus["sources"][0]["licence"] == "CC0-1.0" and manifest.metrics == {}
    card = (found.folder / "README.md").read_text()
    assert "the weighted mean of the weights of `heart@v1` (0.25) and" in card and "pipeline_tag: fill-mask" in card
    model = AutoModelForMaskedLM.from_pretrained(found.folder)
    inputs = AutoTokenizer.from_pretrained(found.folder)("the aorta", return_tensors="pt")
    assert torch.isfinite(model(**inputs).logits).all()


def test_the_same_again_is_up_to_date_and_uniform_is_the_default(adapted, tiny_model_folder, caplog):
    caplog.set_level("INFO", logger="domain_adapt")
    first = merge("heart", str(tiny_model_folder), name="mild", workspace=adapted.workspace)
    assert first.manifest.recipe["weights"] == [0.5, 0.5]
    again = merge("heart", str(tiny_model_folder), weights=[0.5, 0.5], name="mild", workspace=adapted.workspace)
    assert again.ref == "mild@v1" and "mild@v1 is up to date" in caplog.text
    assert merge("heart", str(tiny_model_folder), name="mild", force=True, workspace=adapted.workspace).ref == "mild@v2"


def test_a_merge_of_merges_names_each_ancestor_once(adapted, tiny_model_folder):
    merge("heart", str(tiny_model_folder), name="mild", workspace=adapted.workspace)
    found = merge("mild", "heart", str(tiny_model_folder), name="soup", workspace=adapted.workspace)
    assert [one.name for one in found.manifest.lineage] == ["mild@v1", "heart@v1", str(tiny_model_folder)]
    assert len(found.manifest.parents) == 3


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_head_that_one_lacks_is_that_of_the_other(adapted, tiny_model_folder, tmp_path, caplog, order):
    caplog.set_level("INFO", logger="domain_adapt")
    operands = ["heart", headless(tiny_model_folder, tmp_path / "bare")]
    found = merge(
        *(operands[place] for place in order),
        weights=[[0.25, 0.75][place] for place in order],
        name="mild",
        workspace=adapted.workspace,
    )
    one, bare, mean = (
        weights(adapted.workspace.checkpoints / "heart/v1"),
        weights(tmp_path / "bare"),
        weights(found.folder),
    )
    assert mean.keys() == one.keys()
    for name, tensor in mean.items():
        if name.startswith(HEAD):
            assert torch.equal(tensor, one[name])
        else:
            assert torch.equal(tensor, (0.25 * one[name].double() + 0.75 * bare[name].double()).float())
    assert "has no LM head: the head is taken from the others as it is" in caplog.text


def test_an_encoder_whose_weights_go_by_other_names(adapted, tiny_model_folder, tmp_path):
    name = make(tiny_model_folder, tmp_path / "encoder", RobertaModel)
    found = merge("heart", name, weights=[0.5, 0.5], name="mild", workspace=adapted.workspace)
    one, bare, mean = (
        weights(folder) for folder in (adapted.workspace.checkpoints / "heart/v1", tmp_path / "encoder", found.folder)
    )
    key = "encoder.layer.1.output.dense.weight"
    assert torch.equal(mean[f"roberta.{key}"], ((one[f"roberta.{key}"].double() + bare[key].double()) / 2).float())
    assert torch.equal(mean["lm_head.dense.weight"], one["lm_head.dense.weight"])


def test_fine_tuned_models_of_one_task_and_their_thresholds(project, tiny_model_folder, tmp_path):
    names = []
    for seed, threshold in ((1, 2.0), (2, 4.0)):
        folder = tmp_path / f"qa{seed}"
        names.append(make(tiny_model_folder, folder, RobertaForQuestionAnswering, seed=seed))
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(config | {"no_answer_threshold": threshold}))
    found = merge(*names, weights=[0.75, 0.25], name="soup", workspace=project.workspace)
    assert AutoModelForQuestionAnswering.from_pretrained(found.folder).config.no_answer_threshold == 2.5
    assert found.manifest.recipe["type"] == "question-answering"
    assert "An extractive question-answering model: the weighted mean" in (found.folder / "README.md").read_text()


def test_what_does_not_fit_is_one_line_that_names_the_difference(adapted, tiny_model_folder, tmp_path):
    base = str(tiny_model_folder)
    qa = make(tiny_model_folder, tmp_path / "qa", RobertaForQuestionAnswering)
    bert = make(tiny_model_folder, tmp_path / "bert", BertForMaskedLM, kind=BertConfig)
    wide = make(tiny_model_folder, tmp_path / "wide", intermediate_size=96)
    words = make(tiny_model_folder, tmp_path / "words")
    text = (tmp_path / "words/tokenizer.json").read_text()
    assert '"aorta"' in text
    (tmp_path / "words/tokenizer.json").write_text(text.replace('"aorta"', '"aortas"'))
    expected = {
        (base, qa): f"merge: heads differ: 'fill-mask' in {base}, 'question-answering' in {qa}",
        ("heart", bert): f"merge: architectures differ: 'roberta' in heart@v1, 'bert' in {bert}",
        (wide, "heart"): f"merge: intermediate_size differ: 128 in heart@v1, 96 in {wide}",
        ("heart", words): f"merge: heart@v1 and {words} have different vocabularies: 2 entries are not in both, "
        "such as 'aorta'",
    }
    for operands, message in expected.items():
        with pytest.raises(DomainAdaptError) as caught:
            merge(*operands, name="soup", workspace=adapted.workspace)
        assert caught.value.message == message
    for call, message in (
        ({"weights": [0.5, 0.6]}, "expected weights that add up to 1 (found a sum of 1.1)"),
        ({"weights": [1.0]}, "expected 2 weights, one for each model (found 1)"),
    ):
        with pytest.raises(DomainAdaptError) as caught:
            merge("heart", base, name="soup", workspace=adapted.workspace, **call)
        assert message in caught.value.message
    with pytest.raises(DomainAdaptError, match="two models or more"):
        merge("heart", name="soup", workspace=adapted.workspace)
    assert adapted.published == ["heart@v1"] and adapted.leftovers == []


def test_a_shape_that_the_config_does_not_tell_is_found_in_the_files(adapted, tiny_model_folder, tmp_path):
    name = headless(tiny_model_folder, tmp_path / "cut")
    state = weights(tmp_path / "cut")
    key = "roberta.encoder.layer.0.output.dense.bias"
    save_file(state | {key: state[key][:32].clone()}, tmp_path / "cut" / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(DomainAdaptError, match=rf"shapes of {key} differ: \(64,\) in heart@v1, \(32,\) in"):
        merge("heart", name, name="soup", workspace=adapted.workspace)
    assert adapted.published == ["heart@v1"] and adapted.leftovers == []


def test_models_of_different_bases_are_warned_of(adapted, tiny_model_folder, tmp_path, caplog):
    other = make(tiny_model_folder, tmp_path / "other", seed=9)
    merge("heart", other, name="soup", workspace=adapted.workspace)
    assert "do not come from the same base as far as is known" in caplog.text
