// Conversations as files: JSON that can be imported again, Markdown to read.
import {path, title_of, type Conversation, type Message} from './conversation';
import {read_conversation} from './reading';

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

export interface Imported {
  conversations: Conversation[];
  problem: string;  // what was left out, and why; '' if nothing was
}

/** What can be read of a file. Throws an Error that says why nothing can. */
export function from_json(text: string): Imported {
  let given: {format?: string; conversations?: unknown[]};
  try {
    given = JSON.parse(text) as typeof given;
  } catch {
    throw new Error('This file is not JSON, or not all of it is there. Choose a file that "Export" has made.');
  }
  if (given?.format !== kFormat || !Array.isArray(given.conversations)) {
    throw new Error('This file was not exported from here. Choose a file that "Export" has made.');
  }
  const conversations: Conversation[] = [];
  const problems: string[] = [];
  given.conversations.forEach((one, i) => {
    try {
      conversations.push(read_conversation(one));
    } catch (problem) {
      problems.push(`Conversation ${i + 1} of ${given.conversations!.length} is left out: ${(problem as Error).message}.`);
    }
  });
  if (!conversations.length && problems.length) throw new Error(`Nothing was imported. ${problems[0]}`);
  return {conversations, problem: problems.slice(0, 3).join(' ') + (problems.length > 3 ? ` So are ${problems.length - 3} more.` : '')};
}

/** A name that file systems take. */
export function file_name(conversation: Conversation, ending: string): string {
  return `${title_of(conversation).replace(/[^\p{L}\p{N}]+/gu, '-').replace(/^-|-$/g, '').toLowerCase() || 'conversation'}.${ending}`;
}
