"""The OpenAPI document is true: schemathesis makes requests of it, and checks the answers."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="the page needs FastAPI: pip install fastapi uvicorn")
pytest.importorskip("uvicorn", reason="the page needs uvicorn: pip install fastapi uvicorn")

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.routing import Route

from editor_samples import RunningEditor, serving_editor, small_recipe
from rabit.editor.checks import Limits
from rabit.editor.description import describe_api
from rabit.editor.queueing import FairQueue
from rabit.editor.server import make_app
from rabit.editor.service import Service, load_models
from recipes import MODELS

schemathesis = pytest.importorskip(
    "schemathesis", reason="requests are made of the OpenAPI document by schemathesis"
)

CASES = 20
SERVICE = Service(load_models(["scenes-small"], "cpu"), Limits())
DOCUMENT = describe_api(SERVICE.models, SERVICE.limits, token=False)
OPERATIONS = [(path, method) for path, methods in DOCUMENT["paths"].items() for method in methods]
# Nothing that is sent to it can be wrong.
ALWAYS_RIGHT = ("/api/models", "get")
ERRORS = {400, 401, 403, 404, 405, 408, 409, 413, 415, 422, 429}

_RECIPES = [small_recipe(seed, (16, 16)) for seed in range(3)]
schemathesis.openapi.format(
    "label-map", st.sampled_from([recipe["condition"]["labels"] for recipe in _RECIPES])
)
schemathesis.openapi.format(
    "photograph", st.sampled_from([recipe["exemplars"][0]["image"] for recipe in _RECIPES])
)


@pytest.fixture(scope="module")
def running() -> Iterator[RunningEditor]:
    with serving_editor() as started:
        assert started.client.get("/openapi.json").json() == DOCUMENT
        yield started


def operation(running: RunningEditor, path: str, method: str) -> Any:
    config = schemathesis.config.SchemathesisConfig.from_dict({"base-url": running.url})
    return schemathesis.openapi.from_dict(DOCUMENT, config=config)[path][method.upper()]


def try_out(running: RunningEditor, path: str, method: str, mode: str) -> Counter[int]:
    """Sends requests that fit the document, or do not, and returns how many had which answer."""
    found: Counter[int] = Counter()
    mode = getattr(schemathesis.GenerationMode, mode)

    @settings(
        max_examples=CASES,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation(running, path, method).as_strategy(generation_mode=mode))
    def check(case: Any) -> None:
        found[case.call_and_validate().status_code] += 1

    check()
    return found


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_what_the_document_allows_is_answered(
    running: RunningEditor, path: str, method: str
) -> None:
    found = try_out(running, path, method, "POSITIVE")
    # Names of jobs are not known beforehand, and jobs of one client are few.
    allowed = {404} if "{id}" in path else {202, 429} if path == "/api/jobs" else {200}
    assert set(found) <= allowed


@pytest.mark.parametrize(("path", "method"), [o for o in OPERATIONS if o != ALWAYS_RIGHT])
def test_what_the_document_does_not_allow_is_refused(
    running: RunningEditor, path: str, method: str
) -> None:
    found = try_out(running, path, method, "NEGATIVE")
    assert set(found) <= ERRORS and found.total() >= CASES // 2


def test_jobs_and_results_are_as_the_document_says(running: RunningEditor) -> None:
    broken = {**_RECIPES[0], "outputs": ["image", "warped", "confidence", "matches"]}
    client = type(running.client)(running.port, name="jobs")
    name = client.post("/api/jobs", {"requests": [*_RECIPES, broken]}).json()["id"]

    def ask(path: str, method: str, **parameters: Any) -> Any:
        case = operation(running, path, method).Case(path_parameters={"id": name, **parameters})
        return case.call_and_validate()

    for _ in range(1000):
        if ask("/api/jobs/{id}", "get").json()["state"] == "done":
            break
        time.sleep(0.02)
    for index in range(4):
        answer = ask("/api/jobs/{id}/results/{index}", "get", index=index)
        assert answer.status_code == 200 and ("matches" in answer.json()) == (index == 3)
    assert ask("/api/jobs/{id}", "delete").status_code == 204
    assert ask("/api/jobs/{id}", "get").status_code == 404


def test_the_document_has_every_address_of_the_interface() -> None:
    queue = FairQueue()
    routes = [route for route in make_app(SERVICE, queue=queue).routes if isinstance(route, Route)]
    queue.close()
    served = {(r.path, method.lower()) for r in routes for method in r.methods or ()}
    assert {(path, method) for path, method in served if path.startswith("/api")} == set(OPERATIONS)


def test_the_document_names_the_conditions_that_are_read() -> None:
    for names, conditions in (
        (["scenes"], ["Semantic"]),
        (["faces", "face-edges"], ["Semantic"]),
        (["edges", "poses"], ["Edge", "Pose"]),
        (["scenes", "edges", "poses"], ["Semantic", "Edge", "Pose"]),
    ):
        document = describe_api({name: MODELS[name] for name in names}, Limits(), token=True)
        schemas = document["components"]["schemas"]
        kinds = [f"#/components/schemas/{condition}Condition" for condition in conditions]
        assert [choice["$ref"] for choice in schemas["Condition"]["oneOf"]] == kinds
        assert schemas["Translation"]["properties"]["model"]["enum"] == names
        known = {f"#/components/schemas/{name}" for name in schemas}
        assert set(references(document)) <= known


def references(value: Any) -> Iterator[str]:
    """Yields everything that a part of the document refers to."""
    if isinstance(value, dict):
        if "$ref" in value:
            yield value["$ref"]
        for part in value.values():
            yield from references(part)
    elif isinstance(value, list):
        for part in value:
            yield from references(part)
