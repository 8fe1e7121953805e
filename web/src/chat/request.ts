// From a conversation to what the server is asked.
import type {ChatRequest, RequestMessage} from '../api/chat';
import {base_model, models} from '../api/models';
import type {Conversation, Message} from './conversation';
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

/** Throws if the tools cannot be read. */
export function build_request(conversation: Conversation, messages: Message[]): ChatRequest {
  const {settings} = conversation;
  const model = model_of(conversation);
  const body: ChatRequest = {...(model ? {model} : {}), messages: messages.map(request_message)};
  if (settings.system.trim()) body.messages.unshift({role: 'system', content: settings.system});
  for (const [name, value] of Object.entries(settings.sampling)) if (value !== null) body[name] = value;
  if (settings.thinking !== 'default') body.chat_template_kwargs = {enable_thinking: settings.thinking === 'on'};
  if (settings.logprobs) Object.assign(body, {logprobs: true, top_logprobs: kAlternatives});
  const tools = parse_tools(settings.tools);
  if (tools.length) body.tools = tools;
  return body;
}
