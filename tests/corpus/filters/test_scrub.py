import time
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain_adapt.corpus.filters.scrub import scrub

# The numbers are the issuers' own examples or made up.
PERSONAL = {
    "email": ["john.doe@example.com", "o'brien+tag@sub.example.co.uk", "a_b@x.org", "JANE@EXAMPLE.ORG"],
    "phone": [
        "+49 30 1234567",
        "+44 (0)20 7946 0958",
        "+1-301-496-5583",
        "+33 1 23 45 67 89",
        "(301) 496-5583",
        "301-496-5583",
        "301.496.5583",
        "1-800-352-9424",
        "301-496-\n5583",
    ],
    "ssn": ["123-45-6789", "536-90-4399", "536-90-\n4399"],
    "iban": [
        "DE89370400440532013000",
        "GB82 WEST 1234 5698 7654 32",
        "FR14 2004 1010 0505 0001 3M02 606",
        "DE89 3704 0044\n0532 0130 00",
    ],
    "card": [
        "4111 1111 1111 1111",
        "5500-0000-0000-0004",
        "378282246310005",
        "3782 822463 10005",
        "6011 0009\n9013 9424",
    ],
    "ip": ["192.168.100.200", "2001:0db8:85a3:0000:0000:8a2e:0370:7334"],
}
WITH_KEYWORD = {
    "mrn": ["MRN: {00123456}", "medical record number {12-34-56}", "Patient ID: {4711-0815}", "MRN\n{A1234567}"],
    "phone": ["Tel: {020 7946 0958}", "phone {555-1234}", "Fax: {030/1234567}", "please call {404 639 1075}"],
    "ssn": ["SSN {123 45 6789}", "social security number is {536904399}"],
    "ip": ["IP address {10.0.0.1}", "IP: {8.8.8.8}"],
}
ORDINARY = """\
doi:10.1016/j.cell.2020.01.001|https://doi.org/10.1001/301-496-5583|10.1093/301.496.5583|www.x.org/301-496-5583
ISBN 978-3-16-148410-0|ISBN 0-306-40615-2|ISBN 9783161484100|ISSN 1234-5678|PMID: 12345678|PMC1234567
2020-01-31|01/31/2020|1990-2000|2005-2010|phone survey 2005-2010|by telephone 2005-2010
12:30:45|95-100-1200|200 300 4000
1,234,567|$1,250,000.00|EUR 12 500 000|12 500 000 people|we call 10 000 000|+10 000 000|+25 patients|+1.23456789
ICD-10 E11.9|ICD-9 250.00|NCT01234567|CAS 50-78-2|NDC 0002-8215-01|BRCA1 rs123456789|chr7:117559593-117559700
EC 3.4.21.5|version 10.15.7.1|section 2.10.1.3|HLA-DRB1*04:01:01:02|t(9;22)(q34;q11)|Ca2+ 12345678|pH 7.35-7.45
000-12-3456|666-12-3456|900-12-3456|123-00-4567|123-45-0000|12345-67-8901|301-496-5583-77|AB301-496-5583
4111 1111 1111 1112|9111 1111 1111 1111|DE89370400440532013001|XX89370400440532013000|GTIN 4006381333931
MRN was missing in 2015 cases|patient number 12|medical records of 123456 patients|123456789|256.100.100.100
1-800-MEDICARE|301-496|ZIP 20892-2520|ORCID 0000-0002-1825-0097|EIN 12-3456789|std::vector|a::b c::d|@handle|a@b
95% CI 1.02-1.35, p=0.0001|1999 2000 2001 2002|mean 120 (SD 15) 130 2000|[EMAIL] and [PHONE]|the SSN [SSN]""".replace(
    "\n", "|"
).split("|")


@pytest.mark.parametrize(("kind", "written"), [(kind, one) for kind, many in PERSONAL.items() for one in many])
def test_personal_data_is_replaced_wherever_it_stands(kind: str, written: str) -> None:
    for text in ("{}", "It is {}.", "({}), of 2015", "See {} or {};", "x\n{}\ny", "{}, 12 years old"):
        count = text.count("{}")
        placeholder = f"[{kind.upper()}]"
        assert scrub(text.replace("{}", written)) == (text.replace("{}", placeholder), {kind: count})


