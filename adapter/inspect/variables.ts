/** Registers and devices as the client's variables: trees of StateNodes walked by path, with stable handles. */
import type { DebugProtocol } from '@vscode/debugprotocol';
import type { StateNode } from '../../emulator/machine/api';
import { cannotSet } from '../session/errors';
import { hex, nodeText, type Radix } from './format';
import { Handles } from './handles';
import { isLane, partsOf, withLane } from './lanes';
import { MachineView } from './view';

/** A tree and a place in it. Frames are small trees that are made up at each stop. */
export type Container =
  | { readonly kind: 'vcpu'; readonly vcpu: number; readonly path: readonly string[] }
  | { readonly kind: 'devices'; readonly path: readonly string[] }
  | { readonly kind: 'fixed'; readonly key: string; readonly nodes: readonly StateNode[]; readonly path: readonly string[] };

const keyOf = (container: Container): string => {
  const root = container.kind === 'vcpu' ? `vcpu ${container.vcpu}` : container.kind === 'devices' ? 'devices' : container.key;
  return [root, ...container.path].join('\u0000');
};

/** Scopes: groups of a vCPU's state in the order in which people look for them. */
const TITLES: Readonly<Record<string, string>> = {
  general: 'General',
  flags: 'Flags',
  segments: 'Segments',
  control: 'Control',
  debug: 'Debug',
  msr: 'MSRs',
  msrs: 'MSRs',
  x87: 'x87',
  sse: 'SSE',
  lapic: 'LAPIC',
};
const ORDER = Object.keys(TITLES);

export class Variables {
  private readonly handles = new Handles<Container>();
  radix: Radix = 16;

  constructor(private readonly view: MachineView) {}

  private async roots(container: Container): Promise<readonly StateNode[]> {
    switch (container.kind) {
      case 'vcpu':
        return this.view.vcpuState(container.vcpu);
      case 'devices':
        return this.view.deviceState();
      case 'fixed':
        return container.nodes;
    }
  }

  /** The nodes from the root to the place. */
  private async walk(container: Container): Promise<StateNode[]> {
    let nodes = await this.roots(container);
    const found: StateNode[] = [];
    for (const name of container.path) {
      const node = nodes.find((candidate) => candidate.name === name);
      if (!node) throw cannotSet(`there is no '${container.path.join('.')}' any more`);
      found.push(node);
      nodes = partsOf(node);
    }
    return found;
  }

  private async nodes(container: Container): Promise<readonly StateNode[]> {
    const last = (await this.walk(container)).at(-1);
    return last ? partsOf(last) : this.roots(container);
  }

  async scopes(vcpu: number): Promise<DebugProtocol.Scope[]> {
    const groups = [...(await this.view.vcpuState(vcpu))];
    const rank = ({ name }: StateNode): number => (ORDER.includes(name.toLowerCase()) ? ORDER.indexOf(name.toLowerCase()) : ORDER.length);
    groups.sort((a, b) => rank(a) - rank(b));
    const scopes = groups.map((group, index): DebugProtocol.Scope => ({
      name: TITLES[group.name.toLowerCase()] ?? group.name,
      ...(index === 0 && { presentationHint: 'registers' }),
      variablesReference: this.reference({ kind: 'vcpu', vcpu, path: [group.name] }),
      namedVariables: partsOf(group).length,
      expensive: index > 1,
    }));
    return [...scopes, this.devicesScope()];
  }

  devicesScope(): DebugProtocol.Scope {
    return { name: 'Devices', variablesReference: this.reference({ kind: 'devices', path: [] }), expensive: true };
  }

  /** A scope or value made of nodes of the adapter's own. */
  fixed(key: string, nodes: readonly StateNode[]): number {
    return this.reference({ kind: 'fixed', key, nodes, path: [] });
  }

  private reference(container: Container): number {
    return this.handles.of(keyOf(container), container);
  }

  private container(reference: number): Container {
    const container = this.handles.get(reference);
    if (!container) throw cannotSet(`there is no variable with the handle ${reference}`);
    return container;
  }

  async variables(reference: number, start = 0, count = 0, radix = this.radix): Promise<DebugProtocol.Variable[]> {
    const container = this.container(reference);
    const nodes = await this.nodes(container);
    const names = container.kind === 'vcpu' ? await this.view.registers(container.vcpu) : {};
    return nodes.slice(start, count > 0 ? start + count : undefined).map((node) => this.variable(container, node, names, radix));
  }

