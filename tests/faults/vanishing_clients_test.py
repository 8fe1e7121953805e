"""Clients that go away at any moment of their request."""

import random
import threading
import time

from aftermath import survives
from raw_request import completion, connect, reset


def vanish(server, seed):
    """Sends a request, perhaps not all of it, reads for a while, and is gone."""
    dice = random.Random(seed)
    request = completion(stream=dice.random() < 0.6, n=dice.choice([1, 1, 3]), prompt="x" * dice.choice([1, 50, 2000]))
    if dice.random() < 0.2:
        request = request[:dice.randrange(len(request))]
    connection = connect(server)
    connection.sendall(request)
    end = time.monotonic() + dice.choice([0, 0.001, 0.01, 0.1, 0.4])
    connection.settimeout(0.05)
    while time.monotonic() < end:
        try:
            if not connection.recv(1024):
                break
        except TimeoutError:
            pass
    (reset if dice.random() < 0.5 else lambda gone: gone.close())(connection)


def test_clients_killed_at_random_moments(server):
    with survives(server):
        submitted = server.metric("hone_requests_submitted_total")
        cancelled = server.metric("hone_requests_cancelled_total")
        for round_of_clients in range(4):
            clients = [threading.Thread(target=vanish, args=(server, 100 * round_of_clients + i)) for i in range(25)]
            for client in clients:
                client.start()
            for client in clients:
                client.join()
        # A third stays long enough to be surely heard; of the others some are gone before they are accepted.
        assert server.metric("hone_requests_submitted_total") > submitted + 20
    assert server.metric("hone_requests_cancelled_total") > cancelled + 10


def test_requests_cut_at_every_byte(server):
    request = completion(max_tokens=2)
    with survives(server):
        for end in range(len(request)):
            with connect(server) as connection:
                connection.sendall(request[:end])
