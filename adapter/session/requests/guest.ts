/** The custom requests of adapter/protocol: checkpoints, screen, keys, serial line, snapshot files. */
import { PNG } from 'pngjs';
import type { CheckpointInfo, Frame } from '../../../emulator/machine/api';
import { charactersOf, press, typeAtOnce } from '../../../emulator/machine/typing';
import type { Checkpoint, GuestRequest, GuestRequests } from '../../protocol/guest';
import { badRequest } from '../errors';
import { Reply } from '../reply';
import type { Session } from '../session';
import { save } from '../save';

/** Characters that one request types: a keyboard's queue holds some more. */
const MOST_TYPED = 16;
/** Of the pointer, in pixels, and all buttons of a mouse. */
const FARTHEST = 0x7fff;
const BUTTONS = 0x1f;

type Handler<Name extends GuestRequest> = (session: Session, args: GuestRequests[Name]['arguments']) => Promise<GuestRequests[Name]['body'] | Reply>;

const told = ({ id, position, time, name, bytes, kept, branch, picture }: CheckpointInfo): Checkpoint => ({
  id, position, time, ...(name !== undefined && { name }), bytes, kept, ...(branch !== undefined && { branch }), ...(picture && { picture }),
}); // prettier-ignore

function pngOf({ width, height, rgba }: Frame): string {
  const png = new PNG({ width, height });
  png.data = Buffer.from(rgba);
  return PNG.sync.write(png).toString('base64');
}

/** A move through history that is answered at once; its stop follows as an event. */
export function travelling(session: Session, title: string, action: () => Promise<void>): Reply {
  const { motion } = session.stopped;
  return new Reply({}, () => session.beginUnasked(title, () => motion.jump(action)));
}

export async function restoreCheckpoint(session: Session, id: number): Promise<Reply> {
  const { guest } = session.stopped;
  const all = await guest.checkpoints();
  if (!all.some((checkpoint) => checkpoint.id === id)) throw badRequest(`there is no checkpoint ${id}`);
  return travelling(session, 'Restoring a checkpoint', () => guest.restore(id));
}

export async function travelTo(session: Session, position: number): Promise<Reply> {
  const { guest } = session.stopped;
  const { oldest, newest } = await guest.status();
  if (!Number.isSafeInteger(position) || position < oldest || position > newest) {
    throw badRequest(`position ${position} is outside of the recorded history, ${oldest} to ${newest}`);
  }
  return travelling(session, 'Travelling through history', () => guest.travel(position));
}

async function runTo(session: Session, position: number): Promise<Reply> {
  const { guest, motion } = session.stopped;
  const { newest } = await guest.status();
  if (!Number.isSafeInteger(position) || position <= newest) return travelTo(session, position);
  return new Reply({}, () => session.beginUnasked('Running to a position', () => motion.run(() => guest.resume({ position }))));
}

/** Gives back what could not be typed. */
async function type(session: Session, text: string): Promise<string> {
  if (text.length > MOST_TYPED) throw badRequest(`guest/type: ${text.length} characters are more than ${MOST_TYPED}`);
  return [...new Set(await typeAtOnce(session.live.guest, charactersOf(text)))].join('');
}

async function pointer({ live: { guest } }: Session, args: GuestRequests['guest/pointer']['arguments']): Promise<Record<string, never>> {
  const { buttons, wheel = 0 } = args;
  const [x, y] = 'dx' in args ? [args.dx, args.dy] : [args.x, args.y];
  if (![x, y, wheel].every((value) => Number.isInteger(value) && Math.abs(value) <= FARTHEST) || !Number.isInteger(buttons) || buttons < 0 || buttons > BUTTONS)
    throw badRequest("guest/pointer: 'x' and 'y', or 'dx' and 'dy', and 'buttons' have to be whole numbers in bounds");
  if ('dx' in args) await guest.move(x, y, buttons, wheel);
  else await guest.pointer(x, y, buttons, wheel);
  return {};
}

async function keys(session: Session, args: GuestRequests['guest/key']['arguments']): Promise<Record<string, never>> {
  const { guest } = session.live;
  if ('chord' in args) {
    if (!Array.isArray(args.chord) || !args.chord.every((code) => typeof code === 'string'))
      throw badRequest('guest/key: the chord has to be a list of strings');
    await press(guest, args.chord);
    return {};
  }
  if (typeof args.code !== 'string' || typeof args.down !== 'boolean') throw badRequest("guest/key: 'code' and 'down', or 'chord', are needed");
  await guest.key(args.code, args.down);
  return {};
}

export const GUEST_REQUESTS: { readonly [Name in GuestRequest]: Handler<Name> } = {
  'guest/checkpoint': async (session, { name }) => told(await session.live.guest.checkpoint(name)),
  'guest/checkpoints': async (session) => {
    const { guest } = session.live;
    const [checkpoints, { position }] = await Promise.all([guest.checkpoints(), guest.status()]);
    return { checkpoints: checkpoints.map(told), position };
  },
  'guest/restore': (session, { id }) => restoreCheckpoint(session, id),
  'guest/timeline': async (session) => {
    const { guest, motion } = session.live;
    const timeline = await guest.timeline();
    return { ...timeline, running: motion.running, checkpoints: timeline.checkpoints.map(told) };
  },
  'guest/thumbnails': async (session, { ids }) => {
    if (!ids.every((id) => Number.isSafeInteger(id))) throw badRequest('guest/thumbnails: the ids are numbers');
    const thumbnails = await session.live.guest.thumbnails(ids);
    return { thumbnails: thumbnails.map((each) => ({ id: each.id, png: pngOf(each) })) };
  },
  'guest/runTo': (session, { position }) => runTo(session, position),
  'guest/travel': (session, { position }) => travelTo(session, position),
  'guest/frame': async (session, { since }) => {
    const frame = await session.live.guest.frame();
    return frame ? { frame: session.live.screen.update(frame, since) } : {};
  },
  'guest/key': keys,
  'guest/pointer': pointer,
  'guest/type': async (session, { text }) => ({ skipped: await type(session, text) }),
  'guest/screenText': async (session) => {
    const text = await session.live.guest.text();
    return text === undefined ? {} : { text };
  },
  'guest/rfbOpen': async (session, { client }) => {
    session.live.rfb.open(client);
    return {};
  },
  'guest/rfbSend': async (session, { client, data }) => {
    session.live.rfb.send(client, data);
    return {};
  },
  'guest/rfbTaken': async (session, { client, bytes }) => {
    session.live.rfb.taken(client, bytes);
    return {};
  },
  'guest/rfbClose': async (session, { client }) => {
    session.live.rfb.close(client);
    return {};
  },
  'guest/serialInput': async (session, { text, port = 0 }) => {
    await session.live.guest.serialInput(port, new TextEncoder().encode(text));
    return {};
  },
  'guest/save': async (session, { path, history = true }) => {
    if (path === '') throw badRequest('guest/save: the path is empty');
    await save(session.live.guest, path, history);
    return { path };
  },
  'guest/status': async (session) => {
    const { running, position, time, oldest, newest, mips, historyBytes } = await session.live.guest.status();
    return { running, position, time, oldest, newest, mips, historyBytes };
  },
  'guest/format': async (session, { radix }) => {
    if (radix !== 10 && radix !== 16) throw badRequest('guest/format: the radix is 10 or 16');
    session.live.variables.radix = radix;
    session.tellInvalidated(['variables']);
    return {};
  },
  'guest/stateHash': async (session) => ({ hash: await session.live.guest.stateHash() }),
};
