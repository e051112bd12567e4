/**
 * What is typed, made runnable: `await` and `import` work at the top, `const`, `let` and `class` may
 * be declared again, and a statement that is not complete yet is told from one that is wrong. Pure:
 * text in, text out.
 */
import { type AnyNode, type ClassDeclaration, type Options, type Program, parse } from 'acorn'

export type Statement =
  /** More lines must follow. */
  | { readonly type: 'incomplete' }
  /** An asynchronous one gives a promise of `{ value }`, so that a promise is not awaited unasked. */
  | { readonly type: 'ready'; readonly code: string; readonly isAsync: boolean }
  | { readonly type: 'wrong'; readonly error: SyntaxError }

type Body = Program['body'][number]
type Node<T extends AnyNode['type']> = Extract<AnyNode, { type: T }>

interface Edit {
  readonly start: number
  readonly end: number
  readonly text: string
}

const OPTIONS: Options = {
  ecmaVersion: 'latest',
  sourceType: 'script',
  allowAwaitOutsideFunction: true,
  allowImportExportEverywhere: true,
  allowHashBang: true,
}

export function compileStatement(typed: string): Statement {
  const source = asExpression(typed) ?? typed
  try {
    const { body } = parse(source, OPTIONS)
    const isAsync = body.some(
      (statement) => statement.type === 'ImportDeclaration' || awaits(statement),
    )
    const code = isAsync ? asynchronous(source, body) : apply(source, body.flatMap(redeclarable))
    return { type: 'ready', code, isAsync }
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    return isIncomplete(error, source) ? { type: 'incomplete' } : { type: 'wrong', error }
  }
}

/** `{ a: 1 }` is meant as an object, as in every console. */
function asExpression(typed: string): string | undefined {
  if (!/^\s*\{/.test(typed) || /;\s*$/.test(typed)) return undefined
  const wrapped = `(${typed.trimEnd()}\n)`
  try {
    parse(wrapped, OPTIONS)
    return wrapped
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

/** The parser came to the end of the text and wanted more. */
function isIncomplete(error: SyntaxError, source: string): boolean {
  if (/^Unterminated (template|comment)/.test(error.message)) return true
  const { pos, raisedAt } = error as SyntaxError & { pos: number; raisedAt: number }
  if (/^Unterminated string/.test(error.message)) return /\\\n?$/.test(source)
  return pos >= source.length && raisedAt >= source.length
}

// ---- await

function awaits(node: unknown): boolean {
  if (Array.isArray(node)) return node.some(awaits)
  if (node === null || typeof node !== 'object') return false
  const { type } = node as { type?: string }
  if (type === 'AwaitExpression') return true
  if (type === 'ForOfStatement' && (node as { await?: boolean }).await) return true
  if (type !== undefined && /Function|^PropertyDefinition$|^StaticBlock$/.test(type)) return false
  return Object.values(node).some(awaits)
}

/** One asynchronous function; what it declares at its top is declared outside of it. */
function asynchronous(source: string, body: readonly Body[]): string {
  const names: string[] = []
  const first = body.flatMap((node) =>
    node.type === 'FunctionDeclaration' ? [`globalThis.${node.id.name} = ${node.id.name};`] : [],
  )
  const last = body.at(-1)
  const edits = body.flatMap((node) => {
    if (node === last && node.type === 'ExpressionStatement') return returned(source, node)
    return node.type === 'ClassDeclaration' ? hoistClass(node, names) : hoist(source, node, names)
  })
  const declared = names.length === 0 ? '' : `var ${names.join(', ')};`
  return `${declared}(async () => {${first.join('')}${apply(source, edits)}\n})()`
}

function returned(source: string, node: Node<'ExpressionStatement'>): Edit[] {
  const { start, end } = node.expression
  const outer = source.slice(node.start, node.end).replace(/;\s*$/, '')
  const text = end > start ? outer : 'undefined'
  return [{ start: node.start, end: node.end, text: `return { value: (${text}\n) }` }]
}

function hoist(source: string, node: Body, names: string[]): Edit[] {
  if (node.type === 'ImportDeclaration') return [importing(node, names)]
  if (node.type !== 'VariableDeclaration') return []
  const assignments = node.declarations.map(({ id, init }) => {
    collect(id, names)
    const value = init ? source.slice(init.start, init.end) : 'undefined'
    return `(${source.slice(id.start, id.end)} = ${value})`
  })
  return [{ start: node.start, end: node.end, text: `;${assignments.join(', ')};` }]
}

function hoistClass(node: ClassDeclaration, names: string[]): Edit[] {
  names.push(node.id.name)
  return [
    { start: node.start, end: node.start, text: `${node.id.name} = ` },
    { start: node.end, end: node.end, text: ';' },
  ]
}

function importing(node: Node<'ImportDeclaration'>, names: string[]): Edit {
  const parts: string[] = []
  let whole = ''
  for (const specifier of node.specifiers) {
    const { name } = specifier.local
    names.push(name)
    if (specifier.type === 'ImportNamespaceSpecifier') whole = `${name} = `
    else if (specifier.type === 'ImportDefaultSpecifier') parts.push(`default: ${name}`)
    else parts.push(`${importedName(specifier)}: ${name}`)
  }
  const taken = `${whole}await import(${node.source.raw})`
  const text = parts.length === 0 ? `;(${taken});` : `;({ ${parts.join(', ')} } = ${taken});`
  return { start: node.start, end: node.end, text }
}

function importedName({ imported }: Node<'ImportSpecifier'>): string {
  return imported.type === 'Identifier' ? imported.name : (imported.raw ?? '')
}

function collect(pattern: AnyNode, names: string[]): void {
  switch (pattern.type) {
    case 'Identifier':
      names.push(pattern.name)
      return
    case 'ObjectPattern':
      for (const part of pattern.properties)
        collect(part.type === 'Property' ? part.value : part, names)
      return
    case 'ArrayPattern':
      for (const part of pattern.elements) if (part) collect(part, names)
      return
    case 'AssignmentPattern':
      collect(pattern.left, names)
      return
    case 'RestElement':
      collect(pattern.argument, names)
  }
}

// ---- without await

/** `var` may be declared again and again; the value of the whole stays what it is. */
function redeclarable(node: Body): Edit[] {
  if (node.type === 'VariableDeclaration' && node.kind !== 'var') {
    return [{ start: node.start, end: node.start + node.kind.length, text: 'var' }]
  }
  if (node.type !== 'ClassDeclaration') return []
  return [
    { start: node.start, end: node.start, text: `var ${node.id.name} = ` },
    { start: node.end, end: node.end, text: ';' },
  ]
}

function apply(source: string, edits: readonly Edit[]): string {
  let text = ''
  let from = 0
  for (const edit of edits) {
    text += source.slice(from, edit.start) + edit.text
    from = edit.end
  }
  return text + source.slice(from)
}
