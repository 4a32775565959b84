import assert from 'node:assert/strict';
import Ajv from 'ajv';
import { ATTRIBUTES, type Attribute } from '../../../../adapter/launch/attributes';
import { planLaunch } from '../../../../adapter/launch/config';
import { launchSchema, launchTable } from '../../../../adapter/launch/schema';
import { EmulatorError } from '../../../../emulator/errors';

const refused = (attributes: Record<string, unknown>, ...parts: string[]): void => {
  assert.throws(
    () => planLaunch(attributes),
    (error) => {
      assert.ok(error instanceof EmulatorError && error.blame === 'user', String(error));
      for (const part of parts) assert.ok(error.message.includes(part), `${error.message} lacks ${part}`);
      return true;
    },
  );
};

describe('launch attributes', () => {
  it('become a machine, with defaults', () => {
    const plan = planLaunch({ type: 'guest', request: 'launch', name: 'x', program: '/k', memory: '1G', __sessionId: 'y' });
    assert.deepEqual(plan.machine, {
      kernel: '/k',
      memory: 2 ** 30,
      cpus: 1,
      startTime: Date.UTC(2025, 0, 1),
      framebuffer: { width: 1024, height: 768 },
      historyBytes: 512 * 2 ** 20,
      checkpointEvery: 20_000_000,
      debugExitPort: 0xf4,
    });
    assert.equal(plan.stopOnEntry, false);
    assert.equal(plan.suspendFile, '/k.suspended');
    assert.deepEqual(plan.serial, { to: 'console' });
  });

  it('take every form of values', () => {
    const plan = planLaunch({
      kernel: '/k',
      initrd: '/i',
      append: 'quiet',
      memory: 67108864,
      cpus: 2,
      startTime: '2024-02-29T12:00:00Z',
      display: false,
      serial: '/tmp/log',
      loadAddress: '0x7c00',
      loadMode: 'real',
      modules: ['/m a b'],
      historyMegabytes: 0,
      debugExitPort: false,
      symbols: ['/v', { path: '/s', offset: '0x1000' }, { path: '/t', offset: '-0x1000' }],
      sourceMap: { '/a': '/b' },
      timeout: 3,
    });
    assert.equal(plan.machine.loadAddress, 0x7c00);
    assert.equal(plan.machine.framebuffer, false);
    assert.equal(plan.machine.debugExitPort, false);
    assert.equal(plan.machine.startTime, Date.UTC(2024, 1, 29, 12));
    assert.deepEqual(
      plan.symbols.map(({ offset }) => offset),
      [0n, 0x1000n, -0x1000n],
    );
    assert.deepEqual(plan.serial, { to: 'file', path: '/tmp/log' });
    assert.equal(planLaunch({ program: '/k', startTime: 'now' }, () => 42).machine.startTime, 42);
  });

  it('name firmware instead of a program', () => {
    const { machine, suspendFile } = planLaunch({
      firmware: '/code.fd',
      vars: '/vars.fd',
      chipset: 'i440fx',
      display: 'vga,w=800,h=600',
      fwCfg: { 'opt/a': 'b' },
    });
    assert.deepEqual([machine.firmware, machine.vars, machine.chipset, machine.display], ['/code.fd', '/vars.fd', 'i440fx', 'vga']);
    assert.deepEqual(machine.framebuffer, { width: 800, height: 600 });
    assert.deepEqual(machine.fwCfg, { 'opt/a': 'b' });
    assert.equal(suspendFile, '/code.fd.suspended');
    const bios = planLaunch({ bios: '/bios.bin', vgaBios: '/vga.bin', display: 'ramfb' }).machine;
    assert.deepEqual(
      [bios.bios, bios.vgaBios, bios.display, bios.framebuffer, bios.fwCfg],
      ['/bios.bin', '/vga.bin', 'ramfb', { width: 1024, height: 768 }, undefined],
    );
    refused({ firmware: '/f', chipset: 'piix' }, "'chipset'");
    refused({ firmware: '/f', display: 'vga,w=1' }, "'display'");
    refused({ firmware: '/f', fwCfg: { 'opt/a': 1 } }, "'fwCfg");
  });

  it('name a network, as text or with what goes with it', () => {
    const network = (value: unknown): unknown => planLaunch({ program: '/k', network: value }).machine.network;
    assert.equal(network(undefined), undefined);
    assert.equal(network(false), undefined);
    assert.deepEqual(network('user'), { mode: 'user' });
    const full = {
      mode: 'user',
      device: 'e1000',
      mac: '52:54:00:00:00:01',
      forwards: [
        { host: 8080, guest: 80 },
        { host: 2222, guest: 22 },
      ],
    };
    assert.deepEqual(network('user,device=e1000,mac=52:54:00:00:00:01,forward=8080:80,forward=2222:22'), full);
    assert.deepEqual(network({ ...full, forwards: ['8080:80', '2222:22'] }), full);
    for (const [value, problem] of [
      ['bridged', '"bridged" is none of user, isolated'],
      ['user,device=rtl8139', 'none of virtio, e1000'],
      ['user,mac=53:54:00:00:00:01', 'no address of an adapter'],
      ['user,forward=80', 'no pair of ports'],
      ['user,forward=80:70000', 'no pair of ports'],
      ['user,forward=80:1,forward=80:2', 'port 80 of the host is forwarded twice'],
      ['isolated,forward=80:80', 'no guest that is isolated'],
      ['user,ipv6=on', 'ipv6: the network is for IPv4 alone'],
      ['user,fast', "'fast' is no NAME=VALUE"],
      [{ mode: 'user', speed: 10 }, "'speed' is unknown"],
      [7, 'neither text nor an object'],
    ] as const) refused({ program: '/k', network: value }, "'network'", problem); // prettier-ignore
  });

  it('name disks, as paths or with what goes with them', () => {
    const cdrom = { path: '/b.iso', kind: 'cdrom', bus: 'ahci' };
    const full = { path: '/c', overlay: '/o', bus: 'virtio', readOnly: false, format: 'qcow2', serial: 'S' };
    assert.deepEqual(planLaunch({ program: '/k', disks: ['/a', cdrom, full] }).machine.disks, [{ path: '/a' }, cdrom, full]);
    refused({ program: '/k', disks: '/a' }, "'disks'");
    refused({ program: '/k', disks: ['/a', {}] }, "'disks[1]'", 'no path');
    refused({ program: '/k', disks: [{ path: '/a', buss: 'nvme' }] }, "'buss' is unknown");
    refused({ program: '/k', disks: [{ path: '/a', bus: 'scsi' }] }, "'scsi' is none of virtio");
    refused({ program: '/k', disks: [{ path: '/a', readOnly: 'yes' }] }, 'readOnly');
    refused({ program: '/k', disks: [7] }, "'disks[0]'");
  });

  it('name what is wrong', () => {
    refused({ program: '/k', memry: '1G' }, "'memry'", "did you mean 'memory'?");
    refused({ program: '/k', stopAtEntry: true }, "'stopAtEntry'", "'stopOnEntry'");
    refused({}, "'program'");
    refused({ program: '/k', kernel: '/l' }, "'kernel'");
    refused({ resume: '/a.guest', snapshot: '/b.guest' }, "'snapshot'");
    assert.equal(planLaunch({ resume: '/a.guest' }).snapshot, planLaunch({ snapshot: '/a.guest' }).snapshot);
    refused({ program: '/k', memory: '1M' }, "'memory'", '1 MiB', '16 MiB');
    refused({ program: '/k', memory: 'lots' }, "'memory'", '"lots"');
    refused({ program: '/k', cpus: 0 }, "'cpus'");
    refused({ program: '/k', cpus: 1.5 }, "'cpus'");
    refused({ program: '/k', loadMode: 'reel' }, "'loadMode'", "'real'");
    refused({ program: '/k', symbols: [{ path: '/s', ofset: 1 }] }, "'symbols[0]'", "'offset'");
    refused({ program: '/k', symbols: [{ path: '/s', offset: 'x' }] }, "'symbols[0].offset'");
    refused({ program: '/k', display: 'big' }, "'display'");
    refused({ program: '/k', startTime: 'soon' }, "'startTime'");
    refused({ program: '/k', debugExitPort: 70000 }, "'debugExitPort'");
    refused({ program: '/k', append: 7 }, "'append'");
    refused({ program: '' }, "'program'");
  });

  it('give a schema that accepts what the validation accepts', () => {
    const validate = new Ajv({ strict: false }).compile({ type: 'object', additionalProperties: false, ...launchSchema() });
    const good = {
      program: '/k',
      memory: '512M',
      cpus: 2,
      display: '640x480',
      symbols: ['/v', { path: '/s', offset: '0x10' }],
      debugExitPort: false,
      loadMode: 'long',
      disks: ['/a', { path: '/b', kind: 'cdrom', bus: 'ahci' }],
      network: { mode: 'user', device: 'e1000', forwards: ['8080:80'] },
    };
    assert.ok(validate(good), JSON.stringify(validate.errors));
    assert.equal(validate({ ...good, loadMode: 'reel' }), false);
    assert.equal(validate({ ...good, memory: 'lots' }), false);
    assert.equal(validate({ ...good, disks: [{ path: '/b', bus: 'scsi' }] }), false);
    for (const network of ['user', 'isolated,device=e1000', 'user,forward=1:2,forward=3:4', false]) assert.ok(validate({ ...good, network }), String(network));
    for (const network of ['bridged', 'user,speed=10', { device: 'e1000' }, true]) assert.equal(validate({ ...good, network }), false);
    for (const [name, attribute] of Object.entries(ATTRIBUTES as Record<string, Attribute>)) {
      if (attribute.default !== undefined) assert.ok(validate({ [name]: attribute.default }), name);
      assert.ok(launchTable().includes(`\`${name}\``));
    }
  });
});
