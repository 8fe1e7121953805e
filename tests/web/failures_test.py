"""What the page says when the server is gone, busy, closed, or cannot serve what was asked."""

import contextlib
import time

from hone_server import HoneServer

FLAGS = ("--threads", 1, "--kv-memory", "64M")


def failure(page, kind):
    return page.wait(lambda: page.find(f".failure.{kind}"), f"a failure of kind {kind}")


@contextlib.contextmanager
def full_server(model):
    """A server, and the stream that takes its only place until it is closed."""
    with HoneServer(model, *FLAGS, "--max-streams", 1, "--max-waiting", 0, "--max-context", 32768) as server:
        stream = server.client().completions.create(model=model.name, prompt="flood", max_tokens=32000, stream=True)
        next(iter(stream))
        yield server, stream


@contextlib.contextmanager
def killed(model, *flags):
    """A server that dies at the end, whatever happened."""
    server = HoneServer(model, *FLAGS, *flags)
    try:
        yield server
    finally:
        server.kill()


def test_a_server_that_dies_leaves_the_text(visit, endless_folder):
    with killed(endless_folder, "--max-context", 32768) as server:
        page = visit(server)
        page.may_complain = ["ERR_", "net::"]
        page.say("Go on")
        page.wait(lambda: page.all(".message.assistant .markdown .block"), "some text")
    box = failure(page, "cut")
    assert "broke" in box.text and page.find(".message.assistant .body > .markdown").text
    page.wait(lambda: page.find(".server-status").text == "Server gone", "the status")
    text = page.find(".message.assistant .body > .markdown").text
    page.press("Continue", ".message.assistant")
    assert "hone serve" in failure(page, "offline").text and page.find(".message.assistant .body > .markdown").text == text
    page.driver.execute_script("document.querySelector('.composer-field').focus()")
    page.say("Still here?")
    page.wait(lambda: len(page.all(".failure.offline")) >= 2 and page.said() == ["Go on", "Still here?"], "the message kept")


def test_a_retry_takes_nothing_that_follows(visit, endless_folder):
    """An answer of which nothing came is replaced, but not where the conversation went on behind it."""
    with killed(endless_folder) as server:
        page = visit(server)
        page.may_complain = ["ERR_", "net::"]
        page.wait(lambda: page.find(".server-status").text == "Connected", "the connection")
    page.say("One")
    failure(page, "offline")
    page.press("Retry", ".message.assistant")
    page.wait(lambda: page.all(".failure.offline") and not page.is_answering(), "the next failure")
    assert not page.all(".message.assistant .branches")
    page.say("Two")
    page.wait(lambda: len(page.all(".failure.offline")) == 2, "a second failure")
    page.press("Retry", ".message.assistant")
    page.wait(lambda: page.said() == ["One"] and page.all(".message.assistant .branches"), "another branch")
    page.answer()
    page.press("Previous branch", ".message.assistant")
    page.wait(lambda: page.said() == ["One", "Two"], "the branch that was there")


def test_only_the_last_answer_is_asked_for_again(visit, endless_folder):
    with full_server(endless_folder) as (server, stream):
        page = visit(server)
        page.may_complain = ["429"]
        page.say("One")
        failure(page, "busy")
        page.say("Two")
        page.wait(lambda: len(page.all(".failure.busy")) == 2, "a second failure")
        assert len(page.all(".countdown")) <= 1
        page.press("Do not retry")
        page.wait(lambda: not page.all(".countdown"), "no countdown")
        stream.close()


def test_a_full_server_is_asked_again(visit, endless_folder):
    with full_server(endless_folder) as (server, stream):
        page = visit(server)
        page.may_complain = ["429"]
        page.keys(",")
        page.find("#setting-max_tokens").send_keys("5")
        page.say("Is there room?")
        box = failure(page, "busy")
        assert "Retries in" in box.text
        stream.close()
        page.wait(lambda: "5 tokens" in page.find(".facts").text, "the answer after the countdown", seconds=30)
        assert page.said() == ["Is there room?"]


