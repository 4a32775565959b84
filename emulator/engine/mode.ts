import { AC } from '../x86/flags';
import * as layout from '../x86/layout';
import { ATTR, CR0_AM, CR0_EM, CR0_TS, CR4_OSFXSR, CR4_SMAP, UNUSABLE, type Vcpu } from '../x86/vcpu';

/** Whether a segment has base 0 and covers 4 GiB; null data segments are looked at only when used. */
function flat(vcpu: Vcpu, number: number): boolean {
  const { base, limit, attributes } = vcpu.segment(number);
  return base === 0n && limit === 0xffffffff && !(attributes & UNUSABLE) && (attributes & 0xc) !== 0x4;
}

/** DECODE_MODE and TLB_SET from the vCPU's registers: call after anything that they depend on has changed. */
export function deriveMode(vcpu: Vcpu): void {
  const cs = vcpu.attributes(layout.CS);
  let mode = 0;
  if (vcpu.longMode && cs & ATTR.long) mode |= layout.MODE_64;
  else {
    if (cs & ATTR.big) mode |= layout.MODE_CODE32;
    if (vcpu.attributes(layout.SS) & ATTR.big) mode |= layout.MODE_STACK32;
    const plain = vcpu.protectedMode && !vcpu.v86;
    if (plain && [layout.CS, layout.SS, layout.DS, layout.ES].every((s) => flat(vcpu, s))) mode |= layout.MODE_FLAT;
  }
  const { cr0, cr4 } = vcpu;
  if (cr0 & (CR0_EM | CR0_TS)) mode |= layout.MODE_NO_FPU;
  if (cr0 & (CR0_EM | CR0_TS) || !(cr4 & CR4_OSFXSR)) mode |= layout.MODE_NO_SSE;
  if (vcpu.cpl === 3) mode |= layout.MODE_USER;
  vcpu.setU32(layout.DECODE_MODE, mode);
  const generation = vcpu.u32(mode & layout.MODE_USER ? layout.USER_GENERATION : layout.GENERATION);
  vcpu.setU32(layout.CONTEXT, ((generation << 8) | mode) >>> 0);
  vcpu.setU32(layout.CONTEXT + 4, generation >>> 24);
  const checked = vcpu.cpl === 3 && cr0 & CR0_AM && vcpu.systemFlags & AC;
  const open = cr4 & CR4_SMAP && vcpu.systemFlags & AC;
  vcpu.setU32(layout.TLB_SET, checked ? layout.TLB_CHECKED : layout.TLB + (vcpu.cpl === 3 ? 0 : open ? 2 : 1) * layout.TLB_SET_SIZE);
}
