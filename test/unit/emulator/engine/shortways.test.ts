import assert from 'node:assert/strict';
import type { EngineHost } from '../../../../emulator/engine/engine';
import type { WasmEngine } from '../../../../emulator/engine/wasm-engine';
import * as layout from '../../../../emulator/x86/layout';
import { bareEngine, CODE, STACK } from './bare';

type Engine = WasmEngine;
type Mode = 'flat32' | '64';

const GDT = 0x6000;
const IDT = 0x7000;
const TSS = 0x8000;
const HANDLER = 0x11000;
/** Another top page table, with the same entries. */
const OTHER = 0x9000;

const DESCRIPTORS = {
  code0: 0x00cf9b000000ffffn,
  data0: 0x00cf93000000ffffn,
  code3: 0x00cffb000000ffffn,
  data3: 0x00cff3000000ffffn,
  small: 0x1240f39a5678ffffn,
  unused: 0x00cf92000000ffffn,
  absent: 0x00cf13000000ffffn,
  readOnly: 0x00cf91000000ffffn,
  down: 0x00cf97000000ffffn,
  conforming: 0x00cf9f000000ffffn,
  tss: 0x00008b000000ffffn,
  long0: 0x00af9b000000ffffn,
  long3: 0x00affb000000ffffn,
  word: 0x008f93000000ffffn,
} as const;
const NAMES = Object.keys(DESCRIPTORS) as (keyof typeof DESCRIPTORS)[];
const selector = (name: keyof typeof DESCRIPTORS, rpl = 0): number => ((NAMES.indexOf(name) + 1) << 3) | rpl;
const SELECTORS = [0, 1, 3, 0xfff8, selector('data0') | 4, ...NAMES.flatMap((name) => [selector(name), selector(name, 3)])];

/** In 64-bit mode as bareEngine has it, or with 32-bit paging and flat segments; tables at the addresses above. */
async function machine(mode: Mode, code: string, host: Partial<EngineHost> = {}): Promise<Engine> {
  const engine = await bareEngine(code, host, 'generic');
  const { vcpu } = engine;
  const view = new DataView(engine.ram.buffer, engine.ram.byteOffset);
  NAMES.forEach((name, index) => view.setBigUint64(GDT + 8 + index * 8, DESCRIPTORS[name], true));
  vcpu.setU64(layout.GDTR_BASE, BigInt(GDT));
  vcpu.setU32(layout.GDTR_LIMIT, NAMES.length * 8 + 7);
  vcpu.setU64(layout.IDTR_BASE, BigInt(IDT));
  const long = mode === '64';
  vcpu.setU32(layout.IDTR_LIMIT, 256 * (long ? 16 : 8) - 1);
  const to = selector(long ? 'long0' : 'code0');
  for (let vector = 0; vector < 256; vector++) {
    const gate = IDT + vector * (long ? 16 : 8);
    view.setUint32(gate, (to << 16) | (HANDLER & 0xffff), true);
    // Trap gates for odd vectors.
    view.setUint32(gate + 4, (HANDLER & 0xffff0000) | (vector & 1 ? 0x8f00 : 0x8e00), true);
  }
  view.setUint32(TSS + 4, STACK - 0x1000, true);
  if (!long) view.setUint16(TSS + 8, selector('data0'), true);
  vcpu.setSegment(layout.TR, { selector: selector('tss'), base: BigInt(TSS), limit: 103, attributes: 0x8b });
  view.setBigUint64(OTHER, view.getBigUint64(0x1000, true), true);
  if (!long) {
    for (let i = 0; i < 8; i++) for (const table of [0x4000, OTHER]) view.setUint32(table + i * 4, (i << 22) | 0xe7, true);
    vcpu.setU64(layout.EFER, 0n);
    vcpu.setU64(layout.CR4, 0x610n);
    vcpu.setU64(layout.CR3, 0x4000n);
  }
  privilege(engine, mode, 0);
  engine.physicalWrite(HANDLER, Uint8Array.of(0x90, 0xeb, 0xfe));
  return engine;
}

