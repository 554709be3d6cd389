import { createHash } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { bundleWorkflowCode } from '@temporalio/worker';

/** Where the build leaves the workflow bundle: the very code that tests, demo and production run. */
export const BUNDLE_PATH = fileURLToPath(new URL('../../workflow-bundle.js', import.meta.url));

/**
 * The build id of the workflow code: two builds with the same workflows are the same version, so that a release which
 * only touches activities moves nothing.
 */
export const buildIdOf = (bundle: string): string =>
  createHash('sha256')
    .update(bundle.replace(/\/\/# sourceMappingURL=.*$/s, ''))
    .digest('hex')
    .slice(0, 12);

/** Bundles the compiled workflows. */
export async function bundleWorkflows(target: string = BUNDLE_PATH): Promise<void> {
  const { code } = await bundleWorkflowCode({
    workflowsPath: fileURLToPath(new URL('../../workflows/index.js', import.meta.url)),
    workflowInterceptorModules: [fileURLToPath(new URL('../../workflows/ahead.js', import.meta.url))],
    logger: undefined,
  });
  await mkdir(dirname(target), { recursive: true });
  await writeFile(target, code);
}

export async function readBuildId(path: string = BUNDLE_PATH): Promise<string> {
  return buildIdOf(await readFile(path, 'utf8'));
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  await bundleWorkflows();
}
