/**
 * Makes of a module one that can be suspended at each `Atomics` call, so that a scheduler can run
 * several logical threads in one: every function that calls anything becomes a generator, and every
 * call a `yield*` if it is of one.
 *
 * - `Atomics.load(a, i)` becomes `($point() ? yield : 0, Atomics.load(a, i))`: suspended if the
 *   scheduler says so.
 * - `f(x)` becomes `(($t = f(x)) instanceof $Generator ? yield* $t : $t)`, whatever `f` turns out
 *   to be.
 * - A constructor becomes a generator method `$init`, `super(x)` a call of that, and `new C(x)` a
 *   call of `$new(C, x)`.
 * - The body of an `async` function becomes a generator that `$async` runs, and `await x` a `yield
 *   $await(x)` in it.
 * - What cannot be suspended (a module's top level, field initializers, getters) may not call what
 *   could be: `$plain` throws if it does.
 *
 * The names with a `$` are those of program.ts.
 */
import ts from 'typescript';

/** Whether the code at a place can be suspended. */
type Mode = 'plain' | 'generator';

export function toCommonJs(name: string, typescript: string): string {
  return ts.transpileModule(typescript, {
    compilerOptions: {module: ts.ModuleKind.CommonJS, target: ts.ScriptTarget.ESNext},
    fileName: name,
  }).outputText;
}

export function toGenerators(name: string, typescript: string): string {
  return new Transformation(name, toCommonJs(name, typescript)).run();
}

class Transformation {
  readonly #file: ts.SourceFile;
  readonly #edits: {at: number; until: number; isEnd: boolean; text: string}[] = [];

  constructor(name: string, javascript: string) {
    this.#file = ts.createSourceFile(name, javascript, ts.ScriptTarget.ESNext, true);
  }

  run(): string {
    for (const statement of this.#file.statements) {
      // All executions use the same instance of the module.
      if (ts.isVariableStatement(statement) && statement.declarationList.flags & ts.NodeFlags.Let) {
        this.#refuse(statement, 'a variable of the module');
      }
    }
    this.#children(this.#file, 'plain');
    // Array.prototype.sort is stable: what begins or ends at one place stays in the order of its
    // nesting.
    this.#edits.sort((a, b) => a.at - b.at || Number(b.isEnd) - Number(a.isEnd));
    let result = '';
    let done = 0;
    for (const {at, until, text} of this.#edits) {
      result += this.#file.text.slice(done, at) + text;
      done = until;
    }
    return result + this.#file.text.slice(done);
  }

