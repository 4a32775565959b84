import { strict as assert } from 'node:assert';
import { FakeGuest } from '../fakeguest';
import { launched } from '../client';

describe('running and stepping', () => {
  it('lists each vCPU as a thread', async () => {
    const { client } = await launched({}, new FakeGuest({ cpus: 2 }));
    assert.deepEqual((await client.request('threads')).threads, [
      { id: 1, name: 'vCPU 0' },
      { id: 2, name: 'vCPU 1' },
    ]);
  });

  it('runs to a breakpoint and names it', async () => {
    const { client } = await launched();
    const { breakpoints } = await client.request('setInstructionBreakpoints', { breakpoints: [{ instructionReference: '0x1010' }] });
    const stopped = await client.moved('continue');
    assert.equal(stopped.reason, 'instruction breakpoint');
    assert.deepEqual(stopped.hitBreakpointIds, [breakpoints[0].id]);
    assert.equal(stopped.allThreadsStopped, true);
  });

  it('pauses a running guest, and answers where it stands already', async () => {
    const { client, guest } = await launched();
    await client.request('continue', { threadId: 1 });
    assert.equal((await client.moved('pause')).reason, 'pause');
    assert.equal((await client.moved('pause')).reason, 'pause');
    assert.equal(guest.calls.filter((call) => call === 'pause').length, 1);
  });

  it('steps the vCPU of the thread', async () => {
    const { client, guest } = await launched({}, new FakeGuest({ cpus: 2 }));
    assert.equal((await client.moved('next', { threadId: 2, granularity: 'instruction' })).threadId, 2);
    await client.moved('stepIn', { threadId: 1 });
    await client.moved('stepOut', { threadId: 1 });
    assert.deepEqual(guest.calls, ['step over 1', 'step in 0', 'step out 0']);
  });

  it('steps back to the exact former place', async () => {
    const { client } = await launched();
    const pc = async (): Promise<string> => (await client.request('stackTrace', { threadId: 1, levels: 1 })).stackFrames[0].instructionPointerReference;
    const before = await pc();
    await client.moved('stepIn');
    assert.notEqual(await pc(), before);
    assert.equal((await client.moved('stepBack')).reason, 'step');
    assert.equal(await pc(), before);
  });

  it('says so at the beginning of history', async () => {
    const { client } = await launched();
    const stopped = await client.moved('stepBack');
    assert.equal(stopped.reason, 'entry');
    assert.match(stopped.description, /oldest/);
  });

  it('runs backwards to the last breakpoint', async () => {
    const { client, guest } = await launched();
    await client.request('setInstructionBreakpoints', { breakpoints: [{ instructionReference: '0x1004' }, { instructionReference: '0x1008' }] });
    guest.position = 20;
    await client.moved('reverseContinue');
    assert.equal(guest.position, 8);
  });

  it('shows errors of the guest and stays inspectable', async () => {
    const { client, guest } = await launched();
    guest.script.set(6, { kind: 'error', code: 'undefined-behaviour', blame: 'guest', description: 'the guest did something' });
    const stopped = await client.moved('continue');
    assert.equal(stopped.reason, 'exception');
    assert.match(stopped.text, /the guest did something \[undefined-behaviour\]/);
    assert.match(client.printed(), /the guest did something.*0x1006/);
    assert.equal((await client.request('exceptionInfo', { threadId: 1 })).exceptionId, 'undefined-behaviour');
    assert.equal((await client.request('stackTrace', { threadId: 1 })).stackFrames[0].instructionPointerReference, '0x1006');
  });

  it('says who has to act on an error', async () => {
    for (const [blame, description] of [
      ['guest', 'Guest error'],
      ['user', 'Unusable input'],
      ['internal', 'Internal error'],
    ] as const) {
      // prettier-ignore
      const { client, guest } = await launched();
      guest.script.set(6, { kind: 'error', code: 'x', blame, description: 'it does not go on' });
      assert.equal((await client.moved('continue')).description, `${description} at 0x1006`);
    }
  });

  it('stops at a triple fault, or resets the machine where the filter is off', async () => {
    const { client, guest } = await launched();
    guest.script.set(6, { kind: 'shutdown', description: 'triple fault' });
    assert.match((await client.moved('continue')).description, /Triple fault at 0x1006/);
    await client.request('setExceptionBreakpoints', { filters: [] });
    guest.position = 0;
    await client.request('continue', { threadId: 1 });
    guest.script.delete(6);
    guest.script.set(7, { kind: 'idle' });
    await client.event('stopped');
    assert.ok(guest.calls.includes('reset'));
  });

  it('sends the serial line as output, whole characters and what has no end of line too', async () => {
    const { client, guest } = await launched();
    guest.say('one\ntw');
    assert.equal((await client.event('output')).output, 'one\n');
    guest.emit({ event: 'serial', port: 0, bytes: Uint8Array.of(0xc3) });
    guest.emit({ event: 'serial', port: 0, bytes: Uint8Array.of(0xb6, 0x0a) });
    assert.deepEqual(await client.event('output'), { category: 'stdout', output: 'twö\n' });
    guest.say('login: ');
    assert.equal((await client.event('output')).output, 'login: ');
  });

  it('shows progress of a long way back, which can be cancelled', async () => {
    const { client, guest } = await launched();
    let end: (() => void) | undefined;
    guest.reverseContinue = async () => {
      end = () => guest.emit({ event: 'stopped', stop: { reason: { kind: 'pause' }, vcpu: 0, position: 5, time: 5, rip: 0x1005n } });
    };
    guest.pause = async () => end?.();
    await client.request('reverseContinue', { threadId: 1 });
    guest.emit({ event: 'progress', position: 100, target: 0 });
    await new Promise((resolve) => setTimeout(resolve, 450));
    guest.emit({ event: 'progress', position: 50, target: 0 });
    const { progressId, percentage, cancellable } = await client.event('progressStart');
    assert.equal(percentage, 50);
    assert.equal(cancellable, true);
    await client.request('cancel', { progressId });
    assert.equal((await client.event('progressEnd')).progressId, progressId);
    assert.equal((await client.event('stopped')).reason, 'pause');
  });

  it('jumps to the cursor in a listing', async () => {
    const { client, guest } = await launched();
    const { source } = (await client.request('stackTrace', { threadId: 1 })).stackFrames[0];
    const { targets } = await client.request('gotoTargets', { source, line: 45 });
    const stopped = await client.moved('goto', { threadId: 1, targetId: targets[0].id });
    assert.equal(stopped.reason, 'goto');
    assert.equal(`0x${guest.rip.toString(16)}`, targets[0].instructionPointerReference);
  });
});
