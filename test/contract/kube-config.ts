import { KubeConfig } from '@kubernetes/client-node';

export function kubeConfigOf(server: string): KubeConfig {
  const kubeConfig = new KubeConfig();
  // The client refuses plain HTTP unless it is told that nothing is verified.
  kubeConfig.loadFromClusterAndUser(
    { name: 'test', server, skipTLSVerify: true },
    { name: 'headroom', token: 'secret' },
  );
  return kubeConfig;
}
