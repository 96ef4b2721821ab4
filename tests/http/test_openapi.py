"""The OpenAPI document: valid, complete, and made of the declarations that serve the requests."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from chalicelib.api.http.entry import App
from chalicelib.api.http.openapi import document
from chalicelib.api.http.routes import Request, Routes
from tests.support.sample_api import call, sample_app


class WithBytes(msgspec.Struct):
    raw: bytes


def served(app: App) -> set[tuple[str, str]]:
    """Without what every path has: OPTIONS, and HEAD where there is GET."""
    pairs = ((path, method) for path, methods in app.routes.items() for method in methods)
    implied = ("OPTIONS", "HEAD")
    return {(path, method.lower()) for path, method in pairs if method not in implied and path != "/{proxy+}"}


def described(app: App) -> set[tuple[str, str]]:
    paths = document(app.declared, version="1")["paths"]
    return {(path, method) for path, methods in paths.items() for method in methods}


def sample_document() -> dict[str, Any]:
    return call("GET", "/api/v1/openapi.json").json_body


def real_app() -> App:
    from app import app

    return app


@pytest.mark.parametrize("make", [sample_app, real_app])
def test_what_is_served_is_described_and_valid(make: Callable[[], App]):
    app = make()
    assert ("/api/v1/openapi.json", "get") in served(app)
    assert described(app) == served(app)
    assert "HEAD" in document(app.declared, version="1")["info"]["description"]
    for path, methods in app.routes.items():
        assert ("HEAD" in methods) == ("GET" in methods), path
    plain = msgspec.json.decode(msgspec.json.encode(document(app.declared, version="1")))
    OpenAPIV31SpecValidator(plain).validate()


def test_parameters_carry_their_constraints():
    parameters = sample_document()["paths"]["/api/v1/things"]["get"]["parameters"]
    by_name = {parameter["name"]: parameter for parameter in parameters}
    assert by_name["limit"]["schema"]["minimum"] == 1
    assert by_name["limit"]["schema"]["maximum"] == 100
    assert by_name["limit"]["schema"]["default"] == 20
    assert by_name["limit"]["description"] == "At most so many."
    assert by_name["kind"]["schema"]["items"] == {"enum": ["image", "pdf"]}
    [thing_id] = sample_document()["paths"]["/api/v1/things/{thing_id}"]["get"]["parameters"]
    assert (thing_id["in"], thing_id["required"]) == ("path", True)


def test_answers_and_errors_are_described():
    create = sample_document()["paths"]["/api/v1/things"]["post"]
    assert create["operationId"] == "create_thing"
    assert create["tags"] == ["things"]
    answers = create["responses"]
    assert answers["201"]["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/Thing"}
    assert answers["200"]["content"]["application/json"]["schema"] == {
        "$ref": "#/components/schemas/Existing"
    }
    assert {"400", "401", "409", "413", "415", "503", "default"} < set(answers)
    assert answers["409"]["content"]["application/problem+json"]["schema"]["$ref"].endswith("/Problem")
    delete = sample_document()["paths"]["/api/v1/things/{thing_id}"]["delete"]["responses"]
    assert "content" not in delete["204"]
    assert "404" in delete


def test_public_routes_need_nobody():
    paths = sample_document()["paths"]
    assert paths["/health"]["get"]["security"] == []
    assert "401" not in paths["/health"]["get"]["responses"]
    assert "security" not in paths["/api/v1/things"]["get"]


def test_a_page_is_described_by_its_media_type():
    content = sample_document()["paths"]["/page"]["get"]["responses"]["200"]["content"]
    assert content == {"text/html": {"schema": {"type": "string"}}}


def test_a_file_for_a_body_and_the_pattern_of_a_path_are_described():
    paths = document(real_app().declared, version="1")["paths"]
    body = paths["/api/v1/documents"]["post"]["requestBody"]
    assert body == {
        "required": True,
        "content": {"application/pdf": {"schema": {"type": "string", "format": "binary"}}},
    }
    assert {"413", "415", "422"} <= set(paths["/api/v1/documents"]["post"]["responses"])
    [by_hash] = paths["/api/v1/documents/by-hash/{file_hash}"]["get"]["parameters"]
    assert by_hash["schema"] == {"type": "string", "pattern": "^[0-9a-f]{64}$"}


def test_what_parameters_mean_and_where_a_redirect_leads_are_described():
    paths = document(real_app().declared, version="1")["paths"]
    assert "`tag` is a label" in paths["/api/v1/items"]["get"]["description"]
    redirect = paths["/api/v1/items/{item_id}/download"]["get"]["responses"]["302"]
    assert redirect["headers"]["Location"] == {"$ref": "#/components/headers/Location"}


def test_bytes_in_json_are_refused():
    routes = Routes("raw")

    @routes.get("/raw", returns=WithBytes, summary="Bytes.")
    def get_raw(_request: Request) -> WithBytes:
        return WithBytes(raw=b"")

    with pytest.raises(TypeError, match="bytes"):
        document(routes.declared, version="1")
