/**
 * How the demo speaks: numbered steps, each with its idea in a sentence or two, then lines of what a
 * node did and what came of it. At most 90 columns; colours on a terminal only.
 */
import { styleText } from 'node:util'

type Style = Parameters<typeof styleText>[0]

const WIDTH = 88
const INDENT = '   '
const NODE_WIDTH = 5
const CODE_WIDTH = 42
const BAR_WIDTH = 56
const MAP_WIDTH = 50

export interface StoryOutput {
  write(text: string): unknown
  readonly isTTY?: boolean
}

/** How many rooms a node runs, and how many of them came from elsewhere. */
export interface Share {
  readonly node: string
  readonly count: number
  readonly moved: number
}

export class Story {
  #step = 0
  readonly #out: StoryOutput
  readonly #colours: boolean

  constructor(out: StoryOutput, variables: NodeJS.ProcessEnv = process.env) {
    this.#out = out
    this.#colours = out.isTTY === true && !variables.NO_COLOR
  }

  title(title: string, ...sentences: string[]): void {
    this.#line()
    this.#line(this.#paint(['bold', 'cyan'], title))
    this.#prose('', sentences)
  }

  /** A numbered step: what is shown, and why it matters. */
  step(title: string, ...sentences: string[]): void {
    this.#step++
    this.#line()
    this.#line(`${this.#paint(['bold', 'cyan'], `${this.#step}.`)} ${this.#paint('bold', title)}`)
    this.#prose(INDENT, sentences)
    this.#line()
  }

  /** What a node did, as one would write it, and what came of it. */
  did(node: string, code: string, outcome: string): void {
    const head = this.#paint('yellow', node.padEnd(NODE_WIDTH))
    this.#line(`${INDENT}${head}${this.#paint('cyan', code.padEnd(CODE_WIDTH))} ${outcome}`)
  }

  /** What was shown, checked. */
  result(...sentences: string[]): void {
    this.#line()
    this.more(...sentences)
  }

  /** One result more. */
  more(...sentences: string[]): void {
    for (const [index, line] of wrap(sentences.join(' '), WIDTH - 5).entries()) {
      const mark = index === 0 ? this.#paint('green', '=>') : '  '
      this.#line(`${INDENT}${mark} ${this.#paint('bold', line)}`)
    }
  }

  /** One bar per node; what came from elsewhere is drawn lighter. */
  bars(shares: readonly Share[]): void {
    for (const { node, count, moved } of shares) {
      const stayed = this.#paint('green', '█'.repeat(count - moved))
      const came = this.#paint('magenta', '▒'.repeat(moved))
      const gap = ' '.repeat(Math.max(1, BAR_WIDTH - count))
      const numbers = moved > 0 ? `${count} rooms, ${moved} moved here` : `${count} rooms`
      this.#line(
        `${INDENT}${this.#paint('yellow', node.padEnd(NODE_WIDTH))}${stayed}${came}${gap}${numbers}`,
      )
    }
  }

  /** For each room in turn the number of its node; `marked` ones stand out. */
  map(places: readonly string[], marked: ReadonlySet<number>): void {
    this.#line(`${INDENT}Which node runs each room (1 is n1, and so on):`)
    for (let first = 0; first < places.length; first += MAP_WIDTH) {
      const part = places.slice(first, first + MAP_WIDTH)
      const digits = part.map((place, index) =>
        marked.has(first + index) ? this.#paint(['bold', 'magenta'], place) : place,
      )
      const label = `rooms ${String(first + 1).padStart(2)} to ${first + part.length}`
      this.#line(`${INDENT}${label.padEnd(17)}${digits.join('')}`)
    }
  }

  space(): void {
    this.#line()
  }

  note(...sentences: string[]): void {
    this.#line()
    this.#prose(INDENT, sentences)
  }

  end(sentence: string): void {
    this.#line()
    this.#line(this.#paint(['bold', 'green'], sentence))
    this.#line()
  }

  #prose(indent: string, sentences: readonly string[]): void {
    for (const line of wrap(sentences.join(' '), WIDTH - indent.length)) this.#line(indent + line)
  }

  #paint(style: Style, text: string): string {
    return this.#colours ? styleText(style, text) : text
  }

  #line(text = ''): void {
    this.#out.write(`${text}\n`)
  }
}

function wrap(text: string, width: number): string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    if (line && line.length + 1 + word.length > width) {
      lines.push(line)
      line = word
    } else line = line ? `${line} ${word}` : word
  }
  if (line) lines.push(line)
  return lines
}
