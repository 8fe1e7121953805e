// One answer on its way: asks the server, adds the pieces to the message, and tells of each change. Ends by itself, by stop(), or with
// a failure that the message keeps beside the text that had come. A message that has text already is continued: what comes is more of it.
import {stream_chat, type AnswerPiece, type ChatRequest} from '../api/chat';
import {RequestFailed, type Failure} from '../api/failure';
import {load_models} from '../api/models';
import type {Conversation, Message} from './conversation';
import {build_request} from './request';

export class Answering {
  #abort = new AbortController();
  #began = performance.now();
  #first_at = 0;  // when the first piece came
  #reasoning_began = 0;
  #spent_ms: number;      // on what is continued
  #spent_tokens: number;
  readonly done: Promise<void>;

  /** `before` are the messages that are answered, `message` an empty answer or one to be continued. */
  constructor(readonly conversation: Conversation, before: Message[], readonly message: Message, private changed: () => void) {
    this.#spent_ms = message.decode_ms ?? 0;
    this.#spent_tokens = message.usage?.completion_tokens ?? message.tokens?.length ?? 0;
    delete message.finish;
    delete message.usage;  // of a part; the tokens tell
    delete message.failure;
    this.done = this.#run(before);
  }

  stop(): void {
    this.#abort.abort();
  }

  async #run(before: Message[]): Promise<void> {
    const {message} = this;
    try {
      for await (const piece of stream_chat(this.#request(before), this.#abort.signal)) {
        this.#add(piece);
        this.changed();
      }
    } catch (problem) {
      if (this.#abort.signal.aborted) message.finish ??= 'stopped';
      else if (problem instanceof RequestFailed) this.#fail(problem.failure);
      else this.#fail({kind: 'cut', message: `What the server sent cannot be read: ${(problem as Error).message}.`});
    }
    this.#end_reasoning();
    this.changed();
  }

  #request(before: Message[]): ChatRequest {
    try {
      return build_request(this.conversation, before, this.message.content ? this.message : undefined);
    } catch (problem) {
      throw new RequestFailed({kind: 'unsent', message: (problem as Error).message});
    }
  }

  #fail(failure: Failure): void {
    this.message.failure = failure;
    if (failure.kind === 'cut') load_models().catch(() => undefined);  // the frame shows whether the server is still there
  }

  #add(piece: AnswerPiece): void {
    const {message} = this;
    const now = performance.now();
    if (piece.content || piece.reasoning || piece.calls.length || piece.tokens.length) {
      this.#first_at ||= now;
      message.first_token_ms ??= now - this.#began;
      message.decode_ms = this.#spent_ms + now - this.#first_at;
    }
    if (piece.reasoning) {
      if (!message.reasoning) this.#reasoning_began = now;
      message.reasoning = (message.reasoning ?? '') + piece.reasoning;
    } else if (piece.content || piece.calls.length) {
      this.#end_reasoning();
    }
    message.content += piece.content;
    for (const call of piece.calls) this.#add_call(call);
    if (piece.tokens.length) (message.tokens ??= []).push(...piece.tokens);
    if (piece.finish) message.finish = piece.finish;
    if (piece.usage) message.usage = {...piece.usage, completion_tokens: this.#spent_tokens + piece.usage.completion_tokens};
    if (piece.model) message.model = piece.model;
    if (piece.seed !== undefined) message.seed = piece.seed;
  }

  #add_call(piece: AnswerPiece['calls'][number]): void {
    const calls = (this.message.calls ??= []);
    const call = (calls[piece.index] ??= {id: '', name: '', arguments: ''});
    if (piece.id) call.id = piece.id;
    if (piece.name) call.name = piece.name;
    call.arguments += piece.arguments;
  }

  #end_reasoning(): void {
    if (this.message.reasoning && this.message.reasoning_ms === undefined) {
      this.message.reasoning_ms = performance.now() - this.#reasoning_began;
    }
  }
}
