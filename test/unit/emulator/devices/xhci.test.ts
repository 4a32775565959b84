import assert from 'node:assert/strict';
import { UsbKeyboard } from '../../../../emulator/devices/usbkeyboard';
import { UsbTablet } from '../../../../emulator/devices/usbtablet';
import { Xhci } from '../../../../emulator/devices/xhci';
import { CODE, TYPE } from '../../../../emulator/devices/xhcitrb';
import { checkState, laws, random, restore, SIZES, TestContext } from './context';
import { AT, DOORBELL, EVENT_RING, INTERRUPTER, OP, portsc, XhciDriver } from './xhcidriver';

const GET_DEVICE_DESCRIPTOR = [0x80, 6, 0, 1, 0, 0, 18, 0];
const SET_CONFIGURATION = [0, 9, 1, 0, 0, 0, 0, 0];
const INTERRUPT_IN = 7;
const IOC = 0x20;

export function make() {
  const context = new TestContext();
  const tablet = new UsbTablet(context);
  const keyboard = new UsbKeyboard(context);
  const messages: [number, number][] = [];
  const device = new Xhci(context, {
    devices: { 5: tablet.usb, 6: keyboard.usb },
    reachable: (address, length) => address + length <= context.bytes.length,
    msi: (address, data) => messages.push([address, data]),
  });
  let level = false;
  device.pci.attach({
    bus: { addPorts: () => ({ move: () => undefined }), addMmio: () => ({ move: () => undefined }), addBacking: () => ({ move: () => undefined }) },
    owner: 'xhci',
    interrupt: (_, now) => (level = now),
  });
  const driver = new XhciDriver(context, device);
  return { context, tablet, keyboard, device, driver, messages, line: () => level };
}

/** The tablet with an address, configured, and its endpoint on the ring at REPORTS. */
function ready() {
  const made = make();
  const { driver } = made;
  driver.start();
  driver.events();
  driver.resetPort(5);
  const slot = driver.address();
  assert.equal(driver.controlOut(slot, SET_CONFIGURATION), CODE.SUCCESS);
  driver.input(1 | (1 << 3), { entries: 3, endpoints: { 3: [INTERRUPT_IN, AT.REPORTS] } });
  assert.equal(driver.command(TYPE.CONFIGURE_ENDPOINT, { parameter: AT.INPUT, flags: slot << 24 }).code, CODE.SUCCESS);
  const poll = (length = 8, at: number = AT.DATA): number => driver.transfer(slot, 3, AT.REPORTS, [[at, length, (TYPE.NORMAL << 10) | IOC | 4]])[0]!;
  return { ...made, slot, poll };
}

describe('xHCI: registers', () => {
  it('says what it is', () => {
    const { driver, device } = make();
    assert.equal(device.pci.read(0), 0x1e318086);
    assert.equal(device.pci.read(8) >>> 8, 0x0c0330);
    assert.equal(driver.read(0, 1), 0x20, 'CAPLENGTH');
    assert.equal(driver.read(2, 2), 0x0100, 'HCIVERSION');
    assert.equal(driver.read(4) & 0xff, 64);
    assert.equal(driver.read(4) >>> 24, 8);
    assert.equal(driver.read(OP.USBSTS) & 1, 1, 'halted');
    assert.equal(driver.read(0x28), 1, 'pages of 4 KB');
  });

  it('has a list of extended capabilities: legacy, USB 3 at ports 1 to 4, USB 2 at 5 to 8', () => {
    const { driver } = make();
    const found: number[][] = [];
    for (let at = (driver.read(0x10) >>> 16) * 4; ;) {
      const head = driver.read(at);
      found.push([head & 0xff, head >>> 24, ...((head & 0xff) === 2 ? [driver.read(at + 8) & 0xff, (driver.read(at + 8) >>> 8) & 0xff] : [])]);
      if ((head >>> 8) & 0xff) at += 4 * ((head >>> 8) & 0xff);
      else break;
    }
    assert.deepEqual(found, [
      [1, 0],
      [2, 3, 1, 4],
      [2, 2, 5, 4],
    ]);
  });

  it('is taken from firmware by the semaphores, in bytes too', () => {
    const { driver } = make();
    driver.write(0x500, 0x00010000);
    assert.equal(driver.read(0x500) >>> 16, 0x0001);
    driver.write(0x503, 1, 1);
    assert.equal(driver.read(0x500) >>> 16, 0x0100, 'the system has it, firmware no more');
  });

  it('counts microframes while it runs', () => {
    const { driver, context, device } = make();
    assert.equal(driver.read(0x1000), 0);
    driver.start();
    const first = driver.read(0x1000);
    context.run(device, context.time + 125_000 * 10);
    assert.equal(driver.read(0x1000) - first, 10);
    context.run(device, context.time + 125_000 * 0x4000);
    assert.equal(driver.read(0x1000) - first, 10, 'of 14 bits');
  });

  it('tells when MFINDEX begins anew, if that is wanted', () => {
    const { driver } = make();
    driver.start();
    driver.events();
    driver.write(OP.USBCMD, 0x405);
    driver.pass(2_048_000);
    assert.deepEqual(
      driver.events().map(({ type }) => type),
      [TYPE.MFINDEX_WRAP],
    );
  });

  it('resets to what it was at power-on, and keeps what is of PCI', () => {
    const { driver, device } = ready();
    driver.write(OP.USBCMD, 2);
    assert.deepEqual([driver.read(OP.USBCMD), driver.read(OP.USBSTS) & 1, driver.read(OP.DCBAAP), driver.read(OP.CONFIG)], [0, 1, 0, 0]);
    assert.ok(device.state.slots.every(({ enabled }) => !enabled));
    assert.equal(driver.read(portsc(5)) & 0x20003, 0x20001, 'connected anew, not enabled');
    assert.equal(device.pci.read(4) & 0x6, 0x6);
  });
});

