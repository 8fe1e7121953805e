// Asks for the API key when the server wants one.
import {api_key, key_wanted, set_api_key} from '../api/http';
import {el, text_button} from './dom';

export function begin_key_dialog(): void {
  // A key travels in a header, which has no room for other characters.
  const field = el('input', {type: 'password', class: 'field', autocomplete: 'off', 'aria-label': 'API key', pattern: '\\s*[\\x21-\\x7e]*\\s*',
                             title: 'Letters, digits and signs of ASCII, without spaces'});
  const dialog: HTMLDialogElement = el('dialog', {class: 'dialog key-dialog', 'aria-label': 'API key'},
    el('form', {method: 'dialog', onsubmit: () => set_api_key(field.value.trim())},
       el('h2', {}, 'API key'), el('p', {}, 'This server was started with --api-key. The key is kept in this browser.'), field,
       el('div', {class: 'actions'}, text_button('Cancel', () => dialog.close()),
          el('button', {type: 'submit', class: 'button primary'}, 'Use this key'))));
  key_wanted.on(() => {
    if (!dialog.isConnected) document.body.append(dialog);
    if (dialog.open) return;
    field.value = api_key();
    dialog.showModal();
    field.select();
  });
}
