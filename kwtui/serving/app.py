"""The HTTP API of one strategy, as FastAPI describes and checks it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from fastapi import FastAPI, Request, Security
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse
from fastapi.security import HTTPBearer
from starlette.exceptions import HTTPException

from engines.extraction.extractor import Extractor
from engines.records import Prediction
from glossary.i18n import _
from glossary.text import normalise
from kwtui import failures
from kwtui.serving.batching import Batcher, Fault, Full, Outcome
from kwtui.serving.guard import Guard, Limits, Turned
from kwtui.serving.metrics import Metrics
from kwtui.serving.page import page
from kwtui.serving.shapes import Found, Health, Many, One, Problem, Result, Results

Value = TypeVar("Value")

# Texts that wait for the model at most; beyond it the answer is 503.
ROOM = 2048
CSP = "default-src 'none'; style-src 'unsafe-inline'"


def make_app(
    extractor: Callable[[], Extractor],
    *,
    token: str,
    hosts: frozenset[str],
    limits: Limits | None = None,
    batch: int = 64,
) -> Guard:
    """The whole API around `extractor`; `hosts` are the values of Host that it answers to."""
    metrics = Metrics()
    batcher = Batcher(extractor, metrics, most=batch, room=ROOM)

    app = FastAPI(
        title="kwtui",
        description=_("Keywords of texts, by the strategy that this server was started with."),
        version="1",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        responses=_problems(400, 408, 413, 421, 429),
    )
    bearer = HTTPBearer(auto_error=False, description=_("The token that kwtui serve made."))
    _routes(app, bearer, extractor(), batcher, metrics)
    _errors(app)
    return Guard(
        app,
        token=token,
        hosts=hosts,
        limits=limits or Limits(),
        metrics=metrics,
        close=batcher.close,
    )


def _routes(
    app: FastAPI,
    bearer: HTTPBearer,
    served: Extractor,
    batcher: Batcher,
    metrics: Metrics,
) -> None:
    async def extract(asked: One | Many, request: Request) -> Results:
        return await _extract(asked, request, served, batcher)

    app.post(
        "/extract",
        description=_("The keywords of one text, or of several in their order."),
        responses=_problems(401, 415, 422, 500, 503),
        dependencies=[Security(bearer)],
        response_model=Results,
        response_model_exclude_none=True,
    )(extract)

    @app.get("/health", description=_("Whether the server is there; needs no token."))
    async def health() -> Health:
        return Health()

    @app.get(
        "/metrics",
        description=_("Counts and times in the text format of Prometheus."),
        responses=_problems(401)
        | {200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
        response_model=None,
        dependencies=[Security(bearer)],
    )
    async def counted() -> PlainTextResponse:
        return PlainTextResponse(metrics.text())

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return HTMLResponse(page(app.openapi()), headers={"content-security-policy": CSP})


async def _extract(
    asked: One | Many, request: Request, served: Extractor, batcher: Batcher
) -> Results:
    texts = [asked.text] if isinstance(asked, One) else asked.texts
    clean = [normalise(text) for text in texts]
    try:
        outcomes = await _while_there(request, batcher.extract(clean))
    except Full:
        raise Turned(503, _("Too many texts are waiting; try again."), retry_after="1") from None
    faults = [outcome for outcome in outcomes if isinstance(outcome, Fault)]
    if len(faults) == len(outcomes):
        raise Turned(faults[0].status, faults[0].sentence)
    results = [_result(text, outcome) for text, outcome in zip(clean, outcomes, strict=True)]
    return Results(results=results, strategy=served.name, model=served.model)


async def _while_there(request: Request, work: Awaitable[Value]) -> Value:
    """The result of `work`, which is cancelled when the client leaves."""
    task = asyncio.ensure_future(work)
    left = asyncio.ensure_future(_left(request))
    try:
        await asyncio.wait({task, left}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise Turned(499, "")
        return task.result()
    finally:
        task.cancel()
        left.cancel()


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _result(text: str, outcome: Outcome) -> Result:
    if isinstance(outcome, Fault):
        return Result(text=text, valid=False, error=outcome.sentence)
    return _of(outcome)


def _of(prediction: Prediction) -> Result:
    return Result(
        text=prediction.text,
        keywords=[Found(**keyword.to_json()) for keyword in prediction.keywords],
        valid=prediction.valid,
        truncated=prediction.truncated,
        ungrounded=list(prediction.ungrounded),
    )


def _errors(app: FastAPI) -> None:
    """Every refusal is one sentence; nothing of the request stands in it."""

    @app.exception_handler(RequestValidationError)
    async def wrong_shape(_request: Request, error: RequestValidationError) -> JSONResponse:
        status = 400 if error.errors()[0].get("type") == "json_invalid" else 422
        return JSONResponse({"detail": _shape_sentence(error)}, status)

    @app.exception_handler(HTTPException)
    async def refused(_request: Request, error: HTTPException) -> JSONResponse:
        sentences = {
            400: _("The body is no JSON."),
            404: _("There is nothing here; /docs lists what there is."),
            405: _("This path takes another method."),
        }
        detail = sentences.get(error.status_code, str(error.detail))
        return JSONResponse({"detail": detail}, error.status_code, headers=error.headers)

    @app.exception_handler(Exception)
    async def broken(_request: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"detail": failures.unexpected(error)}, 500)

    @app.exception_handler(Turned)
    async def turned(_request: Request, error: Turned) -> JSONResponse:
        return JSONResponse({"detail": str(error)}, error.status, headers=error.headers)


def _shape_sentence(error: RequestValidationError) -> str:
    first = error.errors()[0]
    if first.get("type") == "json_invalid":
        return _("The body is no JSON.")
    place = ".".join(str(part) for part in first["loc"][1:] if part not in ("One", "Many"))
    known = place in ("", "text", "texts") or place.startswith("texts.")
    named = place if known else _("a key that is not known")
    message = _(
        'The body must be {{"text": "..."}} or {{"texts": ["...", ...]}}; wrong is: {place}.'
    )
    return message.format(place=named or _("the whole"))


def _problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    said = {
        400: _("The body is no JSON."),
        401: _("The token is missing or wrong."),
        408: _("The body came too slowly."),
        413: _("The body is too large."),
        415: _("The body is not application/json."),
        421: _("The Host header is not this server's."),
        422: _("The body has another shape, or the text cannot be asked about."),
        429: _("Too many requests."),
        500: _("A fault of the server."),
        503: _("Too much is waiting, or the model's server is away."),
    }
    return {status: {"description": said[status], "model": Problem} for status in statuses}
