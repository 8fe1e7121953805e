"""What an answer carries beside its text: tokens and their probabilities, calls of tools; and what a hostile one may not do."""

from selenium.webdriver.common.action_chains import ActionChains

TOOLS = '[{"name": "get_weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}]'


def test_the_token_view_tells_what_was_likely(page):
    page.ask("thinking")
    page.press("Token view")
    tokens = page.wait(lambda: page.all(".token-text .token"), "tokens")
    assert [token.text for token in tokens][-1].startswith("[[end") or "Sun." in page.find(".token-text").text
    assert not page.shown(".message.assistant .body > .markdown")
    page.script("arguments[0].focus()", tokens[0])
    card = page.wait(lambda: page.shown(".token-card"), "the card of a token")[0]
    assert tokens[0].get_attribute("aria-describedby") == card.get_attribute("id")
    rows = card.find_elements("css selector", "li")
    assert len(rows) >= 5 and "%" in rows[0].text and card.find_elements("css selector", "li.drawn")
    assert "log p" in card.text
    page.script("arguments[0].blur()", tokens[0])
    page.wait(lambda: not page.shown(".token-card") and not tokens[0].get_attribute("aria-describedby"), "no card")
    ActionChains(page.driver).move_to_element(tokens[1]).perform()
    card = page.wait(lambda: page.shown(".token-card"), "the card of the token under the pointer")[0]
    assert len(card.find_elements("css selector", "li")) >= 5
    ActionChains(page.driver).move_to_element(page.find(".composer-field")).perform()
    page.wait(lambda: not page.shown(".token-card"), "no card")
    page.press("Token view")
    page.wait(lambda: page.shown(".message.assistant .body > .markdown"), "the text again")


def test_a_call_is_a_card_whose_result_goes_back(page):
    page.keys(",")
    page.wait(lambda: page.shown(".panel"), "the settings")
    page.script("const field = arguments[0]; field.value = arguments[1]; field.dispatchEvent(new Event('input'))",
                page.find("#setting-tools"), "[{]")
    assert "not JSON" in page.wait(lambda: page.shown(".panel .problem"))[0].text
    page.script("const field = arguments[0]; field.value = arguments[1]; field.dispatchEvent(new Event('input'))",
                page.find("#setting-tools"), TOOLS)
    page.wait(lambda: "get_weather" in page.find(".panel .setting [role=status]").text, "the tools to be read")
    page.ask("weather in Oslo")
    card = page.find(".tool-card")
    assert card.find_element("css selector", "header code").text == "get_weather"
    assert card.find_element("css selector", "dd").text == "Oslo"
    card.find_element("css selector", "textarea").send_keys("4 degrees")
    page.press("Send the result")
    page.wait(lambda: page.all(".message.assistant") and "It is cold there." in page.all(".message.assistant")[-1].text, "what follows")
    page.answer()
    assert page.find(".tool-card .result pre").text == "4 degrees" and not page.all(".tool-card textarea")
    page.driver.refresh()
    page.wait(lambda: page.find(".tool-card .result pre").text == "4 degrees", "the result after a reload")


def test_the_tools_that_are_tried_are_the_conversation_s_own(page):
    page.press("Try a tool: the weather in Oslo")
    page.wait(lambda: page.find(".tool-card textarea"), "the call")
    assert "get_weather" in page.find("#setting-tools").get_attribute("value")
    page.keys(",")
    page.find("#setting-temperature").send_keys("0.5")
    page.keys("n")
    page.wait(lambda: page.all(".welcome"), "an empty conversation")
    assert page.find("#setting-tools").get_attribute("value") == ""
    assert page.find("#setting-temperature").get_attribute("value") == "0.5", "what the user chose is kept"


def test_code_is_copied(page):
    page.ask("markdown")
    page.script("navigator.clipboard.writeText = async text => { window.copied = text; }")
    page.press("Copy the code")
    page.wait(lambda: page.all("figure.code [aria-label=Copied]"), "the word that it is copied")
    assert page.script("return window.copied") == "print('hone')"
    page.press("Copy the message", ".message.assistant")
    assert page.wait(lambda: page.script("return window.copied")).startswith("# Edges\n\nA **bold** word.")


def test_code_in_a_list_is_a_block_of_code_and_tabs_stay(page):
    answer = page.ask("recipe")
    listed, plain = answer.find_elements("css selector", "figure.code code")
    assert page.script("return arguments[0].textContent", listed) == "make all"
    assert answer.find_elements("css selector", "li figure.code button")
    assert page.script("return arguments[0].textContent", plain) == "all:\n\techo done"


def test_the_output_of_a_model_runs_nothing(page):
    answer = page.ask("attack")
    shown = answer.find_element("css selector", ".body > .markdown")
    assert "<script>window.pwned=2</script>" in shown.text, "HTML is shown as text"
    forbidden = "script, img, svg:not(.icon), math, iframe, style, object, embed, form, [onerror], [onbegin], [style]"
    assert not shown.find_elements("css selector", forbidden)
    for link in shown.find_elements("css selector", "a"):
        target = link.get_attribute("href") or ""
        assert target.startswith(("http://", "https://", "mailto:")) or not target, target
        assert not target or "noopener" in link.get_attribute("rel")
    for link in shown.find_elements("css selector", "a"):
        if not link.get_attribute("href"):
            page.script("arguments[0].click()", link)
    assert page.script("return window.pwned") is None
    page.driver.refresh()
    page.wait(lambda: page.all(".message.assistant"), "the conversation after a reload")
    assert page.script("return window.pwned") is None
    assert page.find("body").is_displayed()


def test_hostile_names_and_titles_are_text(page):
    page.ask("<img src=x onerror=window.pwned=7> markdown")
    assert page.said() == ["<img src=x onerror=window.pwned=7> markdown"]
    assert page.find(".conversations .title").text.startswith("<img") and page.script("return window.pwned") is None
