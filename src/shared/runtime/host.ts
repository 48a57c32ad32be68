/**
 * Gives the files of this folder access to the platform.
 *
 * They take everything when the package is loaded, and from the runtime rather than from
 * `globalThis`. In a test, globals may be fake, or may belong to a realm that ends before its
 * memory is released.
 */
export const host: {
  readonly process?: Partial<typeof process>;
  readonly crossOriginIsolated?: boolean;
} = globalThis;

/**
 * A built-in module, or an empty object if the platform does not have it. This is not an `import`,
 * because a platform without the module, or without a name in it, must still be able to load this
 * package.
 */
export const builtin = <T extends object>(name: string): Partial<T> =>
  host.process?.getBuiltinModule?.(name) ?? {};
