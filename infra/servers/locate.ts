import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DEBIAN_PACKAGES, environmentOf, GO_MODULES, type GoModule } from './catalog.js';

/** The checkout, whether this file runs from its source or from dist/. */
export const ROOT = ((): string => {
  for (let folder = dirname(fileURLToPath(import.meta.url)); ; folder = dirname(folder)) {
    if (existsSync(join(folder, 'package.json'))) return folder;
    if (dirname(folder) === folder) throw new Error('package.json of the checkout is not above this file');
  }
})();

export function cacheFolder(): string {
  return process.env['HEADROOM_CACHE'] ?? join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'headroom');
}

/** Version for people, and a hash of everything that goes into the build: a changed go.sum is another folder. */
export function moduleHome(module: GoModule): string {
  const hash = createHash('sha256');
  for (const file of ['go.mod', 'go.sum'])
    hash.update(readFileSync(join(ROOT, 'infra', 'servers', module.folder, file)));
  hash.update(JSON.stringify([module.tools, module.symbols, module.tags, process.platform, process.arch]));
  return join(cacheFolder(), 'servers', `${module.name}-${module.version}-${hash.digest('hex').slice(0, 8)}`);
}

export const packageHome = (name: string): string => join(cacheFolder(), 'servers', `${name}-debian`);

/**
 * Where a tool is: named by the environment, or in the cache.
 * @throws Error that says what to do where it is in neither.
 */
export function toolPath(tool: string): string {
  const named = process.env[environmentOf(tool)];
  if (named !== undefined && named !== '') {
    if (existsSync(named)) return named;
    throw new Error(`${environmentOf(tool)} names ${named}, which is not there: correct or unset it`);
  }
  const module = GO_MODULES.find(({ tools }) => tool in tools);
  const home =
    module !== undefined
      ? moduleHome(module)
      : packageHome(DEBIAN_PACKAGES.find(({ tools }) => tool in tools)?.name ?? tool);
  const path = join(home, tool);
  if (existsSync(path)) return path;
  throw new Error(
    `${tool} is not there yet: run \`make servers-build\`, or set ${environmentOf(tool)} to a binary of your own`,
  );
}

/** A folder of files that came with a module (its CRDs). @throws Error where it has not been built yet. */
export function filesOf(moduleName: string, name: string): string {
  const module = GO_MODULES.find((one) => one.name === moduleName);
  const folder = module === undefined ? '' : join(moduleHome(module), name);
  if (existsSync(folder)) return folder;
  throw new Error(
    `${name} of ${moduleName} is not there yet: run \`node dist/infra/servers/provide.js ${moduleName}\``,
  );
}
