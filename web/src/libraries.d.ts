// Debian's highlight.js comes with types for the whole library only.
declare module 'highlight.js/lib/highlight' {
  const hljs: {
    registerLanguage(name: string, language: unknown): void;
    configure(options: Record<string, unknown>): void;
    getLanguage(name: string): unknown;
    highlight(name: string, code: string, ignore_illegals: boolean): {value: string};
  };
  export default hljs;
}
declare module 'highlight.js/lib/languages/*' {
  const language: unknown;
  export default language;
}
