import { strict as assert } from 'node:assert';
import { join } from 'node:path';
import { SymbolStore } from '../../../../adapter/symbols/store';
import { launched, type Client } from '../client';

const ELF = join(__dirname, '../fixtures/lines-dwarf5.elf');
const lines = new SymbolStore();

describe('breakpoints', () => {
  let source: string;
  let line: number;
  before(async () => {
    await lines.load(ELF, 0n);
    source = lines.sources()[0]!;
    line = lines.linesOf(source)[1]!;
  });

  it('on source lines go to the first address of the line, or of the next that has code', async () => {
    const { client, guest } = await launched({ symbols: [ELF] });
    const { breakpoints } = await client.request('setBreakpoints', { source: { path: source }, breakpoints: [{ line }, { line: 100_000 }] });
    assert.equal(breakpoints[0].verified, true);
    assert.equal(breakpoints[0].line, line);
    assert.equal(breakpoints[1].verified, false);
    assert.equal(breakpoints[1].message, 'No code on this line or after it');
    const wanted = lines.addressesOf(source, line)!.addresses;
    assert.deepEqual(
      guest.triggers.map((trigger) => trigger.kind === 'execute' && trigger.address),
      wanted,
    );
    const { breakpoints: places } = await client.request('breakpointLocations', { source: { path: source }, line: 1, endLine: 1000 });
    assert.deepEqual(
      places.map((place: { line: number }) => place.line),
      lines.linesOf(source),
    );
  });

  it('replace only their own set, and the guest gets all', async () => {
    const { client, guest } = await launched({ symbols: [ELF] });
    await client.request('setBreakpoints', { source: { path: source }, breakpoints: [{ line }] });
    await client.request('setInstructionBreakpoints', { breakpoints: [{ instructionReference: '0x1000', offset: 4 }] });
    const both = guest.triggers.length;
    assert.ok(both >= 2);
    await client.request('setBreakpoints', { source: { path: source }, breakpoints: [] });
    assert.deepEqual(
      guest.triggers.map((trigger) => trigger.kind === 'execute' && trigger.address),
      [0x1004n],
    );
  });

  it('on functions go behind the prologue; an address will do', async () => {
    const { client, guest } = await launched({ symbols: [ELF] });
    const symbol = [...lines.index.allNames()].find((name) => lines.index.find(name)[0]!.kind === 'function')!;
    const { breakpoints } = await client.request('setFunctionBreakpoints', { breakpoints: [{ name: symbol }, { name: '*0x1234' }, { name: `${symbol}x` }] });
    assert.deepEqual(
      breakpoints.map((each: { verified: boolean }) => each.verified),
      [true, true, false],
    );
    assert.match(breakpoints[2].message, new RegExp(`no function '${symbol}x'; did you mean .*'${symbol}'`));
    assert.deepEqual(
      guest.triggers.map((trigger) => trigger.kind === 'execute' && trigger.address),
      [lines.functionEntry(lines.index.find(symbol)[0]!), 0x1234n],
    );
  });

  it('carry conditions, hit counts and log messages in the guest’s own terms', async () => {
    const { client, guest } = await launched();
    const { breakpoints } = await client.request('setInstructionBreakpoints', {
      breakpoints: [
        { instructionReference: '0x1001', condition: 'eax == 5 && u8[phys:rsp] > 1', hitCondition: '>= 3' },
        { instructionReference: '0x1002', condition: 'eaxx == 5' },
        { instructionReference: '0x1003', hitCondition: 'often' },
      ],
    });
    const [trigger] = guest.triggers;
    assert.ok(trigger?.kind === 'execute');
    assert.equal(trigger.condition, '(((rax & 0xffffffff) == 0x5) && (u8[phys:rsp] > 0x1))');
    assert.deepEqual(trigger.hits, { compare: '>=', value: 3 });
    assert.match(breakpoints[1].message, /no register or symbol 'eaxx'/);
    assert.match(breakpoints[2].message, /'often' is no hit condition/);
    assert.equal(guest.triggers.length, 1);
  });

  it('on lines of a listing stop at its instructions', async () => {
    const { client, guest } = await launched();
    const { source: listing, line: at } = (await client.request('stackTrace', { threadId: 1 })).stackFrames[0];
    const { breakpoints } = await client.request('setBreakpoints', { source: listing, breakpoints: [{ line: at + 2, logMessage: 'at {rip}' }] });
    assert.equal(breakpoints[0].instructionReference, '0x1002');
    assert.ok(guest.triggers[0]?.kind === 'execute');
    assert.equal(guest.triggers[0].log, 'at {rip}');
  });

  const info = async (client: Client, args: object): Promise<{ dataId: string | null; description: string }> => client.request('dataBreakpointInfo', args);

  it('on data name what they watch in a way that later sessions understand', async () => {
    const { client, guest } = await launched();
    assert.equal((await info(client, { name: '0x2000', asAddress: true, bytes: 2 })).dataId, 'lin:0x2000/2');
    assert.equal((await info(client, { name: 'u32[rsp]' })).dataId, 'lin:0x8000/4');
    assert.equal((await info(client, { name: 'phys:0x100/16' })).dataId, 'phys:0x100/16');
    assert.equal((await info(client, { name: 'port:0x3f8/8' })).dataId, 'port:0x3f8/8');
    assert.equal((await info(client, { name: 'nothing' })).dataId, null);
    const { breakpoints } = await client.request('setDataBreakpoints', {
      breakpoints: [{ dataId: 'lin:0x2000/2', accessType: 'write' }, { dataId: 'port:0x3f8/8', accessType: 'readWrite' }, { dataId: 'moon:1' }],
    });
    assert.match(breakpoints[2].message, /names no memory and no port/);
    const [memory, port] = guest.triggers;
    assert.deepEqual(memory, { kind: 'watch', id: breakpoints[0].id, space: 'linear', address: 0x2000n, length: 2, access: 'write' });
    assert.deepEqual(port, { kind: 'port', id: breakpoints[1].id, first: 0x3f8, count: 8, access: 'access' });
    guest.script.set(3, { kind: 'watchpoint', ids: [breakpoints[0].id], address: 0x2000n, write: true, size: 2 });
    const stopped = await client.moved('continue');
    assert.equal(stopped.reason, 'data breakpoint');
    assert.equal(stopped.text, 'Write to 0x2000, 2 bytes');
  });

  it('on ports, MSRs and system instructions take conditions and hit counts', async () => {
    const { client, guest } = await launched();
    const data = await client.request('setDataBreakpoints', {
      breakpoints: [
        { dataId: 'port:0x80', accessType: 'write', condition: 'value == 1', hitCondition: '2' },
        { dataId: 'msr:0xc0000080', accessType: 'readWrite' },
      ],
    });
    const filters = await client.request('setExceptionBreakpoints', {
      filters: ['mode', 'nmi'],
      filterOptions: [
        { filterId: 'pf', condition: 'code & 2' },
        { filterId: 'cpuid', condition: 'leaf == 1' },
        { filterId: 'hlt', condition: 'code' },
      ],
    });
    const [port, msr] = data.breakpoints.map(({ id }: { id: number }) => id);
    const [mode, nmi, pf, cpuid] = filters.breakpoints.map(({ id }: { id: number }) => id);
    assert.deepEqual(guest.triggers, [
      { kind: 'port', id: port, first: 0x80, count: 1, access: 'write', condition: '(value == 0x1)', hits: { compare: '==', value: 2 } },
      { kind: 'msr', id: msr, index: 0xc0000080, access: 'access' },
      { kind: 'control', register: 'mode', id: mode },
      { kind: 'exception', id: nmi, vector: 2 },
      { kind: 'exception', id: pf, vector: 14, condition: '(code & 0x2)' },
      { kind: 'cpuid', leaf: 'any', id: cpuid, condition: '(leaf == 0x1)' },
    ]);
    assert.match(filters.breakpoints[4].message, /no register or symbol 'code'/);
  });

  it('on exceptions and interrupts follow the filters', async () => {
    const { client, guest } = await launched();
    const { breakpoints } = await client.request('setExceptionBreakpoints', {
      filters: ['gp'],
      filterOptions: [{ filterId: 'interrupt', condition: '0x20-0x21' }, { filterId: 'interrupt', condition: '300' }, { filterId: 'nothing' }],
    });
    assert.deepEqual(
      breakpoints.map((each: { verified: boolean }) => each.verified),
      [true, true, false, false],
    );
    assert.match(breakpoints[2].message, /'300' is no vector/);
    const shown = guest.triggers.map((trigger) => ('vector' in trigger ? `${trigger.kind} ${trigger.vector}` : ''));
    assert.deepEqual(shown, ['exception 13', 'interrupt 32', 'interrupt 33']);
    guest.script.set(3, { kind: 'trigger', ids: [breakpoints[0].id], description: '#GP: error code 0x10' });
    const stopped = await client.moved('continue');
    assert.equal(stopped.reason, 'exception');
    const told = await client.request('exceptionInfo', { threadId: 1 });
    assert.deepEqual(told, { exceptionId: '#GP', description: '#GP: error code 0x10', breakMode: 'always' });
  });
});

describe('what is loaded', () => {
  it('is listed as modules and sources', async () => {
    const { client } = await launched({ symbols: [ELF] });
    const { modules, totalModules } = await client.request('modules', {});
    assert.equal(totalModules, 1);
    assert.equal(modules[0].name, 'lines-dwarf5.elf');
    assert.match(modules[0].symbolStatus, /\d+ symbols, \d+ rows of lines/);
    const { sources } = await client.request('loadedSources', {});
    assert.ok(Array.isArray(sources));
  });
});
