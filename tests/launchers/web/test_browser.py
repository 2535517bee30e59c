"""The pages in a real Chromium: what people do with them, with and without JavaScript, wide and narrow."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import browser
import pytest
from served_pages import served, shipped_results, store_shipped_results

from surfalign.stores.database import Database

if TYPE_CHECKING:
    from selenium.webdriver import Chrome
    from selenium.webdriver.remote.webelement import WebElement

pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif(bool(browser.missing()), reason=f"absent: {browser.missing()}"),
]
#: plotly brings styles of maps, which the content policy refuses as it should.
HARMLESS = "Applying inline style violates the following Content Security Policy"
CSS = "css selector"


class Pages:
    """The served pages in a browser."""

    def __init__(self, driver: Chrome, address: str) -> None:
        self.driver = driver
        self.address = address

    def open(self, path: str) -> None:
        self.driver.get(self.address + path)

    def one(self, selector: str) -> WebElement:
        return self.driver.find_element(CSS, selector)

    def all(self, selector: str) -> list[WebElement]:
        return self.driver.find_elements(CSS, selector)

    def texts(self, selector: str) -> list[str]:
        return [element.text for element in self.all(selector)]

    def column(self, number: int) -> list[float]:
        """Return the numbers of a column of the table."""
        return [float(text.split()[0]) for text in self.texts(f"tbody td:nth-of-type({number})")]

    def leave(self, action: Callable[[], object]) -> None:
        """Do what leads to another page, and wait until it is there."""
        from selenium.webdriver.support.expected_conditions import staleness_of
        from selenium.webdriver.support.wait import WebDriverWait

        page = self.one("html")
        action()
        WebDriverWait(self.driver, browser.PATIENCE).until(staleness_of(page))

    def follow(self, selector: str) -> None:
        """Click on what leads to another page."""
        self.leave(self.one(selector).click)

    def follow_link(self, text: str) -> None:
        """Click on the link of a text, or of its beginning."""
        self.leave(self.driver.find_element("partial link text", text).click)

    def open_surface(self, name: str) -> None:
        self.open("/")
        self.follow_link(name)
        assert self.one("h1").text == name


@contextmanager
def opened(database: Database, profile: Path, *, javascript: bool = True) -> Iterator[Pages]:
    """The shipped results; whatever a test does, nothing is asked of another host and nothing complains."""
    store_shipped_results(database)
    with served() as address, browser.chromium(profile, javascript=javascript) as driver:
        driver.get("about:blank")
        browser.requested(driver)  # what Chromium shows by itself when it starts
        yield Pages(driver, address)
        asked = browser.requested(driver)
        assert len(asked) > 3
        assert [a for a in asked if not a.startswith((address, "data:", "blob:"))] == []
        assert [c for c in browser.complaints(driver) if HARMLESS not in c] == []


@pytest.fixture
def pages(database: Database, tmp_path: Path) -> Iterator[Pages]:
    with opened(database, tmp_path / "profile") as found:
        yield found


@pytest.fixture
def plain_pages(database: Database, tmp_path: Path) -> Iterator[Pages]:
    """The same where JavaScript is off."""
    with opened(database, tmp_path / "profile", javascript=False) as found:
        yield found


def test_the_list_is_filtered_sorted_and_leads_to_a_surface(pages: Pages) -> None:
    pages.open("/")
    assert len(pages.all("tbody tr")) == min(50, len(shipped_results()))
    pages.one("#query").send_keys('formula = "TiO2" or formula = MgO')
    pages.follow("form button")
    assert set(pages.texts("tbody th small a")) == {"TiO2", "MgO"}
    pages.follow_link("IP (eV)")
    assert pages.one("th[aria-sort=ascending]").text.startswith("IP")
    assert pages.column(1) == sorted(pages.column(1))
    pages.follow_link("IP (eV)")
    assert pages.column(1) == sorted(pages.column(1), reverse=True)
    name = pages.one("tbody th > a").text
    pages.follow("tbody th > a")
    assert pages.one("h1").text == name
    assert len(pages.all("table tbody tr")) > 10  # its checks


def test_a_filter_that_is_not_understood_is_explained_beside_the_box(pages: Pages) -> None:
    pages.open("/")
    pages.one("#query").send_keys("ionisation > 3")
    pages.driver.get_log("browser")
    pages.follow("form button")
    assert "ionization_potential" in pages.one(".problem").text
    assert pages.one("#query").get_attribute("aria-invalid") == "true"
    browser.complaints(pages.driver)  # the status 400 itself


def test_the_slab_turns_and_shows_what_relaxation_did(pages: Pages) -> None:
    pages.open_surface("TiO2(110)-B-O/Ti2O2")
    pages.one("#view canvas")
    before = pages.one("#view").screenshot_as_png
    pages.one("[aria-label='Turn to the right']").click()
    eye = "return document.getElementById('view')._fullLayout.scene.camera.eye"
    assert pages.driver.execute_script(eye)["x"] == pytest.approx(1.9 * 2**-0.5, rel=1e-3)
    turned = pages.one("#view").screenshot_as_png
    assert before != turned
    pages.driver.find_element("xpath", "//button[text()='Before relaxation']").click()
    assert pages.one("[data-slab=before]").get_attribute("aria-pressed") == "true"
    assert pages.one("#view").screenshot_as_png != turned


def test_water_follows_the_ph_and_the_bands_stay(pages: Pages) -> None:
    pages.open("/formulas/TiO2")

    def numbers() -> tuple[list[str], float]:
        rows = pages.texts("tbody tr")
        return rows[:3], float(pages.texts("tr.reference td")[0])

    bands, hydrogen = numbers()
    box = pages.one("#ph")
    box.clear()
    box.send_keys("7")
    pages.follow("form button")
    assert "pH 7" in pages.one("tr.reference").text
    later_bands, later = numbers()
    assert later_bands == bands
    # Nernst: 0.0592 eV a unit of pH, upwards.
    assert later - hydrogen == pytest.approx(7 * 0.0592, abs=0.01)
    assert "ph=7" in str(pages.one("figure img").get_attribute("src"))
    assert pages.driver.execute_script("return document.querySelector('img').naturalWidth") > 0


def test_a_ranking_follows_the_ph(pages: Pages) -> None:
    pages.open("/screen")
    pages.follow_link("Overall water splitting")

    def chances() -> dict[str, float]:
        names = pages.texts("tbody th a")
        return dict(zip(names, pages.column(1), strict=True))

    acid = chances()
    box = pages.one("#ph")
    box.clear()
    box.send_keys("14")
    pages.follow("form button")
    assert "pH 14" in pages.one(".note:nth-of-type(3)").text
    assert chances() != acid
    assert sorted(chances().values(), reverse=True) == list(chances().values())
    assert "ph=14" in str(pages.one("figure img").get_attribute("src"))
    assert (
        pages.driver.execute_script("return document.querySelector('figure img').naturalWidth") > 0
    )


def test_a_shape_is_opened_and_turned(pages: Pages) -> None:
    pages.open("/shapes")
    (rutile,) = [
        row for row in pages.all("tbody tr") if row.text.split()[:2] == ["SnO2", "P4_2/mnm"]
    ]
    pages.leave(rutile.find_element("css selector", "a").click)
    assert "SnO2" in pages.one("h1").text
    pages.one("#view canvas")
    before = pages.one("#view").screenshot_as_png
    pages.one("[aria-label='Turn to the right']").click()
    assert pages.one("#view").screenshot_as_png != before
    assert "SnO2(110)" in pages.one("tbody th").text
    assert "in oxygen gas" in " ".join(pages.texts("h2"))


def test_two_surfaces_are_joined(pages: Pages) -> None:
    pages.open_surface("MgO(100)-A")
    pages.follow_link("Join with another surface")
    assert len(pages.all("tbody tr")) > 5
    pages.follow_link("CaO(100)-A")
    assert pages.one("h2").text == "MgO(100)-A and CaO(100)-A"
    assert pages.one(".levels dd").text.split()[0] in ("I", "II", "III")
    pages.follow_link("Other partners")
    assert pages.one("#second").get_attribute("value") == ""


def test_a_crystal_of_the_library_is_predicted(pages: Pages) -> None:
    pages.open("/predict")
    pages.one("#crystal").send_keys("MgO")
    pages.follow("form button")
    names = pages.texts("tbody th")
    assert "MgO(100)-A" in " ".join(names)
    row = pages.texts("tbody tr")[0]
    assert " to " in row
    assert "inside" in row or "outside" in row


def test_without_javascript_all_but_the_turning_slab_works(plain_pages: Pages) -> None:
    pages = plain_pages
    pages.open("/")
    pages.one("#query").send_keys("formula = MgO")
    pages.follow("form button")
    assert set(pages.texts("tbody th small a")) == {"MgO"}
    pages.follow("tbody th > a")
    said = pages.one("#view noscript")
    assert "needs JavaScript" in str(said.get_attribute("textContent"))
    assert said.rect["height"] > 20  # selenium itself takes it for hidden
    assert pages.one("#potential").is_displayed()
    assert not pages.one("#views").is_displayed()
    for path in (
        "/formulas",
        "/formulas/MgO?ph=7",
        "/predict",
        "/models",
        "/campaign",
        "/api",
        "/screen?rule=photoanode",
        "/shapes/MgO",
        "/junctions?first=MgO-100",
    ):
        pages.open(path)
        assert pages.one("h1").is_displayed()


def test_a_keyboard_alone_reaches_the_content(pages: Pages) -> None:
    from selenium.webdriver.common.keys import Keys

    pages.open("/")
    pages.one("body").send_keys(Keys.TAB)
    skip = pages.driver.switch_to.active_element
    assert skip.text == "Skip to the content"
    skip.send_keys(Keys.ENTER)
    pages.driver.switch_to.active_element.send_keys(Keys.TAB)
    box = pages.driver.switch_to.active_element
    assert box.get_attribute("id") == "query"
    pages.leave(lambda: box.send_keys("formula = CaO", Keys.ENTER))
    assert set(pages.texts("tbody th small a")) == {"CaO"}


@pytest.mark.parametrize("width", [1280, 390])
def test_no_page_is_wider_than_its_window(pages: Pages, width: int, tmp_path: Path) -> None:
    browser.set_width(pages.driver, width)
    pages.open("/")
    surface = str(pages.one("tbody th > a").get_attribute("href")).removeprefix(pages.address)
    for number, path in enumerate(
        ["/", surface, "/formulas", "/formulas/SnO2?ph=7", "/predict", "/models", "/campaign", "/api",
         "/screen", "/screen?rule=water-splitting&ph=7&flagged=true", "/shapes", "/shapes/SnO2?flagged=true",
         "/junctions?first=MgO-100", "/junctions?first=MgO-100&second=CaO-100"]
    ):  # fmt: skip
        pages.open(path)
        wide = pages.driver.execute_script("return document.documentElement.scrollWidth")
        assert wide == width, path
        pages.driver.save_screenshot(str(tmp_path / f"{number}-{width}.png"))
