"""Requests as bytes, for clients that misbehave."""

import json
import socket
import struct

HEALTH = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"


def completion(**fields):
    body = json.dumps({"prompt": "On and on", "max_tokens": 3000, "ignore_eos": True} | fields).encode()
    return (b"POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\n\r\n" % len(body)) + body


def connect(server, seconds=30, receive_buffer=None):
    connection = socket.socket()
    if receive_buffer:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    connection.settimeout(seconds)
    connection.connect((server.host, server.port))
    return connection


def reset(connection):
    """Closes with RST instead of FIN."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def read_to_the_end(connection):
    received = b""
    try:
        while piece := connection.recv(65536):
            received += piece
    except ConnectionResetError:
        pass
    return received


def exchange(server, data, seconds=30):
    """What comes back for these bytes until the server closes. It may close before it has read them all."""
    with connect(server, seconds) as connection:
        try:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
        except (BrokenPipeError, ConnectionResetError, OSError):
            pass
        return read_to_the_end(connection)
