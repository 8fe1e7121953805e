"""A program on a pseudo-terminal, as a person sees it."""

import fcntl
import os
import pty
import signal
import subprocess
import tempfile
import termios
import time
from select import select

import pytest

from hone_server import BINARY, ENVIRONMENT


class Terminal:
    """`output` is all that was written so far, with the echo of what was typed."""

    def __init__(self, *arguments, state=None, through=()):
        """`state`: folder of what is kept between runs, the history; otherwise one that goes with the terminal. `through`: a
        command that gets the program and its arguments."""
        self.output = ""
        self._own_state = None if state else tempfile.TemporaryDirectory()
        environment = ENVIRONMENT | {"TERM": "xterm", "XDG_STATE_HOME": str(state or self._own_state.name)}
        try:
            ours, theirs = pty.openpty()
        except OSError as missing:
            pytest.skip(f"this system has no pseudo-terminals: {missing}")
        self._file = ours
        self.process = subprocess.Popen([*through, BINARY, *map(str, arguments)], stdin=theirs, stdout=theirs, stderr=theirs,
                                        env=environment, start_new_session=True,
                                        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        os.close(theirs)

    def _read(self, seconds):
        if not select([self._file], [], [], seconds)[0]:
            return True
        try:
            data = os.read(self._file, 65536)
        except OSError:  # the other side is closed
            return False
        self.output += data.decode(errors="replace")
        return bool(data)

    def expect(self, text, seconds=30):
        """Waits for `text` after all that was expected before; what was written up to it."""
        end = time.monotonic() + seconds
        while text not in self.output:
            assert self._read(0.1) and time.monotonic() < end, f"no {text!r} in:\n{self.output}"
        before, self.output = self.output.split(text, 1)
        return before

    def expect_some(self, count, seconds=30):
        """Waits for that many more characters."""
        end = time.monotonic() + seconds
        while len(self.output) < count:
            assert self._read(0.1) and time.monotonic() < end, f"only:\n{self.output}"

    def type(self, line):
        self.press(line + "\n")

    def press(self, keys):
        os.write(self._file, keys.encode())

    def interrupt(self):
        self.process.send_signal(signal.SIGINT)

    def edits(self):
        """Whether the program has the terminal for itself: keys come one by one and are not echoed."""
        return not termios.tcgetattr(self._file)[3] & (termios.ICANON | termios.ECHO)

    def end_input(self):
        os.write(self._file, b"\x04")

    def wait(self, seconds=30):
        end = time.monotonic() + seconds
        while self._read(0.05) and self.process.poll() is None:
            assert time.monotonic() < end, f"still runs:\n{self.output}"
        return self.process.wait(5)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._file)
        if self._own_state:
            self._own_state.cleanup()
