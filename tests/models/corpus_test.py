"""sprout's corpus: the same bytes everywhere, and suites whose names, numbers and templates are not in the training data.

What training sees is drawn here anew, some thousand records of each domain; the suites are the committed ones.
"""
import importlib.machinery
import importlib.util
import json
import os
import pathlib
import re
import subprocess
import sys

import pytest

SPROUT = pathlib.Path(__file__).resolve().parents[2] / "models" / "sprout"
RECORDS, TEXTS = 1500, 4000  # of each domain; plain texts

loader = importlib.machinery.SourceFileLoader("make_corpus", str(SPROUT / "make_corpus"))
make_corpus = importlib.util.module_from_spec(importlib.util.spec_from_loader("make_corpus", loader))
sys.dont_write_bytecode = True
loader.exec_module(make_corpus)

from corpus import arithmetic, extract, help, phrases, preferences, small_talk, slots, talk, text, tool_loops, unknown, words, world  # noqa: E402
from corpus.draw import HELD_OUT, TRAIN, Draw, Pool, is_held_out  # noqa: E402

# Texts with numbers that come out of something else: sums, lengths, documents.
COUNTED = {"sums", "spelling", "facts", "questions"}


def run(folder, *arguments, **environment):
    subprocess.run([sys.executable, SPROUT / "make_corpus", "--quiet", *arguments], check=True, env={
        **os.environ,
        **environment
    })
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.fixture(scope="module")
def samples():
    """Domain -> records that training may see."""
    out = {
        name: [domain.sample(Draw(TRAIN, "test", name, i)).record() for i in range(RECORDS)]
        for name, (domain, _) in make_corpus.DOMAINS.items()
    }
    for name in make_corpus.CONVERSATIONS:
        out[name] += conversations(name)
    return out


