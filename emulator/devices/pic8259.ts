import type { Bus, Device, DeviceContext, Line } from '../bus/device';
import { bit, bits, bool, choice, fields, group, initial, reset, u8, type StateOf } from '../bus/fields';
import { BytePorts } from './byteports';

// Intel 8259A datasheet (231468); cascaded pair and ELCR as in the 82371AB and ICH datasheets.

const IR = {
  IR0: bit(0, 'Input 0'),
  IR1: bit(1, 'Input 1'),
  IR2: bit(2, 'Input 2'),
  IR3: bit(3, 'Input 3'),
  IR4: bit(4, 'Input 4'),
  IR5: bit(5, 'Input 5'),
  IR6: bit(6, 'Input 6'),
  IR7: bit(7, 'Input 7'),
};

const chip = fields({
  levels: u8('Levels of the inputs', IR),
  irr: u8('Interrupt Request Register', IR),
  isr: u8('In-Service Register', IR),
  imr: u8('Interrupt Mask Register', IR),
  elcr: u8('Edge/Level Control Register: 1 is level', IR),
  step: choice('Initialization command word awaited', ['uninitialized', 'ready', 'icw2', 'icw3', 'icw4']),
  icw1: u8('ICW1', {
    IC4: bit(0, 'ICW4 needed'),
    SNGL: bit(1, 'Single: no ICW3'),
    LTIM: bit(3, 'Level triggered (the ELCR decides instead)'),
  }),
  icw2: u8('ICW2: vector of input 0', { T: bits(7, 3, 'Bits 7-3 of the vector') }),
  icw3: u8('ICW3: slaves of the master, identity of the slave'),
  icw4: u8('ICW4', {
    uPM: bit(0, '8086 mode'),
    AEOI: bit(1, 'Automatic end of interrupt'),
    MS: bit(2, 'Master in buffered mode'),
    BUF: bit(3, 'Buffered mode'),
    SFNM: bit(4, 'Special fully nested mode'),
  }),
  lowest: u8('Input of the lowest priority', undefined, 7),
  rotate: bool('Rotate in automatic EOI mode'),
  specialMask: bool('Special mask mode'),
  poll: bool('The next read is a poll'),
  read: choice('Register read at the even port', ['irr', 'isr']),
});

const table = fields({ master: group('Master, IRQ 0-7', chip), slave: group('Slave, IRQ 8-15', chip) });
type Chip = StateOf<typeof chip>;

const CASCADE = 2; // the slave's INT is input 2 of the master
const AEOI = 0x02;
const SFNM = 0x10;
const ELCR_WRITABLE = [0xf8, 0xde] as const; // IRQ 0, 1, 2, 8 and 13 are always edge

export interface Pic8259Options {
  readonly name?: string;
  /** INTR, to LINT0 of the processors. */
  readonly output: Line;
}

/**
 * The PC's pair of interrupt controllers. An edge stays latched in the IRR when its input
 * falls again, since edge-triggered devices here pulse their line; level requests follow it.
 */
export class Pic8259 extends BytePorts implements Device<typeof table> {
  readonly kind = 'pic8259';
  readonly version = 1;
  readonly name: string;
  readonly table = table;
  readonly state = initial(table);
  private readonly output: Line;
  private intr = false;

  constructor(_context: DeviceContext, options: Pic8259Options) {
    super();
    this.name = options.name ?? 'pic';
    this.output = options.output;
  }

  attach(bus: Bus): void {
    for (const port of [0x20, 0xa0, 0x4d0]) bus.addPorts(port, 2, this, this.name);
  }

  reset(): void {
    const { master, slave } = this.state;
    const levels = [master.levels, slave.levels] as const;
    reset(this.table, this.state);
    this.state.master.levels = levels[0];
    this.state.slave.levels = levels[1];
    this.update();
  }

  restored(): void {
    this.intr = this.request(true) >= 0;
    this.output.set(this.intr);
  }

  /** Input `irq` of the pair, 0-15. Input 2 is taken by the cascade and does nothing. */
  line(irq: number): Line {
    const master = irq < 8;
    const mask = 1 << (irq & 7);
    if (irq === CASCADE) return { set: () => undefined };
    return {
      set: (level) => {
        const chip = master ? this.state.master : this.state.slave;
        if (((chip.levels & mask) !== 0) === level) return;
        chip.levels ^= mask;
        if (level) chip.irr |= mask;
        else if (chip.elcr & mask) chip.irr &= ~mask;
        else return;
        this.update();
      },
    };
  }

  /** The processor's interrupt acknowledge cycle: gives the vector. */
  acknowledge(): number {
    const { master, slave } = this.state;
    const input = this.request(true);
    let vector: number;
    if (input < 0) {
      vector = (master.icw2 & 0xf8) | 7; // spurious: input 7 without its ISR bit
    } else {
      this.serve(master, input);
      vector = (master.icw2 & 0xf8) | input;
      if (input === CASCADE) {
        const slaveInput = this.request(false);
        if (slaveInput >= 0) this.serve(slave, slaveInput);
        vector = (slave.icw2 & 0xf8) | (slaveInput < 0 ? 7 : slaveInput);
      }
    }
    this.update();
    return vector;
  }

