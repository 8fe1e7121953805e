// Requests to the server that the page came from. A key, if the server wants one, is kept in this browser.
import {browser_shelf} from '../page/shelf';
import {Signal} from '../page/signal';
import {failure_of, RequestFailed} from './failure';

const kKey = 'hone.api_key';

/** Whether the server was reachable at the last request. */
export const reachable = new Signal<boolean>();
/** The server wants a key, or another one. */
export const key_wanted = new Signal<void>();
export const key_changed = new Signal<void>();

export function api_key(): string {
  return browser_shelf.get(kKey);
}

export function set_api_key(key: string): void {
  browser_shelf.set(kKey, key);
  key_changed.emit();
}

function is_abort(problem: unknown): boolean {
  return problem instanceof DOMException && problem.name === 'AbortError';
}

/** An answer that is 2xx; everything else is a RequestFailed, but for an abort of the caller's. */
export async function request(path: string, options: RequestInit = {}): Promise<Response> {
  const headers = new Headers(options.headers);
  if (api_key()) headers.set('Authorization', `Bearer ${api_key()}`);
  if (options.body) headers.set('Content-Type', 'application/json');
  let response: Response;
  try {
    response = await fetch(path, {...options, headers, cache: 'no-store', redirect: 'error'});
  } catch (problem) {
    if (is_abort(problem)) throw problem;
    reachable.emit(false);
    throw new RequestFailed({kind: 'offline', message: 'The server does not answer.'});
  }
  reachable.emit(true);
  if (response.ok) return response;
  const failure = await failure_of(response);
  if (failure.kind === 'unauthorized') key_wanted.emit();
  throw new RequestFailed(failure);
}

export async function get_json<T>(path: string, options: RequestInit = {}): Promise<T> {
  const response = await request(path, options);
  try {
    return await response.json() as T;
  } catch (problem) {
    if (is_abort(problem)) throw problem;
    throw new RequestFailed({kind: 'cut', message: `What the server answers to ${path} cannot be read.`});
  }
}
