import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { askControl, requestOf } from '../../../../emulator/cli/control';
import type { Report } from '../../../../emulator/cli/report';
import { command } from '../../../command';
import { inspectSnapshot } from '../../../../emulator/snapshot/tools';

const root = join(__dirname, '../../../..');

describe('guest ctl', function () {
  this.timeout(120_000);
  const folder = mkdtempSync(join(tmpdir(), 'guest-ctl-'));
  after(() => rmSync(folder, { recursive: true }));
  const path = (name: string): string => join(folder, name);
  const ctl = (...args: string[]): { status: number | null; reply: Record<string, unknown>; err: string } => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [...command, 'ctl', path('socket'), ...args], { cwd: root, encoding: 'utf8' });
    return { status, reply: stdout === '' ? {} : (JSON.parse(stdout) as Record<string, unknown>), err: stderr };
  };

  it('asks a guest for its status, holds it, saves it, and ends it; the file goes on where it was', async () => {
    // inc eax; jmp -3
    writeFileSync(path('loop'), Buffer.from('6640ebfc', 'hex'));
    const args = ['--kernel', path('loop'), '--load-address', '0x7c00', '--load-mode', 'real', '--memory', '16M', '--serial', 'none'];
    const guest = spawn(process.execPath, [...command, 'run', ...args, '--control', path('socket'), '--report', path('report')], {
      cwd: root,
      stdio: 'ignore',
    });
    const ended = new Promise<number | null>((resolve) => guest.on('exit', resolve));
    for (let i = 0; i < 200 && !existsSync(path('socket')); i++) await new Promise((done) => setTimeout(done, 50));
    assert.equal(ctl('status').reply['running'], true);
    const held = ctl('pause').reply;
    assert.equal(held['running'], false);
    assert.deepEqual(ctl('status').reply['position'], held['position'], 'it stands still');
    const saved = ctl('checkpoint', path('held.guest'));
    assert.deepEqual([saved.status, saved.reply['position']], [0, held['position']]);
    const refused = ctl('checkpoint', path('nowhere/x.guest'));
    assert.equal(refused.status, 1);
    assert.match(String(refused.reply['error']), /there is no such folder/);
    const screen = ctl('screenshot', path('x.png'));
    assert.deepEqual([screen.status, screen.reply['ok']], [0, undefined]);
    const paste = (text: string): Promise<unknown> => askControl(path('socket'), { command: 'paste', text });
    assert.deepEqual(await paste('ls'), { ok: false, code: 'control-held', error: 'the guest is held: it takes keys once it is resumed' });
    assert.equal(ctl('resume').reply['running'], true);
    // Of a guest that runs on, the reply says where the file is.
    const running = ctl('checkpoint', path('running.guest')).reply;
    const machine = (await inspectSnapshot(path('running.guest'))).chunks.find(({ kind }) => kind === 'machine')!;
    assert.deepEqual(running, { file: path('running.guest'), position: machine.fields['position'] });
    assert.ok(Number(running['position']) > Number(held['position']));
    assert.deepEqual(await paste('echo Grüße\n'), { ok: true, typed: 9, skipped: 'üß' });
    assert.deepEqual(await askControl(path('socket'), { command: 'copy' }), { ok: false, code: 'control-text', error: 'no text can be read on the screen' });
    assert.equal(ctl('power').reply['running'], true, 'whether the guest listens or not');
    const { status, reply } = ctl(`--suspend=${path('end.guest')}`);
    assert.equal(status, 0);
    assert.equal(await ended, 0);
    const report = JSON.parse(readFileSync(path('report'), 'utf8')) as Report;
    assert.deepEqual([report.stopReason, report.position], ['suspended', reply['position']]);
    assert.ok(Number(reply['position']) > Number(held['position']));
    assert.equal(ctl('status').status, 2, 'nobody listens any more');
    const inspected = spawnSync(process.execPath, [...command, 'snapshot', 'inspect', path('end.guest')], { cwd: root, encoding: 'utf8' }).stdout;
    assert.match(inspected, /^acpi: .*\n(?: .*\n)*? +status .*PWRBTN/m);
    const more = Number(reply['position']) + 1000;
    const limits = ['--max-instructions', String(more), '--serial', 'none', '--report', path('report')];
    const resumed = spawnSync(process.execPath, [...command, 'resume', path('end.guest'), ...limits], { cwd: root });
    assert.equal(resumed.status, 0, resumed.stderr.toString());
    assert.equal((JSON.parse(readFileSync(path('report'), 'utf8')) as Report).position, more);
  });

  it("takes bhyvectl's words, and refuses what makes no sense", () => {
    assert.deepEqual(requestOf([], { vm: 'a', suspend: '/x' }), { name: 'a', request: { command: 'suspend', file: '/x' } });
    assert.deepEqual(requestOf(['a', 'pause'], {}), { name: 'a', request: { command: 'pause' } });
    assert.deepEqual(requestOf(['a', 'paste', '-'], {}), { name: 'a', request: { command: 'paste', text: '-' } });
    const history = (withHistory: string | true): unknown => requestOf(['a', 'checkpoint', '/x'], { withHistory }).request.historyBytes;
    assert.deepEqual([history(true), history('2M')], [256 << 20, 2 << 20]);
    for (const [words, given] of [
      [['a', 'pause'], { withHistory: true }],
      [['a', 'pause'], { parent: 'x' }],
      [['a', 'suspend', 'x'], { withHistory: 'much' }],
      [[], {}],
      [['a'], {}],
      [['a', 'fly'], {}],
      [['a', 'pause', 'x'], {}],
      [['a', 'suspend'], {}],
      [['a', 'paste'], {}],
      [['a', 'copy', 'x'], {}],
      [['a', 'pause'], { suspend: 'x' }],
      [['a', 'screenshot', 'x', 'y'], {}],
    ] as const)
      assert.throws(() => requestOf(words, given), /usage|no command|takes no|needs a file|needs a text|is no size/, words.join(' '));
  });
});
