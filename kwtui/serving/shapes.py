"""What goes in and out of the HTTP API, and what its OpenAPI page says of it."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

TEXTS = 256
CHARACTERS = 100_000

Text = Annotated[str, Field(max_length=CHARACTERS)]


class One(BaseModel):
    """One text."""

    model_config = ConfigDict(extra="forbid", strict=True)

    text: Text = Field(examples=["임산부는 이 파스를 붙이지 마세요."])


class Many(BaseModel):
    """Several texts, answered in their order."""

    model_config = ConfigDict(extra="forbid", strict=True)

    texts: Annotated[list[Text], Field(min_length=1, max_length=TEXTS)]


class Found(BaseModel):
    """A keyword: offsets count code points of the normalised text, the end is exclusive."""

    surface: str
    start: int
    end: int
    category: str | None = None
    canonical: str | None = None
    term_id: str | None = None


class Result(BaseModel):
    """What was found in one text.

    `text` is normalised: control characters are gone, line ends are LF. `error` says why there is
    no answer about it. `valid`: the model's answer had the right form. `ungrounded`: words of it
    that the text does not hold.
    """

    text: str
    keywords: list[Found] = []
    valid: bool = True
    truncated: bool = False
    ungrounded: list[str] = []
    error: str = ""


class Results(BaseModel):
    """One result a text, in the order of the request."""

    results: list[Result]
    strategy: str
    model: str


class Health(BaseModel):
    """The server is there."""

    status: str = "ok"


class Problem(BaseModel):
    """Why there is no answer, in a sentence."""

    detail: str
