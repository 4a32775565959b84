/** Small BIOS ROMs of 64 KiB that program a VGA and stop: the same bytes run here and in QEMU. */

const SIZE = 0x10000;
const DATA = 0xc000;
const RESET = 0xfff0;

/** Miscellaneous output, and the registers of the four parts, as video BIOSes have them in their tables. */
export interface ModeTable {
  readonly misc: number;
  readonly seq: string;
  readonly crtc: string;
  readonly graphics: string;
  readonly attribute: string;
}

const bytesOf = (hex: string): number[] => [...Buffer.from(hex.replaceAll(' ', ''), 'hex')];

/** Straight-line 16-bit code at F000:0000, and data behind it. */
export class VgaRom {
  private readonly code: number[] = [0xfa, 0xfc, 0x8c, 0xc8, 0x8e, 0xd8]; // cli; cld; mov ax,cs; mov ds,ax
  private readonly data: number[] = [];

  /** mov dx,port; mov al,value; out dx,al */
  out(port: number, ...values: number[]): this {
    this.code.push(0xba, port & 0xff, port >> 8);
    for (const value of values) this.code.push(0xb0, value, 0xee);
    return this;
  }

  /** mov dx,port; mov ax,value; out dx,ax */
  word(port: number, value: number): this {
    this.code.push(0xba, port & 0xff, port >> 8, 0xb8, value & 0xff, value >> 8, 0xef);
    return this;
  }

  /** mov dx,port; in al,dx */
  in(port: number): this {
    this.code.push(0xba, port & 0xff, port >> 8, 0xec);
    return this;
  }

  /** A register behind an index, by one word */
  set(port: number, index: number, value: number): this {
    return this.word(port, index | (value << 8));
  }

  /** mov byte es:[offset],value */
  poke(segment: number, offset: number, value: number): this {
    this.segment(segment).push(0x26, 0xc6, 0x06, offset & 0xff, offset >> 8, value);
    return this;
  }

  /** mov al,es:[offset]: fills the latches */
  peek(segment: number, offset: number): this {
    this.segment(segment).push(0x26, 0xa0, offset & 0xff, offset >> 8);
    return this;
  }

  /** mov di,offset; mov cx,count; mov al,start; 1: stosb; add al,step; loop 1b */
  ramp(segment: number, offset: number, count: number, start: number, step: number): this {
    this.segment(segment).push(0xbf, offset & 0xff, offset >> 8, 0xb9, count & 0xff, count >> 8, 0xb0, start, 0xaa, 0x04, step, 0xe2, 0xfb);
    return this;
  }

  /** mov si,data; mov di,offset; mov cx,length; rep movsb */
  copy(segment: number, offset: number, data: Uint8Array): this {
    const from = DATA + this.data.length;
    this.segment(segment).push(0xbe, from & 0xff, from >> 8, 0xbf, offset & 0xff, offset >> 8, 0xb9, data.length & 0xff, data.length >> 8, 0xf3, 0xa4);
    this.data.push(...data);
    return this;
  }

  /** Within video memory, which goes through the latches in write mode 1. */
  move(segment: number, to: number, from: number, count: number): this {
    this.segment(segment).push(0x8e, 0xd8, 0xbe, from & 0xff, from >> 8, 0xbf, to & 0xff, to >> 8, 0xb9, count & 0xff, count >> 8, 0xf3, 0xa4);
    this.code.push(0x8c, 0xc8, 0x8e, 0xd8); // mov ax,cs; mov ds,ax
    return this;
  }

  mode({ misc, seq, crtc, graphics, attribute }: ModeTable): this {
    this.out(0x3c2, misc);
    bytesOf(seq).forEach((value, index) => this.set(0x3c4, index, value));
    this.set(0x3d4, 0x11, 0); // takes the protection off
    bytesOf(crtc).forEach((value, index) => this.set(0x3d4, index, value));
    bytesOf(graphics).forEach((value, index) => this.set(0x3ce, index, value));
    this.in(0x3da);
    bytesOf(attribute).forEach((value, index) => this.out(0x3c0, index, value));
    return this.out(0x3c0, 0x20);
  }

  /** Colors that are all different. */
  dac(count = 256): this {
    this.out(0x3c8, 0);
    this.code.push(0xba, 0xc9, 0x03);
    for (let i = 0; i < count; i++) for (const value of [i & 0x3f, (i * 5) & 0x3f, (i * 11 + (i >> 3)) & 0x3f]) this.code.push(0xb0, value, 0xee);
    return this;
  }

