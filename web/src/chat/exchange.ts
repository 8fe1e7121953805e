// Conversations as files: JSON that can be imported again, Markdown to read.
import {path, title_of, kDefaultSettings, type Conversation, type Message} from './conversation';

const kFormat = 'hone-conversations';

export function to_json(conversations: Conversation[]): string {
  return JSON.stringify({format: kFormat, version: 1, conversations}, null, 1);
}

function fenced(text: string, language: string): string {
  const longest = Math.max(2, ...[...text.matchAll(/`+/g)].map(run => run[0].length));
  const fence = '`'.repeat(longest + 1);
  return `${fence}${language}\n${text}\n${fence}`;
}

function message_text(message: Message): string {
  const parts = [];
  if (message.reasoning) parts.push(`> ${message.reasoning.trim().replace(/\n/g, '\n> ')}`);
  if (message.content) parts.push(message.content.trim());
  for (const call of message.calls ?? []) parts.push(`Calls \`${call.name}\`:`, fenced(call.arguments, 'json'));
  return parts.join('\n\n');
}

/** The branch that is shown. */
export function to_markdown(conversation: Conversation): string {
  const names = {user: 'You', assistant: 'Model', tool: 'Tool'};
  const parts = [`# ${title_of(conversation)}`];
  if (conversation.settings.system.trim()) parts.push('## System', conversation.settings.system.trim());
  for (const message of path(conversation)) {
    const name = message.role === 'assistant' && message.model ? message.model : names[message.role];
    parts.push(`## ${name}`, message.role === 'tool' ? fenced(message.content, '') : message_text(message));
  }
  return parts.join('\n\n') + '\n';
}

function is_message(value: unknown): value is Message {
  const message = value as Message | null;
  return typeof message === 'object' && message !== null && typeof message.id === 'string' &&
    typeof message.parent === 'string' && typeof message.content === 'string' && typeof message.created === 'number' &&
    ['user', 'assistant', 'tool'].includes(message.role);
}

function read_conversation(value: unknown): Conversation {
  const given = value as Conversation | null;
  const messages = given && typeof given === 'object' ? given.messages : null;
  if (!given || typeof given.id !== 'string' || !messages || !Object.values(messages).every(is_message)) {
    throw new Error('A conversation in this file is damaged.');
  }
  return {
    id: given.id,
    title: String(given.title ?? ''),
    created: Number(given.created) || Date.now(),
    changed: Number(given.changed) || Date.now(),
    messages,
    chosen: {...given.chosen},
    settings: {...kDefaultSettings, ...given.settings, sampling: {...kDefaultSettings.sampling, ...given.settings?.sampling}},
  };
}

/** Throws an Error that says why the file cannot be read. */
export function from_json(text: string): Conversation[] {
  let given: {format?: string; conversations?: unknown[]};
  try {
    given = JSON.parse(text) as typeof given;
  } catch {
    throw new Error('This file is not JSON.');
  }
  if (given?.format !== kFormat || !Array.isArray(given.conversations)) {
    throw new Error('This file was not exported from here.');
  }
  return given.conversations.map(read_conversation);
}

/** A name that file systems take. */
export function file_name(conversation: Conversation, ending: string): string {
  return `${title_of(conversation).replace(/[^\p{L}\p{N}]+/gu, '-').replace(/^-|-$/g, '').toLowerCase() || 'conversation'}.${ending}`;
}
