"""What people do in the chat: talk, stop, come back, change what they said, find what was said."""

import json
import re
import time

from hone_server import HoneServer
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select


def tokens_of(answer):
    return int(re.search(r"([\d,]+) tokens?\b", answer.find_element("css selector", ".facts").text)[1].replace(",", ""))


def test_a_conversation(page):
    answer = page.ask("markdown please")
    assert page.said() == ["markdown please"]
    assert answer.find_element("css selector", "h1").text == "Edges"
    assert answer.find_element("css selector", "strong").text == "bold"
    assert [item.text for item in answer.find_elements("css selector", "li")] == ["one", "two"]
    assert answer.find_element("css selector", "figure.code figcaption span").text == "python"
    assert answer.find_element("css selector", "figure.code code").text == "print('hone')"
    assert answer.find_elements("css selector", "code .hljs-string")
    page.wait(lambda: "speaker" in answer.find_element("css selector", ".facts").text, "facts of the answer")
    second = page.ask("thinking, now")
    assert "Sun." in second.text and len(page.said()) == 2


def test_code_is_code_before_its_fence_is_closed(page):
    answer = page.ask("unclosed")
    assert answer.find_element("css selector", "figure.code code").text == "x = 1"


def test_thinking_is_folded_and_tells_how_long(page):
    answer = page.ask("thinking")
    summary = answer.find_element("css selector", ".thinking summary")
    assert summary.text.startswith("Thought for")
    assert not page.shown(".thinking .markdown")
    page.click(".thinking summary")
    assert page.wait(lambda: page.shown(".thinking .markdown"))[0].text == "Rain or sun?"


def test_a_reload_keeps_everything(page):
    page.ask("markdown to keep")
    page.driver.refresh()
    page.wait(lambda: page.said() == ["markdown to keep"], "the conversation after a reload")
    assert "Edges" in page.answer().text
    assert [row.text for row in page.all(".conversations .title")] == ["markdown to keep"]


def test_stop_keeps_what_came_and_goes_on(visit, endless):
    page = visit(endless)
    text = ".message.assistant .body > .markdown"
    answer = begin_and_stop(page)
    page.wait(lambda: "stopped" in answer.find_element("css selector", ".facts").text, "the word that it was stopped")
    endless.wait_until_idle()
    stopped, tokens = page.find(text).text, tokens_of(answer)
    assert stopped and tokens > 0
    page.driver.refresh()
    page.wait(lambda: page.find(text).text == stopped, "what came, after a reload")
    page.press("Continue", ".message.assistant")
    page.wait(lambda: page.is_answering() and len(page.find(text).text) > len(stopped), "more of it")
    page.press("Stop", ".composer")
    assert tokens_of(page.answer()) > tokens and len(page.all(".message.assistant")) == 1
    endless.wait_until_idle()
    page.say("And again")
    page.wait(page.is_answering, "the next answer")
    page.find(".composer-field").send_keys(Keys.ESCAPE)
    page.answer()
    endless.wait_until_idle()
    assert len(page.all(".message.assistant")) == 2


def test_edits_and_other_answers_are_branches(page):
    page.ask("markdown first")
    page.press("Answer again")
    page.wait(lambda: page.find(".message.assistant .branches .number").text == "2/2", "a second answer")
    page.answer()
    page.press("Previous branch", ".message.assistant")
    page.wait(lambda: page.find(".message.assistant .branches .number").text == "1/2", "the first answer")

    page.keys("e")
    field = page.wait(lambda: page.find(".edit textarea"), "the field of an edit")
    field.send_keys(Keys.CONTROL + "a", Keys.NULL, "thinking instead", Keys.ENTER)
    page.wait(lambda: page.said() == ["thinking instead"], "the new branch")
    page.answer()
    page.wait(lambda: page.find(".message.user .branches .number").text == "2/2", "the branches of the message")
    page.press("Previous branch", ".message.user")
    page.wait(lambda: page.said() == ["markdown first"], "the old branch")
    assert page.find(".message.assistant .branches .number").text == "1/2", "its own choice is kept"
    page.driver.refresh()
    page.wait(lambda: page.said() == ["markdown first"], "the chosen branch after a reload")


