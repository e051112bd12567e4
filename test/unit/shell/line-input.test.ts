import { Readable } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { runLines } from '../../../src/shell/line-input.js'
import type { Session } from '../../../src/shell/session.js'

/** Statements end with `;` here; `bad;` fails. */
class Recorder {
  readonly statements: string[] = []
  readonly failures: string[] = []

  async run(typed: string): Promise<'incomplete' | 'done' | 'failed'> {
    await new Promise(setImmediate)
    if (!typed.trimEnd().endsWith(';')) return typed.trim() === '' ? 'done' : 'incomplete'
    this.statements.push(typed)
    return typed === 'bad;\n' ? 'failed' : 'done'
  }

  fail(error: Error): void {
    this.failures.push(error.message)
  }
}

async function feed(chunks: string[], options: { strict?: boolean; prompt?: boolean } = {}) {
  const recorder = new Recorder()
  let shown = ''
  const ok = await runLines(recorder as unknown as Session, {
    input: Readable.from(chunks.map((chunk) => Buffer.from(chunk))),
    strict: options.strict ?? false,
    prompt: options.prompt ? { first: '> ', more: '. ' } : undefined,
    write: (text) => {
      shown += text
    },
  })
  return { ok, shown, ...recorder }
}

describe('lines from a pipe', () => {
  test('are joined until a statement is complete, however they are cut into chunks', async () => {
    const { statements } = await feed(['a;\nb', '\n\nc;', '\r\nd;\n'])
    expect(statements).toEqual(['a;\n', 'b\n\nc;\n', 'd;\n'])
  })

  test('may lack the last line end', async () => {
    expect(await feed(['a;\nb;'])).toMatchObject({ ok: true, statements: ['a;\n', 'b;\n'] })
  })

  test('end at .exit', async () => {
    expect(await feed(['a;\n.exit\nb;\n'])).toMatchObject({ ok: true, statements: ['a;\n'] })
  })

  test('go on after a failure, unless strict', async () => {
    expect(await feed(['bad;\nb;\n'])).toMatchObject({ ok: true, statements: ['bad;\n', 'b;\n'] })
    const strict = await feed(['bad;\nb;\n'], { strict: true })
    expect(strict).toMatchObject({ ok: false, statements: ['bad;\n'] })
  })

  test('that end in the middle of a statement are an error', async () => {
    const { failures, ok } = await feed(['a;\nb\n'])
    expect(failures).toEqual(['the input ended in the middle of a statement'])
    expect(ok).toBe(true)
    expect(await feed(['b\n'], { strict: true })).toMatchObject({ ok: false })
  })

  test('are prompted for when asked to', async () => {
    expect((await feed(['a;\nb\nc;\n'], { prompt: true })).shown).toBe('> > . > ')
    expect((await feed(['a;\n'])).shown).toBe('')
  })

  test('of a statement without end are given up at a limit', async () => {
    const { failures, statements } = await feed([`${'x'.repeat(1_000_001)}\n`, 'a;\n'])
    expect(failures).toEqual(['a statement has at most 1000000 characters'])
    expect(statements).toEqual(['a;\n'])
  })
})
