/** Virtual time, positions and pixels. */
import type { Timeline } from '../../adapter/protocol/guest';

/** The stretch of virtual time that is shown, in nanoseconds. */
export interface Range {
  readonly from: number;
  readonly to: number;
}

const SHORTEST = 1000;

/** Times of `range` as pixels of a stage of this width. */
export const pixelOf = (time: number, { from, to }: Range, width: number): number => ((time - from) / (to - from)) * width;
export const timeOf = (pixel: number, { from, to }: Range, width: number): number => from + (pixel / width) * (to - from);

/** Everything, with some room for what is to come. */
export function wholeOf({ checkpoints, time, newestTime }: Timeline): Range {
  const times = [time, newestTime, ...checkpoints.map((each) => each.time)];
  const [from, to] = [Math.min(...times), Math.max(...times)];
  return { from, to: to + Math.max(SHORTEST, (to - from) * 0.04) };
}

/** Nearer or further by a factor, with one time staying where it is; no further than everything. */
export function zoomed({ from, to }: Range, factor: number, around: number, whole: Range): Range {
  const length = Math.max(SHORTEST, (to - from) * factor);
  if (length >= whole.to - whole.from) return whole;
  const start = around - ((around - from) / (to - from)) * length;
  return moved({ from: start, to: start + length }, 0, whole);
}

export function moved({ from, to }: Range, by: number, whole: Range): Range {
  const start = Math.min(Math.max(from + by, whole.from), Math.max(whole.from, whole.to - (to - from)));
  return { from: start, to: start + (to - from) };
}

/** The position at a time of the current branch: between those of which both are known. Beyond the newest it goes on as before. */
export function positionAt({ checkpoints, position, time, newest, newestTime }: Timeline, wanted: number): number {
  const known = [...checkpoints.filter(({ branch }) => branch === undefined), { position, time }, { position: newest, time: newestTime }];
  const points = known.sort((a, b) => a.time - b.time || a.position - b.position);
  const next = points.findIndex((point) => point.time >= wanted);
  const end = next < 0 ? points.length - 1 : next;
  const b = points[end]!;
  let a = points[end - 1];
  // Past the end two of the same place tell nothing of how fast it goes.
  for (let at = end - 1; next < 0 && a && a.time === b.time; at--) a = points[at - 1];
  if (!a || a.time === b.time) return b.position;
  return Math.round(b.position + ((wanted - b.time) * (b.position - a.position)) / (b.time - a.time));
}

/** Round times, at least so many pixels apart. */
export function ticks({ from, to }: Range, width: number, apart = 90): readonly number[] {
  const least = ((to - from) / width) * apart;
  const unit = 10 ** Math.floor(Math.log10(least));
  const step = [1, 2, 5, 10].map((factor) => factor * unit).find((candidate) => candidate >= least) ?? 10 * unit;
  const list: number[] = [];
  for (let time = Math.ceil(from / step) * step; time < to; time += step) list.push(time);
  return list;
}

export function shownTime(nanoseconds: number, resolution: number): string {
  const [unit, name] = resolution >= 1e7 ? [1e9, 's'] : resolution >= 1e4 ? [1e6, 'ms'] : [1e3, 'µs'];
  const digits = Math.max(0, Math.min(3, Math.ceil(-Math.log10(resolution / unit))));
  return `${(nanoseconds / unit).toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits })} ${name}`;
}
