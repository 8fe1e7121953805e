"""Pieces of the page without a browser: numbers, files, trees of messages, requests, streams of events, the engine's history. They are
bundled as the page is, and run by node."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

WEB = Path(__file__).resolve().parents[2] / "web"
MODULES = ("page/numbers", "chat/exchange", "chat/reading", "chat/conversation", "chat/request", "api/event_stream", "engine/history",
           "chat/markdown_blocks", "chat/message_facts", "chat/answering", "chat/tools")


@pytest.fixture(scope="session")
def run(tmp_path_factory):
    """run(code): what the body of an async function returns, to which the modules are `p`."""
    bundle = tmp_path_factory.mktemp("pieces") / "pieces.cjs"
    entry = "".join(f"export * from './src/{module}';\n" for module in MODULES)
    subprocess.run(["esbuild", "--bundle", "--platform=node", "--format=cjs", "--log-level=warning", f"--outfile={bundle}"], input=entry,
                   cwd=WEB, env=os.environ | {"NODE_PATH": "/usr/share/nodejs"}, text=True, check=True)

    def run_code(code):
        script = f"const p = require('{bundle}'); (async () => {{ {code} }})().then(value => console.log(JSON.stringify(value)))"
        done = subprocess.run(["node", "-e", script], capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run_code


def message(id, parent, role, content, **more):
    return {"id": id, "parent": parent, "role": role, "content": content, "created": 1, **more}


def conversation(*messages, **more):
    return {"id": "c1", "title": "", "created": 1, "changed": 1, "messages": {one["id"]: one for one in messages}, "chosen": {}, "taken_back": [],
            "settings": {}, "settings_changed": 0} | more


def test_round_numbers_keep_their_zeros(run):
    assert run("return [120e9, 30.5e9, 200019, 999999, 1000, 999, 100e6].map(p.short_count)") == \
        ["120 B", "30.5 B", "200 k", "1 M", "1 k", "999", "100 M"]


def test_durations_carry(run):
    assert run("return [0.42, 9.97, 999.7, 59970, 119700, 125000].map(p.duration)") == \
        ["0.42 ms", "10 ms", "1.0 s", "1 min 0 s", "2 min 0 s", "2 min 5 s"]


def read(run, *conversations):
    text = json.dumps({"format": "hone-conversations", "version": 1, "conversations": conversations})
    return run(f"return p.from_json({json.dumps(text)})")


def test_of_a_file_that_is_damaged_in_part_the_rest_is_read(run):
    good = conversation(message("a", "", "user", "hello"))
    read_back = read(run, good, conversation(message("b", "", "user", 7)), {"messages": {}}, None)
    assert [one["id"] for one in read_back["conversations"]] == ["c1"]
    assert 'Conversation 2 of 4 is left out: its message "b" is damaged' in read_back["problem"]
    assert "Conversation 3 of 4" in read_back["problem"] and "Conversation 4 of 4" in read_back["problem"]


def test_messages_that_go_in_circles_are_refused(run):
    """Under one id twice, a message is its own parent; showing that never ends."""
    loop = conversation(message("a", "", "user", "x")) | {"messages": {"a": message("a", "", "user", "x"), "k": message("a", "a", "user", "y")}}
    own = conversation(message("a", "a", "user", "x"))
    for damaged in (loop, own):
        text = json.dumps({"format": "hone-conversations", "conversations": [damaged]})
        said = run(f"try {{ p.from_json({json.dumps(text)}); return '' }} catch (problem) {{ return problem.message }}")
        assert said.startswith("Nothing was imported. Conversation 1 of 1 is left out")


def test_what_is_wrong_beside_the_text_is_left_out(run):
    damaged = conversation(
        message("a", "", "user", "x", tokens="no", failure={"kind": "busy"}, usage=3, calls=[{"id": 1}], extra="<b>"),
        chosen={"": "a", "a": "nobody", "x": 3}, settings={"system": 4, "sampling": {"temperature": "hot", "top_p": 0.5}, "thinking": "maybe"})
    one = read(run, damaged)["conversations"][0]
    assert one["messages"]["a"] == message("a", "", "user", "x") and one["chosen"] == {"": "a"}
    assert one["settings"]["system"] == "" and one["settings"]["thinking"] == "default"
    assert one["settings"]["sampling"] == {"temperature": None, "top_p": 0.5, "top_k": None, "max_tokens": None, "seed": None}


def test_what_is_exported_is_read_back_as_it_was(run):
    whole = conversation(
        message("a", "", "user", "x"),
        message("b", "a", "assistant", "y", reasoning="r", reasoning_ms=5, calls=[{"id": "i", "name": "n", "arguments": "{}"}],
                tokens=[{"text": "y", "logprob": -0.5, "top": [["y", -0.5]]}], finish="stop", model="m", seed=3, first_token_ms=1, decode_ms=2,
                usage={"prompt_tokens": 1, "completion_tokens": 2, "cached_tokens": 0}),
        message("t", "b", "tool", "z", call_id="i"), chosen={"": "a", "a": "b", "b": "t"})
    read_back = read(run, whole)
    assert read_back["problem"] == "" and read_back["conversations"][0]["messages"] == whole["messages"]


def test_two_copies_of_a_conversation_become_one(run):
    ours = conversation(message("a", "", "user", "x"), message("b", "a", "assistant", "mine", finish="stop"), chosen={"": "a", "a": "b"})
    theirs = conversation(message("a", "", "user", "x"), message("d", "a", "assistant", "theirs", finish="stop"), chosen={"": "a", "a": "d"})
    merged, facts, again = run(f"""
        const ours = {json.dumps(ours)}, theirs = {json.dumps(theirs)};
        const facts = p.merge(ours, theirs);
        return [ours, facts, p.merge(theirs, ours)]""")
    assert set(merged["messages"]) == {"a", "b", "d"} and merged["chosen"]["a"] == "b"
    assert facts == {"took": True, "took_settings": False, "lacks": True} and again == {"took": True, "took_settings": False, "lacks": False}


BUSY = {"kind": "busy", "message": "m"}


def merged_twice(run, ours, theirs, growing=""):
    """Ours and theirs when each has heard of the other, and whether either lacks something then."""
    return run(f"""
        const ours = {json.dumps(ours)}, theirs = {json.dumps(theirs)};
        p.merge(ours, theirs, '{growing}');
        const {{lacks}} = p.merge(theirs, ours);
        return [ours, theirs, lacks || p.merge(ours, theirs, '{growing}').lacks]""")


def test_what_one_copy_took_back_does_not_come_back(run):
    failed = [message("a", "", "user", "x"), message("b", "a", "assistant", "", failure=BUSY)]
    again = conversation(failed[0], message("c", "a", "assistant", "y", finish="stop"), chosen={"": "a", "a": "c"}, taken_back=["b"])
    for one, other in ((again, conversation(*failed, chosen={"": "a", "a": "b"})), (conversation(*failed), again)):
        ours, theirs, lacks = merged_twice(run, one, other)
        assert set(ours["messages"]) == set(theirs["messages"]) == {"a", "c"} and not lacks
        assert ours["taken_back"] == theirs["taken_back"] == ["b"]
    taken = run(f"const one = {json.dumps(conversation(*failed))}; return [p.take_back(one, one.messages.b), one]")
    assert taken[0] and set(taken[1]["messages"]) == {"a"} and taken[1]["taken_back"] == ["b"]
    assert read(run, taken[1])["conversations"][0]["taken_back"] == ["b"]


def test_what_somebody_went_on_from_is_not_taken_back(run):
    failed = [message("a", "", "user", "x"), message("b", "a", "assistant", "", failure=BUSY)]
    again = conversation(failed[0], message("c", "a", "assistant", "y", finish="stop"), taken_back=["b"])
    ours, theirs, lacks = merged_twice(run, again, conversation(*failed, message("d", "b", "user", "z")))
    assert set(ours["messages"]) == set(theirs["messages"]) == {"a", "b", "c", "d"} and not lacks


def test_of_two_copies_the_newer_settings_count(run):
    older, newer = (conversation(message("a", "", "user", "x"), settings={"system": name}, settings_changed=at)
                    for name, at in (("old", 5), ("new", 6)))
    for one, other in ((older, newer), (newer, older)):
        ours, theirs, lacks = merged_twice(run, one, other)
        assert ours["settings"] == theirs["settings"] == {"system": "new"} and not lacks


def test_an_answer_on_its_way_is_not_replaced(run):
    """It is continued here; another copy has it as it was."""
    asked = message("a", "", "user", "x")
    before = conversation(asked, message("b", "a", "assistant", "one", failure=BUSY))
    ours, _, _ = merged_twice(run, conversation(asked, message("b", "a", "assistant", "one")), before, growing="b")
    assert "failure" not in ours["messages"]["b"]


def test_how_an_answer_of_another_tab_failed_is_taken_over(run):
    asked = message("a", "", "user", "x")
    ours, _, _ = merged_twice(run, conversation(asked, message("b", "a", "assistant", "")),
                              conversation(asked, message("b", "a", "assistant", "", failure=BUSY)))
    assert ours["messages"]["b"]["failure"] == BUSY


def test_an_answer_that_went_on_elsewhere_is_taken_over(run):
    ours = conversation(message("a", "", "user", "x"), message("b", "a", "assistant", "one", failure={"kind": "cut", "message": "m"}))
    theirs = conversation(message("a", "", "user", "x"), message("b", "a", "assistant", "one two", finish="stop"))
    same, merged = run(f"""
        const ours = {json.dumps(ours)}, held = ours.messages.b;
        p.merge(ours, {json.dumps(theirs)});
        return [held === ours.messages.b, ours]""")
    assert same and merged["messages"]["b"] == theirs["messages"]["b"]


def request(run, messages, continued=None):
    settings = {"model": "", "system": "", "thinking": "default", "tools": "", "logprobs": False, "sampling": {}}
    return run(f"return p.build_request({{settings: {json.dumps(settings)}}}, {json.dumps(messages)}, {json.dumps(continued)} ?? undefined)")


def test_answers_of_which_nothing_came_are_not_told(run):
    told = request(run, [message("a", "", "user", "one"), message("b", "a", "assistant", "", failure={"kind": "offline", "message": "m"}),
                         message("c", "b", "user", "two")])
    assert told["messages"] == [{"role": "user", "content": "one\n\ntwo"}]


def test_calls_without_results_are_not_told(run):
    call = {"id": "i", "name": "n", "arguments": "{}"}
    asked = [message("a", "", "user", "one"), message("b", "a", "assistant", "", calls=[call])]
    assert request(run, [*asked, message("c", "b", "user", "never mind")])["messages"] == [{"role": "user", "content": "one\n\nnever mind"}]
    answered = request(run, [*asked, message("c", "b", "tool", "4", call_id="i")])["messages"]
    assert answered[1]["tool_calls"][0]["id"] == "i" and answered[2] == {"role": "tool", "tool_call_id": "i", "content": "4"}


def test_results_belong_to_the_calls_before_them(run):
    """Some models number their calls anew in every answer."""
    call = {"id": "call_0", "name": "n", "arguments": "{}"}
    shown = [message("a", "", "user", "x"), message("b", "a", "assistant", "", calls=[call]), message("c", "b", "tool", "first", call_id="call_0"),
             message("d", "c", "assistant", "", calls=[call]), message("e", "d", "tool", "second", call_id="call_0")]
    assert run(f"const shown = {json.dumps(shown)}; return [1, 3].map(i => p.results_behind(shown, i).get('call_0'))") == ["first", "second"]


def test_an_answer_that_came_at_once_has_no_rate(run):
    answer = {"model": "sprout", "usage": {"completion_tokens": 50}, "first_token_ms": 26}
    facts = [run(f"return p.message_facts({json.dumps(answer | {'decode_ms': ms})})") for ms in (99, 100)]
    assert facts == ["sprout · 50 tokens · first after 26 ms", "sprout · 50 tokens · 490 tokens/s · first after 26 ms"]


def test_an_answer_is_continued_where_it_ends(run):
    told = request(run, [message("a", "", "user", "x")], message("b", "a", "assistant", "It is", finish="length"))
    assert told["messages"][-1] == {"role": "assistant", "content": "It is"}
    assert told["continue_final_message"] is True and told["add_generation_prompt"] is False


def test_characters_and_events_may_come_in_pieces(run):
    events = run("""
        const bytes = new TextEncoder().encode('event: a\\ndata: {"x":"\\u00e9\\ud83d\\ude00"}\\n\\n: comment\\n\\ndata: 2\\n\\n');
        const stream = new ReadableStream({start(control) {
          for (const byte of bytes) control.enqueue(new Uint8Array([byte]));
          control.close();
        }});
        const out = [];
        for await (const event of p.read_events(new Response(stream))) out.push(event);
        return out""")
    assert events == [{"event": "a", "data": '{"x":"é😀"}'}, {"event": "message", "data": "2"}]


def test_a_connection_that_says_nothing_is_given_up(run):
    said = run("""
        const stream = new ReadableStream({start: control => control.enqueue(new TextEncoder().encode('data: 1\\n\\n'))});
        const out = [];
        try {
          for await (const event of p.read_events(new Response(stream), 100)) out.push(event.data);
        } catch (problem) { out.push(problem.failure.kind, problem.message); }
        return out""")
    assert said == ["1", "cut", "Nothing comes from the server any more."]


ANSWER = """
    const answered = async () => {
      const message = {id: 'b', parent: 'a', role: 'assistant', content: '', created: 1};
      const asked = {id: 'a', parent: '', role: 'user', content: 'x', created: 1};
      await new p.Answering(p.new_conversation(p.kDefaultSettings), [asked], message, () => undefined).done;
      return [message.content, message.failure.kind, message.failure.message];
    };
    const first = 'data: {"choices":[{"delta":{"content":"Yes"},"finish_reason":null}]}\\n\\n';
