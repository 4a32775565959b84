/** Completion in the Debug Console: commands, then what they take, registers and symbols. */
import type { DebugProtocol } from '@vscode/debugprotocol';
import { REGISTER_PARTS } from '../inspect/expression/registers';
import { TYPES } from '../inspect/expression/syntax';
import type { Debuggee } from '../session/debuggee';
import { COMMANDS, findCommand } from './run';

const MOST = 200;
/** Symbols are many: they are offered from this many characters on. */
const SYMBOLS_FROM = 2;

/** `text` up to the cursor; `first` is the number of the first column. */
export function complete(debuggee: Debuggee, text: string, first: 0 | 1): DebugProtocol.CompletionItem[] {
  const word = /[\w.#@]*$/.exec(text)![0];
  const from = text.length - word.length;
  const lower = word.toLowerCase();
  const items: DebugProtocol.CompletionItem[] = [];
  const add = (label: string, type: DebugProtocol.CompletionItemType, start: number, detail?: string): void => {
    items.push({ label, type, start: start + first, length: text.length - start, ...(detail !== undefined && { detail }) });
  };

  const begun = text.trimStart();
  const margin = text.length - begun.length;
  for (const { name, about } of COMMANDS) {
    if (name.startsWith(begun) && name !== '>') add(name, 'keyword', margin, about);
  }
  const found = findCommand(begun);
  for (const each of found?.command.words ?? []) if (each.toLowerCase().startsWith(lower)) add(each, 'value', from);
  // A command's own name is no place for a register.
  const dollar = text[from - 1] === '$';
  for (const name of [...debuggee.registerList, ...REGISTER_PARTS.keys()]) if (name.startsWith(lower) && lower !== '') add(name, 'variable', from, 'register');
  if (!dollar) {
    for (const name of Object.keys(TYPES)) if (name.startsWith(word) && word !== '') add(name, 'class', from, 'type');
    if (word.length >= SYMBOLS_FROM) {
      for (const symbol of debuggee.symbols.index.complete(word, 50)) {
        add(symbol.name, symbol.kind === 'function' ? 'function' : 'reference', from, `0x${symbol.address.toString(16)}`);
      }
    }
  }
  return items.slice(0, MOST);
}
