/** The journal: what came from outside, with the position of each event. */
import type { Input, JournalEvent } from '../machine/journal';
import { MOST_DATAGRAM, OUTCOMES, type News } from '../network/outside';
import { TO_GUEST } from '../network/tables';
import { asBool, asBytes, asInteger, asList, asMap, asNumber, asText, asWide, fieldsOf, fromWide, only, type Fields, type Value } from './cbor';
import { bad } from './format';

/** Widest register that a debugger changes. */
const WIDTH = 128;

function inputToFields(input: Input): Fields {
  const { kind } = input;
  switch (kind) {
    case 'serial':
      return fieldsOf({ kind, port: input.port, bytes: Uint8Array.from(input.bytes) });
    case 'key':
      return fieldsOf({ kind, code: input.code, down: input.down });
    case 'pointer':
      return fieldsOf({
        kind,
        dx: input.dx,
        dy: input.dy,
        wheel: input.wheel,
        buttons: input.buttons,
        ...(input.x !== undefined && { x: input.x }),
        ...(input.y !== undefined && { y: input.y }),
      });
    case 'network':
      return fieldsOf({ kind, news: input.news.map(newsToFields) });
    case 'entropy':
      return fieldsOf({ kind, bytes: Uint8Array.from(input.bytes) });
    case 'reset':
      return fieldsOf({ kind });
    case 'vcpu':
      return fieldsOf({ kind, vcpu: input.vcpu, path: [...input.path], value: fromWide(BigInt.asUintN(WIDTH, input.value), WIDTH) });
    case 'device':
      return fieldsOf({ kind, path: [...input.path], value: fromWide(BigInt.asUintN(WIDTH, input.value), WIDTH) });
    case 'memory':
      return fieldsOf({ kind, address: input.address, bytes: Uint8Array.from(input.bytes) });
  }
}

function newsToFields(news: News): Value {
  const { kind } = news;
  switch (kind) {
    case 'lost':
      return fieldsOf({ kind });
    case 'connected':
    case 'aborted':
    case 'ended':
      return fieldsOf({ kind, flow: news.flow });
    case 'bytes':
      return fieldsOf({ kind, flow: news.flow, bytes: Uint8Array.from(news.bytes) });
    case 'taken':
      return fieldsOf({ kind, flow: news.flow, count: news.count });
    case 'accepted':
      return fieldsOf({ kind, flow: news.flow, port: news.port });
    case 'datagram':
      return fieldsOf({ kind, flow: news.flow, address: news.address, port: news.port, bytes: Uint8Array.from(news.bytes) });
    case 'resolved':
      return fieldsOf({ kind, flow: news.flow, outcome: news.outcome, addresses: [...news.addresses] });
  }
}

function fieldsToNews(fields: Fields): News {
  const what = 'network news in the journal';
  const kind = asText(fields.get('kind'), what);
  const has = (...names: string[]): void => only(fields, ['kind', ...names], what);
  const number = (name: string, most = 0xffffffff): number => asInteger(fields.get(name), what, 0, most);
  const bytes = (most: number): Uint8Array => {
    const found = asBytes(fields.get('bytes'), what);
    return found.length <= most ? found : damaged(what);
  };
  switch (kind) {
    case 'lost':
      has();
      return { kind };
    case 'connected':
    case 'aborted':
    case 'ended':
      has('flow');
      return { kind, flow: number('flow') };
    case 'bytes':
      has('flow', 'bytes');
      return { kind, flow: number('flow'), bytes: bytes(TO_GUEST) };
    case 'taken':
      has('flow', 'count');
      return { kind, flow: number('flow'), count: number('count') };
    case 'accepted':
      has('flow', 'port');
      return { kind, flow: number('flow'), port: number('port', 0xffff) };
    case 'datagram':
      has('flow', 'address', 'port', 'bytes');
      return { kind, flow: number('flow'), address: number('address'), port: number('port', 0xffff), bytes: bytes(MOST_DATAGRAM) };
    case 'resolved': {
      has('flow', 'outcome', 'addresses');
      const outcome = OUTCOMES.find((word) => word === fields.get('outcome')) ?? damaged(what);
      return { kind, flow: number('flow'), outcome, addresses: asList(fields.get('addresses'), what).map((item) => asInteger(item, what, 0, 0xffffffff)) };
    }
    default:
      return damaged(what);
  }
}

const damaged = (what: string): never => {
  throw bad(`it is damaged: ${what}`);
};

const asPath = (value: Value | undefined): readonly string[] => asList(value, 'path of an event').map((item) => asText(item, 'path of an event'));

function fieldsToInput(fields: Fields, vcpus: number): Input {
  const what = 'an event of the journal';
  const has = (...names: string[]): void => only(fields, ['position', 'kind', ...names], what);
  const get = (name: string): Value | undefined => fields.get(name);
  const kind = asText(get('kind'), what);
  switch (kind) {
    case 'serial':
      has('port', 'bytes');
      return { kind, port: asInteger(get('port'), what, 0, 15), bytes: asBytes(get('bytes'), what) };
    case 'key':
      has('code', 'down');
      return { kind, code: asText(get('code'), what), down: asBool(get('down'), what) };
    case 'pointer':
      has('dx', 'dy', 'wheel', 'buttons', 'x', 'y');
      return {
        kind,
        dx: asNumber(get('dx'), what),
        dy: asNumber(get('dy'), what),
        wheel: asNumber(get('wheel'), what),
        buttons: asInteger(get('buttons'), what, 0, 0xffff),
        ...(get('x') !== undefined && { x: asInteger(get('x'), what, 0, 0x7fff) }),
        ...(get('y') !== undefined && { y: asInteger(get('y'), what, 0, 0x7fff) }),
      };
    case 'network':
      has('news');
      return { kind, news: asList(get('news'), what).map((item) => fieldsToNews(asMap(item, what))) };
    case 'entropy':
      has('bytes');
      return { kind, bytes: asBytes(get('bytes'), what) };
    case 'reset':
      has();
      return { kind };
    case 'vcpu':
      has('vcpu', 'path', 'value');
      return { kind, vcpu: asInteger(get('vcpu'), what, 0, vcpus - 1), path: asPath(get('path')), value: asWide(get('value'), what, WIDTH) };
    case 'device':
      has('path', 'value');
      return { kind, path: asPath(get('path')), value: asWide(get('value'), what, WIDTH) };
    case 'memory':
      has('address', 'bytes');
      return { kind, address: asInteger(get('address'), what), bytes: asBytes(get('bytes'), what) };
    default:
      throw bad(`it has an event '${kind.slice(0, 40)}', which this version does not know`);
  }
}

export const journalToFields = (events: readonly JournalEvent[]): Fields =>
  fieldsOf({ events: events.map(({ position, input }): Value => new Map<string, Value>([['position', position], ...inputToFields(input)])) });

/** Events come in order of their positions. */
export function fieldsToJournal(fields: Fields, vcpus: number): readonly JournalEvent[] {
  only(fields, ['events'], 'the journal');
  let last = 0;
  return asList(fields.get('events'), 'the journal').map((item) => {
    const event = asMap(item, 'an event of the journal');
    last = asInteger(event.get('position'), 'position of an event', last);
    return { position: last, input: fieldsToInput(event, vcpus) };
  });
}

/** What happens at or before a position has been taken; what comes after has not. */
export function checkCursor(events: readonly JournalEvent[], cursor: number, position: number): void {
  if (cursor > events.length) throw bad('it is damaged: the journal ends before its position');
  if (events.slice(0, cursor).some((event) => event.position > position)) throw bad('it is damaged: events of the future have happened');
}
