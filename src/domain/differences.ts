export interface Difference {
  path: string;
  before: string;
  after: string;
}

/** Where two plain values differ, leaf by leaf. Lists of things with a `name` are compared by name, not by place. */
export function differences(before: unknown, after: unknown, path = ''): Difference[] {
  if (Object.is(before, after)) return [];
  if (isRecord(before) && isRecord(after)) {
    return union(Object.keys(before), Object.keys(after)).flatMap((key) =>
      differences(before[key], after[key], path === '' ? key : `${path}.${key}`),
    );
  }
  if (Array.isArray(before) && Array.isArray(after)) {
    const [a, b] = [byName(before), byName(after)];
    return union([...a.keys()], [...b.keys()]).flatMap((key) => differences(a.get(key), b.get(key), `${path}[${key}]`));
  }
  return [{ path, before: show(before), after: show(after) }];
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const byName = (items: readonly unknown[]): Map<string, unknown> =>
  new Map(
    items.map((item, index) => [
      isRecord(item) && typeof item['name'] === 'string' ? item['name'] : String(index),
      item,
    ]),
  );

const union = (a: readonly string[], b: readonly string[]): string[] => [...new Set([...a, ...b])];

const show = (value: unknown): string => (value === undefined ? 'not set' : JSON.stringify(value));
