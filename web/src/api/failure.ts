// What can go wrong between page and server, as the page shows it.

export type FailureKind =
  | 'offline'       // no answer at all
  | 'cut'           // the answer ended in its middle
  | 'unauthorized'  // 401
  | 'busy'          // 429, and 503 with Retry-After
  | 'context'       // the conversation is longer than the model reads
  | 'unsent'        // the page could not make the request of it
  | 'refused'       // other 4xx
  | 'server';       // 5xx

export interface Failure {
  kind: FailureKind;
  message: string;
  retry_at?: number;  // ms since 1970: when the server has room again, as it says
}

export class RequestFailed extends Error {
  constructor(readonly failure: Failure) {
    super(failure.message);
  }
}

interface ErrorBody {
  error?: {message?: string; code?: string | null};
}

function kind_of(status: number, code: string | null | undefined, retry_after: number): FailureKind {
  if (status === 401) return 'unauthorized';
  if (status === 429 || (status === 503 && retry_after > 0)) return 'busy';
  if (code === 'context_length_exceeded') return 'context';
  return status >= 500 ? 'server' : 'refused';
}

/** Of an answer that is not 2xx, with the server's own words. */
export async function failure_of(response: Response): Promise<Failure> {
  const text = await response.text().catch(() => '');
  const retry_after = Number(response.headers.get('Retry-After')) || 0;
  let body: ErrorBody = {};
  try {
    body = JSON.parse(text) as ErrorBody;
  } catch {
    // Not ours: something between page and server answered.
  }
  return {
    kind: kind_of(response.status, body.error?.code, retry_after),
    message: body.error?.message ?? `The server answered with status ${response.status}.`,
    ...(retry_after > 0 ? {retry_at: Date.now() + 1000 * retry_after} : {}),
  };
}

/** Of an event inside a stream that had begun. */
export function failure_in_stream(body: ErrorBody): Failure {
  return {kind: kind_of(500, body.error?.code, 0), message: body.error?.message ?? 'The server ended the answer.'};
}