def test_an_answer_that_was_cut_is_continued(page):
    page.keys(",")
    page.wait(lambda: page.shown(".panel"), "the settings")
    page.find("#setting-max_tokens").send_keys("2")
    answer = page.ask("markdown")
    assert "cut at the most tokens" in answer.text and not answer.find_elements("css selector", "figure.code")
    page.press("Continue", ".message.assistant")
    page.wait(lambda: page.all(".message.assistant figure.code") and not page.is_answering(), "the rest")
    assert len(page.all(".message.assistant")) == 1 and "4 tokens" in page.find(".facts").text
    assert page.find("figure.code code").text == "print('hone')" and "Edges" in page.answer().text
    page.keys("c")
    page.wait(lambda: not page.is_answering() and "cut at" not in page.find(".facts").text, "the end")
    assert not page.all(".continue")
    page.keys("t")
    page.wait(lambda: len(page.all(".token-text .token")) >= 4, "tokens of all parts")


def test_drafts_are_the_conversation_s_own(page):
    page.ask("markdown first")
    page.find(".composer-field").send_keys("half a thought")
    page.press("New conversation")
    page.wait(lambda: page.find(".composer-field").get_attribute("value") == "", "an empty field")
    page.find(".composer-field").send_keys("another")
    page.click(".conversations .title")
    page.wait(lambda: page.find(".composer-field").get_attribute("value") == "half a thought", "the draft")
    page.driver.refresh()
    page.wait(lambda: page.find(".composer-field").get_attribute("value") == "half a thought", "the draft after a reload")


def test_a_name_that_is_being_written_stays_when_an_answer_ends(visit, endless):
    page = visit(endless)
    page.say("Go on")
    page.wait(lambda: page.all(".message.assistant .markdown .block"), "some text")
    page.press("Rename Go on")
    field = page.wait(lambda: page.find(".conversations input"), "a field for the name")
    field.send_keys(Keys.CONTROL + "a", Keys.NULL, "Noi")
    page.press("Stop", ".composer")
    page.answer()
    field.send_keys("se", Keys.ENTER)
    page.wait(lambda: [row.text for row in page.all(".conversations .title")] == ["Noise"], "the name")
    endless.wait_until_idle()


def test_another_branch_can_be_looked_at_while_an_answer_grows(visit, endless):
    page = visit(endless)
    page.say("Go on")
    page.wait(lambda: page.all(".message.assistant .markdown .block"), "some text")
    page.press("Stop", ".composer")
    page.answer()
    page.press("Answer again")
    page.wait(lambda: page.is_answering() and page.all(".message.assistant[aria-busy=true] .markdown .block"), "a second answer")
    page.keys("[")
    page.wait(lambda: page.find(".message.assistant .branches .number").text == "1/2", "the first answer, which is whole")
    assert page.is_answering() and page.find(".message.assistant").get_attribute("aria-busy") == "false"
    page.press("Stop", ".composer")
    page.answer()
    endless.wait_until_idle()


def test_two_tabs_do_not_take_from_each_other(page):
    page.ask("markdown one")
    first = page.driver.current_window_handle
    page.driver.switch_to.new_window("tab")
    page.open()
    page.wait(lambda: page.said() == ["markdown one"], "the conversation in the other tab")
    page.ask("thinking two")
    second = page.driver.current_window_handle
    page.driver.switch_to.window(first)
    page.wait(lambda: page.said() == ["markdown one", "thinking two"], "what was said in the other tab")
    page.ask("markdown three")
    page.driver.switch_to.window(second)
    page.wait(lambda: page.said() == ["markdown one", "thinking two", "markdown three"], "what was said in the first tab")
    page.driver.close()
    page.driver.switch_to.window(first)
    page.driver.refresh()
    page.wait(lambda: len(page.said()) == 3, "all of it after a reload")


def test_what_is_set_in_one_tab_is_set_in_the_other(page):
    page.ask("markdown one")
    with page.another_tab():
        page.wait(lambda: page.said() == ["markdown one"], "the conversation in the other tab")
        page.keys(",")
        page.find("#setting-temperature").send_keys("0.5")
        with page.first_tab():
            page.wait(lambda: page.find("#setting-temperature").get_attribute("value") == "0.5", "what was set in the other tab")
            page.ask("thinking two")
            page.keys(",")
            page.find("#setting-top_p").send_keys("0.9")
        page.wait(lambda: page.find("#setting-top_p").get_attribute("value") == "0.9", "what was set in the first tab")
        assert page.find("#setting-temperature").get_attribute("value") == "0.5"
    page.driver.refresh()
    page.wait(lambda: page.find("#setting-top_p").get_attribute("value") == "0.9", "it after a reload")
    assert page.find("#setting-temperature").get_attribute("value") == "0.5"


