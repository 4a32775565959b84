import type { Vcpu } from '../../../../../emulator/x86/vcpu';
import * as layout from '../../../../../emulator/x86/layout';
import { CODE } from '../bare';

/** The next entry of any block of CODE's page that has run compiles it, and takes in the others. */
export function makeHot(vcpu: Vcpu): void {
  const first = layout.CODE_HEAD + ((layout.RAM + CODE) >>> 12) * 4;
  for (let block = vcpu.u32(first); block; block = vcpu.u32(block + layout.BLOCK_LINK)) vcpu.setU32(block + layout.BLOCK_HEAT, 0);
}
