// A conversation is a tree of messages: editing a message or asking again makes a sibling, and at every fork one child is
// chosen. What is shown and sent is the path from the root along the chosen children. Plain data, as it is stored.
import type {ToolCall, Token, Usage} from '../api/chat';
import type {Failure} from '../api/failure';

export type Role = 'user' | 'assistant' | 'tool';

export interface Message {
  id: string;
  parent: string;  // '' for a first message
  role: Role;
  content: string;
  created: number;  // ms since 1970
  // Of an answer:
  reasoning?: string;
  reasoning_ms?: number;
  calls?: ToolCall[];
  tokens?: Token[];
  usage?: Usage;
  finish?: string;  // the server's finish_reason, or "stopped" by the user
  failure?: Failure;
  model?: string;
  seed?: number;
  first_token_ms?: number;
  decode_ms?: number;  // from the first token to the last
  // Of a tool's result:
  call_id?: string;
}

export interface Sampling {
  temperature: number | null;  // null: what the server takes
  top_p: number | null;
  top_k: number | null;
  max_tokens: number | null;
  seed: number | null;
}

export type Thinking = 'default' | 'on' | 'off';

export interface Settings {
  model: string;  // '': the served model
  system: string;
  sampling: Sampling;
  thinking: Thinking;
  tools: string;  // JSON text; '' for none
  logprobs: boolean;
}

export interface Conversation {
  id: string;
  title: string;  // '' until the user names it or the first message does
  created: number;
  changed: number;
  messages: Record<string, Message>;
  chosen: Record<string, string>;  // parent -> child
  taken_back: string[];  // ids of answers that are no more, in no copy of the conversation
  settings: Settings;
  settings_changed: number;  // ms since 1970: of two copies' settings the newest count
}

export const kDefaultSettings: Settings = {
  model: '', system: '', thinking: 'default', tools: '', logprobs: true,
  sampling: {temperature: null, top_p: null, top_k: null, max_tokens: null, seed: null},
};

export function new_id(): string {
  return [...crypto.getRandomValues(new Uint8Array(9))].map(byte => byte.toString(36).padStart(2, '0')).join('');
}

export function new_conversation(settings: Settings): Conversation {
  const now = Date.now();
  return {id: new_id(), title: '', created: now, changed: now, messages: {}, chosen: {}, taken_back: [],
          settings: structuredClone(settings), settings_changed: now};
}

/** In the order in which they were made. */
export function children(conversation: Conversation, parent: string): Message[] {
  return Object.values(conversation.messages).filter(message => message.parent === parent)
    .sort((a, b) => a.created - b.created);
}

/** The messages shown: from the first along the chosen children, the newest where nothing was chosen. */
export function path(conversation: Conversation): Message[] {
  const by_parent = new Map<string, Message[]>();
  for (const message of Object.values(conversation.messages)) {
    by_parent.set(message.parent, [...(by_parent.get(message.parent) ?? []), message]);
  }
  const out: Message[] = [];
  for (let parent = '';;) {
    const found = by_parent.get(parent);
    if (!found) return out;
    const newest = found.reduce((a, b) => (b.created >= a.created ? b : a));
    const next: Message = found.find(message => message.id === conversation.chosen[parent]) ?? newest;
    out.push(next);
    parent = next.id;
  }
}

/** What the calls of the answer at `index` gave, by the call's id: ids may come again further on. */
export function results_behind(shown: Message[], index: number): Map<string, string> {
  const results = new Map<string, string>();
  for (let i = index + 1; shown[i]?.role === 'tool'; ++i) results.set(shown[i].call_id ?? '', shown[i].content);
  return results;
}

/** Adds a message behind `parent` and chooses it. Later ones get later times, whatever the clock says. */
export function add_message(conversation: Conversation, parent: string, role: Role, content: string): Message {
  const latest = children(conversation, parent).at(-1)?.created ?? 0;
  const message: Message = {id: new_id(), parent, role, content, created: Math.max(Date.now(), latest + 1)};
  conversation.messages[message.id] = message;
  conversation.chosen[parent] = message.id;
  conversation.changed = Date.now();
  return message;
}

export function change_settings(conversation: Conversation, change: Partial<Settings>): void {
  Object.assign(conversation.settings, change);
  conversation.settings_changed = Math.max(Date.now(), conversation.settings_changed + 1);
}

/** Whether it is an answer that has no end, though it may have had one before it was continued. */
export function is_unfinished(message: Message): boolean {
  return message.role === 'assistant' && !message.finish && !message.failure;
}

