import type { CalendarTime } from './calendar';

/** The clock's bytes in the CMOS: MC146818 datasheet, "Time, calendar, and alarm locations". */

const SECONDS = 0;
const SECONDS_ALARM = 1;
const MINUTES = 2;
const MINUTES_ALARM = 3;
const HOURS = 4;
const HOURS_ALARM = 5;
const WEEKDAY = 6;
const DAY = 7;
const MONTH = 8;
const YEAR = 9;
export const CENTURY = 0x32;

const H24 = 0x02;
const BINARY = 0x04;
const PM = 0x80;
const DONT_CARE = 0xc0;

/** The bytes that follow the time; the alarm bytes and all others are plain RAM. */
export function isClockByte(address: number): boolean {
  return (address <= YEAR && address !== SECONDS_ALARM && address !== MINUTES_ALARM && address !== HOURS_ALARM) || address === CENTURY;
}

const encode = (value: number, b: number): number => (b & BINARY ? value : (Math.floor(value / 10) << 4) | (value % 10));

const decode = (value: number, b: number): number => (b & BINARY ? value : (value >> 4) * 10 + (value & 0x0f));

function encodeHours(hours: number, b: number): number {
  if (b & H24) return encode(hours, b);
  return encode(hours % 12 || 12, b) | (hours >= 12 ? PM : 0);
}

function decodeHours(value: number, b: number): number {
  if (b & H24) return decode(value, b);
  return (decode(value & 0x7f, b) % 12) + (value & PM ? 12 : 0);
}

/** A clock byte of `date` in the format that register B asks for. */
export function readClock(address: number, date: CalendarTime, weekdayOffset: number, b: number): number {
  switch (address) {
    case SECONDS:
      return encode(date.seconds, b);
    case MINUTES:
      return encode(date.minutes, b);
    case HOURS:
      return encodeHours(date.hours, b);
    case WEEKDAY:
      return encode(((date.weekday + weekdayOffset) % 7) + 1, b);
    case DAY:
      return encode(date.day, b);
    case MONTH:
      return encode(date.month, b);
    case YEAR:
      return encode(date.year % 100, b);
    case CENTURY:
      return encode(Math.floor(date.year / 100), b);
    default:
      return 0;
  }
}

/** What the clock bytes say, once the clock starts from them. */
export function writeClock(cmos: Uint8Array, b: number): { date: Omit<CalendarTime, 'weekday'>; weekday: number } {
  const at = (address: number): number => decode(cmos[address]!, b);
  return {
    date: {
      year: at(CENTURY) * 100 + at(YEAR),
      month: at(MONTH),
      day: at(DAY),
      hours: decodeHours(cmos[HOURS]!, b),
      minutes: at(MINUTES),
      seconds: at(SECONDS),
    },
    weekday: (at(WEEKDAY) + 6) % 7,
  };
}

/** Seconds from `second` of the day until the alarm, 1 to 86400; Infinity if it can't match. */
export function nextAlarm(second: number, cmos: Uint8Array, b: number): number {
  const wanted = (address: number, value: number): number => ((cmos[address]! & DONT_CARE) === DONT_CARE ? -1 : value);
  const hours = wanted(HOURS_ALARM, decodeHours(cmos[HOURS_ALARM]!, b));
  const minutes = wanted(MINUTES_ALARM, decode(cmos[MINUTES_ALARM]!, b));
  const seconds = wanted(SECONDS_ALARM, decode(cmos[SECONDS_ALARM]!, b));
  if (hours > 23 || minutes > 59 || seconds > 59) return Infinity;

  // The first match after `second`: each field that doesn't fit advances to the next that may.
  let candidate = second + 1;
  for (;;) {
    const h = Math.floor(candidate / 3600) % 24;
    const m = Math.floor(candidate / 60) % 60;
    const s = candidate % 60;
    if (hours >= 0 && h !== hours) candidate += 3600 - (candidate % 3600);
    else if (minutes >= 0 && m !== minutes) candidate += 60 - s;
    else if (seconds >= 0 && s !== seconds) candidate++;
    else return candidate - second;
  }
}
