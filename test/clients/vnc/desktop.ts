/** An X server without a screen, the programs on it, and what can be seen there. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { PNG } from 'pngjs';

const PROGRAMS = ['Xvfb', 'xwd', 'xdotool', 'xtigervncviewer'] as const;
const WIDTH = 1280;
const HEIGHT = 900;
/** Fields of an XWD header: big-endian words of 32 bits (XWDFile.h). */
const XWD = { headerSize: 0, width: 4, height: 5, byteOrder: 7, bitsPerPixel: 11, bytesPerLine: 12, colors: 19 } as const;
const XWD_COLOR_SIZE = 12;

/** The first program that is not installed. */
export const missingProgram = (): string | undefined => PROGRAMS.find((name) => spawnSync('which', [name], { stdio: 'ignore' }).status !== 0);

export class Desktop {
  private readonly programs: ChildProcess[] = [];

  private constructor(
    private readonly server: ChildProcess,
    private readonly display: string,
  ) {}

  static async start(): Promise<Desktop> {
    // The server takes a free number, and says which on descriptor 3.
    const server = spawn('Xvfb', ['-displayfd', '3', '-screen', '0', `${WIDTH}x${HEIGHT}x24`, '-nolisten', 'tcp'], {
      stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
    });
    const number = await new Promise<string>((resolve, reject) => {
      server.stdio[3]!.once('data', (chunk: Buffer) => resolve(chunk.toString().trim()));
      server.once('exit', (status) => reject(new Error(`Xvfb has ended with status ${status}`)));
    });
    return new Desktop(server, `:${number}`);
  }

  run(program: string, args: readonly string[], environment: NodeJS.ProcessEnv = {}): ChildProcess {
    const child = spawn(program, args, { stdio: 'ignore', env: { ...process.env, ...environment, DISPLAY: this.display } });
    this.programs.push(child);
    return child;
  }

  /** Moves the pointer, clicks, types: arguments of xdotool. */
  input(...args: string[]): void {
    const { status, stderr } = spawnSync('xdotool', args, { env: { ...process.env, DISPLAY: this.display }, encoding: 'utf8' });
    if (status !== 0) throw new Error(`xdotool ${args.join(' ')}: ${stderr}`);
  }

  picture(): PNG {
    const { stdout, status, stderr } = spawnSync('xwd', ['-root', '-silent'], { env: { ...process.env, DISPLAY: this.display }, maxBuffer: 1 << 26 });
    if (status !== 0) throw new Error(`xwd: ${stderr.toString()}`);
    const word = (field: number): number => stdout.readUInt32BE(field * 4);
    if (word(XWD.bitsPerPixel) !== 32 || word(XWD.byteOrder) !== 0) throw new Error('xwd: not 32 bits a pixel, least byte first');
    const first = word(XWD.headerSize) + word(XWD.colors) * XWD_COLOR_SIZE;
    const png = new PNG({ width: word(XWD.width), height: word(XWD.height) });
    for (let y = 0; y < png.height; y++) {
      for (let x = 0; x < png.width; x++) {
        const from = first + y * word(XWD.bytesPerLine) + x * 4;
        png.data.set([stdout[from + 2]!, stdout[from + 1]!, stdout[from]!, 255], (y * png.width + x) * 4);
      }
    }
    return png;
  }

  stop(): void {
    for (const program of this.programs) program.kill('SIGKILL');
    this.server.kill();
  }
}

export const pixelOf = (png: PNG, x: number, y: number): number[] => [...png.data.subarray((y * png.width + x) * 4, (y * png.width + x) * 4 + 3)];
