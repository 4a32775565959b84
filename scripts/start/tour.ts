/** A walk through a debug session of the sample kernel: what is asked of the adapter, and what came back. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { DebugProtocol } from '@vscode/debugprotocol';
import type { GuestRequests } from '../../adapter/protocol/guest';
import type { Client } from './client';

type Body<R extends { body?: unknown }> = NonNullable<R['body']>;
const THREAD = 1;
/** Where the tour stops first. */
const MARK = 'bool prime = is_prime(';

const styled = process.stdout.isTTY;
const dim = (text: string): string => (styled ? `\u001b[2m${text}\u001b[0m` : text);
const bold = (text: string): string => (styled ? `\u001b[1m${text}\u001b[0m` : text);

export class Tour {
  constructor(
    private readonly client: Client,
    private readonly samples: string,
  ) {
    client.on(({ event, body }) => {
      if (event === 'output') this.output(body as DebugProtocol.OutputEvent['body']);
    });
  }

  say(text: string): void {
    console.log(`\n${bold(text)}`);
  }

  private output({ category, output }: DebugProtocol.OutputEvent['body']): void {
    for (const line of output.replace(/\r/g, '').trimEnd().split('\n')) console.log(dim(`  ${category === 'stdout' ? 'serial' : 'console'} │ ${line}`));
  }

  async run(): Promise<void> {
    const { client } = this;
    const program = join(this.samples, 'hello/hello.elf');
    const source = join(this.samples, 'hello/main.c');
    const line =
      readFileSync(source, 'utf8')
        .split('\n')
        .findIndex((text) => text.includes(MARK)) + 1;

    await client.request('initialize', { adapterID: 'guest', linesStartAt1: true, columnsStartAt1: true, pathFormat: 'path' });
    this.say('Launch: samples/hello, a 64-bit kernel with 64 MB of memory');
    const initialized = client.next('initialized');
    await Promise.all([
      client.request('launch', { program, memory: '64M', symbols: [program], sourceMap: { '/guest-debug/samples': this.samples } }),
      initialized,
    ]);

    this.say(`Breakpoint in main.c, line ${line}`);
    const { breakpoints } = await client.request<Body<DebugProtocol.SetBreakpointsResponse>>('setBreakpoints', {
      source: { path: source },
      breakpoints: [{ line }],
    });
    const [breakpoint] = breakpoints;
    console.log(`  ${breakpoint?.verified ? 'set' : `not set: ${breakpoint?.message}`} at line ${breakpoint?.line}`);
    await this.move('Run', 'configurationDone', {});
    await this.stack();
    await this.scopes();

    await this.move('Step over', 'next', { threadId: THREAD });
    await this.history();
    await client.request('setBreakpoints', { source: { path: source }, breakpoints: [] });
    this.say('No more breakpoints: the guest runs for two seconds, then pauses');
    await this.go();
    await new Promise((resolve) => setTimeout(resolve, 2000));
    await this.move('Pause', 'pause', { threadId: THREAD });
  }

  /** Back in time, and forward again. */
  private async history(): Promise<void> {
    const { client } = this;
    const after = await this.rip();
    let checkpoint: GuestRequests['guest/checkpoint']['body'];
    try {
      checkpoint = await client.request('guest/checkpoint', { name: 'after the first step' });
    } catch (error) {
      if (!(error instanceof Error && error.message.includes('[no-history]'))) throw error;
      return this.say('This build of the machine keeps no history: no step back, no checkpoints.');
    }
    const { id, name } = checkpoint;
    this.say(`Checkpoint ${id}: ${name}`);
    await this.move('Step back', 'stepBack', { threadId: THREAD });
    await this.move('Step back, one instruction', 'stepBack', { threadId: THREAD, granularity: 'instruction' });
    await this.move('Continue to the next time', 'continue', { threadId: THREAD });
    await this.move('Continue once more', 'continue', { threadId: THREAD });
    await this.move('Run backwards to the last hit', 'reverseContinue', { threadId: THREAD });
    await this.move(`Restore checkpoint ${id}`, 'guest/restore', { id });
    const restored = await this.rip();
    console.log(`  RIP is ${restored}${restored === after ? ', as it was' : `, but it was ${after}`}`);
    if (restored !== after) throw new Error('the checkpoint was not restored exactly');
  }

  go(): Promise<unknown> {
    return this.client.request('continue', { threadId: THREAD });
  }

  /** Something that ends in a stop; says where that is. */
  private async move(title: string, command: string, args: object): Promise<void> {
    this.say(title);
    const stopped = this.client.next<DebugProtocol.StoppedEvent['body']>('stopped');
    const [, { reason, description, text }] = await Promise.all([this.client.request(command, args), stopped]);
    console.log(`  stopped: ${description ?? reason}${text ? ` (${text})` : ''}, ${await this.where()}`);
  }

  private async frames(levels: number): Promise<DebugProtocol.StackFrame[]> {
    const { stackFrames } = await this.client.request<Body<DebugProtocol.StackTraceResponse>>('stackTrace', { threadId: THREAD, startFrame: 0, levels });
    return stackFrames;
  }

  private async where(): Promise<string> {
    const [frame] = await this.frames(1);
    if (!frame) return 'nowhere';
    return `${frame.instructionPointerReference} in ${frame.name}${frame.source?.path ? `, ${frame.source.name ?? frame.source.path} line ${frame.line}` : ''}`;
  }

  private async rip(): Promise<string> {
    return (await this.frames(1))[0]?.instructionPointerReference ?? '';
  }

  private async stack(): Promise<void> {
    this.say('Stack');
    for (const frame of await this.frames(8)) console.log(`  ${frame.name}${frame.source?.name ? `  ${frame.source.name}:${frame.line}` : ''}`);
  }

  private children(variablesReference: number): Promise<Body<DebugProtocol.VariablesResponse>> {
    return this.client.request('variables', { variablesReference });
  }

  /** Registers, and the fields of one chip. */
  private async scopes(): Promise<void> {
    const [frame] = await this.frames(1);
    if (!frame) return;
    const { scopes } = await this.client.request<Body<DebugProtocol.ScopesResponse>>('scopes', { frameId: frame.id });
    this.say(`Scopes: ${scopes.map(({ name }) => name).join(', ')}`);
    const general = scopes[0] && (await this.children(scopes[0].variablesReference)).variables;
    console.log(
      `  ${(general ?? [])
        .slice(0, 18)
        .map(({ name, value }) => `${name} ${value}`)
        .join('  ')}`,
    );
    const devices = scopes.find(({ name }) => name === 'Devices');
    if (!devices) return;
    const chips = (await this.children(devices.variablesReference)).variables;
    this.say(`Devices: ${chips.map(({ name }) => name).join(', ')}`);
    const chip = chips.find(({ name }) => name === 'pit') ?? chips[0];
    if (!chip) return;
    for (const { name, value } of (await this.children(chip.variablesReference)).variables.slice(0, 6)) console.log(`  ${chip.name}.${name}  ${value}`);
  }
}
