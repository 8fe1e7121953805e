"""hone help: manual pages and shell completions know every verb and flag that --help does, and no other."""

import os
import re
import shutil
import subprocess

import pytest
from hone_server import run_hone

SHELLS = ["bash", "zsh", "fish"]


def section(text, title):
    """The lines of one section of a --help."""
    found = re.search(rf"^{title}:\n((?:  .*\n)+)", text, re.M)
    return found[1].splitlines() if found else []


def first_words(lines):
    return [match[1] for match in (re.match(r"  (\S+)", line) for line in lines) if match and match[1].strip()]


def read_help(words=()):
    """Path of a verb -> its flags, and those of the verbs below it, as --help tells them."""
    done = run_hone(*words, "--help")
    assert done.returncode == 0
    names = [name for entry in first_words(section(done.stdout, "Options")) for name in entry.split(",")]
    flags = {re.sub(r"\{.*", "", name) for name in names if name.startswith("-")}
    verbs = {" ".join(["hone", *words]): flags}
    for name in first_words(section(done.stdout, "Subcommands")):
        verbs |= read_help([*words, name])
    return verbs


@pytest.fixture(scope="module")
def verbs():
    found = read_help()
    assert {"hone", "hone serve", "hone bench limits", "hone help"} <= found.keys()
    assert "--port" in found["hone serve"] and {"-h", "--help", "--version"} == found["hone"]
    return found


def verbs_below(verbs, path):
    return {other[len(path) + 1:] for other in verbs if re.fullmatch(re.escape(path) + r" [^ ]+", other)}


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("manual") / "man1"
    assert run_hone("help", "--man", folder).returncode == 0
    return folder


def test_help_of_a_verb_is_that_of_the_verb_itself(verbs):
    for path in verbs:
        words = path.split()[1:]
        told, own = run_hone("help", *words).stdout, run_hone(*words, "--help").stdout
        assert re.sub(r"Usage: \S+", "Usage: hone", own) == told


def test_a_verb_that_is_not_there_is_named():
    done = run_hone("help", "bench", "dance")
    assert done.returncode == 1 and "hone bench has no verb dance" in done.stderr


def test_every_verb_has_a_page(verbs, pages):
    assert {path.name for path in pages.iterdir()} == {path.replace(" ", "-") + ".1" for path in verbs}


def test_a_page_has_all_that_help_tells(verbs, pages):
    for path, flags in verbs.items():
        page = (pages / (path.replace(" ", "-") + ".1")).read_text()
        heads = re.findall(r"^\.TP\n(.*)$", page, re.M)
        bold = {name.replace("\\-", "-") for head in heads for name in re.findall(r"\\fB(.*?)\\fR", head)}
        assert bold == flags | verbs_below(verbs, path)


@pytest.mark.skipif(not shutil.which("man") or not shutil.which("groff"), reason="there is no man")
def test_a_page_is_shown_without_a_warning(verbs, pages):
    env = os.environ | {"MANWIDTH": "100", "LC_ALL": "C.UTF-8", "MAN_KEEP_FORMATTING": ""}
    for path, flags in verbs.items():
        page = pages / (path.replace(" ", "-") + ".1")
        done = subprocess.run(["man", "--warnings", "-l", page], capture_output=True, text=True, env=env)
        assert done.returncode == 0 and not done.stderr, done.stderr
        assert all(re.search(rf"{name}\b", done.stdout) for name in flags)


@pytest.fixture(scope="module")
def scripts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("completions")
    for shell in SHELLS:
        done = run_hone("help", "--completion", shell)
        assert done.returncode == 0
        (folder / shell).write_text(done.stdout)
    return folder


@pytest.mark.parametrize("shell", SHELLS)
def test_a_completion_is_a_script_of_its_shell(scripts, shell):
    if not shutil.which(shell):
        pytest.skip(f"there is no {shell}")
    done = subprocess.run([shell, "-n", scripts / shell], capture_output=True, text=True)
    assert done.returncode == 0 and not done.stderr, done.stderr


