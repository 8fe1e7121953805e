// Conversations that come from a file or from the browser's store, and may be damaged or made up: what is needed has to be right,
// what is not (probabilities, times, a failure) is left out where it is wrong. Nothing else gets in.
import type {ToolCall, Token, Usage} from '../api/chat';
import type {Failure} from '../api/failure';
import {kDefaultSettings, type Conversation, type Message, type Sampling, type Settings, type Thinking} from './conversation';

type Fields = Record<string, unknown>;

const kRoles = ['user', 'assistant', 'tool'];
const kFailures = ['offline', 'cut', 'unauthorized', 'busy', 'context', 'unsent', 'refused', 'server'];

function fields_of(value: unknown): Fields {
  return typeof value === 'object' && value !== null ? value as Fields : {};
}

function text_or<T>(value: unknown, otherwise: T): string | T {
  return typeof value === 'string' ? value : otherwise;
}

function number_or<T>(value: unknown, otherwise: T): number | T {
  return typeof value === 'number' && Number.isFinite(value) ? value : otherwise;
}

function list_of<T>(value: unknown, read: (element: unknown) => T | null): T[] | undefined {
  if (!Array.isArray(value)) return undefined;
  const elements = value.map(read);
  return elements.every(element => element !== null) ? elements as T[] : undefined;
}

function is_id(value: unknown): value is string {
  return typeof value === 'string' && /^[A-Za-z0-9-]{1,64}$/.test(value);
}

function read_call(value: unknown): ToolCall | null {
  const {id, name, arguments: given} = fields_of(value);
  return typeof id === 'string' && typeof name === 'string' && typeof given === 'string' ? {id, name, arguments: given} : null;
}

function read_token(value: unknown): Token | null {
  const {text, logprob, top} = fields_of(value);
  const likely = list_of(top, (pair): [string, number] | null =>
    Array.isArray(pair) && typeof pair[0] === 'string' && typeof pair[1] === 'number' ? [pair[0], pair[1]] : null);
  return typeof text === 'string' && typeof logprob === 'number' && likely ? {text, logprob, top: likely} : null;
}

function read_usage(value: unknown): Usage | undefined {
  const {prompt_tokens, completion_tokens, cached_tokens} = fields_of(value);
  if (typeof completion_tokens !== 'number') return undefined;
  return {prompt_tokens: number_or(prompt_tokens, 0), completion_tokens, cached_tokens: number_or(cached_tokens, 0)};
}

function read_failure(value: unknown): Failure | undefined {
  const {kind, message, retry_at} = fields_of(value);
  if (!kFailures.includes(kind as string) || typeof message !== 'string') return undefined;
  return {kind: kind as Failure['kind'], message, retry_at: number_or(retry_at, undefined)};
}

/** Null if it cannot be a message. */
function read_message(id: string, value: unknown): Message | null {
  const given = fields_of(value);
  const {parent, role, content, created} = given;
  if (!is_id(id) || given.id !== id || (parent !== '' && !is_id(parent)) || parent === id) return null;
  if (!kRoles.includes(role as string) || typeof content !== 'string' || number_or(created, null) === null) return null;
  const message: Message = {id, parent, role: role as Message['role'], content, created: created as number};
  const more: Partial<Message> = {
    reasoning: text_or(given.reasoning, undefined), reasoning_ms: number_or(given.reasoning_ms, undefined),
    calls: list_of(given.calls, read_call), tokens: list_of(given.tokens, read_token),
    usage: read_usage(given.usage), finish: text_or(given.finish, undefined), failure: read_failure(given.failure),
    model: text_or(given.model, undefined), seed: number_or(given.seed, undefined),
    first_token_ms: number_or(given.first_token_ms, undefined), decode_ms: number_or(given.decode_ms, undefined),
    call_id: text_or(given.call_id, undefined),
  };
  for (const [name, field] of Object.entries(more)) if (field !== undefined) Object.assign(message, {[name]: field});
  return message;
}

export function read_settings(value: unknown): Settings {
  const given = fields_of(value), sampling = fields_of(given.sampling);
  const names = Object.keys(kDefaultSettings.sampling) as (keyof Sampling)[];
  return {
    model: text_or(given.model, ''), system: text_or(given.system, ''), tools: text_or(given.tools, ''),
    thinking: given.thinking === 'on' || given.thinking === 'off' ? given.thinking as Thinking : 'default',
    logprobs: typeof given.logprobs === 'boolean' ? given.logprobs : kDefaultSettings.logprobs,
    sampling: Object.fromEntries(names.map(name => [name, number_or(sampling[name], null)])) as unknown as Sampling,
  };
}

/** Throws an Error that says what is wrong with it. */
export function read_conversation(value: unknown): Conversation {
  const given = fields_of(value);
  if (!is_id(given.id)) throw new Error('it has no id');
  if (typeof given.messages !== 'object' || given.messages === null) throw new Error('it has no messages');
  const messages: Record<string, Message> = {};
  for (const [id, one] of Object.entries(given.messages)) {
    const message = read_message(id, one);
    if (!message) throw new Error(`its message "${id.slice(0, 40)}" is damaged`);
    messages[id] = message;
  }
  const chosen: Record<string, string> = {};
  for (const [parent, child] of Object.entries(fields_of(given.chosen))) {
    if (is_id(child) && messages[child]?.parent === parent) chosen[parent] = child;
  }
  const now = Date.now();
  return {id: given.id, title: text_or(given.title, ''), created: number_or(given.created, now), changed: number_or(given.changed, now),
          messages, chosen, taken_back: list_of(given.taken_back, id => is_id(id) ? id : null) ?? [],
          settings: read_settings(given.settings), settings_changed: number_or(given.settings_changed, 0)};
}
