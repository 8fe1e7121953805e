// Which answers are on their way, in any tab: the page that writes one holds a lock of the browser, which ends with it or with the page.
// Browsers have such locks on secure origins only (https, or this machine).
import type {Message} from './conversation';

function name_of(message: Message): string {
  return `hone.answer ${message.id}`;
}

export function tells_who_answers(): boolean {
  return navigator.locks !== undefined;
}

/** Until the returned function is called. */
export function hold_answer(message: Message): () => void {
  let let_go: () => void = () => undefined;
  const held = new Promise<void>(resolve => (let_go = resolve));
  navigator.locks?.request(name_of(message), () => held).catch(() => undefined);
  return let_go;
}

/** Fulfilled when no page writes it, perhaps at once; always at once where nothing tells. */
export async function when_nobody_answers(message: Message): Promise<void> {
  await navigator.locks?.request(name_of(message), {mode: 'shared'}, () => undefined).catch(() => undefined);
}
