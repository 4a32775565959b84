/** A case once more, instruction by instruction, where vendors may differ: each starts from what the processor left. */
import { changesOf, differences } from './compare';
import { after, type GeneratedCase } from './generate';
import { DATA, STACK } from './layout';
import { endOf, timedOut, type MemoryPiece, type Oracle, type OracleResult } from './oracle';
import type { Contender } from './subject';
import type { MemoryImage } from './values';
import { isVendorChoice } from './vendors';

/** NT and ID, which no case can start with. */
const NOT_LOADED = 0x204000;
const NOTHING = { rflags: 0, status: 0 };

/**
 * Whether every difference in a case is one that vendors.ts tells of: each instruction alone gives the same on both,
 * or what the table says; and together they give what the processor gave for the whole case.
 */
export async function onlyVendorChoices(one: GeneratedCase, whole: OracleResult, oracle: Oracle, subject: Contender, image: MemoryImage): Promise<boolean> {
  let memory = image;
  try {
    let state = one;
    let offset = 0;
    let lost = 0;
    for (const instruction of one.instructions) {
      const { bytes, verdict } = instruction;
      const step: GeneratedCase = {
        ...{ ...state, code: bytes, codeOffset: one.codeOffset + offset },
        ...{ instructions: [{ ...instruction, undefinedBefore: NOTHING }], undefinedAfter: after(NOTHING, verdict) },
      };
      oracle.setMemory(memory.data, memory.stack);
      subject.setMemory(memory.data, memory.stack);
      const [native] = await oracle.run([step]);
      if (!native || timedOut(native)) return false;
      const ours = subject.run(step);
      const agrees = (expected: OracleResult): boolean => differences(step, native, expected).length === 0;
      if (!agrees(ours) && !isVendorChoice({ one: step, image: memory, run: (other) => subject.run(other) }, ours, agrees)) return false;
      memory = applied(memory, native.changes);
      offset += bytes.length;
      const goesOn = native.trap === 3 && native.rip === endOf(step) && offset < one.code.length;
      if (native.rflags & NOT_LOADED) lost = NOT_LOADED;
      if (!goesOn) {
        const last = { ...one, instructions: [], undefinedAfter: { ...NOTHING, rflags: lost } };
        return differences(last, whole, withChanges(native, between(image, memory))).length === 0;
      }
      state = { ...state, registers: native.registers, rflags: native.rflags & ~NOT_LOADED, fx: native.fx };
    }
    return false;
  } finally {
    oracle.setMemory(image.data, image.stack);
    subject.setMemory(image.data, image.stack);
  }
}

function withChanges(result: OracleResult, changes: readonly MemoryPiece[]): OracleResult {
  const { signal, trap, errorCode, cr2, rip, rflags, registers, selectors, fx } = result;
  return { signal, trap, errorCode, cr2, rip, rflags, registers, selectors, fx, changes };
}

function applied({ data, stack }: MemoryImage, changes: readonly MemoryPiece[]): MemoryImage {
  const next = { data: data.slice(), stack: stack.slice() };
  for (const { address, bytes } of changes) {
    if (address >= STACK) next.stack.set(bytes, address - STACK);
    else next.data.set(bytes, address - DATA);
  }
  return next;
}

const between = (before: MemoryImage, now: MemoryImage): MemoryPiece[] => [
  ...changesOf(DATA, before.data, now.data),
  ...changesOf(STACK, before.stack, now.stack),
];
