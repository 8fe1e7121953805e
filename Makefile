# Thin: the presets of CMakePresets.json do the work. `make serve` and `make test` set everything up on a fresh Debian 12.

MODEL ?=
PORT ?= 8080
SERVE_FLAGS ?=
PREFIX ?= /usr/local
DESTDIR ?=
RELEASE = build/release
SPROUT = models/sprout/sprout.hone

.PHONY: help packages build program serve install deb sprout test test-reference asan tsan format clean

help:
	@echo 'make serve [MODEL=DIR] [PORT=8080]   install what is missing, build, serve'
	@echo 'make install [PREFIX=/usr/local]     build, install (as root); DESTDIR=DIR puts everything below DIR'
	@echo 'make deb                             build a Debian package: build/deb/hone_VERSION_ARCHITECTURE.deb'
	@echo 'make sprout                          make the embedded model anew: corpus, training (two hours; goes on when interrupted), pack'
	@echo 'make test                            install what is missing, build, run all tests'
	@echo 'make test-reference                  compare exported models with transformers and peft (downloads torch)'
	@echo 'make build                           build/release/hone'
	@echo 'make asan | tsan                     the fast tests under sanitizers'
	@echo 'make format                          clang-format the sources'

packages:
	@tools/install_packages

build: packages
	@cmake --preset release
	@cmake --build --preset release

program: packages
	@cmake --preset release
	@cmake --build --preset release --target hone

# Without MODEL the program takes sprout.
serve: program
	@$(RELEASE)/hone serve $(MODEL) --port $(PORT) $(SERVE_FLAGS)

install: program
	@DESTDIR='$(DESTDIR)' cmake --install $(RELEASE) --prefix '$(PREFIX)'

deb: program
	@tools/install_packages dpkg-dev
	@cpack --config $(RELEASE)/CPackConfig.cmake -G DEB -B build/deb

SPROUT_CORPUS = build/sprout/corpus/chat.jsonl

$(SPROUT_CORPUS): models/sprout/make_corpus $(wildcard models/sprout/corpus/*.* models/sprout/corpus/*/*)
	@models/sprout/make_corpus --to $(dir $@)

sprout: build $(SPROUT_CORPUS)
	@$(RELEASE)/hone train models/sprout/recipe.toml
	@$(RELEASE)/hone pack build/sprout/qat/final $(SPROUT) --weights int4
	@models/sprout/record $(RELEASE)/hone

test: build
	@tools/install_packages $$(grep -v '^#' tools/debian_test_packages.txt)
	@tools/make_venv
	@ctest --preset release

test-reference: build
	@cmake --build --preset release --target trained_models
	@tools/make_venv .venv-reference tests/reference/requirements.txt
	@.venv-reference/bin/python -m pytest -q tests/reference

asan tsan: packages
	@cmake --preset $@
	@cmake --build --preset $@
	@ctest --preset $@

format:
	@tools/check_format --fix

clean:
	rm -rf build
