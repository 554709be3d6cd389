import { HeadroomError } from '../../domain/errors.js';
import { quoteMeta, regexLiteral, stringLiteral } from './literals.js';
import { POD_FRAGMENTS, POD_NAME_SUFFIX, RUNNING_FRAGMENTS, type Owners, type WorkloadKind } from './templates.js';

/** What a template is filled in with: objects of one kind in one namespace. */
export interface TemplateValues {
  account: string;
  namespace: string;
  /** Names of the objects. */
  workloads: readonly string[];
  kind: WorkloadKind;
  owners: Owners;
  /** The metric's own name; of metric templates alone. */
  metric?: string;
  /** PromQL durations. */
  range: string;
  resolution: string;
  lookback: string;
  recent: string;
  throttledShare: number;
  limitShare: number;
}

export type Template = (values: TemplateValues) => string;

/* Names stand after a matcher's operator and nowhere else; the operator says how they are escaped. */
const NAMES = ['namespace', 'account', 'workload', 'metric'] as const;
const AMOUNTS = ['resolution', 'lookback', 'recent', 'throttledShare', 'limitShare'] as const;
const FRAGMENTS = ['pods', 'running'] as const;
const PLACEHOLDER = /\{\{\s*([^{}]*?)\s*\}\}/g;

const known = <Name extends string>(names: readonly Name[], name: string): name is Name =>
  names.some((candidate) => candidate === name);

/**
 * Reads a template once, so that a mistake in it is said when it is configured and not when it is asked.
 * @param kind `usage` templates look back over `{{step}}`, `metric` templates over `{{window}}`.
 * @throws HeadroomError `invalid-input`: an unknown placeholder, a name outside a matcher, or a template that does not
 * narrow what it reads to the account.
 */
export function compileTemplate(name: string, text: string, kind: 'usage' | 'metric'): Template {
  const refuse = (problem: string, remedy: string): HeadroomError =>
    new HeadroomError({
      kind: 'invalid-input',
      component: 'telemetry/prometheus',
      action: `reading the template of ${name}`,
      problem,
      remedy,
    });
  const range = kind === 'usage' ? 'step' : 'window';
  const allowed = [
    ...NAMES.filter((candidate) => kind === 'metric' || candidate !== 'metric'),
    ...AMOUNTS,
    ...FRAGMENTS,
    range,
  ];
  for (const match of text.matchAll(PLACEHOLDER)) {
    const placeholder = match[1] ?? '';
    if (!known(allowed, placeholder)) {
      throw refuse(
        `{{${placeholder}}} is no placeholder`,
        `known are ${allowed.map((one) => `{{${one}}}`).join(', ')}`,
      );
    }
    if (known(NAMES, placeholder)) operatorBefore(text, match.index, placeholder, refuse);
  }
  if (text.replaceAll(PLACEHOLDER, '').includes('{{')) {
    throw refuse('a {{ without its }}', 'close the placeholder');
  }
  if (!/(?<![!=])=~?\s*\{\{\s*(namespace|account)\s*\}\}/.test(text) && !/\{\{\s*pods\s*\}\}/.test(text)) {
    throw refuse('it reads beyond the account', 'narrow it by namespace={{namespace}} or a label ={{account}}');
  }
  return (values) => {
    const whole = expand(text, values, range);
    return whole.replaceAll(PLACEHOLDER, (_, placeholder: string, at: number) => {
      if (known(NAMES, placeholder)) {
        const names = namesOf(placeholder, values);
        if (names.some((one) => one === '')) {
          // In PromQL an empty matcher matches whatever lacks the label: other accounts' series.
          throw refuse(`the ${placeholder} has no name`, 'give it one');
        }
        const [only] = names;
        return operatorBefore(whole, at, placeholder, refuse).endsWith('~')
          ? regexLiteral(names)
          : stringLiteral(only ?? '');
      }
      if (placeholder === 'pod') return podPattern(values);
      if (placeholder === range) return values.range;
      if (known(AMOUNTS, placeholder)) return String(values[placeholder]);
      throw refuse(`{{${placeholder}}} is no placeholder`, 'correct it');
    });
  };
}

/** Fragments bring placeholders of their own, and stand in parentheses so that no operator reaches into them. */
function expand(text: string, values: TemplateValues, range: string): string {
  const fragments: Record<string, string> = {
    running: RUNNING_FRAGMENTS[values.owners].replaceAll('{{step}}', `{{${range}}}`),
    pods: POD_FRAGMENTS[values.owners][values.kind],
  };
  let whole = text;
  for (const [name, fragment] of Object.entries(fragments)) {
    whole = whole.replaceAll(PLACEHOLDER, (match, placeholder: string) =>
      placeholder === name ? `(${fragment})` : match,
    );
  }
  return whole;
}

function operatorBefore(
  text: string,
  at: number,
  placeholder: (typeof NAMES)[number],
  refuse: (problem: string, remedy: string) => HeadroomError,
): string {
  const operator = /\w\s*(=~|!~|!=|=)\s*$/.exec(text.slice(0, at))?.[1];
  if (operator === undefined || insideString(text, at)) {
    throw refuse(
      `{{${placeholder}}} does not stand after a matcher's = or =~`,
      `write for example ${placeholder}=~{{${placeholder}}}, without quotes: it brings its own`,
    );
  }
  if (placeholder === 'workload' && !operator.endsWith('~')) {
    throw refuse('{{workload}} may be several names', 'write workload=~{{workload}}');
  }
  return operator;
}

/** Within quotes (or a comment) the literal's own quotes would end the string, and the name would be code. */
function insideString(text: string, at: number): boolean {
  let quote: string | null = null;
  for (let index = 0; index < at; index++) {
    const char = text[index] ?? '';
    if (quote === null) {
      if (char === '"' || char === "'" || char === '`' || char === '#') quote = char;
    } else if (char === '\\' && (quote === '"' || quote === "'")) index += 1;
    else if (char === quote || (quote === '#' && char === '\n')) quote = char === '#' ? quote : null;
  }
  return quote !== null;
}

function namesOf(placeholder: (typeof NAMES)[number], values: TemplateValues): readonly string[] {
  switch (placeholder) {
    case 'namespace':
      return [values.namespace];
    case 'account':
      return [values.account];
    case 'workload':
      return values.workloads;
    case 'metric':
      return [values.metric ?? ''];
  }
}

/** Matches the pods of the workloads by name; its one group is the workload's. */
const podPattern = ({ workloads, kind }: TemplateValues): string =>
  stringLiteral(`(${workloads.map(quoteMeta).join('|')})${POD_NAME_SUFFIX[kind]}`);
