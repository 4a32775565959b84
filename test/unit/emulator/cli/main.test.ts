import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PNG } from 'pngjs';
import type { Report } from '../../../../emulator/cli/report';
import { MODES, VgaRom } from '../../../guests/vgarom';
import { ECHO, EXIT, OFF, PROMPT, TICKS, TRIPLE } from '../machine/guests';
import { command } from '../../../command';

const root = join(__dirname, '../../../..');

describe('guest command', function () {
  this.timeout(60_000);
  const folder = mkdtempSync(join(tmpdir(), 'guest-cli-'));
  after(() => rmSync(folder, { recursive: true }));
  const path = (name: string): string => join(folder, name);
  const FLAT = ['--load-address', '0x7c00', '--load-mode', 'real', '--memory', '16M', '--no-history', '--serial', 'none'];

  const run = (...args: string[]): { status: number | null; out: string; err: string } => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [...command, ...args], { cwd: root, encoding: 'utf8', input: '' });
    return { status, out: stdout, err: stderr };
  };
  const image = ({ kernel }: typeof ECHO): string => {
    writeFileSync(path(kernel!.name), kernel!.bytes);
    return path(kernel!.name);
  };
  const report = (...args: string[]): { status: number | null; report: Report } => {
    const file = path('report.json');
    rmSync(file, { force: true });
    const { status, err } = run('run', ...FLAT, '--report', file, ...args);
    assert.ok(existsSync(file), err);
    return { status, report: JSON.parse(readFileSync(file, 'utf8')) as Report };
  };

  it('reports what a run was', () => {
    const { status, report: found } = report('--kernel', image(EXIT));
    assert.equal(status, 0);
    assert.equal(found.stopReason, 'exit');
    assert.equal(found.exitCode, 0x43);
    assert.equal(found.instructions, 3);
    assert.match(found.stateHash, /^[0-9a-f]{32}$/);
    for (const name of ['virtualSeconds', 'hostCpuSeconds', 'hostWallSeconds', 'mips', 'peakRssBytes'] as const) assert.ok(found[name] > 0, name);
    assert.deepEqual([found.hashes, found.checkpoints, found.historyBytes], [[], 0, 0]);
  });

  it("starts when the first viewer connects, in bhyve's words for it", async () => {
    const file = path('waits.json');
    const display = ['--display', 'fbuf,rfb=127.0.0.1:0,w=800,h=600,vga=io,wait'];
    const child = spawn(process.execPath, [...command, 'run', ...FLAT, '--kernel', image(EXIT), '--report', file, ...display], { cwd: root });
    const ended = new Promise<number | null>((resolve) => child.on('exit', resolve));
    const port = await new Promise<number>((resolve) => {
      let text = '';
      child.stderr.on('data', (chunk: Buffer) => {
        const found = /connect to 127\.0\.0\.1:(\d+); the guest starts when/.exec((text += chunk.toString()));
        if (found) resolve(Number(found[1]));
      });
    });
    await new Promise((resolve) => setTimeout(resolve, 300));
    assert.equal(child.exitCode, null, 'this guest ends at once when it starts');
    const viewer = connect(port, '127.0.0.1');
    viewer.on('error', () => undefined).resume();
    viewer.write('RFB 003.003\n\x01');
    assert.equal(await ended, 0);
    viewer.destroy();
    assert.equal((JSON.parse(readFileSync(file, 'utf8')) as Report).stopReason, 'exit');
  });

  it('does not start where no viewer comes', () => {
    const { status, report: found } = report('--kernel', image(EXIT), '--vnc', '127.0.0.1:0,wait', '--timeout', '1');
    assert.deepEqual([status, found.stopReason, found.instructions], [1, 'timeout', 0]);
  });

  it('exits with 0 for power-off and 1 for a triple fault', () => {
    assert.equal(report('--kernel', image(OFF)).status, 0);
    const { status, report: found } = report('--kernel', image(TRIPLE));
    assert.equal(status, 1);
    assert.equal(found.stopReason, 'shutdown');
    assert.match(found.description!, /triple fault/);
    // The bytes of `ud2`, behind cli; xor; mov ds; mov word; lidt.
    assert.equal(found.rip, '0x7c10');
  });

  it('types after a prompt, waits for an answer, and stops there in every run', () => {
    const args = ['--kernel', image(PROMPT), '--type-after', '>', '--type-serial', 'hello\\n', '--until-serial', 'LO'];
    const runs = [report(...args, '--serial', `file:${path('serial')}`), report(...args)];
    for (const { status, report: found } of runs) assert.deepEqual([status, found.stopReason], [0, 'serial']);
    assert.equal(readFileSync(path('serial'), 'latin1'), '>HELLO');
    assert.equal(runs[0]!.report.stateHash, runs[1]!.report.stateHash);
  });

  it('waits for what is on the screen, presses keys and clicks, the same in every run', () => {
    const rom = new VgaRom().mode(MODES.text).dac().ramp(0xb800, 0, 2000, 0x20, 0);
    [...'Hello'].forEach((character, i) => rom.poke(0xb800, 160 * 3 + 8 + 2 * i, character.charCodeAt(0)));
    writeFileSync(path('rom.bin'), rom.bytes());
    const bios = ['run', '--bios', path('rom.bin'), '--display', 'vga', '--memory', '16M', '--no-history', '--serial', 'none', '--report', path('screen.json')];
    const see = (...args: string[]): { status: number | null; stopReason: string; stateHash: string } => {
      const { status, err } = run(...bios, ...args);
      assert.ok(existsSync(path('screen.json')), err);
      return { status, ...(JSON.parse(readFileSync(path('screen.json'), 'utf8')) as Report) };
    };
    const found = see('--until-screen', 'Hello', '--screen-text', path('screen.txt'), '--screenshot', path('hello.png'));
    assert.deepEqual([found.status, found.stopReason], [0, 'screen']);
    assert.match(readFileSync(path('screen.txt'), 'latin1'), /^\n\n\n {4}Hello\n/);
    assert.deepEqual(
      [see('--until-screen', path('hello.png'))].map(({ status, stopReason }) => [status, stopReason]),
      [[0, 'screen']],
    );
    const missing = see('--until-screen', 'Goodbye', '--send-keys', 'x');
    assert.deepEqual([missing.status, missing.stopReason], [1, 'idle']);
    const typed = ['--until-screen', 'Hello', '--send-keys', 'y<1s><ctrl-alt-del>', '--click', '10,10', '--until-screen', 'Hello'];
    const runs = [see(...typed), see(...typed)];
    assert.deepEqual(runs.map(({ status }) => status), [0, 0]); // prettier-ignore
    assert.equal(runs[0]!.stateHash, runs[1]!.stateHash);
    assert.notEqual(runs[0]!.stateHash, found.stateHash, 'the keyboard has the keys');
  });

  it('exits with 1 when the awaited text does not come', () => {
    const { status, report: found } = report('--kernel', image(PROMPT), '--until-serial', 'never', '--max-instructions', '50000');
    assert.deepEqual([status, found.stopReason], [1, 'limit']);
  });

  it('records equal hashes in two runs', () => {
    const args = ['--kernel', image(TICKS), '--max-instructions', '300000', '--state-hash-every', '100000'];
    const [first, second] = [report(...args), report(...args)];
    assert.equal(first.status, 0);
    assert.equal(first.report.stopReason, 'limit');
    assert.deepEqual(
      first.report.hashes.map(({ position }) => position),
      [100_000, 200_000, 300_000],
    );
    assert.deepEqual(first.report.hashes, second.report.hashes);
    assert.equal(first.report.stateHash, second.report.stateHash);
  });

  it('ends after a time of the host', () => {
    const { status, report: found } = report('--kernel', image(ECHO), '--timeout', '1');
    assert.deepEqual([status, found.stopReason], [1, 'timeout']);
  });

  it('takes a picture', () => {
    const { status } = report('--kernel', image(EXIT), '--display', '800x600', '--screenshot', path('screen.png'));
    assert.equal(status, 0);
    const png = PNG.sync.read(readFileSync(path('screen.png')));
    assert.deepEqual([png.width, png.height], [800, 600]);
  });

  it('takes a launch configuration, whose paths are relative to it', () => {
    image(EXIT);
    writeFileSync(
      path('launch.json'),
      JSON.stringify({ type: 'guest', name: 'x', program: 'exit', loadAddress: '0x7c00', loadMode: 'real', memory: '16M', display: false }),
    );
    const { status, err } = run('run', '--config', path('launch.json'), '--serial', 'none');
    assert.equal(status, 0, err);
    writeFileSync(path('launch.json'), JSON.stringify({ progam: 'exit' }));
    const bad = run('run', '--config', path('launch.json'));
    assert.equal(bad.status, 2);
    assert.match(bad.err, /'progam' is unknown/);
  });

  it('exits with 2 and says what is wrong with usage or input', () => {
    for (const [args, message] of [
      [['run', '--bogus'], /unknown option/],
      [['run'], /no kernel/],
      [['run', '--kernel', path('missing')], /missing.*no such file/],
      [['run', '--kernel', __filename, '--memory', '16M'], /neither a Linux bzImage/],
      [['run', '--kernel', image(EXIT), '--memory', 'lots'], /no size/],
      [['run', ...FLAT, '--kernel', image(EXIT), '--memory', '1M'], /16 MB/],
      [['run', ...FLAT, '--kernel', image(EXIT), '--serial', 'nowhere'], /none of stdio/],
      [['run', ...FLAT, '--kernel', image(EXIT), '--serial', `file:${path('no/serial')}`], /serial line to '.*no.serial'/],
      [['run', ...FLAT, '--kernel', image(EXIT), '--report', path('no/report.json')], /report '.*no.report.json'/],
      [['run', ...FLAT, '--kernel', image(EXIT), '--report', folder], /report '.*folder/],
      [['run', ...FLAT, '--kernel', image(EXIT), '--screenshot', path('no/x.png')], /screenshot '.*no.x.png'/],
      [['run', ...FLAT, '--kernel', image(EXIT), '--screen-text', path('no/x')], /screen text '.*no.x'/],
      [['run', ...FLAT, '--kernel', image(EXIT), '--send-keys', '<bogus>'], /--send-keys '<bogus>': there is no key <bogus>/],
      [['run', ...FLAT, '--kernel', image(EXIT), '--display', 'none', '--until-screen', 'x'], /--until-screen: the machine has no screen/],
      [['bogus'], /unknown command/],
    ] as const) {
      const { status, err } = run(...args);
      assert.equal(status, 2, `${args.join(' ')}: ${err}`);
      assert.match(err, message);
    }
  });

  it('says before the run what could not be saved after it', () => {
    const saved = ['--kernel', image(EXIT), '--suspend', path('x.guest')];
    for (const [args, message] of [
      [['run', ...FLAT, '--kernel', image(EXIT), '--with-history'], /--with-history: is for --suspend/],
      [['resume', path('none.guest'), '--control', path('socket'), '--parent', path('y.guest')], /--parent: is for --suspend/],
      [['run', ...FLAT, '--kernel', image(EXIT), '--suspend', path('no/x.guest')], /snapshot '.*no.x.guest'/],
      [['run', ...FLAT, ...saved, '--parent', path('y.guest')], /snapshot '.*y.guest': .*there is no such file/],
      [['run', ...FLAT, ...saved, '--with-history'], /the history of this guest is switched off/],
    ] as const) {
      const { status, err } = run(...args);
      assert.equal(status, 2, `${args.join(' ')}: ${err}`);
      assert.match(err, message);
      assert.ok(!err.includes('instructions'), 'it was run');
    }
    assert.ok(!existsSync(path('x.guest')));
  });

  it("goes on from a snapshot in bhyve's words", () => {
    const file = path('r.guest');
    const loop = path('loop.bin');
    writeFileSync(loop, Buffer.from('6640ebfc', 'hex')); // inc eax; jmp -3
    assert.equal(run('run', ...FLAT, '--kernel', loop, '--max-instructions', '1000', '--suspend', file).status, 0);
    const found = path('r.json');
    const { status, err } = run('run', '-r', file, '--serial', 'none', '--max-instructions', '3000', '--report', found);
    assert.equal(status, 0, err);
    assert.equal((JSON.parse(readFileSync(found, 'utf8')) as Report).instructions, 3000);
    assert.match(run('run', '-r', file, '--memory', '32M').err, /--restore: the machine is the snapshot's; --memory is not for it/);
    assert.match(run('resume', file, '--override', 'memory=32M').err, /that is the snapshot's own/);
  });

  it('looks at the memory and the screen of a snapshot', () => {
    const [file, png] = [path('looked.guest'), path('looked.png')];
    assert.equal(run('run', ...FLAT, '--kernel', image(EXIT), '--display', '800x600', '--max-instructions', '1', '--suspend', file).status, 0);
    const code = [...EXIT.kernel!.bytes.subarray(0, 4)].map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
    const { out, err } = run('snapshot', 'memory', file, '0x7c00', '4');
    assert.match(out, new RegExp(`^0000000000007c00  ${code} +  .{4}\\n$`), err);
    assert.equal(run('snapshot', 'picture', file, png).status, 0);
    const { width, height } = PNG.sync.read(readFileSync(png));
    assert.deepEqual([width, height], [800, 600]);
    const map = run('snapshot', 'map', file).out;
    assert.match(map, /^memory  0x0000000000000000–0x0000000000ffffff  ram\n[^]*^port    0x03f8–0x03ff +com1$/m);
    const regions = JSON.parse(run('snapshot', 'map', '--json', file).out) as unknown[];
    assert.deepEqual(regions[0], { space: 'memory', first: '0x0000000000000000', last: '0x0000000000ffffff', owner: 'ram' });
    assert.equal(regions.length, map.trim().split('\n').length);
    for (const [args, message] of [
      [['memory', file, 'here'], /'here' is no address/],
      [['memory', file, '0', '0'], /1 to 1048576 are possible/],
      [['memory', file, '0xffff0000000'], /there is no memory at 0xffff0000000/],
      [['picture', path('none'), png], /there is no such file/],
    ] as const) {
      const { status, err: said } = run('snapshot', ...args);
      assert.equal(status, 2, said);
      assert.match(said, message);
    }
  });
});
