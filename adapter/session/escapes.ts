/**
 * What a terminal would do with a guest's output, for a console that only knows text and colours: sequences
 * that select colours and styles (SGR) stay; those that move a cursor, clear, or ask something (`ESC[6n`) go.
 * Sequences may come in pieces. ECMA-48, 5.4 (CSI), 8.3.117 (SGR); xterm's control sequences for OSC and DCS.
 */

const ESCAPE = '\x1b';
/** A sequence that doesn't end is none. */
const LONGEST = 256;
/** CSI parameters intermediates final; OSC, DCS, PM, APC, SOS up to BEL or ST; ESC intermediates final. */

const SEQUENCE = /^\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)|[ -/]+[0-~]|[0-OQ-WYZ\\`-~])/;

const BEGINNING = /^\x1b(?:\[[0-?]*[ -/]*|[\]PX^_][^\x07\x1b]*\x1b?|[ -/]*)$/;

const STYLE = /^\x1b\[[0-9;:]*m$/;

const UNSEEN = /[\x00-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f]/g;

export class Escapes {
  /** The beginning of a sequence, or a carriage return, whose rest has not come yet. */
  private held = '';
  /** Nothing has been written on the line yet. */
  private lineStart = true;

  take(text: string): string {
    const all = this.held + text;
    this.held = '';
    let shown = '';
    for (let at = 0; at < all.length;) {
      const next = this.special(all, at);
      shown += this.plain(all.slice(at, next));
      if (next >= all.length) break;
      const rest = all.slice(next, next + LONGEST);
      if (all[next] === '\r') {
        if (next + 1 >= all.length) {
          this.held = '\r';
          break;
        }
        // Back to a line's beginning, to write over it: another line here.
        if (all[next + 1] !== '\n' && all[next + 1] !== '\r') shown += this.newLine();
        at = next + 1;
        continue;
      }
      const sequence = SEQUENCE.exec(rest)?.[0];
      if (sequence === undefined && rest.length < LONGEST && BEGINNING.test(rest)) {
        this.held = rest;
        break;
      }
      if (sequence !== undefined && STYLE.test(sequence)) shown += sequence;
      at = next + (sequence?.length ?? 1);
    }
    return shown;
  }

  private special(text: string, from: number): number {
    for (let at = from; at < text.length; at++) if (text[at] === ESCAPE || text[at] === '\r') return at;
    return text.length;
  }

  private plain(text: string): string {
    const shown = text.replace(UNSEEN, '');
    if (shown !== '') this.lineStart = shown.endsWith('\n');
    return shown;
  }

  private newLine(): string {
    if (this.lineStart) return '';
    this.lineStart = true;
    return '\n';
  }
}