@pytest.mark.parametrize(("kind", "written"), [(kind, one) for kind, many in WITH_KEYWORD.items() for one in many])
def test_other_numbers_need_a_keyword_which_stays(kind: str, written: str) -> None:
    keyword, number = written.removesuffix("}").split("{")
    assert scrub(f"Known: {keyword}{number}, 2015.") == (f"Known: {keyword}[{kind.upper()}], 2015.", {kind: 1})
    assert number in scrub(f"Known: {number}, 2015.")[0]


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_text_stays(text: str) -> None:
    for shown in (text, f"As in {text}.", f"({text}) and so on"):
        assert scrub(shown) == (shown, {})


def test_thirty_pieces_in_one_document() -> None:
    pieces = [(kind, one) for kind, many in PERSONAL.items() for one in many]
    pieces += [("mrn", one.replace("{", "").replace("}", "")) for one in WITH_KEYWORD["mrn"][:3]]
    assert len(pieces) == 30
    sentence = "On 2 May 2019 the patient, aged 45, who gave {}, had 12,500 platelets (95 % CI 1.1-1.3)."
    document = "\n".join(sentence.format(written) for _, written in pieces)
    scrubbed, counts = scrub(document)
    assert counts == Counter(kind for kind, _ in pieces)
    assert len(counts) == 7
    keywords = {"MRN: 00123456": "MRN: ", "medical record number 12-34-56": "medical record number "}
    keywords["Patient ID: 4711-0815"] = "Patient ID: "
    expected = [sentence.format(f"{keywords.get(written, '')}[{kind.upper()}]") for kind, written in pieces]
    assert scrubbed == "\n".join(expected)


def test_what_stands_beside_a_number_is_not_taken_with_it() -> None:
    assert scrub("call +49 30 12345678 24 hours a day")[0] == "call [PHONE] 24 hours a day"
    assert scrub("In 2023 4111 1111 1111 1111 123 was charged")[0] == "In 2023 [CARD] 123 was charged"
    assert scrub("DE89 3704 0044 0532 0130 00 BIC COBADEFF")[0] == "[IBAN] BIC COBADEFF"
    assert scrub("301-496-5583/301-496-5584")[0] == "[PHONE]/[PHONE]"


def test_of_a_web_address_only_the_email_address_in_it_is_replaced() -> None:
    address = "https://x.org/?to=me@x.org&id=301-496-5583"
    assert scrub(address) == ("https://x.org/?to=[EMAIL]&id=301-496-5583", {"email": 1})


FRAGMENTS = [
    *(one for many in PERSONAL.values() for one in many),
    *(one.replace("{", "").replace("}", "") for many in WITH_KEYWORD.values() for one in many),
    *["MRN", "SSN", "phone", "IP", "@", "+", "1", "12", "301-", "-", ".", " ", "\n", "(", ")", "/", "x.org", "[SSN]"],
    *["https://", "10.1000/", "a", "::", "DE89", "4111"],
]


@given(st.lists(st.sampled_from(FRAGMENTS), max_size=12).map("".join))
def test_scrubbing_twice_changes_nothing(text: str) -> None:
    scrubbed, counts = scrub(text)
    assert (scrubbed == text) == (not counts)
    assert scrub(scrubbed) == (scrubbed, {})


@given(st.text(alphabet="0123456789 -.+()@:ab\nDE[]", max_size=80))
def test_scrubbing_any_text_twice_changes_nothing(text: str) -> None:
    scrubbed, _ = scrub(text)
    assert scrub(scrubbed) == (scrubbed, {})


@pytest.mark.parametrize("pattern", ["1", "1 ", "a.", "a@", "DE12 ", "4111 ", "301-", "1.", "a:", "+4", "MRN ", "(3"])
def test_time_grows_with_the_text_and_not_with_its_square(pattern: str) -> None:
    began = time.process_time()
    scrub(pattern * (50_000 // len(pattern)))
    assert time.process_time() - began < 10  # the slowest takes 1.5 s; a square would take minutes
