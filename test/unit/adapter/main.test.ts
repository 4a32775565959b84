/** The adapter as a process of its own, with a real machine that runs the sample guest. */
import { strict as assert } from 'node:assert';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { connect as connectTo } from 'node:net';
import { join } from 'node:path';
import { CLIENT, Client } from './client';

const ROOT = join(__dirname, '../../..');
const SAMPLE = join(ROOT, 'samples/hello/hello.elf');
const SOURCE = join(ROOT, 'samples/hello/main.c');

const start = (...args: string[]): ChildProcess =>
  spawn(process.execPath, ['--require', 'tsx/cjs', join(ROOT, 'adapter/main.ts'), ...args], { cwd: ROOT, stdio: ['pipe', 'pipe', 'pipe'] });

interface Frame {
  readonly name: string;
  readonly line: number;
  readonly source: { readonly path?: string };
  readonly instructionPointerReference: string;
}

describe('the adapter as a program', function () {
  this.timeout(60_000);
  let child: ChildProcess;
  let client: Client;

  before(function () {
    if (!existsSync(SAMPLE) || !existsSync(join(ROOT, 'dist/engine.wasm'))) this.skip();
  });
  afterEach(() => child.kill());

  async function launch(attributes: Record<string, unknown> = {}): Promise<void> {
    child = start();
    client = new Client(child.stdout!, child.stdin!);
    await client.request('initialize', CLIENT);
    await Promise.all([client.event('initialized'), client.request('launch', { program: SAMPLE, memory: '32M', stopOnEntry: true, ...attributes })]);
  }
  async function configured(): Promise<void> {
    await Promise.all([client.event('stopped'), client.request('configurationDone')]);
  }
  const top = async (): Promise<Frame> => (await client.request('stackTrace', { threadId: 1, levels: 1 })).stackFrames[0];
  const toMain = async (): Promise<void> => {
    await client.request('setFunctionBreakpoints', { breakpoints: [{ name: 'kernel_main' }] });
    await configured();
    assert.equal((await client.moved('continue')).reason, 'function breakpoint');
  };

  it('stops at the first instruction, then at a breakpoint in source', async () => {
    await launch();
    const line = 66;
    const { breakpoints } = await client.request('setBreakpoints', { source: { path: SOURCE }, breakpoints: [{ line }] });
    assert.equal(breakpoints[0].verified, true);
    await configured();
    assert.equal((await top()).name, 'start32');
    assert.equal((await client.moved('continue')).reason, 'breakpoint');
    const frame = await top();
    assert.deepEqual([frame.name, frame.line, frame.source.path], ['kernel_main', line, SOURCE]);
  });

  it('steps over, into and out of functions by source line', async () => {
    await launch();
    await toMain();
    const lines: string[] = [];
    for (const command of ['next', 'stepIn', 'stepOut', 'next']) {
      await client.moved(command);
      const { name, line } = await top();
      lines.push(`${command} ${name}:${line}`);
    }
    assert.match(lines[0]!, /^next kernel_main:66$/);
    assert.match(lines[1]!, /^stepIn serial_text:/);
    assert.match(lines[2]!, /^stepOut kernel_main:6[67]$/);
    assert.match(lines[3]!, /^next kernel_main:6[789]$/);
  });

  it('leaves a line that loops for long, and stays out of interrupt handlers', async () => {
    await launch();
    await client.request('setFunctionBreakpoints', { breakpoints: [{ name: 'screen_rectangle' }] });
    await configured();
    await client.moved('continue');
    await client.request('setFunctionBreakpoints', { breakpoints: [] });
    const lines: number[] = [];
    while (lines.length < 5) {
      await client.moved('next');
      lines.push((await top()).line);
    }
    assert.deepEqual(lines.slice(0, 4), [33, 34, 32, 36], 'the inner loop is one line');
    const waiting = 75;
    await client.request('setBreakpoints', { source: { path: SOURCE }, breakpoints: [{ line: waiting }] });
    await client.moved('continue');
    await client.moved('next');
    const { name, line } = await top();
    assert.deepEqual([name, line], ['kernel_main', waiting + 1]);
  });

  it('steps back out of a line that loops for long', async () => {
    await launch();
    await client.request('setFunctionBreakpoints', { breakpoints: [{ name: 'screen_rectangle' }] });
    await configured();
    await client.moved('continue');
    await client.request('setFunctionBreakpoints', { breakpoints: [] });
    for (const line of [33, 34, 32]) {
      await client.moved('next');
      assert.equal((await top()).line, line);
    }
    const lines: number[] = [];
    for (let step = 0; step < 4 && lines.at(-1) !== 33; step++) {
      await client.moved('stepBack');
      lines.push((await top()).line);
    }
    assert.deepEqual([lines[0], lines.at(-1)], [34, 33]);
  });

  it('prints what the guest says, changes its registers and answers while it runs', async () => {
    await launch();
    await toMain();
    const { scopes } = await client.request('scopes', { frameId: 1 });
    const general = scopes[0].variablesReference;
    assert.equal((await client.request('setVariable', { variablesReference: general, name: 'r15', value: '0x1234' })).value, '0x0000000000001234');
    assert.equal((await client.console('r15 + 1')).result, '0x0000000000001235');
    assert.match((await client.console('info devices com1')).result, /lcr/);
    await client.request('continue', { threadId: 1 });
    assert.equal((await client.event('output')).output.trim(), 'Hello, guest!');
    const asked = Date.now();
    assert.equal((await client.moved('pause')).reason, 'pause');
    assert.ok(Date.now() - asked < 1000, 'pausing takes long');
    assert.match((await client.console('status')).result, /position +\d+/);
  });

  it('ends with the guest’s exit code when it says so on the serial line', async () => {
    await launch();
    await configured();
    await client.request('continue', { threadId: 1 });
    await client.event('output');
    await client.console('> q');
    assert.equal((await client.event('exited')).exitCode, 1);
    await client.event('terminated');
    const exit = once(child, 'exit');
    await client.request('disconnect', {});
    assert.equal((await exit)[0], 0);
  });

  it('steps back to the exact former state', async function () {
    await launch();
    await toMain();
    if ((await client.send('guest/checkpoint', { name: 'main' })).success !== true) this.skip();
    const hash = (await client.console('hash')).result;
    const before = await top();
    await client.moved('stepIn', { threadId: 1, granularity: 'instruction' });
    assert.notEqual((await client.console('hash')).result, hash);
    await client.moved('stepBack', { threadId: 1, granularity: 'instruction' });
    assert.deepEqual(await top(), before);
    assert.equal((await client.console('hash')).result, hash);
    await client.moved('next');
    await client.moved('next');
    await client.moved('stepBack');
    assert.equal((await top()).line, 66, 'back over the call of the line before');
    await client.moved('guest/restore', { id: (await client.request('guest/checkpoints', {})).checkpoints.at(-1).id });
    assert.equal((await client.console('hash')).result, hash);
  });

  it('refuses what is no guest, and names it', async () => {
    child = start();
    client = new Client(child.stdout!, child.stdin!);
    await client.request('initialize', CLIENT);
    assert.match(await client.refused('launch', { program: '/nowhere/kernel' }), /\/nowhere\/kernel.*no such file/);
    assert.match(await client.refused('launch', { program: join(ROOT, 'package.json') }), /package\.json/);
  });

  it('serves a port', async () => {
    child = start('--port', '0');
    const [line] = (await once(child.stderr!, 'data')) as [Buffer];
    const port = Number(/127\.0\.0\.1:(\d+)/.exec(String(line))?.[1]);
    const socket = connectTo(port, '127.0.0.1');
    client = new Client(socket, socket);
    assert.equal((await client.request('initialize', CLIENT)).supportsDisassembleRequest, true);
    await client.request('disconnect', {});
    socket.destroy();
  });

  it('has a usage', async () => {
    child = start('--prot', '5');
    const [text] = (await once(child.stderr!, 'data')) as [Buffer];
    assert.match(String(text), /usage: /);
    assert.equal((await once(child, 'exit'))[0], 2);
  });
});
