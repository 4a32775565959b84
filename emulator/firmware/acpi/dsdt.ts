/** The Differentiated System Description Table's body. */
import * as aml from './aml';
import type { Aml } from './aml';
import * as resource from './resources';
import type { AcpiTopology } from './topology';

const letter = (pirq: number): string => String.fromCharCode(0x41 + pirq);
const PIRQ_REGISTERS = [0x60, 0x61, 0x62, 0x63, 0x68, 0x69, 0x6a, 0x6b];
const PIRQS = PIRQ_REGISTERS.length;
const PCI_DEVICES = 32;
const PINS = 4;
/** Interrupts that the links offer a guest without I/O APIC. */
const LINK_IRQS = [5, 10, 11];

export function dsdtBody(topology: AcpiTopology): Aml {
  return [
    ...aml.define('\\_S5', aml.pack(topology.pm.sleepTypeS5, topology.pm.sleepTypeS5, 0, 0)),
    // The guest says which interrupt model it uses: 0 PIC, 1 I/O APIC.
    ...aml.define('\\PICM', 0),
    ...aml.method('\\_PIC', 1, aml.store(aml.argument(0), aml.name('\\PICM'))),
    ...aml.scope('\\_SB', processors(topology), hostBridge(topology), links()),
  ];
}

const processors = ({ processors }: AcpiTopology): Aml =>
  processors.flatMap((_, i) => [...aml.device(`C${i.toString(16).toUpperCase().padStart(3, '0')}`, aml.define('_HID', 'ACPI0007'), aml.define('_UID', i))]);

function hostBridge(topology: AcpiTopology): Aml {
  const { mem32, moreMem32, mem64, express, pirqOf, pirqGsi } = topology.pci;
  const routes = (entry: (device: number, pin: number) => Aml): Aml =>
    aml.pack(...Array.from({ length: PCI_DEVICES * PINS }, (_, i) => entry(Math.floor(i / PINS), i % PINS)));
  const route = (device: number, pin: number, source: aml.Value, index: number): Aml => aml.pack(device * 0x10000 + 0xffff, pin, source, index);
  return aml.device(
    'PC00',
    ...(express ? [aml.define('_HID', aml.eisaId('PNP0A08')), aml.define('_CID', aml.eisaId('PNP0A03'))] : [aml.define('_HID', aml.eisaId('PNP0A03'))]),
    aml.define('_UID', 0),
    aml.define('_BBN', 0),
    aml.define(
      '_CRS',
      resource.resources(
        resource.busWindow(0, 0),
        resource.ports(0xcf8, 8),
        resource.portWindow(0x0000, 0x0cf7),
        resource.portWindow(0x0d00, 0xffff),
        resource.memoryWindow(0xa0000, 0xbffff),
        resource.memoryWindow(...mem32),
        ...(moreMem32 ?? []).map((window) => resource.memoryWindow(...window)),
        ...(mem64 ? [resource.memoryWindow(...mem64)] : []),
      ),
    ),
    aml.define(
      'APRT',
      routes((device, pin) => route(device, pin, 0, pirqGsi + pirqOf(device, pin + 1))),
    ),
    aml.define(
      'PPRT',
      routes((device, pin) => route(device, pin, aml.name(`\\_SB.LNK${letter(pirqOf(device, pin + 1))}`), 0)),
    ),
    aml.method('_PRT', 0, aml.when(aml.name('\\PICM'), [aml.returns(aml.name('APRT'))], [aml.returns(aml.name('PPRT'))])),
    lpc(topology),
  );
}

