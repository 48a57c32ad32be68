/** Checks of the values that a command line gives. `parseArgs` of Node.js knows strings alone. */

/** @throws an error that says what was expected */
export function numberOption(name: string, text: string, from = 0): number {
  const number = Number(text);
  if (text.trim() === '' || !(number >= from && number < Infinity)) {
    throw new TypeError(`Expected --${name} to be a number from ${from} on, but got "${text}".`);
  }
  return number;
}

/** @throws an error that lists what there is */
export function choiceOption<T extends string>(
  name: string,
  text: string,
  choices: readonly T[],
): T {
  const choice = choices.find((each) => each === text);
  if (choice === undefined) {
    throw new TypeError(
      `Expected --${name} to be one of these, but got "${text}":\n${choices.join('\n')}`,
    );
  }
  return choice;
}
