/** What is measured and bought. Units: cores, bytes, bytes, bytes/s of disk, bytes/s, devices. */
export const COMPONENTS = ['cpu', 'memory', 'storage', 'io', 'network', 'gpu'] as const;
export type Component = (typeof COMPONENTS)[number];

/** Those that a replica can request of its cluster; the others are measured alone. */
export const REQUESTABLE: readonly Component[] = ['cpu', 'memory', 'storage', 'gpu'];

export const COMPONENT_UNITS: Record<Component, string> = {
  cpu: 'cores',
  memory: 'bytes',
  storage: 'bytes',
  io: 'bytes/s',
  network: 'bytes/s',
  gpu: 'devices',
};

/**
 * More than any workload has of it: what lies beyond was measured in another unit (nanocores for cores), and is no
 * amount. A smaller mistake (millicores for cores) cannot be told from the number alone.
 */
const MOST_AMOUNT: Record<Component, number> = {
  cpu: 1e6,
  memory: 2 ** 60,
  storage: 2 ** 60,
  io: 2 ** 50,
  network: 2 ** 50,
  gpu: 1e6,
};

/** Whether a number can be an amount of a component, in its unit; NaN is none. */
export const isAmount = (component: Component, value: number): boolean => value >= 0 && value <= MOST_AMOUNT[component];

/** Amounts by component; a component that is absent is unknown or not asked for, never zero. */
export type Resources = Partial<Record<Component, number>>;

const SUFFIXES: Record<string, number> = {
  n: 1e-9,
  u: 1e-6,
  m: 1e-3,
  '': 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
};

/**
 * Reads a Kubernetes quantity: `500m`, `1.5`, `16Gi`, `2e3`.
 * @throws RangeError where the text is not a quantity.
 */
export function parseQuantity(text: string | number): number {
  if (typeof text === 'number') {
    if (!Number.isFinite(text)) throw new RangeError(`${text} is not a quantity`);
    return text;
  }
  const match = /^([+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)(n|u|m|k|Ki|Mi|Gi|Ti|Pi|M|G|T|P)?$/.exec(text.trim());
  const factor = SUFFIXES[match?.[2] ?? ''];
  if (match === null || factor === undefined) {
    throw new RangeError(`"${text}" is not a quantity; write for example 500m, 1.5 or 16Gi`);
  }
  return Number(match[1]) * factor;
}

/** Writes an amount as Kubernetes does: `500m` cores, `16Gi` bytes; other components as plain numbers. */
export function formatQuantity(component: Component, amount: number): string {
  if (component === 'memory' || component === 'storage') {
    for (const suffix of ['Pi', 'Ti', 'Gi', 'Mi', 'Ki'] as const) {
      const size = SUFFIXES[suffix] ?? 1;
      if (amount >= size) {
        const scaled = amount / size;
        if (Number.isInteger(scaled)) return `${scaled}${suffix}`;
        if (scaled >= 100) return `${Math.ceil(scaled)}${suffix}`;
        // The API server takes no fractions of bytes: fall through to the next smaller suffix.
      }
    }
    return String(Math.ceil(amount));
  }
  if (component === 'cpu') {
    const milli = Math.ceil(amount * 1000 - 1e-6);
    return milli % 1000 === 0 ? String(milli / 1000) : `${milli}m`;
  }
  return String(amount);
}

/** Writes an amount for people, to three digits: `1.61` cores, `15.2Gi`, `47.7 MiB/s`, `2` devices. Nothing reads it back. */
export function amountText(component: Component, amount: number): string {
  const unit = COMPONENT_UNITS[component];
  const figure = (value: number): string => String(Number(value.toPrecision(3)) + 0);
  if (unit !== 'bytes' && unit !== 'bytes/s') return figure(amount);
  for (const suffix of ['Pi', 'Ti', 'Gi', 'Mi', 'Ki'] as const) {
    const scaled = amount / (SUFFIXES[suffix] ?? 1);
    // What would be written as 1000 and more of the smaller one.
    if (scaled >= 0.9995) return unit === 'bytes' ? `${figure(scaled)}${suffix}` : `${figure(scaled)} ${suffix}B/s`;
  }
  return unit === 'bytes' ? figure(amount) : `${figure(amount)} B/s`;
}
