// Which file may import which, imports of types included. Run by `npm run lint`.
const error = (name, comment, from, to) => ({name, comment, severity: 'error', from, to});

module.exports = {
  forbidden: [
    error('no-circle', 'A file can be read without those that import it.', {}, {circular: true}),
    error(
      'line-knows-no-reach',
      'Who is next in a thread knows no memory, no platform and no network.',
      {path: '^src/line/'},
      {pathNot: '^src/(line/|errors|intrinsics|types)'},
    ),
    error(
      'one-thread-alone',
      'The main entry runs wherever JavaScript does.',
      {path: '^src/(inProcess/|index)'},
      {path: '^src/(shared|debug)/|^node:'},
    ),
    error(
      'one-process-needs-no-database',
      'Only who imports the entry for PostgreSQL gets it.',
      {path: '^src/', pathNot: '^src/postgres/'},
      {path: '^src/postgres/'},
    ),
    error(
      'postgres-knows-no-threads',
      'Of the lock across threads it needs what belongs to the runtime, and no memory.',
      {path: '^src/postgres/'},
      {
        path: '^src/(inProcess|shared)/',
        pathNot: '^src/shared/(intrinsics|runtime/(callers|clocks))',
      },
    ),
    error(
      'nobody-needs-a-watcher',
      'Only the place where a watcher hooks in is part of the locks.',
      {path: '^src/', pathNot: '^src/debug/'},
      {path: '^src/debug/'},
    ),
    error(
      'memory-knows-no-runtime',
      'The steps on the memory are told the time and the thread.',
      {path: '^src/shared/memory/'},
      {path: '^src/(line|shared/runtime)/'},
    ),
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: {fileName: 'tsconfig.json'},
    doNotFollow: {path: 'node_modules'},
  },
};
