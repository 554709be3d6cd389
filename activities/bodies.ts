import type { RecordKind, Store } from '../src/telemetry/port.js';

/** Ids of one question: bodies are some tens of kilobytes each, and a question reads through all ids. */
const AT_ONCE = 500;

/** What the store has under many ids, by id: where one question each would be most of what it costs. */
export async function bodiesOf(
  store: Pick<Store, 'getRecords'>,
  kind: RecordKind,
  ids: readonly string[],
): Promise<Map<string, unknown>> {
  const bodies = new Map<string, unknown>();
  for (let first = 0; first < ids.length; first += AT_ONCE) {
    for (const { id, body } of await store.getRecords(kind, ids.slice(first, first + AT_ONCE))) bodies.set(id, body);
  }
  return bodies;
}
