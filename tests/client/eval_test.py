"""`hone eval`: answers of a model that says what is given, checked; scores, files and exit codes; perplexity."""

import json

import pytest
from conftest import MODEL
from hone_server import run_hone
from speaking_model import make_speaking_model

FLAGS = ["--threads", 1, "--kv-memory", "8M"]
# The reasoning and the calls of Qwen3; ends with the line break after which the speaking model begins.
TEMPLATE = """{%- for tool in tools or [] %}{{ '<tool_call>' + tool.function.name }}{% endfor -%}
{%- for m in messages %}{{ '<|im_start|>' + m.role + '\n' }}
{%- if m.reasoning_content %}{{ '<think>' + m.reasoning_content + '</think>' }}{% endif -%}
{{- m.content or '' }}
{%- for call in m.tool_calls or [] %}{{ call.function.name + (call.function.arguments | tojson) }}{% endfor -%}
{{- '<|im_end|>' }}{% endfor -%}
{%- if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif -%}"""
TOOLS = [{"type": "function", "function": {"name": name, "parameters": {
    "type": "object", "properties": {"city": {"type": "string"}}}}} for name in ("weather", "ping")]


def write_suite(path, *cases):
    path.write_text("".join(json.dumps(case) + "\n" for case in cases))
    return path


def case(name, check, content="Well?", **fields):
    return {"id": name, "messages": [{"role": "user", "content": content}], "stop": ["END"], "check": check, **fields}


def evaluate(model, *suites, flags=(), status=0):
    """The scores as --json has them, and each case as --output has it, by its id."""
    output = suites[0].parent / "outcomes.jsonl"
    done = run_hone("eval", model, *suites, *FLAGS, "--json", "--output", output, *flags)
    assert done.returncode == status, done.stderr
    lines = [json.loads(line) for line in output.read_text().splitlines()]
    return json.loads(done.stdout)["suites"], {line["id"]: line for line in lines}


@pytest.fixture(scope="module")
def speaker(tmp_path_factory):
    """Makes models that say the pieces."""
    def make(*pieces):
        folder = tmp_path_factory.mktemp("speaker")
        make_speaking_model(folder, [*pieces, "END"], TEMPLATE)
        return folder
    return make


@pytest.fixture(scope="module")
def counting(speaker):
    return speaker("<think>\nIs it 7?\n</think>\n\n", "The sum is", " 1,234.50")


def test_texts_are_checked_without_the_reasoning(counting, tmp_path):
    suite = write_suite(
        tmp_path / "sums.jsonl",
        case("exact", {"exact": "The sum is 1,234.50"}), case("not exact", {"exact": "1,234.50"}),
        case("contains", {"contains": ["sum", "1,2"]}), case("reasoning", {"contains": "it 7"}),
        case("regex", {"regex": "is \\d"}), case("number", {"number": 1234.5}), case("not number", {"number": 7}),
        case("json", {"json": {"sum": 1234.5}}), case("call", {"tool_call": None}, tools=TOOLS))
    (scores,), outcomes = evaluate(counting, suite)
    right = ["exact", "contains", "regex", "number", "call"]
    assert [name for name, outcome in outcomes.items() if outcome["right"]] == right
    assert (scores["name"], scores["right"], scores["total"]) == ("sums", 5, 9)
    assert scores["score"] == pytest.approx(5 / 9) and scores["interval"][0] < 5 / 9 < scores["interval"][1]
    assert scores["tokens"] == 9 * 4
    outcome = outcomes["not number"]
    assert outcome["answer"] == "The sum is 1,234.50" and outcome["thinking"] == "Is it 7?"
    assert outcome["reason"] == "the last number is 1234.5, expected 7"
    assert "not valid JSON" in outcomes["json"]["reason"] and not outcomes["exact"]["reason"]


def test_a_prompt_goes_on_without_a_template(counting, tmp_path):
    suite = write_suite(tmp_path / "raw.jsonl", {"id": "a", "prompt": "Say it:\n", "stop": ["END"],
                                                 "check": {"regex": "^<think>"}})
    (scores,), _ = evaluate(counting, suite)
    assert scores["score"] == 1


def test_an_answer_that_is_cut_off_says_so(counting, tmp_path):
    suite = write_suite(tmp_path / "cut.jsonl", case("cut", {"number": 1234.5}, max_tokens=2))
    (scores,), outcomes = evaluate(counting, suite)
    assert scores["right"] == 0 and outcomes["cut"]["was_cut"]
    assert outcomes["cut"]["reason"] == "there is no number; expected 1234.5; cut off after 2 tokens"