"""


def test_an_answer_ends_on_a_connection_that_died_silently(run):
    assert run(ANSWER + """
        const plain = setTimeout;
        globalThis.setTimeout = (run, ms, ...more) => plain(run, ms / 400, ...more);
        const stream = () => new ReadableStream({start: control => control.enqueue(new TextEncoder().encode(first))});
        globalThis.fetch = async path => new Response(path === '/v1/models' ? '{"data":[]}' : stream());
        return answered()""") == ["Yes", "cut", "Nothing comes from the server any more."]


@pytest.mark.parametrize("event", ("{", "null", '{"choices":[{}]}'))
def test_an_answer_that_cannot_be_read_is_not_the_tools_fault(run, event):
    text, kind, said = run(ANSWER + f"""
        globalThis.fetch = async path => new Response(path === '/v1/models' ? '{{"data":[]}}' : first + {json.dumps(f"data: {event}")} + '\\n\\n');
        return answered()""")
    assert (text, kind) == ("Yes", "cut") and said.startswith("What the server sent cannot be read: ")


def test_tools_are_called_as_the_server_lets_them(run):
    names = ["a", "x" * 128, "files/read:v1.2-b_c"]
    given = json.dumps(json.dumps([{"name": name} for name in names]))
    assert run(f"return p.parse_tools({given}).map(tool => tool.function.name)") == names
    for name in ("", "x" * 129, "two words", "é"):
        given = json.dumps(json.dumps([{"name": name}]))
        assert run(f"try {{ p.parse_tools({given}) }} catch (problem) {{ return problem.message }}").startswith('Tool 1 needs a "name"')


TEXT = """# Title

