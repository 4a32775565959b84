import type { Bus, Device, DeviceContext, Line } from '../bus/device';
import { bit, bits, fields, group, initial, list, reset, u8 } from '../bus/fields';
import { BytePorts } from './byteports';
import { PIRQS } from './pci';
import { PciFunction, pciHeader, type ConfigRegisters } from './pcifunction';

const PIRQ_DISABLED = 0x80;
/** ISA interrupts that a PIRQ may be routed to (82371SB 3.2.5): 3-7, 9-12, 14 and 15. */
const ROUTABLE = 0xdef8;

/** Coprocessor Error register: a write ends interrupt 13 and lets the processor go on (82371SB 3.2.7.1). */
const COPROC_ERR = 0xf0;

const table = fields({
  config: group('PCI configuration header', pciHeader),
  pirq: list(
    PIRQS,
    'PIRQ routing, A to H: registers 0x60-0x63 and 0x68-0x6B',
    u8('PIRQ Route Control', { IRQ: bits(3, 0, 'ISA interrupt'), DISABLE: bit(7, 'Not routed to the PIC') }, PIRQ_DISABLED),
  ),
  coprocessor: u8('Coprocessor error', { FERR: bit(0, 'FERR# came: interrupt 13 is asserted') }),
});

export interface LpcOptions {
  readonly name?: string;
  /** Inputs of the PIC by ISA interrupt number. */
  readonly pic: readonly Line[];
  /** Inputs of the I/O APIC for PIRQA to PIRQH. */
  readonly ioApic: readonly Line[];
  /** Interrupt 13. */
  readonly irq13: Line;
  /** IGNNE#: the processor is to go on over its x87 error. */
  readonly ignoreFloatError: () => void;
  /** 82371SB (PIIX3) unless told. */
  readonly identity?: { readonly device: number; readonly revision?: number };
  /** What else is in this function's configuration space. */
  readonly others?: ConfigRegisters;
}

/** PCI to ISA bridge with the identity of the 82371SB, and eight PIRQ lines as ICH bridges have. */
export class Lpc extends BytePorts implements Device<typeof table>, ConfigRegisters {
  readonly name: string;
  readonly kind = 'lpc';
  readonly version = 2;
  readonly table = table;
  readonly state = initial(table);
  readonly pci: PciFunction;
  /** Wiring: levels of the PIRQ lines, and ISA interrupts driven for them. */
  private readonly levels = new Array<boolean>(PIRQS).fill(false);
  private driven = 0;

  constructor(
    _context: DeviceContext,
    private readonly options: LpcOptions,
  ) {
    super();
    this.name = options.name ?? 'lpc';
    this.pci = new PciFunction({ vendor: 0x8086, ...(options.identity ?? { device: 0x7000 }), classCode: 0x060100, registers: this }, () => this.state.config);
  }

  attach(bus: Bus): void {
    bus.addPorts(COPROC_ERR, 1, this, this.name);
  }

  reset(): void {
    reset(table, this.state);
    this.restored();
  }

  restored(): void {
    this.pci.update();
    this.drive();
    this.options.irq13.set((this.state.coprocessor & 1) !== 0);
  }

  /** FERR#. */
  floatError(): void {
    this.state.coprocessor = 1;
    this.options.irq13.set(true);
  }

  protected readByte(): number {
    return 0xff;
  }
  protected writeByte(port: number): void {
    if (port !== COPROC_ERR) return;
    this.state.coprocessor = 0;
    this.options.irq13.set(false);
    this.options.ignoreFloatError();
  }

  /** A PIRQ line changes: goes to its I/O APIC pin, and to the PIC as routed. */
  setPirq(index: number, level: boolean): void {
    this.levels[index] = level;
    this.options.ioApic[index]?.set(level);
    this.drive();
  }

  /** What firmware does: routes PIRQ `index` to an ISA interrupt. */
  route(index: number, irq: number): void {
    this.state.pirq[index] = irq & 0x0f;
    this.drive();
  }

  readConfig(register: number): number {
    const first = routeIndex(register);
    if (first === undefined) return this.options.others?.readConfig(register) ?? 0;
    const routes = this.state.pirq;
    return (routes[first]! | (routes[first + 1]! << 8) | (routes[first + 2]! << 16) | (routes[first + 3]! << 24)) >>> 0;
  }

  writeConfig(register: number, value: number, mask: number): void {
    const first = routeIndex(register);
    if (first === undefined) return this.options.others?.writeConfig(register, value, mask);
    for (let i = 0; i < 4; i++) {
      if ((mask >>> (8 * i)) & 0xff) this.state.pirq[first + i] = (value >>> (8 * i)) & 0x8f;
    }
    this.drive();
  }

  private drive(): void {
    let wanted = 0;
    this.state.pirq.forEach((route, index) => {
      if (this.levels[index] && !(route & PIRQ_DISABLED)) wanted |= 1 << (route & 0x0f);
    });
    wanted &= ROUTABLE;
    const changed = wanted ^ this.driven;
    this.driven = wanted;
    for (let irq = 0; irq < 16; irq++) {
      if ((changed >> irq) & 1) this.options.pic[irq]?.set(((wanted >> irq) & 1) !== 0);
    }
  }
}

const routeIndex = (register: number): number | undefined => (register === 0x60 ? 0 : register === 0x68 ? 4 : undefined);
