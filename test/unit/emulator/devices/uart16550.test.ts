import assert from 'node:assert/strict';
import { Uart16550 } from '../../../../emulator/devices/uart16550';
import { laws, random, SIZES, TestContext, TestLine } from './context';

const BASE = 0x3f8;
const [DATA, IER, IIR, LCR, MCR, LSR, MSR, SCR] = [0, 1, 2, 3, 4, 5, 6, 7] as const;

function make(context = new TestContext(), paced = false) {
  const irq = new TestLine();
  const sent: number[] = [];
  const uart = new Uart16550(context, {
    name: 'com1',
    base: BASE,
    irq,
    paced,
    transmit: (byte) => sent.push(byte),
  });
  const read = (register: number): number => uart.portRead(BASE + register, 1);
  const write = (register: number, value: number): void => uart.portWrite(BASE + register, 1, value);
  return { context, uart, irq, sent, read, write };
}
const text = (string: string): Uint8Array => Uint8Array.from(Buffer.from(string));

describe('Uart16550', () => {
  it('has the registers of a 16550A after reset', () => {
    const { read, write } = make();
    assert.equal(read(LSR), 0x60);
    assert.equal(read(IIR), 0x01);
    assert.equal(read(MSR), 0xb0, 'peer present, no deltas');
    write(SCR, 0x5a);
    assert.equal(read(SCR), 0x5a);
    write(IER, 0xff);
    assert.equal(read(IER), 0x0f);
    write(IIR, 0x01);
    assert.equal(read(IIR) & 0xc0, 0xc0, 'FIFOs work: 16550A');
    write(LCR, 0x80);
    write(DATA, 0x34);
    write(IER, 0x12);
    assert.deepEqual([read(DATA), read(IER)], [0x34, 0x12]);
    write(LCR, 0x03);
    assert.equal(read(IER), 0x0f, 'the divisor latch hides IER, no more');
  });

  it('says so where an access changes its deadline', () => {
    for (const paced of [false, true]) {
      const { context, uart, read, write } = make(undefined, paced);
      const next = random(7);
      let changes = 0;
      for (let i = 0; i < 20_000; i++) {
        if (next(8) === 0) uart.receive(text('x'));
        context.run(uart, context.time + next(200_000));
        const [due, told] = [uart.deadline(), context.rearmed];
        if (next(2)) read(next(8));
        else write(next(8), [0, 1, 2, 3, 7, 0x1f, 0x41, 0x80, 0xc7, 0xff][next(10)]!);
        if (uart.deadline() === due) continue;
        changes++;
        assert.ok(context.rearmed > told, `access ${i}`);
      }
      assert.ok(changes > 500, `${changes} changes`);
    }
  });

  it('splits wide accesses into bytes', () => {
    const { uart, read } = make();
    uart.portWrite(BASE + LCR, 2, 0x0b83);
    assert.deepEqual([read(LCR), read(MCR)], [0x83, 0x0b]);
    assert.equal(uart.portRead(BASE + LCR, 2), 0x0b83);
  });

  it('sends at once and interrupts for each emptied holding register', () => {
    const { read, write, irq, sent } = make();
    write(MCR, 0x08);
    write(IER, 0x02);
    assert.equal(irq.level, true, 'enabling the interrupt with THR empty raises it');
    assert.equal(read(IIR), 0x02);
    assert.equal(irq.level, false, 'reading IIR clears it');
    assert.equal(read(IIR), 0x01);
    write(DATA, 0x41);
    assert.deepEqual(sent, [0x41]);
    assert.equal(irq.level, true);
    const rises = irq.rises;
    write(DATA, 0x42);
    assert.equal(irq.rises, rises + 1, 'a write lowers the line first: another edge');
  });

  it('keeps its interrupt from the line without OUT2', () => {
    const { write, irq } = make();
    write(IER, 0x02);
    assert.equal(irq.level, false);
    write(MCR, 0x08);
    assert.equal(irq.level, true);
  });

  it('paces the transmitter by virtual time when asked to', () => {
    const { uart, context, read, write, sent } = make(undefined, true);
    write(LCR, 0x03); // 8N1 at 115200: 86806 ns a character
    write(IIR, 0x01);
    write(DATA, 0x41);
    assert.equal(read(LSR), 0x20, 'in the shift register: THR empty, transmitter not');
    write(DATA, 0x42);
    assert.equal(read(LSR), 0x00);
    context.run(uart, 86_805);
    assert.deepEqual(sent, []);
    context.run(uart, 86_806);
    assert.deepEqual(sent, [0x41]);
    assert.equal(read(LSR), 0x20);
    context.run(uart, 2 * 86_806);
    assert.deepEqual(sent, [0x41, 0x42]);
    assert.equal(read(LSR), 0x60);
  });

  it('receives with trigger level and character timeout', () => {
    const { uart, context, read, write, irq } = make();
    write(MCR, 0x08);
    write(LCR, 0x03);
    write(IIR, 0x81); // trigger at 8
    write(IER, 0x01);
    assert.equal(uart.receive(text('abc')), 3);
    assert.equal(irq.level, false);
    assert.equal(read(LSR) & 1, 1);
    context.run(uart, 4 * 86_806);
    assert.equal(irq.level, true);
    assert.equal(read(IIR), 0xcc, 'character timeout');
    assert.equal(read(DATA), 0x61);
    assert.equal(irq.level, false, 'a read clears the timeout');
    uart.receive(text('defghi'));
    assert.equal(read(IIR), 0xc4, 'trigger level reached');
    assert.equal(read(DATA), 0x62);
    assert.equal(read(IIR), 0xc1);
  });

  it('bounds host input, feeds it as there is room, and never overruns', () => {
    const { uart, read, write } = make();
    write(IIR, 0x01);
    const input = Uint8Array.from({ length: 5000 }, (_, i) => i & 0xff);
    const taken = uart.receive(input);
    assert.equal(taken, 4096);
    assert.equal(uart.receive(text('x')), 1, 'the FIFO took some');
    const got: number[] = [];
    while (read(LSR) & 1) got.push(read(DATA));
    assert.deepEqual(got, [...input.slice(0, taken), 0x78]);
    assert.equal(read(LSR), 0x60);
  });

  it('loops back data and modem lines', () => {
    const { read, write, sent } = make();
    write(MCR, 0x1a); // LOOP, OUT2, RTS: the probe of Linux
    assert.equal(read(MSR) & 0xf0, 0x90);
    assert.equal(read(MSR) & 0x0f, 0, 'deltas are cleared by reading');
    write(DATA, 0x55);
    assert.deepEqual(sent, []);
    assert.equal(read(LSR) & 1, 1);
    write(DATA, 0x56);
    assert.equal(read(LSR) & 0x02, 0x02, 'overrun');
    assert.equal(read(LSR) & 0x02, 0, 'reading clears it');
    assert.equal(read(DATA), 0x56);
    write(LCR, 0x40);
    assert.equal(read(LSR) & 0x11, 0x11, 'break');
  });

  it('reports a break from the peer as line status', () => {
    const { uart, read, write, irq } = make();
    write(MCR, 0x08);
    write(IIR, 0x01);
    write(IER, 0x05);
    assert.equal(uart.receiveBreak(), true);
    assert.equal(irq.level, true);
    assert.equal(read(IIR), 0xc6);
    assert.equal(read(LSR), 0xf1);
    assert.equal(read(IIR), 0xc4);
    assert.equal(read(DATA), 0);
    assert.equal(read(LSR), 0x60);
  });

  it('reports changes of the modem lines', () => {
    const { read, write, irq } = make();
    write(MCR, 0x08);
    write(IER, 0x08);
    write(MCR, 0x18);
    assert.equal(irq.level, true);
    assert.equal(read(IIR), 0x00);
    assert.equal(read(MSR), 0x83, 'CTS and DSR fell, DCD stays by OUT2');
    assert.equal(read(IIR), 0x01);
  });

  it('clears the FIFOs by FCR', () => {
    const { uart, read, write } = make();
    write(IIR, 0x01);
    uart.receive(text('abc'));
    write(IIR, 0x03);
    assert.equal(read(LSR), 0x60);
  });
});

for (const paced of [false, true]) {
  laws(`Uart16550 ${paced ? 'paced' : 'instantaneous'}`, (context) => {
    const { uart, irq } = make(context, paced);
    return {
      device: uart,
      poke: (random) => {
        if (random(8) === 0) return uart.receive(Uint8Array.from({ length: random(40) }, () => random(256)));
        if (random(50) === 0) return uart.receiveBreak();
        const [port, size] = [BASE + random(8), SIZES[random(3)]!];
        return random(2) ? uart.portRead(port, size) : uart.portWrite(port, size, random(2 ** 32));
      },
      observe: () => irq.level,
    };
  });
}
