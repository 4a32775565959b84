/** Registers of the ICH9's LPC bridge beside its interrupt routing (I/O Controller Hub 9 datasheet, 13.1): power management and RCBA. */
import type { Bus, Device, DeviceContext } from '../bus/device';
import { bit, bits, fields, initial, reset, u16, u32, u8 } from '../bus/fields';
import type { ConfigRegisters } from './pcifunction';
import type { PmFunctionOptions } from './piix4pm';
import { ApmStatus, SmiEnable } from './smistub';

const PMBASE = 0x40;
const ACPI_CNTL = 0x44;
const GEN_PMCON_1 = 0xa0;
const RCBA = 0xf0;
const ACPI_EN = 0x80;
const BASE = 0xff80;

const table = fields({
  pmbase: u32('ACPI Base Address', { BASE: bits(15, 7, 'I/O ports') }, 1),
  acpiCntl: u8('ACPI Control', { SCI_IRQ_SEL: bits(2, 0, 'Interrupt of the SCI', { 0: 'IRQ 9' }), ACPI_EN: bit(7, 'The ports decode') }),
  genPmcon1: u16('General PM Configuration 1', { SMI_LOCK: bit(4, 'SMI_EN is locked') }),
  apms: u8('APM Status port, 0xB3'),
  rcba: u32('Root Complex Base Address; kept, but nothing is mapped there', { ENABLE: bit(0, 'Enable'), ADDRESS: bits(31, 14, 'Address') }),
});

export class Ich9Pm implements Device<typeof table>, ConfigRegisters {
  readonly name: string;
  readonly kind = 'ich9pm';
  readonly version = 1;
  readonly table = table;
  readonly state = initial(table);

  private readonly apm = new ApmStatus(this.state);
  private readonly smi = new SmiEnable();

  constructor(
    _context: DeviceContext,
    private readonly options: PmFunctionOptions,
  ) {
    this.name = options.name ?? 'pm';
  }

  reset(): void {
    reset(table, this.state);
    this.restored();
  }

  restored(): void {
    this.place();
  }

  attach(bus: Bus): void {
    this.apm.attach(bus, this.name);
    this.smi.attach(bus, this.name);
  }

  private place(): void {
    this.options.place(this.base);
    this.smi.place(this.base);
  }

  /** First port of the blocks; null while they are off. */
  get base(): number | null {
    return this.state.acpiCntl & ACPI_EN ? this.state.pmbase & BASE : null;
  }

  readConfig(register: number): number {
    const { pmbase, acpiCntl, genPmcon1, rcba } = this.state;
    switch (register) {
      case PMBASE:
        return pmbase;
      case ACPI_CNTL:
        return acpiCntl;
      case GEN_PMCON_1:
        return genPmcon1;
      case RCBA:
        return rcba;
      default:
        return 0;
    }
  }

  writeConfig(register: number, value: number, mask: number): void {
    const { state } = this;
    const merge = (old: number, writable: number): number => ((old & ~(mask & writable)) | (value & mask & writable)) >>> 0;
    if (register === PMBASE) state.pmbase = (merge(state.pmbase, BASE) | 1) >>> 0;
    else if (register === ACPI_CNTL) state.acpiCntl = merge(state.acpiCntl, 0x87);
    else if (register === GEN_PMCON_1) state.genPmcon1 = merge(state.genPmcon1, state.genPmcon1 & 0x10 ? 0x06e7 : 0x06f7);
    else if (register === RCBA) state.rcba = merge(state.rcba, 0xffffc001);
    else return;
    this.place();
  }
}
