import { existsSync } from 'node:fs';
import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { execFile } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { Connection } from '@temporalio/client';
import { z } from 'zod';
import { HeadroomError } from '../domain/errors.js';
import { isAlive } from './home.js';

/*
 * A Temporal server outlives the process that started it when that one is killed. Two servers on one database file
 * would spoil it, so that who starts one first ends the server that was left behind.
 */

const recordSchema = z.object({
  /** The server. */
  pid: z.int().positive(),
  address: z.string(),
  /** The process that started it. */
  owner: z.int().positive(),
});

const recordPath = (databaseFile: string): string => `${databaseFile}.server.json`;

/** Wall time for an orderly end, after which it is killed: its database survives that, too. */
const PATIENCE_MS = 10_000;

/** Says which server serves a database file; renamed into place, so that a reader sees it whole. */
export async function recordServer(databaseFile: string, server: { pid: number; address: string }): Promise<void> {
  const draft = `${recordPath(databaseFile)}.${process.pid}`;
  await writeFile(draft, JSON.stringify({ ...server, owner: process.pid }), { mode: 0o600 });
  await rename(draft, recordPath(databaseFile));
}

export const releaseDatabase = (databaseFile: string): Promise<void> => rm(recordPath(databaseFile), { force: true });

/**
 * Makes sure that no server serves the database file: one whose owner was killed is ended, once it is known to be ours.
 * @throws HeadroomError `refused` where its owner lives.
 */
export async function claimDatabase(databaseFile: string): Promise<void> {
  const left = await readRecord(databaseFile);
  if (left === null) return;
  if (left.owner !== process.pid && isAlive(left.owner)) {
    throw new HeadroomError({
      kind: 'refused',
      component: 'temporal/server',
      action: `starting a Temporal server on ${databaseFile}`,
      problem: `the server of process ${left.owner} is on that file (at ${left.address})`,
      remedy: 'end that process first, or use another folder',
    });
  }
  if (await isOurs(left, databaseFile)) await end(left.pid);
  await releaseDatabase(databaseFile);
}

async function readRecord(databaseFile: string): Promise<z.infer<typeof recordSchema> | null> {
  const path = recordPath(databaseFile);
  if (!existsSync(path)) return null;
  try {
    return recordSchema.parse(JSON.parse(await readFile(path, 'utf8')));
  } catch {
    // Cut off by a full disk or edited by hand: it names nobody who could be ended.
    return null;
  }
}

/**
 * Process ids are used again, and so are ports: it is ours only where that very process was started on that very file
 * and, as far as its command line cannot be read, a Temporal server answers where ours was.
 */
async function isOurs(left: { pid: number; address: string }, databaseFile: string): Promise<boolean> {
  if (!isAlive(left.pid)) return false;
  const command = await commandLine(left.pid);
  return command === null ? answers(left.address) : command.includes(databaseFile);
}

/** Null where the system does not tell. */
async function commandLine(pid: number): Promise<string | null> {
  try {
    return (await readFile(`/proc/${pid}/cmdline`, 'utf8')).replaceAll('\0', ' ');
  } catch {
    const told = await promisify(execFile)('ps', ['-o', 'command=', '-p', String(pid)]).catch(() => null);
    return told === null ? null : told.stdout;
  }
}

async function answers(address: string): Promise<boolean> {
  try {
    const connection = await Connection.connect({ address, connectTimeout: 1000 });
    await connection.close();
    return true;
  } catch {
    return false;
  }
}

async function end(pid: number): Promise<void> {
  const send = (signal: NodeJS.Signals): void => {
    try {
      process.kill(pid, signal);
    } catch {
      // It ended in between.
    }
  };
  send('SIGTERM');
  for (let waited = 0; isAlive(pid) && waited < PATIENCE_MS; waited += 50) await delay(50);
  if (!isAlive(pid)) return;
  send('SIGKILL');
  while (isAlive(pid)) await delay(50);
}
