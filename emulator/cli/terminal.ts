import { createWriteStream, openSync, type WriteStream } from 'node:fs';
import { userError } from '../errors';
import type { Guest } from '../machine/api';

const CONTROL_A = 1;
const EXIT_KEY = 'x'.charCodeAt(0);

/** Where the first serial line goes. */
export class SerialSink {
  private readonly file: WriteStream | undefined;
  readonly toTerminal: boolean;

  constructor(target: string) {
    this.toTerminal = target === 'stdio';
    if (target.startsWith('file:')) this.file = createFile(target.slice(5));
    else if (target !== 'stdio' && target !== 'none') throw userError('option', `--serial: '${target}' is none of stdio, none, file:PATH`);
    this.file?.on('error', (error) => process.stderr.write(`guest: serial line: ${error.message}\n`));
  }

  write(bytes: Uint8Array): void {
    if (this.toTerminal) process.stdout.write(bytes);
    this.file?.write(bytes);
  }

  end(): Promise<void> {
    return new Promise((resolve) => (this.file ? this.file.end(resolve) : resolve()));
  }
}

/** Made at once: whoever can't have the output hears of it before the guest runs. */
function createFile(path: string): WriteStream {
  try {
    return createWriteStream(path, { fd: openSync(path, 'w') });
  } catch (error) {
    throw userError('serial-file', `serial line to '${path}': ${(error as Error).message}`, error);
  }
}

/** Keys of the terminal, or a pipe, to the guest's serial line; Ctrl-A x ends the run. Returns how to stop. */
export function connectInput(guest: Guest, quit: () => void): () => void {
  const { stdin } = process;
  let escape = false;
  const heard = (chunk: Buffer): void => {
    const bytes: number[] = [];
    for (const byte of chunk) {
      if (escape && byte === EXIT_KEY) quit();
      else if (stdin.isTTY && byte === CONTROL_A && !escape) {
        escape = true;
        continue;
      } else bytes.push(byte);
      escape = false;
    }
    if (bytes.length > 0) void guest.serialInput(0, Uint8Array.from(bytes)).catch(() => undefined);
  };
  if (stdin.isTTY) stdin.setRawMode(true);
  stdin.on('data', heard);
  return () => {
    stdin.off('data', heard);
    if (stdin.isTTY) stdin.setRawMode(false);
    stdin.pause();
  };
}

const PERIOD_MS = 500;

/** One line on the terminal, rewritten as the guest goes on. */
export class Progress {
  private readonly timer: NodeJS.Timeout;
  private last = 0;
  private lastTime = performance.now();

  constructor(private readonly guest: Guest) {
    this.timer = setInterval(() => void this.show(), PERIOD_MS);
  }

  private async show(): Promise<void> {
    const { instructions, time } = await this.guest.status().catch(() => ({ instructions: this.last, time: 0 }));
    const now = performance.now();
    const mips = (instructions - this.last) / (now - this.lastTime) / 1000;
    this.last = instructions;
    this.lastTime = now;
    const text = `${(instructions / 1e6).toFixed(0)} M instructions  ${(time / 1e9).toFixed(3)} s virtual  ${mips.toFixed(0)} MIPS`;
    process.stderr.write(`\r\x1b[K${text}`);
  }

  stop(): void {
    clearInterval(this.timer);
    process.stderr.write('\r\x1b[K');
  }
}

/** `\n`, `\r`, `\t`, `\\` and `\x1b` in an option's text. */
export function unescape(text: string): string {
  const plain: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', '\\': '\\', 0: '\0' };
  return text.replace(
    /\\(x[0-9a-fA-F]{2}|.)/g,
    (whole, what: string) => plain[what] ?? (what.length === 3 ? String.fromCharCode(parseInt(what.slice(1), 16)) : whole),
  );
}

/** Lines as a person types them: each ends with Enter, the last one too. */
export function typed(text: string): Uint8Array {
  const lines = unescape(text).replaceAll('\n', '\r');
  return new TextEncoder().encode(lines.endsWith('\r') ? lines : `${lines}\r`);
}
