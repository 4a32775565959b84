/** What a run waits for and does, step by step, in the order of the command line. */
import { userError } from '../errors';
import type { ScreenCondition } from '../machine/api';
import { parseKeys, type KeyStep } from '../machine/keytext';
import { readPicture } from './png';
import { typed, unescape } from './terminal';

/** How its end shows in the report. */
export type Awaited = 'serial' | 'screen';

export type Step =
  | { readonly kind: 'until'; readonly what: 'serial'; readonly texts: readonly string[] }
  | { readonly kind: 'until'; readonly what: 'screen'; readonly screen: ScreenCondition }
  | { readonly kind: 'serial'; readonly bytes: Uint8Array }
  | { readonly kind: 'keys'; readonly keys: readonly KeyStep[] }
  | { readonly kind: 'click'; readonly x: number; readonly y: number; readonly button: number };

/** Options that are steps. */
export const STEP_OPTIONS = ['--type-after', '--type-serial', '--until-serial', '--until-screen', '--send-keys', '--click'] as const;
export type StepOption = (typeof STEP_OPTIONS)[number];

/** What guests say when they wait for somebody to type. */
const PROMPTS = ['GUEST-USERLAND-READY', 'login: ', '/ # ', '~ # ', ':~# ', ':/# ', ':~$ '];
/** As in MouseEvent.buttons. */
const BUTTONS: Readonly<Record<string, number>> = { left: 1, right: 2, middle: 4 };
const [TOLERANCE, PERCENT] = [16, 1];

type Given = readonly (readonly [StepOption, string])[];

/** A --type-after belongs to the --type-serial that comes next, or to that just before where another option, or none, follows. */
export function stepsOf(given: Given): readonly Step[] {
  return given.flatMap(([option, value], i): readonly Step[] => {
    switch (option) {
      case '--type-after':
        if (given[i + 1]?.[0] === '--type-serial' || given[i - 1]?.[0] === '--type-serial') return [];
        return wrong(option, value, 'there is no --type-serial beside it');
      case '--type-serial':
        return [
          { kind: 'until', what: 'serial', texts: promptOf(given, i) },
          { kind: 'serial', bytes: typed(value) },
        ];
      case '--until-serial':
        return [{ kind: 'until', what: 'serial', texts: [unescape(value)] }];
      case '--until-screen':
        return [{ kind: 'until', what: 'screen', screen: parseScreenCondition(option, value) }];
      case '--send-keys':
        return [{ kind: 'keys', keys: parseKeys(option, value) }];
      case '--click':
        return [parseClick(option, value)];
    }
  });
}

/** What a --type-serial waits for. */
function promptOf(given: Given, at: number): readonly string[] {
  const [before, behind, next] = [given[at - 1], given[at + 1], given[at + 2]];
  if (before?.[0] === '--type-after') return [unescape(before[1])];
  return behind?.[0] === '--type-after' && next?.[0] !== '--type-serial' ? [unescape(behind[1])] : PROMPTS;
}

/** `X,Y`, and perhaps the button. */
function parseClick(what: string, text: string): Step {
  const match = /^(\d{1,5}),(\d{1,5})(?:,(left|right|middle))?$/.exec(text);
  if (!match) throw userError('option', `${what}: '${text}' is no X,Y and no X,Y,left|right|middle`);
  return { kind: 'click', x: Number(match[1]), y: Number(match[2]), button: BUTTONS[match[3] ?? 'left']! };
}

/** A text, or an image: `FILE.png[,x=,y=][,tolerance=][,percent=]`. */
export function parseScreenCondition(what: string, text: string): ScreenCondition {
  const match = /^(.*\.png)((?:,[a-z]+=[\d.]+)*)$/is.exec(text);
  if (!match) return text === '' ? wrong(what, text, 'there is no text to wait for') : { kind: 'text', text: unescape(text) };
  const given: Record<string, number> = { tolerance: TOLERANCE, percent: PERCENT };
  for (const option of match[2]!.split(',').slice(1)) {
    const [name = '', value] = option.split('=');
    if (!['x', 'y', 'tolerance', 'percent'].includes(name)) return wrong(what, text, `'${name}' is none of x, y, tolerance, percent`);
    given[name] = Number(value);
  }
  const { x, y, tolerance, percent } = given;
  if ((x === undefined) !== (y === undefined)) return wrong(what, text, 'x and y belong together');
  if (!Object.values(given).every(Number.isFinite) || percent! >= 100 || tolerance! > 255) {
    return wrong(what, text, 'tolerance is a number to 255, percent one below 100');
  }
  const place = x === undefined ? {} : { at: { x: Math.floor(x), y: Math.floor(y!) } };
  return { kind: 'image', image: readPicture(what, match[1]!), ...place, tolerance: tolerance!, percent: percent! };
}

const wrong = (what: string, text: string, problem: string): never => {
  throw userError('option', `${what} '${text}': ${problem}`);
};
