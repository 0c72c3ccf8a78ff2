"""The page in a real browser."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from browsers import chromium
from rabit.study.files import LoadedStudy
from study_samples import (
    Client,
    Running,
    database_of,
    free_port,
    serving,
    small_study,
    write_pictures,
)

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

WIDTHS = {1280: 800, 390: 844}
HOSTILE = '<img src=x onerror="document.title=1">&amp; "Ü"'


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture
def loaded(tmp_path: Path) -> LoadedStudy:
    return small_study(tmp_path)


@pytest.fixture
def running(browser: Browser, loaded: LoadedStudy) -> Iterator[Running]:
    with serving(loaded.folder) as started:
        yield started


_READY = """() => {
  const shown = !document.querySelector("#trial").hidden;
  const loaded = document.querySelector("#choices").getAttribute("aria-busy") === "false";
  const [, number] = document.querySelector("#position").textContent.split(" ");
  return shown && loaded ? Number(number) : 0;
}"""


class Visit:
    """A rater's browser window, which must not report any error.

    Args:
        browser: that opens it.
        client: of the server.
        width: in CSS pixels.
    """

    def __init__(self, browser: Browser, client: Client, width: int = 1280) -> None:
        self.address = f"http://127.0.0.1:{client.port}/"
        size: Any = {"width": width, "height": WIDTHS[width]}
        self.context = browser.new_context(viewport=size, has_touch=width < 500)
        self.page: Page = self.context.new_page()
        self.errors: list[str] = []
        self.asked: list[str] = []
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", lambda told: self.errors.append(told.text))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(self.address)

    def start(self) -> None:
        self.page.click("#start")
        self.ready(1)

    def ready(self, number: int) -> None:
        """Waits for a question whose pictures are there.

        The page's own rules forbid the browser to evaluate the text that playwright waits by.
        """
        for _ in range(400):
            if self.page.evaluate(_READY) == number:
                return
            time.sleep(0.05)
        raise AssertionError(f"question {number} does not come: {self.page.inner_text('body')}")

    def choices(self) -> list[str]:
        """The ids of the choices, in order."""
        found: list[str] = self.page.eval_on_selector_all(
            "#choices input", "(all) => all.map((i) => i.value)"
        )
        return found

    def close(self, interrupted: bool = False) -> None:
        """Closes the window; where the server was killed, requests may have failed."""
        self.context.close()
        assert [e for e in self.errors if not (interrupted and "net::ERR_" in e)] == []


def answered(folder: Path) -> list[str]:
    """The choices in the database, in the order of the answers."""
    connection = sqlite3.connect(database_of(folder))
    rows = connection.execute("SELECT choice FROM answers ORDER BY id").fetchall()
    connection.close()
    return [choice for (choice,) in rows]


def finished(folder: Path) -> int:
    connection = sqlite3.connect(database_of(folder))
    (count,) = connection.execute(
        "SELECT count(*) FROM raters WHERE finished IS NOT NULL"
    ).fetchone()
    connection.close()
    return int(count)


def by_number(page: Page, index: int) -> None:
    page.keyboard.press(str(index + 1))
    page.keyboard.press("Enter")


def by_arrow(page: Page, index: int) -> None:
    for _ in range(index + 1):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")


def by_click(page: Page, index: int) -> None:
    page.click(f".choice:nth-of-type({index + 1}) img")
    page.click("#next")


def by_tab(page: Page, index: int) -> None:
    """Only with what every page has: Tab to the button, after Space on a choice."""
    page.locator("#choices input").nth(index).focus()
    page.keyboard.press("Space")
    page.locator("#next").focus()
    page.keyboard.press("Enter")


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize(
    ("act", "design"),
    [(by_number, "k-way"), (by_arrow, "pairwise"), (by_click, "k-way"), (by_tab, "pairwise")],
)
def test_from_the_first_question_to_the_last(
    browser: Browser, tmp_path: Path, act: Any, width: int, design: str
) -> None:
    loaded = small_study(tmp_path, items=2, design=design)
    with serving(loaded.folder) as running:
        visit = Visit(browser, running.client, width)
        visit.page.wait_for_selector("#welcome:not([hidden])")
        assert "voluntary" in visit.page.inner_text("#consent")
        visit.start()
        chosen = []
        total = len(loaded.study.sheets[0].trials)
        for number in range(total):
            visit.ready(number + 1)
            choices = visit.choices()
            index = (number * number + number) % len(choices)
            chosen.append(choices[index])
            act(visit.page, index)
        visit.page.wait_for_selector("#review:not([hidden])")
        assert answered(loaded.folder) == chosen and finished(loaded.folder) == 0
        visit.page.click("#finish")
        visit.page.wait_for_selector("#thanks:not([hidden])")
        assert finished(loaded.folder) == 1
        assert {url.split("/")[2] for url in visit.asked} == {f"127.0.0.1:{running.client.port}"}
        visit.close()


def test_the_page_goes_on_at_the_first_open_question(browser: Browser, loaded: LoadedStudy) -> None:
    """After a kill of the server: in this browser by the bare address, in others by the link."""
    port = free_port()
    with serving(loaded.folder, port=port) as running:
        visit = Visit(browser, running.client)
        visit.start()
        for number in range(3):
            visit.ready(number + 1)
            by_number(visit.page, number)
        visit.ready(4)
        link = visit.page.url
        running.process.kill()
        running.process.join()
    with serving(loaded.folder, port=port) as running:
        visit.page.goto("about:blank")
        visit.page.goto(visit.address)
        visit.ready(4)
        assert visit.page.url == link
        other = Visit(browser, running.client)
        other.page.goto("about:blank")
        other.page.goto(link)
        other.ready(4)
        by_number(other.page, 0)
        other.ready(5)
        assert len(answered(loaded.folder)) == 4
        other.close()
        visit.close(interrupted=True)


def test_answers_can_be_changed_until_the_end(
    browser: Browser, loaded: LoadedStudy, running: Running
) -> None:
    visit = Visit(browser, running.client)
    visit.start()
    first = visit.choices()
    by_number(visit.page, 0)
    visit.ready(2)
    visit.page.click("#back")
    visit.ready(1)
    assert visit.page.locator("#choices input").nth(0).is_checked()
    by_number(visit.page, 2)
    visit.ready(2)
    assert answered(loaded.folder) == [first[0], first[2]]
    visit.page.click("#back")
    visit.ready(1)
    visit.page.keyboard.press("Enter")
    visit.ready(2)
    assert len(answered(loaded.folder)) == 2, "the same choice again is no new answer"
    visit.close()


def test_an_interrupted_connection_loses_nothing(browser: Browser, loaded: LoadedStudy) -> None:
    port = free_port()
    with serving(loaded.folder, port=port) as running:
        visit = Visit(browser, running.client)
        visit.start()
        choices = visit.choices()
        running.process.kill()
        running.process.join()
        by_number(visit.page, 1)
        visit.page.wait_for_selector("#notice:not([hidden])")
        assert "Trying again" in visit.page.inner_text("#notice")
        assert visit.page.locator("#next").is_disabled()
    with serving(loaded.folder, port=port):
        visit.ready(2)
        assert visit.page.locator("#notice").is_hidden()
        assert answered(loaded.folder) == [choices[1]]
    visit.close(interrupted=True)


def test_an_answer_under_way_when_the_page_is_closed_is_sent_later(
    browser: Browser, loaded: LoadedStudy
) -> None:
    port = free_port()
    with serving(loaded.folder, port=port) as running:
        visit = Visit(browser, running.client)
        visit.start()
        choices = visit.choices()
        running.process.kill()
        running.process.join()
        by_number(visit.page, 2)
        visit.page.wait_for_selector("#notice:not([hidden])")
        visit.page.goto("about:blank")
    with serving(loaded.folder, port=port):
        visit.page.goto(visit.address)
        visit.ready(2)
        assert answered(loaded.folder) == [choices[2]]
    visit.close(interrupted=True)


def test_a_picture_that_fails_at_first_comes_later(
    browser: Browser, loaded: LoadedStudy, running: Running
) -> None:
    """Nothing can be answered before all pictures are there, and all are the trial's own."""
    visit = Visit(browser, running.client)
    refused: set[str] = set()

    def once(route: Any) -> None:
        name = route.request.url.partition("?")[0]
        if name in refused:
            route.continue_()
        else:
            refused.add(name)
            route.abort()

    visit.page.route("**/pictures/*", once)
    visit.page.click("#start")
    visit.page.wait_for_selector("#notice:not([hidden])")
    visit.page.keyboard.press("1")
    assert visit.page.locator("#next").is_disabled()
    visit.ready(1)
    assert len(refused) >= 5 and visit.page.locator("#notice").is_hidden()
    told = Client(running.client.port, visit.page.url.partition("#t=")[2]).get("/api/session")
    trial = told.json()["trials"][0]
    for name in ("condition", "exemplar"):
        assert trial[name]["id"] in str(visit.page.locator(f"#{name}").get_attribute("src"))
    visit.page.keyboard.press("Enter")
    visit.ready(2)
    assert answered(loaded.folder) == [trial["choices"][0]["id"]]
    visit.close(interrupted=True)


