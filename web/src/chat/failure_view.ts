// What went wrong with an answer, and the ways on.
import type {Failure, FailureKind} from '../api/failure';
import {key_wanted} from '../api/http';
import {el, text_button} from '../page/dom';
import {icon} from '../page/icons';

const kTitles: Record<FailureKind, string> = {
  offline: 'The server does not answer',
  cut: 'The answer broke off',
  unauthorized: 'The server wants an API key',
  busy: 'The server has no room at the moment',
  context: 'The conversation is too long for this model',
  unsent: 'The request could not be made',
  refused: 'The server refused the request',
  server: 'The server failed',
};

const kAdvice: Partial<Record<FailureKind, string>> = {
  offline: 'Your message is kept. Start the server again (hone serve), then retry.',
  cut: 'What came is kept.',
  context: 'Begin a new conversation, edit an earlier message to be shorter, or lower the most tokens of an answer in the settings.',
  unsent: 'Mend the tools in the settings, then retry.',
  refused: 'Change what it names, in the settings or in the message, then retry.',
};

/** What the user can do about a failure. */
export interface Way {
  label: string;
  run: () => void;
}

/**
 * Where the server said when it has room and `waits`, the first way is gone by itself then; the returned function ends the countdown.
 * What `is_new` is said to screen readers at once.
 */
export function failure_view(failure: Failure, ways: Way[], waits: boolean, is_new: boolean): {element: HTMLElement; end: () => void} {
  const advice = kAdvice[failure.kind];
  let timer: ReturnType<typeof setInterval> | undefined;
  const end = (): void => clearInterval(timer);
  const actions = el('div', {class: 'actions'}, ...ways.map(({label, run}) => text_button(label, () => {
    end();
    run();
  }, {class: 'button retry'})));
  if (failure.kind === 'unauthorized') actions.prepend(text_button('Enter a key', () => key_wanted.emit()));
  // By the clock: timers of a hidden page are slow.
  const seconds_left = (): number => Math.ceil(((failure.retry_at ?? 0) - Date.now()) / 1000);
  if (waits && failure.kind === 'busy' && seconds_left() > 0) {
    const note = el('span', {class: 'quiet countdown', 'aria-live': 'off'}, `Retries in ${seconds_left()} s`);
    const cancel = text_button('Do not retry', () => {
      end();
      note.remove();
      cancel.remove();
      (actions.firstElementChild as HTMLElement).focus();
    });
    actions.append(cancel, note);
    timer = setInterval(() => {
      const left = seconds_left();
      note.textContent = `Retries in ${Math.max(0, left)} s`;
      if (left > 0) return;
      end();
      ways[0].run();
    }, 1000);
  }
  const element = el('div', {class: `failure ${failure.kind}`, role: is_new ? 'alert' : null}, icon('warning'),
                     el('div', {}, el('strong', {}, kTitles[failure.kind]), el('p', {}, failure.message),
                        advice ? el('p', {class: 'quiet'}, advice) : null, actions));
  return {element, end};
}
