"""One conversation: a record of the training data, or a case of a suite. Both are made by the same code, so that what
is asked for in a suite is what was taught, in other words."""
import json


def dump(value):
    return json.dumps(value, ensure_ascii=False)


def system(text):
    return {"role": "system", "content": text}


def user(text):
    return {"role": "user", "content": text}


def assistant(text, reasoning=None):
    message = {"role": "assistant", "content": text}
    if reasoning is not None:
        message["reasoning_content"] = reasoning
    return message


def call(name, arguments):
    """A turn of the assistant that is one tool call."""
    return {
        "role": "assistant",
        "content": "",
        "tool_calls": [{
            "type": "function",
            "function": {
                "name": name,
                "arguments": arguments
            }
        }]
    }


def result(value):
    return {"role": "tool", "content": value if isinstance(value, str) else dump(value)}


class Sample:
    """`messages` with all replies; the first `asked` of them are the prompt of a case, and `check` says what must
    follow."""

    __slots__ = ("messages", "tools", "check", "asked", "max_tokens", "variables")

    def __init__(self, messages, check=None, tools=None, asked=None, max_tokens=128, variables=None):
        self.messages = messages
        self.tools = tools
        self.check = check
        self.asked = len(messages) - 1 if asked is None else asked
        self.max_tokens = max_tokens
        self.variables = variables

    def record(self):
        out = {"messages": self.messages}
        if self.tools:
            out["tools"] = self.tools
        if self.variables:
            out["chat_template_kwargs"] = self.variables
        return out

    def case(self, name):
        prompt = [{k: v for k, v in m.items() if k != "train"} for m in self.messages[:self.asked]]
        out = {"id": name, "messages": prompt}
        if self.tools:
            out["tools"] = self.tools
        out["max_tokens"] = self.max_tokens
        out["check"] = self.check
        return out
