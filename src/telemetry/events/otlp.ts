import type { EventInput } from '../../behavior/events.js';
import { readEvent, type EventRules, type LineProblem } from './lines.js';
import type { OtlpAttributes, OtlpRecord, OtlpRequest } from './otlp-wire.js';

/**
 * Which attribute becomes which field, the first that is there. Our own names first, then those of OpenTelemetry's
 * semantic conventions. Those of the record go before those of its resource.
 */
export const OTLP_ATTRIBUTES = {
  account: ['headroom.account', 'tenant.id'],
  user: ['headroom.user', 'user.id', 'enduser.id'],
  system: ['headroom.system'],
  operation: ['headroom.operation', 'event.name', 'db.operation.name', 'rpc.method'],
  dataset: ['headroom.dataset', 'db.collection.name', 'db.namespace'],
  group: ['headroom.group'],
  count: ['headroom.count'],
  complexity: ['headroom.complexity'],
  id: ['headroom.id', 'log.record.uid'],
  sessions: ['headroom.sessions'],
  inputRate: ['headroom.input_rate'],
  program: ['headroom.program', 'service.name'],
  region: ['headroom.region', 'cloud.region'],
} as const;

const NUMBERS: readonly string[] = ['count', 'complexity', 'sessions', 'inputRate'];

type Value = string | number | boolean;

function tableOf(attributes: OtlpAttributes, into: Map<string, Value>): Map<string, Value> {
  for (const { key, value } of attributes) {
    const plain = value?.stringValue ?? value?.boolValue ?? value?.intValue ?? value?.doubleValue;
    if (plain !== undefined) into.set(key, plain);
  }
  return into;
}

/** As what the field wants: senders write numbers as text, and ids as numbers. */
function fitted(field: string, value: Value): Value {
  if (field === 'system') return value === 'true' ? true : value === 'false' ? false : value;
  if (NUMBERS.includes(field)) return typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
  return String(value);
}

function fieldsOf(record: OtlpRecord, resource: OtlpAttributes): Record<string, Value> {
  const table = tableOf(record.attributes, tableOf(resource, new Map()));
  const fields: Record<string, Value> = {};
  for (const [field, names] of Object.entries(OTLP_ATTRIBUTES)) {
    for (const name of names) {
      const value = table.get(name);
      if (value === undefined) continue;
      fields[field] = fitted(field, value);
      break;
    }
  }
  const { eventName } = record;
  if (fields['operation'] === undefined && typeof eventName === 'string' && eventName !== '') {
    fields['operation'] = eventName;
  }
  const nanos = [record.timeUnixNano, record.observedTimeUnixNano].find((at) => typeof at === 'number' && at > 0);
  if (typeof nanos === 'number') fields['at'] = nanos / 1e9;
  return fields;
}

/**
 * Log records as events. A record that is no event is rejected and told, the others are taken: an OTLP sender does not
 * send what was rejected again, so that nothing counts twice.
 */
export function readOtlp(
  request: OtlpRequest,
  rules: EventRules,
): { events: EventInput[]; rejected: number; problems: LineProblem[] } {
  const events: EventInput[] = [];
  const problems: LineProblem[] = [];
  let number = 0;
  let rejected = 0;
  for (const { resource, scopeLogs } of request.resourceLogs) {
    for (const record of scopeLogs.flatMap(({ logRecords }) => logRecords)) {
      number += 1;
      const read = readEvent(fieldsOf(record, resource?.attributes ?? []), number, rules);
      if ('event' in read) {
        events.push(read.event);
        continue;
      }
      rejected += 1;
      const [first] = read.problems;
      if (problems.length < 5 && first !== undefined) problems.push(first);
    }
  }
  return { events, rejected, problems };
}