describe('xHCI: root hub ports', () => {
  it('tell of what is plugged in when the controller runs, and again when the first change is cleared', () => {
    const { driver, device } = make();
    driver.start();
    assert.deepEqual(
      driver.events().map(({ type, parameter, code }) => [type, Number(parameter >> 24n), code]),
      [
        [TYPE.PORT_STATUS_CHANGE, 5, CODE.SUCCESS],
        [TYPE.PORT_STATUS_CHANGE, 6, CODE.SUCCESS],
      ],
    );
    driver.write(portsc(5), 0x210);
    assert.equal(driver.read(portsc(5)) & 0x12, 0x10, 'in reset');
    driver.pass(5000);
    assert.equal(driver.read(portsc(5)) & 0x3c12, 0xc02, 'enabled, high speed');
    assert.deepEqual(driver.events(), [], 'CSC is still there: no event');
    driver.write(portsc(5), 0x200 | 0xfe0000);
    assert.equal(driver.read(portsc(5)) & 0xfe0000, 0);
    device.state.ports[4]!.plugged = false;
    device.restored();
    assert.equal(driver.read(portsc(5)) & 0x20003, 0x20000);
    assert.equal(driver.events().length, 1);
  });

  it('lose power and get it back', () => {
    const { driver } = make();
    driver.start();
    driver.resetPort(5);
    driver.write(portsc(5), 0);
    assert.equal(driver.read(portsc(5)) & 0x3e3, 4 << 5);
    driver.write(portsc(5), 0x200);
    assert.equal(driver.read(portsc(5)) & 0x203, 0x201);
  });

  it('a device that may wake its port does so', () => {
    const { driver, slot, tablet, poll, device } = ready();
    assert.equal(driver.controlOut(slot, [0, 3, 1, 0, 0, 0, 0, 0]), CODE.SUCCESS);
    poll();
    driver.pass(2000);
    driver.write(portsc(5), 0x10200 | (3 << 5));
    assert.equal((driver.read(portsc(5)) >> 5) & 0xf, 3);
    assert.ok(device.drives(5));
    tablet.input({ x: 1, y: 2, wheel: 0, buttons: 0 });
    driver.pass(5000);
    assert.equal((driver.read(portsc(5)) >> 5) & 0xf, 15, 'resume');
    assert.deepEqual(
      driver.events().map(({ type }) => type),
      [TYPE.PORT_STATUS_CHANGE],
      'no report yet',
    );
    driver.write(portsc(5), 0x10200);
    driver.pass(5000);
    assert.ok(driver.events().some(({ type }) => type === TYPE.TRANSFER_EVENT));
  });

  it('nothing at a port that is out: transfers fail, the endpoint halts', () => {
    const { driver, slot, poll, device } = ready();
    poll();
    driver.pass(2000);
    device.state.ports[4]!.plugged = false;
    device.restored();
    driver.pass(5000);
    assert.deepEqual(
      driver
        .events()
        .filter(({ type }) => type === TYPE.TRANSFER_EVENT)
        .map(({ code, length }) => [code, length]),
      [[CODE.TRANSACTION, 8]],
    );
    assert.equal(driver.endpointState(slot, 3), 2);
  });
});