def test_an_impatient_rater_answers_once(
    browser: Browser, loaded: LoadedStudy, running: Running
) -> None:
    visit = Visit(browser, running.client)
    visit.start()
    choices = visit.choices()
    visit.page.keyboard.press("1")
    visit.page.evaluate(
        """() => {
          const enter = { key: "Enter", bubbles: true };
          for (let i = 0; i < 5; i += 1) {
            document.querySelector("#next").click();
            document.body.dispatchEvent(new KeyboardEvent("keydown", enter));
          }
        }"""
    )
    visit.ready(2)
    assert answered(loaded.folder) == [choices[0]]
    assert visit.page.locator("#next").is_disabled()
    visit.page.keyboard.press("Enter")
    time.sleep(0.2)
    assert answered(loaded.folder) == [choices[0]], "nothing is sent before a choice"
    visit.close()


def test_times_are_those_that_pass(browser: Browser, loaded: LoadedStudy, running: Running) -> None:
    visit = Visit(browser, running.client)
    visit.start()
    time.sleep(0.6)
    by_number(visit.page, 0)
    visit.ready(2)
    by_number(visit.page, 0)
    visit.ready(3)
    connection = sqlite3.connect(database_of(loaded.folder))
    rows = connection.execute("SELECT client_ms, server_ms FROM answers ORDER BY id").fetchall()
    connection.close()
    assert 500 < rows[0][0] < 20_000 and rows[0][0] - 100 <= rows[0][1]
    assert rows[1][0] - 100 <= rows[1][1]
    visit.close()


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("size", [(96, 48), (48, 96), (64, 64)])
def test_pictures_keep_their_proportions_and_one_size(
    browser: Browser, tmp_path: Path, width: int, size: tuple[int, int]
) -> None:
    """Choices have one size, are seen at once where that is possible, and do not overflow."""
    write_pictures(tmp_path / "pictures", size=size)
    with serving(small_study(tmp_path).folder) as running:
        visit = Visit(browser, running.client, width)
        visit.start()
        boxes = visit.page.eval_on_selector_all(
            "#trial img",
            "(all) => all.map((i) => [i.clientWidth, i.clientHeight, getComputedStyle(i).objectFit,"
            " i.getBoundingClientRect().bottom, i.alt])",
        )
        assert all(fit == "contain" for _, _, fit, _, _ in boxes)
        assert all(alt for *_, alt in boxes) and len({alt for *_, alt in boxes}) == 5
        shown = boxes[2:]
        assert len({(across, down) for across, down, *_ in shown}) == 1
        across, down = shown[0][:2]
        assert across / down == pytest.approx(size[0] / size[1], rel=0.03)
        top = visit.page.evaluate(
            "document.querySelector('#trial footer').getBoundingClientRect().top"
        )
        if (width, size) == (390, (48, 96)):
            assert across > 130, "where not all can be seen at once, they are large enough"
        else:
            assert max(bottom for *_, bottom, _ in shown) <= top
        assert visit.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        visit.close()