  /** The ROM; the processor halts for ever. */
  bytes(): Uint8Array {
    if (this.code.length > DATA || this.data.length > RESET - DATA) throw new Error('the ROM is full');
    const rom = new Uint8Array(SIZE);
    rom.set([...this.code, 0xf4, 0xeb, 0xfd]);
    rom.set(this.data, DATA);
    rom.set([0xea, 0x00, 0x00, 0x00, 0xf0], RESET);
    return rom;
  }

  /** mov ax,segment; mov es,ax */
  private segment(segment: number): number[] {
    this.code.push(0xb8, segment & 0xff, segment >> 8, 0x8e, 0xc0);
    return this.code;
  }
}

const COLORS = '00 01 02 03 04 05 14 07 38 39 3a 3b 3c 3d 3e 3f';
const PLAIN = '00 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f';
const ZEROS = '00 00 00 00 00 00';
const LOW_RETRACE = '9c 8e 8f';

export const MODES = {
  /** 80 by 25 characters of 9 by 16 dots; no cursor and no blinking. */
  text: {
    misc: 0x67, seq: '03 00 03 00 02', crtc: `5f 4f 50 82 55 81 bf 1f 00 4f 20 0e 00 00 00 00 ${LOW_RETRACE} 28 1f 96 b9 a3 ff`,
    graphics: '00 00 00 00 00 10 0e 00 ff', attribute: `${COLORS} 04 00 0f 08 00`,
  },
  /** 320 by 200, 4 colors, as CGA has them. */
  cga4: {
    misc: 0x63, seq: '03 09 03 00 02', crtc: `2d 27 28 90 2b 80 bf 1f 00 c1 ${ZEROS} ${LOW_RETRACE} 14 00 96 b9 a2 ff`,
    graphics: '00 00 00 00 00 30 0f 00 ff', attribute: `00 13 15 17 02 04 06 07 10 11 12 13 14 15 16 17 01 00 03 00 00`,
  },
  /** 640 by 200, 2 colors. */
  cga2: {
    misc: 0x63, seq: '03 01 01 00 06', crtc: `5f 4f 50 82 54 80 bf 1f 00 c1 ${ZEROS} ${LOW_RETRACE} 28 00 96 b9 c2 ff`,
    graphics: '00 00 00 00 00 00 0d 00 ff', attribute: `00 17 17 17 17 17 17 17 17 17 17 17 17 17 17 17 01 00 01 00 00`,
  },
  /** 320 by 200, 16 colors. */
  ega: {
    misc: 0x63, seq: '03 09 0f 00 06', crtc: `2d 27 28 90 2b 80 bf 1f 00 c0 ${ZEROS} ${LOW_RETRACE} 14 00 96 b9 e3 ff`,
    graphics: '00 00 00 00 00 00 05 0f ff', attribute: `${COLORS} 01 00 0f 00 00`,
  },
  /** 640 by 480, 16 colors. */
  vga16: {
    misc: 0xe3, seq: '03 01 0f 00 06', crtc: `5f 4f 50 82 54 80 0b 3e 00 40 ${ZEROS} ea 8c df 28 00 e7 04 e3 ff`,
    graphics: '00 00 00 00 00 00 05 0f ff', attribute: `${COLORS} 01 00 0f 00 00`,
  },
  /** 320 by 200, 256 colors: mode 13h. */
  vga256: {
    misc: 0x63, seq: '03 01 0f 00 0e', crtc: `5f 4f 50 82 54 80 bf 1f 00 41 ${ZEROS} ${LOW_RETRACE} 28 40 96 b9 a3 ff`,
    graphics: '00 00 00 00 00 40 05 0f ff', attribute: `${PLAIN} 41 00 0f 00 00`,
  },
  /** 320 by 240, 256 colors in planes: mode X. */
  modeX: {
    misc: 0xe3, seq: '03 01 0f 00 06', crtc: `5f 4f 50 82 54 80 0d 3e 00 41 ${ZEROS} ea ac df 28 00 e7 06 e3 ff`,
    graphics: '00 00 00 00 00 40 05 0f ff', attribute: `${PLAIN} 41 00 0f 00 00`,
  },
} as const satisfies Record<string, ModeTable>; // prettier-ignore