describe('xHCI: commands', () => {
  const started = () => {
    const made = make();
    made.driver.start();
    made.driver.resetPort(5);
    made.driver.resetPort(6);
    return made;
  };

  it('enables as many slots as software asked for, and disables them', () => {
    const { driver } = started();
    driver.write(OP.USBCMD, 0);
    driver.write(OP.CONFIG, 2);
    driver.write(OP.USBCMD, 5);
    assert.deepEqual(driver.command(TYPE.ENABLE_SLOT), { code: CODE.SUCCESS, slot: 1 });
    assert.deepEqual(driver.command(TYPE.ENABLE_SLOT), { code: CODE.SUCCESS, slot: 2 });
    assert.deepEqual(driver.command(TYPE.ENABLE_SLOT), { code: CODE.NO_SLOTS, slot: 0 });
    assert.equal(driver.command(TYPE.DISABLE_SLOT, { flags: 1 << 24 }).code, CODE.SUCCESS);
    assert.equal(driver.command(TYPE.DISABLE_SLOT, { flags: 1 << 24 }).code, CODE.SLOT_NOT_ENABLED);
    assert.equal(driver.command(TYPE.NO_OP_COMMAND).code, CODE.SUCCESS);
    assert.equal(driver.command(60).code, CODE.TRB);
  });

  it('addresses a device: default, then addressed, and with one slot only', () => {
    const { driver, tablet } = started();
    const { slot } = driver.command(TYPE.ENABLE_SLOT);
    driver.quad(AT.DCBAA + 8 * slot, driver.output(slot));
    driver.input(3, { endpoints: { 1: [4, AT.PIPE] } });
    const address = (flags: number, of = slot): number => driver.command(TYPE.ADDRESS_DEVICE, { parameter: AT.INPUT, flags: flags | (of << 24) }).code;
    assert.equal(address(0x200), CODE.SUCCESS);
    assert.deepEqual([driver.slotState(slot), driver.endpointState(slot, 1), tablet.state.address], [1, 1, 0]);
    assert.equal(address(0x200), CODE.CONTEXT_STATE, 'it is in the default state already');
    assert.equal(address(0), CODE.SUCCESS);
    assert.deepEqual([driver.slotState(slot), driver.word(driver.output(slot) + 12) & 0xff, tablet.state.address], [2, slot, slot]);
    assert.equal(address(0), CODE.CONTEXT_STATE);
    const other = driver.command(TYPE.ENABLE_SLOT).slot;
    driver.quad(AT.DCBAA + 8 * other, driver.output(other));
    assert.equal(address(0, other), CODE.TRB, 'the device has a slot');
    driver.input(3, { port: 7, endpoints: { 1: [4, AT.PIPE] } });
    assert.equal(address(0, other), CODE.TRANSACTION, 'nobody is there');
    driver.input(3, { port: 9, endpoints: { 1: [4, AT.PIPE] } });
    assert.equal(address(0, other), CODE.PARAMETER);
    driver.input(1, { endpoints: { 1: [4, AT.PIPE] } });
    assert.equal(address(0, other), CODE.TRB, 'both contexts are needed');
  });

  it('configures endpoints and takes them back', () => {
    const { driver, slot } = ready();
    assert.deepEqual([driver.slotState(slot), driver.endpointState(slot, 3)], [3, 1]);
    driver.input(1, { drop: 1 << 3 });
    assert.equal(driver.command(TYPE.CONFIGURE_ENDPOINT, { parameter: AT.INPUT, flags: slot << 24 }).code, CODE.SUCCESS);
    assert.deepEqual([driver.slotState(slot), driver.endpointState(slot, 3)], [2, 0]);
    driver.input(1 | (1 << 3), { entries: 3, endpoints: { 3: [INTERRUPT_IN, AT.REPORTS] } });
    driver.command(TYPE.CONFIGURE_ENDPOINT, { parameter: AT.INPUT, flags: slot << 24 });
    assert.equal(driver.command(TYPE.CONFIGURE_ENDPOINT, { flags: (slot << 24) | 0x200 }).code, CODE.SUCCESS, 'deconfigure');
    assert.deepEqual([driver.slotState(slot), driver.endpointState(slot, 3)], [2, 0]);
    driver.input(3, { entries: 3 });
    assert.equal(driver.command(TYPE.CONFIGURE_ENDPOINT, { parameter: AT.INPUT, flags: slot << 24 }).code, CODE.TRB, 'not the default pipe');
    driver.input(1 | (1 << 3), { entries: 2, endpoints: { 3: [INTERRUPT_IN, AT.REPORTS] } });
    assert.equal(driver.command(TYPE.CONFIGURE_ENDPOINT, { parameter: AT.INPUT, flags: slot << 24 }).code, CODE.PARAMETER, 'beyond the entries');
  });

  it('evaluates packet size, latency and interrupter', () => {
    const { driver, slot } = ready();
    driver.input(3, { endpoints: { 1: [4, AT.PIPE] } });
    driver.setWord(AT.INPUT + 36, (99 << 16) | 7);
    driver.setWord(AT.INPUT + 40, 1 << 22);
    driver.setWord(AT.INPUT + 64 + 4, 8 << 16);
    assert.equal(driver.command(TYPE.EVALUATE_CONTEXT, { parameter: AT.INPUT, flags: slot << 24 }).code, CODE.SUCCESS);
    const at = driver.output(slot);
    assert.deepEqual([driver.word(at + 4), driver.word(at + 8) >>> 22, driver.word(at + 36) >>> 16], [(5 << 16) | 7, 1, 8]);
    assert.equal(driver.endpointState(slot, 1), 1);
  });

  it('stops, moves and resets endpoints in the states in which that may be', () => {
    const { driver, slot, poll } = ready();
    const on = (type: number, parameter = 0): number => driver.command(type, { parameter, flags: (slot << 24) | (3 << 16) }).code;
    assert.equal(on(TYPE.RESET_ENDPOINT), CODE.CONTEXT_STATE);
    assert.equal(on(TYPE.SET_TR_DEQUEUE, AT.REPORTS | 1), CODE.CONTEXT_STATE, 'it runs');
    const trb = poll();
    driver.pass(2000);
    const at = driver.queueCommand(TYPE.STOP_ENDPOINT, { flags: (slot << 24) | (3 << 16) });
    driver.write(DOORBELL, 0);
    driver.pass();
    assert.deepEqual(
      driver.events().map(({ type, code, parameter, length }) => [type, code, Number(parameter), length]),
      [
        [TYPE.TRANSFER_EVENT, CODE.STOPPED, trb, 8],
        [TYPE.COMMAND_COMPLETION, CODE.SUCCESS, at, 0],
      ],
    );
    assert.equal(driver.endpointState(slot, 3), 3);
    assert.equal(on(TYPE.STOP_ENDPOINT), CODE.CONTEXT_STATE);
    assert.equal(on(TYPE.SET_TR_DEQUEUE, (AT.REPORTS + 0x100) | 1), CODE.SUCCESS);
    assert.equal(driver.word(driver.output(slot) + 32 * 3 + 8), (AT.REPORTS + 0x100) | 1);
    assert.equal(driver.command(TYPE.STOP_ENDPOINT, { flags: (slot << 24) | (9 << 16) }).code, CODE.ENDPOINT_NOT_ENABLED);
    assert.equal(driver.command(TYPE.STOP_ENDPOINT, { flags: slot << 24 }).code, CODE.TRB);
  });

  it('resets a device: it is in the default state, with the default pipe only', () => {
    const { driver, slot } = ready();
    assert.equal(driver.command(TYPE.RESET_DEVICE, { flags: slot << 24 }).code, CODE.SUCCESS);
    assert.deepEqual([driver.slotState(slot), driver.endpointState(slot, 1), driver.endpointState(slot, 3)], [1, 1, 0]);
    assert.equal(driver.command(TYPE.RESET_DEVICE, { flags: slot << 24 }).code, CODE.CONTEXT_STATE);
  });

  it('goes on behind a link with the other cycle, and stops when it is told to', () => {
    const { driver } = started();
    driver.trb(AT.COMMANDS, AT.COMMANDS + 0x100, 0, (TYPE.LINK << 10) | 2 | 1);
    driver.trb(AT.COMMANDS + 0x100, 0, 0, TYPE.NO_OP_COMMAND << 10);
    driver.trb(AT.COMMANDS + 0x110, 0, 0, (TYPE.NO_OP_COMMAND << 10) | 1);
    driver.write(DOORBELL, 0);
    driver.pass();
    assert.deepEqual(
      driver.events().map(({ parameter }) => Number(parameter)),
      [AT.COMMANDS + 0x100],
    );
    assert.equal(driver.read(OP.CRCR), 8, 'running');
    driver.write(OP.CRCR, 4);
    driver.pass();
    assert.deepEqual(
      driver.events().map(({ code, parameter }) => [code, Number(parameter)]),
      [[CODE.COMMAND_RING_STOPPED, AT.COMMANDS + 0x110]],
    );
    assert.equal(driver.read(OP.CRCR), 0);
  });

  it('tells the bandwidth of ports', () => {
    const { driver, context } = started();
    assert.equal(driver.command(TYPE.GET_PORT_BANDWIDTH, { parameter: AT.DATA, flags: 3 << 16 }).code, CODE.SUCCESS);
    assert.deepEqual([...context.bytes.subarray(AT.DATA, AT.DATA + 9)], [0, 0, 0, 0, 0, 80, 80, 80, 80]);
  });
});

