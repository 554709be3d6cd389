/**
 * Orders two resourceVersions of one kind: decimal numbers of any length, as Kubernetes promises from 1.35 on
 * (KEP-5504) and has always had with etcd. An empty one is before all.
 */
export const notOlder = (version: string, than: string): boolean =>
  version.length === than.length ? version >= than : version.length > than.length;
