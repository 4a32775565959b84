/** Disks of a configuration: opened before the machine is made, and what the guest wrote brought to its file afterwards. */
import { existsSync } from 'node:fs';
import { userError } from '../errors';
import { Disk } from '../storage/disk';
import { absentImage } from '../storage/image';
import { openImage } from '../storage/open';
import { contentsOf, readOverlay, writeOverlay } from '../storage/overlayfile';
import type { DiskBus, DiskConfig, MachineConfig } from './api';

const MOST_DISKS = 16;
const MOST_SERIAL = 20;
/** Ports of the AHCI adapter, and slots for NVMe controllers. */
const MOST = { ahci: 6, nvme: 6 } as const;

/** Buses that there are controllers for. */
const ATTACHABLE: readonly DiskBus[] = ['virtio', 'ahci', 'nvme'];

export const busOf = ({ bus, kind }: DiskConfig): DiskBus => bus ?? (kind === 'cdrom' ? 'ahci' : 'virtio');

export interface DiskOpening {
  /** Without what overlays' files hold. */
  readonly fresh?: boolean;
  /** The images are not there; this is what is known of them, by name of the disk. */
  readonly absent?: readonly { readonly name: string; readonly size: number; readonly fingerprint: Uint8Array }[];
}

/** Throws EmulatorError with blame `user`; what has been opened is closed then. */
export function openDisks({ disks = [] }: MachineConfig, opening: DiskOpening = {}): readonly Disk[] {
  if (disks.length > MOST_DISKS) throw userError('disks', `${disks.length} disks: up to ${MOST_DISKS} are possible`);
  for (const bus of ['ahci', 'nvme'] as const) {
    const count = disks.filter((config) => busOf(config) === bus).length;
    if (count > MOST[bus]) throw userError('disks', `${count} disks for ${bus}: up to ${MOST[bus]} are possible`);
  }
  const opened: Disk[] = [];
  try {
    const counts = { disk: 0, cdrom: 0 };
    for (const config of disks) opened.push(openDisk(config, `${config.kind ?? 'disk'}${counts[config.kind ?? 'disk']++}`, opening));
    return opened;
  } catch (error) {
    closeDisks(opened);
    throw error;
  }
}

function openDisk(config: DiskConfig, name: string, { fresh = false, absent }: DiskOpening): Disk {
  const { path, kind = 'disk', format, overlay, serial = name } = config;
  const cdrom = kind === 'cdrom';
  const readOnly = cdrom || config.readOnly === true;
  if (!/^[\x20-\x7e]+$/.test(serial) || serial.length > MOST_SERIAL)
    throw userError('disk-serial', `disk '${path}': serial '${serial}' has not 1 to ${MOST_SERIAL} characters of ASCII`);
  if (readOnly && overlay !== undefined) throw userError('disk-overlay', `disk '${path}' is read-only: an overlay is of no use`);
  if (cdrom && busOf(config) === 'nvme') throw userError('disk-bus', `disk '${path}': there are no CD-ROMs for NVMe`);
  if (!ATTACHABLE.includes(busOf(config)))
    throw userError('disk-bus', `disk '${path}': this machine has no ${busOf(config)} to attach it to; it has ${ATTACHABLE.join(', ')}`);
  const known = absent?.find((each) => each.name === name);
  const image = absent ? absentImage(path, known?.size ?? 0) : openImage(path, { ...(format && { format }) });
  try {
    const optical = cdrom && busOf(config) === 'ahci';
    const model = cdrom ? 'Guest Debugger CD-ROM' : 'Guest Debugger disk';
    const identity = known && { fingerprint: known.fingerprint };
    const disk = new Disk({ name, image, readOnly, serial, sectorSize: optical ? 2048 : 512, model, ...identity });
    void disk.fingerprint;
    if (overlay !== undefined && !fresh) for (const [page, contents] of readOverlay(overlay, image, disk.bytes)) disk.overlay.write(page, contents);
    return disk;
  } catch (error) {
    image.close();
    throw error;
  }
}

export function closeDisks(disks: readonly Disk[]): void {
  for (const { image } of disks) image.close();
}

/** Throws EmulatorError with blame `user` where the file is not an overlay of the disk's image. */
function checkOverlay({ name, image, bytes }: Disk, path: string): void {
  try {
    if (!existsSync(path)) throw userError('overlay-file', 'there is no such file');
    readOverlay(path, image, bytes);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw userError(
      'overlay-write',
      `what the guest has written to ${name} is not kept: its snapshot names the overlay '${path}' (${why}); name another one for it`,
      error,
    );
  }
}

/** Brings overlays to their files at the end of a run. */
export class OverlayFiles {
  private readonly kept: readonly { readonly disk: Disk; readonly path: string; readonly given: boolean; generation: number }[];

  /** `given`: by number of the disk, whether the user named its overlay. Others are written to only if they are overlays of the disk's image already. */
  constructor(disks: readonly Disk[], { disks: configs = [] }: MachineConfig, given: (disk: number) => boolean = () => true) {
    this.kept = disks.flatMap((disk, number) => {
      const path = configs[number]?.overlay;
      return path === undefined ? [] : [{ disk, path, given: given(number), generation: disk.overlay.generation }];
    });
  }

  /** Throws EmulatorError with blame `user`; every file is tried. */
  async keep(): Promise<void> {
    const failures: unknown[] = [];
    for (const each of this.kept) {
      const { disk, path, given } = each;
      const { generation } = disk.overlay;
      if (generation === each.generation) continue;
      const write = async (): Promise<void> => {
        if (!given) checkOverlay(disk, path);
        await writeOverlay(path, contentsOf(disk.overlay), disk.image, disk.bytes);
      };
      await write().then(
        () => (each.generation = generation),
        (error: unknown) => failures.push(error),
      );
    }
    if (failures.length > 0) throw failures[0];
  }
}
