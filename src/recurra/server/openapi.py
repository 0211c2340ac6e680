"""The OpenAPI document: every model has paths of its own, with the schema of what that very model reads."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from recurra.server import wire
from recurra.server.models import Model
from recurra.server.service import Service
from recurra.server.settings import Serving
from recurra.settings import Sampling, plain_schema

Schema = dict[str, Any]

_ERROR: Schema = {"type": "object", "properties": {"error": {"type": "string"}}, "required": ["error"]}
_ANYTHING: Schema = {"type": "object"}
_REFUSALS = {
    400: "the request is no HTTP, or the client went away",
    401: "a token is needed",
    403: "a page of another site asked",
    404: "there is no such model",
    405: "another method is needed",
    408: "the request did not come in time",
    409: "the model cannot do this",
    413: "the body is too large",
    415: "the body is of another kind",
    421: "the server is not known under this name",
    422: "the content cannot be used; the sentence says why and what to do",
    500: "an internal error",
    503: "too much to do, or no answer in time; Retry-After says when to come again",
}


def describe(service: Service) -> Schema:
    """The whole document, of the models that are in service now."""
    paths: Schema = {
        "/v1/models": {"get": _operation("The models in service", {200: _json("the models", _MODELS)})},
        "/healthz": {"get": _operation("Whether the process lives", {200: _json("it lives", _ANYTHING)})},
        "/readyz": {
            "get": _operation(
                "Whether requests should be sent here", {200: _json("yes", _ANYTHING), 503: _json("no", _ANYTHING)}
            )
        },
        "/metrics": {
            "get": _operation("Figures for Prometheus", {200: _answer("the figures", "text/plain", {"type": "string"})})
        },
    }
    for model in service.models:
        paths |= _paths(model, service)
    document: Schema = {"openapi": "3.1.0", "info": {"title": "Recurra", "version": "1"}, "paths": paths}
    if service.settings.tokens is not None:
        document["components"] = {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}}
        document["security"] = [{"token": []}]
    return document


_MODELS: Schema = {
    "type": "object",
    "properties": {
        "models": {"type": "array", "items": _ANYTHING},
        "failed": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["models", "failed"],
}


def _paths(model: Model, service: Service) -> Schema:
    at, settings = f"/v1/models/{quote(model.name)}", service.settings
    paths: Schema = {}
    if model.predicts is not None:
        one = model.predicts.request_schema
        many = {"type": "array", "items": one, "minItems": 1, "maxItems": settings.sequences}
        body: Schema = {"oneOf": [_object({"input": one}), _object({"inputs": many})]}
        said = _json("what the model says", _ANYTHING)
        about = "One sequence, or many of unequal length; as `application/x-npy` what `numpy.save` writes."
        paths[f"{at}/predict"] = {"post": _operation("Predict", {200: said}, body, about)}
    if model.explains is not None:
        said = _json("the answer, and the words with their weights", _ANYTHING)
        body = _object({"input": model.explains.request_schema})
        paths[f"{at}/explain"] = {
            "post": _operation("Weigh the words of a text", {200: said}, body, "Positive ones speak for the answer.")
        }
    if model.writes is not None:
        said = _answer("events: text, then end or error", "text/event-stream", {"type": "string"})
        paths[f"{at}/generate"] = {"post": _operation("Go on with a text", {200: said}, _order(settings))}
    return paths


def _order(settings: Serving) -> Schema:
    """What is wanted of a text."""
    schema = plain_schema(Sampling)
    schema["properties"]["prompt"] = {"type": "string", "maxLength": settings.length, "default": ""}
    schema["properties"]["length"]["maximum"] = settings.length
    return schema


def _operation(summary: str, answers: dict[int, Schema], body: Schema | None = None, description: str = "") -> Schema:
    refusals = {status: _json(why, _ERROR) for status, why in _REFUSALS.items()}
    responses = {str(status): answer for status, answer in sorted((refusals | answers).items())}
    operation: Schema = {"summary": summary, "description": description, "responses": responses}
    if body is not None:
        operation["requestBody"] = {"required": True, "content": {wire.JSON: {"schema": body}}}
    return operation


def _json(description: str, schema: Schema) -> Schema:
    return _answer(description, wire.JSON, schema)


def _answer(description: str, kind: str, schema: Schema) -> Schema:
    return {"description": description, "content": {kind: {"schema": schema}}}


def _object(properties: Schema) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
