/** Results as a table that reads well in a terminal and in Markdown. */
import { type Result, reached } from './measure.js'
import type { Spread } from './statistics.js'

const HEAD = ['work', 'Citadel', 'min - max', 'Erlang', 'min - max', 'ratio', 'aim', '']

export function table(results: readonly Result[]): string {
  const rows = [HEAD, ...results.map(row)]
  const widths = HEAD.map((_, column) => Math.max(...rows.map((cells) => cells[column]!.length)))
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join(' | ')} |`
  const rule = `|${widths.map((width, i) => (i === 0 ? '-'.repeat(width + 2) : `${'-'.repeat(width + 1)}:`)).join('|')}|`
  return [line(HEAD), rule, ...rows.slice(1).map(line)].join('\n')
}

function row(result: Result): string[] {
  const { figure, ours, erlang, ratio } = result
  return [
    figure.name,
    `${short(ours.median)} ${figure.unit}`,
    span(ours),
    erlang ? `${short(erlang.median)} ${figure.unit}` : 'not measured',
    erlang ? span(erlang) : '',
    ratio === undefined ? '' : `${ratio.toFixed(2)}x`,
    aim(result),
    verdict(result),
  ]
}

function aim({ figure }: Result): string {
  if (figure.goal !== undefined) return `${short(figure.goal)} ${figure.unit}`
  return figure.target === undefined ? '' : `${figure.target}x`
}

const verdict = (result: Result): string => {
  const isReached = reached(result)
  if (isReached === undefined) return ''
  return isReached ? 'reached' : 'below'
}

const span = ({ min, max }: Spread): string => `${short(min)} - ${short(max)}`

function short(value: number): string {
  if (value >= 1e6) return `${(value / 1e6).toFixed(2)}M`
  if (value >= 1e4) return `${(value / 1e3).toFixed(1)}k`
  return value >= 100 ? value.toFixed(0) : value.toFixed(1)
}
