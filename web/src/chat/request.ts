// From a conversation to what the server is asked.
import type {ChatRequest, RequestMessage} from '../api/chat';
import {base_model, models} from '../api/models';
import {results_behind, type Conversation, type Message} from './conversation';
import {parse_tools} from './tools';

const kAlternatives = 5;

/** The model that answers: the chosen one if it is still served; '' before the server has told what it serves. */
export function model_of(conversation: Conversation): string {
  const wanted = conversation.settings.model;
  return models().some(model => model.id === wanted) ? wanted : base_model()?.id ?? '';
}

function request_message(message: Message): RequestMessage {
  if (message.role === 'user') return {role: 'user', content: message.content};
  if (message.role === 'tool') return {role: 'tool', tool_call_id: message.call_id ?? '', content: message.content};
  return {
    role: 'assistant',
    content: message.content || (message.calls?.length ? null : ''),
    ...(message.reasoning ? {reasoning_content: message.reasoning} : {}),
    ...(message.calls?.length ? {tool_calls: message.calls.map(call => ({
      id: call.id, type: 'function', function: {name: call.name, arguments: call.arguments},
    }))} : {}),
  };
}

/**
 * What the model is told of the conversation. Left out are answers of which nothing came, and calls that have no results, which no API
 * takes; what the user said before and behind such an answer is one message then.
 */
function request_messages(messages: Message[]): RequestMessage[] {
  const has_result = new Set<string>();
  messages.forEach((message, i) => {
    const results = results_behind(messages, i);
    if (message.calls?.length && message.calls.every(call => results.has(call.id))) has_result.add(message.id);
  });
  const out: RequestMessage[] = [];
  for (const message of messages) {
    const told = message.calls && !has_result.has(message.id) ? {...message, calls: undefined} : message;
    if (told.role === 'assistant' && !told.content && !told.calls?.length) continue;
    const last = out.at(-1);
    if (told.role === 'user' && last?.role === 'user') last.content += `\n\n${told.content}`;
    else out.push(request_message(told));
  }
  return out;
}

/** Throws an Error that says why if the tools cannot be read. `continued` is an answer that is to go on where it ends. */
export function build_request(conversation: Conversation, before: Message[], continued?: Message): ChatRequest {
  const {settings} = conversation;
  const model = model_of(conversation);
  const body: ChatRequest = {...(model ? {model} : {}), messages: request_messages(before)};
  if (continued) {
    body.messages.push(request_message(continued));
    Object.assign(body, {continue_final_message: true, add_generation_prompt: false});
  }
  if (settings.system.trim()) body.messages.unshift({role: 'system', content: settings.system});
  for (const [name, value] of Object.entries(settings.sampling)) if (value !== null) body[name] = value;
  if (settings.thinking !== 'default') body.chat_template_kwargs = {enable_thinking: settings.thinking === 'on'};
  if (settings.logprobs) Object.assign(body, {logprobs: true, top_logprobs: kAlternatives});
  const tools = parse_tools(settings.tools);
  if (tools.length) body.tools = tools;
  return body;
}
