"""The live view of the engine and the view of the model."""

import base64
import hashlib
import re
import time

from browser import HURRY, MAY_HIDE
from hone_server import HoneServer
from selenium.webdriver.common.keys import Keys


def picture(page):
    return hashlib.sha256(base64.b64decode(page.find(".timeline").screenshot_as_base64)).hexdigest()


def steps(page):
    return int(page.find(".timeline").get_attribute("data-steps") or 0)


def tile(page, name):
    """Its value and its note."""
    shown = page.find(f".tile[aria-label='{name}']")
    return [shown.find_element("css selector", part).text.replace(",", "", part == "strong") for part in ("strong", ".note")]


def end_load(page, server):
    if page.script("return document.querySelector('.bar-items .load').textContent") == "Stop the load":
        page.click(".bar-items .load")
    server.wait_until_idle()


def test_the_engine_view_moves_under_load(visit, endless):
    for _ in range(2):
        endless.post("/v1/completions", {"model": "endless", "prompt": "the same edge " * 40, "max_tokens": 1})
    page = visit(endless, "engine")
    page.wait(lambda: page.shown(".engine-empty"), "the empty state")
    page.wait(lambda: "endless" in page.find(".engine-state").text, "the server's greeting")
    page.press("Make some load", ".bar-items")
    page.wait(lambda: steps(page) > 20, "steps")
    page.wait(lambda: float(tile(page, "Decoding")[0]) > 0 and float(tile(page, "Reading prompts")[0]) > 0, "tokens/s")
    page.wait(lambda: int(tile(page, "Streams")[0]) > 0 and int(tile(page, "Cache pages")[0]) > 0, "streams and their pages")
    page.wait(lambda: int(tile(page, "Prefix hits")[0]) >= 64, "the prompt that came twice")
    page.wait(lambda: re.fullmatch(r"p50; p99 [\d.]+ m?s, target [\d.]+ m?s", tile(page, "Gap between tokens")[1]), "the gap and its target")
    assert re.fullmatch(r"[\d.]+ m?s", tile(page, "Gap between tokens")[0])
    assert not page.shown(".engine-empty")
    first = picture(page)
    page.wait(lambda: picture(page) != first, "a picture that moves")
    page.keys("p")
    page.wait(lambda: page.button("Go on"), "a pause")
    page.wait(lambda: picture(page) == picture(page), "a picture that stands")
    page.keys("p")
    end_load(page, endless)


def test_a_paused_picture_keeps_its_steps(visit, endless):
    """Also when another view was looked at, which begins a new stream of events."""
    page = visit(endless, "engine")
    page.wait(lambda: "endless" in page.find(".engine-state").text, "the server's greeting")
    page.press("Make some load", ".bar-items")
    page.wait(lambda: steps(page) > 50, "steps")
    page.keys("p")
    page.wait(lambda: page.button("Go on"), "a pause")
    end_load(page, endless)
    page.script("document.activeElement.blur()")
    shown, count = picture(page), steps(page)
    page.keys("1")
    page.wait(lambda: page.find("main .chat"), "the chat")
    page.keys("2")
    page.wait(lambda: page.find("main .engine"), "the engine")
    time.sleep(1.5)  # a greeting and some pictures
    assert page.button("Go on") and steps(page) == count and picture(page) == shown
    page.keys("p")
    page.wait(lambda: page.shown(".engine-empty"), "what is there now")
    endless.post("/v1/completions", {"model": "endless", "prompt": "once", "max_tokens": 100, "ignore_eos": True})
    page.wait(lambda: picture(page) != shown and not page.shown(".engine-empty"), "a picture that moves again")


def test_an_engine_view_that_nobody_sees_ends(visit, endless, inject):
    inject(HURRY + MAY_HIDE + "window.is_hidden = true;"
           "{ const plain = fetch; window.fetch = (url, options) => {"
           " if (url === '/v1/hone/events') window.watched = options.signal; return plain(url, options); } }")
    page = visit(endless, "engine")
    page.wait(lambda: page.script("return window.watched?.aborted"), "the end of the watch")
    page.hide(False)
    page.wait(lambda: page.script("return !window.watched.aborted") and not page.all(".figures.stale"), "another watch")


