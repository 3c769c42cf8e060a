// Days and times as people write them.

const day = { weekday: "short", day: "numeric", month: "short", year: "numeric" } as const;
const inUTC = new Intl.DateTimeFormat("en-GB", { ...day, timeZone: "UTC" });
const here = new Intl.DateTimeFormat("en-GB", day);
const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const plainDay = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "long", year: "numeric", timeZone: "UTC" });

/** The day and, where it is known, the time of a kick-off: midnight UTC means that it is not. */
export function kickoffOf(kickoff: Date): { day: string; time: string } {
  const timed = kickoff.getTime() % 86_400_000 !== 0;
  return timed ? { day: here.format(kickoff), time: clock.format(kickoff) } : { day: inUTC.format(kickoff), time: "" };
}

/** A day that the server gives as midnight UTC: "25 May 2025". */
export function dayOf(date: Date): string {
  return plainDay.format(date);
}

/** When something was done, by the clock of the person at the page. */
export function momentOf(date: Date): string {
  return `${here.format(date)}, ${clock.format(date)}`;
}

/** The day of a kick-off for an <input type="date">. */
export function inputDay(kickoff: Date): string {
  return kickoff.toISOString().slice(0, 10);
}