function privilege({ vcpu }: Engine, mode: Mode, cpl: 0 | 3): void {
  const dpl = cpl << 5;
  const name = mode === '64' ? (cpl ? 'long3' : 'long0') : cpl ? 'code3' : 'code0';
  vcpu.setSegment(layout.CS, { selector: selector(name, cpl), base: 0n, limit: 0xffffffff, attributes: (mode === '64' ? 0xa09b : 0xc09b) | dpl });
  const data = { selector: selector(cpl ? 'data3' : 'data0', cpl), base: 0n, limit: 0xffffffff, attributes: 0xc093 | dpl };
  for (const s of [layout.ES, layout.SS, layout.DS]) vcpu.setSegment(s, data);
  for (const s of [layout.FS, layout.GS]) vcpu.setSegment(s, { selector: 0, base: 0n, limit: 0, attributes: 0x10000 });
  vcpu.cpl = cpl;
}

/** Runs the same twice, once with somebody who hears of everything: that takes the long way. Gives what was left generated code for. */
async function same(
  mode: Mode,
  code: string,
  prepare: (engine: Engine) => void,
  what: string,
  host: () => Partial<EngineHost> = () => ({}),
  instructions = 1,
): Promise<Readonly<Record<string, number>>> {
  const [short, long] = await Promise.all(
    [false, true].map(async (heard) => {
      const listener: Partial<EngineHost> = heard ? { system: () => undefined } : {};
      const engine = await machine(mode, code, { ...host(), ...listener });
      prepare(engine);
      engine.modeChanged();
      engine.flush();
      if (heard) engine.setWatches([{ space: 'linear', address: 0x1ff0000n, length: 1, access: 'access' }]);
      const exit = engine.run(instructions);
      engine.setWatches([]);
      const state = Buffer.from(engine.saveVcpu(0)).toString('hex');
      return { exit, state, count: engine.count(), memory: Buffer.from(engine.ram.subarray(0, STACK)), exits: engine.statistics.exits };
    }),
  );
  assert.equal(short!.exit, long!.exit, what);
  assert.equal(short!.count, long!.count, what);
  assert.equal(short!.state, long!.state, what);
  assert.ok(short!.memory.equals(long!.memory), `${what}: memory`);
  return short!.exits;
}

const push = (engine: Engine, size: 4 | 8, values: readonly number[]): void => {
  const view = new DataView(engine.ram.buffer, engine.ram.byteOffset);
  const at = STACK - values.length * size;
  values.forEach((value, index) => (size === 8 ? view.setBigUint64(at + index * 8, BigInt(value), true) : view.setUint32(at + index * 4, value, true)));
  engine.vcpu.setGpr(4, BigInt(at));
};
const MODES: readonly Mode[] = ['flat32', '64'];
const FLAGS = [2n, 0x202n, 0x2008d7n, 0x200202n];
const ODD_FLAGS = [0x102n, 0x3202n, 0x4002n, 0x40002n, 0x10002n];