/** Whether nothing came of an answer but a failure, and nothing follows it. */
function is_void(conversation: Conversation, message: Message): boolean {
  const {failure, content, reasoning, calls} = message;
  return failure !== undefined && !content && !reasoning && !calls?.length && !children(conversation, message.id).length;
}

/** Takes back an answer that is void, as if it had not been, and says whether it was one. */
export function take_back(conversation: Conversation, message: Message): boolean {
  if (!is_void(conversation, message)) return false;
  delete conversation.messages[message.id];
  if (conversation.chosen[message.parent] === message.id) delete conversation.chosen[message.parent];
  if (!conversation.taken_back.includes(message.id)) conversation.taken_back.push(message.id);
  return true;
}

/** Which of its siblings a message is: [index, how many]. */
export function branch_of(conversation: Conversation, message: Message): [number, number] {
  const siblings = children(conversation, message.parent);
  return [siblings.findIndex(sibling => sibling.id === message.id), siblings.length];
}

export function choose_branch(conversation: Conversation, message: Message, step: number): void {
  const siblings = children(conversation, message.parent);
  const index = siblings.findIndex(sibling => sibling.id === message.id) + step;
  if (siblings[index]) conversation.chosen[message.parent] = siblings[index].id;
}

/** How much there is of a message; the end of an answer counts, and a failure where there is no end. */
function extent({content, reasoning, calls, finish, failure}: Message): number {
  const written = (calls ?? []).reduce((sum, call) => sum + call.arguments.length + 1, 0);
  return content.length + (reasoning?.length ?? 0) + written + (finish ? 2 : failure ? 1 : 0);
}

export interface Merged {
  took: boolean;           // messages came or went
  took_settings: boolean;
  lacks: boolean;          // the other copy lacks something
}

/**
 * Takes over what another copy of the conversation has and this one lacks: messages, what an answer was continued by, that an answer was
 * taken back, newer settings. What is chosen here stays chosen, and the answer on its way here (`growing`, an id) stays as it is.
 */
export function merge(ours: Conversation, theirs: Conversation, growing = ''): Merged {
  let took = false;
  for (const [id, message] of Object.entries(theirs.messages)) {
    const own = ours.messages[id];
    if (own && (id === growing || extent(own) >= extent(message))) continue;
    if (!own && ours.taken_back.includes(id) && is_void(theirs, message)) continue;
    if (own) {
      for (const name of Object.keys(own)) delete own[name as keyof Message];
      Object.assign(own, message);  // in place: views hold on to it
    } else {
      ours.messages[id] = message;
    }
    took = true;
  }
  for (const id of theirs.taken_back) {
    const own = ours.messages[id];
    if (own && take_back(ours, own)) took = true;
    else if (!ours.taken_back.includes(id)) ours.taken_back.push(id);
  }
  for (const [parent, child] of Object.entries(theirs.chosen)) if (ours.messages[child]) ours.chosen[parent] ??= child;
  ours.changed = Math.max(ours.changed, theirs.changed);
  const took_settings = theirs.settings_changed > ours.settings_changed;
  if (took_settings) {
    ours.settings = structuredClone(theirs.settings);
    ours.settings_changed = theirs.settings_changed;
  }
  const lacks = ours.settings_changed > theirs.settings_changed || ours.taken_back.some(id => !theirs.taken_back.includes(id)) ||
    Object.values(ours.messages).some(own => !theirs.messages[own.id] || extent(theirs.messages[own.id]) < extent(own));
  return {took, took_settings, lacks};
}

/** Whether more of an answer can be asked for: it has text and no calls, and did not end by itself. */
export function can_continue(message: Message): boolean {
  const is_cut = message.finish === 'length' || message.finish === 'stopped' || (message.failure !== undefined && !message.finish);
  return message.role === 'assistant' && !!message.content.trim() && !message.calls?.length && is_cut;
}

export function title_of(conversation: Conversation): string {
  if (conversation.title) return conversation.title;
  const first = path(conversation)[0]?.content.trim().replace(/\s+/g, ' ') ?? '';
  if (!first) return 'New conversation';
  return first.length > 60 ? `${first.slice(0, 57)}...` : first;
}

/** Whether all words of the query occur in the title or a message. */
export function matches(conversation: Conversation, query: string): boolean {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  if (!words.length) return true;
  const text = [title_of(conversation), ...Object.values(conversation.messages).map(message => message.content)]
    .join('\n').toLowerCase();
  return words.every(word => text.includes(word));
}
