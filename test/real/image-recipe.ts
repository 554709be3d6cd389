import { execFile } from 'node:child_process';
import { cp, mkdir, readFile, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';

/*
 * Carries out a Dockerfile's steps in folders, where there is no Docker: each stage a folder, COPY by copying, RUN of the
 * stages that make something by running it there. What a base image brings is this machine's Node.
 */

interface Step {
  instruction: string;
  argument: string;
}

export interface Stage {
  name: string;
  steps: Step[];
}

/** The stages of a Dockerfile, in order; the last is the image. Line continuations are joined. */
export async function readRecipe(path: string): Promise<Stage[]> {
  const text = (await readFile(path, 'utf8')).replaceAll(/\\\n/g, ' ');
  const stages: Stage[] = [];
  for (const line of text.split('\n')) {
    const match = /^([A-Z]+)\s+(.*)$/.exec(line.trim());
    if (match === null) continue;
    const [, instruction = '', argument = ''] = match;
    if (instruction === 'FROM') stages.push({ name: / AS (\S+)$/i.exec(argument)?.[1] ?? '', steps: [] });
    else stages.at(-1)?.steps.push({ instruction, argument });
  }
  return stages;
}

export interface Built {
  /** The image's file system, as far as the recipe makes it. */
  root: string;
  env: Record<string, string>;
  user: string;
  entrypoint: string[];
  workdir: string;
}

/**
 * @param ignored whether a path of the context is kept from the builder.
 * @throws Error where a step copies what is not there or is ignored.
 */
export async function carryOut(
  stages: readonly Stage[],
  options: { context: string; folder: string; ignored: (path: string) => boolean },
): Promise<Built> {
  const { context, folder, ignored } = options;
  const roots = new Map<string, string>();
  let built: Built | null = null;
  for (const [index, stage] of stages.entries()) {
    const root = join(folder, `stage-${index}`);
    roots.set(stage.name, root);
    const last = index === stages.length - 1;
    const image: Built = { root, env: {}, user: '', entrypoint: [], workdir: '/' };
    for (const { instruction, argument } of stage.steps) {
      if (instruction === 'WORKDIR') {
        image.workdir = argument;
        await mkdir(join(root, argument), { recursive: true });
      } else if (instruction === 'ENV') {
        const [name = '', value = ''] = argument.split('=');
        image.env[name] = value;
      } else if (instruction === 'USER') image.user = argument;
      else if (instruction === 'ENTRYPOINT') image.entrypoint = JSON.parse(argument) as string[];
      else if (instruction === 'COPY') {
        const words = argument.split(/\s+/);
        const from = words[0]?.startsWith('--from=') === true ? words.shift()?.slice('--from='.length) : undefined;
        const source = from === undefined ? context : roots.get(from);
        const target = words.pop() ?? '';
        if (source === undefined) throw new Error(`COPY ${argument}: no stage ${from ?? ''}`);
        for (const word of words) {
          if (from === undefined && ignored(word)) throw new Error(`COPY ${word}: the ignore file keeps it out`);
          const isFolder = (await stat(join(source, word))).isDirectory();
          const into = join(root, image.workdir, target, !isFolder && target.endsWith('/') ? basename(word) : '');
          await cp(join(source, word), into, { recursive: true, verbatimSymlinks: true });
        }
      } else if (instruction === 'RUN' && !last) {
        await promisify(execFile)('sh', ['-c', argument], { cwd: join(root, image.workdir), maxBuffer: 64 << 20 });
      }
    }
    built = image;
  }
  if (built === null) throw new Error('the recipe has no stage');
  return built;
}

/** A `.dockerignore` that lets in by `!` what it first keeps out by `*`. */
export async function readIgnore(path: string): Promise<(path: string) => boolean> {
  const patterns = (await readFile(path, 'utf8'))
    .split('\n')
    .filter((line) => line.startsWith('!'))
    .map((line) => new RegExp(`^${line.slice(1).replaceAll('.', '\\.').replaceAll('*', '[^/]*')}(/|$)`));
  return (candidate) => !patterns.some((pattern) => pattern.test(candidate));
}
