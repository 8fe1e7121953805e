// What stands below an answer: the model, how many tokens, how fast, how it ended.
import {duration, plural, rate} from '../page/numbers';
import type {Message} from './conversation';

// Shorter answers come in a burst or two: what the browser measured between them is no rate.
const kMeasurableMs = 100;

export function message_facts(message: Message): string {
  const out = [];
  if (message.model) out.push(message.model);
  const tokens = message.usage?.completion_tokens ?? message.tokens?.length;
  if (tokens) out.push(plural(tokens, 'token'));
  if (tokens && tokens > 1 && message.decode_ms && message.decode_ms >= kMeasurableMs)
    out.push(`${rate((tokens - 1) / message.decode_ms * 1000)} tokens/s`);
  if (message.first_token_ms !== undefined) out.push(`first after ${duration(message.first_token_ms)}`);
  if (message.finish === 'length') out.push('cut at the most tokens');
  if (message.finish === 'stopped') out.push('stopped');
  return out.join(' · ');
}
