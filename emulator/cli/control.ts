/** `guest run --control` and `guest ctl`: the two ends of a guest's control socket. */
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { resolve } from 'node:path';
import type { Command as Program } from 'commander';
import { userError } from '../errors';
import type { Guest, RunLimits } from '../machine/api';
import { COMMANDS, controlPath, isCommand, listenControl, WITH_FILE, type Command, type ControlRequest, type Reply } from '../machine/control';
import { press, typeText } from '../machine/typing';
import { writeScreenshot } from './png';
import { parseHistory, part } from './config';

/** A run that others may pause, and end. */
export class ControlledRun {
  /** Paused by a client: the run has not come to its end. */
  private held = false;
  private pasting = false;
  private ended = false;
  private limits: RunLimits = {};
  private work: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly guest: Guest,
    /** Ends the run; its cause shows in the report. */
    private readonly end: (why: string) => void,
  ) {}

  /** The run goes on, to these limits. */
  moving(limits: RunLimits): void {
    this.limits = limits;
  }
  /** Whether a stop is only a client's pause. */
  get paused(): boolean {
    return this.held;
  }

  /** Requests are done one after the other, whoever they come from. */
  readonly request = (request: ControlRequest): Promise<Reply> => {
    // Typing takes time, and is held by a pause that others ask for.
    const { command, text = '' } = request;
    if (command === 'paste') return this.paste(text);
    const done = this.work.then(() => this.perform({ ...request, command }));
    this.work = done.catch(() => undefined);
    return done;
  };

  private async paste(text: string): Promise<Reply> {
    if (this.pasting) throw userError('control-busy', 'another text is being typed');
    if (this.held) throw userError('control-held', 'the guest is held: it takes keys once it is resumed');
    this.pasting = true;
    try {
      const { typed, skipped } = await typeText(this.guest, text, () => this.ended);
      if (this.ended) throw userError('control-ended', `the run has ended; ${typed} characters were typed before`);
      return { typed, skipped };
    } finally {
      this.pasting = false;
    }
  }

  private async perform({ command, file, historyBytes, parent }: Omit<ControlRequest, 'command'> & { command: Exclude<Command, 'paste'> }): Promise<Reply> {
    const { guest } = this;
    const save = (): Promise<number> => guest.save(file!, { ...part('historyBytes', historyBytes), ...part('parent', parent) });
    switch (command) {
      case 'status':
        return this.status();
      case 'pause':
        if (!this.held) {
          this.held = true;
          await this.stopped(() => guest.pause());
        }
        return this.status();
      case 'resume':
        if (this.held) {
          this.held = false;
          await guest.resume(this.limits);
        }
        return this.status();
      case 'checkpoint':
        return { file: file!, position: await save() };
      case 'suspend': {
        // Nothing happens between what the file says and the end.
        const before = this.held;
        if (!before) {
          this.held = true;
          await this.stopped(() => guest.pause());
        }
        try {
          await save();
        } catch (error) {
          if (!before) {
            this.held = false;
            await guest.resume(this.limits);
          }
          throw error;
        }
        const reply = { file: file!, ...(await this.status()) };
        this.finish('suspended');
        return reply;
      }
      case 'screenshot':
        await writeScreenshot(guest, file!);
        return { file: file! };
      case 'copy': {
        const text = await guest.text();
        if (text === undefined) throw userError('control-text', 'no text can be read on the screen');
        return { text };
      }
      case 'power':
        // What becomes of it is the guest's affair.
        await press(guest, ['Power']);
        return this.status();
      case 'quit':
        this.finish('quit');
        return {};
    }
  }

  private async status(): Promise<Reply> {
    const { running, position, instructions, time, mips } = await this.guest.status();
    return { running, position, instructions, virtualSeconds: time / 1e9, mips: Math.round(mips) };
  }

  /** The client is answered first. */
  private finish(why: string): void {
    this.ended = true;
    setImmediate(() => this.end(why));
  }

  private async stopped(pause: () => Promise<void>): Promise<void> {
    if (!(await this.guest.status()).running) return;
    const stop = new Promise<void>((done) => {
      const off = this.guest.on(({ event }) => {
        if (event !== 'stopped') return;
        off();
        done();
      });
    });
    await pause();
    await stop;
  }
}

/** Listens for clients; gives what ends that. */
export async function serveControl(run: ControlledRun, name: string | undefined): Promise<() => Promise<void>> {
  if (name === undefined) return () => Promise.resolve();
  const { path, close } = await listenControl(name, run.request);
  process.stderr.write(`guest: control socket ${path}\n`);
  return close;
}

