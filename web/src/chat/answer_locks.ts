// Which answers are on their way, in any tab: the page that writes one holds a lock of the browser, which ends with it or with the page.
// Browsers have such locks on secure origins; elsewhere an answer of another tab seems to be nobody's.
import type {Message} from './conversation';

function name_of(message: Message): string {
  return `hone.answer ${message.id}`;
}

/** Until the returned function is called. */
export function hold_answer(message: Message): () => void {
  let let_go: () => void = () => undefined;
  const held = new Promise<void>(resolve => (let_go = resolve));
  navigator.locks?.request(name_of(message), () => held).catch(() => undefined);
  return let_go;
}

/** Fulfilled when no page writes it, perhaps at once. */
export async function when_nobody_answers(message: Message): Promise<void> {
  await navigator.locks?.request(name_of(message), {mode: 'shared'}, () => undefined).catch(() => undefined);
}
