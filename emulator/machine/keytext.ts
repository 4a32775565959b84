/**
 * Keys written as text: characters are typed on a US keyboard, `<enter>` or `<f2>` is a key by its name or by its
 * KeyboardEvent.code, `<ctrl-alt-del>` keys that are held together, `<2s>` or `<500ms>` a pause; `<lt>` is the character `<`.
 */
import { KEYS } from '../devices/scancodes';
import { keysOf } from '../display/keysym';
import { userError } from '../errors';

/** Keys that go down in this order and up in the other, or nanoseconds in which nothing is typed. */
export type KeyStep = { readonly kind: 'keys'; readonly codes: readonly string[] } | { readonly kind: 'pause'; readonly time: number };

// prettier-ignore
const NAMES = new Map(Object.entries({
  enter: 'Enter', return: 'Enter', esc: 'Escape', tab: 'Tab', space: 'Space', bs: 'Backspace', del: 'Delete', ins: 'Insert',
  up: 'ArrowUp', down: 'ArrowDown', left: 'ArrowLeft', right: 'ArrowRight', pgup: 'PageUp', pgdn: 'PageDown',
  ctrl: 'ControlLeft', control: 'ControlLeft', shift: 'ShiftLeft', alt: 'AltLeft', altgr: 'AltRight', meta: 'MetaLeft', super: 'MetaLeft', win: 'MetaLeft',
  menu: 'ContextMenu', print: 'PrintScreen', sysrq: 'PrintScreen', minus: 'Minus',
}));
const CODES = new Map(Object.keys(KEYS).map((code) => [code.toLowerCase(), code]));
const UNITS = { ms: 1e6, s: 1e9 } as const;
/** Longest pause, seconds. */
const LONGEST = 3600;

/** A key by its name or its KeyboardEvent.code. */
export const keyNamed = (name: string): string | undefined => NAMES.get(name.toLowerCase()) ?? CODES.get(name.toLowerCase());

/** `what` names the option that the text is of. */
export function parseKeys(what: string, text: string): readonly KeyStep[] {
  const wrong = (problem: string): never => {
    throw userError('keys', `${what} '${text}': ${problem}`);
  };
  const typing = (character: string): readonly string[] => keysOf(character) ?? wrong(`there is no key for '${character}'`);
  const named = (name: string): readonly string[] => {
    const lower = name.toLowerCase();
    const code = keyNamed(name);
    return code !== undefined ? [code] : name.length === 1 ? typing(lower) : wrong(`there is no key <${name}>; write <lt> for the character <`);
  };
  const bracketed = (inside: string): KeyStep => {
    const pause = /^(\d+(?:\.\d+)?)(ms|s)$/.exec(inside);
    if (!pause) return { kind: 'keys', codes: inside === 'lt' || inside === 'gt' ? typing(inside === 'lt' ? '<' : '>') : inside.split('-').flatMap(named) };
    const time = Number(pause[1]) * UNITS[pause[2] as 'ms' | 's'];
    return time <= LONGEST * UNITS.s ? { kind: 'pause', time } : wrong(`<${inside}> is longer than an hour`);
  };
  const steps: KeyStep[] = [];
  for (let at = 0; at < text.length; at++) {
    if (text[at] !== '<') {
      steps.push({ kind: 'keys', codes: typing(text[at]!) });
      continue;
    }
    const end = text.indexOf('>', at);
    if (end < 0) return wrong('a < has no >; write <lt> for the character <');
    steps.push(bracketed(text.slice(at + 1, end)));
    at = end;
  }
  return steps;
}
