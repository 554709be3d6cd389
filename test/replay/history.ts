/*
 * Histories as JSON, and ways to alter them. An altered history keeps consecutive event ids and valid references, so
 * that what replay refuses is the alteration alone.
 */

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
export type Event = { eventId: string; eventType: string } & { [key: string]: Json };
export interface History {
  events: Event[];
}

/** What an event says, by the name of its attributes; null where it is of another kind. */
export function attributes(event: Event, kind: string): { [key: string]: Json } | null {
  const found = event[`${kind}EventAttributes`];
  return typeof found === 'object' && found !== null && !Array.isArray(found) ? found : null;
}

/** The n-th event (from 0) of a kind. @throws Error where there is none: the case would alter nothing. */
export function nth(history: History, kind: string, index = 0): { event: Event; said: { [key: string]: Json } } {
  const found = history.events.filter((event) => attributes(event, kind) !== null)[index];
  const said = found === undefined ? null : attributes(found, kind);
  if (found === undefined || said === null) throw new Error(`the history has no ${kind} number ${index}`);
  return { event: found, said };
}

/** Without the events for which `drop` holds; ids and references are counted anew. */
export function without(history: History, drop: (event: Event) => boolean): History {
  return renumbered(history.events.filter((event) => !drop(event)));
}

/** With an event more, behind another one. */
export function withEvent(history: History, behind: Event, added: Event): History {
  return renumbered(history.events.flatMap((event) => (event === behind ? [event, added] : [event])));
}

/** References to an event that is gone point to the one before it. */
function renumbered(events: readonly Event[]): History {
  const ids = new Map(events.map((event, index) => [event.eventId, String(index + 1)]));
  const idNow = (old: string): string => {
    for (let id = Number(old); id > 0; id--) {
      const now = ids.get(String(id));
      if (now !== undefined) return now;
    }
    return '0';
  };
  const walk = (value: Json, key: string): Json => {
    if (Array.isArray(value)) return value.map((item) => walk(item, key));
    if (typeof value === 'object' && value !== null) {
      return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, walk(inner, name)]));
    }
    return /[eE]ventId$/.test(key) && typeof value === 'string' && value !== '0' ? idNow(value) : value;
  };
  return {
    events: events.map((event, index) => ({
      ...Object.fromEntries(Object.entries(event).map(([name, inner]) => [name, walk(inner, name)])),
      eventId: String(index + 1),
      eventType: event.eventType,
    })),
  };
}
