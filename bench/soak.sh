#!/bin/sh
# bench/soak.sh [MODEL] [FLAGS]: 64 streams that join and leave at random for ten minutes; fails if the server's memory
# grows or if something stays behind. Without a MODEL (or --shape NAME) first, a small one with random weights. FLAGS go
# to the program (`hone bench soak --help`); HONE is the program.
case "${1:-}" in
--shape* | [!-]*) ;;
*) set -- --shape tiny-moe "$@" ;;
esac
exec "${HONE:-$(dirname "$0")/../build/release/hone}" bench soak "$@"
