import * as layout from '../x86/layout';
import { ACTIVE, MISC_ENABLE, type Vcpu, WAIT_FOR_SIPI } from '../x86/vcpu';

/** State after power-on or INIT (SDM vol. 3, table 9-1). */
export function resetState(vcpu: Vcpu, bootstrap: boolean): void {
  new Uint8Array(vcpu.view.buffer, vcpu.view.byteOffset + layout.WINDOW, layout.WINDOW_SIZE).fill(0);
  for (let s = 0; s < 8; s++) vcpu.setSegment(s, { selector: 0, base: 0n, limit: 0xffff, attributes: s < 6 ? 0x93 : s === layout.LDTR ? 0x82 : 0x8b });
  vcpu.setSegment(layout.CS, { selector: 0xf000, base: 0xffff0000n, limit: 0xffff, attributes: 0x93 });
  vcpu.rip = 0xfff0n;
  vcpu.rflags = 2n;
  vcpu.setGpr(2, 0x600n);
  vcpu.setU32(layout.GDTR_LIMIT, 0xffff);
  vcpu.setU32(layout.IDTR_LIMIT, 0xffff);
  vcpu.setU64(layout.CR0, 0x60000010n);
  vcpu.setU64(layout.DR + 6 * 8, 0xffff0ff0n);
  vcpu.setU64(layout.DR + 7 * 8, 0x400n);
  vcpu.setU64(layout.XCR0, 1n);
  vcpu.setU64(layout.MSR_PAT, 0x0007040600070406n);
  vcpu.setU64(layout.MSR_MISC_ENABLE, MISC_ENABLE.fastStrings | MISC_ENABLE.unavailable);
  vcpu.setU16(layout.FPU_CONTROL, 0x37f);
  vcpu.setU32(layout.MXCSR, 0x1f80);
  vcpu.setU64(layout.SHADOW_COUNT, (1n << 64n) - 1n);
  vcpu.setU32(layout.ACTIVITY, bootstrap ? ACTIVE : WAIT_FOR_SIPI);
}
