/*
 * Names as PromQL literals. A name is data, whatever stands in it: it ends where its literal ends, and in a regular
 * expression it matches itself alone (RE2, anchored by the server at both ends).
 */

/** A double-quoted PromQL string, by Go's rules of escaping. */
export function stringLiteral(text: string): string {
  let literal = '';
  // By code points: half of a surrogate pair must not reach the wire as two names that look alike.
  for (const char of text) {
    const code = char.codePointAt(0) ?? 0;
    if (char === '"' || char === '\\') literal += `\\${char}`;
    else if (char === '\n') literal += '\\n';
    else if (code < 0x20 || code === 0x7f) literal += `\\x${code.toString(16).padStart(2, '0')}`;
    else literal += char;
  }
  return `"${literal}"`;
}

/** The name as a regular expression that matches it and nothing else. */
export const quoteMeta = (text: string): string => text.replaceAll(/[\\.+*?()|[\]{}^$]/g, '\\$&');

/** A literal of a regular expression that matches exactly the given names. */
export const regexLiteral = (names: readonly string[]): string => stringLiteral(names.map(quoteMeta).join('|'));
