/** Text for the guest's keyboard, and text from its screen. */
import * as vscode from 'vscode';
import type { GuestSession } from './sessions';

/** Characters in one go, and the guest's own time that it has for them, in nanoseconds: guests lose keys that come too fast. */
const PIECE = 8;
const PIECE_NS = 150e6;
const LOOK_MS = 50;
const MOST_CHARACTERS = 20_000;
/** From here on the progress is shown where it can be cancelled. */
const LONG = 64;

/** Types the clipboard's text as on a US keyboard. */
export async function typeClipboard(session: GuestSession): Promise<void> {
  const characters = [...(await vscode.env.clipboard.readText())];
  if (characters.length === 0) return void vscode.window.showInformationMessage('There is no text in the clipboard.');
  if (characters.length > MOST_CHARACTERS) throw new Error(`${characters.length} characters are too many to be typed: at most ${MOST_CHARACTERS} are.`);
  const location = characters.length > LONG ? vscode.ProgressLocation.Notification : vscode.ProgressLocation.Window;
  const options = { location, title: 'Typing into the guest', cancellable: true };
  const skipped = await vscode.window.withProgress(options, (progress, token) => type(session, characters, progress, token));
  if (skipped !== '') void vscode.window.showWarningMessage(`Left out, because a US keyboard does not have them: ${skipped}`);
}

async function type(
  session: GuestSession,
  characters: readonly string[],
  progress: vscode.Progress<{ increment: number }>,
  token: vscode.CancellationToken,
): Promise<string> {
  const skipped = new Set<string>();
  for (let at = 0; at < characters.length && !token.isCancellationRequested; at += PIECE) {
    await passed(session, at === 0 ? 1 : PIECE_NS, token);
    if (token.isCancellationRequested) break;
    const piece = characters.slice(at, at + PIECE);
    for (const character of (await session.request('guest/type', { text: piece.join('') })).skipped) skipped.add(character);
    progress.report({ increment: (100 * piece.length) / characters.length });
  }
  return [...skipped].join('');
}

/** Waits until the guest has had so much time: for ever while it stands still. */
async function passed(session: GuestSession, nanoseconds: number, token: vscode.CancellationToken): Promise<void> {
  const { time } = await session.request('guest/status', {});
  while (!token.isCancellationRequested) {
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    const now = await session.request('guest/status', {});
    // Back in history is another time altogether.
    if (now.time < time || now.time - time >= nanoseconds) return;
  }
}

/** What text modes hold, or what consoles draw with a font that the guest has in its memory. */
export async function copyScreenText(session: GuestSession): Promise<void> {
  const { text } = await session.request('guest/screenText', {});
  if (text === undefined)
    return void vscode.window.showInformationMessage(
      'No text can be read on the screen: that of text modes can, and what consoles draw with the fonts of a video BIOS, of Linux or of UEFI.',
    );
  await vscode.env.clipboard.writeText(text);
  vscode.window.setStatusBarMessage('The text of the screen is in the clipboard.', 5000);
}
