import { strict as assert } from 'node:assert';
import { launched, type Client } from '../client';

interface Shown {
  readonly name: string;
  readonly value: string;
  readonly variablesReference: number;
}

async function scope(client: Client, name: string): Promise<number> {
  const { stackFrames } = await client.request('stackTrace', { threadId: 1 });
  const { scopes } = await client.request('scopes', { frameId: stackFrames[0].id });
  return scopes.find((each: { name: string }) => each.name === name).variablesReference;
}
async function children(client: Client, variablesReference: number, format?: { hex: boolean }): Promise<Map<string, Shown>> {
  const { variables } = await client.request('variables', { variablesReference, ...(format && { format }) });
  return new Map(variables.map((each: Shown) => [each.name, each]));
}

describe('variables', () => {
  it('have a scope for each group of registers, and one for the devices', async () => {
    const { client } = await launched();
    const { scopes } = await client.request('scopes', { frameId: 1 });
    assert.deepEqual(
      scopes.map((each: { name: string }) => each.name),
      ['General', 'Flags', 'Segments', 'x87', 'SSE', 'Devices'],
    );
  });

  it('show registers, decoded flags and hidden parts', async () => {
    const { client } = await launched();
    const general = await children(client, await scope(client, 'General'));
    assert.equal(general.get('rip')!.value, '0x0000000000001000');
    assert.equal(general.get('rflags')!.value, '0x0000000000000246 [PF ZF IF]');
    assert.equal((await children(client, await scope(client, 'Flags'))).get('ZF')!.value, '1');
    assert.match((await children(client, await scope(client, 'Segments'))).get('cs')!.value, /selector=0x0008 base=0x0/);
  });

  it('show vector registers as typed lanes, and write one of them', async () => {
    const { client, guest } = await launched();
    guest.values['xmm0'] = 0x3ff0_0000_0000_0000_4000_0000_0000_0000n;
    const xmm0 = (await children(client, await scope(client, 'SSE'))).get('xmm0')!;
    const shapes = await children(client, xmm0.variablesReference);
    const doubles = shapes.get('f64x2')!.variablesReference;
    assert.deepEqual(
      [...(await children(client, doubles)).values()].map(({ value }) => value),
      ['2', '1'],
    );
    assert.equal((await client.request('setVariable', { variablesReference: doubles, name: '[0]', value: '-0.5' })).value, '-0.5');
    assert.equal(guest.values['xmm0'], 0x3ff0_0000_0000_0000_bfe0_0000_0000_0000n);
  });

  it('show x87 registers as numbers', async () => {
    const { client } = await launched();
    const fpr0 = (await children(client, await scope(client, 'x87'))).get('fpr0')!;
    assert.equal((await children(client, fpr0.variablesReference)).get('value')!.value, '3');
  });

  it('keep their handles from stop to stop', async () => {
    const { client } = await launched();
    const before = await scope(client, 'General');
    await client.moved('stepIn');
    assert.equal(await scope(client, 'General'), before);
    assert.equal((await children(client, before)).get('rip')!.value, '0x0000000000001001');
  });

  it('can be set with an expression; memory and other variables are told of it', async () => {
    const { client, guest } = await launched();
    const general = await scope(client, 'General');
    await client.request('readMemory', { memoryReference: '0x2000', count: 16 });
    const { value } = await client.request('setVariable', { variablesReference: general, name: 'rbx', value: 'rax & 0xff' });
    assert.equal(value, '0x0000000000000088');
    assert.equal(guest.values['rbx'], 0x88n);
    assert.deepEqual(await client.event('memory'), { memoryReference: '0x2000', offset: 0, count: 16 });
    await client.event('invalidated');
    await client.request('setVariable', { variablesReference: general, name: 'rbx', value: '-1' });
    assert.equal(guest.values['rbx'], 0xffff_ffff_ffff_ffffn);
  });

  it('refuse what can not be set', async () => {
    const { client } = await launched();
    assert.match(await client.refused('setVariable', { variablesReference: await scope(client, 'Segments'), name: 'cs', value: '1' }), /read-only/);
    assert.match(await client.refused('setVariable', { variablesReference: await scope(client, 'General'), name: 'nothing', value: '1' }), /no 'nothing'/);
    assert.match(await client.refused('setVariable', { variablesReference: await scope(client, 'General'), name: 'rax', value: '1 +' }), /expected/);
  });

  it('write fields of devices', async () => {
    const { client, guest } = await launched();
    const com1 = (await children(client, await scope(client, 'Devices'))).get('com1')!;
    assert.equal((await client.request('setVariable', { variablesReference: com1.variablesReference, name: 'lcr', value: '0x83' })).value, '0x83 [DLAB]');
    assert.equal(guest.lcr, 0x83n);
  });

  it('are decimal where that is asked for', async () => {
    const { client } = await launched();
    const general = await scope(client, 'General');
    await client.request('guest/format', { radix: 10 });
    assert.deepEqual((await client.event('invalidated')).areas, ['variables']);
    assert.equal((await children(client, general)).get('rip')!.value, '4096');
    assert.equal((await children(client, general, { hex: true })).get('rip')!.value, '0x0000000000001000');
  });
});

