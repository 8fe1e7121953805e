"""The page at /: files in the program, with headers that keep a browser to this server."""

import gzip
import re

from conftest import MODEL
from hone_server import HoneServer


def assets_of(html):
    return sorted(set(re.findall(r'(?:src|href)="(/[^"]+)"', html)))


def test_the_page_and_all_that_it_names_are_there(server):
    status, headers, body = server.request("GET", "/")
    assert status == 200 and headers["Content-Type"] == "text/html; charset=utf-8"
    html = body.decode()
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\son\w+=|javascript:|https?://", html), "the policy forbids it"
    names = assets_of(html)
    assert any(name.endswith(".js") for name in names)
    types = {"js": "text/javascript; charset=utf-8", "css": "text/css; charset=utf-8", "svg": "image/svg+xml"}
    for name in names:
        status, headers, body = server.request("GET", name)
        assert status == 200 and body, name
        assert headers["Content-Type"] == types[name.rsplit(".")[-1]]
        assert "script-src 'self'" in headers["Content-Security-Policy"]
        assert "unsafe" not in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff" and headers["Referrer-Policy"] == "no-referrer"


def test_compressed_bytes_are_the_same(server):
    plain = server.request("GET", "/")
    packed = server.request("GET", "/", headers={"Accept-Encoding": "gzip, deflate, br"})
    assert packed[1]["Content-Encoding"] == "gzip" and gzip.decompress(packed[2]) == plain[2]
    assert len(packed[2]) < len(plain[2]) and "Content-Encoding" not in plain[1]
    assert packed[1]["ETag"] != plain[1]["ETag"] and packed[1]["Vary"] == plain[1]["Vary"] == "Accept-Encoding"


def test_a_browser_that_has_it_is_not_sent_it_again(server):
    tag = server.request("GET", "/")[1]["ETag"]
    status, headers, body = server.request("GET", "/", headers={"If-None-Match": tag})
    assert status == 304 and not body and headers["ETag"] == tag and "Content-Length" not in headers
    assert server.request("GET", "/", headers={"If-None-Match": '"another"'})[0] == 200


def test_head_and_other_methods(server):
    plain = server.request("GET", "/")
    status, headers, body = server.request("HEAD", "/")
    assert status == 200 and not body and headers["Content-Length"] == str(len(plain[2]))
    for path in ("/", assets_of(plain[2].decode())[0]):
        status, headers, _ = server.request("POST", path, {})
        assert status == 405 and headers["Allow"] == "GET, HEAD, OPTIONS"
    for path in ("/assets/none.js", "/assets/", "/index.html", "/assets/..%2findex.html", "/page.js"):
        assert server.request("GET", path)[0] == 404, path


def test_the_page_is_open_where_the_api_needs_a_key():
    with HoneServer(MODEL, "--threads", 1, "--kv-memory", "4M", "--api-key", "secret") as server:
        assert server.request("GET", "/")[0] == 200 and server.request("GET", "/v1/models")[0] == 401


def test_the_page_can_be_switched_off():
    with HoneServer(MODEL, "--threads", 1, "--kv-memory", "4M", "--no-page") as server:
        assert server.request("GET", "/")[0] == 404 and server.request("GET", "/health")[0] == 200