Some *words* and a [link][there].
- one
- two

  more of two

      indented

1. first

   ```sh
   ls
   ```

2. second
> quoted
> lines

```make
all:
\techo done


\techo more
```
a | b
--|--
1 | 2

* * *

Setext
======

    code of blanks

<div>html

text</div>

- last

[there]: https://example.org
tail ```not code```

~~~
open
\ttabbed
"""


def test_a_text_that_grows_has_the_blocks_of_the_whole(run):
    """Read in steps of any size, and none of the early ones again."""
    grown, whole, read = run(f"""
        const text = {json.dumps(TEXT * 3)};
        const whole = new p.BlockReader().read(text).blocks.map(block => [block.token.raw, p.code_of(block)]);
        const grown = [];
        let read = 0;
        for (const step of [1, 2, 7, 23, 61]) {{
          const reader = new p.BlockReader();
          let shown = [];
          for (let end = step; ; end = Math.min(end + step, text.length)) {{
            const {{from, blocks}} = reader.read(text.slice(0, end));
            shown = [...shown.slice(0, from), ...blocks.map(block => [block.token.raw, p.code_of(block)])];
            read = Math.max(read, end > 400 ? blocks.length : 0);
            if (end === text.length) break;
          }}
          grown.push(shown);
        }}
        return [grown, whole, read]""")
    for shown in grown:
        assert shown == whole
    assert [code for raw, code in whole if "echo" in raw][0] == "all:\n\techo done\n\n\n\techo more"
    assert whole[-1][1] == "open\n\ttabbed" and read < len(whole)


def test_a_text_without_end_is_read_in_time(run):
    """The parser's time grows with the square of a paragraph: what a model that repeats itself says is not read as Markdown."""
    assert run("const began = Date.now(); new p.BlockReader().read('*a '.repeat(20000)); return Date.now() - began") < 10_000