  protected readByte(port: number): number {
    if (port === 0x4d0) return this.state.master.elcr;
    if (port === 0x4d1) return this.state.slave.elcr;
    if ((port & ~0x81) !== 0x20) return 0xff;
    const master = port < 0x80;
    const chip = master ? this.state.master : this.state.slave;
    if (chip.poll) {
      chip.poll = false;
      const input = this.request(master);
      if (input < 0) return 0;
      this.serve(chip, input);
      this.update();
      return 0x80 | input;
    }
    if (port & 1) return chip.imr;
    return chip.read === 'isr' ? chip.isr : chip.irr;
  }

  protected writeByte(port: number, value: number): void {
    const { master, slave } = this.state;
    if (port === 0x4d0) this.setElcr(master, value & ELCR_WRITABLE[0]);
    else if (port === 0x4d1) this.setElcr(slave, value & ELCR_WRITABLE[1]);
    else if ((port & ~0x81) === 0x20) {
      const chip = port < 0x80 ? master : slave;
      if (port & 1) this.writeData(chip, value);
      else if (value & 0x10) this.initialize(chip, value);
      else if (value & 0x08) this.operation3(chip, value);
      else this.operation2(chip, value);
    }
    this.update();
  }

  private setElcr(chip: Chip, elcr: number): void {
    // Inputs that are now level follow their level; those that turn to edge forget it.
    chip.irr = (chip.irr & ~(chip.elcr | elcr)) | (chip.levels & elcr);
    chip.elcr = elcr;
  }

  /** ICW1 starts the initialization sequence. */
  private initialize(chip: Chip, value: number): void {
    chip.icw1 = value & 0x1f;
    if (!(value & 1)) chip.icw4 = 0;
    chip.step = 'icw2';
    chip.irr = chip.levels & chip.elcr;
    chip.isr = 0;
    chip.imr = 0;
    chip.lowest = 7;
    chip.rotate = chip.specialMask = chip.poll = false;
    chip.read = 'irr';
  }

  /** ICW2-4 while initializing, then OCW1. */
  private writeData(chip: Chip, value: number): void {
    switch (chip.step) {
      case 'icw2':
        chip.icw2 = value & 0xf8;
        chip.step = chip.icw1 & 2 ? (chip.icw1 & 1 ? 'icw4' : 'ready') : 'icw3';
        break;
      case 'icw3':
        chip.icw3 = value;
        chip.step = chip.icw1 & 1 ? 'icw4' : 'ready';
        break;
      case 'icw4':
        chip.icw4 = value & 0x1f;
        chip.step = 'ready';
        break;
      case 'uninitialized':
      case 'ready':
        chip.imr = value;
        break;
    }
  }

  /** OCW2: R, SL and EOI in bits 7-5, the level in bits 2-0. */
  private operation2(chip: Chip, value: number): void {
    const input = value & 7;
    switch (value >> 5) {
      case 0b000:
      case 0b100:
        chip.rotate = (value & 0x80) !== 0;
        break;
      case 0b001:
      case 0b101: {
        // In special mask mode a masked input is not cleared by a non-specific EOI.
        const served = highest(chip, chip.specialMask ? chip.isr & ~chip.imr : chip.isr);
        if (served < 0) break;
        chip.isr &= ~(1 << served);
        if (value & 0x80) chip.lowest = served;
        break;
      }
      case 0b011:
      case 0b111:
        chip.isr &= ~(1 << input);
        if (value & 0x80) chip.lowest = input;
        break;
      case 0b110:
        chip.lowest = input;
        break;
    }
  }

  /** OCW3: special mask mode, poll, and which register is read. */
  private operation3(chip: Chip, value: number): void {
    if (value & 0x40) chip.specialMask = (value & 0x20) !== 0;
    if (value & 0x04) chip.poll = true;
    if (value & 0x02) chip.read = value & 1 ? 'isr' : 'irr';
  }

  private serve(chip: Chip, input: number): void {
    const mask = 1 << input;
    if (!(chip.elcr & mask)) chip.irr &= ~mask;
    if (!(chip.icw4 & AEOI)) chip.isr |= mask;
    else if (chip.rotate) chip.lowest = input;
  }

  /** The input that the chip asks to be served, -1 for none. */
  private request(isMaster: boolean): number {
    const chip = isMaster ? this.state.master : this.state.slave;
    const requests = chip.irr & ~chip.imr;
    if (requests === 0 || chip.step !== 'ready') return -1;
    let inService = chip.isr;
    if (chip.specialMask) inService &= ~chip.imr;
    // Special fully nested mode: the slave may interrupt its own service routine.
    if (isMaster && chip.icw4 & SFNM) inService &= ~(1 << CASCADE);
    const request = highest(chip, requests | inService);
    return inService & (1 << request) ? -1 : request;
  }

  private update(): void {
    const { master } = this.state;
    if (this.request(false) >= 0) master.irr |= 1 << CASCADE;
    else master.irr &= ~(1 << CASCADE);
    const intr = this.request(true) >= 0;
    if (intr === this.intr) return;
    this.intr = intr;
    this.output.set(intr);
  }
}

/** The input of highest priority among `inputs`, -1 if there is none. */
function highest(chip: Chip, inputs: number): number {
  for (let i = 1; i <= 8; i++) {
    const input = (chip.lowest + i) & 7;
    if (inputs & (1 << input)) return input;
  }
  return -1;
}
