#!/usr/bin/env python3
"""What those who look on (/v1/hone/events) cost a server's streams: rounds of a load with and without them, by turns.

    bench/viewers.py [MODEL] [--hone BINARY] [--viewers 3] [--rounds 7] [--seconds 5] [--streams 8] [--tokens 256]
                     [--json]

Without a MODEL a small shape with random weights, whose steps take milliseconds: a bad case, since events come ten
times a second and tell of every step. Needs curl, whose processes look on, and nobody else on the machine. The load
is closed: as many streams as --streams, each answer of --tokens. Prints tokens a second of every round, and the
median of the ratios of two rounds in a row, with viewers to without.
"""
import argparse
import json
import pathlib
import re
import statistics
import subprocess

BINARY = pathlib.Path(__file__).resolve().parent.parent / "build/release/hone"


def start(options):
    model = [options.model] if options.model else ["--shape", "moe-100m", "--weights", "int4"]
    server = subprocess.Popen([options.hone, "serve", *model, "--port", "0", "--kv-memory", "256M"],
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    for line in server.stdout:
        if found := re.match(r"listening on (http://\S+)$", line):
            return server, found[1]
    raise SystemExit(f"{options.hone} serve {' '.join(model)} did not start")


def measure(url, viewers, options):
    looking = [subprocess.Popen(["curl", "-sN", "-o", "/dev/null", f"{url}/v1/hone/events"]) for _ in range(viewers)]
    try:
        done = subprocess.run([options.hone, "bench", "serve", "--url", url, "--rate", "inf", "--max-concurrency",
                               str(options.streams), "--seconds", str(options.seconds), "--prompt", "64", "--output",
                               str(options.tokens), "--warmup", "4", "--vocabulary", "200", "--json"],
                              stdout=subprocess.PIPE, check=True, text=True)
        if any(one.poll() is not None for one in looking):
            raise SystemExit("a viewer was turned away")
    finally:
        for one in looking:
            one.kill()
            one.wait()
    return json.loads(done.stdout)["summary"]["output_tokens_per_s"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", metavar="MODEL")
    parser.add_argument("--hone", default=str(BINARY))
    parser.add_argument("--viewers", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=5, help="of a round")
    parser.add_argument("--streams", type=int, default=8)
    parser.add_argument("--tokens", type=int, default=256)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    server, url = start(options)
    rates = {0: [], options.viewers: []}
    try:
        for _ in range(options.rounds):
            for viewers, measured in rates.items():
                measured.append(measure(url, viewers, options))
    finally:
        server.terminate()
        server.wait()
    ratio = statistics.median(watched / alone for alone, watched in zip(*rates.values()))
    if options.json:
        print(json.dumps({"viewers": options.viewers, "without": rates[0], "with": rates[options.viewers],
                          "ratio": ratio}))
        return
    for viewers, measured in rates.items():
        every = ", ".join(f"{rate:.1f}" for rate in measured)
        print(f"{viewers} viewers: {statistics.median(measured):9.1f} tokens/s of {every}")
    print(f"ratio {ratio:.4f}")


if __name__ == "__main__":
    main()
