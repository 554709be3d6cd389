/** `blog, shop, web and 2 more`: the first `most` of the names. */
export function someOf(names: readonly string[], most = 3): string {
  const more = names.length - most;
  return `${names.slice(0, most).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}
