"""The editor's server as a process of its own, with the embedded model."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("fastapi", reason="the page needs FastAPI: pip install fastapi uvicorn")
pytest.importorskip("uvicorn", reason="the page needs uvicorn: pip install fastapi uvicorn")

import rabit
from editor_samples import EditorClient, base64_png, serving_editor, small_recipe
from rabit.config import ConditionConfig
from rabit.data.joints import JOINTS
from rabit.data.scenes import CLASSES
from rabit.editor.recipe import parse_recipe
from rabit.editor.run import run_recipe
from rabit.inference import Translator
from rabit.model.network import build_network
from study_samples import Client, Reply
from tiny import tiny_experiment


@pytest.fixture(scope="module")
def other_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of 300 classes that no pictures are generated for."""
    folder = tmp_path_factory.mktemp("models") / "private-name"
    condition = ConditionConfig("semantic", tuple(f"class {i}" for i in range(300)))
    config = replace(tiny_experiment().model, name="many", condition=condition)
    Translator(build_network(config), config).save(folder)
    return folder


@pytest.fixture(scope="module")
def client(other_model: Path) -> Iterator[EditorClient]:
    with serving_editor(("scenes-small", str(other_model))) as running:
        yield running.client


@pytest.fixture(scope="module")
def example(client: EditorClient) -> dict[str, Any]:
    found: dict[str, Any] = client.example()
    return found


