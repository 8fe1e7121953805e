"""A headless Chromium that shows the page, and words for what users do there. What must hold of every visit is checked when it ends:
no request to another host, nothing that the browser complains of in its console."""

import contextlib
import json
import os
import time
from urllib.parse import urlsplit

from selenium import webdriver
from selenium.common.exceptions import NoSuchElementException, StaleElementReferenceException
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

CHROMIUM = "/usr/bin/chromium"
DRIVER = "/usr/bin/chromedriver"
WAIT_SECONDS = float(os.environ.get("HONE_WEB_WAIT", "15"))  # more where the machine has other work
ARGUMENTS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--window-size=1280,860",
             "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync")

# What a page may begin with: clocks that make long waits short, and a tab that window.is_hidden says to be one that nobody sees.
HURRY = "{ const plain = setTimeout; window.setTimeout = (run, ms, ...more) => plain(run, ms >= 2500 ? ms / 50 : ms, ...more); }"
MAY_HIDE = "Object.defineProperty(document, 'hidden', {get: () => window.is_hidden === true});"


def start_chromium():
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in ARGUMENTS:
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    return webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))


class Page:
    """The page of one server. `may_complain` are words of console messages that the test brings about."""

    def __init__(self, driver, server):
        self.driver = driver
        self.origin = f"http://{server.host}:{server.port}"
        self.may_complain = []
        self.first = driver.current_window_handle

    def open(self, view="chat"):
        self.driver.get(f"{self.origin}/#{view}")
        self.wait(lambda: self.find(".shell"), "the page")
        return self

    def wait(self, condition, what="the condition", seconds=0):
        """What `condition` gives as soon as it is true; the page may change under its feet."""
        seconds = max(seconds, WAIT_SECONDS)
        end = time.monotonic() + seconds
        while True:
            try:
                value = condition()
            except (NoSuchElementException, StaleElementReferenceException):
                value = None
            if value:
                return value
            assert time.monotonic() < end, f"{what} did not come true in {seconds} s:\n{self.find('body').text[-2000:]}"
            time.sleep(0.03)

    def hide(self, hidden):
        """Where the page began with MAY_HIDE."""
        self.script("window.is_hidden = arguments[0]; document.dispatchEvent(new Event('visibilitychange'))", hidden)

    @contextlib.contextmanager
    def another_tab(self):
        """What is done within it is done in a second tab of the same page, which is closed then."""
        before = self.driver.current_window_handle
        self.driver.switch_to.new_window("tab")
        second = self.driver.current_window_handle
        try:
            yield self.open()
        finally:
            self.driver.switch_to.window(second)
            self.driver.close()
            self.driver.switch_to.window(before)

    @contextlib.contextmanager
    def first_tab(self):
        """Within another_tab: what is done within it is done in the first."""
        here = self.driver.current_window_handle
        self.driver.switch_to.window(self.first)
        yield self
        self.driver.switch_to.window(here)

    def find(self, selector):
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def all(self, selector):
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def shown(self, selector):
        return [element for element in self.all(selector) if element.is_displayed()]

    def script(self, code, *arguments):
        return self.driver.execute_script(code, *arguments)

    def click(self, selector):
        """By the page's own event: footers appear under the pointer only."""
        self.script("arguments[0].click()", self.wait(lambda: self.find(selector), selector))

    def button(self, name, inside="body"):
        """A button by what it is called."""
        for element in self.all(f"{inside} button"):
            if name in (element.get_attribute("aria-label"), self.script("return arguments[0].textContent", element)):
                return element
        raise NoSuchElementException(name)

    def press(self, name, inside="body"):
        self.script("arguments[0].click()", self.wait(lambda: self.button(name, inside), name))

    def keys(self, *keys):
        """Typed where the focus is not in a field."""
        self.script("document.activeElement.blur()")
        self.find("body").send_keys(*keys)

    def say(self, text):
        field = self.wait(lambda: self.find(".composer-field"), "the composer")
        field.send_keys(text)
        field.send_keys(Keys.ENTER)

    def is_answering(self):
        return bool(self.all(".send[aria-label=Stop]"))

    def ask(self, text):
        """Says it and gives the answer's element once it is whole."""
        before = len(self.all(".message.assistant"))
        self.say(text)
        self.wait(lambda: len(self.all(".message.assistant")) > before, "an answer")
        return self.answer()

    def answer(self):
        self.wait(lambda: self.all(".message.assistant") and not self.is_answering(), "a whole answer")
        return self.all(".message.assistant")[-1]

    def said(self):
        return [element.text for element in self.all(".message.user .said")]

    def check_visit(self):
        requests = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        urls = {message["params"]["request"]["url"] for message in requests if message["method"] == "Network.requestWillBeSent"}
        foreign = [url for url in urls if urlsplit(url).scheme not in ("data", "blob", "about", "chrome") and not url.startswith(self.origin)]
        assert not foreign, f"requests to other hosts: {foreign}"
        assert any(url.startswith(self.origin) for url in urls), "the log of requests is empty"
        complaints = [entry for entry in self.driver.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")
                      and not any(word in entry["message"] for word in self.may_complain)]
        assert not complaints, complaints
