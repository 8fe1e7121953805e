// Colours for code in the languages that people ask about most.
import hljs from 'highlight.js/lib/highlight';
import bash from 'highlight.js/lib/languages/bash';
import cpp from 'highlight.js/lib/languages/cpp';
import css from 'highlight.js/lib/languages/css';
import diff from 'highlight.js/lib/languages/diff';
import go from 'highlight.js/lib/languages/go';
import ini from 'highlight.js/lib/languages/ini';
import java from 'highlight.js/lib/languages/java';
import javascript from 'highlight.js/lib/languages/javascript';
import json from 'highlight.js/lib/languages/json';
import python from 'highlight.js/lib/languages/python';
import rust from 'highlight.js/lib/languages/rust';
import shell from 'highlight.js/lib/languages/shell';
import sql from 'highlight.js/lib/languages/sql';
import typescript from 'highlight.js/lib/languages/typescript';
import xml from 'highlight.js/lib/languages/xml';
import yaml from 'highlight.js/lib/languages/yaml';

const kLanguages = {bash, cpp, css, diff, go, ini, java, javascript, json, python, rust, shell, sql, typescript, xml, yaml};
const kMostCharacters = 40_000;

hljs.configure({hideUpgradeWarningAcceptNoSupportOrSecurityUpdates: true});  // Debian maintains this version
for (const [name, language] of Object.entries(kLanguages)) hljs.registerLanguage(name, language);

/** Markup of the code, which the caller sanitises; null where it stays plain text. */
export function highlighted(code: string, language: string): string | null {
  if (!language || code.length > kMostCharacters || !hljs.getLanguage(language)) return null;
  return hljs.highlight(language, code, true).value;
}
