import assert from 'node:assert/strict';
import type { JournalEvent } from '../../../../emulator/machine/journal';
import type { News } from '../../../../emulator/network/outside';
import { fieldsOf, type Fields } from '../../../../emulator/snapshot/cbor';
import { fieldsToJournal, journalToFields } from '../../../../emulator/snapshot/journalchunk';

const NEWS: readonly News[] = [
  { kind: 'lost' },
  { kind: 'accepted', flow: 1, port: 22 },
  { kind: 'connected', flow: 2 },
  { kind: 'bytes', flow: 2, bytes: Uint8Array.of(1, 2, 3) },
  { kind: 'taken', flow: 2, count: 9 },
  { kind: 'ended', flow: 2 },
  { kind: 'aborted', flow: 0xffffffff },
  { kind: 'datagram', flow: 3, address: 0xc0000201, port: 53, bytes: new Uint8Array(1472) },
  { kind: 'resolved', flow: 4, outcome: 'found', addresses: [1, 0xffffffff] },
];

describe('journal of a snapshot', () => {
  it('holds news of the network', () => {
    const events: readonly JournalEvent[] = [
      { position: 5, input: { kind: 'network', news: NEWS } },
      { position: 5, input: { kind: 'network', news: [] } },
    ];
    assert.deepEqual(fieldsToJournal(journalToFields(events), 1), events);
  });

  it('holds what the entropy device got', () => {
    const events: readonly JournalEvent[] = [{ position: 7, input: { kind: 'entropy', bytes: Uint8Array.of(9, 8, 7) } }];
    assert.deepEqual(fieldsToJournal(journalToFields(events), 1), events);
    const wrong = fieldsOf({ events: [fieldsOf({ position: 1, kind: 'entropy', bytes: 7 })] });
    assert.throws(() => fieldsToJournal(wrong, 1), /event of the journal/);
  });

  it('refuses news that there is not', () => {
    const journal = (news: Readonly<Record<string, unknown>>): Fields =>
      fieldsOf({ events: [fieldsOf({ position: 1, kind: 'network', news: [fieldsOf(news as Parameters<typeof fieldsOf>[0])] })] });
    const bytes = (length: number): Uint8Array => new Uint8Array(length);
    for (const wrong of [
      { kind: 'rumour' },
      { kind: 'connected' },
      { kind: 'connected', flow: -1 },
      { kind: 'connected', flow: 2 ** 32 },
      { kind: 'ended', flow: 1, port: 1 },
      { kind: 'bytes', flow: 1, bytes: bytes((256 << 10) + 1) },
      { kind: 'bytes', flow: 1, bytes: 'text' },
      { kind: 'accepted', flow: 1, port: 0x10000 },
      { kind: 'datagram', flow: 1, address: 1, port: 1, bytes: bytes(1473) },
      { kind: 'resolved', flow: 1, outcome: 'perhaps', addresses: [] },
      { kind: 'resolved', flow: 1, outcome: 'found', addresses: [2 ** 32] },
    ])
      assert.throws(() => fieldsToJournal(journal(wrong), 1), /damaged|network news/, JSON.stringify(wrong));
  });
});
