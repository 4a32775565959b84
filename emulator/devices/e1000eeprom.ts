/** The EEPROM of an e1000: 64 words behind a Microwire interface, which the driver works bit by bit (manual, 5.3 and 5.6). */

const WORDS = 64;
const CHECKSUM_WORD = 0x3f;
const CHECKSUM = 0xbaba;
/** Start bit and opcode, then an address of 6 bits; 16 bits come back. */
const ADDRESS_BITS = 6;
const COMMAND_BITS = 3 + ADDRESS_BITS;
const READ = 0b110;

const PIN = { SK: 0x01, CS: 0x02, DI: 0x04, DO: 0x08 } as const;
const REQUEST = 0x40;
const GRANT = 0x80;
const PRESENT = 0x100;
const WRITABLE = PIN.SK | PIN.CS | PIN.DI | REQUEST | 0x30;

interface Shifted {
  EECD: number;
  eepromBits: number;
  eepromShift: number;
}

export class Eeprom {
  private readonly words: readonly number[];

  constructor(mac: Uint8Array, { vendor, device, subsystem }: { readonly vendor: number; readonly device: number; readonly subsystem: number }) {
    const words = Array.from({ length: WORDS }, () => 0xffff);
    for (let i = 0; i < 3; i++) words[i] = mac[2 * i]! | (mac[2 * i + 1]! << 8);
    const rest: Readonly<Record<number, number>> = {
      0x03: 0x0000, 0x0a: 0x4408, 0x0b: subsystem, 0x0c: vendor, 0x0d: device, 0x0e: vendor, 0x0f: 0x3040, 0x10: 0x0008, 0x11: 0x2000, 0x21: 0x7061,
    }; // prettier-ignore
    for (const [at, word] of Object.entries(rest)) words[Number(at)] = word;
    const sum = words.slice(0, CHECKSUM_WORD).reduce((total, word) => total + word, 0);
    words[CHECKSUM_WORD] = (CHECKSUM - sum) & 0xffff;
    this.words = words;
  }

  word(address: number): number {
    return this.words[address % WORDS]!;
  }

  readControl({ EECD, eepromBits, eepromShift }: Shifted): number {
    return EECD & ~PIN.DO & ~GRANT | PRESENT | (EECD & REQUEST ? GRANT : 0) | (this.output(eepromBits, eepromShift) ? PIN.DO : 0); // prettier-ignore
  }

  /** With a rising clock a bit goes in, and the next one comes out. */
  writeControl(state: Shifted, value: number): void {
    const rising = value & PIN.SK && !(state.EECD & PIN.SK);
    state.EECD = value & WRITABLE;
    if (!(value & PIN.CS)) [state.eepromBits, state.eepromShift] = [0, 0];
    else if (rising) {
      // Before its start bit the chip waits.
      if (state.eepromBits === 0 && !(value & PIN.DI)) return;
      if (state.eepromBits < COMMAND_BITS) state.eepromShift = ((state.eepromShift << 1) | (value & PIN.DI ? 1 : 0)) >>> 0;
      state.eepromBits = Math.min(state.eepromBits + 1, COMMAND_BITS + 17);
    }
  }

  /** After the command a 0 comes first, then the word from its highest bit on. */
  private output(count: number, shift: number): boolean {
    if (count < COMMAND_BITS || shift >>> ADDRESS_BITS !== READ) return true;
    const bit = 16 - (count - COMMAND_BITS);
    return bit < 16 && bit >= 0 && ((this.word(shift & (WORDS - 1)) >> bit) & 1) !== 0;
  }
}
