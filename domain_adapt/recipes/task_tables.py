"""The tables of a task recipe that say how its type of task works."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from domain_adapt.recipes.table import Table


class QuestionAnsweringSettings(Table):
    """Extractive question answering."""

    max_length: int = Field(320, ge=32, description="tokens in a window of question and context")
    stride: int = Field(96, ge=0, description="context tokens that neighbouring windows share")
    max_answer_length: int = Field(30, ge=1, description="longest answer in tokens")
    no_answer_threshold: float | None = Field(
        None, description="log-odds of an answer below which none is given; unset is chosen on the dev part"
    )


class MultipleChoiceSettings(Table):
    """A question and two or more choices, of which one is right."""

    max_length: int = Field(256, ge=16, description="tokens of context, question and one choice; contexts are cut")
    question: str = Field("question", description="field (JSON) or column (CSV, Parquet) that holds the question")
    context: str = Field("context", description="field of a text that the question is about, where there is one")
    choices: str | list[str] = Field("choices", description="field with a list of texts, or several with a text each")
    answer: str = Field("answer", description="field of the right choice: its number from 0, its letter or its text")


class TextClassificationSettings(Table):
    """A label, several or a number for a text, or for a pair of texts."""

    problem: Literal["single-label", "multi-label", "regression"] = Field(
        "single-label", description="one label a text, any number of labels, or a number"
    )
    text: str = Field("text", description="column of the text; a.b is the field b of the object in column a")
    text_pair: str | None = Field(None, description="column of a second text, e.g. the context of a question")
    label: str = Field("label", description="column of the label, of the list of labels, or of the number")
    max_length: int = Field(320, ge=8, description="tokens of the text or of both; what is longer is cut, and counted")


class TokenClassificationSettings(Table):
    """Labelled spans in a text."""

    tokens: str = Field("tokens", description="column of the tokens, where there is a tag a token")
    tags: str = Field("tags", description="column of their tags")
    max_length: int = Field(128, ge=8, description="tokens in a row; a longer text makes several")


class MultitaskSettings(Table):
    """Several tasks on one encoder."""

    size_exponent: float = Field(
        0.5,
        ge=0,
        le=1,
        description="a task is trained on in proportion to its number of rows to this power",
    )
    mlm_weight: float = Field(
        0.0, ge=0, description="weight of a masked-LM loss on the texts of the tasks, trained beside them; 0 is off"
    )
    mlm_block_size: int = Field(128, ge=8, description="tokens in a block of these texts")
    mlm_probability: float = Field(0.15, gt=0, lt=1, description="share of their tokens to predict")
