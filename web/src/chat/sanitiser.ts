// What may get into the page of markup that was made of a model's words: a few elements, and links to http, https and mailto.
import DOMPurify from 'dompurify';
import {el} from '../page/dom';

const kTags = ['a', 'blockquote', 'br', 'code', 'del', 'em', 'h1', 'h2', 'h3', 'h4', 'h5', 'h6', 'hr', 'li', 'ol', 'p', 'pre', 'span',
               'strong', 'table', 'tbody', 'td', 'th', 'thead', 'tr', 'ul', 'input'];
const kAttributes = ['href', 'title', 'align', 'start', 'class', 'type', 'checked', 'disabled'];

export function sanitised(html: string): DocumentFragment {
  const fragment = DOMPurify.sanitize(html, {
    ALLOWED_TAGS: kTags, ALLOWED_ATTR: kAttributes, ALLOW_DATA_ATTR: false, ALLOW_ARIA_ATTR: false,
    ALLOWED_URI_REGEXP: /^(?:https?|mailto):/i, RETURN_DOM_FRAGMENT: true,
  });
  for (const link of fragment.querySelectorAll('a')) {
    link.target = '_blank';
    link.rel = 'noopener noreferrer nofollow';
  }
  for (const table of fragment.querySelectorAll('table')) {
    const frame = el('div', {class: 'table-frame', tabindex: 0, role: 'region', 'aria-label': 'Table'});
    table.replaceWith(frame);
    frame.append(table);
  }
  return fragment;
}
