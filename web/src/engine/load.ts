// Some work for the engine to look at: streams that decode, and after a moment a long prompt beside them.
import {read_events} from '../api/event_stream';
import {get_json, request} from '../api/http';
import {base_model} from '../api/models';

const kStreams = 4;
const kStreamTokens = 600;
const kLongPromptTokens = 6000;
const kLongPromptsEveryMs = 4000;
const kLastsMs = 12_000;  // then nothing new begins
const kWords = ['stone', 'edge', 'river', 'steel', 'light', 'oak', 'wheel', 'harbour', 'grain', 'winter', 'signal', 'copper'];

/** Words in an order of their own for every seed, so that no prefix is found in the cache. */
function words(amount: number, seed: number): string {
  let state = seed;
  return Array.from({length: amount}, () => {
    state = (state * 1103515245 + 12345) % 2147483648;
    return kWords[state % kWords.length];
  }).join(' ');
}

async function complete(prompt: string | number[], max_tokens: number, signal: AbortSignal): Promise<void> {
  const body = {model: base_model()?.id, prompt, max_tokens, ignore_eos: true, temperature: 1, stream: true};
  const response = await request('/v1/completions', {method: 'POST', signal, body: JSON.stringify(body)});
  const events = read_events(response);
  while (!(await events.next()).done);
}

async function long_prompt(signal: AbortSignal): Promise<number[]> {
  const limit = base_model()?.max_model_len ?? kLongPromptTokens;
  const wanted = Math.min(kLongPromptTokens, Math.floor(limit * 0.75));
  const text = words(wanted, Date.now() % 100_000);
  const {tokens} = await get_json<{tokens: number[]}>('/tokenize', {method: 'POST', signal, body: JSON.stringify({prompt: text})});
  return tokens.slice(0, wanted);
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener('abort', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}

/** For some seconds, until what began is answered, or until `signal` says stop. Throws a RequestFailed. */
export async function make_load(signal: AbortSignal): Promise<void> {
  const limit = base_model()?.max_model_len ?? 1024;
  const tokens = Math.min(kStreamTokens, Math.floor(limit / 3));
  const end = performance.now() + kLastsMs;
  const goes_on = (): boolean => !signal.aborted && performance.now() < end;
  const streams = Array.from({length: kStreams}, async (_, i) => {
    await pause(i * 150, signal);
    while (goes_on()) await complete(words(24, i + Date.now() % 1000), tokens, signal);
  });
  const long = (async () => {
    await pause(1200, signal);
    while (goes_on()) {
      await complete(await long_prompt(signal), 60, signal);
      await pause(kLongPromptsEveryMs, signal);
    }
  })();
  await Promise.all([...streams, long]);
}
