/** Memory controller hub of the q35 board: host bridge of the 82P35 (Intel 3 Series datasheet, 5.1), as stock firmware knows it. */
import type { Device, DeviceContext } from '../bus/device';
import { bit, bits, bytes, fields, group, initial, reset, u32, u8 } from '../bus/fields';
import { Pam, PAM_REGISTERS, PAM_WRITABLE, type SetShadow } from './pam';
import { PciFunction, pciHeader, type ConfigRegisters } from './pcifunction';

const PCIEXBAR = 0x60;
const PAM = 0x90;
const SMRAM = 0x9d;
const ESMRAMC = 0x9e;
const SMRAM_FIXED = 0x02;
const D_LCK = 0x10;

const table = fields({
  config: group('PCI configuration header', pciHeader),
  pciexbar: u32('PCIEXBAR: PCI Express Register Range Base Address', {
    ENABLE: bit(0, 'Enable'),
    LENGTH: bits(2, 1, 'Length', { 0: '256 MB', 1: '128 MB', 2: '64 MB' }),
    ADDRESS: bits(31, 26, 'Base address'),
  }),
  pciexbarHigh: u32('PCIEXBAR, upper half'),
  pam: bytes(PAM_REGISTERS, 'PAM0-PAM6: shadowing of 0xC0000-0xFFFFF'),
  smram: u8('System Management RAM Control', { D_LCK: bit(4, 'Locked until reset') }, SMRAM_FIXED),
  esmramc: u8('Extended System Management RAM Control'),
});

export interface MchOptions {
  readonly name?: string;
  readonly shadow?: SetShadow;
  /** Memory-mapped configuration space moves, or is switched off. */
  readonly ecam: (address: number | null) => void;
}

export class Mch implements Device<typeof table>, ConfigRegisters {
  readonly name: string;
  readonly kind = 'mch';
  readonly version = 1;
  readonly table = table;
  readonly state = initial(table);
  readonly pci: PciFunction;
  readonly pam: Pam;
  /** Wiring: where configuration space is mapped. */
  private mapped: number | null = null;

  constructor(
    _context: DeviceContext,
    private readonly options: MchOptions,
  ) {
    this.name = options.name ?? 'hostbridge';
    this.pam = new Pam(() => this.state.pam, options.shadow);
    this.pci = new PciFunction({ vendor: 0x8086, device: 0x29c0, revision: 0x02, classCode: 0x060000, registers: this }, () => this.state.config);
  }

  reset(): void {
    reset(table, this.state);
    this.restored();
  }

  restored(): void {
    this.pci.update();
    this.pam.apply();
    this.map();
  }

  /** Base of memory-mapped configuration space; null while it is off. */
  get ecam(): number | null {
    const { pciexbar, pciexbarHigh } = this.state;
    const length = (pciexbar >> 1) & 3;
    if (!(pciexbar & 1) || length === 3) return null;
    const mask = ~((0x10000000 >>> length) - 1) >>> 0;
    return pciexbarHigh * 2 ** 32 + ((pciexbar & mask) >>> 0);
  }

  private map(): void {
    const { ecam } = this;
    if (ecam === this.mapped) return;
    this.mapped = ecam;
    this.options.ecam(ecam);
  }

  readConfig(register: number): number {
    if (register === PCIEXBAR) return this.state.pciexbar;
    if (register === PCIEXBAR + 4) return this.state.pciexbarHigh;
    let value = 0;
    for (let i = 0; i < 4; i++) value |= this.byte(register + i) << (8 * i);
    return value >>> 0;
  }

  writeConfig(register: number, value: number, mask: number): void {
    const { state } = this;
    const merge = (old: number, writable: number): number => ((old & ~(mask & writable)) | (value & mask & writable)) >>> 0;
    if (register === PCIEXBAR) state.pciexbar = merge(state.pciexbar, 0xfc000007);
    else if (register === PCIEXBAR + 4) state.pciexbarHigh = merge(state.pciexbarHigh, 0x0000000f);
    else for (let i = 0; i < 4; i++) if ((mask >>> (8 * i)) & 0xff) this.writeByte(register + i, (value >>> (8 * i)) & 0xff);
    this.pam.apply();
    this.map();
  }

  private byte(at: number): number {
    if (at >= PAM && at < PAM + PAM_REGISTERS) return this.state.pam[at - PAM]!;
    return at === SMRAM ? this.state.smram : at === ESMRAMC ? this.state.esmramc : 0;
  }

  private writeByte(at: number, value: number): void {
    const { state } = this;
    if (at >= PAM && at < PAM + PAM_REGISTERS) state.pam[at - PAM] = value & PAM_WRITABLE;
    else if (state.smram & D_LCK) return;
    else if (at === SMRAM) state.smram = (value & 0x78) | SMRAM_FIXED;
    else if (at === ESMRAMC) state.esmramc = value & 0x87;
  }
}
