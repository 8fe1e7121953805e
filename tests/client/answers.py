"""What a choice of an answer says, in one shape for completions and chat, whole and streamed, so that tests can compare
them to the bit."""

from dataclasses import dataclass, field


@dataclass
class Choice:
    text: str = ""
    token_ids: list = field(default_factory=list)
    logprobs: list = field(default_factory=list)  # of the tokens, in hexadecimal notation: equal only if the bits are
    top: list = field(default_factory=list)  # of the likeliest tokens
    processed: list = field(default_factory=list)  # under temperature, penalties, bias and cuts
    finish_reason: str | None = None


def bits(value):
    return None if value is None else float(value).hex()


def _add_logprobs(choice, logprobs):
    if hasattr(logprobs, "content"):  # chat
        choice.logprobs += [bits(entry.logprob) for entry in logprobs.content]
        choice.top += [[(top.token, bits(top.logprob)) for top in entry.top_logprobs] for entry in logprobs.content]
    else:
        choice.logprobs += map(bits, logprobs.token_logprobs)
        choice.top += [top and {token: bits(value) for token, value in top.items()} for top in logprobs.top_logprobs]


def _add(choices, part, text):
    choice = choices.setdefault(part.index, Choice())
    assert choice.finish_reason is None, "a choice goes on after its end"
    choice.text += text or ""
    choice.token_ids += getattr(part, "token_ids", None) or []
    if part.logprobs:
        _add_logprobs(choice, part.logprobs)
        choice.processed += map(bits, part.hone["processed_logprobs"])
    choice.finish_reason = part.finish_reason


def choices_of(answer):
    """The choices of a whole answer or of all chunks of a stream, by index."""
    choices = {}
    for message in answer if hasattr(answer, "__next__") else [answer]:
        for part in message.choices:
            if hasattr(part, "delta"):
                _add(choices, part, part.delta.content)
            elif hasattr(part, "message"):
                _add(choices, part, part.message.content)
            else:
                _add(choices, part, part.text)
    assert all(choice.finish_reason for choice in choices.values()), "a choice has no end"
    return [choices[index] for index in sorted(choices)]
