import type { Shadow } from '../bus/device';

/** Puts RAM or what else is there at some pages of 0xC0000-0xFFFFF. */
export type SetShadow = (address: number, length: number, shadow: Shadow) => void;

export const PAM_REGISTERS = 7;
export const PAM_WRITABLE = 0x33;
const READ = 1;
const WRITE = 2;
const SEGMENT = 0x4000;

/** Segments of the PAM registers: the upper half of PAM0 is the BIOS's 64 KiB, the others have two of 16 KiB (82441FX 3.2.18). */
const SEGMENTS: readonly { readonly register: number; readonly shift: 0 | 4; readonly address: number; readonly length: number }[] = [
  { register: 0, shift: 4, address: 0xf0000, length: 0x10000 },
  ...Array.from({ length: 12 }, (_, i) => ({
    register: 1 + (i >> 1),
    shift: i & 1 ? (4 as const) : (0 as const),
    address: 0xc0000 + i * SEGMENT,
    length: SEGMENT,
  })),
];

/**
 * Programmable attribute maps: whether reads and writes of each segment go to RAM or on to PCI, where ROM answers.
 */
export class Pam {
  /** Wiring: attributes that are in force. */
  private applied: number[] | undefined;

  constructor(
    private readonly registers: () => Uint8Array,
    private readonly shadow: SetShadow | undefined,
  ) {}

  apply(): void {
    const registers = this.registers();
    const wanted = SEGMENTS.map(({ register, shift }) => (registers[register]! >> shift) & (READ | WRITE));
    SEGMENTS.forEach(({ address, length }, index) => {
      const attributes = wanted[index]!;
      if (this.applied?.[index] !== attributes)
        this.shadow?.(address, length, attributes === (READ | WRITE) ? 'ram' : attributes === READ ? 'read-only' : 'hole');
    });
    this.applied = wanted;
  }

  /** Whether writes to an address go to RAM although reads don't. */
  writesThrough(address: number): boolean {
    const index = SEGMENTS.findIndex((segment) => address >= segment.address && address < segment.address + segment.length);
    return index >= 0 && this.applied?.[index] === WRITE;
  }
}
