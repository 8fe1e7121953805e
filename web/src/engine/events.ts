// What /v1/hone/events tells: steps of the scheduler and its counts, about ten times a second.
import {read_events} from '../api/event_stream';
import {request} from '../api/http';

export interface Hello {
  version: string;
  model: string;
  layers: number;
  threads: number;
  pages: number;
  page_tokens: number;
  policy: string;
}

/** A sequence's part of a step: `tokens` from position `first` on, through the layers [begin, end). */
export interface SequenceWork {
  id: number;
  kind: 'decode' | 'prefill';
  tokens: number;
  first: number;
  layers: [number, number];
  emits: boolean;
}

export interface Step {
  t_ms: number;  // of the server's clock
  ms: number;
  sequences: SequenceWork[];
  training_ms: number;  // of the turn that training had behind the step
}

export interface Report {
  now_ms: number;
  steps: Step[];
  dropped: number;
  streams: number;
  waiting: number;
  pages_used: number;
  prefix_hit_tokens: number;
  tokens_per_second: number;
  prompt_tokens_per_second: number;
  gap_p50_ms: number | null;  // null: no stream gave two tokens lately
  gap_p99_ms: number | null;
  gap_target_ms: number | null;  // null: none, or not known yet
}

export interface EngineListener {
  hello: (hello: Hello) => void;
  report: (report: Report) => void;
}

/** When a step and what came behind it were over. */
export function end_of(step: Step): number {
  return step.t_ms + step.ms + step.training_ms;
}

/** Until the server ends the stream (returns) or `signal` does; failures are RequestFailed. */
export async function watch_engine(listener: EngineListener, signal: AbortSignal): Promise<void> {
  for await (const event of read_events(await request('/v1/hone/events', {signal}))) {
    if (event.event === 'hello') listener.hello(JSON.parse(event.data) as Hello);
    else if (event.event === 'steps') listener.report(JSON.parse(event.data) as Report);
  }
}