def decoded(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def picture(text: str) -> np.ndarray:
    with Image.open(io.BytesIO(decoded(text)), formats=["PNG"]) as image:
        return np.array(image)


def refused(reply: Reply, status: int, field: str | None) -> str:
    """Returns what a refusal says."""
    told = reply.json()
    assert (reply.status, told["field"]) == (status, field), told
    assert set(told) == {"error", "field"}
    return str(told["error"])


def test_models_limits_and_joints_are_told(client: EditorClient) -> None:
    told = client.get("/api/models").json()
    small, many = told["models"]
    assert (small["name"], small["kind"], small["classes"]) == (
        "scenes-small", "semantic", list(CLASSES)
    )  # fmt: skip
    assert (small["size"], small["alignment"], small["embedded"]) == ([128, 128], True, True)
    assert len({tuple(colour) for colour in small["colours"]}) == len(CLASSES)
    assert (many["name"], many["embedded"], len(many["colours"])) == ("many", False, 300)
    assert told["limits"] == {
        "bytes": 12 * 2**20, "pixels": 2048 * 2048, "side": 4096, "exemplars": 8, "jobs": 32
    }  # fmt: skip
    assert told["joints"]["names"] == list(JOINTS) and [1, 2] in told["joints"]["limbs"]
    assert "private-name" not in json.dumps(told)


def test_an_example_can_be_sent_as_it_is(client: EditorClient, example: dict[str, Any]) -> None:
    assert client.example(seed=0) == example != client.example(seed=1)
    assert client.get("/api/example").json() == example
    assert client.post("/api/translate", example).status == 200


@pytest.mark.parametrize(
    ("query", "status", "field"),
    [
        ("model=none", 422, "model"), ("model=many", 404, None), ("seed=-1", 422, "seed"),
        ("seed=x", 422, "seed"), ("seed=99999999999", 422, "seed"), ("seed=1.0", 422, "seed"),
        ("seed=%D9%A1", 422, "seed"), ("sed=1", 422, "sed"),
    ],
)  # fmt: skip
def test_wrong_examples_are_refused(
    client: EditorClient, query: str, status: int, field: str | None
) -> None:
    refused(client.get(f"/api/example?{query}"), status, field)


def test_a_translation_is_what_the_program_makes(
    client: EditorClient, example: dict[str, Any]
) -> None:
    outputs = ["image", "warped", "confidence", "matches"]
    answer = client.post("/api/translate", {**example, "outputs": outputs}).json()
    translator = rabit.load("scenes-small")
    recipe = parse_recipe(example, {"scenes-small": translator.config})
    result = run_recipe(translator, recipe, outputs)
    assert set(answer) == {*outputs, "seconds"} and answer["seconds"] > 0
    for name in outputs[:3]:
        assert decoded(answer[name]) == getattr(result, name)
        assert picture(answer[name]).shape == (128, 128, 3)
    matches = answer["matches"]
    assert (matches["width"], matches["height"]) == (64, 64)
    assert len(decoded(matches["x"])) == len(decoded(matches["y"])) == 2 * 64 * 64
    assert len(decoded(matches["exemplar"])) == 64 * 64
    assert result.matches is not None and decoded(matches["x"]) == result.matches.x


def test_the_same_request_has_the_same_answer(client: EditorClient) -> None:
    answers = [client.post("/api/translate", small_recipe(seed)).json() for seed in (1, 2, 1)]
    images = [answer["image"] for answer in answers]
    assert images[0] == images[2] != images[1]
    assert all("warped" not in answer and "matches" not in answer for answer in answers)


def test_a_match_has_no_image(client: EditorClient) -> None:
    recipe = small_recipe()
    whole = client.post(
        "/api/translate", {**recipe, "outputs": ["warped", "confidence", "matches"]}
    ).json()
    match = client.post("/api/match", recipe).json()
    assert set(match) == {"warped", "confidence", "matches", "seconds"}
    for name in ("warped", "confidence", "matches"):
        assert match[name] == whole[name]


def test_an_edit_keeps_what_is_away_from_it(client: EditorClient, example: dict[str, Any]) -> None:
    photograph = example["exemplars"][0]
    labels = picture(photograph["condition"]["labels"])
    edited = labels.copy()
    edited[:8, :8] = (edited[:8, :8] + 1) % len(CLASSES)
    recipe = {
        "task": "edit",
        "model": "scenes-small",
        "condition": {"labels": base64_png(edited)},
        "exemplars": [photograph],
    }
    answer = picture(client.post("/api/edit", recipe).json()["image"])
    before = picture(photograph["image"])
    assert (answer[32:, 32:] == before[32:, 32:]).all() and (answer[:6, :6] != before[:6, :6]).any()
    anew = client.post("/api/edit", {**recipe, "keep_unedited": False}).json()
    assert (picture(anew["image"])[32:, 32:] != before[32:, 32:]).any()
    assert client.post("/api/match", recipe).status == 200
    refused(client.post("/api/translate", recipe), 422, "task")
    refused(client.post("/api/edit", small_recipe()), 422, "task")


@pytest.mark.parametrize("mode", ["L", "P", "1"])
def test_ids_are_read_from_label_maps_of_any_kind(client: EditorClient, mode: str) -> None:
    ids = np.arange(12, dtype=np.uint8).reshape(3, 4) % (2 if mode == "1" else 12)
    image = Image.fromarray(ids * 255 if mode == "1" else ids)
    if mode == "1":
        image = image.convert("1")
    elif mode == "P":
        image.putpalette([value for i in range(12) for value in (255 - i, 3 * i, 7)])
    stream = io.BytesIO()
    image.save(stream, "PNG")
    labels = base64.b64encode(stream.getvalue()).decode()
    told = client.post("/api/labels", {"labels": labels, "model": "scenes-small"}).json()
    assert (told["width"], told["height"], told["bits"]) == (4, 3, 8)
    assert (np.frombuffer(decoded(told["ids"]), np.uint8).reshape(3, 4) == ids).all()


def test_ids_of_many_classes_have_16_bits(client: EditorClient) -> None:
    ids = np.array([[0, 255, 256, 299]], np.uint16)
    labels = base64_png(ids)
    told = client.post("/api/labels", {"labels": labels, "model": "many"}).json()
    assert told["bits"] == 16
    assert (np.frombuffer(decoded(told["ids"]), "<u2") == ids[0]).all()
    told_wrong = client.post("/api/labels", {"labels": labels, "model": "scenes-small"})
    assert "255, 256, 299" in refused(told_wrong, 422, "labels")
    refused(client.post("/api/labels", {"labels": labels, "model": "none"}), 422, "model")
    refused(client.post("/api/labels", {"labels": labels}), 422, "model")
    refused(client.post("/api/labels", {"model": "many"}), 422, "labels")
    refused(client.post("/api/labels", {"labels": "", "model": "many"}), 422, "labels")


def test_fields_that_are_wrong_are_named(client: EditorClient) -> None:
    recipe = small_recipe()
    broken = {**recipe, "exemplars": [{**recipe["exemplars"][0], "image": "AAAA"}]}
    assert "no photograph" in refused(
        client.post("/api/translate", broken), 422, "exemplars[0].image"
    )
    refused(client.post("/api/translate", {**recipe, "colour": 1}), 422, "recipe")
    refused(client.post("/api/translate", {**recipe, "\ud800": 1}), 422, "recipe")


@pytest.mark.parametrize("name", ["X-Rabit-Client", "X-Rabit-Latest"])
@pytest.mark.parametrize("value", ["", "a b", "x" * 65, "ü", "a/b"])
def test_names_of_clients_are_short(client: EditorClient, name: str, value: str) -> None:
    headers = {"Content-Type": "application/json", name: value.encode("utf-8").decode("latin-1")}
    body = json.dumps(small_recipe()).encode()
    refused(client.send("POST", "/api/translate", body, headers), 422, name)


def test_the_page_is_there_and_asks_nothing_of_others(client: EditorClient) -> None:
    for path, kind in (
        ("/", "text/html"),
        ("/docs", "text/html"),
        ("/openapi.json", "application/json"),
    ):
        reply = client.get(path)
        assert reply.status == 200 and reply.headers["content-type"].startswith(kind)
        assert reply.headers["cache-control"] == "no-cache"
        policy = reply.headers["content-security-policy"]
        assert "unsafe" not in policy and "img-src 'self' data: blob:" in policy
    folder = Path(rabit.__file__).parent / "editor" / "page"
    for file in folder.iterdir():
        reply = client.get(f"/static/{file.name}")
        assert (reply.status, reply.body) == (200, file.read_bytes())


@pytest.mark.parametrize(
    "path",
    [
        "/static/", "/static/../server.py", "/static/..%2fserver.py", "/static/%2e%2e/server.py",
        "/static/%2fetc%2fpasswd", "/static/none.js", "/static/docs.js%00", "/static/docs.JS",
        "/static/docs.js/", "//static/docs.js", "/page/docs.js", "/redoc", "/api", "/api/none",
    ],
)  # fmt: skip
def test_nothing_else_can_be_fetched(client: EditorClient, path: str) -> None:
    reply = client.get(path)
    assert (reply.status, set(reply.json())) == (404, {"error", "field"})


@pytest.mark.parametrize("method", ["PUT", "PATCH", "OPTIONS", "TRACE", "HEAD", "BREW"])
def test_other_methods_are_refused(client: EditorClient, method: str) -> None:
    for path, allowed in (("/api/translate", "POST"), ("/api/models", "GET"), ("/", "GET")):
        reply = client.send(method, path)
        assert (reply.status, reply.headers["allow"]) == (405, allowed)
    assert set(client.send(method, "/api/jobs/x").headers["allow"].split(", ")) == {"GET", "DELETE"}


def test_pages_of_other_sites_and_names_are_refused(client: EditorClient) -> None:
    body = json.dumps(small_recipe()).encode()
    headers = {"Content-Type": "application/json", "Origin": "http://evil.example"}
    assert client.send("POST", "/api/translate", body, headers).status == 403
    assert client.send("DELETE", "/api/jobs/x", None, headers).status == 403
    assert client.send("GET", "/api/models", None, {"Host": "evil.example"}).status == 400
    own = {"Content-Type": "application/json", "Origin": f"http://127.0.0.1:{client.port}"}
    assert client.send("POST", "/api/translate", body, own).status == 200


def test_with_a_token_only_the_page_is_open() -> None:
    token = "a-token-of-the-server-0123456789"
    with serving_editor(token=token) as running:
        stranger = EditorClient(running.port)
        recipe = small_recipe()
        for path in ("/", "/docs", "/openapi.json", "/static/docs.js"):
            assert stranger.get(path).status == 200
        calls = [("GET", "/api/models"), ("GET", "/api/example"), ("GET", "/api/jobs/x")]
        calls += [("GET", "/api/jobs/x/results/0"), ("DELETE", "/api/jobs/x")]
        for name in ("translate", "edit", "match", "labels", "jobs"):
            calls.append(("POST", f"/api/{name}"))
        body = json.dumps(recipe).encode()
        for method, path in calls:
            for wrong in ("", token[:-1], token + "x", token.upper(), "ü"):
                given = f"Bearer {wrong}".encode().decode("latin-1")
                headers = {"Content-Type": "application/json"}
                headers |= {"Authorization": given} if wrong else {}
                reply = stranger.send(method, path, body if method == "POST" else None, headers)
                assert reply.status == 401 and reply.headers["www-authenticate"] == "Bearer"
                assert token not in reply.body.decode()
        assert running.client.get("/api/models").status == 200
        assert running.client.post("/api/translate", recipe).status == 200
        description = stranger.get("/openapi.json").json()
        assert description["security"] == [{"token": []}]
        for methods in description["paths"].values():
            assert all("401" in operation["responses"] for operation in methods.values())


def test_a_client_without_a_name_is_its_address(client: EditorClient) -> None:
    assert Client(client.port).post("/api/translate", small_recipe()).status == 200
