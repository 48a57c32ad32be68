/**
 * What the platform gives to the files of this folder.
 *
 * All of it is taken when the package is loaded, and from the runtime rather than from `globalThis`:
 * in a test, globals may be fake, or belong to a realm that is gone before its memory is.
 */
export const host: {
  readonly process?: Partial<typeof process>;
  readonly crossOriginIsolated?: boolean;
} = globalThis;

/**
 * A built-in module, or what else of that name there is. Not by `import`: a platform that lacks a
 * module, or a name in it, must still be able to load this package.
 */
export const builtin = <T extends object>(name: string): Partial<T> =>
  host.process?.getBuiltinModule?.(name) ?? {};
