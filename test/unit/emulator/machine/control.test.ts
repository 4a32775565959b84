import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { userError } from '../../../../emulator/errors';
import { controlPath, listenControl, parseRequest, type ControlRequest } from '../../../../emulator/machine/control';

/** Sends a text, and gives the lines that come back until the other side ends or `count` have come. */
function talk(path: string, text: string, count: number): Promise<unknown[]> {
  return new Promise((resolve, reject) => {
    const socket: Socket = connect(path, () => socket.write(text));
    let got = '';
    const done = (): void => {
      socket.destroy();
      resolve(
        got
          .trim()
          .split('\n')
          .filter((line) => line !== '')
          .map((line) => JSON.parse(line) as unknown),
      );
    };
    socket.setEncoding('utf8').on('data', (chunk: string) => (got += chunk).split('\n').length > count && done());
    socket.on('end', done).on('error', reject);
  });
}

describe('control socket', () => {
  let folder = '';
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'guest-control-'))));
  afterEach(() => rmSync(folder, { recursive: true }));
  const at = (name: string): string => join(folder, name);

  it('answers each line, errors too, in their order, to several clients', async () => {
    const asked: ControlRequest[] = [];
    const { path, close } = await listenControl(at('s'), async (request) => {
      asked.push(request);
      if (request.command === 'quit') throw userError('busy', 'not now');
      return { position: asked.length };
    });
    assert.equal(statSync(path).mode & 0o777, 0o600);
    const [one, two] = await Promise.all([talk(path, '{"command":"status"}\n\n{"command":"quit"}\n', 2), talk(path, '{"command":"pause"}\n', 1)]);
    assert.deepEqual((one[0] as { ok: boolean }).ok, true);
    assert.deepEqual(one[1], { ok: false, code: 'busy', error: 'not now' });
    assert.deepEqual((two[0] as { ok: boolean }).ok, true);
    assert.deepEqual(asked.map(({ command }) => command).sort(), ['pause', 'quit', 'status']);
    await close();
    assert.equal(existsSync(path), false);
  });

  it('refuses what is no request, and goes on', async () => {
    const { path, close } = await listenControl(at('s'), () => Promise.resolve({}));
    const lines = ['{', '[]', '{"command":"fly"}', '{"command":"suspend"}', '{"command":"suspend","file":"a"}', '{"command":"quit","file":"/a"}', '{"x":1}'];
    const replies = (await talk(path, `${lines.join('\n')}\n{"command":"status"}\n`, 8)) as { ok: boolean; code?: string }[];
    assert.deepEqual(
      replies.map(({ ok, code }) => code ?? ok),
      ['control-request', 'control-request', 'control-command', 'control-request', 'control-request', 'control-request', 'control-request', true],
    );
    const [long] = (await talk(path, 'x'.repeat(200_000), 1)) as { code: string }[];
    assert.equal(long!.code, 'control-request');
    await close();
  });

  it('takes over a socket that nobody listens to, and nothing else', async () => {
    const live = await listenControl(at('s'), () => Promise.resolve({}));
    await assert.rejects(
      listenControl(at('s'), () => Promise.resolve({})),
      /listens there already/,
    );
    await live.close();
    // A socket whose owner was killed stays.
    const dead = createServer().listen(at('old'));
    await new Promise((listening) => dead.once('listening', listening));
    renameSync(at('old'), at('stale'));
    await new Promise((closed) => dead.close(closed));
    assert.ok(statSync(at('stale')).isSocket());
    const taken = await listenControl(at('stale'), () => Promise.resolve({ mine: true }));
    assert.deepEqual(await talk(taken.path, '{"command":"status"}\n', 1), [{ ok: true, mine: true }]);
    await taken.close();
    writeFileSync(at('file'), 'precious');
    await assert.rejects(
      listenControl(at('file'), () => Promise.resolve({})),
      /is no socket/,
    );
    assert.ok(existsSync(at('file')));
  });

  it('goes to one of several guests that start at once where a stale one is', async () => {
    for (let round = 0; round < 10; round++) {
      const path = at(`s${round}`);
      const dead = createServer().listen(at('old'));
      await new Promise((listening) => dead.once('listening', listening));
      renameSync(at('old'), path);
      await new Promise((closed) => dead.close(closed));
      // Not all at the same moment.
      const starts = Array.from({ length: 8 }, async (_, number) => {
        await new Promise((later) => setTimeout(later, number * round));
        return listenControl(path, () => Promise.resolve({ number }));
      });
      const started = await Promise.allSettled(starts);
      const won = started.flatMap(({ status }, number) => (status === 'fulfilled' ? [number] : []));
      assert.equal(won.length, 1, `${won.join(', ')} have it`);
      for (const each of started) if (each.status === 'rejected') assert.match(String(each.reason), /a guest listens there already|other guests are about to/);
      assert.deepEqual(await talk(path, '{"command":"status"}\n', 1), [{ ok: true, number: won[0] }]);
      assert.equal(statSync(path).mode & 0o777, 0o600);
      for (const each of started) if (each.status === 'fulfilled') await each.value.close();
    }
    assert.deepEqual(readdirSync(folder), []);
  });

  it('names lie in a folder of the user', async () => {
    assert.equal(controlPath('vm0', { XDG_RUNTIME_DIR: '/run/user/7' }), '/run/user/7/guest/vm0.sock');
    assert.equal(controlPath('/a/b'), '/a/b');
    for (const name of ['', '..', 'a b', 'a\0']) assert.throws(() => controlPath(name), /a name has letters/);
    assert.throws(() => controlPath(`/${'x'.repeat(200)}`), /longer than/);
  });

  it('requests are read strictly', () => {
    assert.deepEqual(parseRequest('{"command":"checkpoint","file":"/a"}'), { command: 'checkpoint', file: '/a' });
    assert.deepEqual(parseRequest('{"command":"suspend","file":"/a","historyBytes":4096}'), { command: 'suspend', file: '/a', historyBytes: 4096 });
    assert.deepEqual(parseRequest('{"command":"paste","text":"a\\n"}'), { command: 'paste', text: 'a\n' });
    for (const [line, problem] of [
      ['{"command":"paste"}', /needs a text/],
      ['{"command":"paste","text":7}', /needs a text/],
      ['{"command":"copy","text":"a"}', /takes no text/],
      ['{"command":"screenshot","file":"/a","text":"a"}', /takes no text/],
    ] as const)
      assert.throws(() => parseRequest(line), problem);
    for (const bytes of ['-1', '0.5', '"1"', 'null'])
      assert.throws(() => parseRequest(`{"command":"suspend","file":"/a","historyBytes":${bytes}}`), /no number of bytes/);
    assert.throws(() => parseRequest('{"command":"screenshot","file":"/a","historyBytes":1}'), /screenshot takes no historyBytes/);
    assert.deepEqual(parseRequest('{"command":"suspend","file":"/a","parent":"/b"}'), { command: 'suspend', file: '/a', parent: '/b' });
    assert.throws(() => parseRequest('{"command":"checkpoint","file":"/a","parent":"b"}'), /parent is no absolute path/);
    assert.throws(() => parseRequest('{"command":"status","parent":"/b"}'), /status takes no parent/);
    assert.throws(() => parseRequest('{"command":"status","extra":1}'), /unknown field 'extra'/);
    assert.throws(() => parseRequest('{"__proto__":{"command":"quit"},"command":"status","constructor":1}'), /unknown field/);
  });
});