function lpc(topology: AcpiTopology): Aml {
  const { serial, keyboard, mouse, fwCfg, pci, ioApics, localApic, pm } = topology;
  return aml.device(
    'LPC',
    aml.define('_ADR', pci.lpc * 0x10000),
    aml.pciConfigRegion('LPCR', 0x00, 0x100),
    aml.byteFields(
      'LPCR',
      PIRQ_REGISTERS.map((offset, pirq) => ({ name: `PIR${letter(pirq)}`, offset })),
    ),
    ...serial.map(({ base, irq }, i) => isaDevice(`COM${i + 1}`, 'PNP0501', [resource.ports(base, 8), resource.isaIrq(irq)], i + 1)),
    ...(keyboard ? [isaDevice('KBD', 'PNP0303', [resource.ports(0x60, 1), resource.ports(0x64, 1), resource.isaIrq(1)])] : []),
    ...(mouse ? [isaDevice('MOU', 'PNP0F13', [resource.isaIrq(12)])] : []),
    ...(fwCfg
      ? [
          aml.device(
            'FWCF',
            aml.define('_HID', 'QEMU0002'),
            aml.define('_STA', 0x0b),
            aml.define('_CRS', resource.resources(resource.ports(fwCfg.port, fwCfg.count))),
          ),
        ]
      : []),
    isaDevice('RTC', 'PNP0B00', [resource.ports(0x70, 2), resource.isaIrq(8)]),
    isaDevice('TIMR', 'PNP0100', [resource.ports(0x40, 4), resource.isaIrq(0)]),
    isaDevice('PIC', 'PNP0000', [resource.ports(0x20, 2), resource.ports(0xa0, 2), resource.isaIrq(2)]),
    // What belongs to the board: no driver may put something else there.
    isaDevice('SYSR', 'PNP0C02', [
      resource.ports(0x61, 1),
      resource.ports(0x80, 1),
      resource.ports(0x92, 1),
      resource.ports(pm.smiCommand, 1),
      resource.ports(pm.event, 4),
      resource.ports(pm.control, 2),
      resource.ports(0x4d0, 2),
      resource.ports(pm.timer, 4),
      ...ioApics.map(({ address }) => resource.memory(address, 0x1000)),
      resource.memory(localApic, 0x1000),
      ...(pci.ecam === undefined ? [] : [resource.memory(pci.ecam, 0x100000)]),
    ]),
  );
}

const isaDevice = (path: string, id: string, descriptors: readonly (readonly number[])[], uid?: number): Aml =>
  aml.device(
    path,
    aml.define('_HID', aml.eisaId(id)),
    ...(uid === undefined ? [] : [aml.define('_UID', uid)]),
    aml.define('_CRS', resource.resources(...descriptors)),
  );

/** PCI interrupt links over the LPC bridge's routing registers. */
const links = (): Aml => Array.from({ length: PIRQS }, (_, pirq) => link(pirq)).flat();

function link(pirq: number): Aml {
  const register = aml.name(`\\_SB.PC00.LPC.PIR${letter(pirq)}`);
  const disabled = aml.and(register, 0x80);
  const irqMask = aml.name('IRQW');
  return aml.device(
    `LNK${letter(pirq)}`,
    aml.define('_HID', aml.eisaId('PNP0C0F')),
    aml.define('_UID', pirq + 1),
    aml.define('_PRS', resource.resources(resource.pciIrq(...LINK_IRQS))),
    aml.define('CURR', resource.resources(resource.pciIrq())),
    aml.wordField(aml.name('CURR'), 1, 'IRQW'),
    aml.method('_STA', 0, aml.when(disabled, [aml.returns(0x09)], [aml.returns(0x0b)])),
    aml.method('_DIS', 0, aml.store(0x80, register)),
    aml.method(
      '_CRS',
      0,
      aml.when(disabled, [aml.store(0, irqMask)], [aml.store(aml.shiftLeft(1, aml.and(register, 0x0f)), irqMask)]),
      aml.returns(aml.name('CURR')),
    ),
    aml.method(
      '_SRS',
      1,
      aml.wordField(aml.argument(0), 1, 'WANT'),
      aml.store(aml.lowestSetBit(aml.name('WANT')), aml.local(0)),
      aml.when(aml.local(0), [aml.store(aml.subtract(aml.local(0), 1), register)], [aml.store(0x80, register)]),
    ),
  );
}