CALL = {"name": "weather", "arguments": {"city": "Zürich"}}


@pytest.fixture(scope="module")
def calling(speaker):
    return speaker("Looking.\n", '<tool_call>\n{"name": "weather", "argum', 'ents": {"city": "Zürich"}}\n</tool_call>')


def test_calls_are_compared_and_their_results_fed_back(calling, tmp_path):
    step = CALL | {"result": {"degrees": 20}}
    suite = write_suite(
        tmp_path / "calls.jsonl",
        case("right", {"tool_call": CALL}, tools=TOOLS),
        case("argument", {"tool_call": {"name": "weather", "arguments": {"city": "Bern"}}}, tools=TOOLS),
        case("name", {"tool_call": {"name": "ping", "arguments": {}}}, tools=TOOLS),
        case("none", {"tool_call": None}, tools=TOOLS),
        case("loop", {"calls": [step, step, CALL]}, tools=TOOLS),
        case("too many", {"calls": [step, step], "contains": "degrees"}, tools=TOOLS),
        case("no tools", {"contains": "</tool_call>"}))
    (scores,), outcomes = evaluate(calling, suite)
    assert [name for name, outcome in outcomes.items() if outcome["right"]] == ["right", "loop", "no tools"]
    assert outcomes["argument"]["reason"] == 'arguments of weather: .city: expected "Bern", got "Zürich"'
    assert outcomes["name"]["reason"] == "called weather, expected ping"
    assert outcomes["none"]["reason"].endswith("expected no call")
    assert outcomes["too many"]["reason"].endswith("expected no further call")
    assert outcomes["loop"]["tokens"] == 3 * outcomes["right"]["tokens"]
    assert scores["total"] == 7


def test_a_table_for_people_and_the_wrong_cases(counting, tmp_path):
    suite = write_suite(tmp_path / "sums.jsonl", case("good", {"number": 1234.5}),
                        case("bad", {"number": 7}, content="How much is it?"))
    done = run_hone("eval", counting, suite, *FLAGS, "--show", "wrong")
    assert done.returncode == 0, done.stderr
    assert "sums" in done.stdout and "1 of 2" in done.stdout and "50.0 %" in done.stdout
    assert "9.5 % -  90.5 %" in done.stdout, "the interval of Wilson"
    assert "WRONG sums/bad" in done.stdout and f"{suite}:2" in done.stdout and "sums/good" not in done.stdout
    for part in ("How much is it?", "Is it 7?", "The sum is 1,234.50", '{"number": 7}', "expected 7"):
        assert part in done.stdout
    assert "evaluating" in done.stderr
    done = run_hone("eval", counting, suite, *FLAGS, "--show", "all", "--json")
    assert "RIGHT sums/good" in done.stderr and json.loads(done.stdout)["suites"][0]["right"] == 1


def test_the_exit_code_tells_what_is_below(counting, tmp_path):
    suite = write_suite(tmp_path / "sums.jsonl", case("good", {"number": 1234.5}), case("bad", {"number": 7}))
    def run(*flags):
        return run_hone("eval", counting, suite, *FLAGS, *flags)
    assert run("--at-least", "sums=0.5").returncode == 0
    done = run("--at-least", "sums=0.6")
    assert done.returncode == 1 and "sums is 0.5" in done.stderr and "1 of 2" in done.stdout
    for wrong in ("sums", "sums=2", "other=0.5"):
        done = run("--at-least", wrong)
        assert done.returncode == 1 and wrong in done.stderr and "1 of 2" not in done.stdout


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    cases = [case(f"case-{i}", {"contains": "e"}, content=f"Tell me about {i * 37}", max_tokens=12) for i in range(24)]
    folder = tmp_path_factory.mktemp("many")
    return write_suite(folder / "many.jsonl", *cases), write_suite(folder / "backwards.jsonl", *reversed(cases))


def test_answers_depend_on_neither_order_nor_batch(many):
    forwards, backwards = many
    flags = ["--temperature", 1, "--seed", 5]
    _, alone = evaluate(MODEL, forwards, flags=[*flags, "--max-streams", 1])
    _, together = evaluate(MODEL, backwards, flags=[*flags, "--max-streams", 9])
    answers = {name: outcome["answer"] for name, outcome in alone.items()}
    assert answers == {name: outcome["answer"] for name, outcome in together.items()}
    assert len(set(answers.values())) > 12, "cases have draws of their own"
    _, other = evaluate(MODEL, forwards, flags=["--temperature", 1, "--seed", 6])
    assert answers != {name: outcome["answer"] for name, outcome in other.items()}


