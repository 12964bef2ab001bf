"""Byte order marks, UTF-8, and what the letters of a language make believable."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain_adapt.corpus.sources.encodings import decide, decode
from domain_adapt.corpus.sources.textfile import Refused
from domain_adapt.errors import DomainAdaptError

Read = Callable[..., list[tuple[str, str]]]

SENTENCES = [
    ("cp1252", "Die Größe der Läsion betrug 3 cm; eine Überweisung zur Röntgenaufnahme wurde ausgestellt."),
    ("cp1252", "L\u2019insuffisance cardiaque a été diagnostiquée à 52\u00a0ans; œdème des membres inférieurs."),
    ("cp1252", "¿Qué síntomas tiene el niño? Además, dolor en el corazón."),
    ("cp1252", "A inflação não diminuiu em março; as ações caíram após a decisão da comissão."),
    ("cp1252", "Patienten uppgav smärtor i höger knä, och läkaren föreslog en undersökning på sjukhuset."),
    ("cp1252", "The patient\u2019s \u201crash\u201d resolved \u2013 5\u00a0µg at 37\u00a0°C, cost £4 or 5\u00a0€."),
    ("cp1252", "Müller"),
    ("cp1250", "Pacjentka skarżyła się na ból, a lekarz zlecił badanie. Zażółć gęślą jaźń."),
    ("iso8859_2", "Příliš žluťoučký kůň úpěl ďábelské ódy. Pacientka si stěžovala na bolest."),
    ("cp1254", "Türkiye'de enflasyon yüksek; hastan\u0131n şikâyeti göğüs ağr\u0131s\u0131d\u0131r."),
    ("cp1257", "Pacientė skundėsi skausmu dešiniajame kelyje, gydytojas paskyrė tyrimą."),
    ("cp850", "Die Größe der Läsion betrug 3 cm; eine Überweisung wurde ausgestellt."),
    ("mac_roman", "Le patient présente une dyspnée d\u2019effort et un œdème à l\u2019âge de 52 ans."),
    ("cp1251", "Пациентка жаловалась на боль в правом колене."),
    ("koi8_r", "Пациентка жаловалась на боль в правом колене."),
    ("cp1253", "Η ασθενής παραπονέθηκε για πόνο στο δεξί γόνατο."),  # noqa: RUF001
    ("cp932", "患者は右膝の痛みを訴え、医師はレントゲン検査を指示した。これは日本語の文章です。"),
    ("gb18030", "患者主诉右膝疼痛,医生要求进行X光检查。这是中文文本。"),
    ("cp949", "환자는 오른쪽 무릎 통증을 호소했고 의사는 검사를 지시했다."),
]


@pytest.mark.parametrize("times", [1, 200])
@pytest.mark.parametrize(("codec", "text"), SENTENCES)
def test_one_sentence_tells_its_encoding(codec: str, text: str, times: int) -> None:
    text = "\n".join([text] * times)
    assert decode(text.encode(codec), "auto") == text


def test_few_foreign_names_in_much_text() -> None:
    text = "The study shows no effect of the treatment. " * 2000 + "(Müller, Nuñez, Østergård and Åström, 2010)"
    assert decode(text.encode("cp1252"), "auto") == text


@given(
    st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "Zs"]), min_size=1),
    st.sampled_from(["utf-8-sig", "utf-16", "utf-32"]),
)
def test_byte_order_marks(text: str, codec: str) -> None:
    assert decode(text.encode(codec), "auto") == text.removeprefix("\ufeff")


@pytest.mark.parametrize("codec", ["utf-16-be", "utf-32-be"])
def test_byte_order_marks_of_big_endian(codec: str) -> None:
    assert decode("\ufeffGröße".encode(codec), "auto") == "Größe"


@given(st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "Zs"])), st.integers(0, 200))
def test_utf_8_is_recognised_in_a_sample_cut_within_a_character(text: str, cut: int) -> None:
    sample = ("a" + text).encode()[: cut + 1]
    assert decide(sample, whole=False) == "utf-8"


@pytest.mark.parametrize(
    ("data", "encoding", "reason"),
    [
        (b"ab\0c", "auto", "not text"),
        ("abc".encode("utf-16-le"), "auto", "not text"),
        (b"\xff\xfea", "auto", "encoding not recognised"),
        (random.Random(0).randbytes(3000).replace(b"\0", b"x"), "auto", "encoding not recognised"),
        (bytes(random.Random(1).choices(range(32, 256), k=3000)), "auto", "encoding not recognised"),
        ("Größe überall. ".encode() * 50 + b"\xff" + "Größe".encode(), "auto", "encoding not recognised"),
        ("Größe".encode("cp1252"), "utf-8", "wrong encoding"),
        (b"a\x81b", "cp1252", "wrong encoding"),
        (b"a\0b", "cp1252", "not text"),
        (b"\x01\x02 a", "latin-1", "not text"),
    ],
)
def test_what_is_not_believable_is_refused(data: bytes, encoding: str, reason: str) -> None:
    with pytest.raises(Refused) as caught:
        decode(data, encoding)
    assert caught.value.reason == reason


def test_mojibake_is_not_the_evidence_of_a_western_encoding() -> None:
    with pytest.raises(Refused, match="byte 29 is 0xff"):
        decode("don\u2019t, can\u2019t and won\u2019t ".encode() + b"\xff", "auto")


@pytest.mark.parametrize("encoding", ["latin-1", "ISO-8859-1", "windows-1252", "cp1252"])
def test_a_codec_that_is_named_is_taken(read_bytes: Read, encoding: str) -> None:
    assert read_bytes("x.txt", "Größe".encode("cp1252"), encoding=encoding) == [("x.txt", "Größe")]
    assert read_bytes("x.csv", "text\nGröße\n".encode("cp1252"), encoding=encoding) == [("x.csv:2", "Größe")]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32", "cp500"])
@pytest.mark.parametrize("name", ["x.txt", "x.jsonl", "x.csv"])
def test_codecs_whose_lines_do_not_end_in_0x0a(read_bytes: Read, name: str, encoding: str) -> None:
    text = {"x.txt": "Größe\n2", "x.jsonl": '"Größe"\n"2"\n', "x.csv": "text\nGröße\n2\n"}[name]
    documents = read_bytes(name, text.encode(encoding), encoding=encoding)
    assert "\n".join(document for _, document in documents) == "Größe\n2"


@pytest.mark.parametrize("encoding", ["utf-9", "", "base64", "rot13", "idna", "a\0b", "undefined"])
def test_unknown_codecs_are_errors_of_the_recipe(read_bytes: Read, encoding: str) -> None:
    with pytest.raises(DomainAdaptError, match=r"^encoding: expected auto or the name of a codec"):
        read_bytes("x.pdf", b"", encoding=encoding)


@pytest.mark.parametrize("name", ["x.jsonl", "x.csv", "x.tsv"])
def test_rows_are_decoded_in_the_encoding_of_the_first_of_them(read_bytes: Read, name: str) -> None:
    rows = ["text", *(f"Die Größe von Müller {number}" for number in range(3))]
    text = "\n".join(f'"{row}"' if name == "x.jsonl" else row for row in rows)
    assert [document for _, document in read_bytes(name, text.encode("cp1252"))][-3:] == rows[1:]


@pytest.mark.parametrize("name", ["x.jsonl", "x.csv"])
def test_a_byte_behind_the_sample_that_is_not_utf_8_is_named_with_its_line(read_bytes: Read, name: str) -> None:
    line = f'"{"text" * 25}"\n'
    data = b'"text"\n' + line.encode() * 11_000 + b'"a\xfc"\n'
    with pytest.raises(DomainAdaptError, match=rf"{name}:11002: not UTF-8: byte 2 of the line") as caught:
        read_bytes(name, data)
    assert caught.value.hint is not None and 'encoding = "windows-1252"' in caught.value.hint


def test_a_damaged_character_among_many_is_named_with_its_line(read_bytes: Read) -> None:
    data = '"Größe, naïve"\n'.encode() * 20
    with pytest.raises(DomainAdaptError, match=r"x\.jsonl:21: not UTF-8: byte 1 of the line"):
        read_bytes("x.jsonl", data + b'"\xc3"\n' + data)


def test_rows_that_are_not_in_the_codec_that_is_named(read_bytes: Read) -> None:
    for encoding, data in (
        ("utf-8", b'"a"\n"\xfc"'),
        ("utf-16-le", '"a"\n"\ud800"'.encode("utf-16-le", "surrogatepass")),
    ):
        with pytest.raises(DomainAdaptError, match=rf"x\.jsonl:[12]: not {encoding.upper()}"):
            read_bytes("x.jsonl", data, encoding=encoding)
