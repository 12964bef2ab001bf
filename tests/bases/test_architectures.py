import pytest

from domain_adapt.bases.architectures import FAMILIES, encoder_depth
from domain_adapt.training.freezing import layer_count


@pytest.mark.parametrize("kind", sorted(FAMILIES))
def test_the_depth_in_a_config_is_that_of_the_model(build, kind, tmp_path):
    model = build(kind)
    model.config.save_pretrained(tmp_path)
    assert encoder_depth(tmp_path, kind) == layer_count(model) > 0
