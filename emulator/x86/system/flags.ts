import { AC, ARITHMETIC, DF, ID, IF, IOPL, NT, RF, TF } from '../flags';
import * as layout from '../layout';
import type { AccessSize, SystemContext } from './context';
import { generalProtection } from './exceptions';
import type { SystemFunction } from './instruction';
import { StackReader } from './return';

const ioplOf = (ctx: SystemContext): number => Number((ctx.vcpu.systemFlags & IOPL) >> 12n);

/** STI: interrupts are held back until the next instruction has completed (SDM vol. 2, STI). */
const sti: SystemFunction = (ctx) => {
  const { vcpu } = ctx;
  if (vcpu.cpl > ioplOf(ctx)) throw generalProtection();
  if (!(vcpu.systemFlags & IF)) vcpu.setU64(layout.SHADOW_COUNT, ctx.count());
  vcpu.systemFlags |= IF;
};

/** POPF: which flags change depends on privilege and operand size (SDM vol. 2, table 4-19). */
const popf: SystemFunction = (ctx, insn) => {
  const { vcpu } = ctx;
  const size: AccessSize = insn.size;
  const iopl = ioplOf(ctx);
  if (vcpu.v86 && iopl < 3) throw generalProtection();
  const stack = new StackReader(ctx, size);
  const popped = stack.pop();
  let mask = ARITHMETIC | TF | DF | NT;
  if (size > 2) mask |= AC | ID;
  if (!vcpu.protectedMode || vcpu.cpl === 0) mask |= IF | IOPL;
  else if (vcpu.cpl <= iopl) mask |= IF;
  const old = vcpu.rflags;
  vcpu.rflags = ((old & ~mask) | (popped & mask)) & ~(size > 2 ? RF : 0n);
  vcpu.setGpr(4, stack.pointer);
  if ((old ^ vcpu.systemFlags) & AC) ctx.modeChanged();
};

const hlt: SystemFunction = (ctx) => {
  if (ctx.vcpu.cpl !== 0) throw generalProtection();
  ctx.halt();
};

export const flagInstructions: Readonly<Record<string, SystemFunction>> = { sti, popf, hlt };
