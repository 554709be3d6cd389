import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const ROOT = new URL('../..', import.meta.url).pathname;
const page = readFileSync(join(ROOT, 'docs/settings.md'), 'utf8');

/** Constants of the code that look like a variable. */
const NO_VARIABLES = new Set(['HEADROOM_SETTINGS', 'HEADROOM_ITSELF']);

const sources = ['src', 'activities', 'workflows'].flatMap((folder) =>
  readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => readFileSync(join(ROOT, folder, file), 'utf8')),
);
const named = new Set(
  sources.flatMap((text) => text.match(/\b(?:HEADROOM|INFLUX|PROMETHEUS)_[A-Z]+(?:_[A-Z]+)*\b/g) ?? []),
);

describe('docs/settings.md', () => {
  it('has every variable that the code names, and no other', () => {
    const inCode = [...named].filter((name) => !NO_VARIABLES.has(name)).sort();
    expect(inCode.length).toBeGreaterThan(20);
    expect(inCode.filter((name) => !page.includes(name))).toEqual([]);
    const onPage = [...new Set(page.match(/\b(?:HEADROOM|INFLUX|PROMETHEUS)_[A-Z]+(?:_[A-Z]+)*\b/g))];
    expect(onPage.filter((name) => !sources.some((text) => text.includes(name)))).toEqual([]);
  });
});
