import pytest

from domain_adapt.corpus.filters.base import Dropped
from domain_adapt.corpus.filters.language import check_language, guess_language
from domain_adapt.errors import DomainAdaptError

FOREIGN = {
    "de": "Der Patient klagt seit drei Tagen über Schmerzen in der Brust. Das EKG war unauffällig. Er wurde entlassen.",
    "fr": "La banque centrale a relevé son taux d'un quart de point. Les marchés s'y attendaient depuis mars.",
    "es": "El paciente refiere dolor torácico desde hace tres días. El electrocardiograma fue normal y volvió.",
    "it": "La paziente ha avuto la febbre per una settimana. Gli esami del sangue non hanno mostrato nulla di nuovo.",
    "nl": "De patiënt klaagt sinds drie dagen over pijn op de borst. Het hartfilmpje was normaal, hij mocht gaan.",
    "pt": "O banco emprestou o dinheiro à empresa por cinco anos. Os juros são pagos duas vezes por ano, em março.",
    "ru": "Пациент жалуется на боль в груди в течение трёх дней. Электрокардиограмма была в норме.",
    "zh": "患者胸痛三天\uff0c没有发烧。心电图检查结果正常\uff0c血压略高。医生建议他住院观察。",
    "ar": "يشكو المريض من ألم في الصدر منذ ثلاثة أيام. كان تخطيط القلب طبيعيا، ولم تكن لديه حمى.",
    "ja": "患者は三日前から胸の痛みを訴えている。心電図は正常だった。医師は入院を勧めた。",
}
ENGLISH = [
    "Myocardial infarction is the death of heart muscle after its blood supply has stopped.",
    "Bonds pay a coupon twice a year, and their price falls when market yields rise.",
    "Serum amyloid A and P protein genes in familial Mediterranean fever.",
    "E. coli, S. aureus, K. pneumoniae, P. aeruginosa, C. difficile, H. influenzae, N. meningitidis",
    "M. latissimus dorsi, m. trapezius, m. rhomboideus major, m. levator scapulae",
    "Frontal bossing - Hiatus hernia - High palate - Hypertelorism - Hypospadias - Inguinal hernia - Strabismus",
    "Metformin 500 mg, atorvastatin 20 mg, ramipril 5 mg, amlodipine 10 mg, aspirin 75 mg",
    "GDP CPI PPI FOMC ECB BOJ IMF",
    "12.5 13.7 14.1 -3.2 100.0",
    "",
]


@pytest.mark.parametrize("language", FOREIGN)
def test_ten_languages_are_told_and_dropped(language: str) -> None:
    answer = check_language(FOREIGN[language], ["en"], 0.65)
    assert isinstance(answer, Dropped)
    assert answer.reason == f"language: {language}"
    assert 0.65 <= float(answer.detail) <= 1
    assert check_language(FOREIGN[language], ["en", language], 0.65) == FOREIGN[language]


@pytest.mark.parametrize("text", ENGLISH)
def test_english_stays(text: str) -> None:
    assert check_language(text, ["en"], 0.65) == text


def test_below_the_confidence_asked_for_a_document_stays() -> None:
    language, confidence = guess_language(FOREIGN["ar"])
    assert language == "ar"
    assert isinstance(check_language(FOREIGN["ar"], ["en"], confidence), Dropped)
    assert check_language(FOREIGN["ar"], ["en"], confidence + 1e-6) == FOREIGN["ar"]


def test_the_middle_decides() -> None:
    text = f"{ENGLISH[0]}\n\n{FOREIGN['de'] * 20}\n\n{ENGLISH[0]}"
    assert guess_language(text)[0] == "de"


def test_latin_prose_is_told_from_lists_of_latin_names() -> None:
    caesar = "Gallia est omnis divisa in partes tres, quarum unam incolunt Belgae, aliam Aquitani, tertiam qui Celtae."
    assert check_language(caesar, ["en"], 0.65) == Dropped("language: la", f"{guess_language(caesar)[1]:.2f}")


def test_a_language_that_there_is_not_is_an_error() -> None:
    with pytest.raises(DomainAdaptError, match=r"corpus\.filters\.languages: 'english'"):
        check_language(ENGLISH[0], ["english"], 0.65)
