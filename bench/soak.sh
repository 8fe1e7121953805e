#!/bin/sh
# 64 streams of a small model that join and leave at random for ten minutes; fails if the server's memory grows or if
# something stays behind. Further flags go to the program (`hone bench soak --help`); HONE is the program.
exec "${HONE:-$(dirname "$0")/../build/release/hone}" bench soak --shape tiny-moe "$@"
