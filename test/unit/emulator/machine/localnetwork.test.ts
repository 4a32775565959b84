import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { MachineConfig, Stop } from '../../../../emulator/machine/api';
import { features } from '../../../../emulator/machine/features';
import { LocalGuest } from '../../../../emulator/machine/local';
import type { OutsideNetwork } from '../../../../emulator/machine/networklink';
import { nodePace } from '../../../../emulator/machine/node';
import type { Command, News } from '../../../../emulator/network/outside';
import { FLAG, segmentOf } from '../../../../emulator/network/segment';
import { frameOf, TYPE } from '../../../../emulator/network/ethernet';
import { packetOf } from '../../../../emulator/network/ip';
import { GATEWAY, GUEST } from '../../../../emulator/network/usernetwork';
import { GATEWAY_MAC, MAC } from '../network/guest';
import { compiled, CONFIG } from './guests';
import { moved } from '../../../motion';

/** `inc eax; jmp` back. */
const LOOP = { kernel: { name: 'loop', bytes: Uint8Array.of(0x40, 0xeb, 0xfd) } };
const CONFIGURATION: MachineConfig = { ...CONFIG, historyBytes: 64 << 20, checkpointEvery: 1_000_000, network: { mode: 'user' } };

class Outside implements OutsideNetwork {
  readonly performed: Command[] = [];
  next: () => readonly News[] = () => [];
  takes = 0;
  drops = 0;
  closed = false;
  arrived = (): void => undefined;
  perform(command: Command): void {
    this.performed.push(command);
  }
  take(): readonly News[] {
    this.takes++;
    return this.next();
  }
  drop(): void {
    this.drops++;
  }
  close(): Promise<void> {
    this.closed = true;
    return Promise.resolve();
  }
}

describe('guest with a network', function () {
  this.timeout(60_000);
  let outside: Outside;
  let guest: LocalGuest;
  let folder: string;
  beforeEach(async () => {
    outside = new Outside();
    guest = await LocalGuest.create(CONFIGURATION, {
      images: LOOP, binaries: await compiled(), pace: nodePace, network: outside, history: features.history!, save: features.save!,
    }); // prettier-ignore
    folder = mkdtempSync(join(tmpdir(), 'guest-network-'));
  });
  afterEach(async () => {
    await guest.close();
    assert.ok(outside.closed);
    rmSync(folder, { recursive: true });
  });

  const move = (action: () => Promise<void>): Promise<Stop> => moved(guest, action);
  const runTo = (position: number): Promise<Stop> => move(() => guest.resume({ position, unattended: true }));
  const position = async (): Promise<number> => (await guest.status()).position;
  /** The guest's adapter sends a SYN. */
  const dial = (port: number): void => {
    const syn = { sequence: 1, acknowledgment: 0, flags: FLAG.SYN, window: 1000 };
    const packet = packetOf(segmentOf(GUEST, GATEWAY, { sourcePort: port, destinationPort: 80 }, syn));
    guest.machine.board.network!.user.transmit(frameOf(GATEWAY_MAC, MAC, TYPE.IPV4, packet));
  };

  it('hears of the outside only at the end of its history', async () => {
    outside.next = () => (outside.takes === 3 ? [{ kind: 'taken', flow: 7, count: 1 }] : []);
    await runTo(8_000_000);
    const events = guest.machine.journal.save();
    assert.equal(events.length, 1);
    const hash = await guest.stateHash();
    const { takes } = outside;
    await move(() => guest.travel(1_500_000));
    await runTo(4_000_000);
    await move(() => guest.step('in', 0));
    assert.equal(outside.takes, takes, 'a recorded future is not disturbed');
    await runTo(8_000_000);
    assert.equal(await guest.stateHash(), hash);
    assert.equal(guest.machine.journal.length, 1);
    await runTo(9_000_000);
    assert.ok(outside.takes > takes);
    assert.equal(outside.drops, 0);
  });

  it('makes a connection once, and resets it where another future begins', async () => {
    await runTo(2_000_000);
    dial(4000);
    await runTo(3_000_000);
    assert.deepEqual(outside.performed.map(({ kind }) => kind), ['connect']); // prettier-ignore
    await guest.checkpoint();
    await runTo(6_000_000);
    await move(() => guest.travel(4_000_000));
    await guest.key('KeyA', true);
    assert.equal(outside.drops, 1);
    assert.equal(guest.machine.board.network!.user.connected, true);
    await runTo(5_000_000);
    const last = guest.machine.journal.save().at(-1)!;
    assert.deepEqual([last.position, last.input], [4_000_000, { kind: 'network', news: [{ kind: 'lost' }] }]);
    assert.equal(guest.machine.board.network!.user.connected, false);
    dial(4001);
    await runTo(6_000_000);
    assert.deepEqual(outside.performed.map(({ kind }) => kind), ['connect', 'connect']); // prettier-ignore
  });

  it('an input at the end of its history leaves connections alone', async () => {
    await runTo(2_000_000);
    dial(4000);
    await runTo(3_000_000);
    await guest.key('KeyA', true);
    await runTo(4_000_000);
    assert.deepEqual([outside.drops, guest.machine.board.network!.user.connected], [0, true]);
  });

  it('keeps so much of what came in, and a history that reaches as far back; a snapshot has room for it', async () => {
    outside.next = () => [{ kind: 'bytes', flow: 999, bytes: new Uint8Array(256 << 10).fill(outside.takes) }];
    while (outside.takes < 300) await runTo((await position()) + 1_000_000);
    const { machine } = guest;
    assert.ok(machine.journal.received <= 52 << 20, `${machine.journal.received >> 20} MB`);
    const { oldest, position: end } = await guest.status();
    assert.ok(oldest > 0 && oldest < end);
    const hash = await guest.stateHash();
    const file = join(folder, 'past.guest');
    outside.next = () => [];
    await guest.save(file, { historyBytes: 64 << 20 });
    await move(() => guest.travel(oldest));
    await move(() => guest.travel(end));
    assert.equal(await guest.stateHash(), hash);
    const resumed = await features.resume!(file, undefined);
    assert.equal(await resumed.stateHash(), hash);
    const back = new Promise((done) => resumed.on(({ event }) => event === 'stopped' && done(undefined)));
    await resumed.travel((await resumed.status()).oldest);
    await back;
    await resumed.close();
  });
});