def test_only_the_tab_that_asked_asks_again(visit, endless_folder):
    with full_server(endless_folder) as (server, stream):
        page = visit(server)
        page.may_complain = ["429"]
        page.say("Is there room?")
        assert failure(page, "busy").get_attribute("role") == "alert"
        page.press("Do not retry")
        with page.another_tab():
            assert failure(page, "busy").get_attribute("role") is None, "it is no news"
            assert not page.all(".countdown")
            with page.first_tab():
                before = page.find(".message.assistant").get_attribute("data-id")
                page.press("Retry")
                now = page.wait(lambda: page.find(".message.assistant").get_attribute("data-id"))
                assert now != before
                page.press("Do not retry")
            page.wait(lambda: page.find(".message.assistant").get_attribute("data-id") == now, "the answer that was tried again")
            assert not page.all(".message.assistant .branches") and len(page.all(".message.assistant")) == 1
            failure(page, "busy")
            assert not page.all(".countdown")
            page.press("Answer again")
            page.wait(lambda: page.find(".message.assistant").get_attribute("data-id") not in (before, now), "another try, here")
            failure(page, "busy")
        page.wait(lambda: page.find(".message.assistant").get_attribute("data-id") not in (before, now), "the other tab's try")
        assert not page.all(".message.assistant .branches")
        page.driver.refresh()
        failure(page, "busy")
        assert not page.all(".message.assistant .branches") and not page.all("[role=alert].failure")
        stream.close()


def test_the_server_s_words_are_shown(visit, scripted_folder):
    with HoneServer(scripted_folder, *FLAGS, "--max-context", 200) as server:
        page = visit(server)
        page.may_complain = ["400"]
        page.say("markdown " * 60)
        box = failure(page, "context")
        assert "200" in box.text and "too long" in box.text
        page.script("localStorage['hone.settings'] = JSON.stringify({sampling: {top_p: 99}})")
        page.driver.refresh()
        page.wait(lambda: page.find(".composer-field"), "the page")
        page.keys("n")
        page.say("markdown")
        assert "top_p" in failure(page, "refused").text


def test_tools_that_cannot_be_read_are_the_settings_fault(page):
    page.script("localStorage['hone.settings'] = JSON.stringify({tools: '[{]'})")
    page.keys("n")
    page.wait(lambda: page.all(".welcome"), "an empty conversation")
    page.say("markdown")
    assert "Mend the tools" in failure(page, "unsent").text


def test_a_browser_without_room_is_told_of(page):
    page.script("IDBObjectStore.prototype.put = () => { throw new DOMException('full', 'QuotaExceededError') }")
    page.ask("markdown")
    page.wait(lambda: "no room" in page.find(".problem.kept").text, "the warning")


def test_a_browser_that_gives_up_in_the_end_is_told_of(page):
    """Each request succeeds; their transaction does not."""
    page.script("const put = IDBObjectStore.prototype.put; IDBObjectStore.prototype.put = function (record) {"
                " const done = put.call(this, record); done.addEventListener('success', () => this.transaction.abort()); return done; }")
    page.ask("markdown")
    page.wait(lambda: "does not keep the conversations" in page.find(".problem.kept").text, "the warning")


def test_a_browser_that_keeps_nothing_shows_the_page(visit, scripted, inject):
    inject("""
        const refuse = {get() { throw new DOMException('no', 'SecurityError'); }};
        for (const name of ['localStorage', 'sessionStorage']) Object.defineProperty(window, name, refuse);
        indexedDB.open = () => { throw new DOMException('no', 'SecurityError'); };""")
    page = visit(scripted)
    assert "Edges" in page.ask("markdown").text
    assert "keeps nothing" in page.find(".problem.kept").text
    page.keys("n")
    page.wait(lambda: page.all(".welcome"), "an empty conversation")


def test_an_engine_view_without_a_key_asks_once(visit, scripted_folder):
    with HoneServer(scripted_folder, *FLAGS, "--api-key", "secret") as server:
        page = visit(server, "engine")
        page.may_complain = ["401"]
        page.wait(lambda: page.shown("dialog.key-dialog input"), "the question for a key")
        page.press("Cancel", "dialog.key-dialog")
        page.wait(lambda: page.button("Enter a key", ".engine-state"), "the way on")
        time.sleep(3)
        assert not page.shown("dialog")


def test_a_key_is_asked_for_and_kept(visit, scripted_folder):
    with HoneServer(scripted_folder, *FLAGS, "--api-key", "secret", "--name", "speaker") as server:
        page = visit(server)
        page.may_complain = ["401"]
        field = page.wait(lambda: page.shown("dialog.key-dialog input"), "the question for a key")[0]
        field.send_keys("secret")
        page.press("Use this key")
        page.wait(lambda: page.find(".server-status").text == "Connected", "the connection")
        assert "Edges" in page.ask("markdown").text
        page.driver.refresh()
        page.wait(lambda: "Edges" in page.find(".message.assistant").text, "the conversation")
        assert not page.shown("dialog")
