import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { historyFile, prepareHistory } from '../../../src/shell/history.js'
import { type Scratch, scratch } from '../../support/scratch.js'

const folders: Scratch[] = []
const home = (): string => {
  const folder = scratch('history')
  folders.push(folder)
  return folder.path
}

afterEach(() => {
  for (const folder of folders.splice(0)) folder.remove()
})

test('history lies in the state folder of the user', () => {
  expect(historyFile({ HOME: '/home/u' })).toBe('/home/u/.local/state/citadel/shell_history')
  expect(historyFile({ HOME: '/home/u', XDG_STATE_HOME: '/s' })).toBe('/s/citadel/shell_history')
})

test('a state folder that is not absolute is ignored, as XDG demands', () => {
  expect(historyFile({ HOME: '/h', XDG_STATE_HOME: 's' })).toMatch(/^\/h\//)
})

test('the folder of the history is made', () => {
  const file = prepareHistory({ HOME: home() })
  expect(file !== undefined && existsSync(join(file, '..'))).toBe(true)
})

test('a home that cannot hold it means no history, and no error', () => {
  const file = join(home(), 'not-a-folder')
  writeFileSync(file, '')
  expect(prepareHistory({ HOME: file })).toBeUndefined()
})
