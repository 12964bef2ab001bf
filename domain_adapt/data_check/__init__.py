"""Is this labelled data fit to train and to judge by?"""

from domain_adapt.data_check.check import Checked, check
from domain_adapt.data_check.finding import Finding

__all__ = ["Checked", "Finding", "check"]
