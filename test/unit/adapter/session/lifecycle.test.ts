import { strict as assert } from 'node:assert';
import { FakeGuest } from '../fakeguest';
import { CLIENT, connect, launched } from '../client';

async function until(what: () => boolean): Promise<void> {
  for (let turn = 0; !what(); turn++) {
    assert.ok(turn < 200, 'it does not happen');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

describe('begin and end of a session', () => {
  it('answers initialize with its capabilities', async () => {
    const { client } = connect();
    assert.equal((await client.request('initialize', CLIENT)).supportsStepBack, true);
  });

  it('tells no stop before the configuration is done', async () => {
    const { client } = connect();
    await client.request('initialize', CLIENT);
    await Promise.all([client.event('initialized'), client.request('launch', { program: '/nowhere/k', stopOnEntry: true })]);
    await client.request('setBreakpoints', { source: { path: '/a.c' }, breakpoints: [] });
    assert.ok(!client.events.some(({ event }) => event === 'stopped'));
    const [stopped] = await Promise.all([client.event('stopped'), client.request('configurationDone')]);
    assert.equal(stopped.reason, 'entry');
  });

  it('runs at once without stopOnEntry', async () => {
    const { client, guest } = connect();
    guest.script.set(5, { kind: 'idle' });
    await client.request('initialize', CLIENT);
    await Promise.all([client.event('initialized'), client.request('launch', { program: '/nowhere/k' })]);
    const stopped = client.event('stopped');
    await client.request('configurationDone');
    assert.match((await stopped).text, /halted/);
    assert.deepEqual(guest.calls, ['resume']);
  });

  it('makes the machine that the attributes describe', async () => {
    const { configs } = await launched({ memory: '64M', cpus: 2, append: 'quiet' });
    assert.equal(configs[0]!.memory, 64 << 20);
    assert.equal(configs[0]!.cpus, 2);
    assert.equal(configs[0]!.append, 'quiet');
  });

  const wrong: readonly (readonly [what: string, launch: Record<string, unknown>, message: RegExp])[] = [
    ['nothing to boot', {}, /'program' is missing/],
    ['an unknown attribute', { program: '/k', memroy: '1G' }, /'memroy' is unknown.*'memory'/],
    ['too little memory', { program: '/k', memory: '1M' }, /'memory': 1 MiB is less than 16 MiB/],
    ['a symbol file that is missing', { program: '/k', symbols: ['/nowhere/System.map'] }, /\/nowhere\/System.map/],
  ];
  for (const [what, launch, message] of wrong) {
    it(`refuses ${what}, in the response and in the console`, async () => {
      const { client } = connect();
      await client.request('initialize', CLIENT);
      assert.match(await client.refused('launch', launch), message);
      assert.match(client.printed(), message);
      // Another try is possible.
      await Promise.all([client.event('initialized'), client.request('launch', { program: '/nowhere/k', stopOnEntry: true })]);
    });
  }

  it('resets the machine for a restart', async () => {
    const { client, guest } = await launched();
    await client.moved('next', { threadId: 1 });
    assert.equal(guest.position, 1);
    assert.equal((await client.moved('restart', {})).reason, 'entry');
    assert.equal(guest.position, 0);
  });

  it('restarts while the guest runs, without a stop in between', async () => {
    const { client, guest } = await launched();
    await client.request('continue', { threadId: 1 });
    assert.equal((await client.moved('restart', {})).reason, 'entry');
    assert.ok(guest.calls.includes('pause'));
  });

  it('terminates, then disconnects and closes the guest', async () => {
    const { client, guest, ended } = await launched();
    await Promise.all([client.event('terminated'), client.request('terminate')]);
    await client.request('disconnect', {});
    await until(ended);
    assert.ok(guest.closed);
  });

  it('saves the machine when it is suspended', async () => {
    const { client, guest } = await launched({ suspendFile: '/somewhere/file' });
    await client.request('disconnect', { suspendDebuggee: true });
    assert.ok(guest.calls.includes('save /somewhere/file with 256 MB of history'));
    assert.match(client.printed(), /suspended in \/somewhere\/file/);
  });

  it('ends with the exit code of the guest', async () => {
    const { client, guest } = await launched();
    guest.script.set(4, { kind: 'exit', code: 3 });
    await client.request('continue', { threadId: 1 });
    assert.equal((await client.event('exited')).exitCode, 3);
    await client.event('terminated');
  });

  it('stops instead where stopOnExit asks for it', async () => {
    const { client, guest } = await launched({ stopOnExit: true });
    guest.script.set(4, { kind: 'power-off' });
    assert.match((await client.moved('continue')).description, /powered off/);
  });

  it('says that there is no stepping back without history', async () => {
    const { client } = await launched({ historyMegabytes: 0 }, new FakeGuest({ historyBytes: 0 }));
    assert.equal(client.events.find(({ event }) => event === 'capabilities')!.body.capabilities.supportsStepBack, false);
    assert.match(await client.refused('stepBack', { threadId: 1 }), /history/);
  });

  it('cleans up when the client is gone', async () => {
    const guest = new FakeGuest();
    const { ended, client } = await launched({}, guest);
    (client as unknown as { output: { end(): void } }).output.end();
    await until(ended);
    assert.ok(guest.closed);
  });
});

describe('bad input', () => {
  it('gets an error response, and the session goes on', async () => {
    const { client } = connect();
    assert.match(await client.refused('nonsense'), /no request 'nonsense'/);
    assert.match(await client.refused('constructor'), /no request/);
    assert.match(await client.refused('stackTrace', { threadId: 1 }), /no guest has been launched/);
    assert.match(await client.refused('stackTrace', { threadId: 'one' }), /'threadId' has to be a number/);
    assert.match(await client.refused('evaluate', 5), /no object/);
    client.raw('Content-Length: 3\r\n\r\n{]}');
    client.raw('Nonsense: 1\r\n\r\n');
    assert.deepEqual(await client.request('threads'), { threads: [] });
    assert.match(client.printed(), /Unreadable message/);
  });

  it('names threads, frames and handles that do not exist', async () => {
    const { client } = await launched();
    assert.match(await client.refused('stackTrace', { threadId: 9 }), /no thread 9/);
    assert.match(await client.refused('scopes', { frameId: 99999 }), /no frame 99999/);
    assert.match(await client.refused('variables', { variablesReference: 77 }), /handle 77/);
    assert.match(await client.refused('source', { sourceReference: 77 }), /no listing 77/);
    assert.match(await client.refused('goto', { threadId: 1, targetId: 4 }), /no target 4/);
    assert.match(await client.refused('guest/restore', { id: 9 }), /no checkpoint 9/);
    assert.match(await client.refused('guest/travel', { position: 9 }), /outside of the recorded history/);
  });

  it('is told while the guest runs that it has to stop first', async () => {
    const { client } = await launched();
    await client.request('continue', { threadId: 1 });
    assert.match(await client.refused('stackTrace', { threadId: 1 }), /running/);
    assert.match(await client.refused('next', { threadId: 1 }), /running/);
    assert.equal((await client.moved('pause')).reason, 'pause');
  });
});
