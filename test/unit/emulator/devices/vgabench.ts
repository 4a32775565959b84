/** VGA by itself: its ports, its window and its memory. */
import { initial } from '../../../../emulator/bus/fields';
import { VgaPorts } from '../../../../emulator/devices/vga';
import { VgaMemory } from '../../../../emulator/devices/vgamemory';
import type { Picture } from '../../../../emulator/devices/scanout';
import { vgaPicture } from '../../../../emulator/devices/vgapicture';
import { vgaFields } from '../../../../emulator/devices/vgaregisters';
import { backing } from './testbus';

export class VgaBench {
  readonly state = initial(vgaFields);
  readonly memory = backing(0x40000);
  readonly written: number[] = [];
  now = 0;
  readonly ports = new VgaPorts(
    () => this.state,
    () => this.now,
  );
  readonly window = new VgaMemory({
    state: () => this.state,
    backing: this.memory,
    store: (offset, from) => {
      this.written.push(offset);
      this.memory.bytes.set(from, offset);
    },
  });

  out(port: number, value: number): void {
    this.ports.portWrite(port, 1, value);
  }
  in(port: number): number {
    return this.ports.portRead(port, 1);
  }
  set(port: number, index: number, value: number): void {
    this.ports.portWrite(port, 2, index | (value << 8));
  }
  get(port: number, index: number): number {
    this.out(port, index);
    return this.in(port + 1);
  }
  attribute(index: number, value: number): void {
    this.in(0x3da);
    this.out(0x3c0, index);
    this.out(0x3c0, value);
    this.out(0x3c0, 0x20);
  }

  /** Color ports, memory on; colors 0 to 15 of the palette are those of the DAC, whose red is the number. */
  start(): this {
    this.out(0x3c2, 0x23);
    this.out(0x3c8, 0);
    for (let i = 0; i < 64; i++) for (const value of [i, 0, 0]) this.out(0x3c9, value);
    for (let i = 0; i < 16; i++) this.attribute(i, i);
    this.attribute(0x12, 0x0f);
    return this;
  }

  /** `characters` by `lines`, on a CRTC in byte mode without CGA's addresses. */
  crtc(characters: number, lines: number, mode = 0xe3): void {
    const registers: [number, number][] = [[0, characters], [1, characters - 1], [0x12, lines - 1], [0x13, characters >> 1], [0x17, mode], [0x18, 0xff], [7, 0x10], [9, 0x40]]; // prettier-ignore
    for (const [index, value] of registers) this.set(0x3d4, index, value);
  }

  picture(frame = 0): Picture {
    return vgaPicture(this.state, this.memory.bytes, frame);
  }

  /** DAC indices below 64 of a line of the picture. */
  line(y: number, frame = 0): number[] {
    const { width, rgba } = this.picture(frame);
    return Array.from({ length: width }, (_, x) => rgba[4 * (y * width + x)]! >> 2);
  }

  /** The bytes of the four planes at an address of theirs. */
  planes(address: number): number[] {
    return [...this.memory.bytes.subarray(4 * address, 4 * address + 4)];
  }
}
