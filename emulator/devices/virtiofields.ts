/** What every virtio device remembers: VIRTIO 1.2, 4.1.4.3. */
import { bit, choice, fields, group, list, u16, u32, u64, u8, type FieldTable, type StateOf } from '../bus/fields';
import { msixFields } from './msix';
import { pciHeader } from './pcifunction';
import { accessFields } from './virtiocapability';
import { FAULTS, queueGroup } from './virtioqueue';

export const NO_VECTOR = 0xffff;

/** State of a device with so many queues. */
export const virtioFields = (queues: number) =>
  fields({
    config: group('PCI configuration header', pciHeader),
    msix: group('MSI-X', msixFields(queues + 1)),
    access: group('PCI configuration access capability', accessFields),
    deviceFeatureSelect: u32('device_feature_select'),
    driverFeatureSelect: u32('driver_feature_select'),
    driverFeatures: u64('Features that the driver takes'),
    configVector: u16('config_msix_vector', undefined, NO_VECTOR),
    status: u8('device_status', {
      ACKNOWLEDGE: bit(0, 'The driver knows of the device'),
      DRIVER: bit(1, 'It knows how to drive it'),
      DRIVER_OK: bit(2, 'It is ready'),
      FEATURES_OK: bit(3, 'Features are agreed upon'),
      DEVICE_NEEDS_RESET: bit(6, 'The device can not go on'),
      FAILED: bit(7, 'The driver has given up'),
    }),
    fault: choice('Why it needs a reset', FAULTS),
    queueSelect: u16('queue_select'),
    isr: u8('ISR status', { QUEUE: bit(0, 'A queue has been used'), CONFIG: bit(1, 'The configuration has changed') }),
    queues: list(queues, 'Virtqueues', queueGroup),
  });
export type VirtioTable = ReturnType<typeof virtioFields>;
export type VirtioState = StateOf<VirtioTable>;

/** A device's table: what all have in common, then its own. */
export const virtioTable = <Own extends FieldTable>(queues: number, own: Own): VirtioTable & Own => ({ ...virtioFields(queues), ...own });
