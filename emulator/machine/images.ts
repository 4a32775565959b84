import type { NamedFile } from '../firmware/plan';
import type { Disk } from '../storage/disk';

/** The files that a configuration names, read by whoever makes the machine. */
export interface Images {
  readonly kernel?: NamedFile;
  readonly firmware?: NamedFile;
  readonly vars?: NamedFile;
  readonly bios?: NamedFile;
  readonly vgaBios?: NamedFile;
  readonly initrd?: NamedFile;
  readonly modules?: readonly (NamedFile & { readonly commandLine?: string })[];
  /** Of `config.disks`, in the same order; each belongs to one machine. */
  readonly disks?: readonly Disk[];
}
