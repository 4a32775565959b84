import type { CheckpointInfo, Position, TimelineInfo } from './api';
import { inputsOf, type Chronicle } from './chronicle';
import type { History } from './history';
import type { Machine } from './machine';

/** A guest's whole history, as it is drawn. */
export function timelineOf(machine: Machine, history: History | undefined, chronicle: Chronicle): TimelineInfo {
  const { position } = machine;
  const time = machine.clock.now();
  const all = history?.list() ?? [];
  const checkpoints = all.map((checkpoint) => (chronicle.hasPicture(checkpoint.id) ? { ...checkpoint, picture: true } : checkpoint));
  chronicle.forget(new Set(all.map(({ id }) => id)));
  const own = all.filter(({ branch }) => branch === undefined);
  const here = { position, time };
  const timeAt = clockOf([...own, here]);
  const newest = history?.newest ?? position;
  const branches = (history?.branches() ?? []).map(({ number, fork, events }) => {
    const timeThere = clockOf([...own.filter((each) => each.position <= fork), ...all.filter(({ branch }) => branch === number)]);
    const inputs = inputsOf(events, timeThere);
    return { number, fork, forkTime: timeThere(fork), events: [...inputs, ...chronicle.stops(number)] };
  });
  return {
    ...here,
    oldest: history?.oldest ?? position,
    newest,
    newestTime: Math.max(time, timeAt(newest)),
    checkpoints,
    events: [...inputsOf(machine.journal.save(), timeAt), ...chronicle.stops(0)],
    branches,
  };
}

/** When a position was, between those of which it is known; beyond them it goes on as it did. */
function clockOf(known: readonly Pick<CheckpointInfo, 'position' | 'time'>[]): (position: Position) => number {
  const points = [...known].sort((a, b) => a.position - b.position);
  return (position) => {
    const next = points.findIndex((point) => point.position >= position);
    const b = points[next < 0 ? points.length - 1 : next];
    const a = points[(next < 0 ? points.length - 1 : next) - 1] ?? points[1];
    if (!b) return 0;
    if (!a || a.position === b.position) return b.time;
    return Math.max(0, b.time + ((position - b.position) * (a.time - b.time)) / (a.position - b.position));
  };
}
