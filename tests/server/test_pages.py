"""The page in a real browser that has no network but the server."""

from __future__ import annotations

import shutil

import pytest

from server.running import serving

CHROMIUM = shutil.which("chromium")
sync_api = pytest.importorskip("playwright.sync_api", reason="it is needed: pip install playwright")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed: apt-get install chromium")


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(params=["light", "dark"])
def page(browser, server, request):
    """The page of a server; nothing else may be asked for, and no error may occur in it."""
    page = browser.new_page(color_scheme=request.param)
    page.set_default_timeout(10_000)
    wrong: list[str] = []
    home = f"http://127.0.0.1:{server.port}"
    page.on("request", lambda asked: asked.url.startswith(home) or wrong.append(asked.url))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on(
        "console", lambda said: said.type == "error" and "status of 422" not in said.text and wrong.append(said.text)
    )
    page.goto(home)
    yield page
    page.close()
    assert wrong == []


def csv(sales, shops) -> str:
    names = ["day", "shop", "sold", "rain", "holiday", "city"]
    rows = [row for row in zip(*(sales[name] for name in names), strict=True) if row[1] in shops]
    cut = [(*row[:2], "", *row[3:]) if row[0] > "2021-04-26" else row for row in rows]
    return "\n".join([",".join(names), *(",".join(map(str, row)) for row in cut)])


def test_a_forecast_of_a_pasted_table(page, server, sales):
    page.click("text=sales")
    page.fill("#table", csv(sales, ["north"]))
    page.click("#forecast-go")
    page.wait_for_selector("#chart svg .band")
    rows = page.locator("#numbers tbody tr").all_inner_texts()
    assert [row.split("\t")[0] for row in rows] == ["2021-04-27", "2021-04-28", "2021-04-29", "2021-04-30"]
    first = {name: [v for v, s in zip(sales[name], sales["shop"], strict=True) if s == "north"] for name in sales}
    known = first | {"sold": first["sold"][:-4], "shop": "north", "city": "Graz"}
    expected = server.ask("sales", known)["point"]
    assert [float(row.split("\t")[1]) for row in rows] == pytest.approx(expected, rel=1e-3)


def test_one_of_several_series_is_chosen(page, sales):
    page.click("text=sales")
    page.fill("#table", csv(sales, ["north", "south"]))
    page.click("#forecast-go")
    page.wait_for_selector("#which:visible")
    before = page.inner_text("#numbers")
    page.select_option("#series", "south")
    page.wait_for_function("before => document.querySelector('#numbers').innerText !== before", arg=before)
    assert len(page.inner_text("#numbers").split("\n")) == len(before.split("\n"))


def test_a_dropped_file(page, sales, tmp_path):
    page.click("text=sales")
    page.evaluate(
        """text => {
            const data = new DataTransfer();
            data.items.add(new File([text], "sales.csv"));
            const drop = new DragEvent("drop", { dataTransfer: data, cancelable: true });
            document.querySelector("#table").dispatchEvent(drop);
        }""",
        csv(sales, ["north"]),
    )
    page.wait_for_selector("#chart svg")
    assert page.input_value("#table") == csv(sales, ["north"])


@pytest.mark.parametrize("model", ["sales", "steps"])
def test_made_up_numbers_are_forecast(page, model):
    page.click(f"text={model}")
    page.click("#made-up")
    page.wait_for_selector("#chart svg .ahead")
    assert page.is_hidden("#notice")


def test_what_is_wrong_is_said_and_goes_again(page):
    page.click("text=steps")
    page.fill("#table", "step,x\n1,2\n2,three\n")
    page.click("#forecast-go")
    page.wait_for_selector("#notice:visible")
    assert "must hold numbers" in page.inner_text("#notice")
    page.fill("#table", "step,x\n1,2\n")
    page.click("#forecast-go")
    page.wait_for_function("() => document.querySelector('#notice').innerText.includes('past steps or more')")
    page.click("#made-up")
    page.wait_for_selector("#chart svg")
    assert page.is_hidden("#notice")


def test_a_text_is_classified_while_it_is_typed(page, server):
    page.click("text=mail")
    page.type("#text", "win money <b>now</b>")
    page.wait_for_function("() => document.querySelector('#words').innerText === 'win money <b>now</b>'")
    first = page.locator(".bar").first.inner_text().split("\n")
    said = server.ask("mail", "win money <b>now</b>")
    assert first == [said["label"], f"{100 * said['probability']:.1f} %"]


def test_a_sentence_is_tagged_while_it_is_typed(page, server):
    page.click("text=names")
    page.fill("#sentence", "Ann sees <b>")
    said = server.ask("names", {"tokens": ["Ann", "sees", "<b>"]})
    page.wait_for_function("() => document.querySelectorAll('#tags span').length === 3")
    shown = [one.split("\n") for one in page.locator("#tags span").all_inner_texts()]
    assert shown == [list(pair) for pair in zip(said["tokens"], said["tags"], strict=True)]
    page.click("text=roles")
    page.fill("#sentence", "*Ann sees")
    said = server.ask("roles", {"tokens": ["Ann", "sees"], "marks": [True, False]})
    page.wait_for_function("() => document.querySelectorAll('#tags span').length === 2")
    assert page.locator("#tags small").all_inner_texts() == said["tags"]


def test_a_signal(page, server):
    page.click("text=moves")
    page.fill("#text", "0.1, 0.9\n1, 0")
    shown = f"{server.ask('moves', [[0.1, 0.9], [1, 0]])['value']:.6g}"
    page.wait_for_function("shown => document.querySelector('#bars').innerText.trim() === shown", arg=shown)
    assert page.is_hidden("#notice")


def test_a_text_is_written_while_one_watches(page):
    page.click("text=prose")
    page.fill("#prompt", "to be")
    page.fill("#length", "80")
    page.click("#write-go")
    page.wait_for_function("() => document.querySelector('#written').innerText.length >= 84")
    assert page.inner_text("#written").startswith("to be")
    page.wait_for_selector("#write-stop:disabled")


def test_the_api_is_shown(page):
    page.click("text=API")
    page.click("code:has-text('mail/explain')")
    told = page.locator("text=Positive ones speak for the answer")
    told.wait_for()
    assert told.is_visible()


def test_a_token_is_asked_for(browser, folders, tmp_path):
    (tmp_path / "tokens").write_text("a-token-for-the-page")
    with serving({"mail": folders["mail"]}, tokens=tmp_path / "tokens") as server:
        page = browser.new_page()
        page.goto(f"http://127.0.0.1:{server.port}")
        page.fill("#token", "a-token-for-the-page")
        page.click("text=Use it")
        page.fill("#text", "win")
        page.wait_for_selector(".bar")
        assert page.locator(".bar").count() == 2
        page.close()
