/** What can be read on the guest's screen: characters of VGA's text modes, and text drawn with fonts that are in the guest's memory. */
import { findFonts, LONGEST_FONT } from '../display/text/fonts';
import { TextReader } from '../display/text/reader';
import type { Frame } from './api';
import type { Machine } from './machine';
import { MemoryAccess } from './memory';
import { readText } from './screen';

/** Memory is searched in pieces of so many bytes. */
const PIECE = 16 << 20;
const VIDEO = { first: 0xa0000, end: 0xc0000 } as const;
/** A guest may have its memory full of fonts. */
const MOST_FONTS = 32;

export class ScreenText {
  private readonly reader = new TextReader();
  private readonly memory: MemoryAccess;
  private readonly known = new Set<string>();

  constructor(private readonly machine: Machine) {
    this.memory = new MemoryAccess(machine.engine);
  }

  /** Lines, by the fonts that are known. */
  read(frame: Frame | undefined): readonly string[] {
    return readText(this.machine.board)?.split('\n') ?? (frame ? this.reader.read(frame) : []);
  }

  /** Looks for fonts in the guest's memory; answers whether there is one that was not known. */
  learn(): boolean {
    const before = this.known.size;
    const { memory } = this.machine.config;
    // Video memory is no RAM.
    this.search(0, VIDEO.first);
    for (let at = VIDEO.end; at < memory; at += PIECE) this.search(at, Math.min(at + PIECE + LONGEST_FONT, memory));
    return this.known.size > before;
  }

  private search(from: number, to: number): void {
    for (const font of findFonts(this.memory.read(0, 'physical', BigInt(from), to - from))) {
      const key = `${font.height} ${font.glyphs.map(({ rows }) => rows.join()).join()}`;
      if (this.known.has(key) || this.known.size >= MOST_FONTS) continue;
      this.known.add(key);
      this.reader.learn(font);
    }
  }
}