def test_the_empty_state_comes_back(visit, endless):
    """The server says nothing while nothing happens."""
    page = visit(endless, "engine")
    page.wait(lambda: "endless" in page.find(".engine-state").text, "the server's greeting")
    endless.post("/v1/completions", {"model": "endless", "prompt": "once", "max_tokens": 300, "ignore_eos": True})
    page.wait(lambda: steps(page) > 100, "steps")
    page.wait(lambda: page.shown(".engine-empty"), "the empty state")


def test_a_load_ends_with_the_view(visit, endless):
    page = visit(endless, "engine")
    page.wait(lambda: "endless" in page.find(".engine-state").text, "the server's greeting")
    page.press("Make some load", ".bar-items")
    page.wait(lambda: steps(page) > 20, "steps")
    page.keys("1")
    endless.wait_until_idle()


def test_a_piece_of_work_tells_what_it_is(visit, endless):
    page = visit(endless, "engine")
    page.press("Make some load", ".bar-items")
    page.wait(lambda: steps(page) > 50, "steps")
    point = """
        const canvas = document.querySelector('.timeline'), box = canvas.getBoundingClientRect();
        const card = document.querySelector('.hover-card');
        for (let y = 8; y < box.height - 45; y += 8)
          for (let x = box.width - 4; x > 60; x -= 2) {
            canvas.dispatchEvent(new PointerEvent('pointermove', {clientX: box.left + x, clientY: box.top + y}));
            if (!card.hidden) return card.innerText;
          }
        return null;
        """
    text = page.wait(lambda: page.script(point), "details")
    assert "Sequence" in text and "layers" in text and "Step" in text
    end_load(page, endless)


def test_more_sequences_than_have_room_are_counted(visit, endless_folder):
    with HoneServer(endless_folder, "--threads", 1, "--kv-memory", "64M", "--max-streams", 40, "--max-context", 32768) as server:
        page = visit(server, "engine")
        page.may_complain = ["willReadFrequently"]  # the test reads the picture
        client = server.client()
        streams = [client.completions.create(model=endless_folder.name, prompt=f"flood {i}", max_tokens=20000, stream=True)
                   for i in range(40)]
        page.wait(lambda: int(page.find(".timeline").get_attribute("data-more") or 0) >= 20, "lanes without room")
        drawn = """
            const canvas = document.querySelector('.timeline'), {width, height} = canvas;
            const colour = getComputedStyle(document.querySelector('.swatch.decode')).backgroundColor.match(/\\d+/g).map(Number);
            const {data} = canvas.getContext('2d').getImageData(0, 0, width, height);
            const counts = [0, 0], lanes_end = height - 56 * devicePixelRatio;
            for (let i = 0; i < data.length; i += 4)
              if (colour.every((part, j) => Math.abs(data[i + j] - part) < 20)) ++counts[Number(i / 4 / width >= lanes_end)];
            return counts;
            """
        page.wait(lambda: page.script(drawn)[0] > 1000, "work in the lanes")
        assert page.script(drawn)[1] == 0
        for stream in streams:
            stream.close()
        page.driver.get("about:blank")
        server.wait_until_idle()


def test_lanes_are_used_again(visit, endless):
    """Many short sequences, one after the other, stay in the first lanes."""
    page = visit(endless, "engine")
    page.wait(lambda: "endless" in page.find(".engine-state").text, "the server's greeting")
    for i in range(40):
        endless.post("/v1/completions", {"model": "endless", "prompt": f"again {i}", "max_tokens": 40, "ignore_eos": True})
        time.sleep(0.03)
    page.wait(lambda: steps(page) > 200, "steps")
    assert page.find(".timeline").get_attribute("data-more") == "0"


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


SLOW_MODELS = """{
    const plain = fetch;
    window.fetch = async (url, options) => {
      if (url === '/v1/models') await new Promise(resolve => setTimeout(resolve, 700));
      return plain(url, options);
    };
}"""


def test_the_model_may_be_told_before_its_name(visit, scripted, inject):
    inject(SLOW_MODELS)
    page = visit(scripted, "model")
    page.wait(lambda: page.find("svg.architecture"), "the drawing")
    page.wait(lambda: page.find(".shape h2").text == "speaker", "the name")


