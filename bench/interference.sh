#!/bin/sh
# bench/interference.sh [MODEL] [FLAGS]: what an 8192-token prompt does to four streams that are decoding, under each
# prefill policy: one run, one table; with --json, JSON. Without a MODEL (or --shape NAME) first, OLMoE's shape in INT4.
# FLAGS go to the program (`hone bench interference --help`); HONE is the program.
case "${1:-}" in
--shape* | [!-]*) ;;
*) set -- --shape olmoe-1b-7b --weights int4 "$@" ;;
esac
exec "${HONE:-$(dirname "$0")/../build/release/hone}" bench interference "$@"
