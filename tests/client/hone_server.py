"""The program under test: `hone serve` processes on free ports, watched through /metrics and stopped as users stop
them, and single runs of the other verbs."""

import http.client
import json
import os
import re
import signal
import subprocess
import threading
import time
from pathlib import Path

import openai
from prometheus_client.parser import text_string_to_metric_families

TESTS = Path(__file__).resolve().parent.parent
BINARY = os.environ.get("HONE_BINARY") or str(TESTS.parent / "build/release/hone")
MODELS = Path(os.environ.get("HONE_GOLDEN") or TESTS / "golden") / "models"
START_SECONDS = 60

# Without the variables that would change what the tests see; HONE_ISA may not.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name not in ("HONE_API_KEY", "HONE_LOG", "HONE_SPROUT")}


def run_hone(*arguments, stdin="", timeout=60, env=None):
    """Runs the program to its end; stdout and stderr are text. `env` adds variables."""
    return subprocess.run([BINARY, *map(str, arguments)], input=stdin, capture_output=True, text=True,
                          errors="replace", timeout=timeout, env=ENVIRONMENT | (env or {}))


def wait_until(condition, seconds=20, what="the condition"):
    """Returns what `condition` gives as soon as it is true."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"{what} did not come true in {seconds} s"
        time.sleep(0.01)


class HoneServer:
    """A running server. `output` is all that it wrote to stdout and stderr so far."""

    def __init__(self, *arguments, env=None):
        self.output = ""
        self.process = subprocess.Popen([BINARY, "serve", *map(str, arguments), "--port", "0"],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                        text=True, errors="replace", env=ENVIRONMENT | (env or {}))
        self._address = None
        self._listening = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self._listening.wait(START_SECONDS)
        if self._address is None:
            self.kill()
            raise AssertionError(f"hone serve {arguments} did not start:\n{self.output}")

    def _read(self):
        for line in self.process.stdout:
            self.output += line
            found = re.match(r"listening on http://(.+):(\d+)$", line)
            if found:
                self._address = found[1].strip("[]"), int(found[2])
                self._listening.set()
        self._listening.set()

    @property
    def host(self):
        return self._address[0]

    @property
    def port(self):
        return self._address[1]

    def client(self, **options):
        """A client that shows every failure: nothing is retried."""
        settings = {"api_key": "none", "max_retries": 0, "timeout": 60}
        return openai.OpenAI(base_url=f"http://{self.host}:{self.port}/v1", **(settings | options))

    def request(self, method, path, body=None, headers=None):
        """One plain HTTP exchange: status, headers, body. A body that is not bytes is sent as JSON."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=30)
        headers = dict(headers or {})
        if body is not None:
            headers.setdefault("Content-Type", "application/json")
            body = body if isinstance(body, bytes) else json.dumps(body).encode()
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            return response.status, response.headers, response.read()
        finally:
            connection.close()

    def post(self, path, body):
        """The answer to a JSON request that must succeed."""
        status, _, answer = self.request("POST", path, body)
        assert status == 200, answer
        return json.loads(answer)

    def metric_families(self):
        status, headers, body = self.request("GET", "/metrics")
        assert status == 200 and headers["Content-Type"].startswith("text/plain; version=0.0.4")
        return {family.name: family for family in text_string_to_metric_families(body.decode())}

    def metric(self, name, **labels):
        """The sum of the series of that name that carry these labels."""
        return sum(sample.value for family in self.metric_families().values() for sample in family.samples
                   if sample.name == name and labels.items() <= sample.labels.items())

    def tokenize(self, text, **fields):
        return self.post("/tokenize", {"prompt": text, **fields})["tokens"]

    def wait_until_idle(self, seconds=20):
        """Until no request runs or waits and none holds a page."""
        def is_idle():
            return not any(self.metric(name) for name in ("vllm:num_requests_running", "vllm:num_requests_waiting",
                                                          "hone_kv_pages_in_use", "vllm:kv_cache_usage_perc"))
        wait_until(is_idle, seconds, "an idle server")

    def signal(self, number=signal.SIGTERM):
        self.process.send_signal(number)

    def wait(self, seconds=60):
        """The exit code."""
        code = self.process.wait(seconds)
        self._reader.join(10)
        return code

    def stop(self):
        """Ends an idle server as its owner would."""
        if self.process.poll() is None:
            self.signal()
        code = self.wait()
        assert code == 0, f"exit code {code}:\n{self.output}"

    def kill(self):
        self.process.kill()
        self.wait()

    def __enter__(self):
        return self

    def __exit__(self, failure, *_):
        self.kill() if failure else self.stop()
