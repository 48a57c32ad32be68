import js from '@eslint/js';
import {defineConfig, globalIgnores} from 'eslint/config';
import tseslint from 'typescript-eslint';

export default defineConfig(
  globalIgnores(['dist', '.tshy', '.tshy-build', '.tsimp', 'test/package']),
  js.configs.recommended,
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.strictTypeChecked],
    languageOptions: {parserOptions: {projectService: true}},
    rules: {
      // tsconfig.json cannot set verbatimModuleSyntax, so this keeps type imports out of the output.
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/consistent-type-exports': 'error',
      // `() => doIt()` where nothing is returned is the usual way to write a callback.
      '@typescript-eslint/no-confusing-void-expression': 'off',
      // A method is often looked at, as `typeof store.get`, and seldom torn off.
      '@typescript-eslint/unbound-method': 'off',
      // A closure that is seldom made captures a variable of its own block: `this`, captured, costs every call.
      '@typescript-eslint/no-this-alias': ['error', {allowedNames: ['self']}],
      // What a caller's code throws comes through unchanged, errors or not.
      '@typescript-eslint/only-throw-error': 'off',
      '@typescript-eslint/prefer-promise-reject-errors': 'off',
      // Times and counts go into messages.
      '@typescript-eslint/restrict-template-expressions': ['error', {allowNumber: true}],
      // `async` without `await` turns a throw into a rejection, which is the contract here.
      '@typescript-eslint/require-await': 'off',
      '@typescript-eslint/no-unused-vars': [
        'error',
        {argsIgnorePattern: '^_', varsIgnorePattern: '^_'},
      ],
    },
  },
  {
    // Programs of the tests, which replace what is usually there.
    files: ['test/{debug,postgres,wild}/programs/**'],
    languageOptions: {
      globals: {
        AbortController: 'readonly',
        SharedArrayBuffer: 'readonly',
        clearInterval: 'readonly',
        clearTimeout: 'readonly',
        gc: 'readonly',
        performance: 'readonly',
        require: 'readonly',
        setImmediate: 'readonly',
        setInterval: 'readonly',
        setTimeout: 'readonly',
        structuredClone: 'readonly',
      },
    },
  },
  {
    files: ['**/*.{js,mjs,cjs}'],
    languageOptions: {globals: {console: 'readonly', process: 'readonly', URL: 'readonly'}},
  },
);
