"""Checkpoints to and from the Hugging Face Hub, or any server that ``HF_ENDPOINT`` names."""

from __future__ import annotations

from domain_adapt.sharing.pulling import Pulled, pull
from domain_adapt.sharing.pushing import Pushed, push

__all__ = ["Pulled", "Pushed", "pull", "push"]