  private variable(container: Container, node: StateNode, registers: Readonly<Record<string, bigint>>, radix: Radix): DebugProtocol.Variable {
    const parts = partsOf(node);
    const indexed = parts.length > 0 && parts[0]!.name === '[0]';
    const evaluateName = [node.name, `${container.path.at(-1) ?? ''}.${node.name}`].map((name) => name.toLowerCase()).find((name) => name in registers);
    return {
      name: node.name,
      value: nodeText(node, radix),
      ...(node.about !== undefined && { type: node.about }),
      ...(evaluateName !== undefined && { evaluateName: `$${evaluateName}` }),
      variablesReference: parts.length === 0 ? 0 : this.reference({ ...container, path: [...container.path, node.name] }),
      ...(parts.length > 0 && (indexed ? { indexedVariables: parts.length } : { namedVariables: parts.length })),
      ...memoryReference(node),
      presentationHint: {
        kind: 'data',
        ...(node.writable !== true && { attributes: ['readOnly'] }),
      },
    };
  }

  /** The node that a variable shows. */
  async find(reference: number, name: string): Promise<{ node: StateNode; container: Container }> {
    const container = this.container(reference);
    const node = (await this.nodes(container)).find((candidate) => candidate.name === name);
    if (!node) throw cannotSet(`there is no '${name}' here`);
    return { node, container };
  }

  /** Writes a variable; `parse` turns the text into a number. */
  async set(reference: number, name: string, text: string, parse: (text: string) => Promise<bigint>): Promise<void> {
    const { node, container } = await this.find(reference, name);
    const chain = [...(await this.walk(container)), node];
    const lane = chain.findIndex(isLane);
    if (!chain.some((each) => each.writable === true) || node.value === undefined) throw cannotSet(`'${name}' is read-only`);
    const path = chain.map((each) => each.name);
    if (lane < 0) return this.write(container, path, fitted(await parse(text), node.width));
    // A lane lies two levels below its register: register, shape, lane.
    const found = chain[lane]!;
    if (!isLane(found)) return;
    if (found.lane.float && (text.trim() === '' || Number.isNaN(Number(text)) !== /^nan$/i.test(text.trim()))) throw cannotSet(`'${text}' is no number`);
    const whole = withLane(chain[lane - 2]!, found, text, found.lane.float ? 0n : await parse(text));
    return this.write(container, path.slice(0, lane - 1), whole);
  }

  private async write(container: Container, path: readonly string[], value: bigint): Promise<void> {
    if (container.kind === 'fixed') throw cannotSet(`'${path.at(-1)}' is read-only`);
    if (container.kind === 'vcpu') await this.view.guest.setVcpuState(container.vcpu, path, value);
    else await this.view.guest.setDeviceState(path, value);
    this.view.invalidate(true);
  }

  /** The path by which a register is written: the node of that name, or `cs.base` as base inside cs. */
  async registerPath(vcpu: number, name: string): Promise<Found | undefined> {
    return byTail(await this.view.vcpuState(vcpu), name);
  }

  /** A register, a group of them, or a device's field, by a dotted name; as the client's variable. */
  async lookup(vcpu: number, name: string, radix = this.radix): Promise<{ variable: DebugProtocol.Variable; node: StateNode; parent: number } | undefined> {
    const cpu = byTail(await this.view.vcpuState(vcpu), name);
    const found = cpu ?? byPath(await this.view.deviceState(), name);
    if (!found) return undefined;
    const path = found.path.slice(0, -1);
    const container: Container = cpu ? { kind: 'vcpu', vcpu, path } : { kind: 'devices', path };
    return { variable: this.variable(container, found.node, {}, radix), node: found.node, parent: this.reference(container) };
  }
}

interface Found {
  readonly path: string[];
  readonly node: StateNode;
}

/** The node at a dotted path from the roots. */
function byPath(roots: readonly StateNode[], name: string): Found | undefined {
  const path: string[] = [];
  let nodes = roots;
  let node: StateNode | undefined;
  for (const part of name.toLowerCase().split('.')) {
    node = nodes.find((candidate) => candidate.name.toLowerCase() === part);
    if (!node) return undefined;
    path.push(node.name);
    nodes = partsOf(node);
  }
  return node && { path, node };
}

/** The first node whose path ends in the dotted `name`. */
function byTail(roots: readonly StateNode[], name: string): Found | undefined {
  const wanted = name.toLowerCase();
  const parts = wanted.split('.').length;
  const search = (nodes: readonly StateNode[], path: readonly string[]): Found | undefined => {
    for (const node of nodes) {
      const here = [...path, node.name];
      if (here.slice(-parts).join('.').toLowerCase() === wanted) return { path: here, node };
      const deeper = node.children && search(node.children, here);
      if (deeper) return deeper;
    }
    return undefined;
  };
  return search(roots, []);
}

/** Negative numbers as the bits of the register that they go into. */
const fitted = (value: bigint, width = 64): bigint => (value < 0n ? BigInt.asUintN(width, value) : value);

function memoryReference(node: StateNode): { memoryReference?: string } {
  if (typeof node.value !== 'bigint' || node.width !== 64 || node.value < 0n) return {};
  const physical = node.name.toLowerCase() === 'cr3';
  return { memoryReference: physical ? `phys:${hex(node.value & 0x000f_ffff_ffff_f000n)}` : hex(node.value) };
}
