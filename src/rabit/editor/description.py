"""The OpenAPI document of the editor's interface."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from rabit import __version__
from rabit.config import ModelConfig
from rabit.editor.checks import Limits
from rabit.editor.schemas import JOB_ID, Schema, reference, schemas

_TEXTS = {
    400: "The body is no JSON, or the host name is unknown.",
    401: "The token is missing or wrong.",
    403: "The request comes from a page of another site.",
    404: "There is nothing of this name.",
    405: "The address has no such method.",
    408: "The body came too slowly.",
    409: "A newer request of the client has taken the place of this one (X-Rabit-Latest).",
    413: "The body is too large.",
    415: "The content type is not application/json.",
    422: "The request does not fit: its field is named.",
    429: "There is no room; come again after the seconds of Retry-After.",
    500: "The server failed at this request.",
    503: "It took too long, or the server is ending; come again after Retry-After.",
}
_RETRIED = (429, 503)
_BODY_ERRORS = (400, 403, 405, 408, 413, 415, 422, 429)
_NAME = {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"}


def describe_api(models: Mapping[str, ModelConfig], limits: Limits, token: bool) -> dict[str, Any]:
    """Returns the OpenAPI document.

    Args:
        models: the models that are served, by name.
        limits: of recipes.
        token: whether requests must carry one.
    """
    document: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {
            "title": "RABIT editor",
            "version": __version__,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            "description": (
                "Exemplar-based image translation and editing. Files travel as base64 inside JSON. "
                "A request is a recipe: the same document, saved as a file, is repeated by "
                "rabit replay. One request is worked on at a time; clients take turns."
            ),
        },
        "paths": _paths(list(models)),
        "components": {"schemas": schemas(models, limits)},
    }
    if token:
        document["components"]["securitySchemes"] = {
            "token": {"type": "http", "scheme": "bearer", "description": "As printed at the start."}
        }
        document["security"] = [{"token": []}]
        for methods in document["paths"].values():
            for operation in methods.values():
                operation["responses"]["401"] = _error(401)
    return document


def _paths(models: list[str]) -> dict[str, Any]:
    return {
        "/api/models": {
            "get": _operation("models", "The models, the limits, and the joints of poses.",
                              {200: "Models"}, (400, 405, 500)),
        },
        "/api/example": {
            "get": _operation("example", "A recipe to begin with.",
                              {200: "Translation"}, (400, 404, 405, 422, 500),
                              parameters=_example_parameters(models)),
        },
        "/api/labels": {
            "post": _operation("labels", "Reads the ids of a label map, which a browser's canvas "
                               "would spoil.", {200: "Labels"}, (*_BODY_ERRORS, 500),
                               body="LabelsRequest"),
        },
        "/api/translate": {"post": _run("translate", "A photograph with the layout of a condition "
                                        "and the look of exemplars.", "Translation")},
        "/api/edit": {"post": _run("edit", "An edit of a photograph by an edit of its condition.",
                                   "Edit")},
        "/api/match": {"post": _run("match", "Warped exemplar, confidence and matches of a recipe, "
                                    "without the photograph.", "Recipe")},
        "/api/jobs": {
            "post": _operation("start_job", "Starts a batch of recipes.", {202: "NewJob"},
                               (*_BODY_ERRORS, 500, 503), body="JobRequest",
                               parameters=_client_parameters()[:1]),
        },
        "/api/jobs/{id}": {
            "get": _operation("job", "How far a job is.", {200: "Job"}, (400, 404, 405, 500),
                              parameters=[_path("id", JOB_ID)]),
            "delete": _operation("delete_job", "Ends a job and forgets its results.", {204: None},
                                 (400, 403, 404, 405, 500),
                                 parameters=[_path("id", JOB_ID)]),
        },
        "/api/jobs/{id}/results/{index}": {
            "get": _operation("job_result", "The answer to one of a job's recipes. Results are "
                              "kept for 10 minutes after the job's end.", {200: "Answer"},
                              (400, 404, 405, 500),
                              parameters=[_path("id", JOB_ID),
                                          _path("index", {"type": "integer", "minimum": 0})]),
        },
    }  # fmt: skip


def _run(name: str, text: str, body: str) -> Schema:
    errors = (*_BODY_ERRORS, 409, 500, 503)
    return _operation(name, text, {200: "Answer"}, errors, body, _client_parameters())


def _operation(
    name: str,
    text: str,
    answers: Mapping[int, str | None],
    errors: tuple[int, ...],
    body: str | None = None,
    parameters: list[Schema] | None = None,
) -> Schema:
    responses = {
        str(status): {
            "description": HTTPStatus(status).phrase,
            **({} if schema is None else _content(schema)),
        }
        for status, schema in answers.items()
    }
    responses |= {str(status): _error(status) for status in sorted(errors)}
    operation: Schema = {"operationId": name, "summary": text, "responses": responses}
    if parameters:
        operation["parameters"] = parameters
    if body is not None:
        operation["requestBody"] = {"required": True, **_content(body)}
    return operation


def _error(status: int) -> Schema:
    response = {"description": _TEXTS[status], **_content("Error")}
    if status in _RETRIED:
        seconds = {"type": "integer", "minimum": 1}
        response["headers"] = {
            "Retry-After": {"required": True, "schema": seconds, "description": "In seconds."}
        }
    return response


def _content(schema: str) -> Schema:
    return {"content": {"application/json": {"schema": reference(schema)}}}


def _client_parameters() -> list[Schema]:
    return [
        {
            "name": "X-Rabit-Client",
            "in": "header",
            "schema": _NAME,
            "description": "Tells clients on one machine apart, who take turns.",
        },
        {
            "name": "X-Rabit-Latest",
            "in": "header",
            "schema": _NAME,
            "description": "A newer request of the client with the same value takes the place of "
            "one that still waits, which is answered with 409.",
        },
    ]


def _example_parameters(models: list[str]) -> list[Schema]:
    seed = {"type": "integer", "minimum": 0, "maximum": 2**31 - 1, "default": 0}
    model = {"type": "string", "enum": models, "default": models[0]}
    return [
        {"name": "model", "in": "query", "schema": model},
        {"name": "seed", "in": "query", "schema": seed, "description": "Which example."},
    ]


def _path(name: str, schema: Schema) -> Schema:
    return {"name": name, "in": "path", "required": True, "schema": schema}
