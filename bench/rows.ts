/** Rows of the results: what is printed and written as JSON. */
import { geometricMean, median, ratio } from './statistics';
import type { Cost } from './process';

export type Group = 'integer' | 'sse' | 'x87' | 'system' | 'boot' | 'history' | 'memory';
export const PEERS = ['ours', 'tcg', 'native', 'v86'] as const;
export type Peer = (typeof PEERS)[number];

export interface Row {
  readonly name: string;
  readonly group: Group;
  /** Seconds of CPU time, median of the rounds; null where it was not measured. */
  readonly ours: number | null;
  readonly tcg: number | null;
  readonly native: number | null;
  readonly v86: number | null;
  /** tcg / ours: how many times faster than QEMU. */
  readonly ratioToTcg: number | null;
  /** ours / native: how many times slower than the host's processor. */
  readonly ratioToNative: number | null;
  /** v86 / ours. */
  readonly ratioToV86: number | null;
  /** Seconds of wall time, as the columns above. */
  readonly wall: Readonly<Record<Peer, number | null>>;
  /** What all peers computed alike. */
  readonly checksum?: string;
}

export type Samples = Partial<Record<Peer, readonly Cost[]>>;

/** Medians of each peer's rounds, less what starting it and doing nothing costs. */
export function makeRow(name: string, group: Group, samples: Samples, startUp: Samples = {}, checksum?: string): Row {
  const cost = (peer: Peer, of: (cost: Cost) => number): number | null => {
    const rounds = samples[peer];
    if (!rounds || rounds.length === 0) return null;
    const nothing = startUp[peer];
    return median(rounds.map(of)) - (nothing && nothing.length > 0 ? median(nothing.map(of)) : 0);
  };
  const [ours, tcg, native, v86] = PEERS.map((peer) => cost(peer, ({ cpu }) => cpu)) as [number | null, number | null, number | null, number | null];
  return {
    name, group, ours, tcg, native, v86,
    ratioToTcg: ratio(tcg, ours),
    ratioToNative: ratio(ours, native),
    ratioToV86: ratio(v86, ours),
    wall: Object.fromEntries(PEERS.map((peer) => [peer, cost(peer, ({ wall }) => wall)])) as Record<Peer, number | null>,
    ...(checksum !== undefined && { checksum }),
  }; // prettier-ignore
}

const seconds = (value: number | null): string => (value === null ? '–' : value.toFixed(value < 0.1 ? 3 : 2));
const times = (value: number | null): string => (value === null ? '–' : `${value.toFixed(2)}×`);

/** A table in Markdown, whose columns also stand right on a terminal. */
export function table(heads: readonly string[], lines: readonly (readonly string[])[]): string {
  const widths = heads.map((head, column) => Math.max(head.length, ...lines.map((line) => line[column]?.length ?? 0)));
  const pad = (cell: string, column: number): string => (column === 0 ? cell.padEnd(widths[column] as number) : cell.padStart(widths[column] as number));
  const rule = widths.map((width, column) => (column === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`));
  return [heads.map(pad), rule, ...lines.map((line) => line.map(pad))].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

export function rowTable(rows: readonly Row[]): string {
  const withV86 = rows.some((row) => row.v86 !== null);
  const heads = [
    '',
    'group',
    'ours, s',
    'TCG, s',
    'native, s',
    'TCG / ours',
    'ours / native',
    ...(withV86 ? ['v86, s', 'v86 / ours'] : []),
    'ours, wall s',
    'TCG, wall s',
  ];
  return table(
    heads,
    rows.map((row) => [
      row.name, row.group, seconds(row.ours), seconds(row.tcg), seconds(row.native), times(row.ratioToTcg), times(row.ratioToNative),
      ...(withV86 ? [seconds(row.v86), times(row.ratioToV86)] : []), seconds(row.wall.ours), seconds(row.wall.tcg),
    ]), // prettier-ignore
  );
}

/** For each group the geometric mean of the ratios to TCG, and the lowest. */
export function summary(rows: readonly Row[]): string[] {
  const groups = [...new Set(rows.map((row) => row.group))];
  return groups.flatMap((group) => {
    const measured = rows.filter((row) => row.group === group && row.ratioToTcg !== null);
    const mean = geometricMean(measured.map((row) => row.ratioToTcg as number));
    if (mean === undefined) return [];
    const lowest = measured.reduce((a, b) => ((a.ratioToTcg as number) < (b.ratioToTcg as number) ? a : b));
    return [`${group}: ${times(mean)} TCG's speed (geometric mean of ${measured.length}), lowest ${lowest.name} ${times(lowest.ratioToTcg)}`];
  });
}
