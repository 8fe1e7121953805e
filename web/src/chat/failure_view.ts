// What went wrong with an answer, and the way on.
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
  refused: 'The server refused the request',
  server: 'The server failed',
};

const kAdvice: Partial<Record<FailureKind, string>> = {
  offline: 'Your message is kept. Start the server again (hone serve), then retry.',
  cut: 'What came is kept.',
  context: 'Begin a new conversation, edit an earlier message to be shorter, or lower the most tokens of an answer in the settings.',
};

/** `retry` asks again; where the server said when, it is called by itself. The returned function ends the countdown. */
export function failure_view(failure: Failure, retry: () => void): {element: HTMLElement; end: () => void} {
  const advice = kAdvice[failure.kind];
  const button = text_button('Retry', () => {
    end();
    retry();
  }, {class: 'button retry'});
  const actions = el('div', {class: 'actions'}, button);
  if (failure.kind === 'unauthorized') actions.prepend(text_button('Enter a key', () => key_wanted.emit()));
  let timer: ReturnType<typeof setInterval> | undefined;
  const end = (): void => clearInterval(timer);
  if (failure.kind === 'busy' && failure.retry_after) {
    let left = Math.ceil(failure.retry_after);
    const note = el('span', {class: 'quiet countdown'}, `Retries in ${left} s`);
    const cancel = text_button('Do not retry', () => {
      end();
      note.remove();
      cancel.remove();
    });
    actions.append(cancel, note);
    timer = setInterval(() => {
      left -= 1;
      note.textContent = `Retries in ${left} s`;
      if (left > 0) return;
      end();
      retry();
    }, 1000);
  }
  const element = el('div', {class: `failure ${failure.kind}`, role: 'alert'}, icon('warning'),
                     el('div', {}, el('strong', {}, kTitles[failure.kind]), el('p', {}, failure.message),
                        advice ? el('p', {class: 'quiet'}, advice) : null, actions));
  return {element, end};
}
