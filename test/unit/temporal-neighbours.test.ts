import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, afterEach, describe, expect, it } from 'vitest';
import { announceWorker, sharingWords } from '../../src/temporal/neighbours.js';

/* Two workers on one home folder: who starts the second by mistake has to hear of it, and nobody else. */

let home = '';
let other: ChildProcess;
beforeAll(async () => {
  // A process that lives, and is not this one.
  other = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' });
  await once(other, 'spawn');
});
afterAll(async () => {
  const ended = once(other, 'exit');
  other.kill('SIGKILL');
  await ended;
});
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'headroom-home-'));
});
afterEach(() => rm(home, { recursive: true, force: true }));

/** What another process left in the folder. */
const left = async (name: string, text: string): Promise<void> => {
  await mkdir(join(home, 'workers'), { recursive: true });
  await writeFile(join(home, 'workers', name), text);
};
/** The announcement of the other process, as it would have made it. */
async function announced(queues: string[]): Promise<void> {
  const { pid = 0 } = other;
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => null);
  const began = stat === null ? null : (stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? null);
  await left(`${pid}.json`, JSON.stringify({ pid, began, queues }));
}

describe('workers on one home folder', () => {
  it('the second with the same queues hears of the first, by its number and the queues', async () => {
    await announced(['headroom', 'headroom-compute']);
    const { sharing } = await announceWorker(home, ['headroom', 'headroom-cluster-main']);
    expect(sharing).toMatchObject([{ pid: other.pid, queues: ['headroom'] }]);
    const [first] = sharing;
    expect(first === undefined ? '' : sharingWords(first, home)).toContain(`process ${other.pid} serves headroom from`);
  });

  it('one beside it with queues of its own is meant so', async () => {
    await announced(['headroom-cluster-east']);
    expect((await announceWorker(home, ['headroom-cluster-west'])).sharing).toEqual([]);
  });

  it.each([
    {
      name: 'a process that is gone',
      file: '999999999.json',
      text: '{"pid":999999999,"began":"1","queues":["headroom"]}',
    },
    { name: 'half a file', file: '1.json', text: '{"pid":1,' },
    { name: 'nothing of ours', file: '2.json', text: '[]' },
  ])('$name counts for nothing, and is cleared away', async ({ file, text }) => {
    await left(file, text);
    const presence = await announceWorker(home, ['headroom']);
    expect(presence.sharing).toEqual([]);
    expect(await readdir(join(home, 'workers'))).toEqual([`${process.pid}.json`]);
    await presence.leave();
    expect(await readdir(join(home, 'workers'))).toEqual([]);
  });

  it('a number that another process has by now is not who announced itself', async () => {
    await left(`${other.pid}.json`, JSON.stringify({ pid: other.pid, began: 'long ago', queues: ['headroom'] }));
    expect((await announceWorker(home, ['headroom'])).sharing).toEqual([]);
  });
});
