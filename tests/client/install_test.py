"""`make install`: what lies where, and that it works from there."""

import gzip
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from hone_server import BINARY, ENVIRONMENT, TESTS

BUILD = Path(BINARY).resolve().parent
SOURCES = TESTS.parent

pytestmark = pytest.mark.skipif(not (BUILD / "cmake_install.cmake").exists(),
                                reason="HONE_BINARY lies in no build folder to install from")


def install(destdir, prefix):
    """`make install` of the build at hand: -o takes the program as it is."""
    done = subprocess.run(["make", "-s", "-o", "program", "install", f"RELEASE={BUILD}", f"DESTDIR={destdir}",
                           f"PREFIX={prefix}"], cwd=SOURCES, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def files_below(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def local(tmp_path_factory):
    """An installation for one user, as PREFIX=~/.local is."""
    prefix = tmp_path_factory.mktemp("local")
    install("", prefix)
    return prefix


def run(program, *arguments):
    return subprocess.run([program, *arguments], capture_output=True, text=True, env=ENVIRONMENT)


def test_files_are_where_a_system_looks_for_them(local):
    verbs = ["", "-serve", "-chat", "-train", "-bench", "-bench-limits", "-help"]
    wanted = {"bin/hone", "lib/systemd/system/hone.service", "etc/default/hone", "share/bash-completion/completions/hone",
              "share/fish/vendor_completions.d/hone.fish", "share/zsh/site-functions/_hone", "share/doc/hone/README.md",
              "share/doc/hone/docs/training.md", "share/doc/hone/docs/images/page.png", "share/hone/sprout.hone",
              "share/hone/evals/help.jsonl"}
    wanted |= {f"share/man/man1/hone{verb}.1.gz" for verb in verbs}
    found = files_below(local)
    assert wanted <= found
    rest = {path for path in found - wanted if not path.startswith(("share/man/man1/hone-", "share/doc/hone/",
                                                                    "share/hone/evals/"))}
    assert not rest


def test_the_program_runs_from_there_and_has_its_own_manual(local):
    assert run(local / "bin/hone", "--version").stdout == run(BINARY, "--version").stdout
    told = run(local / "bin/hone", "serve", "--help").stdout
    page = gzip.decompress((local / "share/man/man1/hone-serve.1.gz").read_bytes()).decode()
    assert all(name in page.replace("\\-", "-") for name in re.findall(r"--[\w-]+", told))


def test_the_program_finds_the_built_in_model_beside_it(local):
    done = run(local / "bin/hone", "inspect", "sprout", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["path"] == str(local / "share/hone/sprout.hone")


def test_the_service_starts_the_program_of_its_prefix(local):
    service = (local / "lib/systemd/system/hone.service").read_text()
    assert f"\nExecStart={local}/bin/hone serve $HONE_FLAGS\n" in service
    assert f"\nEnvironmentFile=-{local}/etc/default/hone\n" in service and "@" not in service.replace("@system-service", "")


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="there is no systemd-analyze")
def test_the_service_is_one_for_systemd(local):
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", local / "lib/systemd/system/hone.service"],
                          capture_output=True, text=True)
    said = [line for line in done.stderr.splitlines() if "hone.service" in line]
    assert done.returncode == 0 and not said, done.stderr


def test_settings_that_were_changed_stay(local):
    settings = local / "etc/default/hone"
    settings.write_text("HONE_FLAGS=--no-page\n")
    install("", local)
    assert settings.read_text() == "HONE_FLAGS=--no-page\n"


def test_destdir_stands_in_front_and_is_mentioned_nowhere(tmp_path):
    install(tmp_path, "/usr")
    found = files_below(tmp_path)
    assert {"usr/bin/hone", "etc/default/hone", "usr/lib/systemd/system/hone.service",
            "usr/share/zsh/vendor-completions/_hone"} <= found
    service = (tmp_path / "usr/lib/systemd/system/hone.service").read_text()
    assert "ExecStart=/usr/bin/hone serve" in service and "EnvironmentFile=-/etc/default/hone" in service
    assert str(tmp_path) not in service
    assert os.access(tmp_path / "usr/bin/hone", os.X_OK)
