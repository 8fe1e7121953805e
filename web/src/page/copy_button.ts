// A button that copies a text and says whether it did.
import {copy_text, icon_button} from './dom';
import {icon, type IconName} from './icons';

const kSaysMs = 1500;

export function copy_button(label: string, text: () => string): HTMLButtonElement {
  const show = (name: IconName, says: string): void => {
    button.replaceChildren(icon(name));
    button.title = says;
    button.setAttribute('aria-label', says);
  };
  const button: HTMLButtonElement = icon_button(icon('copy'), label, async () => {
    if (await copy_text(text())) show('check', 'Copied');
    else show('warning', 'The browser does not let this page copy');
    setTimeout(() => show('copy', label), kSaysMs);
  });
  return button;
}
