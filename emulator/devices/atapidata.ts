/** What a CD-ROM drive says of itself and its disc: SPC-4 and MMC-5. */
import type { DiskIdentity } from '../bus/block';
import type { DriveState } from './ahciregisters';

/** Sectors of the largest CD; what is larger is a DVD. */
const MOST_CD = 449_850;
const PROFILE = { CD_ROM: 0x0008, DVD_ROM: 0x0010 } as const;
const LEAD_OUT = 0xaa;
const DATA_TRACK = 0x14;
/** Seconds of lead-in, as sectors, before the first: addresses in minutes count from there. */
const PREGAP = 150;

const text = (value: string, length: number): number[] => [...value.padEnd(length).slice(0, length)].map((character) => character.charCodeAt(0) & 0x7f);
const word = (value: number): number[] => [(value >>> 8) & 0xff, value & 0xff];
const quad = (value: number): number[] => [...word(value >>> 16), ...word(value)];

/** Standard INQUIRY data (SPC-4, 6.4.2). */
export function inquiry({ model, revision }: DiskIdentity): Uint8Array {
  return Uint8Array.from([0x05, 0x80, 0x05, 0x02, 31, 0, 0, 0, ...text('GUEST', 8), ...text(model, 16), ...text(revision, 4)]);
}

/** Vital product data pages 00h, 80h and 83h. */
export function vitalProductData(page: number, { serial }: DiskIdentity): Uint8Array | undefined {
  const of = (bytes: readonly number[]): Uint8Array => Uint8Array.from([0x05, page, ...word(bytes.length), ...bytes]);
  switch (page) {
    case 0x00:
      return of([0x00, 0x80, 0x83]);
    case 0x80:
      return of(text(serial, 20));
    case 0x83:
      return of([0x02, 0x00, 0, 20, ...text(serial, 20)]);
    default:
      return undefined;
  }
}

/** Mode pages 01h, 0Eh and 2Ah; 3Fh is all of them. */
export function modeSense(page: number, long: boolean, { locked }: DriveState): Uint8Array | undefined {
  const pages: Readonly<Record<number, readonly number[]>> = {
    0x01: [0x01, 0x0a, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0], // read error recovery: 5 retries
    0x0e: [0x0e, 0x0e, 4, 0, 0, 0, 0, 0, 1, 0xff, 2, 0xff, 0, 0, 0, 0], // CD audio control
    0x2a: capabilities(locked),
  };
  const list = page === 0x3f ? Object.values(pages).flat() : pages[page];
  if (!list) return undefined;
  return Uint8Array.from(long ? [...word(6 + list.length), 0, 0, 0, 0, 0, 0, ...list] : [3 + list.length, 0, 0, 0, ...list]);
}

/** CD/DVD Capabilities and Mechanical Status (MMC-3, 5.5.10). */
function capabilities(locked: boolean): readonly number[] {
  const speed = word(5632); // 32 times 176 kB/s
  return [
    0x2a, 0x12, 0x0b, 0x00, 0x70, 0x00, 0x29 | (locked ? 2 : 0), 0x00, ...speed, 0, 0, ...word(512), ...speed, 0, 0, 0, 0,
  ]; // prettier-ignore
}

const address = (sector: number, msf: boolean): number[] => {
  const at = sector + PREGAP;
  return msf ? [0, Math.floor(at / 4500) & 0xff, Math.floor(at / 75) % 60, at % 75] : quad(sector);
};

/** READ TOC/PMA/ATIP (MMC-5, 6.26): one session with one data track. */
export function toc(format: number, msf: boolean, from: number, sectors: number): Uint8Array | undefined {
  const track = (number: number, start: number): number[] => [0, DATA_TRACK, number, 0, ...address(start, msf)];
  switch (format) {
    case 0: {
      if (from > 1 && from !== LEAD_OUT) return undefined;
      const list = [...(from <= 1 ? track(1, 0) : []), ...track(LEAD_OUT, sectors)];
      return Uint8Array.from([...word(2 + list.length), 1, 1, ...list]);
    }
    case 1:
      return Uint8Array.from([...word(10), 1, 1, ...track(1, 0)]);
    case 2: {
      const entry = (point: number, ...pmsf: readonly number[]): number[] => [1, DATA_TRACK, 0, point, 0, 0, 0, 0, ...pmsf.slice(-3)];
      const list = [...entry(0xa0, 1, 0, 0), ...entry(0xa1, 1, 0, 0), ...entry(0xa2, ...address(sectors, true)), ...entry(1, ...address(0, true))];
      return Uint8Array.from([...word(2 + list.length), 1, 1, ...list]);
    }
    default:
      return undefined;
  }
}

/** GET CONFIGURATION (MMC-5, 6.6): features from one on, those that are current, or one alone. */
export function configuration(requested: number, start: number, sectors: number, present: boolean): Uint8Array {
  const dvd = sectors > MOST_CD;
  const profile = present ? (dvd ? PROFILE.DVD_ROM : PROFILE.CD_ROM) : 0;
  const features: readonly { readonly code: number; readonly flags: number; readonly current: boolean; readonly data: readonly number[] }[] = [
    { code: 0x0000, flags: 0x03, current: true, data: [PROFILE.DVD_ROM, PROFILE.CD_ROM].flatMap((each) => [...word(each), each === profile ? 1 : 0, 0]) },
    { code: 0x0001, flags: 0x0b, current: true, data: [0, 0, 0, 7, 1, 0, 0, 0] }, // core: Serial ATA
    { code: 0x0003, flags: 0x03, current: true, data: [0x29, 0, 0, 0] }, // removable medium: a tray that can be locked
    { code: 0x0010, flags: 0x00, current: present, data: [...quad(2048), ...word(1), 0, 0] }, // random readable
    { code: 0x001e, flags: 0x08, current: present && !dvd, data: [0, 0, 0, 0] }, // CD read
    { code: 0x001f, flags: 0x00, current: present && dvd, data: [0, 0, 0, 0] }, // DVD read
  ];
  const list = features
    .filter(({ code, current }) => (requested === 2 ? code === start : code >= start && (requested === 0 || current)))
    .flatMap(({ code, flags, current, data }) => [...word(code), flags | (current ? 1 : 0), data.length, ...data]);
  return Uint8Array.from([...quad(4 + list.length), 0, 0, ...word(profile), ...list]);
}

/** GET EVENT STATUS NOTIFICATION (MMC-5, 6.7): the medium's, where it is asked for. */
export function eventStatus(classes: number, { attention, open }: DriveState): Uint8Array {
  const MEDIA = 0x10;
  if (!(classes & MEDIA)) return Uint8Array.of(0, 2, 0x80, MEDIA);
  return Uint8Array.of(0, 6, 4, MEDIA, attention ? 2 : 0, open ? 1 : 2, 0, 0);
}

/** READ DISC INFORMATION (MMC-5, 6.22): complete and finalized. */
export function discInformation(): Uint8Array {
  const bytes = new Uint8Array(34);
  bytes.set([0, 32, 0x0e, 1, 1, 1, 1, 0x20]);
  return bytes;
}

/** READ TRACK INFORMATION (MMC-5, 6.27) of the only track. */
export function trackInformation(sectors: number): Uint8Array {
  const bytes = new Uint8Array(36);
  bytes.set([0, 34, 1, 1, 0, 4, 1]);
  bytes.set(quad(sectors), 24);
  return bytes;
}
