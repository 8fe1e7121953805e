// /v1/chat/completions as a stream of pieces.
import {failure_in_stream, RequestFailed} from './failure';
import {read_events} from './event_stream';
import {request} from './http';

export interface ToolCall {
  id: string;
  name: string;
  arguments: string;  // JSON text, as the model wrote it
}

/** A token that was sampled, with its log-probability and the likeliest tokens at its place. */
export interface Token {
  text: string;
  logprob: number;
  top: [string, number][];
}

export interface Usage {
  prompt_tokens: number;
  completion_tokens: number;
  cached_tokens: number;
}

export type RequestMessage =
  | {role: 'system' | 'user'; content: string}
  | {role: 'assistant'; content: string | null; reasoning_content?: string; tool_calls?: object[]}
  | {role: 'tool'; tool_call_id: string; content: string};

export type ChatRequest = {model?: string; messages: RequestMessage[]} & Record<string, unknown>;

/** What one event adds to the answer. */
export interface AnswerPiece {
  content: string;
  reasoning: string;
  calls: {index: number; id?: string; name?: string; arguments: string}[];
  tokens: Token[];
  finish?: string;
  usage?: Usage;
  seed?: number;
  model?: string;
}

interface ChunkToken {
  token: string;
  logprob: number;
  bytes: number[] | null;
  top_logprobs: ChunkToken[];
}

interface Chunk {
  error?: {message?: string; code?: string};
  choices?: {
    delta: {
      content?: string;
      reasoning_content?: string;
      tool_calls?: {index: number; id?: string; function: {name?: string; arguments?: string}}[];
    };
    logprobs?: {content: ChunkToken[]} | null;
    finish_reason: string | null;
  }[];
  usage?: {prompt_tokens: number; completion_tokens: number; prompt_tokens_details?: {cached_tokens: number}} | null;
  model?: string;
  hone?: {seed?: number};
}

/** A token that is a part of a character has no text of its own: its bytes in hexadecimal. */
function token_text(token: ChunkToken): string {
  if (!token.bytes || !token.token.includes('\ufffd')) return token.token;
  return `⟨${token.bytes.map(byte => byte.toString(16).padStart(2, '0').toUpperCase()).join(' ')}⟩`;
}

function read_token(token: ChunkToken): Token {
  return {text: token_text(token), logprob: token.logprob,
          top: token.top_logprobs.map(other => [token_text(other), other.logprob])};
}

function read_chunk(chunk: Chunk): AnswerPiece {
  const choice = chunk.choices?.[0];
  const piece: AnswerPiece = {
    content: choice?.delta.content ?? '',
    reasoning: choice?.delta.reasoning_content ?? '',
    calls: (choice?.delta.tool_calls ?? []).map(call => ({
      index: call.index, id: call.id, name: call.function.name, arguments: call.function.arguments ?? '',
    })),
    tokens: (choice?.logprobs?.content ?? []).map(read_token),
  };
  if (choice?.finish_reason) piece.finish = choice.finish_reason;
  if (chunk.usage) {
    piece.usage = {
      prompt_tokens: chunk.usage.prompt_tokens,
      completion_tokens: chunk.usage.completion_tokens,
      cached_tokens: chunk.usage.prompt_tokens_details?.cached_tokens ?? 0,
    };
  }
  if (chunk.hone?.seed !== undefined) piece.seed = chunk.hone.seed;
  if (chunk.model) piece.model = chunk.model;
  return piece;
}

/** The pieces of one answer; every failure, also one in the middle, is a RequestFailed. */
export async function* stream_chat(body: ChatRequest, signal: AbortSignal): AsyncGenerator<AnswerPiece> {
  const response = await request('/v1/chat/completions', {
    method: 'POST', signal, body: JSON.stringify({...body, stream: true, stream_options: {include_usage: true}}),
  });
  for await (const event of read_events(response)) {
    if (event.data === '[DONE]') return;
    const chunk = JSON.parse(event.data) as Chunk;
    if (chunk.error) throw new RequestFailed(failure_in_stream(chunk));
    yield read_chunk(chunk);
  }
  throw new RequestFailed({kind: 'cut', message: 'The answer ended before it was whole.'});
}
