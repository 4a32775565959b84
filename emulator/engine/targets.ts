import type { Form } from '../x86/forms';

/** Jumps lead through tables most often: to try one target first would only take time. */
const INDIRECT: ReadonlySet<string> = new Set(['calli', 'ret']);

/** Whether an instruction's record tells where it led the last time: compiled code tries that first. */
export const remembersTarget = ({ definition, operands }: Form): boolean => INDIRECT.has(definition.name) && operands.every(({ kind }) => kind !== 'immediate');
