import { beforeAll, describe, expect, test } from 'vitest'
import { evaluate, silenceLoaderWarning } from '../../../src/shell/evaluator.js'
import { compileStatement } from '../../../src/shell/statement.js'

beforeAll(silenceLoaderWarning)

const values = async (...lines: string[]): Promise<unknown[]> => {
  const results: unknown[] = []
  for (const line of lines) {
    const outcome = await evaluate(`${line}\n`)
    if (outcome.type === 'error') throw outcome.error
    results.push(outcome.type === 'value' ? outcome.value : outcome.type)
  }
  return results
}

describe('what is complete', () => {
  test.each([
    'class A {',
    'foo(1,',
    'foo(1',
    'const x = [',
    '1 +',
    'if (a) {',
    '`text',
    '/* comment',
    'async () => {',
    '{ a: 1,',
    "'a\\",
    'await call(',
    'const',
  ])('%s needs more lines', (typed) => {
    expect(compileStatement(`${typed}\n`)).toEqual({ type: 'incomplete' })
  })

  test.each(['foo bar', 'foo(1 2)', '}', "'open", 'return 1', 'let 1', 'await = = 2'])(
    '%s is wrong, whatever follows',
    (typed) => {
      const statement = compileStatement(`${typed}\n`)
      expect(statement).toMatchObject({ type: 'wrong', error: expect.any(SyntaxError) })
    },
  )

  test.each(['', '// only a comment', 'f()', 'a\n  .b', '`a`', 'x => { return 1 }'])(
    '%s is complete',
    (typed) => {
      expect(compileStatement(`${typed}\n`)).toMatchObject({ type: 'ready' })
    },
  )
})

describe('what a statement gives', () => {
  test('a value, and a promise what it resolves with', async () => {
    expect(await values('1 + 1', 'Promise.resolve(3)', 'await Promise.resolve(4)')).toEqual([
      2, 3, 4,
    ])
  })

  test('an object literal is an object, and not a block', async () => {
    expect(await values('{ a: 1 }', '{ a: 1, b: await 2 }', '{}')).toEqual([
      { a: 1 },
      { a: 1, b: 2 },
      {},
    ])
  })

  test('objects are of the same kind as those of the program', async () => {
    const [object, list, map] = await values('({})', '[1]', 'new Map()')
    expect(Object.getPrototypeOf(object)).toBe(Object.prototype)
    expect(list).toBeInstanceOf(Array)
    expect(map).toBeInstanceOf(Map)
  })

  test('a thenable that is no promise is not awaited', async () => {
    const [thenable] = await values('({ then(done) { done(1) } }).then')
    expect(thenable).toBeTypeOf('function')
  })

  test('a rejection and a throw are errors', async () => {
    expect(await evaluate('Promise.reject(1)')).toEqual({ type: 'error', error: 1 })
    expect(await evaluate('await Promise.reject(2)')).toEqual({ type: 'error', error: 2 })
    expect(await evaluate('throw 3')).toEqual({ type: 'error', error: 3 })
  })
})

describe('what is declared stays', () => {
  test('names of every kind of declaration, with and without await', async () => {
    expect(
      await values(
        'const one = 1',
        'let two = await 2, three = 3',
        'const { a, b: [c], ...rest } = await { a: 4, b: [5], d: 6 }',
        'class Six { get() { return 6 } }; await 0',
        'class Seven { get() { return 7 } }',
        'function eight() { return 8 }; await 0',
        'let nothing; await 0',
        '[one, two, three, a, c, rest.d, new Six().get(), new Seven().get(), eight(), nothing]',
      ),
    ).toEqual([
      ...[undefined, undefined, undefined, 0, undefined, 0, 0],
      [1, 2, 3, 4, 5, 6, 6, 7, 8, undefined],
    ])
  })

  test('and can be declared again', async () => {
    expect(
      await values('const again = 1', 'const again = 2', 'let again = await 3; again'),
    ).toEqual([undefined, undefined, 3])
  })

  test('import works as a statement and as an expression', async () => {
    expect(
      await values(
        "import path, { join as glue, sep } from 'node:path'",
        'path.join === glue && sep',
        "import * as os from 'node:os'; typeof os.cpus",
        "const { EOL } = await import('node:os'); EOL",
      ),
    ).toEqual([undefined, '/', 'function', '\n'])
  })

  test('await inside a function of its own does not make the statement wait', () => {
    expect(compileStatement('const f = async () => { await 1 }')).toMatchObject({ isAsync: false })
    expect(compileStatement('for await (const x of y) z()')).toMatchObject({ isAsync: true })
  })
})