describe('Short ways of system instructions', function () {
  this.timeout(120_000);

  for (const mode of MODES) {
    const wide = mode === '64';

    it(`load segments, ${mode}`, async () => {
      for (const [number, modrm] of [
        [0, 'c0'],
        [2, 'd0'],
        [3, 'd8'],
        [4, 'e0'],
        [5, 'e8'],
      ] as const)
        for (const value of SELECTORS)
          await same(mode, `8e ${modrm} 90`, (engine) => engine.vcpu.setGpr(0, BigInt(value | 0x70000)), `segment ${number}, selector 0x${value.toString(16)}`);
      const exits = await same(mode, '8e e0 90', (engine) => engine.vcpu.setGpr(0, BigInt(selector('small'))), 'usual');
      assert.deepEqual(exits['movtosreg'], undefined, 'without the host');
    });

    it(`pop segments, ${mode}`, async () => {
      for (const code of wide ? ['0f a1', '0f a9'] : ['07', '1f', '0f a1', '0f a9', '66 07', '66 0f a1'])
        for (const value of SELECTORS) {
          const prepare = (engine: Engine): void => push(engine, wide ? 8 : 4, [value | 0x50000]);
          await same(mode, `${code} 90`, prepare, `${code}, selector 0x${value.toString(16)}`);
        }
      const exits = await same(mode, '0f a1 90', (engine) => push(engine, wide ? 8 : 4, [selector('data3', 3)]), 'usual');
      assert.deepEqual(exits['popfs'], undefined, 'without the host');
    });

    it(`move to CR3, ${mode}`, async () => {
      const values = [OTHER, wide ? 0x1000 : 0x4000, OTHER | 0x18, 0x200000000000, 0x1000000000000, 0xffffffff];
      for (const value of values)
        for (const flags of [...FLAGS, ...ODD_FLAGS]) {
          const prepare = ({ vcpu }: Engine): void => {
            vcpu.setGpr(0, BigInt(value));
            vcpu.rflags = flags;
          };
          await same(mode, '0f 22 d8 90', prepare, `0x${value.toString(16)}, flags ${flags.toString(16)}`);
        }
      const exits = await same(mode, '0f 22 d8 90', ({ vcpu }) => vcpu.setGpr(0, BigInt(OTHER)), 'usual');
      assert.deepEqual(exits['movtocr'], undefined, 'without the host');
      const other = await same(mode, '0f 22 d8 90', (engine) => (privilege(engine, mode, 3), engine.vcpu.setGpr(0, BigInt(OTHER))), 'a program');
      assert.equal(other['movtocr'], 1);
    });

    it(`read and write ports, ${mode}`, async () => {
      for (const code of [
        'e4 61',
        'e5 80',
        '66 e5 80',
        'ec',
        'ed',
        '66 ed',
        'e6 80',
        'e7 80',
        '66 e7 fe',
        'ee',
        'ef',
        '66 ef',
        ...(wide ? ['48 ed', '48 ef'] : []),
      ])
        for (const [cpl, flags] of [...FLAGS, ...ODD_FLAGS].flatMap((some) => [[0, some] as const, [3, some] as const])) {
          const logs: string[][] = [];
          const host = (): Partial<EngineHost> => {
            const log: string[] = [];
            logs.push(log);
            return {
              portRead: (port, size) => (log.push(`in ${port} ${size}`), 0x89abcdef),
              portWrite: (port, size, value) => void log.push(`out ${port} ${size} ${value.toString(16)}`),
            };
          };
          const prepare = (engine: Engine): void => {
            privilege(engine, mode, cpl);
            engine.vcpu.setGpr(0, wide ? 0x1122334455667788n : 0x55667788n);
            engine.vcpu.setGpr(2, 0xff03fdn);
            engine.vcpu.rflags = flags;
          };
          const exits = await same(mode, `${code} 90`, prepare, `${code}, privilege ${cpl}, flags ${flags.toString(16)}`, host);
          assert.deepEqual(logs[0], logs[1], code);
          if (cpl === 0 && FLAGS.includes(flags))
            assert.deepEqual([exits['inimm'], exits['indx'], exits['outimm'], exits['outdx']], Array(4).fill(undefined), code);
        }
    });

    it(`return from handlers, ${mode}`, async () => {
      const codes = [
        selector('code0'),
        selector('code3', 3),
        selector('code3'),
        selector('long0'),
        selector('long3', 3),
        selector('conforming'),
        selector('data0'),
        0,
      ];
      const stacks = [
        selector('data0'),
        selector('data3', 3),
        selector('data3'),
        selector('unused'),
        selector('down'),
        selector('word'),
        selector('readOnly'),
        0,
        3,
      ];
      for (const cs of codes)
        for (const ss of stacks)
          for (const flags of [0x200202, 0x10246, 0x20202]) {
            const prepare = (engine: Engine): void => {
              push(engine, wide ? 8 : 4, [CODE + 0x100, cs, flags, STACK - 0x100, ss]);
              engine.vcpu.rflags = 0x200002n;
            };
            await same(mode, wide ? '48 cf' : 'cf', prepare, `CS ${cs.toString(16)}, SS ${ss.toString(16)}, flags ${flags.toString(16)}`);
          }
      const [to, stack] = [selector(wide ? 'long3' : 'code3', 3), selector('data3', 3)];
      const usual = (data: 'data0' | 'data3') => (engine: Engine) => {
        push(engine, wide ? 8 : 4, [CODE + 0x100, to, 0x200202, STACK - 0x100, stack]);
        const attributes = data === 'data3' ? 0xc0f3 : 0xc093;
        for (const s of [layout.ES, layout.DS]) engine.vcpu.setSegment(s, { selector: selector(data), base: 0n, limit: 0xffffffff, attributes });
        engine.vcpu.rflags = 0x200002n;
      };
      assert.equal((await same(mode, wide ? '48 cf' : 'cf', usual('data3'), 'to a program'))['iret'], undefined, 'without the host');
      assert.equal((await same(mode, wide ? '48 cf' : 'cf', usual('data0'), 'that may not keep segments'))['iret'], 1);
    });

    it(`deliver interrupts and page faults, ${mode}`, async () => {
      const fault = wide ? '48 8b 04 25 00 00 00 10' : 'a1 00 00 00 10';
      const host = (external: boolean) => (): Partial<EngineHost> => {
        let pending = external;
        return { interruptPending: () => pending, acknowledgeInterrupt: () => ((pending = false), 0x41) };
      };
      for (const external of [true, false])
        for (const cpl of [0, 3] as const)
          for (const flags of [2n, 0x2008d7n, 0x202n, 0x302n, 0x4202n, 0x10202n])
            for (const pointer of [STACK - 4, 0x21002, 0x3000000]) {
              const prepare = (engine: Engine): void => {
                privilege(engine, mode, cpl);
                engine.vcpu.setGpr(4, BigInt(pointer));
                engine.vcpu.rflags = flags;
              };
              const what = `${external ? 'interrupt' : 'fault'}, privilege ${cpl}, flags ${flags.toString(16)}, stack ${pointer.toString(16)}`;
              await same(mode, external ? '90 90' : fault, prepare, what, host(external), 2);
            }
    });

    it(`make system calls, ${mode}`, async () => {
      for (const cpl of [0, 3] as const)
        for (const flags of [2n, 0x2008d7n, 0x202n, 0x302n, 0x4202n, 0x3202n])
          for (const gate of [0x8e00, 0xee00, 0xef00, 0x6e00]) {
            const prepare = (engine: Engine): void => {
              new DataView(engine.ram.buffer, engine.ram.byteOffset).setUint32(IDT + 0x80 * (wide ? 16 : 8) + 4, (HANDLER & 0xffff0000) | gate, true);
              privilege(engine, mode, cpl);
              engine.vcpu.rflags = flags;
            };
            const what = `gate ${gate.toString(16)}, privilege ${cpl}, flags ${flags.toString(16)}`;
            const exits = await same(mode, 'cd 80 90', prepare, what);
            if (cpl === 3 && flags === 0x202n && gate === 0xee00) assert.equal(exits['int'], undefined, 'without the host');
          }
      for (const code of wide ? ['0f 34', '0f 35', '48 0f 35'] : ['0f 34', '0f 35'])
        for (const cpl of [0, 3] as const)
          for (const cs of [0, 3, selector('code0'), selector('code0', 3), 0xfffc])
            for (const flags of [2n, 0x2008d7n, 0x202n, 0x302n]) {
              const prepare = (engine: Engine): void => {
                privilege(engine, mode, cpl);
                const { vcpu } = engine;
                vcpu.setU64(layout.MSR_SYSENTER_CS, BigInt(cs));
                vcpu.setU64(layout.MSR_SYSENTER_ESP, BigInt(STACK - 0x800));
                vcpu.setU64(layout.MSR_SYSENTER_EIP, BigInt(HANDLER));
                vcpu.setGpr(1, BigInt(STACK - 0x100));
                vcpu.setGpr(2, BigInt(CODE + 0x100));
                vcpu.rflags = flags;
              };
              const exits = await same(mode, `${code} 90`, prepare, `${code}, CS ${cs.toString(16)}, privilege ${cpl}, flags ${flags.toString(16)}`);
              const usual = !wide && cs === selector('code0') && flags === 0x202n;
              if (usual && cpl === (code === '0f 34' ? 3 : 0))
                assert.deepEqual([exits['sysenter'], exits['sysexit']], [undefined, undefined], 'without the host');
            }
    });

    it(`take an interrupt that an access has raised at the next boundary, ${mode}`, async () => {
      // out dx,al or in al,dx; nop; sti or nop; nop; nop
      for (const access of ['ee', 'ec'])
        for (const [flags, next] of [
          [0x202n, '90'],
          [2n, 'fb'],
          [2n, '90'],
        ] as const) {
          const host = (): Partial<EngineHost> => {
            let pending = false;
            const raise = (): number => ((pending = true), 0);
            return { portRead: raise, portWrite: () => void raise(), interruptPending: () => pending, acknowledgeInterrupt: () => ((pending = false), 0x40) };
          };
          const prepare = ({ vcpu }: Engine): void => void (vcpu.rflags = flags);
          for (let instructions = 1; instructions < 6; instructions++)
            await same(mode, `${access} 90 ${next} 90 90 90`, prepare, `${access}, ${next}, after ${instructions}`, host, instructions);
        }
    });
  }

  it('and what else reaches chips lets in at once what it has raised', async () => {
    let pending = false;
    const raise = (): number => ((pending = true), 0);
    const host: Partial<EngineHost> = {
      ...{ portRead: raise, portWrite: () => void raise(), writeApicMsr: () => raise() === 0, setTaskPriority: () => void raise() },
      ...{ interruptPending: () => pending, acknowledgeInterrupt: () => ((pending = false), 0x40) },
    };
    const codes = { 'IN AL,DX': 'ec', 'OUT DX,AL': 'ee', 'WRMSR of an APIC register': '0f 30', 'MOV CR8,RAX': '44 0f 22 c0', OUTSB: '6e', INSB: '6c' };
    for (const [name, code] of Object.entries(codes))
      for (const flags of [0x202n, 2n]) {
        pending = false;
        const engine = await machine('64', `${code} 90 90 90`, host);
        engine.vcpu.rflags = flags;
        engine.vcpu.setGpr(1, 0x80bn);
        for (const index of [6, 7]) engine.vcpu.setGpr(index, BigInt(STACK - 0x2000));
        // Where IF is clear the flag comes later, by nobody that the engine hears of.
        engine.run(flags === 2n ? 1 : 3);
        assert.equal(pending, flags === 2n, name);
        engine.vcpu.rflags |= 0x200n;
        engine.run(0);
        const behind = BigInt(CODE + code.replace(/ /g, '').length / 2);
        assert.equal(new DataView(engine.ram.buffer, engine.ram.byteOffset).getBigUint64(Number(engine.vcpu.gpr(4)), true), behind, name);
      }
  });

  it('are not taken where somebody hears of system instructions', async () => {
    const told: string[] = [];
    for (const hears of [true, false]) {
      const engine = await machine('64', '0f 22 d8 fb eb fe', { system: (_, name) => void told.push(`${name} ${hears}`), hearsSystem: () => hears });
      engine.vcpu.setGpr(0, BigInt(OTHER));
      engine.vcpu.rflags = 0x202n;
      engine.run(2);
    }
    assert.deepEqual(told, ['movtocr true', 'sti true']);
  });

  it('leave STI alone where ID is set, as 32-bit Linux has it', async () => {
    const exits = await same('flat32', 'fb 90 90', ({ vcpu }) => void (vcpu.rflags = 0x200202n), 'STI', undefined, 2);
    assert.equal(exits['sti'], undefined);
  });
});
