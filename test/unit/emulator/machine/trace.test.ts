import assert from 'node:assert/strict';
import type { EngineHost } from '../../../../emulator/engine/engine';
import { parseTrace, TracedHost, type TraceKind } from '../../../../emulator/machine/trace';

describe('traces', () => {
  it('are named by the environment', () => {
    assert.equal(parseTrace(undefined), undefined);
    assert.equal(parseTrace(''), undefined);
    assert.deepEqual([...parseTrace('port, interrupt')!], ['port', 'interrupt']);
    assert.equal(parseTrace('all')!.size, 5);
    assert.throws(() => parseTrace('port,prt'), /GUEST_TRACE: 'prt' is none of port, device/);
  });

  it('write what happens, and pass it on', () => {
    const calls: string[] = [];
    const host = {
      portRead: () => 0x41,
      portWrite: (port: number, size: number, value: number) => void calls.push(`${port} ${size} ${value}`),
      mmioRead: () => 0x12345678,
      acknowledgeInterrupt: (vcpu: number) => (vcpu === 0 ? 0x30 : -1),
      exception: (_: number, vector: number) => void calls.push(`exception ${vector}`),
    } as unknown as EngineHost;
    const lines: string[] = [];
    const traced = (...kinds: TraceKind[]): TracedHost =>
      new TracedHost(host, { kinds: new Set(kinds), write: (line) => void lines.push(line) }, () => ({ position: 7, vcpu: 1 }));
    const all = traced('port', 'device', 'interrupt', 'exception');
    assert.equal(all.portRead(0x3f8, 1), 0x41);
    all.portWrite(0xcf8, 4, -0x80000000);
    assert.equal(all.mmioRead(0xfee00030, 4), 0x12345678);
    assert.deepEqual([all.acknowledgeInterrupt(0), all.acknowledgeInterrupt(1)], [0x30, -1]);
    all.exception(1, 14, 2);
    assert.deepEqual(lines, [
      '7 vCPU 1 in 3f8 = 41',
      '7 vCPU 1 out cf8, 80000000',
      '7 vCPU 1 read fee00030 = 12345678',
      '7 vCPU 1 interrupt 30',
      '7 vCPU 1 exception 14, code 2',
    ]);
    assert.deepEqual(calls, ['3320 4 -2147483648', 'exception 14']);
    traced('interrupt').portRead(0x60, 1);
    assert.equal(lines.length, 5, 'only what was asked for');
  });

  it('hear of system instructions where they are asked for, or whoever is behind', () => {
    const hears = (host: Partial<EngineHost>, ...kinds: TraceKind[]): boolean =>
      new TracedHost(host as EngineHost, { kinds: new Set(kinds), write: () => undefined }, () => ({ position: 0, vcpu: 0 })).hearsSystem();
    const system = (): undefined => undefined;
    assert.deepEqual([hears({}, 'system'), hears({}, 'port'), hears({ system }, 'port')], [true, false, true]);
    assert.deepEqual([hears({ system, hearsSystem: () => false }, 'port'), hears({ system, hearsSystem: () => true })], [false, true]);
  });
});
