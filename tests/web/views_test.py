"""The live view of the engine and the view of the model."""

import base64
import hashlib


def picture(page):
    return hashlib.sha256(base64.b64decode(page.find(".timeline").screenshot_as_base64)).hexdigest()


def steps(page):
    return int(page.find(".timeline").get_attribute("data-steps") or 0)


def end_load(page, server):
    if page.script("return document.querySelector('.bar-items .load').textContent") == "Stop the load":
        page.click(".bar-items .load")
    server.wait_until_idle()


def test_the_engine_view_moves_under_load(visit, endless):
    page = visit(endless, "engine")
    page.wait(lambda: page.shown(".engine-empty"), "the empty state")
    page.wait(lambda: "endless" in page.find(".engine-state").text, "the server's greeting")
    page.press("Make some load", ".bar-items")
    page.wait(lambda: steps(page) > 20, "steps")
    page.wait(lambda: float(page.find(".tile[aria-label=Decoding] strong").text.replace(",", "")) > 0, "tokens/s")
    assert not page.shown(".engine-empty")
    first = picture(page)
    page.wait(lambda: picture(page) != first, "a picture that moves")
    page.keys("p")
    page.wait(lambda: page.button("Go on"), "a pause")
    page.wait(lambda: picture(page) == picture(page), "a picture that stands")
    page.keys("p")
    end_load(page, endless)


def test_a_piece_of_work_tells_what_it_is(visit, endless):
    page = visit(endless, "engine")
    page.press("Make some load", ".bar-items")
    page.wait(lambda: steps(page) > 50, "steps")
    page.keys("p")
    point = """
        const canvas = document.querySelector('.timeline'), box = canvas.getBoundingClientRect();
        const shown = () => !document.querySelector('.hover-card').hidden;
        for (let y = 8; y < box.height && !shown(); y += 8)
          for (let x = box.width - 4; x > 60 && !shown(); x -= 2)
            canvas.dispatchEvent(new PointerEvent('pointermove', {clientX: box.left + x, clientY: box.top + y}));
        """
    text = page.wait(lambda: page.script(point) or page.shown(".hover-card"), "details")[0].text
    assert "Sequence" in text and "layers" in text and "Step" in text
    end_load(page, endless)


def test_the_model_view_shows_architecture_memory_and_tensors(visit, scripted):
    page = visit(scripted, "model")
    page.wait(lambda: page.find("svg.architecture"), "the drawing")
    assert len(page.all("svg.architecture .expert")) == 8 and len(page.all("svg.architecture .expert.lit")) == 2
    assert len(page.all("svg.architecture .slice")) == 4
    assert "qwen3_moe" in page.find(".model-facts").text and page.all(".memory .bar")
    search = page.find(".tensors input[type=search]")
    rows = len(page.all(".tensors tbody tr"))
    search.send_keys("experts gate")
    page.wait(lambda: 0 < len(page.all(".tensors tbody tr")) < rows, "fewer rows")
    assert "32 tensors" in page.find(".table-foot").text


def test_views_go_by_keys_and_both_themes_are_there(visit, scripted):
    page = visit(scripted)
    for key, view in (("2", "engine"), ("3", "model"), ("1", "chat")):
        page.keys(key)
        page.wait(lambda view=view: page.find(f"main .{view}"), view)
    ground = page.script("return getComputedStyle(document.body).backgroundColor")
    page.click(".side-foot .icon-button")
    page.click(".side-foot .icon-button")
    assert page.script("return document.documentElement.dataset.theme") == "dark"
    assert page.script("return getComputedStyle(document.body).backgroundColor") != ground
    page.driver.refresh()
    page.wait(lambda: page.find(".shell"), "the page")
    assert page.script("return document.documentElement.dataset.theme") == "dark"
