import { mkdir, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readPolicyFile } from '../../src/cli/commands/start.js';
import { createFilePrices } from '../../src/prices/file.js';
import { environment, temporaryFolder, within, type Folder } from './headroom.js';

/* Prices lie beside the account file that names them. Looked for in the folder that a process happens to run in, they are not found,
 * or are those of another account. */

let folder: Folder;
let env: NodeJS.ProcessEnv;
const file = (prices: string): string => `version: headroom/v1
account: acme
prices: { file: ${prices} }
pools: [{ name: general, pricePerHour: 0.4, node: { cpu: 4 } }]
workloads: [{ name: web, components: { cpu: { request: 1 } }, replicas: { min: 1, max: 9 } }]
`;
const account = (): string => join(folder.path, 'acme', 'acme.yaml');

beforeAll(async () => {
  folder = await temporaryFolder();
  env = environment(folder.path);
  await mkdir(join(folder.path, 'acme'));
  await writeFile(account(), file('now/prices.csv'));
  await mkdir(join(folder.path, 'acme', 'now'));
  await writeFile(join(folder.path, 'acme', 'now', 'prices.csv'), 'pool,pricePerHour\ngeneral,0.31\n');
});
afterAll(() => folder.remove());

describe('a price file that an account file names by a relative path', () => {
  it('is the one beside it, from whatever folder a command is run', async () => {
    const { code, out } = await within(env, 'prices', '-f', account());
    expect(out).toContain('0.31 USD');
    expect(code).toBe(0);
  });

  it.each([
    { name: 'by an absolute path', path: () => account() },
    { name: 'by a path relative to this process', path: () => relative(process.cwd(), account()) },
  ])('travels to the worker as a whole path: account file named $name', async ({ path }) => {
    const policy = await readPolicyFile(path());
    expect(policy.prices?.file).toBe(join(folder.path, 'acme', 'now', 'prices.csv'));
  });

  it('is left as it is where the path is absolute', async () => {
    const other = join(folder.path, 'absolute.yaml');
    await writeFile(other, file('/etc/headroom/prices.csv'));
    expect((await readPolicyFile(other)).prices?.file).toBe('/etc/headroom/prices.csv');
  });

  it('that is not there is named in full, with who has to see it', async () => {
    const other = join(folder.path, 'missing.yaml');
    await writeFile(other, file('none.csv'));
    const { code, err } = await within(env, 'prices', '-f', other);
    expect(err).toContain(join(folder.path, 'none.csv'));
    expect(err).toMatch(/worker reads .* on its own machine.*prices\.url/);
    expect(code).toBe(1);
  });
});

it('a relative path that did not come through the command line says where it was looked for', async () => {
  const source = createFilePrices('no/such.csv', () => 0);
  await expect(source.read()).rejects.toThrow(join(process.cwd(), 'no', 'such.csv'));
});
