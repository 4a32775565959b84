import { IOPL, OF as OVERFLOW } from '../flags';
import type { SystemContext } from './context';
import { deliver, withTaskFaults } from './deliver';
import { BP, DB, generalProtection, OF, undefinedOpcode } from './exceptions';
import type { SystemFunction } from './instruction';

/** A software interrupt: delivered with the address after the instruction. */
function software(ctx: SystemContext, vector: number): void {
  withTaskFaults(ctx, () => deliver(ctx, { vector, kind: 'software' }));
}

const int: SystemFunction = (ctx, insn) => {
  // Without VME, virtual-8086 mode wants IOPL 3 (SDM vol. 3, 20.3.3).
  if (ctx.vcpu.v86 && (ctx.vcpu.systemFlags & IOPL) !== IOPL) throw generalProtection();
  software(ctx, Number(insn.immediate & 0xffn));
};

const int3: SystemFunction = (ctx) => software(ctx, BP);

const into: SystemFunction = (ctx) => {
  if (ctx.vcpu.rflags & OVERFLOW) software(ctx, OF);
};

/** INT1 is a trap that no privilege check stops. */
const int1: SystemFunction = (ctx) => withTaskFaults(ctx, () => deliver(ctx, { vector: DB, kind: 'exception' }));

const undefinedInstruction: SystemFunction = () => {
  throw undefinedOpcode();
};

export const interruptInstructions: Readonly<Record<string, SystemFunction>> = { int, int3, int1, into, ud: undefinedInstruction };
