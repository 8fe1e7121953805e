"""The domains of sprout's corpus. `make_corpus` beside this folder is the program, README.md there says what comes
out."""