def conversations(name):
    return [make_corpus.CONVERSATIONS[name](Draw(TRAIN, "test", "several", name, i)).record() for i in range(RECORDS // 3)]


@pytest.fixture(scope="module")
def plain_texts():
    """Kind -> plain documents that training may see."""
    out = {kind: [] for kind in text.KINDS}
    for i in range(TEXTS):
        draw = Draw(TRAIN, "test", "text", i)
        kind = list(text.KINDS)[i % len(text.KINDS)]
        out[kind].append(getattr(text, kind)(draw))
    return out


def asked(record):
    """What a record's reply is to be made from: all turns but the assistant's, and the tools."""
    turns = [m["content"] for m in record["messages"] if m["role"] != "assistant"]
    return "\n".join(turns) + "\n" + json.dumps(record.get("tools", []), ensure_ascii=False)


@pytest.fixture(scope="module")
def trained_text(samples, plain_texts):
    """All of it, in small letters."""
    parts = [make_corpus.flat(record) for records in samples.values() for record in records]
    return "\n".join(parts + [t for texts in plain_texts.values() for t in texts]).lower()


def words_of(text):
    return {w.strip(".:-") for w in re.findall(r"[\w@.:-]+", text)}


def test_two_runs_give_the_same_bytes_whatever_the_hash_seed(tmp_path):
    one = run(tmp_path / "one", "--to", tmp_path / "one", "--scale", "0.003", PYTHONHASHSEED="0")
    two = run(tmp_path / "two", "--to", tmp_path / "two", "--scale", "0.003", PYTHONHASHSEED="12345", LC_ALL="C")
    assert one.keys() == {"text.jsonl", "chat.jsonl", "tokenizer.jsonl"}
    assert one == two
    other = run(tmp_path / "three", "--to", tmp_path / "three", "--scale", "0.003", "--seed", "2")
    assert one["chat.jsonl"] != other["chat.jsonl"]


def test_committed_suites_are_what_the_program_makes(tmp_path):
    made = run(tmp_path, "--evals", tmp_path)
    committed = {path.name: path.read_bytes() for path in sorted((SPROUT / "evals").iterdir())}
    assert made.keys() == committed.keys()
    for name in made:
        assert made[name] == committed[name], f"make_corpus --evals models/sprout/evals makes another {name}"


def test_the_first_draws_are_these():
    """The generator is SplitMix64 from a BLAKE2b hash of the names; another one would be another corpus."""
    draw = Draw(TRAIN, "a", 1)
    assert [draw.bits() for _ in range(3)] == FIRST_DRAWS


def test_parts_of_a_pool_have_nothing_in_common():
    assert len(Pool.every) > 100
    for pool in Pool.every:
        assert not set(pool.sides[0]) & set(pool.sides[1])


def test_each_file_of_phrases_is_of_a_pool_and_has_its_placeholders():
    pools = {f"{module.__name__.rsplit('.', 1)[-1]}.{name}": pool
             for module in make_corpus.PHRASED for name, pool in phrases.named_pools(module)}
    files = list(phrases.FOLDER.iterdir())
    assert len(files) > 70
    for path in files:
        lines = path.read_text(encoding="ascii").splitlines()
        assert len(set(lines)) == len(lines) and "" not in lines, path.name
        train, held_out = pools[path.name.removesuffix(".txt")].sides
        of_code = [item for item in (*train, *held_out) if item.replace("\n", "\\n") not in lines]
        known = {name for item in of_code for name in re.findall(r"\{\w*\}", item)}
        for line in lines:
            assert set(re.findall(r"\{\w*\}", line)) <= known, f"{path.name}: {line}"


def test_no_template_of_training_is_nearly_one_of_a_suite():
    assert "Please tell me {a} plus {b}." in (phrases.FOLDER / "arithmetic.ASK.plus.txt").read_text(encoding="ascii").splitlines()
    assert "Tell me {a} plus {b}." in arithmetic.ASK["+"].sides[HELD_OUT]
    assert "Please tell me {a} plus {b}." not in arithmetic.ASK["+"].sides[TRAIN]
    for pool in Pool.every:
        for held_out in (set(t.lower().split()) for t in pool.sides[HELD_OUT] if isinstance(t, str) and t.count(" ") > 2):
            for template in (t for t in pool.sides[TRAIN] if isinstance(t, str)):
                assert set(template.lower().split()) != held_out, template


def keys_of(value):
    """Of all objects in a JSON value."""
    if isinstance(value, dict):
        return set(value).union(*map(keys_of, value.values()))
    return set().union(*map(keys_of, value)) if isinstance(value, list) else set()


def names_of_tools(record):
    """The names of a record's tools and of their parameters."""
    functions = [tool["function"] for tool in record.get("tools", [])]
    return {f["name"] for f in functions}.union(*(keys_of(f["parameters"]["properties"]) for f in functions))


def test_no_tool_parameter_or_key_of_a_suite_is_in_training(samples):
    of_schemas = keys_of([{"type": "", "description": "", "enum": [], "items": {}, "properties": {}, "required": []}])
    trained = set()
    for name in ("tools", "tool_loops", "no_tool", "extract"):
        for record in samples[name]:
            trained |= names_of_tools(record)
            if name == "extract":
                trained |= {key for m in record["messages"] if m["role"] == "assistant" for key in keys_of(json.loads(m["content"]))}
    checked = 0
    for name in make_corpus.SUITES:
        for case, _ in make_corpus.suite(name):
            names = names_of_tools(case) | keys_of(case["check"].get("json", {}))
            checked += len(names)
            assert not (names - of_schemas) & trained, case["id"]
    assert checked > 2000


def test_no_name_or_code_of_a_suite_is_in_training(trained_text):
    known = words_of(trained_text)
    for name in make_corpus.SUITES:
        for case, values in make_corpus.suite(name):
            for value in (v.lower() for v in values if not v.isdigit()):
                assert value not in known, f"{case['id']}: {value}"
                assert not re.search(r"\s", value) or value not in trained_text, f"{case['id']}: {value}"


def test_no_number_of_a_suite_is_in_training(samples, plain_texts):
    told = [asked(r) for name, records in samples.items() for r in records if name not in ("arithmetic", "help", "talk")]
    told += [t for kind, texts in plain_texts.items() if kind not in COUNTED for t in texts]
    # Questions about Hone have numbers of Hone's own in other domains too.
    about_hone = "\n".join(p for fact in help.FACTS for phrases in fact.phrases.values() for p in phrases)
    known = set(re.findall(r"(?<![\w.-])\d+(?![\w-]|\.\d|:\d)", "\n".join(told))) - words_of(about_hone)
    for name in make_corpus.SUITES:
        for case, values in make_corpus.suite(name):
            for value in values:
                if value.isdigit():
                    assert is_held_out(int(value))
                    assert value not in known, f"{case['id']}: {value}"


def as_expression(template):
    """What a template may have become; nothing where too little of it is its own to be told from others."""
    own = re.sub(r"\{\{?\w*\}?\}", "", template)
    if len(re.sub(r"\W", "", own)) < 8:
        return None
    return r"[^\n]{1,80}?".join(re.escape(part) for part in re.split(r"\{\w+\}", template))


def test_no_template_of_a_suite_is_in_training(samples):
    """Held-out phrasings are not said by training in any turn."""
    told = "\n".join(asked(record) for records in samples.values() for record in records)
    templates = {t for pool in Pool.every for t in pool.sides[HELD_OUT] if isinstance(t, str) and " " in t.strip("{}")}
    checked = 0
    for template in sorted(templates):
        expression = as_expression(template)
        if not expression:
            continue
        checked += 1
        # As a whole sentence: parts of one may be said elsewhere.
        found = re.search(r"(?m)(?:^|(?<=[.?!:] ))" + expression + r"$", told)
        assert not found, f"{template!r} is in training: {found.group()[:200]!r}"
    assert checked > 150


def test_no_question_of_a_suite_is_in_training(samples):
    told = {
        m["content"].lower().strip(" ?.!")
        for records in samples.values()
        for r in records
        for m in r["messages"] if m["role"] == "user"
    }
    for path in sorted((SPROUT / "evals").iterdir()):
        for line in path.read_text(encoding="utf-8").splitlines():
            case = json.loads(line)
            last = [m["content"] for m in case["messages"] if m["role"] == "user"][-1]
            assert last.lower().strip(" ?.!") not in told, f"{path.name}: {case['id']}: {last}"


def test_held_out_questions_about_hone_are_no_questions_of_training():
    """Less than six words in ten of both together are in both."""

    def words(phrase):
        return frozenset(re.findall(r"[\w/.-]+", phrase.lower().rstrip("?.")))

    for fact in help.FACTS:
        trained = {words(question): question for question in fact.questions(TRAIN)}
        for held_out in fact.held_out:
            own = words(held_out)
            for other, question in trained.items():
                assert len(own & other) < 0.6 * len(own | other), f"{fact.name}: {held_out}: {question}"


def test_no_question_about_hone_has_its_answer_in_it():
    for fact in help.FACTS:
        for question in [*fact.held_out, *fact.questions(HELD_OUT)]:
            assert not all(part in question for part in fact.needs), f"{fact.name}: {question}: {fact.needs}"


def test_held_out_things_in_the_world_are_not_asked_for_in_training(samples):
    told = "\n".join(asked(record) for record in samples["unknown"])
    pools = [world.FAMOUS, world.COUNTRIES, world.SOFTWARE, world.ILLNESSES, world.EVENTS]
    for thing in (t for pool in pools for t in pool.sides[HELD_OUT]):
        assert not re.search(rf"\b{re.escape(thing)}\b", told), thing


def test_operands_are_of_one_side(samples, plain_texts):
    told = "\n".join([asked(r) for r in samples["arithmetic"]] + plain_texts["sums"])
    pairs = re.findall(r"^(\d+) [-+*] (\d+)$", told, re.M)
    assert len(pairs) > 500
    for a, b in pairs:
        assert not arithmetic.pair_held_out(int(a), int(b)), (a, b)
    for i in range(300):
        draw = Draw(HELD_OUT, "test", i)
        a, b = arithmetic.operands(draw, draw.one("+-*"))
        assert arithmetic.pair_held_out(a, b) and arithmetic.pair_held_out(b, a)


def test_reasoning_of_sums_ends_in_the_result():
    for i in range(3000):
        draw = Draw(TRAIN, "test", "work", i)
        operation = draw.one("+-*")
        a, b = arithmetic.operands(draw, operation)
        lines, value = arithmetic.work(operation, a, b)
        assert value == {"+": a + b, "-": a - b, "*": a * b}[operation]
        assert lines[-1].endswith(f": {value}"), lines


def test_an_answer_about_hone_passes_for_no_other():
    for fact in help.FACTS:
        for other in help.FACTS:
            assert other is fact or not all(n in other.answer
                                            for n in fact.needs), f"{other.name} passes for {fact.name}: {fact.needs}"
        assert not all(n in unknown.ANSWER for n in fact.needs)


def test_every_check_takes_the_answer_that_it_was_made_from():
    for name, (domain, _) in make_corpus.DOMAINS.items():
        for i in range(300):
            sample = domain.sample(Draw(HELD_OUT, "test", name, i))
            last, check = sample.messages[-1], sample.check
            calls = [c["function"] for m in sample.messages[sample.asked:] for c in m.get("tool_calls", [])]
            assert check, name
            if "exact" in check:
                assert last["content"] == check["exact"]
            if "contains" in check:
                assert all(part in last["content"] for part in check["contains"]), (last, check)
            if "regex" in check:
                assert all(re.search(expression, last["content"]) for expression in check["regex"]), (last, check)
            if "json" in check:
                assert json.loads(last["content"]) == check["json"]
            if "number" in check:
                assert re.findall(r"-?\d+", last["content"]) == [str(check["number"])]
            if "tool_call" in check:
                assert calls == ([check["tool_call"]] if check["tool_call"] else [])
            if "calls" in check:
                assert calls == [{"name": c["name"], "arguments": c["arguments"]} for c in check["calls"]]


def leaves(value):
    """What stands in a JSON value, as a text tells it."""
    if isinstance(value, dict):
        return [leaf for part in value.values() for leaf in leaves(part)]
    if isinstance(value, list):
        return [leaf for part in value for leaf in leaves(part)]
    return [] if value is None or isinstance(value, bool) else [str(value)]


@pytest.mark.parametrize("name", ["tools", "no_tool"])
def test_each_call_of_several_is_what_its_request_asks_for(name):
    calls = 0
    for record in conversations(name):
        schemas = {tool["function"]["name"]: tool["function"]["parameters"] for tool in record["tools"]}
        for before, message in zip(record["messages"], record["messages"][1:]):
            for call in message.get("tool_calls", []):
                calls += 1
                arguments, schema = call["function"]["arguments"], schemas[call["function"]["name"]]
                assert set(schema["required"]) <= set(arguments) <= set(schema["properties"])
                assert before["role"] == "user"
                for leaf in leaves(arguments):
                    assert leaf in before["content"], (leaf, before["content"])
    assert calls > 400


def test_each_of_several_notes_has_the_values_of_its_json():
    notes = 0
    for record in conversations("extract"):
        keys = [list(json.loads(m["content"])) for m in record["messages"] if m["role"] == "assistant"]
        assert all(k == keys[0] for k in keys)
        for i, message in enumerate(record["messages"]):
            if message["role"] == "assistant":
                notes += 1
                for leaf in leaves(json.loads(message["content"])):
                    assert leaf in record["messages"][i - 1]["content"], (leaf, record["messages"][i - 1])
    assert notes > 2 * RECORDS // 3


def test_requests_of_different_kinds_follow_each_other():
    changes = rows = 0
    for i in range(RECORDS):
        sample = talk.sample(Draw(TRAIN, "test", "talk", i))
        replies = [m for m in sample.messages if m["role"] == "assistant"]
        assert 2 <= len(replies) <= 5
        kinds = [next(kind for kind, is_one in KINDS_OF_REPLIES.items() if is_one(m["content"])) for m in replies]
        changes += sum(a != b for a, b in zip(kinds, kinds[1:]))
        rows += sum(a == b == "facts" for a, b in zip(kinds, kinds[1:]))
        # An answer without the steps that led to it is not learnt.
        assert all("reasoning_content" in m or m.get("train") is False for m, kind in zip(replies, kinds) if kind == "sum")
    assert changes > 3 * RECORDS // 2
    assert rows > RECORDS // 20


KINDS_OF_REPLIES = {
    "unknown": lambda text: text == unknown.ANSWER,
    "facts": {fact.answer for fact in help.FACTS}.__contains__,
    "sum": lambda text: text.startswith("The answer is "),
    "other": lambda text: True,
}


def test_a_field_that_a_note_does_not_tell_could_not_be_read_from_it():
    checked = 0
    for i in range(6000):
        sample = extract.sample(Draw(TRAIN, "test", "absent", i))
        if sample.messages[0]["role"] != "system":
            continue
        ask, note = sample.messages[0]["content"], sample.messages[1]["content"]
        for key, value in sample.check["json"].items():
            options = re.search(rf"- {key}: .*\(one of (.*)\)", ask)
            if value is not None or not options:
                continue
            checked += 1
            for option in options.group(1).split(", "):
                assert not re.search(rf"\b{option}\b", note), (key, option, note)
    assert checked > 20
    person = slots.Slot("name", {"type": "string"}, "Mara", "for Mara", "name", "person")
    assert slots.could_be_read(person, 'saying "Ben is ready"', quoted=True)
    assert not slots.could_be_read(person, "at 10:30", quoted=False)


def test_no_label_means_what_a_typed_key_means():
    typed = {key for keys, _, _ in slots.TYPED.values() for side in keys.sides for key in side}
    labels = {label for side in words.LABELS.sides for label in side}
    assert not typed & labels


def test_questions_that_no_tool_is_for_ask_for_knowledge_only():
    """Who asks for a thing or a person, with tools at hand, might as well mean that one of them looks it up."""
    known = " ".join(s for pool in (world.SCIENCE, world.EVENTS, world.FAMOUS) for side in pool.sides for s in side)
    things = {t for side in words.THINGS.sides for t in side} - words_of(known)
    for side in (TRAIN, HELD_OUT):
        asked_for = {unknown.knowledge_question(Draw(side, "test", "knowledge", i)) for i in range(600)}
        assert len(asked_for) > 100
        for question in asked_for:
            assert not things & set(re.findall(r"\w+", question)), question


def test_a_loops_answer_has_each_value_beside_its_own_name():
    checks = tool_loops.each_with_its_own(["Ana", "Ben", "AB-12"], ["45", "tuko", "7"])

    def passes(answer):
        return all(re.search(expression, answer) for expression in checks)

    assert passes("Ana: 45, Ben: tuko, AB-12: 7.")
    assert passes("Ana has 45.\nBen has tuko and AB-12 has 7.")
    assert not passes("Ana: tuko, Ben: 45, AB-12: 7.")
    assert not passes("Ana: 451, Ben: tuko, AB-12: 7.")
    assert not passes("Ana: 45, Ben: tuko, AB-12: 17.")


def test_few_words_and_politeness_are_not_wished_for_together():
    for i in range(4000):
        for side in (TRAIN, HELD_OUT):
            told = " ".join(m["content"] for m in preferences.sample(Draw(side, "test", "short", i)).messages
                            if m["role"] != "assistant")
            if any(wish in told for wish in preferences.SHORT.sides[side]):
                for pool in (preferences.FORMAL, preferences.CASUAL):
                    assert not any(wish in told for wish in pool.sides[side]), told


def test_a_stands_before_consonants_and_plurals_are_english(samples, plain_texts):
    told = [asked(r) for name in ("unknown", "no_tool", "tools", "extract") for r in samples[name]]
    for line in told + plain_texts["sentences"]:
        assert not re.search(rf"\b[Aa] {words.VOWEL}\w", line), line
    assert [words.plural(w) for w in "fox box knife battery key torch mouse".split()] == [
        "foxes", "boxes", "knives", "batteries", "keys", "torches", "mice"
    ]


def test_sprout_tells_its_own_size():
    config = json.loads((SPROUT / "config.json").read_text(encoding="utf-8"))
    width, layers = config["hidden_size"], config["num_hidden_layers"]
    attention = width * config["head_dim"] * 2 * (config["num_attention_heads"] + config["num_key_value_heads"])
    expert = 3 * width * config["moe_intermediate_size"]

    def millions(experts):
        router = width * config["num_experts"]
        return round((config["vocab_size"] * width + layers * (attention + router + experts * expert)) / 1e6)

    names = {4: "four", 8: "eight"}
    assert f"about {names[millions(config['num_experts'])]} million parameters" in small_talk.SIZE
    assert f"about {names[millions(config['num_experts_per_tok'])]} million work on each token" in small_talk.SIZE


FIRST_DRAWS = [10393318169581699092, 12280537481427051747, 344995198215614114]