describe('xHCI: transfers', () => {
  it('carries control transfers, short ones too', () => {
    const { driver, slot } = ready();
    const { code, bytes } = driver.controlIn(slot, GET_DEVICE_DESCRIPTOR, 18);
    assert.equal(code, CODE.SUCCESS);
    assert.deepEqual([...bytes.subarray(0, 12)], [18, 1, 0, 2, 0, 0, 0, 64, 0x5d, 0xfb, 1, 0]);
    const long = driver.controlIn(slot, [0x80, 6, 0, 1, 0, 0, 64, 0], 64);
    assert.deepEqual([long.code, long.bytes.length], [CODE.SUCCESS, 18]);
  });

  it('writes what belongs to a transfer and nothing else, however much went through it before', () => {
    const { driver, context, slot } = ready();
    assert.ok(driver.controlIn(slot, [0x80, 6, 0, 2, 0, 0, 255, 0], 255).bytes.length > 30, 'the configuration, which is long');
    const written = (setup: readonly number[], length: number): readonly number[] => {
      context.bytes.fill(0xee, AT.DATA, AT.DATA + 0x1000);
      driver.controlIn(slot, setup, length);
      return [...context.bytes.subarray(AT.DATA, AT.DATA + 0x1000).entries()].filter(([, byte]) => byte !== 0xee).map(([at]) => at);
    };
    const first = (count: number): readonly number[] => Array.from({ length: count }, (_, at) => at);
    assert.deepEqual(written([0x80, 6, 0, 1, 0, 0, 255, 0], 255), first(18), 'a device descriptor in a large buffer');
    assert.deepEqual(written([0x80, 6, 0, 1, 0, 0, 4, 0], 255), first(4), 'as much as was asked for');
    assert.deepEqual(written([0x80, 0, 0, 0, 0, 0, 255, 0], 255), first(2), 'status');
    assert.deepEqual(written([0x80, 6, 9, 9, 0, 0, 255, 0], 255), [], 'a request that the device does not know');
  });

  it('a request that the device does not know halts the pipe until it is reset and moved on', () => {
    const { driver, slot } = ready();
    assert.equal(driver.controlIn(slot, [0x80, 6, 9, 9, 0, 0, 18, 0], 18).code, CODE.STALL);
    assert.equal(driver.endpointState(slot, 1), 2);
    driver.write(DOORBELL + 4 * slot, 1);
    driver.pass();
    assert.deepEqual(driver.events(), [], 'a halted endpoint hears no doorbell');
    assert.equal(driver.command(TYPE.RESET_ENDPOINT, { flags: (slot << 24) | (1 << 16) }).code, CODE.SUCCESS);
    assert.equal(driver.command(TYPE.SET_TR_DEQUEUE, { parameter: driver.endOf(AT.PIPE) | 1, flags: (slot << 24) | (1 << 16) }).code, CODE.SUCCESS);
    assert.equal(driver.controlIn(slot, GET_DEVICE_DESCRIPTOR, 18).code, CODE.SUCCESS);
  });

  it('more than the buffers hold is babble', () => {
    const { driver, slot } = ready();
    assert.equal(driver.controlIn(slot, GET_DEVICE_DESCRIPTOR, 8).code, CODE.BABBLE);
  });

  it('a control transfer that is not whole waits', () => {
    const { driver, slot } = ready();
    driver.transfer(slot, 1, AT.PIPE, [[0x0012000001000680n, 8, (TYPE.SETUP << 10) | 0x40]]);
    driver.pass(1000);
    assert.deepEqual(driver.events(), []);
    driver.transfer(slot, 1, AT.PIPE, [
      [AT.DATA, 18, (TYPE.DATA << 10) | (1 << 16)],
      [0, 0, (TYPE.STATUS << 10) | IOC],
    ]);
    driver.pass();
    assert.deepEqual(
      driver.events().map(({ code }) => code),
      [CODE.SUCCESS],
    );
  });

  it('gives reports as they come, one in a period', () => {
    const { driver, tablet, poll, context } = ready();
    const trb = poll();
    poll(8, AT.DATA + 0x100);
    driver.pass(10_000);
    assert.deepEqual(driver.events(), [], 'NAK');
    tablet.input({ x: 0x1234, y: 0x5678, wheel: 0, buttons: 1 });
    tablet.input({ x: 0x1234, y: 0x5678, wheel: 0, buttons: 0 });
    driver.pass(1000);
    assert.deepEqual(
      driver.events().map(({ code, length, parameter, endpoint }) => [code, length, Number(parameter), endpoint]),
      [[CODE.SHORT_PACKET, 2, trb, 3]],
    );
    assert.deepEqual([...context.bytes.subarray(AT.DATA, AT.DATA + 7)], [1, 0x34, 0x12, 0x78, 0x56, 0, 0]);
    driver.pass(1000);
    assert.equal(driver.events().length, 1);
    assert.deepEqual([...context.bytes.subarray(AT.DATA + 0x100, AT.DATA + 0x106)], [0, 0x34, 0x12, 0x78, 0x56, 0]);
  });

  it('spreads a report over chained buffers, and tells the sum in an Event Data TRB', () => {
    const { driver, tablet, slot, context } = ready();
    driver.transfer(slot, 3, AT.REPORTS, [
      [AT.DATA, 4, (TYPE.NORMAL << 10) | 0x10],
      [AT.DATA + 0x40, 4, (TYPE.NORMAL << 10) | 0x10],
      [0xabcdef0123456789n, 0, (TYPE.EVENT_DATA << 10) | IOC],
    ]);
    tablet.input({ x: 0x1234, y: 0x5678, wheel: 0, buttons: 1 });
    driver.pass(2000);
    assert.deepEqual(
      driver.events().map(({ parameter, code, length }) => [parameter, code, length]),
      [[0xabcdef0123456789n, CODE.SHORT_PACKET, 6]],
    );
    assert.deepEqual(
      [...context.bytes.subarray(AT.DATA, AT.DATA + 5), ...context.bytes.subarray(AT.DATA + 0x40, AT.DATA + 0x42)],
      [1, 0x34, 0x12, 0x78, 0, 0x56, 0],
    );
  });

  it('passes over what does nothing', () => {
    const { driver, tablet, slot } = ready();
    const [first] = driver.transfer(slot, 3, AT.REPORTS, [
      [0, 0, (TYPE.NO_OP << 10) | IOC],
      [AT.DATA, 6, (TYPE.NORMAL << 10) | IOC],
    ]);
    tablet.input({ x: 1, y: 1, wheel: 0, buttons: 0 });
    driver.pass(3000);
    assert.deepEqual(
      driver.events().map(({ parameter, code }) => [Number(parameter), code]),
      [
        [first, CODE.SUCCESS],
        [first! + 16, CODE.SUCCESS],
      ],
    );
  });

  it('an endpoint that the device does not have answers nothing', () => {
    const { driver, slot } = ready();
    driver.input(1 | (1 << 4), { entries: 4, endpoints: { 4: [2, AT.REPORTS + 0x400] } });
    driver.command(TYPE.CONFIGURE_ENDPOINT, { parameter: AT.INPUT, flags: slot << 24 });
    driver.transfer(slot, 4, AT.REPORTS + 0x400, [[AT.DATA, 8, TYPE.NORMAL << 10]]);
    driver.pass();
    assert.deepEqual(
      driver.events().map(({ code, endpoint }) => [code, endpoint]),
      [[CODE.TRANSACTION, 4]],
    );
  });
});

