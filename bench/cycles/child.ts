import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { until } from './gate.js';

/* The workers that are measured are processes of their own, so that their memory and processor time are theirs alone. */

/** To a child: let its loops run, or hold them; or end. */
export const orderSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('gate'), open: z.boolean() }),
  z.object({ kind: z.literal('count') }),
  z.object({ kind: z.literal('end') }),
]);
export type Order = z.infer<typeof orderSchema>;

/** From a child: `ready` when its worker serves and its loops are started, then its count of cycles when asked. */
export const reportSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('ready'), workflowIds: z.array(z.string()), note: z.string() }),
  z.object({ kind: z.literal('count'), cycles: z.number(), failures: z.number() }),
  z.object({ kind: z.literal('said'), text: z.string() }),
]);
export type Report = z.infer<typeof reportSchema>;

export interface Child {
  pid: number;
  workflowIds: string[];
  note: string;
  gate(open: boolean): void;
  count(): Promise<{ cycles: number; failures: number }>;
  end(): Promise<void>;
}

/** As bin/headroom starts `headroom dev`: for the peer, too. */
const SMALL = { MALLOC_ARENA_MAX: '2' };
const SMALL_HEAPS = ['--max-semi-space-size=8', '--heap-growing-percent=40'];

/** Starts a script of this folder with its options as JSON, and waits until its worker serves. */
export async function startChild(
  script: string,
  options: object,
  settings: { seconds: number; execArgv?: string[]; say: (text: string) => void },
): Promise<Child> {
  const child = fork(fileURLToPath(new URL(`./${script}`, import.meta.url)), [JSON.stringify(options)], {
    execArgv: [...SMALL_HEAPS, ...(settings.execArgv ?? [])],
    env: { ...process.env, ...SMALL },
  });
  let ready: Extract<Report, { kind: 'ready' }> | null = null;
  const counts: ((count: { cycles: number; failures: number }) => void)[] = [];
  child.on('message', (message) => {
    const report = reportSchema.parse(message);
    if (report.kind === 'ready') ready = report;
    else if (report.kind === 'said') settings.say(report.text);
    else counts.shift()?.(report);
  });
  try {
    await until(`${script} is ready`, settings.seconds, () => {
      if (child.exitCode !== null) throw new Error(`${script} ended with code ${child.exitCode}`);
      return ready !== null;
    });
  } catch (error) {
    child.kill('SIGKILL');
    throw error;
  }
  const { workflowIds, note } = ready ?? { workflowIds: [], note: '' };
  const send = (order: Order): void => void child.send(order);
  return {
    pid: child.pid ?? 0,
    workflowIds,
    note,
    gate: (open) => send({ kind: 'gate', open }),
    count: () =>
      new Promise((resolve, reject) => {
        if (child.exitCode !== null) reject(new Error(`${script} ended with code ${child.exitCode}`));
        counts.push(resolve);
        send({ kind: 'count' });
      }),
    end: () => endChild(child),
  };
}

async function endChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.send({ kind: 'end' } satisfies Order);
  const patience = setTimeout(() => child.kill('SIGKILL'), 15_000);
  await ended;
  clearTimeout(patience);
}

/** In a child: obeys the parent. */
export function obey(handlers: {
  gate: (open: boolean) => void;
  count: () => { cycles: number; failures: number };
  end: () => Promise<void>;
}): (report: Report) => void {
  const send = (report: Report): void => void process.send?.(report);
  process.on('message', (message) => {
    const order = orderSchema.parse(message);
    if (order.kind === 'gate') handlers.gate(order.open);
    else if (order.kind === 'count') send({ kind: 'count', ...handlers.count() });
    else void handlers.end().finally(() => process.exit(0));
  });
  // A parent that is gone leaves no worker behind.
  process.on('disconnect', () => process.exit(1));
  return send;
}
