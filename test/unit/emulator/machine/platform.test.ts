import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DEFAULT_TOPOLOGY } from '../../../../emulator/firmware/acpi/topology';
import type { MachineConfig } from '../../../../emulator/machine/api';
import { firmwareData } from '../../../../emulator/machine/firmware';
import type { Images } from '../../../../emulator/machine/images';
import { LocalGuest } from '../../../../emulator/machine/local';
import { nodePace, writeVars } from '../../../../emulator/machine/node';
import { openGuest } from '../../../../emulator/machine/open';
import { platformOf } from '../../../../emulator/machine/platform';
import { checkState, random, SIZES } from '../devices/context';
import { compiled, CONFIG, DEAD } from './guests';

const FIRMWARE: MachineConfig = (({ loadAddress: _, loadMode: __, ...rest }) => ({ ...rest, framebuffer: { width: 1024, height: 768 } }))(CONFIG);
const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replace(/\s/g, ''), 'hex'));
const file = (name: string, bytes: Uint8Array) => ({ name, bytes });

/** 64 KB of ROM with code at its beginning, to which its reset vector jumps. */
function rom(code: string, length = 0x10000): Uint8Array {
  const bytes = new Uint8Array(length).fill(0xff);
  bytes.set(hex(code), length - 0x10000);
  bytes.set(hex('ea 0000 00f0'), length - 16);
  return bytes;
}

/** Writes 5A to the first byte of its variable store, and resets the machine. */
function variablesRom(): Uint8Array {
  const image = rom('2e660f01164000 0f20c0 0c01 0f22c0 66ea 20000f00 0800');
  const base = image.length - 0x10000;
  // mov ax,0x10; mov ds,ax; mov ebx,0xfffef000; mov byte [ebx],0x10; mov byte [ebx],0x5a; mov byte [ebx],0xff; mov al,0xfe; out 0x64,al; jmp $
  image.set(hex('66b81000 8ed8 bb00f0feff c60310 c6035a c603ff b0fe e664 ebfe'), base + 0x20);
  // The table's limit and base, then null, code and data segments of 4 GB.
  image.set(hex('1700 48000f00 0000 0000000000000000 ffff0000009bcf00 ffff00000093cf00'), base + 0x40);
  return image;
}

const guest = async (images: Images, config: Partial<MachineConfig> = {}, keepVars?: (bytes: Uint8Array) => Promise<void>): Promise<LocalGuest> =>
  LocalGuest.create({ ...FIRMWARE, ...config }, { images, binaries: await compiled(), pace: nodePace, ...(keepVars && { keepVars }) });
const run = (made: LocalGuest, position = 100_000) =>
  new Promise<string>((resolve) => {
    const off = made.on((event) => {
      if (event.event !== 'stopped') return;
      off();
      resolve(event.stop.reason.kind);
    });
    void made.resume({ position, unattended: true });
  });