  #visit(node: ts.Node, mode: Mode): void {
    if (ts.isFunctionLike(node)) this.#function(node as ts.FunctionLikeDeclaration);
    else if (ts.isPropertyDeclaration(node)) this.#children(node, 'plain');
    else if (ts.isAwaitExpression(node)) {
      this.#replace(node.getStart(), node.expression.getStart(), '(yield $await(');
      this.#children(node, mode);
      this.#end(node, '))');
    } else if (ts.isNewExpression(node)) this.#new(node, mode);
    else if (ts.isCallExpression(node)) this.#call(node, mode);
    else this.#children(node, mode);
  }

  #new(node: ts.NewExpression, mode: Mode): void {
    if (mode === 'plain') {
      this.#wrap(node, '$plain(', ')', mode);
    } else {
      this.#begin(node, '(($t = $new(');
      this.#replace(node.getStart(), node.expression.getStart(), '');
      const open = this.#file.text.indexOf('(', node.expression.end);
      this.#replace(open, open + 1, ', ');
      this.#children(node, mode);
      this.#end(node, ') instanceof $Generator ? yield* $t : $t)');
    }
  }

  #call(node: ts.CallExpression, mode: Mode): void {
    const {expression, parent} = node;
    const callee = expression.getText();
    if (callee === 'require') return;
    if (
      ts.isOptionalChain(node) &&
      (ts.isPropertyAccessChain(parent) || ts.isCallChain(parent)) &&
      parent.expression === node &&
      parent.questionDotToken === undefined
    ) {
      this.#refuse(parent, 'a chain that goes on after an optional call');
    }
    if (expression.kind === ts.SyntaxKind.SuperKeyword) {
      const open = this.#file.text.indexOf('(', expression.end);
      this.#replace(expression.getStart(), open + 1, 'yield* (super.$init ?? $noInit).call(this, ');
      this.#children(node, mode);
    } else if (mode === 'plain') this.#wrap(node, '$plain(', ')', mode);
    // The only one that itself may have to be suspended.
    else if (/(^|\.)Atomics\.wait$/.test(callee)) {
      const before = '(($t = ($point() ? yield : 0, ';
      this.#wrap(node, before, ')) instanceof $Generator ? yield* $t : $t)', mode);
    } else if (/(^|\.)Atomics\.\w+$/.test(callee))
      this.#wrap(node, '($point() ? yield : 0, ', ')', mode);
    else this.#wrap(node, '(($t = ', ') instanceof $Generator ? yield* $t : $t)', mode);
  }

  #function(node: ts.FunctionLikeDeclaration): void {
    const {body} = node;
    const isAsync = ts.getModifiers(node)?.find(({kind}) => kind === ts.SyntaxKind.AsyncKeyword);
    if (body === undefined || ts.isGetAccessor(node) || ts.isSetAccessor(node)) {
      this.#children(node, 'plain');
      return;
    }
    if (!isAsync && !callsAnything(body) && !ts.isConstructorDeclaration(node)) {
      // It may make functions that do.
      this.#children(node, 'plain');
      return;
    }
    if (node.parameters.some(callsAnything))
      this.#refuse(node, 'a default value that calls something');

    if (isAsync) this.#replace(isAsync.getStart(), isAsync.end, '');
    if (ts.isConstructorDeclaration(node)) {
      this.#replace(node.getStart(), node.getStart() + 'constructor'.length, '*$init');
    } else if (ts.isArrowFunction(node)) {
      if (!isAsync) {
        this.#begin(node, '(function*');
        this.#replace(node.equalsGreaterThanToken.getStart(), node.equalsGreaterThanToken.end, '');
      }
    } else if (!isAsync && node.name !== undefined) this.#begin(node.name, '*');

    if (ts.isBlock(body)) {
      if (isAsync)
        this.#replace(body.getStart(), body.getStart() + 1, '{ return $async((function*() {');
      this.#children(body, 'generator');
      if (isAsync)
        this.#replace(body.end - 1, body.end, usesThis(body) ? '}).bind(this)); }' : '})); }');
    } else {
      this.#begin(body, isAsync ? '$async((function*() { return (' : '{ return (');
      this.#visit(body, 'generator');
      this.#end(body, isAsync ? (usesThis(body) ? '); }).bind(this))' : '); }))') : '); }');
    }
    if (ts.isArrowFunction(node) && !isAsync)
      this.#end(node, usesThis(body) ? ').bind(this)' : ')');
  }

  #children(node: ts.Node, mode: Mode): void {
    ts.forEachChild(node, (child) => this.#visit(child, mode));
  }

  #wrap(node: ts.Node, before: string, after: string, mode: Mode): void {
    this.#begin(node, before);
    this.#children(node, mode);
    this.#end(node, after);
  }

  #begin(node: ts.Node, text: string): void {
    this.#edits.push({at: node.getStart(), until: node.getStart(), isEnd: false, text});
  }

  #end(node: ts.Node, text: string): void {
    this.#edits.push({at: node.end, until: node.end, isEnd: true, text});
  }

  #replace(at: number, until: number, text: string): void {
    this.#edits.push({at, until, isEnd: false, text});
  }

  #refuse(node: ts.Node, what: string): never {
    throw new Error(`Not foreseen in ${this.#file.fileName}: ${what}: ${node.getText()}`);
  }
}

function callsAnything(node: ts.Node): boolean {
  if (ts.isFunctionLike(node)) return false;
  // It calls nothing of interest, and a function that is given to `sort` may use it.
  if (ts.isCallExpression(node) && node.expression.getText() === 'Number')
    return node.arguments.some(callsAnything);
  if (ts.isCallExpression(node) || ts.isNewExpression(node) || ts.isAwaitExpression(node))
    return true;
  return ts.forEachChild(node, (child) => callsAnything(child) || undefined) ?? false;
}

function usesThis(node: ts.Node): boolean {
  if (node.kind === ts.SyntaxKind.ThisKeyword || node.kind === ts.SyntaxKind.SuperKeyword)
    return true;
  return ts.forEachChild(node, (child) => usesThis(child) || undefined) ?? false;
}