/** Asks a running guest; rejects where nobody listens. */
export function askControl(nameOrPath: string, request: ControlRequest): Promise<Reply> {
  const path = controlPath(nameOrPath);
  return new Promise((done, reject) => {
    const socket = connect(path);
    let text = '';
    socket.setEncoding('utf8');
    socket.on('error', (error) => reject(userError('control-socket', `no guest listens at ${path} (${(error as NodeJS.ErrnoException).code})`, error)));
    socket.on('connect', () => socket.write(`${JSON.stringify(request)}\n`));
    socket.on('data', (chunk: string) => {
      text += chunk;
      const end = text.indexOf('\n');
      if (end < 0) return;
      socket.end();
      try {
        done(JSON.parse(text.slice(0, end)) as Reply);
      } catch (error) {
        reject(userError('control-socket', `what listens at ${path} is no guest: it answers with no JSON`, error));
      }
    });
    socket.on('close', () => reject(userError('control-socket', `the guest at ${path} has ended without an answer`)));
  });
}

export const PARENT = 'a snapshot of the same folder: what it holds is not written again';

interface Given {
  readonly vm?: string;
  readonly suspend?: string;
  readonly checkpoint?: string;
  readonly withHistory?: string | true;
  readonly parent?: string;
}

/** `guest ctl NAME COMMAND [FILE|TEXT]`, and as bhyvectl has it: `guest ctl --vm=NAME --suspend=FILE`. */
export function requestOf(words: readonly string[], given: Given): { readonly name: string; readonly request: ControlRequest } {
  const [name, command, operand, ...more] = given.vm === undefined ? words : [given.vm, ...words];
  const asked: [Command, string][] = [];
  if (given.suspend !== undefined) asked.push(['suspend', given.suspend]);
  if (given.checkpoint !== undefined) asked.push(['checkpoint', given.checkpoint]);
  if (name === undefined || more.length > 0 || asked.length + (command === undefined ? 0 : 1) !== 1) {
    throw userError('control-command', `usage: guest ctl NAME ${COMMANDS.join('|')} [FILE|TEXT]`);
  }
  const [wanted, what] = asked[0] ?? [command, operand];
  if (!isCommand(wanted)) throw userError('control-command', `'${wanted}' is no command; there are ${COMMANDS.join(', ')}`);
  const kind = wanted === 'paste' ? 'text' : 'file';
  if ((kind === 'text' || WITH_FILE.has(wanted)) !== (what !== undefined))
    throw userError('control-command', `${wanted} ${what === undefined ? `needs a ${kind}` : 'takes no file'}`);
  const { withHistory, parent } = given;
  const saves = wanted === 'checkpoint' || wanted === 'suspend';
  if (withHistory !== undefined && !saves) throw userError('control-command', `${wanted} takes no history`);
  if (parent !== undefined && !saves) throw userError('control-command', `${wanted} takes no parent`);
  const historyBytes = withHistory === undefined ? {} : { historyBytes: parseHistory('--with-history', withHistory) };
  return {
    name,
    request: {
      command: wanted,
      ...(what !== undefined && { [kind]: kind === 'text' ? what : resolve(what) }),
      ...historyBytes,
      ...part('parent', parent && resolve(parent)),
    },
  };
}

export function addControlCommand(program: Program): void {
  program
    .command('ctl [words...]')
    .description(`ask a guest that runs with --control: NAME ${COMMANDS.join('|')} [FILE|TEXT]; the text - is standard input`)
    .option('--vm <name>', 'the name or path of its socket')
    .option('--suspend <file>', 'write a snapshot and end')
    .option('--checkpoint <file>', 'write a snapshot and go on')
    .option('--with-history [size]', 'the snapshot carries the past, in pages of 256M at most unless told otherwise')
    .option('--parent <file>', PARENT)
    .action(async (words: string[], given: Given) => {
      const { name, request } = requestOf(words, given);
      const { text } = request;
      const { ok, ...reply } = await askControl(name, text === '-' ? { ...request, text: readFileSync(0, 'utf8') } : request);
      if (request.command === 'copy' && ok === true) process.stdout.write(`${String(reply['text'])}\n`);
      else process.stdout.write(`${JSON.stringify(ok === true ? reply : { ok, ...reply }, undefined, 2)}\n`);
      if (ok !== true) process.exitCode = 1;
    });
}