def test_a_picture_can_be_enlarged_and_put_back_by_keyboard(
    browser: Browser, running: Running
) -> None:
    visit = Visit(browser, running.client)
    visit.start()
    visit.page.locator(".enlarge").nth(1).focus()
    visit.page.keyboard.press("Enter")
    assert visit.page.locator("#large img").get_attribute("alt") == "Picture 2"
    visit.page.keyboard.press("2")
    visit.page.keyboard.press("Escape")
    assert visit.page.locator("#large").is_hidden()
    assert visit.page.locator("#next").is_disabled(), "keys choose nothing behind the large picture"
    visit.close()


def test_focus_can_be_seen(browser: Browser, running: Running) -> None:
    visit = Visit(browser, running.client)
    visit.start()
    visit.page.keyboard.press("2")
    style = "(e) => getComputedStyle(e).outlineStyle + getComputedStyle(e).outlineWidth"
    assert visit.page.eval_on_selector(".choice:has(:checked)", style) == "solid3px"
    visit.page.locator("#next").focus()
    visit.page.keyboard.press("Shift+Tab")
    visit.page.keyboard.press("Tab")
    assert visit.page.eval_on_selector("#next", style) == "solid3px"
    visit.close()


def test_texts_stay_texts(browser: Browser, tmp_path: Path) -> None:
    loaded = small_study(
        tmp_path,
        title=HOSTILE,
        introduction=HOSTILE,
        consent=HOSTILE,
        questions=[{"id": "own", "text": HOSTILE, "hint": HOSTILE}],
    )
    with serving(loaded.folder) as running:
        visit = Visit(browser, running.client)
        visit.page.wait_for_selector("#welcome:not([hidden])")
        assert visit.page.title() == HOSTILE
        for name in ("title", "introduction", "consent"):
            assert visit.page.inner_text(f"#{name}") == HOSTILE
        visit.start()
        assert visit.page.inner_text("#question") == HOSTILE
        assert visit.page.inner_text("#hint") == HOSTILE
        assert visit.page.title() == HOSTILE
        visit.close()


def test_a_wrong_link_is_told(browser: Browser, running: Running) -> None:
    visit = Visit(browser, running.client)
    visit.page.goto("about:blank")
    visit.page.goto(f"{visit.address}#t={'x' * 43}")
    visit.page.wait_for_selector("#refused:not([hidden])")
    assert "not valid" in visit.page.inner_text("#reason")
    visit.context.close()


def test_two_visitors_are_two_raters(
    browser: Browser, loaded: LoadedStudy, running: Running
) -> None:
    visits = [Visit(browser, running.client) for _ in range(2)]
    for visit in visits:
        visit.start()
    assert visits[0].page.url != visits[1].page.url
    assert visits[0].choices() != visits[1].choices()
    for visit in visits:
        visit.close()
