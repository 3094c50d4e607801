/**
 * Three projects: `pure` needs nothing but Node; `integration` runs real processes against a real broker, one file at a time;
 * `compose` runs containers on a real Docker engine.
 */
const common = {
  testEnvironment: 'node',
  transform: { '^.+\\.ts$': ['@swc/jest', { jsc: { target: 'es2022' } }] },
  modulePathIgnorePatterns: ['<rootDir>/dist/'],
};

module.exports = {
  projects: [
    {
      ...common,
      displayName: 'pure',
      testMatch: ['unit', 'scenario', 'simulation', 'model', 'contract'].map(
        (d) => `<rootDir>/tests/${d}/**/*.test.ts`,
      ),
    },
    {
      ...common,
      displayName: 'integration',
      testMatch: ['integration', 'acceptance'].map((d) => `<rootDir>/tests/${d}/**/*.test.ts`),
      testPathIgnorePatterns: ['<rootDir>/tests/acceptance/compose'],
      globalSetup: '<rootDir>/tests/support/real/global-setup.ts',
      globalTeardown: '<rootDir>/tests/support/real/global-teardown.ts',
    },
    {
      ...common,
      displayName: 'compose',
      testMatch: ['<rootDir>/tests/acceptance/compose*.test.ts'],
      globalSetup: '<rootDir>/tests/support/compose/setup.ts',
    },
  ],
};
