"""Several requests to one set of tools: calls of one after the other, and what none is for. Schemas are long and replies short,
so that most of a conversation with one request teaches nothing."""
from corpus import no_tool, scenes, tools
from corpus.record import Sample, assistant, call, user


def conversation(draw, calls):
    """`calls` of 100 turns are calls while there are tools that were not called."""
    actions = tools.actions(draw, draw.weighted([1, 2, 3, 4, 5, 6], [10, 18, 24, 20, 16, 12]))
    told = [(action, *tools.told_call(draw, action)) for action in actions]
    nouns = [action.noun for action in actions]
    messages = scenes.system_turn(draw)
    waiting, left = draw.shuffled(told), draw.between(2, 5)
    while left > 0:
        left -= 1
        if waiting and draw.chance(calls):
            action, _, arguments, request = waiting.pop()
            messages += [user(request()), call(action.name, arguments)]
            if left > 0 or draw.chance(35):
                messages += tools.outcome(draw, action)
        else:
            wanted = tools.actions(draw, 1)[0]
            while wanted.noun in nouns:
                wanted = tools.actions(draw, 1)[0]
            text, answer, _ = no_tool.exchange(draw, wanted)
            messages += [user(text), assistant(answer)]
    return Sample(messages, tools=[tool for _, tool, *_ in told])