def begin_and_stop(page):
    """A conversation with the endless model."""
    page.say("Go on")
    page.wait(lambda: page.all(".message.assistant .markdown .block"), "some text")
    page.press("Stop", ".composer")
    return page.answer()


def test_an_answer_of_another_tab_is_no_failure_until_that_is_closed(visit, endless):
    growing = ".message.assistant[aria-busy=true]"
    page = visit(endless)
    begin_and_stop(page)
    with page.another_tab():
        page.wait(lambda: page.said() == ["Go on"], "the conversation in the other tab")
        page.say("And then?")
        page.wait(lambda: page.all(growing + " .markdown .block"), "some text")
        with page.first_tab():
            page.wait(lambda: page.said() == ["Go on", "And then?"] and page.all(growing), "what is asked in the other tab")
            assert not page.all(".failure") and not page.all(growing + " footer button")
        page.press("Stop", ".composer")
        page.answer()
        with page.first_tab():
            page.wait(lambda: "stopped" in page.answer().find_element("css selector", ".facts").text, "how it ended")
        page.say("And at last?")
        page.wait(lambda: page.all(growing + " .markdown .block"), "some text")
        time.sleep(1)  # what came is kept meanwhile
        with page.another_tab():
            page.wait(lambda: len(page.said()) == 3 and page.all(growing), "the answer in a tab that is new")
            assert not page.all(".failure")
    page.wait(lambda: "closed before" in page.find(".failure.cut").text, "the failure")
    assert page.button("Continue", ".failure")
    endless.wait_until_idle()


def test_where_nothing_tells_who_answers_an_answer_of_another_tab_is_no_failure(visit, endless, inject):
    inject("Object.defineProperty(navigator, 'locks', {value: undefined})")
    page = visit(endless)
    begin_and_stop(page)
    with page.another_tab():
        page.wait(lambda: page.said() == ["Go on"], "the conversation in the other tab")
        page.say("And then?")
        with page.first_tab():
            page.wait(lambda: page.said() == ["Go on", "And then?"], "what is asked in the other tab")
            time.sleep(0.5)
            assert not page.all(".failure")
        page.press("Stop", ".composer")
        page.answer()
        with page.first_tab():
            page.wait(lambda: "stopped" in page.answer().find_element("css selector", ".facts").text, "how it ended")
    endless.wait_until_idle()


def test_nesting_without_end_is_shown_as_text(page, tmp_path):
    """The Markdown parser gives up; the page does not, nor after a reload."""
    deep = {"id": "c1", "messages": {"a": {"id": "a", "parent": "", "role": "user", "content": "x", "created": 1},
                                     "b": {"id": "b", "parent": "a", "role": "assistant", "content": ">" * 50000, "created": 2}}}
    file = tmp_path / "deep.json"
    file.write_text(json.dumps({"format": "hone-conversations", "conversations": [deep]}))
    page.script("document.querySelector('input[type=file]').hidden = false")
    page.find("input[type=file]").send_keys(str(file))
    page.wait(lambda: page.find(".block.plain").text.startswith(">>>"), "the text")
    page.driver.refresh()
    page.wait(lambda: page.find(".block.plain"), "the text after a reload")
    assert "closed before" in page.find(".failure.cut").text


def test_conversations_are_found_renamed_and_deleted(page):
    page.ask("markdown about rivers")
    page.keys("n")
    page.wait(lambda: page.all(".welcome"), "an empty conversation")
    page.ask("thinking about stones")
    search = page.find(".conversation-list input[type=search]")
    search.send_keys("rivers")
    page.wait(lambda: [row.text for row in page.all(".conversations .title")] == ["markdown about rivers"], "one that is found")
    page.press("Rename markdown about rivers")
    field = page.wait(lambda: page.find(".conversations input"), "a field for the name")
    field.send_keys(Keys.CONTROL + "a", Keys.NULL, "Rivers", Keys.ENTER)
    page.wait(lambda: [row.text for row in page.all(".conversations .title")] == ["Rivers"], "the new name")
    page.press("Delete Rivers")
    page.press("Delete", ".conversations")
    page.wait(lambda: not page.all(".conversations .title"), "an empty list")
    search.clear()
    search.send_keys(" ")
    page.wait(lambda: len(page.all(".conversations .title")) == 1, "the other conversation")


