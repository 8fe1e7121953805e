"""Servers and a browser that tests share. Each test visits with an empty browser store."""

import pytest
from adapter_files import write_adapter
from browser import Page, start_chromium
from hone_server import MODELS, HoneServer

MODEL = MODELS / "qwen3_moe"

from scripted_model import make_endless_model, make_scripted_model  # noqa: E402  needs MODEL

FLAGS = ("--threads", 1, "--kv-memory", "64M")


@pytest.fixture(scope="session")
def scripted_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scripted")
    make_scripted_model(folder)
    return folder


@pytest.fixture(scope="session")
def endless_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("endless")
    make_endless_model(MODEL, folder)
    return folder


@pytest.fixture(scope="session")
def scripted(scripted_folder):
    with HoneServer(scripted_folder, *FLAGS, "--name", "speaker") as running:
        yield running


@pytest.fixture(scope="session")
def endless(endless_folder):
    with HoneServer(endless_folder, *FLAGS, "--name", "endless", "--max-context", 32768) as running:
        yield running


@pytest.fixture(scope="session")
def adapter(scripted_folder, tmp_path_factory):
    """One that changes nothing of what the scripted model says."""
    return write_adapter(tmp_path_factory.mktemp("adapters") / "law", scripted_folder, seed=1, size=0)


@pytest.fixture(scope="session")
def driver():
    running = start_chromium()
    yield running
    running.quit()


@pytest.fixture
def inject(driver):
    """inject(source) runs it in every page from now on, before the page's own script."""
    added = []
    yield lambda source: added.append(driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": source}))
    for one in added:
        driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", one)


@pytest.fixture
def visit(driver):
    """visit(server) opens its page."""
    pages = []

    def open_page(server, view="chat"):
        driver.get_log("performance"), driver.get_log("browser")
        pages.append(Page(driver, server))
        driver.execute_cdp_cmd("Storage.clearDataForOrigin", {"origin": pages[-1].origin, "storageTypes": "all"})
        return pages[-1].open(view)

    yield open_page
    driver.get("about:blank")
    for page in pages:
        page.check_visit()


@pytest.fixture
def page(visit, scripted):
    return visit(scripted)
