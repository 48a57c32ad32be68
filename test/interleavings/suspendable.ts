/** Code that may be suspended where it yields. */
export type Suspendable<T> = Generator<undefined, T, undefined>;

/** What a logical thread does in one go: a plain function, or one that can be suspended. */
export type Job = () => unknown;

/** `x instanceof $Generator` in transformed code. */
export function $Generator(): void {
  // Only for its prototype.
}
const generator = (function* () {
  // Only for what it inherits from.
})();
$Generator.prototype = Object.getPrototypeOf(Object.getPrototypeOf(generator) as object) as object;

export const isGenerator = (value: unknown): value is Suspendable<unknown> =>
  value instanceof ($Generator as unknown as new () => object);
