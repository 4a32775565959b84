import { instructions } from '../x86/isa';

/** Host functions get numbers in order of the definitions; generated code and decoder agree on them. */
const NAMES: readonly string[] = [...new Set(instructions.map((d) => d.name))];
const NUMBERS = new Map(NAMES.map((name, index) => [name, index]));

export const hostNumber = (name: string): number => {
  const number = NUMBERS.get(name);
  if (number === undefined) throw new ReferenceError(`no instruction '${name}'`);
  return number;
};
/** How many there are: numbers are below it. */
export const hostCount = NAMES.length;
export const hostName = (number: number): string => NAMES[number]!;
