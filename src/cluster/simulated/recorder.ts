import type { EpochSeconds } from '../../domain/time.js';

export const MINUTE = 60;

/** A column of numbers that grows by one a minute; NaN is nothing known. */
export interface Column {
  push(value: number): void;
  at(index: number): number;
}

export function createColumn(): Column {
  let values = new Float64Array(1024);
  let length = 0;
  return {
    push(value) {
      if (length === values.length) {
        const larger = new Float64Array(2 * length);
        larger.set(values);
        values = larger;
      }
      values[length++] = value;
    },
    at: (index) => (index >= 0 && index < length ? (values[index] ?? Number.NaN) : Number.NaN),
  };
}

/** Sums what happens within a minute, then pushes the mean to its column. */
export interface Mean {
  add(value: number): void;
  flush(): void;
  column: Column;
}

export function createMean(): Mean {
  const column = createColumn();
  let sum = 0;
  let count = 0;
  return {
    column,
    add(value) {
      if (Number.isNaN(value)) return;
      sum += value;
      count++;
    },
    flush() {
      column.push(count === 0 ? Number.NaN : sum / count);
      sum = 0;
      count = 0;
    },
  };
}

export interface ComponentRecord {
  demand: Mean;
  capacity: Mean;
  usage: Mean;
  /** Share of the minute in which usage stood at its limit. */
  censored: Mean;
}

export interface WorkloadRecord {
  components: ComponentRecord[];
  replicas: Mean;
  ready: Mean;
  latency: Mean;
  errors: Mean;
  saturation: Mean;
  /** 1 where the minute was not measured: an outage of the metrics, or a trace with a hole. */
  unmeasured: Mean;
}

export interface PoolRecord {
  nodes: Mean;
  ready: Mean;
  /** Cost per hour. */
  cost: Mean;
}

export const createWorkloadRecord = (components: number): WorkloadRecord => ({
  components: Array.from({ length: components }, () => ({
    demand: createMean(),
    capacity: createMean(),
    usage: createMean(),
    censored: createMean(),
  })),
  replicas: createMean(),
  ready: createMean(),
  latency: createMean(),
  errors: createMean(),
  saturation: createMean(),
  unmeasured: createMean(),
});

export const createPoolRecord = (): PoolRecord => ({ nodes: createMean(), ready: createMean(), cost: createMean() });

export function flushWorkload(record: WorkloadRecord): void {
  for (const component of record.components) {
    component.demand.flush();
    component.capacity.flush();
    component.usage.flush();
    component.censored.flush();
  }
  record.replicas.flush();
  record.ready.flush();
  record.latency.flush();
  record.errors.flush();
  record.saturation.flush();
  record.unmeasured.flush();
}

export function flushPool(record: PoolRecord): void {
  record.nodes.flush();
  record.ready.flush();
  record.cost.flush();
}

/** Mean of the known minutes of [from, to) in minutes since the start; NaN where there is none. */
export function meanOver(column: Column, from: number, to: number): number {
  let sum = 0;
  let count = 0;
  for (let index = from; index < to; index++) {
    const value = column.at(index);
    if (Number.isNaN(value)) continue;
    sum += value;
    count++;
  }
  return count === 0 ? Number.NaN : sum / count;
}

/** Whole minutes between the start and a time. */
export const minuteIndex = (start: EpochSeconds, at: EpochSeconds): number => Math.floor((at - start) / MINUTE);