describe('board for firmware', function () {
  this.timeout(20_000);

  it('is chosen by what starts it', () => {
    const code = file('code', rom(''));
    assert.equal(platformOf(CONFIG, DEAD).chipset, 'bhyve');
    assert.deepEqual(platformOf(CONFIG, DEAD).backings, []);
    const q35 = platformOf(FIRMWARE, { firmware: code, vars: file('vars', new Uint8Array(0x2000)) });
    assert.deepEqual([q35.chipset, q35.display, q35.flash.map(({ address }) => address)], ['q35', 'vga', [0xffff0000, 0xfffee000]]);
    assert.equal(platformOf(FIRMWARE, { bios: code }).chipset, 'i440fx');
    assert.equal(platformOf({ ...FIRMWARE, display: 'ramfb', chipset: 'q35' }, { bios: code }).display, 'ramfb');
  });

  it('says what does not go together', () => {
    const code = file('code', rom(''));
    const refused = (config: Partial<MachineConfig>, images: Images, text: RegExp): void =>
      assert.throws(
        () => platformOf({ ...FIRMWARE, ...config }, images),
        (error: Error & { blame?: string }) => error.blame === 'user' && text.test(error.message),
      );
    refused({}, { firmware: code, bios: code }, /only one/);
    refused({}, { vars: code, ...DEAD }, /variable store/);
    refused({ chipset: 'q35' }, DEAD, /'chipset'/);
    refused({ display: 'vga' }, DEAD, /'vga'/);
    refused({}, { bios: code, ...DEAD }, /starts no kernel/);
    refused({}, { firmware: file('odd', new Uint8Array(1000)) }, /odd: 1000 bytes/);
    refused({}, { bios: code, vgaBios: file('junk', new Uint8Array(512)) }, /junk: this is no option ROM/);
    refused({ fwCfg: { 'etc/e820': '' } }, { bios: code }, /'etc\/e820'/);
  });

  it('runs from the reset vector, below 1 MiB too, and on again after a reset', async () => {
    // mov dx,0x402; mov al,'A'; out dx,al; mov al,0xfe; out 0x64,al; jmp $ (the keyboard controller's reset)
    const made = await guest({ bios: file('bios', rom('ba0204 b041 ee b0fe e664 ebfe')) });
    const bytes: number[] = [];
    made.on((event) => void (event.event === 'serial' && event.port === 2 && bytes.push(...event.bytes)));
    assert.equal(await run(made), 'reset');
    assert.equal((await made.registers(0))['rip'], 0xfff0n);
    await made.writeMemory(0, 'physical', 0x1000n, Uint8Array.of(0x77));
    assert.equal(await run(made), 'reset');
    assert.deepEqual(bytes, [0x41, 0x41]);
    assert.deepEqual([...(await made.readMemory(0, 'physical', 0x1000n, 1))], [0x77], 'memory stays as it is');
    await made.close();
  });

  it("the local APIC's timer counts at 1 GHz, as CPUID says", async () => {
    // In x2APIC mode, divided by 1: mov ecx,0x1b; rdmsr; or ax,0xc00; wrmsr; mov ecx,0x80f; mov eax,0x1ff; xor edx,edx; wrmsr;
    // mov cl,0x3e; mov eax,0xb; wrmsr; mov cl,0x38; or eax,-1; wrmsr; mov cl,0x39; rdmsr; not eax; mov esi,eax; mov eax,0x15; xor ecx,ecx; cpuid; jmp $
    const made = await guest({
      bios: file(
        'bios',
        rom(`66b91b000000 0f32 0d000c 0f30 66b90f080000 66b8ff010000 6631d2 0f30 b13e 66b80b000000 0f30 b138 6683c8ff 0f30 b139 0f32 66f7d0 6689c6
             66b815000000 6631c9 0fa2 ebfe`),
      ),
    });
    await run(made, 100);
    const { rax, rbx, rcx, rsi } = await made.registers(0);
    assert.deepEqual([rax, rbx, rcx], [1n, 1n, 1_000_000_000n]);
    assert.ok(rsi! >= 8n && rsi! < 100n, `${rsi} ticks in two instructions of 4 ns`);
    await made.close();
  });

  it('tells firmware what to start first, in lines that end with a zero', () => {
    const { files } = firmwareData({ ...FIRMWARE, fwCfg: { bootorder: '/a@1\n/b@2', 'opt/a': 'text' } }, {}, () => DEFAULT_TOPOLOGY);
    const text = (name: string): string => Buffer.from(files.find((each) => each.name === name)!.contents as Uint8Array).toString();
    assert.deepEqual([text('bootorder'), text('opt/a')], ['/a@1\n/b@2\n\0', 'text']);
  });

  it('keeps flash over a reset, and tells of changes', async () => {
    // Programs 0x5a into the first byte of the store at 4 GB - 68 KB, then resets; in 32-bit mode:
    // lgdt cs:[0x40]; mov eax,cr0; or al,1; mov cr0,eax; jmp dword 8:0xf0020
    const image = variablesRom();
    const kept: number[] = [];
    const made = await guest({ firmware: file('code', image), vars: file('vars', new Uint8Array(0x1000).fill(0xff)) }, {}, (bytes) =>
      Promise.resolve(void kept.push(bytes[0]!)),
    );
    assert.equal(await run(made), 'reset');
    assert.deepEqual(kept, [0x5a]);
    assert.deepEqual([...(await made.readMemory(0, 'physical', 0xfffef000n, 2))], [0x5a, 0xff]);
    const hash = await made.stateHash();
    assert.equal(await run(made), 'reset');
    assert.notEqual(await made.stateHash(), hash);
    assert.deepEqual([...(await made.readMemory(0, 'physical', 0xfffef000n, 2))], [0x5a, 0xff]);
    await made.close();
  });

  for (const chipset of ['i440fx', 'q35'] as const) {
    it(`bears any access to any chip of ${chipset}`, async () => {
      const store = file('vars', new Uint8Array(0x4000).fill(0xff));
      const made = await guest({ firmware: file('code', rom('ebfe')), vars: store }, { chipset, display: chipset === 'q35' ? 'vga' : 'ramfb' });
      const { bus } = made.machine;
      const next = random(17);
      const ports = [0x20, 0x40, 0x60, 0x70, 0x92, 0xb2, 0x1ce, 0x3f8, 0x402, 0x510, 0x600, 0xb000, 0xcf8, 0xcfc];
      const addresses = [0xb8000, 0xc0000, 0xe0000000, 0xfebf0000, 0xfec00000, 0xfed00000, 0xfee00000, 0xfffec000, 0xffff0000, 0x800000000];
      for (let i = 0; i < 150_000; i++) {
        const size = SIZES[next(3)]!;
        const value = next(2 ** 32);
        const port = next(4) === 0 ? next(0x10000) : ports[next(ports.length)]! + next(16);
        const address = addresses[next(addresses.length)]! + next(0x4000);
        // Configuration space too: every function, every register.
        if (next(3) === 0) bus.portWrite(0xcf8, 4, (0x80000000 | (next(3) === 0 ? next(0x10000) : (next(2) * 31) << 11) | (next(64) << 2)) >>> 0);
        switch (next(4)) {
          case 0:
            bus.portWrite(port, size, value);
            break;
          case 1:
            assert.ok(bus.portRead(port, size) < 2 ** (8 * size));
            break;
          case 2:
            bus.mmioWrite(address, size, value);
            break;
          default:
            assert.ok(bus.mmioRead(address, size) < 2 ** (8 * size));
        }
      }
      for (const { name, table, state } of made.machine.devices) checkState(table, state, name);
      await made.frame();
      await made.stateHash();
      await made.close();
    });
  }

  it('has a power button', async () => {
    const made = await guest(DEAD, { loadAddress: 0x7c00, loadMode: 'real' });
    await made.key('Power', true);
    const acpi = (await made.deviceState()).find(({ name }) => name === 'acpi')!;
    assert.equal(Number(acpi.children!.find(({ name }) => name === 'status')!.value) & 0x100, 0x100);
    await made.close();
  });
});

