/** The machine's state as chunks, and back. */
import type { Machine } from '../machine/machine';
import type { MachineState } from '../machine/state';
import { asBool, asInteger, asMap, fieldsOf, only, type Fields, type Value } from './cbor';
import type { Chunk } from './container';
import { fieldsToState, schemaOf, stateToFields } from './fieldvalues';
import { bad } from './format';
import { upgrade, UPGRADES, type Upgrades } from './upgrades';
import { fieldsToVcpu, vcpuSchema, vcpuToFields } from './vcpufields';

/** Versions of the chunks that are not chips'. */
export const VERSIONS = { chronicle: 1, configuration: 1, disk: 1, history: 2, image: 1, journal: 1, machine: 1, memory: 1, schema: 1, vcpu: 1 } as const;
export const DEVICE = 'device.';

const chunk = (kind: keyof typeof VERSIONS, instance: string, fields: Fields): Chunk => ({ kind, instance, version: VERSIONS[kind], mandatory: true, fields });

export function machineToFields({ position, clock, turn, off, journal }: MachineState): Fields {
  return fieldsOf({
    position,
    clock: fieldsOf({ offset: clock.offset, jumps: clock.jumps }),
    turn: fieldsOf({ vcpu: turn.vcpu, end: turn.end }),
    off,
    journal,
  });
}

type Core = Pick<MachineState, 'position' | 'clock' | 'turn' | 'off' | 'journal'>;

/** Time and positions that a machine can have: sums stay exact. */
const MOST = 2 ** 50;

export function fieldsToMachine(fields: Fields, cpus: number): Core {
  only(fields, ['position', 'clock', 'turn', 'off', 'journal'], 'machine');
  const clock = asMap(fields.get('clock'), 'machine.clock');
  const turn = asMap(fields.get('turn'), 'machine.turn');
  only(clock, ['offset', 'jumps'], 'machine.clock');
  only(turn, ['vcpu', 'end'], 'machine.turn');
  const position = asInteger(fields.get('position'), 'machine.position', 0, MOST);
  return {
    position,
    clock: {
      offset: asInteger(clock.get('offset'), 'machine.clock.offset', -position * 4, 2 * MOST),
      jumps: asInteger(clock.get('jumps'), 'machine.clock.jumps', 0, position),
    },
    turn: { vcpu: asInteger(turn.get('vcpu'), 'machine.turn.vcpu', 0, cpus - 1), end: asInteger(turn.get('end'), 'machine.turn.end', 0, 2 * MOST) },
    off: asBool(fields.get('off'), 'machine.off'),
    journal: asInteger(fields.get('journal'), 'machine.journal'),
  };
}

/** Chips, vCPUs, and the tables that tell what their fields mean. */
export function stateToChunks(machine: Machine, state: MachineState): readonly Chunk[] {
  const { devices } = machine;
  const schema = new Map<string, Value>([['vcpu', vcpuSchema()]]);
  for (const { kind, table } of devices) schema.set(DEVICE + kind, schemaOf(table));
  return [
    chunk('machine', '', machineToFields(state)),
    // For readers that know no chips; a restore doesn't need it.
    { ...chunk('schema', '', schema), mandatory: false },
    ...state.vcpus.map((window, number) => chunk('vcpu', String(number), vcpuToFields(window, state.position))),
    ...devices.map(({ name, kind, version, table }): Chunk => ({
      kind: DEVICE + kind,
      instance: name,
      version,
      mandatory: true,
      fields: stateToFields(table, state.devices[name]!.state),
    })),
  ];
}

export function chunksToVcpus(chunks: readonly Chunk[], cpus: number, position: number): readonly Uint8Array[] {
  const found = chunks.filter(({ kind }) => kind === 'vcpu');
  if (found.length !== cpus) throw bad(`it is damaged: it has ${found.length} of ${cpus} vCPUs`);
  return Array.from({ length: cpus }, (_, number) => {
    const own = found.find(({ instance }) => instance === String(number));
    if (!own) throw bad(`it is damaged: it has no vCPU ${number}`);
    return fieldsToVcpu(own.fields, position, `vcpu ${number}`);
  });
}

/** Holds every chip's chunk against the table of the machine that is to take it; nothing is changed. */
export function chunksToDevices(chunks: readonly Chunk[], machine: Machine, upgrades: Upgrades = UPGRADES): MachineState['devices'] {
  const left = new Map(chunks.filter(({ kind }) => kind.startsWith(DEVICE)).map((each) => [each.instance, each]));
  const devices: Record<string, MachineState['devices'][string]> = {};
  for (const { name, kind, version, table } of machine.devices) {
    const found = left.get(name);
    left.delete(name);
    if (!found || found.kind !== DEVICE + kind) throw bad(`it has no state for ${name}, a ${kind}`);
    const { fields } = upgrade(found, version, upgrades);
    devices[name] = { kind, version, state: fieldsToState(table, fields, name) };
  }
  for (const { kind, instance, mandatory } of left.values())
    if (mandatory) throw bad(`it has state for ${instance.slice(0, 40)}, a ${kind.slice(DEVICE.length, 60)}, which this machine has not`);
  return devices;
}
