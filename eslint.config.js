import tseslint from 'typescript-eslint';

/** Imports point one way: domain ← (behavior, forecast, allocate, replay) ← activities ← worker and CLI. */
const pure = ['telemetry', 'cluster', 'operate', 'prices', 'cli', 'temporal'];
const forbid = (rooms, why) => ({
  'no-restricted-imports': [
    'error',
    { patterns: rooms.map((room) => ({ group: [`**/${room}/**`], message: why, allowTypeImports: false })) },
  ],
});

export default tseslint.config(
  {
    ignores: [
      'vitest.config.ts',
      'vitest.real.config.ts',
      'vitest.peers.config.ts',
      'dist/**',
      'node_modules/**',
      '.headroom/**',
    ],
  },
  ...tseslint.configs.recommended,
  {
    files: ['**/*.ts'],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': 'error',
      '@typescript-eslint/await-thenable': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      '@typescript-eslint/consistent-type-imports': 'error',
      eqeqeq: 'error',
    },
  },
  {
    files: ['src/domain/**/*.ts'],
    rules: forbid(
      [...pure, 'forecast', 'allocate', 'replay', 'behavior', 'models', 'activities', 'workflows'],
      'the domain imports nothing of the house',
    ),
  },
  {
    files: ['src/behavior/**/*.ts', 'src/forecast/**/*.ts', 'src/allocate/**/*.ts', 'src/replay/**/*.ts'],
    rules: forbid([...pure, 'activities', 'workflows'], 'decisions are pure: no adapter, no I/O, no workflow'),
  },
  {
    files: ['src/models/**/*.ts'],
    rules: forbid(
      ['cli', 'temporal', 'cluster', 'operate', 'activities', 'workflows', 'telemetry/embedded'],
      'models know forecasting and the telemetry port; the composition root names the rest',
    ),
  },
  {
    files: ['src/telemetry/**/*.ts', 'src/cluster/**/*.ts', 'src/prices/**/*.ts'],
    rules: forbid(['cli', 'temporal', 'activities', 'workflows'], 'adapters know the domain and their port alone'),
  },
  {
    files: ['activities/**/*.ts'],
    rules: forbid(
      [
        'cli',
        'telemetry/embedded',
        'telemetry/influxdb',
        'telemetry/prometheus',
        'telemetry/csv',
        'cluster/simulated',
        'cluster/kubernetes',
        'prices/file',
        'prices/http',
        'prices/prometheus',
      ],
      'activities are closures over ports; the composition root names the adapters',
    ),
  },
  {
    files: ['workflows/**/*.ts'],
    rules: forbid(
      [...pure, 'forecast', 'allocate', 'replay', 'behavior', 'models'],
      'workflows import types and small pure functions of the domain only',
    ),
  },
);