def test_what_is_exported_can_be_imported(page, tmp_path):
    page.ask("markdown to carry")
    page.script("window.saved = []; URL.createObjectURL = blob => (blob.text().then(text => saved.push(text)), 'data:,')")
    page.script("HTMLAnchorElement.prototype.click = () => undefined")
    page.press("Export all")
    text = page.wait(lambda: page.script("return window.saved[0]"), "the file")
    page.press("Markdown, this branch")
    markdown = page.wait(lambda: page.script("return window.saved[1]"), "the Markdown")
    assert "## You\n\nmarkdown to carry" in markdown and "# Edges" in markdown

    page.press("Delete markdown to carry")
    page.press("Delete", ".conversations")
    page.wait(lambda: page.all(".welcome"), "nothing")
    file = tmp_path / "conversations.json"
    file.write_text(text)
    page.script("document.querySelector('input[type=file]').hidden = false")
    page.find("input[type=file]").send_keys(str(file))
    page.wait(lambda: page.said() == ["markdown to carry"], "the imported conversation")
    file.write_text(json.dumps({"format": "other"}))
    page.find("input[type=file]").send_keys(str(file))
    assert page.wait(lambda: page.shown(".conversation-list .problem"))[0].text.startswith("This file was not exported from here.")


def test_settings_go_with_the_request(page):
    page.keys(",")
    page.wait(lambda: page.shown(".panel"), "the settings")
    page.find(".panel textarea").send_keys("Be brief.")
    page.find("#setting-temperature").send_keys("0")
    page.find("#setting-max_tokens").send_keys("2")
    page.script("window.sent = []; const plain = fetch; window.fetch = (url, options) => {"
                " if (options?.body) sent.push(JSON.parse(options.body)); return plain(url, options); }")
    page.script("document.querySelectorAll('[name=thinking]')[2].click()")
    answer = page.ask("markdown")
    body = page.script("return sent[0]")
    assert body["messages"][0] == {"role": "system", "content": "Be brief."}
    assert body["temperature"] == 0 and body["max_tokens"] == 2 and body["chat_template_kwargs"] == {"enable_thinking": False}
    assert "top_p" not in body and "seed" not in body
    assert "cut at the most tokens" in answer.text


def test_an_adapter_that_is_chosen_answers(visit, scripted_folder, adapter):
    with HoneServer(scripted_folder, "--threads", 1, "--kv-memory", "64M", "--name", "speaker", "--adapter", f"law={adapter}") as server:
        page = visit(server)
        names = page.wait(lambda: [option.text for option in page.all(".model-choice option")], "the models")
        assert names == ["speaker", "law (adapter)"]
        Select(page.find(".model-choice")).select_by_value("law")
        page.ask("markdown")
        page.wait(lambda: page.find(".message.assistant .facts").text.startswith("law"), "who answered")
        page.keys("n")
        page.wait(lambda: page.all(".welcome") and page.find(".model-choice").get_attribute("value") == "law", "the choice in what is new")
        Select(page.find(".model-choice")).select_by_value("speaker")
        page.ask("markdown")
        page.wait(lambda: page.find(".message.assistant .facts").text.startswith("speaker"), "who answered")


def test_keys_can_be_switched_off(page):
    def set_keys(on):
        page.press("Keyboard shortcuts")
        box = page.wait(lambda: page.shown("dialog.shortcuts input[type=checkbox]"), "the switch")[0]
        assert box.is_selected() != on
        box.click()
        box.send_keys(Keys.ESCAPE)
        page.wait(lambda: not page.shown("dialog.shortcuts"), "the overlay to close")

    set_keys(False)
    page.driver.refresh()
    page.wait(lambda: page.find(".composer-field"), "the page")
    page.keys("2", "?")
    assert not page.all("main .engine") and not page.shown("dialog.shortcuts")
    set_keys(True)
    page.keys("2")
    page.wait(lambda: page.find("main .engine"), "the other view")


def test_keys_are_listed(page):
    page.keys("?")
    text = page.wait(lambda: page.shown("dialog.shortcuts"))[0].text
    assert "Answer again" in text and "New conversation" in text and "look back and on in a paused picture" in text
    page.find("dialog.shortcuts").send_keys(Keys.ESCAPE)
    page.wait(lambda: not page.shown("dialog.shortcuts"), "the overlay to close")
