"""Asks /health again and again over one connection and prints the seconds each answer took, as a JSON list.

A process of its own: what it measures must not wait for the interpreter of those that put the server under load.
"""

import json
import socket
import sys
import time

from raw_request import HEALTH


def main():
    host, port, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    seconds = []
    with socket.create_connection((host, port), timeout=30) as connection:
        for _ in range(count):
            began = time.monotonic()
            connection.sendall(HEALTH)
            assert connection.recv(4096).startswith(b"HTTP/1.1 200")
            seconds.append(time.monotonic() - began)
            time.sleep(0.02)
    print(json.dumps(seconds))


if __name__ == "__main__":
    main()