describe('xHCI: events and interrupts', () => {
  it('sends messages while they are enabled, and waits for the handler', () => {
    const { driver, device, messages, poll, tablet } = ready();
    device.pci.write(0x40, 0x80000000, 0xffff0000);
    driver.write(0x3000, 0xfee00000);
    driver.write(0x3008, 0x41);
    driver.write(0x300c, 0);
    messages.length = 0;
    const point = (x: number): void => {
      poll();
      tablet.input({ x, y: 1, wheel: 0, buttons: 0 });
      driver.pass(2000);
    };
    point(1);
    point(2);
    assert.deepEqual(messages, [[0xfee00000, 0x41]], 'one until the handler is done');
    assert.equal(driver.read(INTERRUPTER.IMAN), 2, 'the message ends what is pending');
    assert.equal(driver.read(OP.USBSTS) & 8, 8);
    driver.events();
    driver.pass();
    assert.equal(messages.length, 1, 'all events were taken');
    point(3);
    assert.equal(messages.length, 2);
    driver.write(INTERRUPTER.ERDP, (driver.read(INTERRUPTER.ERDP) & ~15) | 8);
    point(4);
    assert.equal(messages.length, 3);
  });

  it('sends MSI where MSI-X is not enabled, and has no pin then', () => {
    const { driver, device, messages, poll, tablet, line } = ready();
    const [MSI, MULTIPLE_64] = [0x4c, 0x84];
    assert.equal(device.pci.read(0x40) & 0xff00, MSI << 8, 'behind MSI-X');
    assert.deepEqual([device.pci.read(MSI) & 0xffff, device.pci.read(MSI) >>> 16], [0x05, MULTIPLE_64], 'the last; four messages, 64-bit addresses');
    device.pci.write(MSI + 4, 0xfee01000, 0xffffffff);
    device.pci.write(MSI + 8, 1, 0xffffffff);
    device.pci.write(MSI + 12, 0x4041, 0xffff);
    device.pci.write(MSI, 0x10000, 0xffff0000);
    messages.length = 0;
    poll();
    tablet.input({ x: 1, y: 1, wheel: 0, buttons: 0 });
    driver.pass(2000);
    assert.deepEqual(messages, [[0x1_fee01000, 0x4041]]);
    assert.equal(line(), false);
    device.pci.write(0x40, 0x80000000, 0xffff0000);
    driver.events();
    poll();
    tablet.input({ x: 2, y: 1, wheel: 0, buttons: 0 });
    driver.pass(2000);
    assert.equal(messages.length, 1, 'MSI-X comes first; its vectors are masked');
  });

  it('keeps interrupts apart by the moderation interval', () => {
    const { driver, line, tablet, poll } = ready();
    driver.write(INTERRUPTER.IMOD, 40_000); // 10 ms
    const point = (x: number): void => {
      poll();
      tablet.input({ x, y: 1, wheel: 0, buttons: 0 });
      driver.pass(1000);
    };
    point(1);
    assert.ok(line());
    driver.write(INTERRUPTER.IMAN, 3);
    driver.acknowledge();
    assert.ok(!line());
    driver.events();
    point(2);
    assert.ok(!line());
    assert.ok(driver.read(INTERRUPTER.IMOD) >>> 16 > 0);
    driver.pass(10_000);
    assert.ok(line());
  });

  it('the pin follows the enables', () => {
    const { driver, line } = make();
    driver.start();
    assert.ok(line(), 'port changes');
    driver.write(OP.USBCMD, 1);
    assert.ok(!line());
    driver.write(OP.USBCMD, 5);
    assert.ok(line());
    driver.write(INTERRUPTER.IMAN, 0);
    assert.ok(!line());
    driver.write(INTERRUPTER.IMAN, 3);
    assert.ok(!line(), 'written back');
  });

  it('tells once that the ring is full, holds the rest back, and loses nothing', () => {
    const { driver } = make();
    driver.start();
    driver.events();
    const count = 3 * EVENT_RING;
    for (let i = 0; i < count; i++) driver.queueCommand(TYPE.NO_OP_COMMAND);
    driver.write(DOORBELL, 0);
    driver.pass(10_000);
    const seen = [];
    for (let round = 0; round < 8; round++) {
      seen.push(driver.events());
      driver.pass(10_000);
    }
    const all = seen.flat();
    assert.equal(all.filter(({ type }) => type === TYPE.COMMAND_COMPLETION).length, count);
    assert.deepEqual(
      all.filter(({ type }) => type === TYPE.COMMAND_COMPLETION).map(({ parameter }) => Number(parameter)),
      Array.from({ length: count }, (_, i) => AT.COMMANDS + 16 * i),
    );
    const full = all.filter(({ type }) => type === TYPE.HOST_CONTROLLER);
    assert.ok(full.length >= 2 && full.every(({ code }) => code === CODE.EVENT_RING_FULL));
  });
});

