import assert from 'node:assert/strict';
import { NetworkLink, type OutsideNetwork } from '../../../../emulator/machine/networklink';
import type { Command, News } from '../../../../emulator/network/outside';
import { FLAG } from '../../../../emulator/network/segment';
import { TestConnection, TestGuest } from '../network/guest';

class Outside implements OutsideNetwork {
  readonly performed: Command[] = [];
  pending: News[] = [];
  drops = 0;
  arrived = (): void => undefined;
  perform(command: Command): void {
    this.performed.push(command);
  }
  take(_: unknown, nextFlow: () => number): readonly News[] {
    assert.equal(nextFlow() + 1, nextFlow(), 'numbers go up');
    return this.pending.splice(0);
  }
  drop(): void {
    this.drops++;
  }
  close(): Promise<void> {
    return Promise.resolve();
  }
}

function make(resumed = false): { guest: TestGuest; outside: Outside; link: NetworkLink; go: () => void; kinds: () => string[] } {
  const guest = new TestGuest();
  const outside = new Outside();
  const link = new NetworkLink(guest.network, outside, resumed);
  const go = (): void => {
    guest.numbers.forEach((number, index) => link.command(number, guest.commands[index]!));
    guest.did();
    link.flush();
  };
  return { guest, outside, link, go, kinds: () => outside.performed.splice(0).map(({ kind }) => kind) };
}

describe('network link', () => {
  it('does once what is run through again', () => {
    const { guest, link, go, kinds } = make();
    const saved = structuredClone(guest.network.state);
    new TestConnection(guest).send(FLAG.SYN);
    go();
    assert.deepEqual(kinds(), ['connect']);
    const after = structuredClone(guest.network.state);
    Object.assign(guest.network.state, structuredClone(saved));
    new TestConnection(guest).send(FLAG.SYN);
    go();
    assert.deepEqual(kinds(), [], 'the past');
    assert.deepEqual(guest.network.state, after);
    new TestConnection(guest, 80, 40001).send(FLAG.SYN);
    go();
    assert.deepEqual(kinds(), ['connect'], 'and what is new');
    assert.deepEqual(link.news(), []);
  });

  it('does nothing within a slice', () => {
    const { guest, outside, link } = make();
    new TestConnection(guest).send(FLAG.SYN);
    link.command(guest.numbers[0]!, guest.commands[0]!);
    assert.deepEqual(outside.performed, []);
    link.flush();
    assert.equal(outside.performed.length, 1);
  });

  it('resets what belongs to another future, or to another run', () => {
    for (const resumed of [false, true]) {
      const { guest, outside, link, go, kinds } = make(resumed);
      new TestConnection(guest).send(FLAG.SYN);
      go();
      assert.deepEqual(kinds(), resumed ? [] : ['connect']);
      outside.pending = [{ kind: 'connected', flow: 1 }];
      if (!resumed) link.detach();
      const drops = outside.drops;
      assert.deepEqual(link.news(), [{ kind: 'lost' }]);
      assert.equal(outside.drops, drops + 1);
      guest.network.hear([{ kind: 'lost' }]);
      assert.equal(guest.network.connected, false);
      new TestConnection(guest, 80, 40001).send(FLAG.SYN);
      go();
      assert.deepEqual(kinds(), ['connect'], 'new connections are made');
    }
  });

  it('has nothing to reset where nothing was connected', () => {
    const { link, outside } = make(true);
    outside.pending = [];
    assert.deepEqual(link.news(), []);
  });
});