REPORT = "const report = (now_ms, ...steps) => ({now_ms, dropped: 0, steps});"
STEP = "const step = (t_ms, ms, training_ms = 0) => ({t_ms, ms, training_ms, sequences: []});"


def test_the_history_follows_a_clock_that_stood_still(run):
    """The browser's machine slept for an hour, or the server's did."""
    assert run(f"""{REPORT}
        const history = new p.History(), out = [];
        for (const [server, ours] of [[1000, 0], [1100, 101], [1200, 3600200], [1300, 3600300], [3700000, 3600400]]) {{
          history.add(report(server), ours);
          out.push(Math.round(history.server_now(ours)));
        }}
        return out""") == [1000, 1101, 1200, 1300, 3700000]


def test_a_history_that_is_held_stays(run):
    assert run(f"""{REPORT}{STEP}
        const history = new p.History();
        history.add(report(10, step(1, 2)), 0);
        history.is_held = true;
        for (let t = 0; t < 200000; t += 100) history.add(report(t, step(t, 1)), t);
        const held = history.steps.length;
        history.is_held = false;
        history.add(report(200100, step(200050, 1)), 200100);
        return [held, history.steps.at(-1).number]""") == [1, 2002]


def test_a_history_is_bounded(run):
    most = run(f"""{REPORT}{STEP}
        const history = new p.History();
        let most = 0;
        for (let t = 0; t < 600_000; t += 100) {{
          history.add(report(t, ...Array.from({{length: 20}}, (_, i) => step(t - 100 + 5 * i, 5))), t);
          most = Math.max(most, history.steps.length);
        }}
        return most""")
    assert 11_000 < most < 13_000  # a minute of steps


