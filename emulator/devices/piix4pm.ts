/** Power management function of the 82371AB (PIIX4, datasheet 7.1): says where the PM1 blocks and the PM timer lie. */
import type { Bus, Device, DeviceContext } from '../bus/device';
import { bit, bits, fields, group, initial, reset, u32, u8 } from '../bus/fields';
import { ApmStatus } from './smistub';
import { PciFunction, pciHeader, type ConfigRegisters } from './pcifunction';

const PMBA = 0x40;
const DEVACTB = 0x58;
const PMREGMISC = 0x80;
const PMIOSE = 0x01;
const BASE = 0xffc0;

const table = fields({
  config: group('PCI configuration header', pciHeader),
  pmba: u32('Power Management Base Address', { BASE: bits(15, 6, 'I/O ports') }, 1),
  devactb: u32('Device Activity B', { APMC_EN: bit(25, 'Writes to the APM command port raise SMI: taken, as there is no system management mode') }, 0x02000000),
  apms: u8('APM Status port, 0xB3'),
  pmregmisc: u8('Miscellaneous Power Management', { PMIOSE: bit(0, 'Power management I/O space enable') }),
});

export interface PmFunctionOptions {
  readonly name?: string;
  /** The blocks move, or are switched off. */
  readonly place: (base: number | null) => void;
}

export class Piix4Pm implements Device<typeof table>, ConfigRegisters {
  readonly name: string;
  readonly kind = 'piix4pm';
  readonly version = 1;
  readonly table = table;
  readonly state = initial(table);
  readonly pci: PciFunction;
  private readonly apm = new ApmStatus(this.state);

  constructor(
    _context: DeviceContext,
    private readonly options: PmFunctionOptions,
  ) {
    this.name = options.name ?? 'pm';
    this.pci = new PciFunction(
      { vendor: 0x8086, device: 0x7113, revision: 0x03, classCode: 0x068000, interruptPin: 1, registers: this },
      () => this.state.config,
    );
  }

  attach(bus: Bus): void {
    this.apm.attach(bus, this.name);
  }

  reset(): void {
    reset(table, this.state);
    this.restored();
  }

  restored(): void {
    this.pci.update();
    this.options.place(this.base);
  }

  /** First port of the blocks; null while they are off. */
  get base(): number | null {
    return this.state.pmregmisc & PMIOSE ? this.state.pmba & BASE : null;
  }

  readConfig(register: number): number {
    switch (register) {
      case PMBA:
        return this.state.pmba;
      case DEVACTB:
        return this.state.devactb;
      case PMREGMISC:
        return this.state.pmregmisc;
      default:
        return 0;
    }
  }

  writeConfig(register: number, value: number, mask: number): void {
    const merge = (old: number, writable: number): number => ((old & ~(mask & writable)) | (value & mask & writable)) >>> 0;
    if (register === PMBA) this.state.pmba = (merge(this.state.pmba, BASE) | 1) >>> 0;
    else if (register === PMREGMISC) this.state.pmregmisc = merge(this.state.pmregmisc, PMIOSE);
    else return;
    this.options.place(this.base);
  }
}