def test_an_idle_page_sees_what_becomes_of_the_server(visit, scripted_folder, adapter, inject):
    inject(HURRY + MAY_HIDE + "{ const plain = fetch; window.asked = 0; window.fetch = (...all) => (++window.asked, plain(...all)); }")
    server = HoneServer(scripted_folder, "--threads", 1, "--kv-memory", "64M", "--name", "speaker", "--allow-adapter-updates")
    try:
        page = visit(server, "model")
        page.may_complain = ["ERR_", "net::"]
        page.wait(lambda: page.find(".shape h2").text == "speaker", "the model")
        assert "Adapters" not in page.find(".model-facts").text
        server.post("/v1/load_lora_adapter", {"lora_name": "law", "lora_path": str(adapter)})
        page.wait(lambda: "law" in page.find(".model-facts").text, "the adapter in the view of the model")
        page.keys("1")
        page.wait(lambda: len(page.all(".model-choice option")) == 2, "the adapter in the chat")
    finally:
        server.kill()
    page.wait(lambda: page.find(".server-status").text == "Server gone", "the word that the server is gone")
    page.hide(True)
    time.sleep(0.5)
    asked = page.script("return asked")
    time.sleep(1)
    assert page.script("return asked") == asked, "who is not seen asks nothing"
    page.hide(False)
    page.wait(lambda: page.script("return asked") > asked + 2, "questions again")


def test_a_conversation_that_is_picked_is_shown(page):
    page.ask("markdown to find")
    page.keys("2")
    page.wait(lambda: page.find("main .engine"), "the engine")
    page.click(".conversations .title")
    page.wait(lambda: page.find("main .chat") and page.said() == ["markdown to find"], "the conversation")
    page.keys("3")
    page.wait(lambda: page.find("main .model"), "the model")
    page.press("New conversation")
    page.wait(lambda: page.find("main .chat") and page.shown(".welcome"), "an empty conversation")
    page.keys("2")
    page.wait(lambda: page.find("main .engine"), "the engine")
    page.keys("s")
    page.wait(lambda: page.find("main .chat"), "the chat")
    time.sleep(0.2)
    assert page.driver.switch_to.active_element.get_attribute("type") == "search"


PHONE = {"width": 360, "height": 740, "deviceScaleFactor": 2, "mobile": True}


def test_a_phone_is_wide_enough(visit, scripted, driver):
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", PHONE)
    try:
        page = visit(scripted)
        page.ask("markdown")
        for view, mark in (("chat", ".message.assistant h1"), ("engine", ".timeline"), ("model", "svg.architecture")):
            page.script("location.hash = arguments[0]", view)
            page.wait(lambda mark=mark: page.shown(mark), view)
            wide = page.script("""return [...document.querySelectorAll('.page, .page > *, main > *, .bar-items, .message, .tile')]
                .filter(node => node.scrollWidth > node.clientWidth + 1 && getComputedStyle(node).overflowX === 'visible')
                .map(node => `${node.className} ${node.scrollWidth}/${node.clientWidth}`)""")
            assert not wide and page.script("return document.documentElement.scrollWidth") <= 360
        page.press("Menu")
        page.wait(lambda: page.script("return document.querySelector('.side').contains(document.activeElement)"), "the focus in the drawer")
        assert page.script("return document.querySelector('.page').inert")
        page.driver.switch_to.active_element.send_keys(Keys.ESCAPE)
        page.wait(lambda: page.driver.switch_to.active_element.get_attribute("aria-label") == "Menu", "the focus on the menu again")
        assert not page.script("return document.querySelector('.page').inert")
        page.keys("1", ",")
        page.wait(lambda: page.shown(".panel"), "the settings, which cover the page")
        free = "return [...document.querySelectorAll('a, button, textarea')].filter(node => !node.closest('[inert], .panel, dialog')).length"
        assert page.script(free) == 0
        page.find(".panel textarea").send_keys(Keys.ESCAPE)
        page.wait(lambda: page.driver.switch_to.active_element.get_attribute("aria-label") == "Settings", "the focus on the button again")
        assert not page.all("[inert]")
        page.press("Settings")
        page.wait(lambda: page.script(free) == 0, "the settings again")
        page.keys("2")
        page.wait(lambda: page.find("main .engine") and not page.all("[inert]"), "another view, which can be used")
    finally:
        driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_an_address_of_no_view_is_the_chat(visit, scripted):
    page = visit(scripted, "constructor")
    page.wait(lambda: page.find("main .chat"), "the chat")


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