def test_training_is_behind_its_step(run):
    assert run(f"""{REPORT}{STEP}
        const history = new p.History();
        history.add(report(100, step(0, 10, 50), step(60, 10)), 100);
        return [history.first_after(30), history.first_after(61)]""") == [0, 1]


def luminance(colour):
    parts = [int(colour[i:i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one, other):
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("theme", (0, 1), ids=("light", "dark"))
def test_colours_of_text_have_contrast(theme):
    """WCAG 2.2, 1.4.3, on every ground that the text stands on."""
    found = re.findall(r"--([\w-]+): light-dark\((#\w{6}), (#\w{6})\)", (WEB / "style/theme.css").read_text())
    colours = {name: pair[theme] for name, *pair in found}
    grounds = ("ground", "ground-side", "ground-raised", "ground-soft", "ground-strong")
    pairs = [(text, ground) for text in ("text", "text-quiet") for ground in grounds]
    pairs += [(text, ground) for text in ("accent", "danger") for ground in ("ground", "ground-raised", "ground-soft", "ground-side")]
    pairs += [(f"code-{kind}", "ground-soft") for kind in ("keyword", "string", "number", "comment", "name")]
    pairs += [("on-accent", "accent"), ("on-accent", "accent-strong"), ("danger", "danger-soft"), ("text", "danger-soft"),
              ("text-quiet", "danger-soft"), ("text", "accent-soft"), ("accent", "accent-soft"), ("on-prefill", "prefill")]
    poor = {pair: round(contrast(*(colours[name] for name in pair)), 2) for pair in pairs if contrast(*(colours[name] for name in pair)) < 4.5}
    assert not poor