def bash_completions(scripts, folder, *lines):
    """What bash offers at the end of each line. A line is its words, the last one unfinished."""
    program = f"source {scripts}/bash\n"
    for words in lines:
        quoted = " ".join(f"'{word}'" for word in words)
        program += f"COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; _hone\n"
        program += "echo \"${COMPREPLY[*]}\"\n"
    done = subprocess.run(["bash", "--norc", "-c", program], capture_output=True, text=True, cwd=folder)
    assert done.returncode == 0 and not done.stderr, done.stderr
    return [line.split() for line in done.stdout.splitlines()]


def test_bash_completes_every_verb_and_flag(scripts, verbs, tmp_path):
    paths = list(verbs)
    offered = bash_completions(scripts, tmp_path, *([*path.split(), "-"] for path in paths))
    for path, flags in zip(paths, offered):
        assert len(flags) == len(set(flags)) and set(flags) == verbs[path]
    offered = bash_completions(scripts, tmp_path, *([*path.split(), ""] for path in paths))
    for path, words in zip(paths, offered):
        assert verbs_below(verbs, path) <= set(words)
    assert set(offered[0]) == verbs_below(verbs, "hone")


def test_bash_completes_what_a_flag_takes(scripts, tmp_path):
    for name in ("model.hone", "serve"):
        (tmp_path / name).touch()
    cases = {("hone", "serve", "--prefill", ""): ["auto", "chunked", "layered"],
             ("hone", "serve", "model.hone", "--prefill", "=", "la"): ["layered"],
             ("hone", "serve", "model.hone", "--prefill", "="): ["auto", "chunked", "layered"],
             ("hone", "serve", "--port", ""): [],  # a number
             ("hone", "serve", "--kv-spill", ""): [],  # the shell completes paths
             ("hone", "serve", "mo"): ["model.hone"], ("hone", "serve", "spr"): ["sprout"],
             ("hone", "bench", "serve", "--prefi"): ["--prefixes", "--prefix-tokens"],
             ("hone", "help", "comp"): [], ("hone", "help", "cha"): ["chat"], ("hone", "se"): ["serve"],
             ("hone", "help", "--completion", ""): SHELLS}
    assert dict(zip(cases, bash_completions(scripts, tmp_path, *cases))) == cases


def test_zsh_is_told_every_verb_and_flag(scripts, verbs):
    script = (scripts / "zsh").read_text()
    parts = re.findall(r"^ +\('(hone[^']*)'\)\n(.*?);;$", script, re.M | re.S)
    assert [path for path, _ in parts] == list(verbs)
    for path, part in parts:
        assert set(re.findall(r"^ +'\*?(-[\w-]+)", part, re.M)) == verbs[path]
        known = re.search(r"known=\((.*)\)$", part, re.M)[1]
        assert verbs_below(verbs, path) <= set(re.findall(r"'([\w-]+)", known))


def test_fish_is_told_every_verb_and_flag(scripts, verbs):
    script = (scripts / "fish").read_text()
    told = {path: set() for path in verbs}
    for path, rest in re.findall(r"^complete -c hone -n '__hone_verb (hone[^']*)'(.*)$", script, re.M):
        options = rest.split(" -d ")[0]
        told[path] |= {f"--{name}" for name in re.findall(r" -l ([\w-]+)", options)}
        told[path] |= {f"-{name}" for name in re.findall(r" -s (\w)", options)}
        assert not (set(re.findall(r"^ -f -a ([\w-]+)$", options)) - verbs_below(verbs, path))
    assert told == verbs


@pytest.mark.skipif(not shutil.which("fish"), reason="there is no fish")
def test_fish_completes(scripts, verbs, tmp_path):
    def offered(line):
        done = subprocess.run(["fish", "--no-config", "-c", f"source {scripts}/fish; complete -C '{line}'"],
                              capture_output=True, text=True, cwd=tmp_path)
        assert not done.stderr, done.stderr
        return {line.split("\t")[0] for line in done.stdout.splitlines()}
    for path, flags in verbs.items():
        assert offered(f"{path} --") == {flag for flag in flags if flag.startswith("--")}
        assert verbs_below(verbs, path) <= offered(f"{path} ")
    assert offered("hone serve --prefill ") == {"auto", "chunked", "layered"}
