/*
 * The real servers that tests and benches run against: what is built from which module, at which version. A server of
 * your own takes the place of one of these by an environment variable (README.md in infra/).
 */

export interface GoModule {
  name: string;
  version: string;
  /** Folder under infra/servers with go.mod and go.sum. */
  folder: string;
  /** File in the cache → package of its `main`. */
  tools: Readonly<Record<string, string>>;
  /** Symbols that the linker sets: servers say which version they are. */
  symbols: Readonly<Record<string, string>>;
  tags: readonly string[];
  /** `flux`: needs cgo, Rust, and InfluxData's pkg-config in place of the system's. */
  needs: 'go' | 'go-and-rust';
  /** Further files that a server wants (its CRDs): folder in the cache → module and folder in it. */
  files?: Readonly<Record<string, { module: string; folder: string }>>;
}

export interface DebianPackage {
  name: string;
  version: string;
  package: string;
  /** File in the cache → path in the package. */
  tools: Readonly<Record<string, string>>;
}

const KUBERNETES = 'v1.36.3';

/**
 * The control plane, what stands in for its nodes, and its clients: one module, so that what they share is compiled
 * once. `k8s.io/component-base/version` unset, the API server would call itself v0.0.0, which clients refuse.
 */
const kubernetes: GoModule = {
  name: 'kubernetes',
  version: KUBERNETES,
  folder: 'kubernetes',
  tools: {
    etcd: 'go.etcd.io/etcd/server/v3',
    'kube-apiserver': 'k8s.io/kubernetes/cmd/kube-apiserver',
    'kube-controller-manager': 'k8s.io/kubernetes/cmd/kube-controller-manager',
    'kube-scheduler': 'k8s.io/kubernetes/cmd/kube-scheduler',
    kubectl: 'k8s.io/kubernetes/cmd/kubectl',
    kwok: 'sigs.k8s.io/kwok/cmd/kwok',
    'metrics-server': 'sigs.k8s.io/metrics-server/cmd/metrics-server',
    helm: 'helm.sh/helm/v4/cmd/helm',
  },
  symbols: {
    'k8s.io/component-base/version.gitVersion': KUBERNETES,
    'k8s.io/component-base/version.gitMajor': '1',
    'k8s.io/component-base/version.gitMinor': '36',
    'k8s.io/component-base/version.gitTreeState': 'clean',
  },
  tags: [],
  needs: 'go',
};

const influxdb: GoModule = {
  name: 'influxdb',
  version: 'v2.7.12',
  folder: 'influxdb',
  tools: { influxd: 'github.com/influxdata/influxdb/v2/cmd/influxd' },
  symbols: { 'main.version': 'v2.7.12' },
  tags: ['sqlite_foreign_keys', 'sqlite_json'],
  needs: 'go-and-rust',
};

/** Debian 12's. Another release's package of the same name does as well: the newest that apt knows is taken. */
const prometheus: DebianPackage = {
  name: 'prometheus',
  version: 'debian',
  package: 'prometheus',
  tools: { prometheus: 'usr/bin/prometheus', promtool: 'usr/bin/promtool' },
};

/** Karpenter with its kwok provider: its nodes are kwok's. A peer: `make test-peers` alone builds it. */
const karpenter: GoModule = {
  name: 'karpenter',
  version: 'v1.14.0',
  folder: 'karpenter',
  tools: { karpenter: 'sigs.k8s.io/karpenter/kwok' },
  symbols: {},
  tags: [],
  needs: 'go',
  files: {
    crds: { module: 'sigs.k8s.io/karpenter', folder: 'pkg/apis/crds' },
    'kwok-crds': { module: 'sigs.k8s.io/karpenter', folder: 'kwok/apis/crds' },
  },
};

/** KEDA's operator and the adapter that gives an HPA its metrics. A peer: `make test-peers` alone builds it. */
const keda: GoModule = {
  name: 'keda',
  version: 'v2.21.0',
  folder: 'keda',
  tools: {
    'keda-operator': 'github.com/kedacore/keda/v2/cmd/operator',
    'keda-adapter': 'github.com/kedacore/keda/v2/cmd/adapter',
  },
  symbols: { 'github.com/kedacore/keda/v2/version.Version': '2.21.0' },
  tags: [],
  needs: 'go',
  files: { crds: { module: 'github.com/kedacore/keda/v2', folder: 'config/crd/bases' } },
};

/** Another clock for one process: what a worker does on a machine whose clock is off. */
const faketime: DebianPackage = {
  name: 'faketime',
  version: 'debian',
  package: 'libfaketime',
  tools: { 'libfaketimeMT.so.1': 'usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1' },
};

export const GO_MODULES: readonly GoModule[] = [kubernetes, influxdb, karpenter, keda];
export const DEBIAN_PACKAGES: readonly DebianPackage[] = [prometheus, faketime];

/** `kube-apiserver` → `HEADROOM_KUBE_APISERVER`: the variable that names a binary of your own. */
export const environmentOf = (tool: string): string => `HEADROOM_${tool.toUpperCase().replaceAll(/[^A-Z0-9]/g, '_')}`;
