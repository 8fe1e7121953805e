// Server-sent events of a fetch, which unlike EventSource sends a key and does not reconnect behind our back.
import {RequestFailed} from './failure';
import {reachable} from './http';

const kSilenceMs = 40_000;  // the server lets no 15 seconds pass without a comment

export interface ServerEvent {
  event: string;  // "message" unless named
  data: string;
}

function parse_event(block: string): ServerEvent | null {
  let event = 'message';
  const data: string[] = [];
  for (const line of block.split('\n')) {
    if (line.startsWith('data:')) data.push(line.slice(line[5] === ' ' ? 6 : 5));
    else if (line.startsWith('event:')) event = line.slice(6).trim();
  }
  return data.length ? {event, data: data.join('\n')} : null;
}

/**
 * The events until the server closes. A connection that breaks is a RequestFailed of kind "cut", and so is one on which nothing comes for
 * `silence_ms`: that of a machine that slept, or lost its network, does not break by itself.
 */
export async function* read_events(response: Response, silence_ms = kSilenceMs): AsyncGenerator<ServerEvent> {
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '', is_silent = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const give_up = (): void => {
    is_silent = true;
    reader.cancel().catch(() => undefined);
  };
  try {
    for (;;) {
      timer = setTimeout(give_up, silence_ms);
      const {done, value} = await reader.read();
      clearTimeout(timer);
      if (is_silent) throw new RequestFailed({kind: 'cut', message: 'Nothing comes from the server any more.'});
      if (done) return;
      const blocks = (rest + value).replace(/\r\n/g, '\n').split('\n\n');
      rest = blocks.pop()!;
      for (const block of blocks) {
        const event = parse_event(block);
        if (event) yield event;
      }
    }
  } catch (problem) {
    if (problem instanceof DOMException && problem.name === 'AbortError') throw problem;
    if (!(problem instanceof TypeError)) throw problem;
    reachable.emit(false);
    throw new RequestFailed({kind: 'cut', message: 'The connection to the server broke.'});
  } finally {
    clearTimeout(timer);
    reader.cancel().catch(() => undefined);
  }
}
