/** The network adapter of a configuration, and what its cable leads to. */
import type { Device, DeviceContext } from '../bus/device';
import { E1000 } from '../devices/e1000';
import { VirtioNet } from '../devices/virtionet';
import type { Command } from '../network/outside';
import { UserNetwork } from '../network/usernetwork';
import type { MachineConfig } from './api';
import { macOf } from './networkconfig';
import type { Chipset } from './platform';
import type { PciChip } from './virtio';

/** A slot that no board has a chip of its own in. */
const SLOT = 5;

export interface NetworkWiring {
  readonly msi: (address: number, data: number) => void;
  readonly command: (number: number, command: Command) => void;
}

export class Network {
  readonly chip: PciChip;
  readonly devices: readonly Device[];
  /** What the guest talks to. */
  readonly user: UserNetwork;

  constructor(config: MachineConfig & Required<Pick<MachineConfig, 'network'>>, chipset: Chipset, context: DeviceContext, { msi, command }: NetworkWiring) {
    const { network, memory } = config;
    this.user = new UserNetwork(context, { isolated: network.mode === 'isolated', command });
    const options = { mac: macOf(network), wire: this.user, reachable: (address: number, length: number) => address + length <= memory };
    // Each board has the model that its guests know: that of bhyve, or that of QEMU.
    const chip =
      network.device === 'e1000'
        ? new E1000(context, { ...options, model: chipset === 'bhyve' ? '82545EM' : '82540EM' })
        : new VirtioNet(context, { ...options, msi });
    this.user.plug(chip);
    this.chip = { slot: SLOT, chip };
    this.devices = [chip, this.user];
  }
}

/** Undefined where the configuration asks for none. */
export function networkOf(config: MachineConfig, chipset: Chipset, context: DeviceContext, wiring: NetworkWiring): Network | undefined {
  const { network } = config;
  return network && new Network({ ...config, network }, chipset, context, wiring);
}
