import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { z } from 'zod';
import { toolPath } from '../../infra/servers/index.js';
import { eventually, kubectl, real } from '../real/real.js';

/*
 * What became of one object over a stretch of time, by a watch: every version of it is seen, however short it stood.
 */

export interface Recording {
  /** Values of the field, one after the other, without repeats; undefined where it was not there. */
  values(): unknown[];
  /** Writes that changed its spec since the recording began. */
  writes(): number;
  /** Everybody who has stated a field of it meanwhile. */
  managers(): string[];
  /** Ends it, after everything up to now was seen. */
  stop(): Promise<void>;
}

const specSchema = z.record(z.string(), z.unknown());

/** `object`: as kubectl has it, `hpa/web`. `field`: of its spec, or of a map in it: `minReplicas`, `limits.cpu`. */
export async function recordObject(namespace: string | null, object: string, field: string): Promise<Recording> {
  const where = namespace === null ? [] : ['-n', namespace];
  const row = ['{.metadata.resourceVersion}', '{.metadata.managedFields[*].manager}', '{.spec}'].join('|');
  const watch = spawn(
    toolPath('kubectl'),
    [
      ...['--kubeconfig', real.cluster.kubeconfig, ...where, 'get', object, '--watch'],
      ...['-o', `jsonpath=${row}{"\\n"}`],
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const ended = once(watch, 'exit');
  const specs: string[] = [];
  const managers = new Set<string>();
  let version = '';
  createInterface({ input: watch.stdout }).on('line', (line) => {
    // kubectl lays tabs out as columns.
    const [at = '', by = '', ...rest] = line.split('|');
    const spec = rest.join('|');
    version = at;
    for (const manager of by.split(' ')) if (manager !== '') managers.add(manager);
    if (spec !== specs.at(-1)) specs.push(spec);
  });
  await eventually(async () => specs.length > 0);
  const valueOf = (spec: string): unknown =>
    field.split('.').reduce<unknown>((at, name) => specSchema.safeParse(at).data?.[name], JSON.parse(spec) as unknown);
  return {
    values: () => specs.map(valueOf).filter((value, index, all) => index === 0 || value !== all[index - 1]),
    writes: () => specs.length - 1,
    managers: () => [...managers].sort(),
    async stop() {
      const now = await kubectl([...where, 'get', object, '-o', 'jsonpath={.metadata.resourceVersion}']);
      await eventually(async () => Number(version) >= Number(now));
      watch.kill('SIGTERM');
      await ended;
    },
  };
}
