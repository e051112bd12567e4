import { expect, test } from 'vitest'
import { CitadelError } from '../../../src/base/errors.js'
import { LinkLog } from '../../../src/mesh/link-log.js'
import { LogRecorder } from '../../support/log-recorder.js'
import { ManualClock } from '../../support/manual-clock.js'

const MOST = 10
const LINE_MAX = 500

test('two nodes: what a peer can have logged is ten lines of a kind in ten seconds, on one line each', async () => {
  const log = new LogRecorder()
  const clock = new ManualClock()
  const links = new LinkLog(log, clock)
  const words = `the words\n\u001b[31m of a peer ${'x'.repeat(1e6)}`
  const codes = ['refused', 'bad_cookie'] as const
  for (let n = 0; n < 1_000; n++) {
    links.turnedAway(words)
    const [code, before] = n % 2 === 0 ? codes : ([codes[1], codes[0]] as const)
    links.dialFailed(
      new CitadelError(code as never, words),
      new CitadelError(before as never, words),
    )
    links.ended('b@h', { why: 'bad frame', error: new Error(words) } as never)
  }
  expect(log.lines).toHaveLength(4 * MOST)
  for (const line of log.lines) {
    expect(line.length).toBeLessThan(LINE_MAX + 100)
    expect(line).not.toMatch(/\p{Cc}/u)
  }
  log.lines.length = 0
  await clock.advance(10_000)
  links.turnedAway('once more')
  expect(log.lines).toEqual([`error once more (and ${1_000 - MOST} more like it)`])
})
