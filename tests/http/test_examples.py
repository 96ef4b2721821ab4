"""The document's examples: each is of its schema, and each body is one that its route takes."""

import re
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from jsonschema import Draft202012Validator

from app import app
from chalicelib.api.http.openapi import document
from chalicelib.api.http.parsing import parse_body
from chalicelib.api.http.routes import JSON
from deploy.policies import ROOT
from tests.support.sample_api import sample_app

DOCUMENT: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(document(app.declared, version="1")))
BODIES = [route for route in app.declared if route.body]


def media(operation: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each status, or body, with its JSON content."""
    parts = {"body": operation.get("requestBody", {}), **operation["responses"]}
    for name, part in parts.items():
        for type_, content in part.get("content", {}).items():
            if type_ in (JSON, "application/problem+json") and content["schema"]:
                yield name, content


def operations(found: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in found["paths"].items():
        for method, operation in methods.items():
            yield f"{method} {path}", operation


def check(value: Any, schema: dict[str, Any], where: str) -> None:
    whole = {**schema, "components": DOCUMENT["components"]}
    mistakes = [
        f"{each.json_path}: {each.message}" for each in Draft202012Validator(whole).iter_errors(value)
    ]
    assert mistakes == [], where


def test_every_body_and_answer_has_an_example_of_its_schema() -> None:
    checked = 0
    for where, operation in operations(DOCUMENT):
        for name, content in media(operation):
            if name != "default":
                check(content["example"], content["schema"], f"{where} {name}")
                checked += 1
    assert checked > 4 * len(app.declared)


def test_every_parameter_that_has_an_example_has_one_of_its_schema() -> None:
    found = [each for _, operation in operations(DOCUMENT) for each in operation.get("parameters", ())]
    for each in found:
        if "example" in each:
            check(each["example"], each["schema"], each["name"])
    assert {each["name"] for each in found if "example" in each} == {"Idempotency-Key", "Prefer"}


@pytest.mark.parametrize("route", BODIES, ids=lambda route: route.handler.__name__)
def test_the_example_of_a_body_is_taken_by_its_route(route: Any) -> None:
    operation = DOCUMENT["paths"][route.path][route.method.lower()]
    example = operation["requestBody"]["content"][JSON]["example"]
    assert example
    parse_body(msgspec.json.encode(example), JSON, route.body, max_bytes=route.max_body_bytes)


def test_the_key_in_the_documentation_is_one() -> None:
    text = (ROOT / "docs" / "documents.md").read_text()
    (key,) = re.findall(r"-H 'Idempotency-Key: ([^']*)'", text)
    parameters = DOCUMENT["paths"]["/api/v1/documents"]["post"]["parameters"]
    (declared,) = [each for each in parameters if each["name"] == "Idempotency-Key"]
    assert key == declared["example"]
    check(key, declared["schema"], "docs/documents.md")


def test_an_answer_of_success_has_no_failure_in_its_example() -> None:
    item = DOCUMENT["paths"]["/api/v1/items/{item_id}"]["get"]["responses"]["200"]["content"][JSON]["example"]
    assert (item["failure"], item["analysis"]["language"], item["object"]) == (None, "en", "item")


def test_examples_follow_the_declarations() -> None:
    """Another app's types are in no table of examples, so their examples come from their constraints alone."""
    found = msgspec.json.decode(msgspec.json.encode(document(sample_app().declared, version="1")))
    thing = found["paths"]["/api/v1/things"]["post"]
    assert thing["requestBody"]["content"][JSON]["example"] == {"name": "Balcony"}
    listed = found["paths"]["/api/v1/things"]["get"]["responses"]["200"]["content"][JSON]["example"]["query"]
    assert (listed["kind"], listed["order"], listed["deep"]) == (["image"], "newest", False)
    mistakes = found["paths"]["/api/v1/things"]["get"]["responses"]["400"]["content"][
        "application/problem+json"
    ]
    assert [each["field"] for each in mistakes["example"]["errors"]] == ["limit", "q"]