describe('variable store file', () => {
  it('is replaced whole, through a link, and left alone where it can not be written', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'guest-vars-'));
    const [path, link] = [join(folder, 'vars.fd'), join(folder, 'link.fd')];
    writeFileSync(path, 'old');
    symlinkSync(path, link);
    await writeVars(link, Uint8Array.of(1, 2));
    assert.deepEqual([...readFileSync(path)], [1, 2]);
    assert.deepEqual(readdirSync(folder).sort(), ['link.fd', 'vars.fd']);
    await assert.rejects(writeVars(join(folder, 'none/vars.fd'), Uint8Array.of(1)), /variable store '.*none\/vars\.fd' can not be written/);
    rmSync(folder, { recursive: true });
  });

  it('a resumed machine writes its variable store where it is told to, and nowhere else', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'guest-vars-'));
    const [code, vars, moved, snapshot] = ['code.fd', 'vars.fd', 'moved.fd', 'a.guest'].map((name) => join(folder, name)) as [string, string, string, string];
    writeFileSync(code, variablesRom());
    const blank = new Uint8Array(0x1000).fill(0xff);
    writeFileSync(vars, blank);
    const first = (await openGuest({ ...FIRMWARE, firmware: code, vars })) as LocalGuest;
    await run(first, 5);
    await first.save(snapshot);
    await first.close();
    for (const [config, changed] of [
      [undefined, []],
      [{ ...FIRMWARE, vars: moved }, [moved]],
    ] as const) {
      const resumed = (await openGuest(config, { snapshot })) as LocalGuest;
      assert.equal(await run(resumed), 'reset');
      await resumed.close();
      for (const path of [vars, moved])
        assert.deepEqual(existsSync(path) ? readFileSync(path)[0] : undefined, changed.includes(path as never) ? 0x5a : path === vars ? 0xff : undefined);
    }
    rmSync(folder, { recursive: true });
  });
});
