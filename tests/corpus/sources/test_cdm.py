from __future__ import annotations

import sys
from pathlib import Path

import pytest

from domain_adapt.corpus.sources import base, cdm, open_source
from domain_adapt.corpus.sources.cdm import CommonDomainModel, is_prose
from domain_adapt.errors import DomainAdaptError
from domain_adapt.recipes import CdmSource

CLASS = '''
class finos_cdm_product_asset_FloatingRate(BaseDataClass):
    model_config = ConfigDict(defer_build=True)
    """
    A class to specify
    a floating rate
    """
    _FQRTN: ClassVar[str] = 'cdm.product.asset.FloatingRate'
    capRate: Optional[Decimal] = Field(None, description='The cap rate, if any, which applies.')
    """
    The cap rate, if any, which applies.
    """
    floor: Optional[Decimal] = Field(None, description='floorRate->value')
    """
    floorRate->value exists in this place
    """

    @rune_condition
    def condition_0(self):
        """
        The cap must not lie below the floor.
        """
        return True
'''
ENUM = '''
class DayCountEnum(Enum):
    """
    The values to specify the day count.
    """
    ACT_360 = "ACT/360"
    """
    Actual days over a year of 360.
    """
    _1_1 = "1/1"
    """
    The cap rate, if any, which applies.
    """
    ONE = "OnePeriod"
    """
    Euro
    """
'''
FUNCTION = '''
def Qualify_Fra(terms) -> bool:
    """
    Qualifies a product as a forward rate agreement.

    Parameters
    ----------
    terms : finos.cdm.Terms
    """
'''


@pytest.fixture
def package(tmp_path: Path) -> Path:
    folder = tmp_path / "finos"
    (folder / "cdm" / "base").mkdir(parents=True)
    (folder / "fpml").mkdir()
    (folder / "_bundle.py").write_text(CLASS)
    (folder / "cdm" / "base" / "DayCountEnum.py").write_text(ENUM)
    (folder / "cdm" / "Qualify_Fra.py").write_text(FUNCTION)
    (folder / "cdm" / "stub.py").write_text("raise RuntimeError('must not be run')\n")
    (folder / "fpml" / "other.py").write_text(CLASS.replace("cap rate", "other rate"))
    return folder


def test_descriptions_in_words_each_once_and_no_code(package: Path) -> None:
    documents = {document.id: document.text for document in CommonDomainModel(package).documents()}
    assert documents == {
        "_bundle.finos_cdm_product_asset_FloatingRate": (
            "Floating rate: A class to specify a floating rate. Cap rate: The cap rate, if any, which applies. "
            "The cap must not lie below the floor."
        ),
        "cdm.Qualify_Fra.Qualify_Fra": "Qualifies a product as a forward rate agreement.",
        "cdm.base.DayCountEnum.DayCountEnum": (
            "Day count: The values to specify the day count. ACT/360: Actual days over a year of 360."
        ),
    }


def test_long_entries_give_several_documents_under_one_heading(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cdm, "_LONGEST", 60)
    documents = list(CommonDomainModel(package).documents())
    long = {document.id: document.text for document in documents if "DayCount" in document.id}
    assert long == {
        "cdm.base.DayCountEnum.DayCountEnum": "Day count: The values to specify the day count.",
        "cdm.base.DayCountEnum.DayCountEnum#2": "Day count: ACT/360: Actual days over a year of 360.",
    }


@pytest.mark.parametrize(
    ("description", "expected"),
    [
        ("An equity swap with one leg.", True),
        ("Specifies FpML terms (e.g. 'payer') for the option.", True),
        ("Mayotte", False),
        ("MSCI DENMARK IMI INDEX", False),
        ("if trade -> product exists then true", False),
        ("The nonTransferableProduct and the transferableProduct and taxLots", False),
        ("", False),
    ],
)
def test_prose_is_told_from_code(description: str, expected: bool) -> None:
    assert is_prose(description) is expected


def test_fingerprint_follows_the_content(package: Path) -> None:
    before = CommonDomainModel(package).fingerprint()
    (package / "fpml" / "other.py").write_text("")
    assert CommonDomainModel(package).fingerprint() == before
    (package / "cdm" / "Qualify_Fra.py").write_text(FUNCTION.replace("forward", "future"))
    assert CommonDomainModel(package).fingerprint() != before


def test_missing_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(base.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DomainAdaptError, match="finos-cdm") as caught:
        open_source(CdmSource(), tmp_path)
    assert caught.value.hint == "pip install 'domain-adapt[embedded]'"


def test_the_shipped_model_is_read_without_importing_it(tmp_path: Path) -> None:
    pytest.importorskip("finos")
    loaded = {name for name in sys.modules if name.startswith("finos.")}
    documents = list(open_source(CdmSource(), tmp_path).documents())
    assert len(documents) > 1_200
    assert sum(len(document.text) for document in documents) > 700_000
    assert len({document.id for document in documents}) == len(documents)
    assert {name for name in sys.modules if name.startswith("finos.")} == loaded
