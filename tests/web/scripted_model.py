"""A model that answers by script: which one is chosen by a word in the last message."""

import json

from speaking_model import FIRST_ID, make_speaking_model

# Each is what the model says, piece by piece. A tool's result is answered by "after_tool".
SCRIPTS = {
    "markdown": ["# Edges\n\nA **bold** word.\n\n", "- one\n- two\n\n", "```python\nprint('hone')\n", "```\n"],
    "thinking": ["<think>\nRain or sun?", "\n</think>\n\n", "Sun."],
    "weather": ['<tool_call>\n{"name": "get_weather", "arguments": {"city": "Oslo"}}\n</tool_call>'],
    "after_tool": ["It is cold there."],
    "unclosed": ["```python\nx = 1"],
    "recipe": ["1. Make:\n\n   ```sh\n   make all\n   ```\n\n```make\nall:\n\techo done\n```\n"],
    "attack": ["<img src=x onerror=\"window.pwned=1\"> <script>window.pwned=2</script>\n\n"
               "[link](javascript:window.pwned=3) [data](data:text/html,<script>1</script>) ![p](http://203.0.113.1/x.png)\n\n"
               "<svg><animate onbegin=window.pwned=4 attributeName=x></svg><math><mi//xlink:href=\"data:x,<script>window.pwned=5</script>\">\n\n",
               "`<b>`\n\n```html\n<iframe srcdoc=\"<script>parent.pwned=6</script>\"></iframe>\n```\n\n<style>body{display:none}</style>"],
}

TEMPLATE = """{%- for tool in tools or [] %}{{ '<tool_call>' + tool.function.name }}{% endfor -%}
{%- for m in messages %}{{ '<|im_start|>' + m.role + '\n' }}
{%- if m.reasoning_content %}{{ '<think>' + m.reasoning_content + '</think>' }}{% endif -%}
{{- m.content or '' }}
{%- for call in m.tool_calls or [] %}{{ call.id + call.function.name }}{% endfor -%}
{{- '<|im_end|>' }}{% endfor -%}
{%- if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}
{%- if messages[-1].role == 'tool' %}{{ '[[after_tool]]' }}
CHOICES
{%- endif %}{% endif -%}"""


def make_scripted_model(folder):
    pieces, ends = [], []
    for name, script in SCRIPTS.items():
        pieces += [f"[[{name}]]", *script, f"[[end {name}]]"]
        ends.append(FIRST_ID + len(pieces) - 1)
    choices = "".join(f"{{%- elif '{name}' in messages[-1].content %}}{{{{ '[[{name}]]' }}}}\n" for name in SCRIPTS if name != "after_tool")
    make_speaking_model(folder, pieces, TEMPLATE.replace("CHOICES", choices + "{%- else %}{{ '[[thinking]]' }}"))
    settings = folder / "generation_config.json"
    known = json.loads(settings.read_text()) if settings.exists() else {}
    settings.write_text(json.dumps(known | {"eos_token_id": ends}))


def make_endless_model(source, folder):
    """The golden checkpoint, whose noise nothing ends but a limit."""
    for file in source.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    for name, field in (("config.json", "eos_token_id"), ("tokenizer_config.json", "eos_token")):
        fields = json.loads((folder / name).read_text())
        del fields[field]
        (folder / name).write_text(json.dumps(fields))
