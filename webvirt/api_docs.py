"""The page that explains the API, made from its OpenAPI description: no scripts, nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from ninja import NinjaAPI
from ninja.openapi.docs import DocsBase

_METHODS = ("get", "head", "post", "put", "patch", "delete")


class Page(DocsBase):
    def render_page(self, request: HttpRequest, api: NinjaAPI, **kwargs: Any) -> HttpResponse:
        schema_url = self.get_openapi_url(api, kwargs)
        frame_template = "base.html" if request.user.is_authenticated else "frame/plain.html"
        context = {"groups": _groups(api), "api": api, "schema_url": schema_url, "frame_template": frame_template, "base": request.build_absolute_uri("/")[:-1]}
        return render(request, "webvirt/api_docs.html", context)


@dataclass(frozen=True)
class Field:
    name: str
    where: str  # path, query, body
    kind: str
    required: bool
    words: str


@dataclass(frozen=True)
class Call:
    id: str
    tag: str
    method: str
    path: str
    title: str
    words: str
    fields: list[Field]
    answers: list[str]


@cache
def _groups(api: NinjaAPI) -> list[dict[str, Any]]:
    """The same for as long as the process lives."""
    calls = list(_calls(api.get_openapi_schema()))
    return [{"title": tag, "calls": [call for call in calls if call.tag == tag]} for tag in dict.fromkeys(call.tag for call in calls)]


def _calls(schema: dict[str, Any]) -> Iterator[Call]:
    for path, operations in schema["paths"].items():
        for method in _METHODS:
            if method in operations:
                yield _call(schema, path, method, operations[method])


def _call(schema: dict[str, Any], path: str, method: str, operation: dict[str, Any]) -> Call:
    return Call(
        id=operation["operationId"],
        tag=(operation.get("tags") or [""])[0],
        method=method.upper(),
        path=path,
        title=operation.get("summary", ""),
        words=operation.get("description", ""),
        fields=[*_parameters(operation), *_body(schema, operation)],
        answers=[str(status) for status in operation.get("responses", {})],
    )


def _parameters(operation: dict[str, Any]) -> Iterator[Field]:
    for parameter in operation.get("parameters", []):
        shape = parameter.get("schema", {})
        yield Field(parameter["name"], parameter["in"], _kind(shape), parameter.get("required", False), shape.get("description", ""))


def _body(schema: dict[str, Any], operation: dict[str, Any]) -> Iterator[Field]:
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    shape = _resolved(schema, content.get("schema", {}))
    for name, part in shape.get("properties", {}).items():
        yield Field(name, "body", _kind(part), name in shape.get("required", []), part.get("description", ""))


def _resolved(schema: dict[str, Any], shape: dict[str, Any]) -> dict[str, Any]:
    name = shape.get("$ref", "").rpartition("/")[2]
    return schema["components"]["schemas"][name] if name else shape


def _kind(shape: dict[str, Any]) -> str:
    """A word for a type: "integer", "list of string", "start | shutdown"."""
    if "enum" in shape:
        return " | ".join(str(value) for value in shape["enum"])
    if "anyOf" in shape:
        return " or ".join(_kind(part) for part in shape["anyOf"] if part.get("type") != "null")
    if shape.get("type") == "array":
        return f"list of {_kind(shape.get('items', {}))}"
    return str(shape.get("type") or shape.get("$ref", "").rpartition("/")[2] or "any")
