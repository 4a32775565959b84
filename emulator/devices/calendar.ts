/**
 * Days of the proleptic Gregorian calendar, without the host's Date: defined for every input,
 * independent of the host's time zone. Years are 0-9999; seconds count from 0000-01-01 00:00.
 */
export interface CalendarTime {
  readonly year: number;
  /** 1-12. */
  readonly month: number;
  /** 1-31. */
  readonly day: number;
  readonly hours: number;
  readonly minutes: number;
  readonly seconds: number;
  /** 0 is Sunday. */
  readonly weekday: number;
}

const DAYS_OF_400_YEARS = 146097;
/** Seconds from year 0 to 1970. */
export const UNIX_EPOCH = 719528 * 86400;
/** Seconds of 10000 years, after which the calendar begins anew. */
export const SECONDS_OF_CALENDAR = 25 * DAYS_OF_400_YEARS * 86400;

/** Days before `month` of `year`; months beyond the year carry into the next ones. */
function daysBefore(year: number, month: number): number {
  // Years begin in March here, so that the leap day comes last.
  const shifted = month - 3;
  const y = year + Math.floor(shifted / 12);
  const m = ((shifted % 12) + 12) % 12;
  const leaps = Math.floor(y / 4) - Math.floor(y / 100) + Math.floor(y / 400);
  return 365 * y + leaps + Math.floor((153 * m + 2) / 5) + 60;
}

/** Fields out of range carry over: February 31st is a day in March. */
export function toSeconds(t: Omit<CalendarTime, 'weekday'>): number {
  const days = daysBefore(t.year, t.month) + t.day - 1;
  const seconds = days * 86400 + t.hours * 3600 + t.minutes * 60 + t.seconds;
  return ((seconds % SECONDS_OF_CALENDAR) + SECONDS_OF_CALENDAR) % SECONDS_OF_CALENDAR;
}

export function fromSeconds(total: number): CalendarTime {
  const seconds = total % SECONDS_OF_CALENDAR;
  const days = Math.floor(seconds / 86400);
  const rest = seconds - days * 86400;
  let year = Math.floor(days / 365.2425);
  if (daysBefore(year, 1) > days) year--;
  else if (daysBefore(year + 1, 1) <= days) year++;
  let month = 1 + Math.floor((days - daysBefore(year, 1)) / 31);
  if (daysBefore(year, month + 1) <= days) month++;
  return {
    year,
    month,
    day: days - daysBefore(year, month) + 1,
    hours: Math.floor(rest / 3600),
    minutes: Math.floor((rest % 3600) / 60),
    seconds: rest % 60,
    weekday: (days + 6) % 7, // 0000-01-01 was a Saturday
  };
}