def test_a_sample_is_the_same_each_time(many):
    forwards, backwards = many
    (scores,), some = evaluate(MODEL, forwards, flags=["--sample", 7])
    assert scores["total"] == 7 and set(some) == set(evaluate(MODEL, backwards, flags=["--sample", 7])[1])
    assert list(evaluate(MODEL, forwards, flags=["--limit", 2])[1]) == ["case-0", "case-1"]


def test_mistakes_are_found_before_the_model_runs(tmp_path):
    good = case("a", {"exact": "a"})
    for wrong, named in ((case("b", {"exakt": "a"}), "check.exakt"), (case("b", {"number": "a"}), "check.number"),
                         (case("b", {"exact": "a"}, massages=1), "massages"), (good, "id"),
                         (case("b", {"exact": "a"}, max_tokens="many"), "max_tokens"),
                         (case("b", {"exact": "a"}, content="x" * 5000), "context")):
        suite = write_suite(tmp_path / "broken.jsonl", good, wrong)
        done = run_hone("eval", MODEL, suite, *FLAGS, "--max-context", 512, "--output", tmp_path / "out.jsonl")
        assert done.returncode == 1 and f"{suite}:2" in done.stderr and named in done.stderr, done.stderr
        assert "evaluating" not in done.stderr and not (tmp_path / "out.jsonl").exists()
    cases = write_suite(tmp_path / "cases.jsonl", good)
    for text, named in (("", "token"), ("x" * 50000, "positions")):
        suite = write_suite(tmp_path / "texts.jsonl", {"text": "x"}, {"text": text})
        done = run_hone("eval", MODEL, cases, suite, *FLAGS, "--output", tmp_path / "out.jsonl")
        assert done.returncode == 1 and f"{suite}:2" in done.stderr and named in done.stderr, done.stderr
        assert "evaluating" not in done.stderr and not (tmp_path / "out.jsonl").exists()
    done = run_hone("eval", MODEL, tmp_path / "absent.jsonl")
    assert done.returncode == 1 and "absent.jsonl" in done.stderr
    done = run_hone("eval", MODEL)
    assert done.returncode == 1 and "SUITE" in done.stderr


def test_perplexity_is_the_scorers(tmp_path):
    texts = ["Once upon a time", "Ein naïver Satz. ☃", "x"]
    suite = write_suite(tmp_path / "prose.jsonl", *({"text": text} for text in texts))
    scored = json.loads(run_hone("score", MODEL, "--input", suite, "--output", tmp_path / "out", "--json").stdout)
    (of_texts,), _ = evaluate(MODEL, suite)
    assert of_texts["perplexity"] == scored["perplexity"] and of_texts["tokens"] == scored["tokens"]
    assert (of_texts["right"], of_texts["score"], of_texts["total"]) == (None, None, 3)
    assert 1 < of_texts["bits_per_byte"] < 20
    mixed = write_suite(tmp_path / "cases.jsonl", case("a", {"exact": "a"}))
    scores, _ = evaluate(MODEL, mixed, suite, flags=["--max-tokens", 4])
    assert [suite["name"] for suite in scores] == ["cases", "prose"] and scores[1] | {"seconds": 0} == of_texts | {"seconds": 0}
    done = run_hone("eval", MODEL, suite, "--at-least", "prose=0.5")
    assert done.returncode == 1 and "texts" in done.stderr


def test_mistakes_in_texts_name_their_line(tmp_path):
    suite = write_suite(tmp_path / "prose.jsonl", {"text": "a"}, {"ids": [1] * 3}, {"ids": [1] * 100_000}, {"ids": [1, 2]})
    for command in (["eval", MODEL, suite], ["score", MODEL, "--input", suite, "--output", tmp_path / "out"]):
        done = run_hone(*command)
        assert done.returncode == 1 and f"{suite}:3: a sequence of 100000 tokens" in done.stderr, done.stderr
    write_suite(suite, {"text": "a"}, case("a", {"exact": "a"}))
    done = run_hone("eval", tmp_path / "no-such-model", suite)
    assert done.returncode == 1 and f"{suite}:2: expected" in done.stderr, "found before the model is looked for"
