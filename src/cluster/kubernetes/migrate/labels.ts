import type { Labels } from './seen.js';

/** Keys that name an instance of something, and may differ between two of them; the first that is there is changed. */
const PREFERRED = ['app.kubernetes.io/instance', 'app', 'app.kubernetes.io/name', 'k8s-app', 'name'];

/**
 * The labels of the copy's pods that differ from the source's, so that none of these selectors finds both: two Deployments
 * whose selectors overlap fight, and a Service would lead traffic to pods that nobody has verified. As few as can be.
 * @returns the changed labels; null where a selector is empty, and finds everything.
 */
export function changedLabels(selectors: readonly Labels[], copy: string): Labels | null {
  const changed: Labels = {};
  for (const selector of selectors) {
    const keys = Object.keys(selector);
    if (keys.some((key) => key in changed)) continue;
    const key = PREFERRED.find((one) => keys.includes(one)) ?? keys.sort()[0];
    if (key === undefined) return null;
    changed[key] = copy;
  }
  return changed;
}

export const selectedBy = (selector: Labels, labels: Labels): boolean =>
  Object.keys(selector).length > 0 && Object.entries(selector).every(([key, value]) => labels[key] === value);

/** A selector as it finds the copy's pods instead. */
export function turned(selector: Labels, changed: Labels): Labels {
  return Object.fromEntries(Object.entries(selector).map(([key, value]) => [key, changed[key] ?? value]));
}
