/** Looking backwards: what is found is what a run forward would have stopped at. */
import assert from 'node:assert/strict';
import type { HitCount, Stop, Trigger } from '../../../../emulator/machine/api';
import { LocalGuest } from '../../../../emulator/machine/local';
import { nodePace } from '../../../../emulator/machine/node';
import { Timeline } from '../../../../emulator/snapshot/timeline';
import { compiled, CONFIG, TICKS, TICKS_ISR, TICKS_LOOP } from '../machine/guests';
import { moved, runTo } from '../../../motion';

const START = 5;
/** Nine interrupts. */
const END = 900_000;

async function make(checkpointEvery = 100_000): Promise<LocalGuest> {
  const config = { ...CONFIG, historyBytes: 64 << 20, checkpointEvery };
  const history = (...given: ConstructorParameters<typeof Timeline>): Timeline => new Timeline(...given);
  return LocalGuest.create(config, { images: TICKS, binaries: await compiled(), pace: nodePace, history });
}

const back = (guest: LocalGuest): Promise<Stop> => moved(guest, () => guest.reverseContinue());

/** Every stop of a run from the beginning to a position. */
async function forward(guest: LocalGuest, end: number): Promise<Stop[]> {
  const stops: Stop[] = [];
  for (;;) {
    const stop = await runTo(guest, end);
    if (stop.reason.kind === 'limit') return stops;
    stops.push(stop);
  }
}

describe('search backwards', function () {
  this.timeout(60_000);

  const isr = (more: Partial<Trigger>): Trigger => ({ kind: 'execute', id: 1, address: TICKS_ISR, ...more }) as Trigger;
  const hits = (compare: HitCount['compare'], value: number): { hits: HitCount } => ({ hits: { compare, value } });
  const write = { kind: 'watch', id: 2, space: 'physical', address: 0x604n, length: 2, access: 'write' } as const;
  const CASES: readonly (readonly [string, readonly Trigger[]])[] = [
    ['a breakpoint', [isr({})]],
    ['every third hit', [isr(hits('%', 3))]],
    ['the fourth hit only', [isr(hits('==', 4))]],
    ['hits from the sixth on', [isr(hits('>=', 6))]],
    ['a condition', [isr({ condition: '(u16[0x604] & 3) == 2' })]],
    ['every second hit that a condition holds for', [isr({ condition: 'u16[0x604] & 1', ...hits('%', 2) })]],
    ['writes with a hit count', [{ ...write, ...hits('%', 2) }]],
    ['writes with a condition', [{ ...write, condition: 'u16[0x604] == 2' }]],
    [
      'port writes with condition and hit count',
      [{ kind: 'port', id: 3, first: 0x20, count: 1, access: 'write', condition: 'value == 0x20', ...hits('%', 3) }],
    ],
    ['interrupts, every second', [{ kind: 'interrupt', id: 4, vector: 0x20, ...hits('%', 2) }]],
    ['HLT, every second', [{ kind: 'halt', id: 5, ...hits('%', 2) }]],
    ['two with counts of their own', [isr(hits('==', 1)), { ...write, ...hits('%', 2) }]],
  ];
  for (const [name, triggers] of CASES)
    it(`finds, last first, what a run forward reports: ${name}`, async () => {
      const guest = await make();
      // Where memory is watched each access to its page is slow.
      const end = triggers.some(({ kind }) => kind === 'watch') ? 230_000 : END;
      await runTo(guest, START);
      await guest.setTriggers(triggers);
      const stops = await forward(guest, end);
      assert.ok(stops.length > 0, 'there is something to find');
      for (const expected of stops.slice(-6).reverse()) {
        const found = await back(guest);
        assert.deepEqual([found.reason, found.position, found.rip], [expected.reason, expected.position, expected.rip]);
      }
      // And forward again: hits are counted by where they are, not by how often they were seen.
      const again = await forward(guest, end);
      assert.deepEqual(
        again.map(({ position }) => position),
        stops
          .slice(-6)
          .slice(1)
          .map(({ position }) => position),
      );
      await guest.close();
    });

  it('counts from the beginning where the trigger was set later', async () => {
    const guest = await make();
    await guest.setTriggers([isr({})]);
    const all = await forward(guest, END);
    await guest.setTriggers([isr(hits('==', 3))]);
    assert.equal((await back(guest)).position, all[2]!.position);
    assert.equal((await back(guest)).reason.kind, 'history-start');
    await guest.close();
  });

  it('prints nothing and does not stop at log points', async () => {
    const guest = await make();
    await guest.setTriggers([{ kind: 'execute', id: 1, address: TICKS_LOOP, log: 'turn' }]);
    await runTo(guest, 1_000);
    let printed = 0;
    guest.on(({ event }) => void (printed += event === 'log' ? 1 : 0));
    assert.equal((await back(guest)).reason.kind, 'history-start');
    assert.equal(printed, 0);
    await guest.close();
  });

  for (const [name, start] of [
    ['a search', (guest: LocalGuest) => guest.reverseContinue()],
    ['a journey', (guest: LocalGuest) => guest.travel(29_000_000)],
  ] as const)
    it(`pausing ${name} leaves the machine where it was`, async () => {
      const guest = await make(10_000_000);
      await runTo(guest, 30_000_000);
      await guest.setVcpuState(0, ['general', 'rbx'], 0x77n);
      await guest.setTriggers([isr({ condition: 'rbx == 0x1234' })]);
      const hash = await guest.stateHash();
      const stopped = moved(guest, () => start(guest));
      await guest.pause();
      const stop = await stopped;
      assert.deepEqual([stop.reason.kind, stop.position], ['pause', 30_000_000]);
      assert.equal((await guest.status()).position, 30_000_000);
      assert.equal(await guest.stateHash(), hash);
      await guest.close();
    });
});
