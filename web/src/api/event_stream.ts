// Server-sent events of a fetch, which unlike EventSource sends a key and does not reconnect behind our back.
import {RequestFailed} from './failure';
import {reachable} from './http';

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

/** The events until the server closes; a connection that breaks is a RequestFailed of kind "cut". */
export async function* read_events(response: Response): AsyncGenerator<ServerEvent> {
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  try {
    for (;;) {
      const {done, value} = await reader.read();
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
    reader.cancel().catch(() => undefined);
  }
}
