/**
 * The TypeScript examples of the documentation as programs. A fenced `ts` block is one program,
 * unless an HTML comment before it says otherwise:
 *
 *     <!-- continues -->          it goes on where the block before it ended
 *     <!-- fragment: why -->      it is not run
 *     <!-- stays -->              it runs on; it is ended from outside
 *     <!-- named: app.ts -->      it is driven by a test of its own
 *     <!-- needs: redis -->       redis://127.0.0.1:6379 in it becomes a Redis of the test
 *     <!-- needs: etcd -->        http://127.0.0.1:2379 in it becomes an etcd of the test
 */

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from './root.js'

export interface Example {
  /** `docs/start.md:12` */
  readonly place: string
  readonly source: string
  readonly name: string | undefined
  readonly stays: boolean
  readonly needsRedis: boolean
  readonly needsEtcd: boolean
  /** What comments behind `console.log(...)` say is printed, in order. */
  readonly expected: readonly string[]
}

interface Block {
  line: number
  marks: string[]
  source: string
}

/** The pages below docs/, as paths from the root. */
export function docPages(): string[] {
  return readdirSync(join(ROOT, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.md'))
    .map((file) => `docs/${file}`)
    .sort()
}

export function allExamples(): Example[] {
  return ['README.md', ...docPages()].flatMap((page) =>
    examplesOf(page, readFileSync(join(ROOT, page), 'utf8')),
  )
}

export function examplesOf(page: string, text: string): Example[] {
  const examples: Example[] = []
  let before = ''
  for (const { line, marks, source } of blocksOf(text)) {
    if (marks.some((mark) => mark.startsWith('fragment:'))) continue
    const whole = marks.includes('continues') ? `${before}\n${source}` : source
    before = whole
    const named = marks.find((mark) => mark.startsWith('named:'))
    examples.push({
      place: `${page}:${line}`,
      source: whole,
      name: named?.slice('named:'.length).trim(),
      stays: marks.includes('stays'),
      needsRedis: marks.includes('needs: redis'),
      needsEtcd: marks.includes('needs: etcd'),
      expected: expectedLines(whole),
    })
  }
  return examples
}

/** The marks of a block are the comments between it and the text before. */
function blocksOf(text: string): Block[] {
  const blocks: Block[] = []
  let marks: string[] = []
  let open: { block: Block | undefined } | undefined
  for (const [index, row] of text.split('\n').entries()) {
    if (open) {
      if (row === '```') open = undefined
      else if (open.block) open.block.source += `${row}\n`
    } else if (row.startsWith('```')) {
      const block = row === '```ts' ? { line: index + 1, marks, source: '' } : undefined
      if (block) blocks.push(block)
      open = { block }
      marks = []
    } else if (row.trim() !== '') marks = marked(row, marks)
  }
  return blocks
}

function marked(row: string, marks: string[]): string[] {
  const mark = /^<!-- (.+) -->$/.exec(row.trim())?.[1]
  return mark === undefined ? [] : [...marks, mark]
}

function expectedLines(source: string): string[] {
  return source.split('\n').flatMap((row) => {
    const comment = /console\.log\(.*\) *\/\/ (.+)$/.exec(row)?.[1]
    return comment === undefined ? [] : [comment]
  })
}