describe('evaluate', () => {
  const cases: readonly (readonly [expression: string, result: string])[] = [
    ['rax', '0x1122334455667788'],
    ['$eax', '0x55667788'],
    ['ah', '0x77'],
    ['zf', '0x01'],
    ['rip + 0x10', '0x0000000000001010'],
    ['cs.base', '0x0000000000000000'],
    ['(i8)0xff', '-1'],
    ['u16[0x3000]', '0x1234'],
    ['*(u8*)0x3000', '0x34'],
    ['u8[phys:0x3001]', '0x12'],
    ['1 ? 2 : 3', '0x0000000000000002'],
    ['com1.lcr', '0x03'],
  ];
  for (const [expression, result] of cases) {
    it(`gives ${result} for ${expression}`, async () => {
      const { client, guest } = await launched();
      guest.memory.set([0x34, 0x12], 0x3000);
      assert.equal((await client.request('evaluate', { expression, context: 'watch' })).result, result);
    });
  }

  it('answers quietly with what is wrong', async () => {
    const { client } = await launched();
    const response = await client.send('evaluate', { expression: 'rxa + 1', context: 'hover' });
    assert.equal(response.body.error.showUser, false);
    assert.match(response.body.error.format, /no register or symbol 'rxa'; did you mean 'rax'/);
    assert.match(await client.refused('evaluate', { expression: 'u8[0x100000]' }), /can't read 1 bytes at 0x100000/);
    assert.match(await client.refused('evaluate', { expression: '1 / 0' }), /division by zero/);
    assert.match(await client.refused('evaluate', { expression: `${'('.repeat(3000)}1` }), /nested too deeply/);
  });

  it('takes words under the mouse for registers only where they are nothing else', async () => {
    const { client } = await launched();
    assert.equal((await client.request('evaluate', { expression: 'rax', context: 'hover' })).result, '0x1122334455667788');
    for (const word of ['if', 'general', 'com1', 'id']) assert.match(await client.refused('evaluate', { expression: word, context: 'hover' }), /no symbol/);
  });

  it('hands out what a register consists of', async () => {
    const { client } = await launched();
    const { variablesReference, result } = await client.request('evaluate', { expression: 'xmm0', context: 'watch' });
    assert.equal(result, '0x00000000000000000000000000000000');
    assert.ok((await children(client, variablesReference)).has('u8x16'));
  });

  it('sets registers, parts of them and memory', async () => {
    const { client, guest } = await launched();
    assert.equal((await client.request('setExpression', { expression: 'al', value: '0x11' })).value, '0x11');
    assert.equal(guest.values['rax'], 0x1122334455667711n);
    await client.request('setExpression', { expression: 'eax', value: '5' });
    assert.equal(guest.values['rax'], 5n, 'a write to the low half clears the rest');
    await client.request('setExpression', { expression: 'u32[0x3000]', value: '0x01020304' });
    assert.deepEqual([...guest.memory.subarray(0x3000, 0x3004)], [4, 3, 2, 1]);
    assert.match(await client.refused('setExpression', { expression: '1 + 1', value: '3' }), /neither a register nor memory/);
  });
});

describe('the stack', () => {
  it('follows frame pointers', async () => {
    const { client, guest } = await launched();
    const call = (at: number): void => guest.memory.set([0xe8, 0, 0, 0, 0], at - 5);
    const word = (at: number, value: number): void => new DataView(guest.memory.buffer).setBigUint64(at, BigInt(value), true);
    call(0x1205);
    call(0x1305);
    guest.values['rsp'] = 0x8000n;
    guest.values['rbp'] = 0x8010n;
    word(0x8010, 0x8030);
    word(0x8018, 0x1205);
    word(0x8030, 0);
    word(0x8038, 0x1305);
    const { stackFrames, totalFrames } = await client.request('stackTrace', { threadId: 1 });
    assert.deepEqual(
      stackFrames.map((frame: { instructionPointerReference: string }) => frame.instructionPointerReference),
      ['0x1000', '0x1205', '0x1305'],
    );
    assert.equal(totalFrames, 3);
    const page = await client.request('stackTrace', { threadId: 1, startFrame: 1, levels: 1 });
    assert.deepEqual(
      page.stackFrames.map((frame: { id: number }) => frame.id),
      [stackFrames[1].id],
    );
    // As VS Code asks: the first frame alone, then as many as the total says; then it knows that it has all.
    const first = await client.request('stackTrace', { threadId: 1, startFrame: 0, levels: 1 });
    const rest = await client.request('stackTrace', { threadId: 1, startFrame: 1, levels: first.totalFrames - 1 });
    assert.equal(first.stackFrames.length + rest.stackFrames.length, rest.totalFrames);
    assert.deepEqual((await client.request('stackTrace', { threadId: 1, startFrame: 3, levels: 20 })).stackFrames, []);
  });

  it('gives frames without source a listing', async () => {
    const { client } = await launched();
    const { stackFrames } = await client.request('stackTrace', { threadId: 1 });
    const { sourceReference } = stackFrames[0].source;
    const { content } = await client.request('source', { sourceReference, source: stackFrames[0].source });
    assert.match(content.split('\n')[stackFrames[0].line - 1], /^0000000000001000 .* nop$/);
  });
});
