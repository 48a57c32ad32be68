export default {
  files: ['test/**/*.test.ts'],
  extensions: {ts: 'module'},
  nodeArguments: ['--import=./test/support/tsimp.js'],
  // tsimp reports false errors about AVA's default import; `npm run lint` checks the types with tsc.
  environmentVariables: {TSIMP_DIAG: 'ignore'},
  // Tests start and kill worker threads, so each file has a process of its own.
  workerThreads: false,
  timeout: '2m',
  // More than there are cores: many tests wait for a timer, a thread or a server.
  concurrency: 3,
};
