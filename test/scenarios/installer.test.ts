/** Debian's graphical installer, started by UEFI and used with the mouse. What its dialogs are called is looked for as a picture. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { count, needs, Scenarios, size } from './scenario';

const image = (name: string): string => join(__dirname, 'images', `${name}.png`);
/** Where things are on a screen of 1024 by 768: the rows that are selected once the lists are drawn, and the button. */
const ENGLISH = `${image('english')},x=20,y=429`;
const COUNTRY = `${image('united-states')},x=20,y=564`;
const CONTINUE = { image: `${image('continue')},x=914,y=729`, middle: '962,742' };

describe("Debian's graphical installer", function () {
  this.timeout(3_600_000);
  const scenarios = new Scenarios();
  after(() => scenarios.close());

  it('its language dialog, and a click on Continue with the USB tablet', function () {
    const [kernel, initrd] = [needs(this, 'debian-installer-gtk/linux'), needs(this, 'debian-installer-gtk/initrd.gz')];
    const snapshot = scenarios.file('installer.guest');
    const language = scenarios.see(
      'installer-language', ...scenarios.uefi(this, '--kernel', kernel, '--initrd', initrd, '--append', 'vga=788 --- quiet', '--memory', '1G', '--usb', 'tablet,keyboard'),
      '--until-screen', image('select-a-language'), '--until-screen', CONTINUE.image, '--until-screen', ENGLISH, '--suspend', snapshot,
    ); // prettier-ignore
    assert.equal(size(language.picture), '1024x768');
    const location = scenarios.see(
      'installer-location', 'resume', snapshot, '--serial', 'none', '--click', CONTINUE.middle, '--until-screen', image('select-your-location'), '--until-screen', COUNTRY,
    ); // prettier-ignore
    const selected = (r: number, g: number, b: number): boolean => Math.abs(r - 41) < 8 && g > 120 && g < 145 && b > 115 && b < 140;
    for (const { picture } of [language, location]) assert.ok(count(picture, selected) > 15_000, 'a row of the list is selected');
  });
});
