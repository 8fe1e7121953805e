"""What the page says when the server is gone, busy, closed, or cannot serve what was asked."""

from hone_server import HoneServer

FLAGS = ("--threads", 1, "--kv-memory", "64M")


def failure(page, kind):
    return page.wait(lambda: page.find(f".failure.{kind}"), f"a failure of kind {kind}")


def test_a_server_that_dies_leaves_the_text(visit, endless_folder):
    server = HoneServer(endless_folder, *FLAGS, "--max-context", 32768)
    page = visit(server)
    page.may_complain = ["ERR_", "net::"]
    page.say("Go on")
    page.wait(lambda: page.all(".message.assistant .markdown .block"), "some text")
    server.kill()
    box = failure(page, "cut")
    assert "broke" in box.text and page.find(".message.assistant .body > .markdown").text
    page.wait(lambda: page.find(".server-status").text == "Server gone", "the status")
    page.press("Retry", ".message.assistant")
    assert "hone serve" in failure(page, "offline").text
    page.driver.execute_script("document.querySelector('.composer-field').focus()")
    page.say("Still here?")
    page.wait(lambda: len(page.all(".failure.offline")) >= 1 and page.said() == ["Go on", "Still here?"], "the message kept")


def test_a_full_server_is_asked_again(visit, endless_folder):
    with HoneServer(endless_folder, *FLAGS, "--max-streams", 1, "--max-waiting", 0, "--max-context", 32768) as server:
        stream = server.client().completions.create(model=endless_folder.name, prompt="flood", max_tokens=32000, stream=True)
        next(iter(stream))
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
