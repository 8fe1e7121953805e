#!/bin/sh
# What an 8192-token prompt does to four streams that are decoding, under each prefill policy: one run, one table; with
# --json, JSON. Further flags go to the program (`hone bench interference --help`); HONE is the program.
exec "${HONE:-$(dirname "$0")/../build/release/hone}" bench interference --shape olmoe-1b-7b --weights int4 "$@"
