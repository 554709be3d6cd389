/** Shorter ids are found in too many words that have nothing to do with them. */
export const SHORTEST_ID = 3;
const WORDY = /[\p{L}\p{N}]/u;

/** A label with an id in it, standing as a word of its own, gets `{user}` in its place. */
export function withoutId(id: string, label: string): string {
  const folded = label.toLowerCase();
  // Where lower case has another length (as of İ), places would not agree.
  const [text, wanted] = folded.length === label.length ? [folded, id.toLowerCase()] : [label, id];
  let clean = '';
  let from = 0;
  for (let at = text.indexOf(wanted); at >= 0; at = text.indexOf(wanted, at + 1)) {
    const end = at + wanted.length;
    if (at < from || WORDY.test(text[at - 1] ?? '') || WORDY.test(text[end] ?? '')) continue;
    clean += `${label.slice(from, at)}{user}`;
    from = end;
  }
  return clean + label.slice(from);
}
