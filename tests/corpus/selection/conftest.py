"""The embedded base, where its package is installed."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from domain_adapt import mini
from domain_adapt.workspace import Workspace


@pytest.fixture(scope="session")
def mini_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if importlib.util.find_spec(mini.PACKAGE) is None:
        pytest.skip("the extra `embedded` is not installed")
    return mini.build_mini(Workspace(tmp_path_factory.mktemp("workspace")))
