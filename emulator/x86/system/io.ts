import * as layout from '../layout';
import { CR4_DE, type Vcpu } from '../vcpu';
import type { SystemContext } from './context';
import { generalProtection } from './exceptions';
import type { HostInstruction, SystemFunction } from './instruction';

/** Whether a port access is denied: IOPL, then the I/O permission bitmap (SDM vol. 1, 19.5). */
export function portDenied(ctx: SystemContext, port: number, size: number): boolean {
  const { vcpu } = ctx;
  if (!vcpu.protectedMode) return false;
  const iopl = (vcpu.u32(layout.EFLAGS) >> 12) & 3;
  if (!vcpu.v86 && vcpu.cpl <= iopl) return false;
  const tr = vcpu.segment(layout.TR);
  const wide = (tr.attributes & 8) !== 0;
  if (!wide || tr.limit < 103) return true;
  const base = Number(ctx.read(tr.base + 102n, 2, 'implicit'));
  // Two bytes are read, so that an access may cross a byte of the map.
  const at = base + (port >> 3);
  if (at + 1 > tr.limit) return true;
  const bits = Number(ctx.read(tr.base + BigInt(at), 2, 'implicit'));
  return ((bits >> (port & 7)) & ((1 << size) - 1)) !== 0;
}

/**
 * DR6 bits of the guest's breakpoints on ports that an access touches: R/W 10 with CR4.DE (SDM vol. 3, 17.2.4).
 * They trap after the access, and after each iteration of INS and OUTS.
 */
export function portBreakpoints(vcpu: Vcpu, port: number, size: number): number {
  const dr7 = vcpu.u32(layout.DR + 7 * 8);
  if (!(dr7 & 0xff) || !(vcpu.cr4 & CR4_DE)) return 0;
  let found = 0;
  for (let register = 0; register < 4; register++) {
    const field = (dr7 >>> (16 + register * 4)) & 15;
    if (!(dr7 & (3 << (register * 2))) || (field & 3) !== 2) continue;
    const length = [1, 2, 8, 4][field >> 2]!;
    const first = vcpu.u64(layout.DR + register * 8) & ~BigInt(length - 1);
    if (BigInt(port) < first + BigInt(length) && BigInt(port + size) > first) found |= 1 << register;
  }
  return found;
}

/** Ports have no 64-bit accesses. */
const sizeOf = (insn: HostInstruction): 1 | 2 | 4 => (insn.size === 8 ? 4 : insn.size);

const input =
  (port: (insn: HostInstruction) => number): SystemFunction =>
  (ctx, insn) => {
    const size = sizeOf(insn);
    const number = port(insn);
    if (portDenied(ctx, number, size)) throw generalProtection();
    insn.writeNarrow(0, ctx.portRead(number, size), size);
  };

const output =
  (port: (insn: HostInstruction) => number, source: 0 | 1): SystemFunction =>
  (ctx, insn) => {
    const size = sizeOf(insn);
    const number = port(insn);
    if (portDenied(ctx, number, size)) throw generalProtection();
    ctx.portWrite(number, size, insn.readNarrow(source, size));
  };

const immediate = (insn: HostInstruction): number => insn.immediateByte;

export const portInstructions: Readonly<Record<string, SystemFunction>> = {
  inimm: input(immediate),
  indx: input((insn) => insn.readNarrow(1, 2)),
  outimm: output(immediate, 1),
  outdx: output((insn) => insn.readNarrow(0, 2), 1),
};