describe('xHCI: hostile guests', () => {
  const failed = (driver: XhciDriver): number => driver.read(OP.USBSTS) & 0x1005;
  const [HSE, HCE] = [0x5, 0x1001];

  it('a command ring that is a circle of links is an error of the controller', () => {
    const { driver, device } = make();
    driver.start();
    driver.trb(AT.COMMANDS, AT.COMMANDS, 0, (TYPE.LINK << 10) | 1);
    driver.write(DOORBELL, 0);
    driver.pass();
    assert.equal(failed(driver), HCE);
    driver.write(OP.USBCMD, 1);
    assert.equal(driver.read(OP.USBCMD) & 1, 0, 'only a reset helps');
    assert.equal(device.deadline(), Infinity);
    driver.write(OP.USBCMD, 2);
    assert.equal(failed(driver), 1);
  });

  it('a transfer without end is an error of its endpoint, one that repeats itself has its time', () => {
    const { driver, slot, context, device } = ready();
    for (let i = 0; i < 300; i++) driver.trb(AT.REPORTS + 16 * i, AT.DATA, 1, (TYPE.NORMAL << 10) | 0x11);
    driver.write(DOORBELL + 4 * slot, 3);
    driver.pass(2000);
    assert.deepEqual(
      driver.events().map(({ code }) => code),
      [CODE.TRB],
    );
    assert.equal(driver.endpointState(slot, 3), 4);
    driver.trb(0x9000, 0, 0, (TYPE.NO_OP << 10) | 1);
    driver.trb(0x9010, 0x9000, 0, (TYPE.LINK << 10) | 1);
    driver.input(1 | (1 << 5), { entries: 5, endpoints: { 5: [6, 0x9000] } });
    driver.command(TYPE.CONFIGURE_ENDPOINT, { parameter: AT.INPUT, flags: slot << 24 });
    driver.write(DOORBELL + 4 * slot, 5);
    context.run(device, context.time + 10_000_000, 200);
    assert.equal(driver.command(TYPE.STOP_ENDPOINT, { flags: (slot << 24) | (5 << 16) }).code, CODE.SUCCESS);
    driver.pass(1000);
    assert.equal(device.deadline(), Infinity);
  });

  it('rings, contexts, tables and buffers where there is no memory are an error of the host', () => {
    const gone = 0xfffff000;
    const cases: Record<string, (made: ReturnType<typeof ready>) => void> = {
      'command ring': ({ driver }) => {
        driver.write(OP.USBCMD, 0);
        driver.write(OP.CRCR, gone | 1);
        driver.write(OP.USBCMD, 5);
        driver.write(DOORBELL, 0);
      },
      'event ring segment table': ({ driver }) => {
        driver.write(INTERRUPTER.ERSTBA, gone);
        driver.queueCommand(TYPE.NO_OP_COMMAND);
        driver.write(DOORBELL, 0);
      },
      'event ring': ({ driver }) => {
        driver.quad(AT.SEGMENTS, gone);
        driver.queueCommand(TYPE.NO_OP_COMMAND);
        driver.write(DOORBELL, 0);
      },
      'input context': ({ driver, slot }) => {
        driver.queueCommand(TYPE.CONFIGURE_ENDPOINT, { parameter: gone, flags: slot << 24 });
        driver.write(DOORBELL, 0);
      },
      'transfer ring': ({ driver, slot }) => {
        driver.quad(driver.output(slot) + 32 * 3 + 8, 1n << 60n);
        driver.write(DOORBELL + 4 * slot, 3);
      },
      buffer: ({ poll, tablet }) => {
        poll(8, gone);
        tablet.input({ x: 1, y: 1, wheel: 0, buttons: 0 });
      },
      'buffer at the end of memory': ({ poll, tablet }) => {
        poll(8, 0xfffd);
        tablet.input({ x: 1, y: 1, wheel: 0, buttons: 0 });
      },
    };
    for (const [name, act] of Object.entries(cases)) {
      const made = ready();
      act(made);
      made.driver.pass(5000);
      assert.equal(failed(made.driver), HSE, name);
      assert.equal(made.device.deadline(), Infinity, name);
    }
  });

  it('an event ring of a size that none has is an error of the controller', () => {
    for (const size of [0, 15, 4097, 0xffff]) {
      const { driver } = make();
      driver.start();
      driver.setWord(AT.SEGMENTS + 8, size);
      driver.queueCommand(TYPE.NO_OP_COMMAND);
      driver.write(DOORBELL, 0);
      driver.pass();
      assert.equal(failed(driver), HCE, String(size));
    }
  });

  it('doorbells, slots and endpoints that do not exist do nothing', () => {
    const { driver, device } = ready();
    for (const slot of [1, 2, 63, 64]) for (const endpoint of [0, 2, 31, 32, 255]) driver.write(DOORBELL + 4 * slot, 0xffff0000 | endpoint);
    driver.write(DOORBELL, 1);
    driver.write(DOORBELL + 4 * 65, 1);
    driver.pass();
    assert.deepEqual(driver.events(), []);
    for (const slot of [0, 2, 64, 65, 255])
      for (const type of [TYPE.DISABLE_SLOT, TYPE.ADDRESS_DEVICE, TYPE.STOP_ENDPOINT, TYPE.SET_TR_DEQUEUE])
        assert.ok([CODE.TRB, CODE.SLOT_NOT_ENABLED].includes(driver.command(type, { flags: (slot << 24) | (31 << 16) }).code as 5));
    assert.equal(device.state.usbsts & 0x1004, 0);
  });

  it('reads no memory without being bus master', () => {
    const { driver, device, slot, poll, tablet } = ready();
    device.pci.write(0x04, 0x2, 0xffff);
    poll();
    driver.write(DOORBELL + 4 * slot, 3);
    tablet.input({ x: 1, y: 1, wheel: 0, buttons: 0 });
    driver.pass(5000);
    assert.deepEqual(driver.events(), []);
  });

  /** Random registers, and memory that is random or half right. */
  function subject(seedMemory: number) {
    const made = seedMemory % 2 ? ready() : make();
    const { device, driver, context, tablet, keyboard } = made;
    const bar = device.pci.identity.bars![0]!.handler as { mmioRead(o: number, s: 1 | 2 | 4): number; mmioWrite(o: number, s: 1 | 2 | 4, v: number): void };
    const poke = (next: (below: number) => number): unknown => {
      const offset = [next(0x4000), 0x20 + 4 * next(16), portsc(1 + next(8)), 0x1020 + 4 * next(16), DOORBELL + 4 * next(4)][next(5)]!;
      const value = [next(2 ** 32), next(256), 0xffffffff, AT.COMMANDS | 1, AT.EVENTS, 1 << next(32)][next(6)]! >>> 0;
      switch (next(8)) {
        case 0:
          return bar.mmioRead(offset, SIZES[next(3)]!);
        case 1:
        case 2:
          return bar.mmioWrite(offset, next(4) ? 4 : SIZES[next(3)]!, value);
        case 3: {
          const at = 16 * next(0x1000);
          const type = next(2) ? next(64) : [TYPE.NORMAL, TYPE.SETUP, TYPE.DATA, TYPE.STATUS, TYPE.LINK, TYPE.STOP_ENDPOINT, TYPE.ADDRESS_DEVICE][next(7)]!;
          return driver.trb(at, 16 * next(0x1100), next(4) ? next(64) : next(2 ** 32), ((next(3) << 24) | (next(32) << 16) | (type << 10) | next(1024)) >>> 0);
        }
        case 4:
          return context.bytes.fill(next(256), next(0x10000), next(0x10000));
        case 5:
          return bar.mmioWrite(DOORBELL + 4 * next(3), 4, next(6));
        case 6:
          return next(2)
            ? tablet.input({ x: next(40000), y: -next(10), wheel: next(5) - 2, buttons: next(64) })
            : keyboard.key(['KeyA', 'ShiftLeft', 'Nowhere', 'Enter'][next(4)]!, next(2) === 0);
        default:
          return next(20) ? bar.mmioWrite(OP.USBCMD, 4, 5) : driver.start();
      }
    };
    return { ...made, poke };
  }

  it('survives a fuzz of registers, rings and time with its state in range, and goes on from a copy as it did', () => {
    for (let seed = 1; seed <= 60; seed++) {
      const next = random(seed);
      const first = subject(seed);
      const drive = ({ poke, context, device }: ReturnType<typeof subject>, generator: (below: number) => number, steps: number): unknown[] => {
        const seen: unknown[] = [];
        for (let i = 0; i < steps; i++) {
          seen.push(poke(generator));
          if (generator(4) === 0) context.run(device, context.time + generator(2_000_000), 2000);
        }
        return seen;
      };
      drive(first, next, 400);
      for (const device of [first.device, first.tablet, first.keyboard]) checkState(device.table, device.state, device.name);
      const twin = subject(seed);
      twin.context.bytes.set(first.context.bytes);
      twin.context.time = first.context.time;
      for (const name of ['tablet', 'keyboard', 'device'] as const) restore(twin[name], structuredClone(first[name].state));
      // The driver's own notes are no part of the machine.
      drive(first, random(seed + 1000), 200);
      drive(twin, random(seed + 1000), 200);
      assert.deepEqual(twin.device.state, first.device.state);
      assert.deepEqual(twin.tablet.state, first.tablet.state);
      assert.ok(Buffer.from(twin.context.bytes).equals(Buffer.from(first.context.bytes)));
    }
  });
});

laws('xHCI', (context) => {
  const tablet = new UsbTablet(context);
  // Memory that does not change: what a device writes there is not of its own state.
  const memory = { read: (at: number, into: Uint8Array) => into.forEach((_, i) => (into[i] = ((at + i) * 0x9e3779b1) >>> 27)), write: () => undefined };
  const device = new Xhci(
    { now: () => context.now(), rearm: () => undefined, memory },
    { devices: { 5: tablet.usb }, reachable: () => true, msi: () => undefined },
  );
  device.pci.write(0x04, 0x6, 0xffff);
  const bar = device.pci.identity.bars![0]!.handler as { mmioRead(o: number, s: number): number; mmioWrite(o: number, s: number, v: number): void };
  return {
    device,
    poke: (next) => (next(2) ? bar.mmioRead(next(0x4000), SIZES[next(3)]!) : bar.mmioWrite(next(4) ? 0x20 + 4 * next(0x140) : next(0x4000), 4, next(2 ** 32))),
    observe: () => device.deadline(),
  };
});
