import type { Device, DeviceContext } from '../bus/device';
import { bytes, fields, group, initial, reset, u8 } from '../bus/fields';
import { Pam, type SetShadow } from './pam';
import { PciFunction, pciHeader, type ConfigRegisters } from './pcifunction';

const table = fields({
  config: group('PCI configuration header', pciHeader),
  pam: bytes(7, 'PAM0-PAM6: shadowing of 0xC0000-0xFFFFF (82441FX 3.2.18)'),
  smram: u8('SMRAM: System Management RAM Control (82441FX 3.2.20)', undefined, 0x02),
});

export type HostBridgeModel = 'bhyve' | 'i440fx';
const IDENTITY = {
  bhyve: { vendor: 0x1275, device: 0x1275 },
  /** Known to stock firmware such as Debian's OVMF. */
  i440fx: { vendor: 0x8086, device: 0x1237, revision: 0x02 },
} as const;

const PAM = 0x59;
const SMRAM = 0x72;

/** The root of the PCI bus. bhyve's does nothing but say who it is; there, RAM is always at 0xC0000-0xFFFFF. */
export class HostBridge implements Device<typeof table>, ConfigRegisters {
  readonly name: string;
  readonly kind = 'hostbridge';
  readonly version = 1;
  readonly table = table;
  readonly state = initial(table);
  readonly pci: PciFunction;
  readonly pam: Pam;

  constructor(
    _context: DeviceContext,
    private readonly options: { readonly name?: string; readonly model?: HostBridgeModel; readonly shadow?: SetShadow } = {},
  ) {
    this.pam = new Pam(() => this.state.pam, options.shadow);
    this.name = options.name ?? 'hostbridge';
    this.pci = new PciFunction({ ...IDENTITY[options.model ?? 'bhyve'], classCode: 0x060000, registers: this }, () => this.state.config);
  }

  reset(): void {
    reset(table, this.state);
    this.restored();
  }

  restored(): void {
    this.pci.update();
    if (this.options.model === 'i440fx') this.pam.apply();
  }

  readConfig(register: number): number {
    let value = 0;
    for (let i = 0; i < 4; i++) value |= this.byte(register + i) << (8 * i);
    return value >>> 0;
  }

  writeConfig(register: number, value: number, mask: number): void {
    if (this.options.model !== 'i440fx') return;
    for (let i = 0; i < 4; i++) {
      if (!((mask >>> (8 * i)) & 0xff)) continue;
      const at = register + i;
      const byte = (value >>> (8 * i)) & 0xff;
      if (at >= PAM && at < PAM + 7) this.state.pam[at - PAM] = byte & 0x33;
      // D_LCK makes the rest read-only until reset.
      else if (at === SMRAM && !(this.state.smram & 0x10)) this.state.smram = (byte & 0x78) | 0x02;
    }
    this.pam.apply();
  }

  private byte(at: number): number {
    if (this.options.model !== 'i440fx') return 0;
    if (at === SMRAM) return this.state.smram;
    return at >= PAM && at < PAM + 7 ? this.state.pam[at - PAM]! : 0;
  }
}
